"""Tokens: what each is at a moment, what it may do, and what was changed on it."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self, TypeVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.language import retold
from accounts.models import Workspace

EXPIRING_WITHIN = timedelta(days=30)


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
