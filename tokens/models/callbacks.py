"""Callbacks: where the events of a token are posted to, and what they are signed with."""

from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.language import as_stored
from accounts.models import Workspace
from delivery.models import Destination
from tokens.models.tokens import Token

_NAME_AT_MOST = 100
"""Of a destination."""


class CallbackEvent(models.TextChoices):
    """What a token's callbacks tell of; the first three are WitiOp's, by its names."""

    CONVERSATION_CREATED = "conversation.created", _("New conversation")
    MESSAGE_RECEIVED = "message.received", _("New message")
    MESSAGE_STATUS = "message.status", _("Message reports")
    PERSONA_UPDATED = "persona.updated", _("Persona updated")
    TOKEN_EXPIRING = "token.expiring", _("Token expiring")


class CallbackQuerySet(models.QuerySet["Callback"]):
    def in_trouble(self) -> Self:
        """Those that fail, or were switched off because they did; what somebody switched off is as it should be."""
        failing = self.filter(failing_since__isnull=False, token__revoked_at=None)
        return failing.exclude(off_because=Callback.Off.PERSON)


class Callback(models.Model):
    """Where one kind of event is posted to, for the holder of a token."""

    class Off(models.TextChoices):
        """Why nothing is posted; what happens meanwhile is kept and waits."""

        PERSON = "person", _("Switched off")
        BUDGET = "budget", _("Switched off: it failed for too long")
        GONE = "gone", _("Switched off: it answered 410 Gone")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    token = models.ForeignKey(
        Token, on_delete=models.CASCADE, related_name="callbacks", verbose_name=_("token"), db_index=False
    )
    destination = models.OneToOneField(Destination, on_delete=models.CASCADE, related_name="callback")
    event = models.CharField(_("event"), max_length=30, choices=CallbackEvent.choices)
    url = models.CharField(_("address"), max_length=500)
    off_because = models.CharField(max_length=10, choices=Off.choices, blank=True, editable=False)
    off_at = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    """The first attempt that failed since the last one that succeeded."""
    warned_percent = models.PositiveSmallIntegerField(default=0, editable=False)
    """Of the failure budget: how much of it the caretaker has been warned of."""
    warned_at = models.DateTimeField(null=True, editable=False)
    """When that was."""
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[Any] = CallbackQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("callback")
        verbose_name_plural = _("callbacks")
        constraints = [models.UniqueConstraint(fields=["token", "event"], name="callback_unique")]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="callback_newest"),
            models.Index(
                fields=["failing_since"], condition=models.Q(failing_since__isnull=False), name="callback_failing"
            ),
            models.Index(
                fields=["workspace", "warned_at"],
                condition=models.Q(warned_percent__gt=0),
                name="callback_warned_of",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_event_display()} → {self.url}"

    @staticmethod
    def name_there(token: Token, event: str) -> str:
        """What the destination of `token`'s callback for `event` is called; see `Destination.shown_name`."""
        with as_stored():
            label = str(CallbackEvent(event).label)
        return f"{token.name[: _NAME_AT_MOST - len(label) - 2]}: {label}"

    @property
    def is_on(self) -> bool:
        return not self.off_because


class SigningSecret(models.Model):
    """What the callbacks of a token are signed with, encrypted (platforms.encryption); shown once, when it is made."""

    token = models.OneToOneField(Token, on_delete=models.CASCADE, primary_key=True, related_name="+")
    sealed = models.TextField(editable=False)
    sealed_previous = models.TextField(blank=True, editable=False)
    """The one before, with which is signed as well until `previous_ends_at`."""
    previous_ends_at = models.DateTimeField(null=True, editable=False)
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"of token {self.token_id}"
