"""Everything that happens to a token, each in one transaction that also writes its history."""

import ipaddress
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.models import Membership, User, Workspace
from delivery import outbox
from delivery.carriers import Occurrence
from delivery.interventions import remove_destination
from raven_admin.errors import RavenError
from raven_admin.masking import mask_hidden_tokens
from tokens.abilities import ABILITIES, ABILITY_KEYS
from tokens.models import Callback, SigningSecret, Token, TokenAbility, TokenEvent
from tokens.notices import EXPIRING, withdraw
from tokens.secrets import LASTING, TEMPORARY, Secret, new_secret

OVERLAPS = (timedelta(0), timedelta(hours=1), timedelta(hours=24), timedelta(days=7))
"""How long the old secret may go on working beside the new one."""
MAX_NAME_LENGTH = 100
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of writing round."""
MAX_LIFETIME = timedelta(hours=1)
"""Of a temporary token."""


@dataclass(eq=False)
class TokenNameMissing(RavenError):
    """Give the token a name, so that you recognise it later."""

    code: ClassVar[str] = "token_name_missing"


@dataclass(eq=False)
class TokenNameInvalid(RavenError):
    """The name of a token {problem}"""

    code: ClassVar[str] = "token_name_invalid"
    problem: str


@dataclass(eq=False)
class MomentOutOfRange(RavenError):
    """Write a moment between the years 1900 and 9998, or leave it empty for none."""

    code: ClassVar[str] = "moment_out_of_range"
    field: str


@dataclass(eq=False)
class AnchorNotUsable(RavenError):
    """The topic “{name}” can't be an anchor: only a topic of type mass of the same workspace can."""

    code: ClassVar[str] = "anchor_not_usable"
    name: str


@dataclass(eq=False)
class PersonNotInWorkspace(RavenError):
    """“{username}” is not a member of this workspace. Add them under People first, or choose somebody else."""

    code: ClassVar[str] = "person_not_in_workspace"
    username: str
    field: str


@dataclass(eq=False)
class ExpirationBeforeActivation(RavenError):
    """The expiration must be later than the activation."""

    code: ClassVar[str] = "expiration_before_activation"


@dataclass(eq=False)
class NetworkInvalid(RavenError):
    """“{text}” is not a network. Write one as 203.0.113.0/24, 203.0.113.7 or 2001:db8::/32."""

    code: ClassVar[str] = "network_invalid"
    text: str


@dataclass(eq=False)
class NoticeAddressInvalid(RavenError):
    """“{text}” is not an e-mail address. Write one as team@example.org, or leave it empty."""

    code: ClassVar[str] = "notice_address_invalid"
    text: str


@dataclass(eq=False)
class AbilityUnknown(RavenError):
    """There is no ability “{key}”. The abilities are: {known}."""

    code: ClassVar[str] = "ability_unknown"
    key: str
    known: str


@dataclass(eq=False)
class RateOutOfRange(RavenError):
    """Requests per minute must be between 1 and 1,000,000, or empty for the default."""

    code: ClassVar[str] = "rate_out_of_range"


@dataclass(eq=False)
class TokenIsRevoked(RavenError):
    """This token was revoked, which can't be undone. Generate a new one instead."""

    code: ClassVar[str] = "token_is_revoked"


@dataclass(eq=False)
class TokenAlreadyRotated(RavenError):
    """This token was already replaced by “{name}”. Rotate that one instead."""

    code: ClassVar[str] = "token_already_rotated"
    name: str


@dataclass(eq=False)
class TokenChangedMeanwhile(RavenError):
    """Somebody else changed this token while you had it open. Nothing was saved; here is how it is now."""

    code: ClassVar[str] = "token_changed_meanwhile"


@dataclass(eq=False)
class TokenIsTemporary(RavenError):
    """A temporary token can't mint, change or rotate others."""

    code: ClassVar[str] = "token_is_temporary"


@dataclass(eq=False)
class LifetimeTooLong(RavenError):
    """A temporary token lives at most an hour."""

    code: ClassVar[str] = "lifetime_too_long"


