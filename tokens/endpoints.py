"""What a dialect and an endpoint are, and what an endpoint knows of the call under way; `tokens.gateway` runs them."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
from django.http import HttpRequest

from raven_admin.errors import RavenError
from raven_admin.statements import Answered, Question, Statement
from tokens import credentials, idempotency, rate_limit, request_log
from tokens.refusals import (
    AbilityMissing,
    BodyInvalid,
    BodyTooLarge,
    ChangedMeanwhile,
    DatabaseUnavailable,
    EndpointUnknown,
    HostUnknown,
    HttpsRequired,
    IdempotencyKeyInFlight,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    IfMatchInvalid,
    InternalError,
    MediaTypeUnsupported,
    MethodNotAllowed,
    ProInactive,
    QueryInvalid,
    RateLimitExceeded,
    SourceRefused,
    TokenBound,
    TokenInBody,
    Unauthorized,
)

_VERSION_TAG = re.compile(r'(?:W/)?"([0-9]{1,9})"|([0-9]{1,9})')

STATUS_OF: dict[type[RavenError], int] = {
    HostUnknown: 400,
    HttpsRequired: 403,
    Unauthorized: 401,
    ProInactive: 401,
    SourceRefused: 403,
    TokenBound: 403,
    AbilityMissing: 403,
    RateLimitExceeded: 429,
    EndpointUnknown: 404,
    MethodNotAllowed: 405,
    BodyTooLarge: 413,
    MediaTypeUnsupported: 415,
    BodyInvalid: 400,
    QueryInvalid: 400,
    IfMatchInvalid: 400,
    TokenInBody: 400,
    IdempotencyKeyInvalid: 400,
    IdempotencyKeyReused: 422,
    IdempotencyKeyInFlight: 409,
    ChangedMeanwhile: 409,
    InternalError: 500,
    DatabaseUnavailable: 503,
}
"""The HTTP status of what the gateway itself refuses; a dialect adds its own."""


_USE_WITHIN_NOTED_EVERY = timedelta(hours=1)
_NOTE_USE_WITHIN_TEXT = """
    UPDATE tokens_tokenability SET used_within_at = %(now)s WHERE id IN (
        SELECT id FROM tokens_tokenability
         WHERE token_id = %(token_id)s AND key = %(key)s AND (used_within_at IS NULL OR used_within_at < %(stale)s) {}
    )
"""
# Whoever notes it at the same moment notes the same. To wait for them, holding what they wait for, could last for ever.
_NOTE_USE_WITHIN = Statement(
    sqlite=_NOTE_USE_WITHIN_TEXT.format(""), postgresql=_NOTE_USE_WITHIN_TEXT.format("FOR UPDATE SKIP LOCKED")
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gets: a status and a value to encode as JSON, or a file in pieces."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Iterable[bytes] | None = None
    """The file's pieces, made while they are sent, after the call's transaction; `value` is then what the log keeps."""
    is_secret: bool = False
    """Whether it shows a new secret: that is shown once, so a replay under the same Idempotency-Key has it masked."""


class Dialect(Protocol):
    """How one vendor's API looks from outside."""

    def credential(self, request: HttpRequest) -> str | None:
        """The token that the call shows, or None when it shows none in this dialect's way."""

    def refusal(self, error: RavenError, *, request_id: str) -> Answer:
        """How a refusal looks."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation: where it is, what it needs, and the function that does it."""

    method: str
    path: str
    ability: str | None
    """None: any token may call it, unless `one_of` names some."""
    handle: Callable[..., Answer]
    """Called with the Call, the values of the path by name, and `body` and `query` where there are such."""
    summary: str
    body: type[msgspec.Struct] | None = None
    may_lack_body: bool = False
    """Whether a call without any body is one with an empty object."""
    query: type[msgspec.Struct] | None = None
    data: Any = None
    """The type of the answer's `data`, for the documents; None: null."""
    refusals: tuple[type[RavenError], ...] = ()
    """Those of the endpoint's own rules, for the documents; the gateway's are common to all."""
    is_list: bool = False
    """Whether the answer has `next`, the cursor of the next page."""
    files: tuple[str, ...] = ()
    """The media types of the files it streams; none: it answers JSON."""
    if_match: bool = False
    """Whether it heeds If-Match."""
    heeds_bounds: bool = False
    """Whether it lets a token bound to one persona or topic touch only that; all others refuse such a token."""
    status: int = 200
    """Of the answer when the call does what it should, for the documents."""
    one_of: tuple[str, ...] = ()
    """The abilities of which the body says which one it needs; a token without any of them is refused at once."""
    rate: rate_limit.Rate | None = None
    """What a token may call it beside its own requests per minute."""
    check: Callable[["Call"], None] | None = None
    """Raises what has to be refused before a call is taken from `rate`."""
    look_ahead: Callable[[credentials.Credential, Any], Question] | None = None
    """What it will ask the database first, of the credential as it was at its last call and of the body."""


