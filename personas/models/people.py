"""The people a workspace writes to, the addresses they are reached at, and what is known of them."""

from collections.abc import Iterable
from typing import Any, cast

from django.conf import settings
from django.db import models
from django.db.models.lookups import IsNull
from django.utils import timezone
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
    """The value of an attribute of type number, as a number; of any other type, whatever comes of it, or nothing."""

    output_field = models.FloatField()
    template = "CASE WHEN %(expressions)s GLOB '[-0-9]*' THEN CAST(%(expressions)s AS REAL) END"

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
            # With the value itself, or PostgreSQL would not read its number from here, and only what is a number.
            models.Index(
                "definition",
                AsNumber("value"),
                "persona",
                "value",
                name="attributevalue_number",
                condition=models.Q(IsNull(AsNumber("value"), False)),
            ),
            models.Index(fields=["definition", "persona"], name="attributevalue_by_persona"),
        ]

    def __str__(self) -> str:
        return self.value


KEY_OF_WORKSPACE = 1 << 40
"""A document's key is this times the workspace, plus the persona: a workspace's people are one range of keys, newest
last, and an index of documents needs no other scope. There is room for a million million personas."""


class WorkspaceOf(models.Func):
    """The workspace that is in the key of a document."""

    output_field = models.BigIntegerField()
    template = f"(%(expressions)s / {KEY_OF_WORKSPACE})"


class SearchDocument(models.Model):
    """What a persona is found by. Only the database's triggers write here; see `personas.search_index`."""

    key = models.BigIntegerField(primary_key=True)
    """Workspace and persona in one number."""
    text = models.TextField()
    """An empty line, the folded name, contacts and values, and each pair of letters of the name, a line each."""
    problem = models.PositiveSmallIntegerField()
    """1: no contact at all; 2: a doubtful number; 0: none."""
    filled = models.TextField(null=True)  # noqa: DJ001
    """The ids of the attributes that have a value, in order, each between commas; None in one to be written anew."""

    class Meta:
        indexes = [
            models.Index(
                fields=["key", "problem"], condition=models.Q(problem__gt=0), name="searchdocument_with_problem"
            ),
            models.Index(fields=["problem", "key"], condition=models.Q(problem__gt=0), name="searchdocument_problem"),
            models.Index(WorkspaceOf("key"), "filled", "key", name="searchdocument_filled"),
        ]

    def __str__(self) -> str:
        return str(self.key)


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
        verbose_name = _("saved filter")
        verbose_name_plural = _("saved filters")
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "owner", "name"],
                name="savedfilter_unique",
                violation_error_message=_("You already have a filter of this name."),
            )
        ]

    def __str__(self) -> str:
        return self.name
