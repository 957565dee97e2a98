"""Topics, the messages in them, and whom each message goes to."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace, validate_time_zone
from personas.models import Contact, Persona

DELETED_SENDER = gettext_noop("Deleted persona")
"""What stands for the sender of a message whose sender was deleted."""


class TopicType(models.TextChoices):
    PERSONA = "persona", _("One person")
    GROUP = "group", _("Group")
    MASS = "mass", _("Mass")


class Topic(models.Model):
    """A conversation: with one person, with one group, or a mass topic that many people get messages of.

    A topic of type persona or group belongs to the persona it is with, so two people may each have an "Order 17";
    the name of a mass topic is unique in its workspace.
    """

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        PENDING = "pending", _("Pending")
        RESOLVED = "resolved", _("Resolved")

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="topics", verbose_name=_("workspace")
    )
    type = models.CharField(_("type"), max_length=10, choices=TopicType.choices)
    name = models.CharField(_("name"), max_length=255)
    persona = models.ForeignKey(
        Persona, on_delete=models.CASCADE, null=True, blank=True, related_name="topics", verbose_name=_("with")
    )
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.OPEN)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("topic")
        verbose_name_plural = _("topics")
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name"], condition=models.Q(type="mass"), name="topic_mass_name_unique"
            ),
            models.UniqueConstraint(
                fields=["persona", "type", "name"], condition=~models.Q(type="mass"), name="topic_persona_name_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(type="mass", persona__isnull=True)
                | models.Q(type__in=["persona", "group"], persona__isnull=False),
                name="topic_has_a_persona_unless_mass",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["open", "pending", "resolved"]), name="topic_status_known"
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="topic_newest"),
            models.Index(fields=["workspace", "type", "-id"], name="topic_newest_of_type"),
        ]

    def __str__(self) -> str:
        return self.name


class Message(models.Model):
    """A text in a topic: outgoing from a user to its recipients, or incoming from a persona.

    Workspace and user keep no constraint: for each message PostgreSQL would lock their rows, the same two for all calls
    of a token. The console deletes neither.
    """

    class Direction(models.TextChoices):
        OUTGOING = "outgoing", _("Outgoing")
        INCOMING = "incoming", _("Incoming")

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="messages", verbose_name=_("workspace"), db_constraint=False,
        db_index=False,
    )  # fmt: skip
    topic = models.ForeignKey(
        Topic, on_delete=models.CASCADE, related_name="messages", verbose_name=_("topic"), db_index=False
    )
    direction = models.CharField(_("direction"), max_length=10, choices=Direction.choices)
    sender_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("sender"),
        db_constraint=False, db_index=False,
    )  # fmt: skip
    sender_persona = models.ForeignKey(
        Persona, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("sender"), db_index=False
    )
    sender_name = models.CharField(_("sent as"), max_length=255)
    text = models.CharField(_("text"), max_length=4096)
    request_id = models.CharField(_("request id"), max_length=32, blank=True)
    """The call that made it; empty when no call did."""
    created_at = models.DateTimeField(_("created"))

    class Meta:
        ordering = ["-id"]
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = [
            models.Index(fields=["workspace", "-id"], name="message_newest"),
            models.Index(fields=["topic", "id"], name="message_of_topic"),
            models.Index(
                fields=["sender_persona"], condition=models.Q(sender_persona__isnull=False), name="message_from_persona"
            ),
        ]

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def sent_as(self) -> str:
        """The sender's name as a page shows it; of somebody who was deleted, that they were."""
        return gettext(DELETED_SENDER) if self.sender_name == DELETED_SENDER else self.sender_name


class Recipient(models.Model):
    """That a message goes to a contact of a persona, and how far it got."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        """What carries it has accepted it."""
        DELIVERED = "delivered", _("Delivered")
        READ = "read", _("Read")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Unknown")
        """It was sent, and nobody answered."""

    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, related_name="recipients", verbose_name=_("message"), db_index=False
    )
    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="+", verbose_name=_("persona"))
    contact = models.ForeignKey(
        Contact, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("contact")
    )
    """None once it was taken away from the persona; what was sent to it stays."""
    contact_type = models.CharField(max_length=20, db_default="")
    contact_key = models.CharField(max_length=255, db_default="")
    """Where the message was addressed to when it was written."""
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.WAITING)
    problem = models.CharField(_("problem"), max_length=500, blank=True, db_default="")
    """Why it failed, as a sentence."""

    class Meta:
        ordering = ["id"]
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        constraints = [models.UniqueConstraint(fields=["message", "contact"], name="recipient_unique")]

    def __str__(self) -> str:
        return str(self.address)

    @property
    def address(self) -> Contact:
        """The contact as it is now; one that was taken away, as it was when the message was written."""
        return self.contact or Contact(type=self.contact_type, normalized=self.contact_key)


class Template(models.Model):
    """A text with numbered gaps, `{{1}}`, that programs and people fill in and send."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", verbose_name=_("workspace"))
    name = models.CharField(_("name"), max_length=100)
    language = models.CharField(_("language"), max_length=10, default="en", help_text=_("As en, id or pt-BR."))
    body = models.TextField(_("text"), max_length=4096, help_text=_("Gaps are written {{1}}, {{2}} and so on."))
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["name", "language"]
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name", "language"],
                name="template_unique",
                violation_error_message=_("There is already a template of this name in this language."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.language})"


class Location(models.Model):
    """A place of the organisation, as a shop or an office."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", verbose_name=_("workspace"))
    name = models.CharField(_("name"), max_length=100)
    code = models.SlugField(_("code"), max_length=50)
    address = models.CharField(_("address"), max_length=500, blank=True)
    phone = models.CharField(_("phone"), max_length=30, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, validators=[validate_time_zone])
    is_open = models.BooleanField(_("open"), default=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = _("location")
        verbose_name_plural = _("locations")
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "code"],
                name="location_code_unique",
                violation_error_message=_("There is already a location with this code."),
            )
        ]

    def __str__(self) -> str:
        return self.name
