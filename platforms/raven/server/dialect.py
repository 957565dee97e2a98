"""How Raven's API looks: the token as Bearer, the published messages to the letter, and our error body.

The vendor prints the texts and statuses (shared/vendors/raven.md) but no error body: its members `data` and
`notification` follow the success body, the others are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.http import HttpRequest

from messaging.locations import LocationCodeTaken, LocationNotFound, TimeZoneUnknown
from messaging.refusals import (
    GroupTopicRecipientsTooMany,
    MassTopicWithRecipients,
    PersonaTopicRecipientsTooMany,
    RecipientsMissing,
    RecipientsTooMany,
    RecipientWithoutContact,
    TopicExists,
    TopicMissing,
    TopicNotFound,
    TopicStatusInvalid,
    TopicTypeInvalid,
    UserMissing,
    UserNotFound,
)
from messaging.templates import (
    TemplateAmbiguous,
    TemplateNotFound,
    TemplateParametersWrong,
    TemplateTextTooLong,
)
from personas.matching import ContactTypeInvalid, RecipientAmbiguous, RecipientContactInvalid, RecipientRepeated
from personas.services import (
    AttributeUnknown,
    AttributeValueInvalid,
    ContactRefused,
    ContactTaken,
    NameMissing,
    PersonaNotFound,
    VersionConflict,
)
from raven_admin.errors import RavenError
from tokens.configuration import (
    AbilityUnknown,
    AnchorNotUsable,
    MomentOutOfRange,
    NoticeAddressInvalid,
    TokenNameInvalid,
)
from tokens.endpoints import STATUS_OF, Answer, refusal_headers
from tokens.handing_on import ExpirationBeyondOwn, NetworksBeyondOwn
from tokens.refusals import ProInactive, TokenNotFound, Unauthorized
from tokens.services import (
    AbilityNotHeld,
    NewTokenEndedAlready,
    TokenAlreadyRotated,
    TokenChangedMeanwhile,
    TokenIsRevoked,
    TokenIsTemporary,
)
from tokens.sharing import PepperNotHeld, TokenDigestDiffers, TokenIdTaken


@dataclass(eq=False)
class NewTopicTypeInvalid(TopicTypeInvalid):
    """“{type}” is no type of topic. The types are: persona, group, mass."""


_PUBLISHED: dict[type[RavenError], tuple[int, str]] = {
    Unauthorized: (401, "Unauthorized"),
    ProInactive: (401, "Pro is not active!"),
    PersonaTopicRecipientsTooMany: (400, "Persona Topic-type recipients are only allowed one."),
    GroupTopicRecipientsTooMany: (400, "Group as recipients are only allowed one."),
    RecipientWithoutContact: (400, "The Recipient index {recipient_index} must have at least one contact."),
    ContactTypeInvalid: (
        400,
        "Invalid ContactType at recipient index {recipient_index} and contact index {contact_index}.",
    ),
    UserNotFound: (404, "User is not found!"),
    RecipientsMissing: (404, "Recipients must have at least one."),
    TopicTypeInvalid: (404, "Topic Type is invalid!"),
}

_STATUS_OF: dict[type[RavenError], int] = STATUS_OF | {
    PersonaNotFound: 404,
    TopicNotFound: 404,
    TemplateNotFound: 404,
    LocationNotFound: 404,
    TokenNotFound: 404,
    # What a body names and nobody has is 404, as the published "User is not found!" is.
    AttributeUnknown: 404,
    AnchorNotUsable: 404,
    ContactTaken: 409,
    TopicExists: 409,
    LocationCodeTaken: 409,
    TokenIsRevoked: 409,
    TokenAlreadyRotated: 409,
    TokenChangedMeanwhile: 409,
    PepperNotHeld: 409,
    TokenIdTaken: 409,
    TokenDigestDiffers: 409,
    VersionConflict: 412,
    AbilityNotHeld: 403,
    ExpirationBeyondOwn: 403,
    NetworksBeyondOwn: 403,
    TokenIsTemporary: 403,
}
"""What is not named here is the caller's mistake in what they sent: 400."""

