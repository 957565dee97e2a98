"""Why the gateway refuses a call before it reaches an endpoint, or whatever the endpoint."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from raven_admin.errors import RavenError


@dataclass(eq=False)
class HostUnknown(RavenError):
    """This server is not called by that name. Check the host of the address, and ALLOWED_HOSTS of the server."""

    code: ClassVar[str] = "host_unknown"


@dataclass(eq=False)
class HttpsRequired(RavenError):
    """Call https: what is sent over plain http, the token too, can be read on the way."""

    code: ClassVar[str] = "https_required"


class Unauthorized(RavenError):
    """The call shows no token that works. Published answer of Raven for all of these: 401 `Unauthorized`."""

    code: ClassVar[str] = "unauthorized"


@dataclass(eq=False)
class TokenMissing(Unauthorized):
    """Send the token in the header Authorization, as: Bearer rvn_…"""

    code: ClassVar[str] = "token_missing"


@dataclass(eq=False)
class TokenMalformed(Unauthorized):
    """This is not a token: it is cut short or mistyped. Copy it again, whole."""

    code: ClassVar[str] = "token_malformed"


@dataclass(eq=False)
class TokenUnknown(Unauthorized):
    """There is no such token. It was deleted, belongs to another server, or its secret is wrong."""

    code: ClassVar[str] = "token_unknown"


@dataclass(eq=False)
class TokenNotActiveYet(Unauthorized):
    """The token works from {activates_at:%Y-%m-%dT%H:%M:%SZ} on."""

    code: ClassVar[str] = "token_not_active_yet"
    activates_at: datetime


@dataclass(eq=False)
class TokenExpired(Unauthorized):
    """The token expired at {expires_at:%Y-%m-%dT%H:%M:%SZ}. Ask its admin for a new one."""

    code: ClassVar[str] = "token_expired"
    expires_at: datetime


@dataclass(eq=False)
class TokenDisabled(Unauthorized):
    """The token is switched off. Its admin can switch it on again."""

    code: ClassVar[str] = "token_disabled"


@dataclass(eq=False)
class TokenPaused(Unauthorized):
    """The token is paused until {paused_until:%Y-%m-%dT%H:%M:%SZ}: its admin rehearses revoking it. Ask them."""

    code: ClassVar[str] = "token_paused"
    paused_until: datetime


@dataclass(eq=False)
class TokenRevoked(Unauthorized):
    """The token was revoked and never works again. Ask its admin for a new one."""

    code: ClassVar[str] = "token_revoked"


@dataclass(eq=False)
class ProInactive(RavenError):
    """Pro is not active in this token's workspace."""

    code: ClassVar[str] = "pro_inactive"


@dataclass(eq=False)
class SourceRefused(RavenError):
    """This token may not be used from {address}. Its admin can add that address to its source networks."""

    code: ClassVar[str] = "source_refused"
    address: str


@dataclass(eq=False)
class AbilityMissing(RavenError):
    """This token lacks the ability {key}. Its admin can switch it on."""

    code: ClassVar[str] = "ability_missing"
    key: str


@dataclass(eq=False)
class TokenBound(RavenError):
    """This temporary token is bound to one {kind} and may not do this."""

    code: ClassVar[str] = "token_bound"
    kind: str


@dataclass(eq=False)
class TokenNotFound(RavenError):
    """There is no token {token_id} in this workspace."""

    code: ClassVar[str] = "token_not_found"
    token_id: str


@dataclass(eq=False)
class RateLimitExceeded(RavenError):
    """Too many calls: {requests_per_minute} a minute are allowed. Try again in {retry_after_s} s."""

    code: ClassVar[str] = "rate_limit_exceeded"
    requests_per_minute: int
    retry_after_s: int


@dataclass(eq=False)
class EndpointUnknown(RavenError):
    """There is no endpoint at this address. Check its spelling."""

    code: ClassVar[str] = "endpoint_unknown"


@dataclass(eq=False)
class MethodNotAllowed(RavenError):
    """{method} is not possible here. Use {allowed}."""

    code: ClassVar[str] = "method_not_allowed"
    method: str
    allowed: str


@dataclass(eq=False)
class BodyTooLarge(RavenError):
    """The body is over {max_bytes} bytes. Send less at a time."""

    code: ClassVar[str] = "body_too_large"
    max_bytes: int


@dataclass(eq=False)
class MediaTypeUnsupported(RavenError):
    """The body must be JSON in UTF-8, not compressed: send the header Content-Type: application/json."""

    code: ClassVar[str] = "media_type_unsupported"


@dataclass(eq=False)
class BodyInvalid(RavenError):
    """{problem}"""

    code: ClassVar[str] = "body_invalid"
    path: str
    """Where, as `recipient[1].contact[0].type`; empty for the body as a whole."""
    problem: str


@dataclass(eq=False)
class QueryInvalid(RavenError):
    """{problem}"""

    code: ClassVar[str] = "query_invalid"
    path: str
    """The name of the parameter."""
    problem: str


@dataclass(eq=False)
class IfMatchInvalid(RavenError):
    """Send in If-Match the version as you read it, in quotes: If-Match: "3"."""

    code: ClassVar[str] = "if_match_invalid"


@dataclass(eq=False)
class TokenInBody(RavenError):
    """The body contains an API token. Tokens are never stored or sent on: take it out."""

    code: ClassVar[str] = "token_in_body"


@dataclass(eq=False)
class IdempotencyKeyInvalid(RavenError):
    """An Idempotency-Key has 1 to {max_length} visible characters."""

    code: ClassVar[str] = "idempotency_key_invalid"
    max_length: int


@dataclass(eq=False)
class IdempotencyKeyReused(RavenError):
    """This Idempotency-Key was used for another call in the last 24 hours. Use a new key for each call."""

    code: ClassVar[str] = "idempotency_key_reused"


@dataclass(eq=False)
class IdempotencyKeyInFlight(RavenError):
    """The first call with this Idempotency-Key is still running. Try again in a moment."""

    code: ClassVar[str] = "idempotency_key_in_flight"


@dataclass(eq=False)
class ChangedMeanwhile(RavenError):
    """Something that this call names was changed or deleted at the same moment; nothing was saved. Send it again."""

    code: ClassVar[str] = "changed_meanwhile"


@dataclass(eq=False)
class DatabaseUnavailable(RavenError):
    """The server can't use its database at the moment. Send the same again in {retry_after_s} s."""

    code: ClassVar[str] = "database_unavailable"
    retry_after_s: int


@dataclass(eq=False)
class InternalError(RavenError):
    """Something went wrong on our side; nothing was saved. Tell your admin the request id."""

    code: ClassVar[str] = "internal_error"


LOCKED_OUT = frozenset(
    refusal.code
    for refusal in (
        TokenUnknown, TokenNotActiveYet, TokenExpired, TokenDisabled, TokenRevoked, SourceRefused, RateLimitExceeded
    )
)  # fmt: skip
"""Codes of calls that somebody here can let in: by another token, from elsewhere too, or more often.

A rehearsal refuses calls as well, but because somebody wants it to, and without Pro there is no token to mend.
"""
