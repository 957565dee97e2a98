"""From the text a caller shows to the token that it is, with all that the gateway asks about it: one statement."""

import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from django.conf import settings

from raven_admin.statements import ROOM_BESIDE, Answered, Question, Row, Statement, moment_of, saves_journeys
from tokens import rate_limit
from tokens.models import EXPIRING_WITHIN, Token
from tokens.refusals import (
    ProInactive,
    SourceRefused,
    TokenDisabled,
    TokenExpired,
    TokenMalformed,
    TokenMissing,
    TokenNotActiveYet,
    TokenPaused,
    TokenRevoked,
    TokenUnknown,
    Unauthorized,
)
from tokens.secrets import Secret, parse_secret

_USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Validity:
    """When a token works: of a temporary token, its own and its parent's both have to hold."""

    is_on: bool
    activates_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    paused_until: datetime | None = None

    def check(self, *, at: datetime) -> None:
        """Raises why the token does not work at the moment `at`; to the second, with no grace."""
        if self.revoked_at is not None:
            raise TokenRevoked
        if not self.is_on:
            raise TokenDisabled
        if self.expires_at is not None and self.expires_at <= at:
            raise TokenExpired(expires_at=self.expires_at)
        if self.activates_at is not None and at < self.activates_at:
            raise TokenNotActiveYet(activates_at=self.activates_at)
        if self.paused_until is not None and at < self.paused_until:
            raise TokenPaused(paused_until=self.paused_until)


