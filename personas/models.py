"""The people a workspace writes to, and the addresses they are reached at."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace


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
            models.Index(fields=["workspace", "name"], name="persona_by_name"),
            models.Index(fields=["workspace", "updated_at"], name="persona_by_update"),
        ]

    def __str__(self) -> str:
        return self.name


class Contact(models.Model):
    """One address of a persona: as it was typed, and normalised so that every notation of it is the same."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="contacts", verbose_name=_("persona"))
    type = models.CharField(_("type"), max_length=20, choices=ContactType.choices)
    label = models.CharField(_("label"), max_length=255, blank=True)
    key = models.CharField(_("as typed"), max_length=255)
    normalized = models.CharField(_("normalised"), max_length=255)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        constraints = [
            models.UniqueConstraint(fields=["workspace", "type", "normalized"], name="contact_unique"),
            models.CheckConstraint(condition=models.Q(type__in=ContactType.values), name="contact_type_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_type_display()} {self.normalized}"


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


class AttributeValue(models.Model):
    """What is known of one persona; no row when nothing is."""

    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="attributes")
    definition = models.ForeignKey(AttributeDefinition, on_delete=models.CASCADE, related_name="+")
    value = models.CharField(max_length=1000)
    """In one notation per type: text as it is, a number as `12.5`, a date as `2026-11-21`, `true` or `false`."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["persona", "definition"], name="attributevalue_unique")]
        indexes = [models.Index(fields=["definition", "value"], name="attributevalue_by_value")]

    def __str__(self) -> str:
        return self.value


class PersonaChange(models.Model):
    """One field of a persona, old → new: by whom, when, in which call."""

    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="changes")
    field = models.CharField(max_length=100)
    """`name`, `gender`, `birthday`, `notes`, `attribute:<key>`, `contact:<type>`, or `created`."""
    old = models.TextField(blank=True)
    new = models.TextField(blank=True)
    actor_label = models.CharField(max_length=150)
    request_id = models.CharField(max_length=32, blank=True)
    happened_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["persona", "-id"], name="personachange_newest")]

    def __str__(self) -> str:
        return f"{self.field}: {self.old} → {self.new}"

    @property
    def label(self) -> str:
        """What changed, in words."""
        kind, _colon, detail = self.field.partition(":")
        if kind == "contact":
            return str(dict(ContactType.choices).get(detail, detail))
        if kind == "attribute":
            return detail
        return {"created": gettext("Added as"), "name": gettext("Name"), "gender": gettext("Gender"),
                "birthday": gettext("Birthday"), "notes": gettext("Notes")}.get(kind, kind)  # fmt: skip
