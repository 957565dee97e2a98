"""The people a workspace writes to, and the addresses they are reached at."""

from collections.abc import Iterable
from typing import Any, cast

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from personas.contacts import is_doubtful


class ContactType(models.TextChoices):
    WHATSAPP = "whatsapp", _("WhatsApp")
    PHONE = "phone", _("Phone")
    EMAIL = "email", _("E-mail")
    TELEGRAM = "telegram", _("Telegram")
    MESSENGER = "messenger", _("Messenger")
    INSTAGRAM = "instagram", _("Instagram")
    LINE = "line", _("LINE")
    WEB_CHAT = "web_chat", _("Web chat")
    OTHER = "other", _("Other")


class Persona(models.Model):
    """A person (or a group) as one workspace knows them."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="personas", verbose_name=_("workspace")
    )
    name = models.CharField(_("name"), max_length=255)
    gender = models.CharField(_("gender"), max_length=30, blank=True)
    birthday = models.DateField(_("birthday"), null=True, blank=True)
    notes = models.TextField(_("notes"), max_length=10_000, blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("persona")
        verbose_name_plural = _("personas")
        indexes = [
            models.Index(fields=["workspace", "-id"], name="persona_newest"),
            models.Index(fields=["workspace", "name", "id"], name="persona_by_name"),
            models.Index(fields=["workspace", "updated_at", "id"], name="persona_by_update"),
        ]

    def __str__(self) -> str:
        return self.name


class DoubtField(models.BooleanField):  # type: ignore[type-arg]
    """Always what `is_doubtful` says of the contact that is being stored, one by one or in bulk."""

    def pre_save(self, model_instance: models.Model, add: bool) -> bool:
        contact = cast(Contact, model_instance)
        doubtful = is_doubtful(contact.type, contact.normalized)
        contact.is_doubtful = doubtful
        return doubtful


class Contact(models.Model):
    """One address of a persona: as it was typed, and normalised so that every notation of it is the same."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="contacts", verbose_name=_("persona"))
    type = models.CharField(_("type"), max_length=20, choices=ContactType.choices)
    label = models.CharField(_("label"), max_length=255, blank=True)
    key = models.CharField(_("as typed"), max_length=255)
    normalized = models.CharField(_("normalised"), max_length=255)
    is_doubtful = DoubtField(default=False, editable=False)
    """That it is a number which its country's numbering plan does not know; see `is_doubtful`."""
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        constraints = [
            models.UniqueConstraint(fields=["workspace", "type", "normalized"], name="contact_unique"),
            models.CheckConstraint(condition=models.Q(type__in=ContactType.values), name="contact_type_known"),
        ]
        indexes = [models.Index(fields=["workspace", "type", "persona"], name="contact_by_type")]

    def __str__(self) -> str:
        return f"{self.get_type_display()} {self.normalized}"

    def save(self, *, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """As Django's; whatever stores another key stores whether that is doubtful."""
        if update_fields is not None and "normalized" in update_fields:
            update_fields = {*update_fields, "is_doubtful"}
        super().save(update_fields=update_fields, **options)


class AttributeType(models.TextChoices):
    TEXT = "text", _("Text")
    NUMBER = "number", _("Number")
    DATE = "date", _("Date")
    BOOLEAN = "boolean", _("Yes or no")


class AttributeDefinition(models.Model):
    """One thing that a workspace knows about its people beside their name: a label, a type and a hint."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", verbose_name=_("workspace"))
    key = models.SlugField(_("key"), max_length=50, help_text=_("The name that programs use, as `customer_since`."))
    label = models.CharField(_("label"), max_length=100)
    type = models.CharField(_("type"), max_length=10, choices=AttributeType.choices, default=AttributeType.TEXT)
    hint = models.CharField(_("hint"), max_length=200, blank=True)
    position = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        ordering = ["position", "id"]
        verbose_name = _("attribute")
        verbose_name_plural = _("attributes")
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "key"],
                name="attributedefinition_unique",
                violation_error_message=_("There is already an attribute with this key."),
            ),
            models.CheckConstraint(condition=models.Q(type__in=AttributeType.values), name="attribute_type_known"),
        ]

    def __str__(self) -> str:
        return self.label


class AsNumber(models.Func):
    """The value of an attribute of type number, as a number; of any other type, whatever comes of it."""

    output_field = models.FloatField()
    template = "CAST(%(expressions)s AS REAL)"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """PostgreSQL would refuse any other text, and may look at those of other attributes first."""
        number = "CASE WHEN %(expressions)s ~ '^-?[0-9]{1,40}([.][0-9]{1,40})?$' THEN (%(expressions)s)::float8 END"
        return self.as_sql(compiler, connection, template=number, **context)


class AttributeValue(models.Model):
    """What is known of one persona; no row when nothing is."""

    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="attributes")
    definition = models.ForeignKey(AttributeDefinition, on_delete=models.CASCADE, related_name="+")
    value = models.CharField(max_length=1000)
    """In one notation per type: text as it is, a number as `12.5`, a date as `2026-11-21`, `true` or `false`."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["persona", "definition"], name="attributevalue_unique")]
        indexes = [
            models.Index(fields=["definition", "value", "persona"], name="attributevalue_by_value"),
            models.Index("definition", AsNumber("value"), name="attributevalue_by_number"),
            models.Index(fields=["definition", "persona"], name="attributevalue_by_persona"),
        ]

    def __str__(self) -> str:
        return self.value


class SearchDocument(models.Model):
    """What a persona is found by. Only the database's triggers write here; see `personas.search_index`."""

    key = models.BigIntegerField(primary_key=True)
    """Workspace and persona in one number."""
    text = models.TextField()
    """An empty line, the folded name, contacts and values, and each pair of letters of the name, a line each."""
    problem = models.PositiveSmallIntegerField()
    """1: no contact at all; 2: a doubtful number; 0: none."""

    class Meta:
        indexes = [
            models.Index(fields=["key"], condition=models.Q(problem__gt=0), name="searchdocument_any_problem"),
            models.Index(fields=["problem", "key"], condition=models.Q(problem__gt=0), name="searchdocument_problem"),
        ]

    def __str__(self) -> str:
        return str(self.key)


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


class SavedFilter(models.Model):
    """A search and its filters under a name, for one person or for the whole workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(max_length=2000)
    """The list's query string, without its page."""
    is_shared = models.BooleanField(_("for everybody in this workspace"), default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "owner", "name"],
                name="savedfilter_unique",
                violation_error_message=_("You already have a filter of this name."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class DuplicatePair(models.Model):
    """Two personas that are likely one person, until somebody merges them or says that they are two."""

    class Reason(models.TextChoices):
        SAME_NUMBER = "same_number", _("Same number")
        SAME_EMAIL = "same_email", _("Same e-mail address")
        NEAR_NAME = "near_name", _("Near name and something shared")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    first = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="+")
    """The younger of the two: its id is the higher one."""
    reason = models.CharField(max_length=20, choices=Reason.choices)
    detail = models.CharField(max_length=255, blank=True)
    """What they share, as the number."""
    found_at = models.DateTimeField(default=timezone.now)
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="duplicatepair_unique"),
            models.CheckConstraint(
                condition=models.Q(first__lt=models.F("second")), name="duplicatepair_older_one_first"
            ),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "-id"], condition=models.Q(dismissed_at__isnull=True), name="duplicatepair_open"
            ),
            models.Index(
                fields=["workspace", "-id"], condition=models.Q(dismissed_at__isnull=False), name="duplicatepair_closed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} = {self.second_id}?"


class DuplicateKey(models.Model):
    """Something that two personas may share who are one person, in one notation: see `personas.duplicates`."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=100)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "key", "persona"], name="duplicatekey_unique")]

    def __str__(self) -> str:
        return self.key


class DuplicateScan(models.Model):
    """How far a workspace's personas have been looked at for duplicates, in the order in which they were changed."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, primary_key=True, related_name="+")
    updated_at = models.DateTimeField(null=True)
    """Of the last persona that was looked at; None: begin with the first."""
    persona_id = models.BigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)
    """When there was nobody left to look at; None while the first or a whole scan goes on."""

    def __str__(self) -> str:
        return f"{self.workspace_id}: {self.updated_at}"


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
        indexes = [models.Index(fields=["workspace", "-id"], name="deletionreceipt_newest")]

    def __str__(self) -> str:
        return f"persona {self.persona_id}"


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
    kind = models.CharField(max_length=20, choices=Kind.choices)
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
