"""Tokens, what each may do, what was changed on them, and every call made with them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self, TypeVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.language import retold
from accounts.models import Workspace
from delivery.models import Destination
from tokens.abilities import ABILITY_KEYS

EXPIRING_WITHIN = timedelta(days=30)
USAGE_DAYS = 30


class Status(models.TextChoices):
    """What a token is at a moment; computed from the clock, never stored."""

    SCHEDULED = "scheduled", _("Scheduled")
    ACTIVE = "active", _("Active")
    EXPIRING = "expiring", _("Expiring")
    EXPIRED = "expired", _("Expired")
    DISABLED = "disabled", _("Disabled")
    PAUSED = "paused", _("Paused")
    REVOKED = "revoked", _("Revoked")


Moment = TypeVar("Moment", datetime, int)


def status_of(
    *,
    is_on: bool,
    activates_at: Moment | None,
    expires_at: Moment | None,
    revoked_at: Moment | None,
    paused_until: Moment | None,
    at: Moment,
    soon: Moment,
) -> Status:
    """What a token of these fields is at the moment `at`, with `soon` later by EXPIRING_WITHIN."""
    if revoked_at is not None:
        return Status.REVOKED
    if not is_on:
        return Status.DISABLED
    if expires_at is not None and expires_at <= at:
        return Status.EXPIRED
    if activates_at is not None and activates_at > at:
        return Status.SCHEDULED
    if paused_until is not None and paused_until > at:
        return Status.PAUSED
    if expires_at is not None and expires_at <= soon:
        return Status.EXPIRING
    return Status.ACTIVE


def masked(kind: str, public_id: str, last_four: str) -> str:
    """A token as it may be shown: its public part and the last four characters."""
    return f"{kind}_{public_id}_…{last_four}"


# Said twice negated, or SQLite takes “is null” for the rarest thing there is and looks up all tokens by it.
_ENDS = models.Q(is_on=True, revoked_at=None, expires_at__isnull=False) & ~models.Q(
    models.Q(replaced_by__isnull=False) | models.Q(parent__isnull=False)
)


class TokenQuerySet(models.QuerySet["Token"]):
    def lasting(self) -> Self:
        """Without temporary tokens."""
        return self.filter(parent=None)

    def with_status(self, status: str, *, at: datetime) -> Self:
        """The tokens whose `status_at(at)` is `status`."""
        revoked = models.Q(revoked_at__isnull=False)
        off = models.Q(is_on=False)
        expired = models.Q(expires_at__lte=at)
        scheduled = models.Q(activates_at__gt=at)
        expiring = models.Q(expires_at__lte=at + EXPIRING_WITHIN)
        live = ~revoked & ~off & (models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=at))
        paused = models.Q(paused_until__gt=at)
        started = models.Q(activates_at__isnull=True) | models.Q(activates_at__lte=at)
        works = live & started & (models.Q(paused_until__isnull=True) | models.Q(paused_until__lte=at))
        return self.filter(
            {
                Status.REVOKED: revoked,
                Status.DISABLED: ~revoked & off,
                Status.EXPIRED: ~revoked & ~off & expired,
                Status.SCHEDULED: live & scheduled,
                Status.PAUSED: live & started & paused,
                Status.EXPIRING: works & expiring,
                Status.ACTIVE: works
                & (models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=at + EXPIRING_WITHIN)),
            }[Status(status)]
        )

    def whose_end_is_told(self) -> Self:
        """Lasting ones that are switched on, and neither revoked nor rotated."""
        return self.filter(_ENDS)

    def coming_to_their_end(self, *, days: int, after: datetime, until: datetime) -> Self:
        """Those that had so many days left at a moment behind `after`, up to `until`.

        Unless it was decided later that they end then: who gives a token three days knows that it has not seven.
        """
        left = timedelta(days=days)
        return self.whose_end_is_told().filter(
            expires_at__gt=after + left,
            expires_at__lte=until + left,
            expiration_set_at__lt=models.F("expires_at") - left,
        )

    def with_ability(self, key: str) -> Self:
        return self.filter(pk__in=TokenAbility.objects.filter(key=key).values("token_id"))

    def unused_since(self, moment: datetime) -> Self:
        """Tokens that existed at `moment` and made no call from then on."""
        return self.filter(
            models.Q(last_used_at__lt=moment) | models.Q(last_used_at__isnull=True, created_at__lt=moment)
        )


class Token(models.Model):
    """A credential with which a program calls the gateway; the secret itself is never stored."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="tokens", verbose_name=_("workspace")
    )
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(max_length=3, editable=False)
    public_id = models.CharField(max_length=12, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    pepper_number = models.PositiveSmallIntegerField(editable=False)

    is_on = models.BooleanField(_("switched on"), default=True)
    activates_at = models.DateTimeField(_("activation"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expiration"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)
    paused_until = models.DateTimeField(_("paused until"), null=True, editable=False)
    """Until then every call is refused, as a rehearsal of revoking it; then it works again by itself."""
    topic_anchor = models.ForeignKey(
        "messaging.Topic", on_delete=models.SET_NULL, null=True, blank=True, related_name="+",
        verbose_name=_("topic anchor"), limit_choices_to={"type": "mass"},
    )  # fmt: skip
    user_alias = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+",
        verbose_name=_("user aliases"),
    )  # fmt: skip
    source_networks = models.JSONField(_("source networks"), default=list, blank=True)
    requests_per_minute = models.PositiveIntegerField(
        _("requests per minute"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(1_000_000)]
    )
    caretaker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+",
        verbose_name=_("caretaker"),
    )  # fmt: skip
    notice_address = models.EmailField(_("second address for notices"), blank=True)
    """Is told by mail what the caretaker is told."""
    expiration_set_at = models.DateTimeField(default=timezone.now, editable=False)
    """When it was decided that it expires then; no moment before that is told of (tokens.expiry)."""

    replaced_by = models.OneToOneField(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="replaces",
        verbose_name=_("replaced by"),
    )
    parent = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        editable=False,
        related_name="derived",
        verbose_name=_("derived from"),
    )
    """Set on temporary tokens: they die with their parent, and never may more than it may now."""
    bound_persona = models.ForeignKey(
        "personas.Persona", on_delete=models.CASCADE, null=True, editable=False, related_name="+"
    )
    bound_topic = models.ForeignKey(
        "messaging.Topic", on_delete=models.CASCADE, null=True, editable=False, related_name="+"
    )
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    version = models.PositiveIntegerField(default=1, editable=False)

    objects: ClassVar[Any] = TokenQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("token")
        verbose_name_plural = _("tokens")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(activates_at__isnull=True)
                | models.Q(expires_at__isnull=True)
                | models.Q(activates_at__lt=models.F("expires_at")),
                name="token_activates_before_it_expires",
            )
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="token_newest"),
            models.Index(fields=["workspace", "name"], name="token_by_name"),
            models.Index(fields=["workspace", "last_four"], name="token_by_last_four"),
            models.Index(fields=["workspace", "activates_at"], name="token_by_activation"),
            models.Index(fields=["workspace", "expires_at"], name="token_by_expiration"),
            models.Index(fields=["workspace", "last_used_at"], name="token_by_use"),
            models.Index(fields=["expires_at"], condition=_ENDS, name="token_that_ends_soonest"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def masked(self) -> str:
        """The token as it may be shown: its public part and the last four characters."""
        return masked(self.kind, self.public_id, self.last_four)

    @property
    def ability_keys(self) -> list[str]:
        """In the catalogue's order is up to the reader; prefetched where a list needs it."""
        return sorted(ability.key for ability in self.abilities.all())

    def status_at(self, moment: datetime) -> Status:
        return status_of(
            is_on=self.is_on,
            activates_at=self.activates_at,
            expires_at=self.expires_at,
            revoked_at=self.revoked_at,
            paused_until=self.paused_until,
            at=moment,
            soon=moment + EXPIRING_WITHIN,
        )

    @property
    def status(self) -> Status:
        return self.status_at(timezone.now())


class TokenAbility(models.Model):
    """That a token has an ability; a row each, so that a million tokens can be filtered by one."""

    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="abilities", db_index=False)
    key = models.CharField(max_length=30)
    used_within_at = models.DateTimeField(null=True, editable=False)
    """About when a call that the log names by another ability needed this one too, as a message for a new topic."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token", "key"], name="tokenability_unique"),
        ]
        indexes = [models.Index(fields=["key", "token"], name="tokenability_by_key")]

    def __str__(self) -> str:
        return self.key


class CallbackEvent(models.TextChoices):
    """What a token's callbacks tell of; the first three are WitiOp's, by its names."""

    CONVERSATION_CREATED = "conversation.created", _("New conversation")
    MESSAGE_RECEIVED = "message.received", _("New message")
    MESSAGE_STATUS = "message.status", _("Message reports")
    PERSONA_UPDATED = "persona.updated", _("Persona updated")
    TOKEN_EXPIRING = "token.expiring", _("Token expiring")


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


class ExpiryNotice(models.Model):
    """That it was told that a token ends in so many days (0: it has ended); each is told once for an expiration."""

    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="+", db_index=False)
    expires_at = models.DateTimeField()
    days = models.PositiveSmallIntegerField()
    told_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "expires_at", "days"], name="expirynotice_unique")]

    def __str__(self) -> str:
        return f"{self.token_id}: {self.days}"


class BannerDismissal(models.Model):
    """Up to when a person has seen what the console's banner tells of a workspace; it shows what came later."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    dismissed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "workspace"], name="bannerdismissal_unique")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.workspace_id}: {self.dismissed_at}"