@dataclass(frozen=True, slots=True)
class Credential:
    """A token that was shown with its right secret; whether it may be used now is another question."""

    token_id: int
    owner_id: int
    """The token whose log, rate and last use a call counts for: a temporary token's parent, else the token itself."""
    name: str
    workspace_id: int
    is_replaced: bool
    """It was rotated, and works beside the new one until it ends."""
    validities: tuple[Validity, ...]
    topic_anchor_id: int | None
    user_alias_id: int | None
    bound_persona_id: int | None
    bound_topic_id: int | None
    source_networks: tuple[str, ...]
    requests_per_minute: int
    last_used_at: datetime | None
    abilities: frozenset[str]
    country: str
    pro_is_on: bool
    pro_until: datetime | None

    @property
    def expires_at(self) -> datetime | None:
        return self.validities[0].expires_at

    def check_usable(self, *, at: datetime) -> None:
        """Raises why the token does not work at the moment `at`."""
        for validity in self.validities:
            validity.check(at=at)

    def check_source(self, address: str) -> None:
        """Raises SourceRefused when `address` is in none of the networks the token is bound to; no network: any."""
        if not self.source_networks:
            return
        source = ipaddress.ip_address(address)
        if not any(source in ipaddress.ip_network(network) for network in self.source_networks):
            raise SourceRefused(address=address)

    def check_pro(self, *, at: datetime) -> None:
        """Raises ProInactive when the workspace's Pro is off or over."""
        if not self.pro_is_on or (self.pro_until is not None and self.pro_until <= at):
            raise ProInactive

    def expires_soon(self, *, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at + EXPIRING_WITHIN

    def tells_of_its_end(self, *, at: datetime) -> bool:
        """As notices do: not after it was rotated, nor while it is off or revoked."""
        own = self.validities[0]
        return own.is_on and own.revoked_at is None and not self.is_replaced and self.expires_soon(at=at)

    def note_use(self, *, at: datetime) -> None:
        """The owner's last use is `at`; written at most once a minute."""
        if self.last_used_at is None or at - self.last_used_at >= _USE_NOTED_EVERY:
            Token.objects.filter(pk=self.owner_id).update(last_used_at=at)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a caller showed: the credential, if its secret was right, and else whose token it claims to be."""

    credential: Credential | None
    refusal: Unauthorized | None
    claimed_token_id: int | None = None
    claimed_workspace_id: int | None = None
    allowance: rate_limit.Allowance | None = None
    """What the token's bucket said, if the call was already taken from it."""
    answered: Answered | None = None
    """What was asked ahead, beside the look for the token."""
    digest: str = ""
    """Of what was shown, if it was right."""

    def remember(self) -> None:
        """The next call with the same secret may look ahead."""
        if self.credential is not None:
            if self.digest not in _remembered and len(_remembered) >= _MAX_REMEMBERED:
                _remembered.clear()
            _remembered[self.digest] = self.credential

    def forget(self) -> None:
        """The next call with the same secret does not look ahead: one that will be refused costs no work before."""
        _remembered.pop(self.digest, None)


@dataclass(frozen=True, slots=True)
class LookAhead:
    """What a call does before its token is found, when that is remembered."""

    question_of: Callable[[Credential], Question | None]
    """From the credential as it was at its last call to what this call will ask first."""
    meanwhile: Callable[[], None]
    """Called while the database looks for the token and answers that question, if it can be."""


def read(text: str | None, *, now: datetime, look_ahead: LookAhead | None = None) -> Shown:
    """The credential that `text` is.

    An unknown id and a wrong secret get the same answer after the same work, so that ids can't be tried out. The log
    still knows whose token was claimed, which helps its admin to see a mistyped or leaked one. When the token is
    remembered, what `look_ahead` gives is asked in the same journey.
    """
    if not text:
        return Shown(None, TokenMissing())
    secret = parse_secret(text)
    if secret is None:
        return Shown(None, TokenMalformed())
    newest = max(settings.TOKEN_PEPPERS)
    own_digest = secret.digest(settings.TOKEN_PEPPERS[newest])
    remembered = _remembered.get(own_digest) if look_ahead and saves_journeys() else None
    ahead = look_ahead.question_of(remembered) if look_ahead and remembered else None
    meanwhile = look_ahead.meanwhile if look_ahead and ahead else None
    row = _find(secret, digest=own_digest, now=now, ahead=ahead, meanwhile=meanwhile)
    digest, pepper_number = (row.digest, row.pepper_number) if row else (_NOBODYS_DIGEST, newest)
    pepper = settings.TOKEN_PEPPERS.get(pepper_number, "")
    shown_digest = own_digest if pepper_number == newest else secret.digest(pepper)
    if not hmac.compare_digest(shown_digest, digest) or row is None or not pepper:
        _remembered.pop(own_digest, None)
        claimed = (row.credential.owner_id, row.credential.workspace_id) if row else (None, None)
        return Shown(None, TokenUnknown(), *claimed)
    if pepper_number != newest:
        _renew_digest(secret, row, newest)
    answered = Answered(ahead.about, row.found_ahead) if ahead else None
    return Shown(row.credential, None, allowance=row.allowance, answered=answered, digest=own_digest)


_MAX_REMEMBERED = 1_000
_remembered: dict[str, Credential] = {}
"""By digest, what tokens were when this process last let them through: to guess with, never to decide by."""


@dataclass(frozen=True, slots=True)
class _Row:
    credential: Credential
    digest: str
    pepper_number: int
    allowance: rate_limit.Allowance | None
    found_ahead: list[Row]


_NOBODYS_DIGEST = "0" * 64
_OWN = "t.is_on, t.activates_at, t.expires_at, t.revoked_at, t.paused_until"
_PARENTS = (
    "p.is_on AS p_is_on, p.activates_at AS p_start, p.expires_at AS p_end, p.revoked_at AS p_revoked, "
    "p.paused_until AS p_paused"
)
_FIND_TEXT = f"""
    SELECT t.id, t.name, t.workspace_id, t.replaced_by_id, t.digest, t.pepper_number, {_OWN}, t.parent_id, {_PARENTS},
           COALESCE(p.topic_anchor_id, t.topic_anchor_id) AS anchor_id,
           COALESCE(p.user_alias_id, t.user_alias_id) AS alias_id, t.bound_persona_id, t.bound_topic_id,
           COALESCE(p.source_networks, t.source_networks) AS networks,
           COALESCE(p.requests_per_minute, t.requests_per_minute, %(default_rate)s) AS rate,
           COALESCE(p.last_used_at, t.last_used_at) AS last_used_at, w.country, w.pro_is_on, w.pro_until,
           (SELECT {{joined}} FROM tokens_tokenability own
             WHERE own.token_id = t.id AND (t.parent_id IS NULL OR EXISTS (
                   SELECT 1 FROM tokens_tokenability theirs
                    WHERE theirs.token_id = t.parent_id AND theirs.key = own.key))) AS keys
      FROM tokens_token t
      JOIN accounts_workspace w ON w.id = t.workspace_id
      LEFT JOIN tokens_token p ON p.id = t.parent_id
     WHERE t.public_id = %(public_id)s AND t.kind = %(kind)s
"""  # noqa: S608 - nothing of a caller's is in the text
# PostgreSQL also takes the call from the token's bucket, which saves a journey; but not for somebody who does not know
# the secret, nor where more has to be asked first: of networks, of a parent, of an older pepper.
_TAKING = rate_limit.taking_in_postgresql("""
    SELECT 'token:' || id, rate - 1, %(now)s, TRUE FROM shown
     WHERE digest = %(digest)s AND parent_id IS NULL AND networks = '[]'
""")
_FIND_ALONE_TEXT = "SELECT shown.*, NULL, NULL, NULL FROM ({shown}) shown"
_FIND_AND_TAKE_TEXT = f"""
    WITH shown AS ({{shown}}), taken AS ({{taking}})
    SELECT shown.*, taken.level, taken.was_allowed, {ROOM_BESIDE} FROM shown LEFT JOIN taken ON TRUE
"""  # noqa: S608 - nothing of a caller's is in the text
_FIND = Statement(
    sqlite=_FIND_ALONE_TEXT.format(shown=_FIND_TEXT.format(joined="GROUP_CONCAT(own.key)")),
    postgresql=_FIND_AND_TAKE_TEXT.format(shown=_FIND_TEXT.format(joined="STRING_AGG(own.key, ',')"), taking=_TAKING),
)


class _Found(NamedTuple):
    """What `_FIND` gives, in its order."""

    token_id: int
    name: str
    workspace_id: int
    replaced_by_id: int | None
    digest: str
    pepper_number: int
    is_on: Any
    activates_at: Any
    expires_at: Any
    revoked_at: Any
    paused_until: Any
    parent_id: int | None
    parent_is_on: Any
    parent_activates_at: Any
    parent_expires_at: Any
    parent_revoked_at: Any
    parent_paused_until: Any
    topic_anchor_id: int | None
    user_alias_id: int | None
    bound_persona_id: int | None
    bound_topic_id: int | None
    source_networks: Any
    requests_per_minute: int
    last_used_at: Any
    country: str
    pro_is_on: Any
    pro_until: Any
    abilities: str | None
    left: float | None
    was_allowed: bool
    ahead: str | None


def _find(
    secret: Secret, *, digest: str, now: datetime, ahead: Question | None, meanwhile: Callable[[], None] | None
) -> _Row | None:
    row = _FIND.first_row(
        beside=ahead,
        meanwhile=meanwhile,
        public_id=secret.public_id,
        kind=secret.kind,
        default_rate=settings.DEFAULT_REQUESTS_PER_MINUTE,
        digest=digest,
        now=now.timestamp(),
        window_s=60,
    )
    if row is None:
        return None
    found = _Found(*row)
    allowance = None
    if found.left is not None:
        allowance = rate_limit.allowance_of(
            found.left, is_allowed=found.was_allowed, requests_per_minute=found.requests_per_minute
        )
    found_ahead = [tuple(each.values()) for each in msgspec.json.decode(found.ahead or "[]")]
    return _Row(_credential(found), found.digest, found.pepper_number, allowance, found_ahead)


def _credential(found: _Found) -> Credential:
    validities = [_validity(found.is_on, found.activates_at, found.expires_at, found.revoked_at, found.paused_until)]
    if found.parent_id is not None:
        validities.append(
            _validity(
                found.parent_is_on,
                found.parent_activates_at,
                found.parent_expires_at,
                found.parent_revoked_at,
                found.parent_paused_until,
            )
        )
    networks = found.source_networks
    return Credential(
        token_id=found.token_id,
        owner_id=found.parent_id or found.token_id,
        name=found.name,
        workspace_id=found.workspace_id,
        is_replaced=found.replaced_by_id is not None,
        validities=tuple(validities),
        topic_anchor_id=found.topic_anchor_id,
        user_alias_id=found.user_alias_id,
        bound_persona_id=found.bound_persona_id,
        bound_topic_id=found.bound_topic_id,
        source_networks=tuple(msgspec.json.decode(networks) if isinstance(networks, str) else networks),
        requests_per_minute=found.requests_per_minute,
        last_used_at=moment_of(found.last_used_at),
        abilities=frozenset(found.abilities.split(",") if found.abilities else ()),
        country=found.country,
        pro_is_on=bool(found.pro_is_on),
        pro_until=moment_of(found.pro_until),
    )


def _validity(is_on: Any, *moments: Any) -> Validity:
    """`moments`: activation, expiration, revoked, paused until."""
    return Validity(bool(is_on), *map(moment_of, moments))


def _renew_digest(secret: Secret, row: _Row, pepper_number: int) -> None:
    """Moves a token to the newest pepper when it is used, so that an old pepper can be retired."""
    digest = secret.digest(settings.TOKEN_PEPPERS[pepper_number])
    Token.objects.filter(pk=row.credential.token_id, digest=row.digest).update(
        digest=digest, pepper_number=pepper_number
    )