@dataclass(eq=False)
class AbilityNotHeld(RavenError):
    """Your token lacks the ability {key} itself, so it can't give it on."""

    code: ClassVar[str] = "ability_not_held"
    key: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something: a person, or the command line when `user` is None."""

    label: str
    user: User | None = None

    @classmethod
    def person(cls, user: User) -> "Actor":
        return cls(label=user.display_name, user=user)


COMMAND_LINE = Actor(label=gettext_noop("command line"))


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that an admin may set on a token."""

    name: str
    is_on: bool = True
    activates_at: datetime | None = None
    expires_at: datetime | None = None
    topic_anchor: Any = None
    """A messaging.Topic of type mass, or None."""
    user_alias: User | None = None
    source_networks: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    caretaker: User | None = None
    notice_address: str = ""
    """Is told by mail what the caretaker is told."""
    abilities: frozenset[str] = frozenset()

    @classmethod
    def of(cls, token: Token) -> "Configuration":
        """How `token` is configured now."""
        return cls(
            name=token.name,
            is_on=token.is_on,
            activates_at=token.activates_at,
            expires_at=token.expires_at,
            topic_anchor=token.topic_anchor,
            user_alias=token.user_alias,
            source_networks=tuple(token.source_networks),
            requests_per_minute=token.requests_per_minute,
            caretaker=token.caretaker,
            notice_address=token.notice_address,
            abilities=frozenset(token.ability_keys),
        )


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field's old and new value, as text; moments as ISO 8601 in UTC, an ability as `ability:<key>` on or off."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Identity:
    """What a server knows of a token's secret: enough to tell it from all others, too little to use it."""

    public_id: str
    last_four: str
    digest: str = field(repr=False)
    pepper_number: int
    kind: str = LASTING

    @classmethod
    def of(cls, secret: Secret) -> "Identity":
        """Under the newest pepper."""
        number = max(settings.TOKEN_PEPPERS)
        digest = secret.digest(settings.TOKEN_PEPPERS[number])
        return cls(secret.public_id, secret.last_four, digest, number, secret.kind)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token and its secret, which exists only in this value: show it once, never store it."""

    token: Token
    secret: Secret = field(repr=False)


@transaction.atomic
def issue_token(*, workspace: Workspace, configuration: Configuration, by: Actor) -> IssuedToken:
    """A new token exists. Raises the errors of `check_configuration`."""
    secret = new_secret()
    token = add_token(workspace=workspace, identity=Identity.of(secret), configuration=configuration, by=by)
    return IssuedToken(token, secret)


@transaction.atomic
def add_token(
    *,
    workspace: Workspace,
    identity: Identity,
    configuration: Configuration,
    by: Actor,
    changes: Collection[FieldChange] = (),
) -> Token:
    """The token that `identity` tells of is one of the workspace. Raises the errors of `check_configuration`."""
    configuration = check_configuration(configuration, workspace=workspace)
    token = _create(workspace=workspace, identity=identity, configuration=configuration, by=by)
    _record(token, TokenEvent.Kind.ISSUED, by=by, changes=changes)
    return token


@transaction.atomic
def configure_token(*, token: Token, configuration: Configuration, version: int, by: Actor) -> list[FieldChange]:
    """The token is configured so; returns what changed, [] when nothing did.

    `version` is the one that the person saw. Raises TokenChangedMeanwhile when it is no longer current, TokenIsRevoked,
    and the errors of `check_configuration`.
    """
    token = Token.objects.select_for_update().get(pk=token.pk)
    if token.revoked_at is not None:
        raise TokenIsRevoked
    if token.version != version:
        raise TokenChangedMeanwhile
    before = Configuration.of(token)
    after = check_configuration(configuration, workspace=token.workspace)
    changes = _differences(before, after)
    if changes:
        _apply(token, after)
        _set_abilities(token, after.abilities)
        _record(token, TokenEvent.Kind.CONFIGURED, by=by, changes=changes)
    return changes


@transaction.atomic
def switch_token(*, token: Token, on: bool, by: Actor) -> None:
    """The token is switched on or off; off holds from the very next call. Raises TokenIsRevoked."""
    token = Token.objects.select_for_update().get(pk=token.pk)
    if token.revoked_at is not None:
        raise TokenIsRevoked
    if token.is_on != on:
        Token.objects.filter(pk=token.pk).update(is_on=on, version=F("version") + 1)
        _record(token, TokenEvent.Kind.ENABLED if on else TokenEvent.Kind.DISABLED, by=by)


@transaction.atomic
def revoke_token(*, token: Token, by: Actor) -> None:
    """The token never works again, from the very next call; it stays in the list until it is deleted."""
    changed = Token.objects.filter(pk=token.pk, revoked_at=None).update(
        revoked_at=timezone.now(), version=F("version") + 1
    )
    if changed:
        _record(token, TokenEvent.Kind.REVOKED, by=by)


@transaction.atomic
def delete_token(*, token: Token, by: Actor) -> None:
    """The token and its counters are gone; its history and request log stay until their own time runs out."""
    _record(token, TokenEvent.Kind.DELETED, by=by)
    for callback in Callback.objects.filter(token=token).select_related("destination"):
        remove_destination(destination=callback.destination, by=by.label, at=timezone.now())
    token.delete()


@transaction.atomic
def rotate_token(*, token: Token, overlap: timedelta, by: Actor) -> IssuedToken:
    """A new token with the same configuration replaces this one, whose secret works until `overlap` has passed.

    Its callbacks are the new one's, with the secret that they are signed with.

    With no overlap the old token is revoked, and so is one that only begins later; otherwise it expires, at its own
    time if that is sooner. Raises TokenIsRevoked and TokenAlreadyRotated.
    """
    token = Token.objects.select_for_update(of=("self",)).select_related("replaced_by").get(pk=token.pk)
    if token.revoked_at is not None:
        raise TokenIsRevoked
    if token.replaced_by is not None:
        raise TokenAlreadyRotated(name=token.replaced_by.name)
    secret = new_secret()
    new = _create(workspace=token.workspace, identity=Identity.of(secret), configuration=Configuration.of(token), by=by)
    now = timezone.now()
    ends_at = min(filter(None, [token.expires_at, now + overlap]))
    # A token that would end before it begins ends at once.
    if overlap and (token.activates_at is None or token.activates_at < ends_at):
        ending = [FieldChange("expires_at", _text(token.expires_at), _text(ends_at))]
        Token.objects.filter(pk=token.pk).update(replaced_by=new, expires_at=ends_at, version=F("version") + 1)
    else:
        ending = [FieldChange("revoked_at", "", _text(now))]
        Token.objects.filter(pk=token.pk).update(replaced_by=new, revoked_at=now, version=F("version") + 1)
    Callback.objects.filter(token=token).update(token=new)
    SigningSecret.objects.filter(token=token).update(token=new)
    _record(token, TokenEvent.Kind.ROTATED, by=by, changes=[FieldChange("replaced_by", "", new.masked), *ending])
    _record(new, TokenEvent.Kind.ISSUED, by=by, changes=[FieldChange("replaces", "", token.masked)])
    return IssuedToken(new, secret)


@transaction.atomic
def derive_token(
    *,
    parent: Token,
    abilities: Collection[str],
    lifetime: timedelta,
    bound_persona_id: int | None = None,
    bound_topic_id: int | None = None,
    at: datetime,
) -> IssuedToken:
    """A temporary token of `parent` exists: it may no more than its parent, ends with it, and after `lifetime`.

    Raises TokenIsTemporary when `parent` is one itself, LifetimeTooLong, and AbilityNotHeld.
    """
    if parent.parent_id is not None:
        raise TokenIsTemporary
    if not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise LifetimeTooLong
    held = frozenset(parent.ability_keys)
    for key in sorted(set(abilities) - held):
        raise AbilityNotHeld(key=key)
    ends_at = min(filter(None, [parent.expires_at, at + lifetime]))
    configuration = Configuration(
        name=f"{parent.name} (temporary)"[-100:], expires_at=ends_at, abilities=frozenset(abilities)
    )
    secret = new_secret(TEMPORARY)
    token = _create(
        workspace=parent.workspace, identity=Identity.of(secret), configuration=configuration, by=COMMAND_LINE,
        parent=parent, bound_persona_id=bound_persona_id, bound_topic_id=bound_topic_id, created_at=at,
    )  # fmt: skip
    return IssuedToken(token, secret)


def record_configuration(*, token: Token, changes: Collection[FieldChange], by: Actor) -> None:
    """History says so; for what rooms above configure on a token. Part of the caller's transaction."""
    _record(token, TokenEvent.Kind.CONFIGURED, by=by, changes=changes)


