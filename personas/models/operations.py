"""What is done to many people at once, row by row."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from personas.models.people import Persona


class Operation(models.Model):
    """One thing done to many personas: prepared in the background, previewed, carried out, and undone as a whole."""

    class Kind(models.TextChoices):
        IMPORT = "import", _("Import")
        SET_ATTRIBUTE = "set_attribute", _("Set an attribute")
        MERGE = "merge", _("Merge")
        DELETE = "delete", _("Delete")
        CONVERT = "convert", _("Change the type of an attribute")
        PLATFORM = "platform", _("Import from a platform")

    class State(models.TextChoices):
        PREPARING = "preparing", _("Reading")
        PREVIEW = "preview", _("Ready to check")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        UNDOING = "undoing", _("Undoing")
        UNDONE = "undone", _("Undone")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PREPARING)
    title = models.CharField(max_length=255)
    """What it does, in words: the file's name, or “Set City to Jakarta”."""
    plan = models.JSONField(default=dict)
    """What its kind needs to know: the filter, the attribute and its value, the columns of the file."""
    problem = models.TextField(blank=True)
    """Why it failed, as one or two sentences."""
    total = models.PositiveIntegerField(null=True)
    """Rows there are; None while that is not known."""
    processed = models.PositiveIntegerField(default=0)
    """Rows that the current state (preparing, running, undoing) is through with."""
    counts = models.JSONField(default=dict)
    """How many rows there are by action and, within it, by state; counting them anew would take long."""
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    actor_label = models.CharField(max_length=150)
    leased_until = models.DateTimeField(null=True)
    """A worker is at it until then, and longer if it says so."""
    stalls = models.PositiveSmallIntegerField(default=0)
    """How often a worker began on it since a batch of it was last through."""
    undone_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    carried_out_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)
    """From then on nothing is left of what undoing it would need."""

    class Meta:
        ordering = ["-id"]
        verbose_name = _("import or bulk change")
        verbose_name_plural = _("imports and bulk changes")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["preparing", "preview", "running", "done", "undoing", "undone", "failed",
                                              "cancelled"]),
                name="operation_state_known",
            )
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["workspace", "-id"], name="operation_newest"),
            models.Index(
                fields=["leased_until"],
                condition=models.Q(state__in=["preparing", "running", "undoing"]),
                name="operation_at_work",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class OperationRow(models.Model):
    """What an operation does to one persona; of an import, one row of the file."""

    class Action(models.TextChoices):
        CREATE = "create", _("New")
        CHANGE = "change", _("Changed")
        SAME = "same", _("Unchanged")
        REFUSE = "refuse", _("Refused")
        MERGE = "merge", _("Merged")
        DELETE = "delete", _("Deleted")
        LINK = "link", _("Linked")

    class State(models.TextChoices):
        PLANNED = "planned", _("Planned")
        DONE = "done", _("Done")
        REFUSED = "refused", _("Refused")
        UNDONE = "undone", _("Undone")
        KEPT = "kept", _("Changed since, left as it is")

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="rows", db_index=False)
    number = models.PositiveIntegerField()
    """Of an import, the row in the sheet, its header being row 1."""
    action = models.CharField(max_length=10, choices=Action.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLANNED)
    persona = models.ForeignKey(Persona, on_delete=models.SET_NULL, null=True, related_name="+")
    persona_name = models.CharField(max_length=255, blank=True)
    values = models.JSONField(default=dict)
    """What the row says, as it was read."""
    differences = models.JSONField(default=list)
    """[field, old, new] of what it changes."""
    problems = models.JSONField(default=list)
    """[column, sentence] of why it is refused."""
    before = models.JSONField(null=True)
    """The persona as it was, where undoing needs it; see `personas.snapshots`."""

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["operation", "number"], name="operationrow_unique")]
        indexes = [
            models.Index(fields=["operation", "action", "number"], name="operationrow_by_action"),
            models.Index(fields=["operation", "state", "number"], name="operationrow_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.action}"


class OperationFile(models.Model):
    """An uploaded file, until what it says is carried out."""

    operation = models.OneToOneField(Operation, on_delete=models.CASCADE, primary_key=True, related_name="file")
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"file of {self.operation_id}"
