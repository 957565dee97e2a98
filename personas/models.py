"""The people a workspace writes to, and the addresses they are reached at."""

from django.db import models
from django.utils import timezone
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

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="personas", verbose_name=_("workspace"))
    name = models.CharField(_("name"), max_length=255)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("persona")
        verbose_name_plural = _("personas")
        indexes = [
            models.Index(fields=["workspace", "-id"], name="persona_newest"),
            models.Index(fields=["workspace", "name"], name="persona_by_name"),
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
