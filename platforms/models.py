"""What the dialects of platforms keep beside the domain."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from delivery.models import Destination
from messaging.models import Topic
from personas.models import Persona


class ContactSession(models.Model):
    """A persona's session on a workspace's API inbox: what Chatwoot calls a contact inbox, known by its source id."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    persona = models.ForeignKey(
        Persona, on_delete=models.CASCADE, related_name="contact_sessions", verbose_name=_("persona")
    )
    source_id = models.CharField(_("source id"), max_length=255)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        verbose_name = _("contact session")
        verbose_name_plural = _("contact sessions")
        constraints = [models.UniqueConstraint(fields=["workspace", "source_id"], name="contactsession_source_unique")]

    def __str__(self) -> str:
        return self.source_id


class Connection(models.Model):
    """A platform that a workspace is connected to: where it is, how we show who we are, and how that went lately.

    Whether it is on, what it carries and how fast it may be called stand in its destination, as does what it was sent.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="connections")
    destination = models.OneToOneField(Destination, on_delete=models.CASCADE, related_name="connection")
    platform = models.CharField(_("platform"), max_length=30)
    base_url = models.CharField(_("address"), max_length=500, blank=True)
    sealed_credential = models.TextField(blank=True, editable=False)
    """See platforms.encryption; read by `target` alone."""
    settings = models.JSONField(default=dict, editable=False)
    """What its platform needs to know beside, by the keys of `Platform.settings`."""
    credential_expires_at = models.DateTimeField(_("credential ends"), null=True, editable=False)
    """As far as the platform says it."""
    incoming_digest = models.CharField(max_length=64, null=True, unique=True, editable=False)  # noqa: DJ001 - many None
    """Of the address that the platform calls when something happens there; None: it calls none."""
    sealed_incoming_secret = models.TextField(blank=True, editable=False)
    """What the platform signs these calls with; empty: it does not, and the address alone says who calls."""
    tested_at = models.DateTimeField(null=True, editable=False)
    test_problem = models.CharField(max_length=500, blank=True, editable=False)
    """Of the last test; empty when it went well."""
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    moved_at = models.DateTimeField(null=True, editable=False)
    """When its address became that of another server: what arrived before did not arrive there."""

    class Meta:
        ordering = ["destination_id"]
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        indexes = [models.Index(fields=["workspace", "destination"], name="connection_of_workspace")]

    def __str__(self) -> str:
        return self.destination.name

    @property
    def name(self) -> str:
        return self.destination.name

    @property
    def has_credential(self) -> bool:
        return bool(self.sealed_credential)

    def has_moved(self, *, lock: bool = False) -> bool:
        """Whether its address became another server's since this row was read.

        With `lock`, it does not before the transaction ends, and no other worker looks meanwhile.
        """
        rows = Connection.objects.select_for_update(no_key=True) if lock else Connection.objects.all()
        return rows.filter(pk=self.pk, moved_at=self.moved_at).values_list("pk").first() is None

    @property
    def carries(self) -> list[str]:
        """Of personas, messages and tokens, those that it carries."""
        return [what for what in ("personas", "messages", "tokens") if getattr(self.destination, f"carries_{what}")]


class Link(models.Model):
    """Which record a persona is on a connection, and what it was last told."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="links", db_index=False)
    persona_id = models.BigIntegerField(db_index=True)
    """No foreign key: it outlives its persona until the record there is deleted as well."""
    remote_id = models.CharField(max_length=255)
    pushed_digest = models.CharField(max_length=64, blank=True)
    """Of all values that were pushed last, so that an equal record is recognised without keeping it twice."""
    pushed_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    """When the record was last read back and was found to be the same."""
    checked_at = models.DateTimeField(default=timezone.now)
    """When it was last read back, or tried to be; of a new one, when it was linked."""
    unread_because = models.CharField(max_length=500, blank=True)
    """Why it could not be read at that moment; "" when it could."""
    drifted_at = models.DateTimeField(null=True)
    """When it was first found to differ, if it still does as far as is known."""
    drifted_fields = models.JSONField(default=list)
    """Which fields differ, as `PersonaChange.field` names them; none of a record that is gone there."""
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "persona_id"], name="link_persona_unique"),
            models.UniqueConstraint(fields=["connection", "remote_id"], name="link_record_unique"),
        ]
        indexes = [
            models.Index(fields=["connection", "checked_at"], name="link_longest_unchecked"),
            models.Index(
                fields=["connection", "-drifted_at"],
                condition=models.Q(drifted_at__isnull=False),
                name="link_drifted",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.persona_id} = {self.remote_id}"


class Conversation(models.Model):
    """Which topic a conversation on a connection is."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+", db_index=False)
    remote_id = models.CharField(max_length=255)
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "remote_id"], name="conversation_unique")]

    def __str__(self) -> str:
        return f"{self.topic_id} = {self.remote_id}"


class ReceivedCall(models.Model):
    """What a platform told us, and what became of it; kept 30 days, its body only until it is through."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DONE = "done", _("Taken over")
        IGNORED = "ignored", _("Ignored")
        FAILED = "failed", _("Failed")

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=100)
    """By which it is recognised when it comes a second time."""
    event = models.CharField(_("event"), max_length=60)
    body = models.TextField(blank=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices, default=Outcome.WAITING)
    explanation = models.CharField(max_length=500, blank=True)
    """A sentence: what was done, or why nothing was."""
    attempts = models.PositiveSmallIntegerField(default=0)
    repeats = models.PositiveIntegerField(default=0)
    """How often it came again."""
    persona_id = models.BigIntegerField(null=True)
    """Whom it was about; no foreign key, as it may be gone."""
    topic_id = models.BigIntegerField(null=True)
    received_at = models.DateTimeField(_("received"))

    class Meta:
        ordering = ["-id"]
        verbose_name = _("received call")
        verbose_name_plural = _("received calls")
        constraints = [models.UniqueConstraint(fields=["connection", "key"], name="receivedcall_unique")]
        indexes = [
            models.Index(fields=["connection", "-id"], name="receivedcall_newest"),
            models.Index(fields=["id"], condition=models.Q(outcome="waiting"), name="receivedcall_waiting"),
            models.Index(fields=["received_at"], name="receivedcall_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.pk}"


class SentMessage(models.Model):
    """Which recipient of a message of ours a message on a connection is for, so that what we hear of it finds them."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+", db_index=False)
    remote_id = models.CharField(max_length=255)
    recipient_id = models.BigIntegerField()
    """No foreign key: messages are pruned by themselves, and these after 90 days."""
    sent_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "remote_id"], name="sentmessage_unique")]
        indexes = [models.Index(fields=["sent_at"], name="sentmessage_oldest")]

    def __str__(self) -> str:
        return f"{self.recipient_id} = {self.remote_id}"


class EarlyWord(models.Model):
    """How far a message got that was not known to be one of ours when we were told; kept as long as the call."""

    call = models.OneToOneField(ReceivedCall, on_delete=models.CASCADE, related_name="+")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+", db_index=False)
    remote_id = models.CharField(max_length=255)
    state = models.CharField(max_length=10)
    """A `Recipient.State`."""
    problem = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [models.Index(fields=["connection", "remote_id"], name="earlyword_message")]

    def __str__(self) -> str:
        return f"{self.remote_id}: {self.state}"