def write_event(*, token: Token, kind: str, changes: Iterable[FieldChange] = (), by: Actor, at: datetime) -> None:
    """History says so, and no other server hears of it: for what passes by itself. Part of the caller's transaction."""
    TokenEvent.objects.create(
        workspace_id=token.workspace_id,
        token=token,
        token_label=f"{token.name} ({token.masked})",
        kind=kind,
        changes=[{"field": c.field, "old": c.old, "new": c.new} for c in changes],
        actor=by.user,
        actor_label=by.label,
        happened_at=at,
    )


def check_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """The networks in their usual notation, each once, in order. Raises NetworkInvalid."""
    networks: dict[str, None] = {}
    for text in texts:
        try:
            networks[str(ipaddress.ip_network(text.strip(), strict=False))] = None
        except ValueError:
            raise NetworkInvalid(text=text) from None
    return tuple(networks)


def check_configuration(configuration: Configuration, *, workspace: Workspace) -> Configuration:
    """`configuration` with its networks in usual notation; raises the first error in it."""
    given = configuration
    _check_name(given.name.strip())
    for field_name in ("activates_at", "expires_at"):
        moment = getattr(given, field_name)
        # Beyond, some time zone can't show it any more.
        if moment is not None and not 1899 <= moment.year <= 9998:
            raise MomentOutOfRange(field=field_name)
    if given.activates_at and given.expires_at and given.activates_at >= given.expires_at:
        raise ExpirationBeforeActivation
    if given.requests_per_minute is not None and not 1 <= given.requests_per_minute <= 1_000_000:
        raise RateOutOfRange
    anchor = given.topic_anchor
    if anchor is not None and (anchor.type != "mass" or anchor.workspace_id != workspace.pk):
        raise AnchorNotUsable(name=anchor.name)
    for name, user in (("user_alias", given.user_alias), ("caretaker", given.caretaker)):
        if user is not None and not Membership.objects.filter(workspace=workspace, user=user).exists():
            raise PersonNotInWorkspace(username=user.username, field=name)
    _check_notice_address(given.notice_address.strip())
    for key in sorted(given.abilities - ABILITY_KEYS):
        raise AbilityUnknown(key=key, known=", ".join(ability.key for ability in ABILITIES))
    return Configuration(
        name=given.name.strip(),
        is_on=given.is_on,
        activates_at=given.activates_at,
        expires_at=given.expires_at,
        topic_anchor=given.topic_anchor,
        user_alias=given.user_alias,
        source_networks=check_networks(given.source_networks),
        requests_per_minute=given.requests_per_minute,
        caretaker=given.caretaker,
        notice_address=given.notice_address.strip(),
        abilities=given.abilities,
    )