class CalendarFeed(models.Model):
    """That a person's calendar program may read when the tokens of a workspace end; its address was shown once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    """Of the secret in the address."""
    made_at = models.DateTimeField(default=timezone.now)
    last_read_at = models.DateTimeField(null=True)
    """Exact to an hour."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "workspace"], name="calendarfeed_unique")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.workspace_id}"


class TokenEvent(models.Model):
    """One change of a token: what, by whom, old → new. It outlives the token."""

    class Kind(models.TextChoices):
        ISSUED = "issued", _("Issued")
        CONFIGURED = "configured", _("Configured")
        DISABLED = "disabled", _("Disabled")
        ENABLED = "enabled", _("Enabled")
        PAUSED = "paused", _("Rehearsal begun")
        RESUMED = "resumed", _("Rehearsal ended early")
        ROTATED = "rotated", _("Rotated")
        REVOKED = "revoked", _("Revoked")
        DELETED = "deleted", _("Deleted")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True, related_name="events")
    token_label = models.CharField(max_length=130)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    changes = models.JSONField(default=list)
    """[{"field": str, "old": str, "new": str}], as a person reads them."""
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    actor_label = models.CharField(max_length=150)
    happened_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["token", "-id"], name="tokenevent_newest")]

    def __str__(self) -> str:
        return f"{self.token_label}: {self.get_kind_display()}"

    @property
    def shown_actor(self) -> str:
        """Who did it, as a page shows it: a person by name, and the command line in the viewer's language."""
        return self.actor_label if self.actor_id is not None else retold(self.actor_label)