@dataclass(slots=True)
class Call:
    """One call under way: who calls, and what an endpoint may use."""

    caller: request_log.Caller
    started_at: float
    request: HttpRequest
    credential: credentials.Credential | None = None
    claimed_token_id: int | None = None
    claimed_workspace_id: int | None = None
    allowance: rate_limit.Allowance | None = None
    claim: idempotency.Claim | None = None
    body: msgspec.Struct | None = None
    """What the endpoint takes, once it is decoded."""
    answered: Answered | None = None
    """What was asked ahead."""
    ability: str = ""

    @property
    def token(self) -> credentials.Credential:
        """The credential; every endpoint has one."""
        assert self.credential is not None  # noqa: S101 - the pipeline checked it before any endpoint
        return self.credential

    @property
    def now(self) -> datetime:
        return self.caller.received_at

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of the request, whatever the case their names are written in."""
        return self.request.headers

    @property
    def if_match(self) -> int | None:
        """The version that the caller saw, from the header If-Match; None when it sends none. Raises IfMatchInvalid."""
        given = self.headers.get("If-Match", "*")
        if given == "*":
            return None
        found = _VERSION_TAG.fullmatch(given)
        if found is None:
            raise IfMatchInvalid
        return int(found[1] or found[2])

    def require(self, key: str) -> None:
        """Raises AbilityMissing unless the token has the ability `key`; the log then names the one that was lacking.

        One that the call needs beside its own is noted as used: the log has room for one ability.
        """
        if key not in self.token.abilities:
            self.ability = key
            raise AbilityMissing(key=key)
        if key != self.ability:
            _NOTE_USE_WITHIN.later(
                token_id=self.token.owner_id, key=key, now=self.now, stale=self.now - _USE_WITHIN_NOTED_EVERY
            )

    def check_bound(self, endpoint: Endpoint) -> None:
        """Raises TokenBound when the token is bound to one persona or topic and the endpoint does not heed that."""
        bound = self.token.bound_persona_id is not None or self.token.bound_topic_id is not None
        if bound and not endpoint.heeds_bounds:
            raise TokenBound(kind="persona" if self.token.bound_persona_id is not None else "topic")

    @property
    def only_persona(self) -> int | None:
        """The one persona that the token may touch, None for any; raises TokenBound when it is bound to a topic."""
        if self.token.bound_topic_id is not None:
            raise TokenBound(kind="topic")
        return self.token.bound_persona_id

    def check_persona(self, persona_id: int) -> None:
        """Raises TokenBound when the token is bound to another persona, or to a topic."""
        if self.only_persona not in {None, persona_id}:
            raise TokenBound(kind="persona")

    def check_party(self, persona_id: int | None) -> None:
        """Raises TokenBound when the token is bound to a persona and the conversation is not with that one."""
        if self.token.bound_persona_id not in {None, persona_id}:
            raise TokenBound(kind="persona")

    def check_topic(self, topic_id: int) -> None:
        """Raises TokenBound when the token is bound to another topic."""
        if self.token.bound_topic_id not in {None, topic_id}:
            raise TokenBound(kind="topic")


def refusal_headers(error: RavenError) -> dict[str, str]:
    """The headers that HTTP itself asks for beside the status of this refusal, in any dialect."""
    if isinstance(error, RateLimitExceeded | DatabaseUnavailable):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, MethodNotAllowed):
        return {"Allow": error.allowed}
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    return {}
