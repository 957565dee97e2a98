"""Everything that happens to a token, each in one transaction that also writes its history."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts.models import User, Workspace
from delivery import outbox
from delivery.carriers import Occurrence
from delivery.interventions import remove_destination
from raven_admin.errors import RavenError
from tokens.configuration import (
    PLAIN_FIELDS,
    Configuration,
    FieldChange,
    check_abilities,
    check_configuration,
    check_moments,
    differences,
    text_of,
)
from tokens.models import Callback, SigningSecret, Token, TokenAbility, TokenEvent
from tokens.notices import EXPIRING, withdraw
from tokens.refusals import TokenNotFound
from tokens.secrets import LASTING, TEMPORARY, Secret, new_secret

OVERLAPS = (timedelta(0), timedelta(hours=1), timedelta(hours=24), timedelta(days=7))
"""How long the old secret may go on working beside the new one."""
MAX_LIFETIME = timedelta(hours=1)
"""Of a temporary token."""


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
class NewTokenEndedAlready(RavenError):
    """The new token would have ended already. Choose a later expiration, or none."""

    code: ClassVar[str] = "new_token_ended_already"


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
    token = _locked(token)
    if token.revoked_at is not None:
        raise TokenIsRevoked
    if token.version != version:
        raise TokenChangedMeanwhile
    before = Configuration.of(token)
    after = check_configuration(configuration, workspace=token.workspace)
    changes = differences(before, after)
    if changes:
        _apply(token, after)
        _set_abilities(token, after.abilities)
        if before.name != after.name:
            _rename_callbacks(token)
        _record(token, TokenEvent.Kind.CONFIGURED, by=by, changes=changes)
    return changes


@transaction.atomic
def switch_token(*, token: Token, on: bool, by: Actor) -> None:
    """The token is switched on or off; off holds from the very next call. Raises TokenIsRevoked."""
    token = _locked(token)
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
    """The token and its counters are gone; its history and request log stay until their own time runs out.

    Raises TokenNotFound.
    """
    token = _locked(token)  # or calls that are minting from it now would come between
    _record(token, TokenEvent.Kind.DELETED, by=by)
    for callback in Callback.objects.filter(token=token).select_related("destination"):
        remove_destination(destination=callback.destination, by=by.label, at=timezone.now())
    token.delete()


def end_as_long_again(token: Token, *, at: datetime) -> datetime | None:
    """When a token that replaces `token` at `at` ends, to live as long as that one was given; None: it has no end.

    Counted from when its expiration was chosen, or from its activation when that is later.
    """
    if token.expires_at is None:
        return None
    begins_at = max(filter(None, [token.expiration_set_at, token.activates_at]))
    if begins_at >= token.expires_at:  # ended when it was chosen, which says nothing about a length
        return None
    try:
        return max(filter(None, [at, token.activates_at])) + (token.expires_at - begins_at)
    except OverflowError:
        return token.expires_at


@transaction.atomic
def rotate_token(
    *,
    token: Token,
    overlap: timedelta,
    expires_at: datetime | None | Literal["as_long_again"] = "as_long_again",
    by: Actor,
) -> IssuedToken:
    """A new token with the same configuration replaces this one, whose secret works until `overlap` has passed.

    The new one ends at `expires_at` (None: never), or lives as long again as this one was given. The callbacks are
    the new one's, with the secret that they are signed with.

    With no overlap the old token is revoked, and so is one that only begins later; otherwise it expires, at its own
    time if that is sooner. Raises TokenIsRevoked, TokenAlreadyRotated, NewTokenEndedAlready,
    ExpirationBeforeActivation and MomentOutOfRange.
    """
    token = _locked(token)
    if token.revoked_at is not None:
        raise TokenIsRevoked
    if token.replaced_by is not None:
        raise TokenAlreadyRotated(name=token.replaced_by.name)
    secret, now = new_secret(), timezone.now()
    ends_with = end_as_long_again(token, at=now) if expires_at == "as_long_again" else expires_at
    if ends_with is not None and ends_with <= now:
        raise NewTokenEndedAlready
    configuration = replace(Configuration.of(token), expires_at=ends_with)
    check_moments(configuration)
    new = _create(workspace=token.workspace, identity=Identity.of(secret), configuration=configuration, by=by)
    ending = _end_replaced(token, by_token=new, overlap=overlap, now=now)
    Callback.objects.filter(token=token).update(token=new)
    SigningSecret.objects.filter(token=token).update(token=new)
    _record(token, TokenEvent.Kind.ROTATED, by=by, changes=[FieldChange("replaced_by", "", new.masked), ending])
    _record(new, TokenEvent.Kind.ISSUED, by=by, changes=[FieldChange("replaces", "", token.masked)])
    return IssuedToken(new, secret)


@transaction.atomic
def note_rotation(*, old: Token, new: Token, by: Actor) -> None:
    """`old` was rotated into `new` on another server, so that nobody is told of its end here; when it ends, is its own.

    Nothing changes when it is known already, or when either of them was rotated otherwise here.
    """
    if old.pk == new.pk or Token.objects.filter(replaced_by=new).exists():
        return
    if Token.objects.filter(pk=old.pk, replaced_by=None).update(replaced_by=new, version=F("version") + 1):
        _record(old, TokenEvent.Kind.ROTATED, by=by, changes=[FieldChange("replaced_by", "", new.masked)])


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

    Raises TokenIsTemporary when `parent` is one itself, LifetimeTooLong, AbilityUnknown, and AbilityNotHeld.
    """
    if parent.parent_id is not None:
        raise TokenIsTemporary
    if not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise LifetimeTooLong
    check_abilities(abilities)
    for key in sorted(set(abilities) - set(parent.ability_keys)):
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


def _locked(token: Token) -> Token:
    """As it is now, until the transaction ends. Raises TokenNotFound when somebody has just deleted it."""
    found: Token | None = Token.objects.select_for_update().filter(pk=token.pk).first()
    if found is None:
        raise TokenNotFound(token_id=token.public_id)
    return found


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
    for name in PLAIN_FIELDS:
        setattr(token, name, getattr(configuration, name))
    token.source_networks = list(configuration.source_networks)
    token.version += 1
    token.save()


def _set_abilities(token: Token, keys: Collection[str]) -> None:
    token.abilities.exclude(key__in=keys).delete()
    TokenAbility.objects.bulk_create(
        [TokenAbility(token=token, key=key) for key in sorted(keys)], ignore_conflicts=True
    )


def _end_replaced(token: Token, *, by_token: Token, overlap: timedelta, now: datetime) -> FieldChange:
    """It ends when the overlap does, or at once if it would end before it begins; returns how, for its history."""
    ends_at = min(filter(None, [token.expires_at, now + overlap]))
    if overlap and (token.activates_at is None or token.activates_at < ends_at):
        field, old, moment = "expires_at", text_of(token.expires_at), ends_at
    else:
        field, old, moment = "revoked_at", "", now
    Token.objects.filter(pk=token.pk).update(**{field: moment}, replaced_by=by_token, version=F("version") + 1)
    return FieldChange(field, old, text_of(moment))


def _rename_callbacks(token: Token) -> None:
    for callback in token.callbacks.select_related("destination"):
        callback.destination.name = Callback.name_there(token, callback.event)
        callback.destination.save(update_fields=["name"])


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