class RequestLogEntry(models.Model):
    """One call of the gateway, refused ones too. Token and workspace are None when no known token was shown.

    Rows are written by every call and pruned in batches, so they keep no foreign-key constraint: deleting a token
    must not wait for its log.
    """

    request_id = models.CharField(_("request id"), max_length=32, unique=True)
    received_at = models.DateTimeField(_("time"))
    workspace = models.ForeignKey(
        Workspace, on_delete=models.DO_NOTHING, null=True, related_name="+", db_constraint=False, db_index=False
    )
    token = models.ForeignKey(
        Token, on_delete=models.DO_NOTHING, null=True, related_name="+", db_constraint=False, db_index=False
    )
    ability = models.CharField(_("ability"), max_length=30, blank=True)
    method = models.CharField(_("method"), max_length=10)
    path = models.CharField(_("path"), max_length=500)
    status = models.PositiveSmallIntegerField(_("status"))
    code = models.CharField(_("code"), max_length=40, blank=True)
    """The stable code of a refusal; empty on success."""
    duration_ms = models.FloatField(_("milliseconds"))
    address = models.GenericIPAddressField(_("address"))
    agent = models.CharField(_("agent"), max_length=300, blank=True)
    request_body = models.TextField(_("request body"), blank=True)
    response_body = models.TextField(_("response body"), blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("API call")
        verbose_name_plural = _("API calls")
        indexes = [
            models.Index(fields=["token", "-id"], name="requestlog_of_token"),
            models.Index(fields=["workspace", "-id"], name="requestlog_of_workspace"),
        ]

    def __str__(self) -> str:
        return self.request_id


class UsageCount(models.Model):
    """How many calls of one kind a token made on a day (UTC), counted from the request log by the worker."""

    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    ability = models.CharField(max_length=30, blank=True)
    address = models.GenericIPAddressField()
    status = models.PositiveSmallIntegerField()
    calls = models.PositiveBigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token", "day", "ability", "address", "status"], name="usagecount_unique")
        ]

    def __str__(self) -> str:
        return f"{self.token_id} {self.day} {self.ability} {self.status}: {self.calls}"


