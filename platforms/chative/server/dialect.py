"""How Chative's API looks: the key as Bearer, the six published errors to the letter, and our error body.

The vendor prints six texts with their statuses and the code `rate_limited` (shared/vendors/chative.md, C2), but not the
shape of the body. What it knows no error for (a missing ability, say) is ours, in the same shape.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from django.http import HttpRequest

from personas.services import AttributeUnknown, AttributeValueInvalid, ContactRefused, ContactTaken, VersionConflict
from platforms.chative.server.mapping import uuid_of
from raven_admin.errors import RavenError
from tokens.endpoints import STATUS_OF, Answer, refusal_headers
from tokens.refusals import (
    EndpointUnknown,
    InternalError,
    ProInactive,
    RateLimitExceeded,
    TokenMissing,
    Unauthorized,
)


@dataclass(eq=False)
class ContactNotFound(RavenError):
    """There is no contact {contact_id}."""

    code: ClassVar[str] = "contact_not_found"
    contact_id: str


_PUBLISHED: dict[type[RavenError], str] = {
    TokenMissing: "Missing token",
    Unauthorized: "Invalid token",
    ContactNotFound: "Contact not found",
    AttributeUnknown: "Custom field not found",
    EndpointUnknown: "Endpoint not found",
    RateLimitExceeded: "Rate limit exceeded. Retry in 1 minute.",
    InternalError: "Something went wrong on Chative’s end.",
}
_BAD_REQUEST = "Bad request"
"""Of every other refusal with status 400."""

_STATUS_OF: dict[type[RavenError], int] = STATUS_OF | {
    # 401 would send a client to look for another key; this one is right.
    ProInactive: 403,
    ContactNotFound: 404,
    AttributeUnknown: 404,
    ContactTaken: 409,
    VersionConflict: 412,
}
"""What is not named here is the caller's mistake in what they sent: 400."""

_PATHS: dict[type[RavenError], Callable[[Any], str]] = {
    Unauthorized: lambda _error: "Authorization",
    ContactNotFound: lambda _error: "id",
    AttributeUnknown: lambda error: f"customFields.{error.key}",
    AttributeValueInvalid: lambda error: f"customFields.{error.key}",
    ContactRefused: lambda error: str(error.type),
    ContactTaken: lambda error: str(error.type),
    VersionConflict: lambda _error: "If-Match",
}

_T = TypeVar("_T")


class ChativeDialect:
    def credential(self, request: HttpRequest) -> str | None:
        """What follows `Bearer` in the header Authorization."""
        scheme, _space, key = request.headers.get("Authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else None

    def refusal(self, error: RavenError, *, request_id: str) -> Answer:
        """`message` is the published text where there is one; `errors` says where, and what to do."""
        status = _of_class(_STATUS_OF, error) or 400
        where = _of_class(_PATHS, error)
        sentence = _sentence(error)
        body = {
            "code": "rate_limited" if isinstance(error, RateLimitExceeded) else error.code,
            "message": _of_class(_PUBLISHED, error) or (_BAD_REQUEST if status == 400 else sentence),
            "request_id": request_id,
            "errors": [{"path": where(error) if where else getattr(error, "path", ""), "message": sentence}],
        }
        return Answer(body, status=status, headers=refusal_headers(error))


def _sentence(error: RavenError) -> str:
    """What happened, in this API's words."""
    if isinstance(error, ContactTaken):
        return f"{error.key} already belongs to {error.persona_name} (contact {uuid_of(error.persona_id)})."
    if isinstance(error, ContactRefused):
        return error.problem
    return str(error)


def _of_class(table: dict[type[RavenError], _T], error: RavenError) -> _T | None:
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)
