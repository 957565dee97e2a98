"""What must leave for the outside; what happened, in an order a reader can trust; and background work that returns."""

from typing import Any, ClassVar, Self
from uuid import uuid4

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.language import retold
from accounts.models import Workspace
from delivery.states import OPEN_STATES, State


class Event(models.Model):
    """Something that happened in a workspace, for whoever follows along.

    Written without a number, in the transaction of the change itself; `delivery.events.read` numbers what has been
    committed, in order. So a change that commits late gets a late number, and no reader ever skips it. The workspace
    keeps no constraint: PostgreSQL would lock its row for each event, the same one for all.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    number = models.PositiveBigIntegerField(null=True)
    kind = models.CharField(max_length=40)
    data = models.JSONField(default=dict)
    happened_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "number"],
                name="event_number_unique",
                condition=models.Q(number__isnull=False),  # what is written has none yet, and need not be in the index
            )
        ]
        indexes = [
            models.Index(fields=["workspace", "id"], condition=models.Q(number__isnull=True), name="event_not_numbered")
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.kind}"


class EventSequence(models.Model):
    """The highest event number of a workspace; its row is the lock under which events are numbered."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, primary_key=True, related_name="+")
    last_number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.workspace_id}: {self.last_number}"


class ScheduledTask(models.Model):
    """When a task of `settings.SCHEDULED_TASKS` is due next; one row a task, moved forward by whichever worker wins."""

    path = models.CharField(max_length=200, primary_key=True)
    due_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.path


class WorkerBeat(models.Model):
    """That a worker which empties the outbox was alive; see `delivery.beats`."""

    worker = models.CharField(max_length=100, primary_key=True)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.worker


class Destination(models.Model):
    """Where deliveries go: what carries them there, how fast it may be called, and how it has answered lately."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=30)
    """The carrier it was registered under; see `delivery.carriers`."""
    is_on = models.BooleanField(_("on"), default=True)
    """Off: what happens is still put into the outbox, and waits there."""
    carries_personas = models.BooleanField(_("personas"), default=False)
    carries_messages = models.BooleanField(_("messages"), default=False)
    carries_tokens = models.BooleanField(_("tokens"), default=False)
    carries_events = models.BooleanField(_("events"), default=False)
    carries_tokens_since = models.DateTimeField(null=True, editable=False)
    """Of tokens that are older it was not told when they were issued; None: it carries none, or did all along."""
    requests_per_minute = models.PositiveIntegerField(_("calls a minute"), null=True, blank=True)
    """None: as many as it takes."""
    parallel_calls = models.PositiveSmallIntegerField(_("calls at a time"), default=4)
    """Of one worker."""
    level = models.FloatField(default=0, editable=False)
    """Of the token bucket, as of `refilled_at`; below zero when a delivery took more calls than one."""
    refilled_at = models.DateTimeField(null=True, editable=False)
    """None: the bucket has never been used, and is full."""
    consecutive_failures = models.PositiveIntegerField(default=0, editable=False)
    """Temporary ones, since the last answer; see `delivery.breaker`."""
    resumes_at = models.DateTimeField(null=True, editable=False)
    """Nothing is sent before: the breaker is open, or the destination asked us to come back later."""
    last_delivered_at = models.DateTimeField(null=True, editable=False)
    last_problem_at = models.DateTimeField(null=True, editable=False)
    last_problem = models.CharField(max_length=500, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    removed_at = models.DateTimeField(null=True, editable=False)
    """Nothing goes there any more, and its deliveries stay to be looked at."""

    class Meta:
        verbose_name = _("destination")
        verbose_name_plural = _("destinations")

    def __str__(self) -> str:
        return self.name

    @property
    def shown_name(self) -> str:
        """As people named it; what the server itself named, for notices and callbacks, in the viewer's language."""
        if self.kind.startswith("callback:"):
            token, colon, event = self.name.rpartition(": ")
            return f"{token}{colon}{retold(event)}"
        return retold(self.name) if self.kind == "notice" else self.name