_PATHS: dict[type[RavenError], Callable[[Any], str]] = {
    Unauthorized: lambda _error: "Authorization",
    UserNotFound: lambda error: error.field,
    UserMissing: lambda _error: "username",
    TopicMissing: lambda _error: "topic",
    TopicTypeInvalid: lambda _error: "topic.type",
    NewTopicTypeInvalid: lambda _error: "type",
    RecipientsMissing: lambda _error: "recipient",
    RecipientsTooMany: lambda _error: "recipient",
    PersonaTopicRecipientsTooMany: lambda _error: "recipient",
    GroupTopicRecipientsTooMany: lambda _error: "recipient",
    RecipientWithoutContact: lambda error: f"recipient[{error.recipient_index}].contact",
    ContactTypeInvalid: lambda error: f"recipient[{error.recipient_index}].contact[{error.contact_index}].type",
    RecipientContactInvalid: lambda error: f"recipient[{error.recipient_index}].contact[{error.contact_index}].key",
    RecipientAmbiguous: lambda error: f"recipient[{error.recipient_index}].contact",
    RecipientRepeated: lambda error: f"recipient[{error.recipient_index}]",
    AttributeUnknown: lambda error: f"attribute.{error.key}",
    AttributeValueInvalid: lambda error: f"attribute.{error.key}",
    ContactRefused: lambda error: f"contact[{error.contact_index}].{error.field}",
    ContactTaken: lambda error: f"contact[{error.contact_index}].key",
    NameMissing: lambda _error: "name",
    MassTopicWithRecipients: lambda _error: "recipient",
    TopicStatusInvalid: lambda _error: "status",
    TemplateNotFound: lambda _error: "template",
    TemplateAmbiguous: lambda _error: "language",
    TemplateParametersWrong: lambda _error: "parameter",
    TemplateTextTooLong: lambda _error: "parameter",
    LocationCodeTaken: lambda _error: "code",
    TimeZoneUnknown: lambda _error: "time_zone",
    VersionConflict: lambda _error: "If-Match",
    AbilityUnknown: lambda _error: "ability",
    AbilityNotHeld: lambda _error: "ability",
    ExpirationBeyondOwn: lambda _error: "expires_at",
    NetworksBeyondOwn: lambda _error: "source_networks",
    TokenNameInvalid: lambda _error: "name",
    PepperNotHeld: lambda _error: "pepper",
    TokenDigestDiffers: lambda _error: "digest",
    NewTokenEndedAlready: lambda _error: "expires_at",
    MomentOutOfRange: lambda error: error.field,
    NoticeAddressInvalid: lambda _error: "notice_address",
}


_T = TypeVar("_T")


class RavenDialect:
    def credential(self, request: HttpRequest) -> str | None:
        """What follows `Bearer` in the header Authorization."""
        scheme, _space, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def refusal(self, error: RavenError, *, request_id: str) -> Answer:
        """`notification` is the published message where there is one, and `errors` says where and what to do."""
        published = _of_class(_PUBLISHED, error)
        if published:
            status, notification = published[0], published[1].format(**error.fields())
        else:
            status, notification = _of_class(_STATUS_OF, error) or 400, str(error)
        where = _of_class(_PATHS, error)
        path = where(error) if where else getattr(error, "path", "")
        if path and not published and path not in notification:
            notification = f"{path}: {notification}"
        body = {
            "data": None,
            "notification": notification,
            "code": error.code,
            "request_id": request_id,
            "errors": [{"path": path, "message": str(error)}],
        }
        return Answer(body, status=status, headers=refusal_headers(error))


def _of_class(table: dict[type[RavenError], _T], error: RavenError) -> _T | None:
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)