class _Day(models.Model):
    """How many calls of one kind there were on a day (UTC); kept long after the calls have left the log."""

    day = models.DateField()
    ability = models.CharField(max_length=30, blank=True)
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=40, blank=True)
    calls = models.PositiveBigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        abstract = True


class TokenDay(_Day):
    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token", "day", "ability", "status", "code"], name="tokenday_unique")
        ]
        indexes = [models.Index(fields=["day"], name="tokenday_oldest")]

    def __str__(self) -> str:
        return f"{self.token_id} {self.day} {self.ability} {self.status} {self.code}: {self.calls}"


class WorkspaceDay(_Day):
    """Of all tokens of a workspace, those too that are deleted since."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "day", "ability", "status", "code"], name="workspaceday_unique"
            )
        ]
        indexes = [models.Index(fields=["day"], name="workspaceday_oldest")]

    def __str__(self) -> str:
        return f"{self.workspace_id} {self.day} {self.ability} {self.status} {self.code}: {self.calls}"


class UsageProgress(models.Model):
    """The one row that says up to which log entry calls are counted in `UsageCount`, `TokenDay` and `WorkspaceDay`."""

    last_entry_id = models.PositiveBigIntegerField(default=0)
    days_known_from = models.DateTimeField(null=True)
    """Calls before were gone when days began to be counted; None: days know all calls."""

    def __str__(self) -> str:
        return str(self.last_entry_id)


class CallCount(models.Model):
    """How many calls of one kind there were since counting began, and their time; see `tokens.measures`."""

    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=40, blank=True)
    bound_ms = models.PositiveIntegerField()
    """They took no longer than this, and longer than the bound before; 0: longer than the last bound."""
    calls = models.PositiveBigIntegerField(default=0)
    milliseconds = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["status", "code", "bound_ms"], name="callcount_unique")]

    def __str__(self) -> str:
        return f"{self.status} {self.code} ≤ {self.bound_ms} ms: {self.calls}"


class RateBucket(models.Model):
    """A token bucket: how many calls are left for a token or an address."""

    key = models.CharField(max_length=64, primary_key=True)
    level = models.FloatField()
    refilled_at = models.FloatField()
    """Seconds since 1970."""
    was_allowed = models.BooleanField()

    def __str__(self) -> str:
        return f"{self.key}: {self.level:.1f}"


class IdempotencyKey(models.Model):
    """That a token used an Idempotency-Key, with the answer it got; no status yet means the call is still running."""

    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    claimed_at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    etag = models.CharField(max_length=20, blank=True, db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="idempotencykey_unique")]

    def __str__(self) -> str:
        return self.key


def known_abilities(keys: Iterable[str]) -> set[str]:
    """The keys among `keys` that the catalogue still has."""
    return set(keys) & ABILITY_KEYS