DESTINATIONS_IN_ORDER = ("carries_events", "name", "id")
"""Callbacks come last: there may be some of each token."""


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def of_persona(self, persona_id: int) -> Self:
        """Newest first."""
        return self.filter(persona_id=persona_id).order_by("-id")

    def open(self) -> Self:
        """Those not known to have arrived, and not given up."""
        return self.filter(state__in=OPEN_STATES)


class Delivery(models.Model):
    """One thing that must leave for one destination: a change, a message, a configuration, an event."""

    class Merge(models.TextChoices):
        """What becomes of those that wait right before it in its lane."""

        NONE = "none"
        COMBINE = "combine"
        """Those of the same kind go with it: its payload is theirs, with its own entries instead of equal ones."""
        REPLACE = "replace"
        """Those that could be combined or replaced themselves need not go any more."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    lane = models.CharField(max_length=100)
    """Of its destination: one after the other within a lane, in the order of ids; as `persona:17`."""
    kind = models.CharField(max_length=40)
    """As `persona.changed`, `persona.deleted`, `message.sent`, `token.configured`."""
    merge = models.CharField(max_length=10, choices=Merge.choices, default=Merge.NONE)
    persona_id = models.BigIntegerField(null=True)
    recipient_id = models.BigIntegerField(null=True)
    token_id = models.BigIntegerField(null=True)
    fields = models.JSONField(default=list)
    """Which fields it carries; of a combined one, all of them."""
    payload = models.JSONField(default=dict)
    """What must leave, as it was at the moment of the change; of one that combines, by field."""
    actor_label = models.CharField(max_length=150, blank=True)
    request_id = models.CharField(max_length=32, blank=True)
    change_ids = models.JSONField(default=list)
    """Of `PersonaChange`, where it came from one."""
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.WAITING)
    attempt_count = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField()
    lease = models.CharField(max_length=32, blank=True)
    """The claim under which a worker sends it; whoever settles it must hold the same."""
    leased_until = models.DateTimeField(null=True)
    calling_at = models.DateTimeField(null=True)
    """A call that must not be repeated unseen went out then, and no answer has been stored yet."""
    steps = models.JSONField(default=dict)
    """Of a send in several steps, what each finished one gave: its remote id, by the step's name."""
    remote_id = models.CharField(max_length=255, blank=True)
    code = models.CharField(max_length=60, blank=True)
    """Of the last problem, stable; deliveries are retried by it."""
    problem = models.CharField(max_length=500, blank=True)
    """The last problem, as a sentence."""
    idempotency_key = models.UUIDField(default=uuid4, editable=False)
    """The same in all attempts to send the same; new when something else is sent instead."""
    superseded_by = models.ForeignKey(
        "self", on_delete=models.DO_NOTHING, null=True, related_name="supersedes", db_constraint=False, db_index=False
    )
    intervention = models.ForeignKey("Intervention", on_delete=models.SET_NULL, null=True, related_name="+")
    """The last thing somebody did about it."""
    since = models.DateTimeField()
    """When the oldest change that it carries was made."""
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    """When it got its state, other than waiting and sending."""
    verified_at = models.DateTimeField(null=True)
    """When the record was last read back and was found to be so."""

    objects: ClassVar[Any] = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=State.values), name="delivery_state_known"),
            models.CheckConstraint(
                condition=models.Q(state="sending", leased_until__isnull=False)
                | (~models.Q(state="sending") & models.Q(leased_until__isnull=True)),
                name="delivery_leased_while_sending",
            ),
        ]
        indexes = [
            models.Index(
                fields=["destination", "due_at", "id"],
                condition=models.Q(state="waiting"),
                name="delivery_due",
            ),
            models.Index(
                fields=["destination", "lane", "id"],
                condition=models.Q(state__in=["waiting", "sending", "refused", "unknown"]),
                name="delivery_lane",
            ),
            models.Index(fields=["leased_until"], condition=models.Q(state="sending"), name="delivery_leased"),
            models.Index(
                fields=["workspace", "since"],
                condition=models.Q(state__in=["waiting", "sending", "refused", "unknown"]),
                name="delivery_oldest_open",
            ),
            models.Index(
                fields=["destination", "since"],
                condition=models.Q(state__in=["waiting", "sending", "refused", "unknown"]),
                name="delivery_oldest_there",
            ),
            models.Index(fields=["workspace", "-id"], name="delivery_newest"),
            models.Index(fields=["workspace", "state", "-id"], name="delivery_newest_by_state"),
            models.Index(fields=["destination", "state", "-id"], name="delivery_newest_of_destination"),
            models.Index(
                fields=["destination", "code", "id"], condition=models.Q(state="refused"), name="delivery_refused"
            ),
            models.Index(
                fields=["persona_id", "-id"], condition=models.Q(persona_id__isnull=False), name="delivery_of_persona"
            ),
            models.Index(
                fields=["recipient_id"], condition=models.Q(recipient_id__isnull=False), name="delivery_of_recipient"
            ),
            models.Index(
                fields=["token_id", "-id"], condition=models.Q(token_id__isnull=False), name="delivery_of_token"
            ),
            models.Index(
                fields=["workspace", "remote_id", "-id"],
                condition=~models.Q(remote_id=""),
                name="delivery_by_remote_id",
            ),
            models.Index(
                fields=["superseded_by"], condition=models.Q(superseded_by__isnull=False), name="delivery_superseding"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Attempt(models.Model):
    """One call that was made for a delivery, and its answer; kept 30 days."""

    class Outcome(models.TextChoices):
        ANSWERED = "answered", _("Answered")
        NO_ANSWER = "no_answer", _("No answer")
        NOT_SENT = "not_sent", _("Not sent")
        """The carrier saw without a call that it can't be delivered."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    """Of the attempt; a send in several steps makes several calls in one."""
    step = models.CharField(max_length=40, blank=True)
    method = models.CharField(max_length=10, blank=True)
    url = models.CharField(max_length=2000, blank=True)
    request_headers = models.JSONField(default=dict)
    request_body = models.TextField(blank=True)
    status = models.PositiveSmallIntegerField(null=True)
    response_headers = models.JSONField(default=dict)
    response_body = models.TextField(blank=True)
    milliseconds = models.PositiveIntegerField(default=0)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    problem = models.CharField(max_length=500, blank=True)
    happened_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["delivery", "id"], name="attempt_of_delivery"),
            models.Index(fields=["happened_at"], name="attempt_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


class Intervention(models.Model):
    """What somebody did about a delivery, or about many at once."""

    class Action(models.TextChoices):
        RETRY = "retry", _("Retried")
        REPLAY = "replay", _("Sent again")
        CANCEL = "cancel", _("Cancelled")
        CONFIRM = "confirm", _("Marked as delivered")
        CHECK = "check", _("Checked")
        ALL_TOKENS = "all_tokens", _("Sent all tokens")
        EVERYBODY = "everybody", _("Sent everybody")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="+")
    delivery = models.ForeignKey(Delivery, on_delete=models.SET_NULL, null=True, related_name="interventions")
    """None when it is about many."""
    action = models.CharField(max_length=10, choices=Action.choices)
    state = models.CharField(max_length=10, choices=State.choices, blank=True)
    """Of many: those in this state."""
    code = models.CharField(max_length=60, blank=True)
    """Of many: those with this problem; empty: with any."""
    since = models.DateTimeField(null=True)
    """Of many: those settled from then on."""
    up_to_id = models.BigIntegerField(default=0)
    """Of many: what came later is not meant."""
    done_to_id = models.BigIntegerField(default=0)
    total = models.PositiveIntegerField(null=True)
    """How many are meant; None: not counted yet."""
    processed = models.PositiveIntegerField(default=0)
    """Of `total`, so far."""
    actor_label = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="intervention_newest"),
            models.Index(fields=["id"], condition=models.Q(finished_at__isnull=True), name="intervention_unfinished"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.pk}"


class BookEntry(models.Model):
    """So many deliveries of a destination came to be (empty state), entered or left a state, or were pruned (`-state`).

    Written in the transaction of the move itself and summed up from time to time, so that figures cost no count over
    millions, no writer waits for another, and the books can be held against the deliveries themselves.
    """

    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=11, blank=True)
    amount = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.state or 'created'} {self.amount:+}"
