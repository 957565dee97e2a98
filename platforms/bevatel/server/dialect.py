"""How Bevatel's API looks: Chatwoot's headers, statuses and error bodies (shared/vendors/bevatel.md, A3 and C2)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from django.http import HttpRequest

from messaging.refusals import TopicNotFound, UserMissing
from messaging.templates import TemplateNotFound
from personas.services import AttributeUnknown, AttributeValueInvalid, ContactTaken, NameMissing, PersonaNotFound
from raven_admin.errors import RavenError
from tokens.endpoints import STATUS_OF, Answer
from tokens.refusals import (
    AbilityMissing,
    BodyInvalid,
    DatabaseUnavailable,
    EndpointUnknown,
    MethodNotAllowed,
    ProInactive,
    QueryInvalid,
    RateLimitExceeded,
    TokenMissing,
    TokenPaused,
    Unauthorized,
)


@dataclass(eq=False)
class AccountRefused(RavenError):
    """You are not authorized to access this account"""

    code: ClassVar[str] = "account_refused"


@dataclass(eq=False)
class SessionNotFound(RavenError):
    """There is no session “{source_id}” in this workspace."""

    code: ClassVar[str] = "session_not_found"
    source_id: str


@dataclass(eq=False)
class InboxNotFound(RavenError):
    """There is no inbox {inbox_id} in this workspace."""

    code: ClassVar[str] = "inbox_not_found"
    inbox_id: int


@dataclass(eq=False)
class TemplateInboxNotFound(RavenError):
    """Inbox not found. Templates are sent through whatsapp inboxes only"""

    code: ClassVar[str] = "inbox_not_found"


@dataclass(eq=False)
class SourceTaken(RavenError):
    """source_id should be unique"""

    code: ClassVar[str] = "source_taken"


@dataclass(eq=False)
class SearchTextMissing(RavenError):
    """Specify search string with parameter q"""

    code: ClassVar[str] = "search_text_missing"


@dataclass(eq=False)
class FieldRefused(RavenError):
    """{problem}"""

    code: ClassVar[str] = "field_refused"
    path: str
    problem: str


_NOT_FOUND = "Resource could not be found"
_PUBLISHED: dict[type[RavenError], tuple[int, dict[str, Any]]] = {
    TokenMissing: (401, {"errors": ["You need to sign in or sign up before continuing."]}),
    Unauthorized: (401, {"error": "Invalid Access Token"}),
    ProInactive: (401, {"error": "Account is suspended"}),
    AbilityMissing: (401, {"error": "You are not authorized to do this action"}),
    AccountRefused: (401, {"error": "You are not authorized to access this account"}),
    EndpointUnknown: (404, {"error": _NOT_FOUND}),
    PersonaNotFound: (404, {"error": _NOT_FOUND}),
    TopicNotFound: (404, {"error": _NOT_FOUND}),
    SessionNotFound: (404, {"error": _NOT_FOUND}),
    InboxNotFound: (404, {"error": _NOT_FOUND}),
    # Chatwoot's throttle answers these words as plain text.
    RateLimitExceeded: (429, {"error": "Retry later"}),
    NameMissing: (422, {"message": "Name can't be blank", "attributes": ["name"]}),
    UserMissing: (422, {"error": "Set User Aliases in the token's configuration: messages are sent as that user."}),
}
_STATUS_OF: dict[type[RavenError], int] = STATUS_OF | {TemplateInboxNotFound: 404, TemplateNotFound: 404}
"""What is not named here is the caller's mistake in what they sent: 422."""
_FIELDS = {
    "email": "email", "whatsapp": "phone_number", "phone": "phone_number", "other": "identifier",
    "web_chat": "source_id",
}  # fmt: skip
"""What Chatwoot calls a contact of each type."""


class BevatelDialect:
    def credential(self, request: HttpRequest) -> str | None:
        """The header api_access_token. WSGI writes `-` and `_` alike, so `api-access-token` is the same header."""
        return request.headers.get("Api-Access-Token", "").strip() or None

    def refusal(self, error: RavenError, *, request_id: str) -> Answer:
        """The vendor's status and body; our code of the error stands in a header, for who looks for the reason."""
        status, body = _looks(error)
        return Answer(body, status=status, headers={"Raven-Error-Code": error.code, **_headers(error)})


def _looks(error: RavenError) -> tuple[int, dict[str, Any]]:
    if isinstance(
        error, TokenPaused
    ):  # which the vendor does not know: who looks at it must not look for another token
        return 401, {"error": str(error)}
    for kind in type(error).__mro__:
        if kind in _PUBLISHED:
            return _PUBLISHED[kind]
    if isinstance(error, ContactTaken):
        field = _FIELDS.get(error.type, error.type)
        return 422, _invalid(field, f"{field.replace('_', ' ').capitalize()} has already been taken")
    if isinstance(error, (AttributeUnknown, AttributeValueInvalid)):
        return 422, _invalid("custom_attributes", f"Custom attributes: {error}")
    if isinstance(error, (FieldRefused, QueryInvalid)) or (isinstance(error, BodyInvalid) and error.path):
        return 422, _invalid(error.path, str(error))
    status = next((_STATUS_OF[kind] for kind in type(error).__mro__ if kind in _STATUS_OF), 422)
    return status, {"error": str(error)}


def _invalid(field: str, message: str) -> dict[str, Any]:
    return {"message": message, "attributes": [field] if field else []}


def _headers(error: RavenError) -> dict[str, str]:
    if isinstance(error, RateLimitExceeded | DatabaseUnavailable):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, MethodNotAllowed):
        return {"Allow": error.allowed}
    if isinstance(error, AbilityMissing):
        return {"Raven-Ability": error.key}
    return {}