def _check_notice_address(address: str) -> None:
    try:
        if address:
            validate_email(address)
    except ValidationError:
        raise NoticeAddressInvalid(text=address) from None


def _check_name(name: str) -> None:
    if not name:
        raise TokenNameMissing
    if len(name) > MAX_NAME_LENGTH:
        raise TokenNameInvalid(problem=_("has at most %(limit)d characters.") % {"limit": MAX_NAME_LENGTH})
    if _UNSEEN.search(name):
        raise TokenNameInvalid(problem=_("is one line of plain text: take out what can't be seen."))
    if mask_hidden_tokens(name) != name:
        raise TokenNameInvalid(problem=_("is shown to everybody, and this one contains a token. Take it out."))


def _create(
    *, workspace: Workspace, identity: Identity, configuration: Configuration, by: Actor, **fields: Any
) -> Token:
    token = Token(
        workspace=workspace,
        kind=identity.kind,
        public_id=identity.public_id,
        last_four=identity.last_four,
        digest=identity.digest,
        pepper_number=identity.pepper_number,
        created_by=by.user,
        version=0,
        **fields,
    )
    _apply(token, configuration)
    _set_abilities(token, configuration.abilities)
    return token


def _apply(token: Token, configuration: Configuration) -> None:
    if token.expires_at != configuration.expires_at:
        token.expiration_set_at = timezone.now()
        withdraw(token, EXPIRING)
    for name in _PLAIN_FIELDS:
        setattr(token, name, getattr(configuration, name))
    token.source_networks = list(configuration.source_networks)
    token.version += 1
    token.save()


def _set_abilities(token: Token, keys: Collection[str]) -> None:
    token.abilities.exclude(key__in=keys).delete()
    TokenAbility.objects.bulk_create(
        [TokenAbility(token=token, key=key) for key in sorted(keys)], ignore_conflicts=True
    )


_PLAIN_FIELDS = (
    "name", "is_on", "activates_at", "expires_at", "topic_anchor", "user_alias", "requests_per_minute", "caretaker",
    "notice_address",
)  # fmt: skip


def _differences(before: Configuration, after: Configuration) -> list[FieldChange]:
    changes = [
        FieldChange(name, _text(getattr(before, name)), _text(getattr(after, name)))
        for name in (*_PLAIN_FIELDS, "source_networks")
        if getattr(before, name) != getattr(after, name)
    ]
    for ability in ABILITIES:
        had, has = ability.key in before.abilities, ability.key in after.abilities
        if had != has:
            changes.append(FieldChange(f"ability:{ability.key}", _text(had), _text(has)))
    return changes


def _text(value: Any) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)


_SILENT_AFTER = frozenset(
    {TokenEvent.Kind.ROTATED, TokenEvent.Kind.REVOKED, TokenEvent.Kind.DISABLED, TokenEvent.Kind.DELETED}
)
"""Nobody is told any more that the token ends."""


def _record(token: Token, kind: str, *, by: Actor, changes: Iterable[FieldChange] = ()) -> None:
    if kind in _SILENT_AFTER:
        withdraw(token, EXPIRING)
    now = timezone.now()
    write_event(token=token, kind=kind, changes=changes, by=by, at=now)
    news = Occurrence(
        workspace_id=token.workspace_id,
        kind="token.deleted" if kind == TokenEvent.Kind.DELETED else "token.configured",
        subject_id=token.pk,
        at=now,
        actor_label=by.label,
    )
    outbox.announce([news], to=outbox.TOKENS)
