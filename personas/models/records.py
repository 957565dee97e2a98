"""What happened to people: who changed what, who became one person, who was deleted."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from personas.models.people import ContactType, Persona


class Origin(models.TextChoices):
    """Where a change came from."""

    PERSON = "person", _("Person")
    TOKEN = "token", _("Token")
    IMPORT = "import", _("Import")
    PLATFORM = "platform", _("Platform")
    SYSTEM = "system", _("Raven Admin")


class PersonaChange(models.Model):
    """One field of a persona, old → new: by whom, when, in which call."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="changes", db_index=False)
    field = models.CharField(max_length=100)
    """`name`, `gender`, `birthday`, `notes`, `attribute:<key>`, `contact:<type>`, `contact_label:<type>:<key>`,
    `created`, `merged` or `merge_undone`."""
    old = models.TextField(blank=True)
    new = models.TextField(blank=True)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.TOKEN)
    actor_label = models.CharField(max_length=150)
    request_id = models.CharField(max_length=32, blank=True)
    operation = models.ForeignKey("Operation", on_delete=models.SET_NULL, null=True, related_name="changes")
    happened_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        indexes = [
            models.Index(fields=["persona", "-id"], name="personachange_newest"),
            models.Index(fields=["workspace", "-id"], name="personachange_of_workspace"),
        ]

    def __str__(self) -> str:
        return f"{self.field}: {self.old} → {self.new}"

    @property
    def label(self) -> str:
        """What changed, in words."""
        kind, _colon, detail = self.field.partition(":")
        if kind == "contact":
            return str(dict(ContactType.choices).get(detail, detail))
        if kind == "contact_label":
            return gettext("Label of %(address)s") % {"address": detail.partition(":")[2]}
        if kind == "attribute":
            return detail
        return {"created": gettext("Added as"), "restored": gettext("Brought back"),
                "type": gettext("Type"), "merged": gettext("Merged with"),
                "merge_undone": gettext("Merge undone"), "link": gettext("Record there"),
                "name": gettext("Name"), "gender": gettext("Gender"),
                "birthday": gettext("Birthday"), "notes": gettext("Notes")}.get(kind, kind)  # fmt: skip


class Merge(models.Model):
    """That two personas became one, with what it takes to make them two again."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    kept = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="merges")
    absorbed_id = models.BigIntegerField()
    absorbed_name = models.CharField(max_length=255)
    before = models.JSONField()
    """Both personas as they were; see `personas.snapshots`."""
    actor_label = models.CharField(max_length=150)
    request_id = models.CharField(max_length=32, blank=True)
    operation = models.ForeignKey("Operation", on_delete=models.SET_NULL, null=True, related_name="+")
    merged_at = models.DateTimeField(default=timezone.now)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("merge")
        verbose_name_plural = _("merges")
        indexes = [
            models.Index(fields=["workspace", "-id"], name="merge_newest"),
            models.Index(fields=["absorbed_id"], name="merge_of_absorbed"),
        ]

    def __str__(self) -> str:
        return f"{self.absorbed_id} → {self.kept_id}"


class DeletionReceipt(models.Model):
    """That a persona was deleted, without anything that says who it was."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    persona_id = models.BigIntegerField()
    origin = models.CharField(max_length=10, choices=Origin.choices)
    actor_label = models.CharField(max_length=150)
    request_id = models.CharField(max_length=32, blank=True)
    contact_count = models.PositiveIntegerField(default=0)
    message_count = models.PositiveIntegerField(default=0)
    deleted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("receipt")
        verbose_name_plural = _("deleted personas")
        indexes = [
            models.Index(fields=["workspace", "-id"], name="deletionreceipt_newest"),
            models.Index(fields=["persona_id"], name="deletionreceipt_of_persona"),
        ]

    def __str__(self) -> str:
        return f"persona {self.persona_id}"
