"""The bodies of Raven's API, as they are on the wire.

`MessageSend` is the vendor's (shared/vendors/raven.md, R2); its limits are the published ones. All others are ours, in
the same style: members in the singular, lists of people as `recipient`, contacts as `type`, `name`, `key`.

`extra_json_schema` is what the documents say beside what is checked here: rules that a service checks with an error of
its own, whose published status or message a failed shape would hide.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

import messaging.models
from messaging.models import TopicType
from personas.models import ContactType
from platforms.paging import CURSOR
from platforms.schemas import PLAIN_LINE, VISIBLE, YEAR, one_of
from tokens.abilities import ABILITIES
from tokens.models import Status
from tokens.secrets import DIGEST_SCHEME

Text255 = Annotated[str, Meta(max_length=255)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
VisibleName = Annotated[str, Meta(min_length=1, max_length=255, extra_json_schema={"pattern": VISIBLE})]
MessageText = Annotated[str, Meta(min_length=1, max_length=4096)]
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Moment = Annotated[datetime, Meta(tz=True)]
MomentGiven = Annotated[datetime, Meta(tz=True, extra_json_schema={"pattern": YEAR})]
Limit = Annotated[int, Meta(ge=1, le=200, description="Rows a page.")]
Cursor = Annotated[str, Meta(max_length=20, pattern=CURSOR, description="The `next` of the page before.")]
MomentText = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
AttributeGiven = str | int | float | bool | None
AbilityKey = Annotated[str, one_of(ability.key for ability in ABILITIES)]
ContactTypeName = Annotated[str, one_of(ContactType.values)]
TopicTypeName = Annotated[str, one_of(TopicType.values)]
TopicStatusName = Annotated[str, one_of(messaging.models.Topic.Status.values)]
TokenStatusName = Annotated[str, one_of(Status.values)]
Direction = Annotated[str, one_of(messaging.models.Message.Direction.values)]
RecipientState = Annotated[str, one_of(messaging.models.Recipient.State.values)]
TokenName = Annotated[str, Meta(min_length=1, max_length=100, extra_json_schema={"pattern": PLAIN_LINE})]
TokenDigest = Annotated[
    str,
    Meta(
        pattern=rf"^{DIGEST_SCHEME}[0-9a-f]{{64}}$(?!\n)",
        description=f"`{DIGEST_SCHEME}` and 64 hexadecimal digits in lower case.",
    ),
]
LocationName = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=VISIBLE, description="A name that can be seen.")
]
LocationCode = Annotated[
    str, Meta(pattern=r"^[-a-zA-Z0-9_]{1,50}$(?!\n)", description="Up to 50 letters of A to Z, digits, `-` and `_`.")
]
TopicName = Annotated[str, Meta(min_length=1, max_length=255, pattern=VISIBLE, description="A name that can be seen.")]
TimeZone = Annotated[str, Meta(max_length=64, extra_json_schema={"$ref": "#/components/schemas/TimeZone"})]
Network = Annotated[str, Meta(extra_json_schema={"$ref": "#/components/schemas/Network"})]
_MAIL_ADDRESS = r"^[A-Za-z0-9_+-]{1,60}(\.[A-Za-z0-9_+-]{1,60})*@([a-z0-9]{1,30}\.)+[a-z]{2,20}$"
MailAddress = Annotated[str, Meta(max_length=254, extra_json_schema={"pattern": _MAIL_ADDRESS})]
MAX_PAGE = 200


class _Moments(msgspec.Struct):
    """Its moments are in UTC, and of the years 1900 to 2999.

    The ends of the calendar don't exist in every time zone, and PostgreSQL refuses an offset of 16 hours or more.
    """

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, datetime):
                # As written first: the ends of the calendar can't be said in UTC. In UTC too, as it will be answered.
                in_utc = value.astimezone(UTC) if 1900 <= value.year <= 2999 else value
                if not 1900 <= in_utc.year <= 2999:
                    raise ValueError(f"`{name}` must be between the years 1900 and 2999")
                setattr(self, name, in_utc)


class Contact(msgspec.Struct, forbid_unknown_fields=True):
    """One address of a person. A phone number may also be in the local notation of the workspace's country."""

    type: ContactTypeName
    key: Name
    name: Text255 = ""


class Recipient(msgspec.Struct, forbid_unknown_fields=True):
    """A person as you know them, found by their contacts and made when none is known."""

    name: Text255 = ""
    contact: list[Contact] = []


class Topic(msgspec.Struct, forbid_unknown_fields=True):
    """`type` is persona, group or mass."""

    name: TopicName
    type: TopicTypeName = ""


class MessageSend(msgspec.Struct, forbid_unknown_fields=True):
    message: MessageText
    recipient: list[Recipient] = []
    username: Name | None = None
    topic: Topic | None = None


class MessageAdd(msgspec.Struct, forbid_unknown_fields=True):
    """`persona` is who wrote the message; without `topic` it goes to the token's Topic Anchor."""

    persona: Id
    message: MessageText
    topic: Topic | None = None


class PersonaAdd(msgspec.Struct, forbid_unknown_fields=True):
    name: VisibleName
    gender: Annotated[str, Meta(max_length=30)] | None = None
    birthday: date | None = None
    notes: Annotated[str, Meta(max_length=10_000)] | None = None
    attribute: dict[str, AttributeGiven] = {}
    contact: Annotated[list[Contact], Meta(max_length=50)] = []


class PersonaUpdate(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays as it is; null clears."""

    persona: Id
    name: VisibleName | UnsetType = UNSET
    gender: Annotated[str, Meta(max_length=30)] | None | UnsetType = UNSET
    birthday: date | None | UnsetType = UNSET
    notes: Annotated[str, Meta(max_length=10_000)] | None | UnsetType = UNSET


class AttributeUpdate(msgspec.Struct, forbid_unknown_fields=True):
    """An empty value, or null, clears the attribute."""

    persona: Id
    attribute: Annotated[dict[str, AttributeGiven], Meta(min_length=1, max_length=100)]


class ContactAdd(msgspec.Struct, forbid_unknown_fields=True):
    persona: Id
    contact: Annotated[list[Contact], Meta(min_length=1, max_length=50)]


class TopicAdd(msgspec.Struct, forbid_unknown_fields=True):
    """A topic of type persona or group names its one recipient; one of type mass names none."""

    name: TopicName
    type: TopicTypeName
    recipient: list[Recipient] = []


class TopicStatus(msgspec.Struct, forbid_unknown_fields=True):
    topic: Id
    status: TopicStatusName


class TemplateSend(msgspec.Struct, forbid_unknown_fields=True):
    """`parameter` fills the gaps {{1}}, {{2}}… of the template in their order."""

    template: Annotated[str, Meta(min_length=1, max_length=100)]
    language: Annotated[str, Meta(max_length=10)] = ""
    parameter: Annotated[list[Annotated[str, Meta(max_length=1000)]], Meta(max_length=50)] = []
    recipient: list[Recipient] = []
    username: Name | None = None
    topic: Topic | None = None


class LocationAdd(msgspec.Struct, forbid_unknown_fields=True):
    name: LocationName
    code: LocationCode
    time_zone: TimeZone
    address: Annotated[str, Meta(max_length=500)] = ""
    phone: Annotated[str, Meta(max_length=30)] = ""
    is_open: bool = True


class LocationUpdate(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    name: LocationName | UnsetType = UNSET
    code: LocationCode | UnsetType = UNSET
    time_zone: TimeZone | UnsetType = UNSET
    address: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET
    phone: Annotated[str, Meta(max_length=30)] | UnsetType = UNSET
    is_open: bool | UnsetType = UNSET


class TokenDerive(msgspec.Struct, forbid_unknown_fields=True):
    """`ability` is a subset of your own; `seconds` is how long the temporary token lives."""

    ability: Annotated[list[AbilityKey], Meta(min_length=1, max_length=100)]
    seconds: Annotated[int, Meta(ge=1, le=3600)] = 3600
    persona: Id | None = None
    topic: Id | None = None


class TokenSettings(_Moments, forbid_unknown_fields=True, kw_only=True):
    """What is left out stays as it is; null clears. `topic_anchor`, `user_alias` and `caretaker` are names."""

    name: TokenName | UnsetType = UNSET
    ability: Annotated[list[AbilityKey], Meta(max_length=100)] | UnsetType = UNSET
    is_on: bool | UnsetType = UNSET
    activates_at: MomentGiven | None | UnsetType = UNSET
    expires_at: MomentGiven | None | UnsetType = UNSET
    topic_anchor: Name | None | UnsetType = UNSET
    user_alias: Name | None | UnsetType = UNSET
    source_networks: Annotated[list[Network], Meta(max_length=100)] | UnsetType = UNSET
    requests_per_minute: Annotated[int, Meta(ge=1, le=1_000_000)] | None | UnsetType = UNSET
    caretaker: Name | None | UnsetType = UNSET
    notice_address: MailAddress | None | UnsetType = UNSET


class TokenIssue(TokenSettings, forbid_unknown_fields=True, kw_only=True):
    """A token needs a name. Left out, end and source networks are yours, and all else as the console begins a token."""

    name: TokenName


class TokenShare(TokenIssue, forbid_unknown_fields=True, kw_only=True):
    """`digest` is the HMAC-SHA-256 of the whole secret, `pepper` the fingerprint of the pepper it was made with.

    What is left out is as with a token that is issued, whether the token is known here or not. `replaces` is the id
    of the token that was rotated into this one: here too nobody is told any more that it ends.
    """

    digest: TokenDigest
    pepper: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$(?!\n)", description="16 hexadecimal digits in lower case.")]
    last_four: Annotated[
        str, Meta(pattern=r"^[0-9A-Za-z]{4}$(?!\n)", description="The secret's last four letters and digits.")
    ]
    replaces: (
        Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{12}$(?!\n)", description="A token's id, of 12 letters and digits.")]
        | UnsetType
    ) = UNSET


class TokenRotate(_Moments, forbid_unknown_fields=True, kw_only=True):
    """`overlap_seconds` is how long the old secret still works: at once, an hour, a day or a week.

    Left out, `expires_at` lets the new token live as long again as the old one was given, but no longer than yours;
    null is no end.
    """

    overlap_seconds: Literal[0, 3600, 86400, 604800] = 0
    expires_at: MomentGiven | None | UnsetType = UNSET


class Page(_Moments, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Cursor = ""


class PersonaQuery(Page, forbid_unknown_fields=True):
    contact: Annotated[str, Meta(max_length=255, description="A contact's key, in any notation.")] = ""
    updated_since: MomentGiven | None = None
    q: Annotated[str, Meta(max_length=255, description="Parts of the name, an address or a value.")] = ""


class TopicQuery(Page, forbid_unknown_fields=True):
    type: Literal["persona", "group", "mass"] | None = None
    status: Literal["open", "pending", "resolved"] | None = None
    persona: Id | None = None
    updated_since: MomentGiven | None = None


class TokenQuery(Page, forbid_unknown_fields=True):
    status: Literal["scheduled", "active", "expiring", "expired", "disabled", "revoked"] | None = None


class EventQuery(msgspec.Struct, forbid_unknown_fields=True):
    after: Annotated[int, Meta(ge=0, le=2**63 - 1, description="The number of the last event you have seen.")] = 0
    limit: Limit = 200


class StatsQuery(msgspec.Struct, forbid_unknown_fields=True):
    days: Annotated[int, Meta(ge=1, le=90)] = 30


class ExportQuery(_Moments, forbid_unknown_fields=True):
    format: Literal["xlsx", "csv", "ndjson"] = "xlsx"
    updated_since: MomentGiven | None = None


class ContactData(msgspec.Struct):
    id: int
    type: ContactTypeName
    name: str
    key: str
    normalized: str


class PersonaData(msgspec.Struct):
    """`version` goes into If-Match."""

    id: int
    name: str
    gender: str
    birthday: date | None
    notes: str
    attribute: dict[str, Any]
    contact: list[ContactData]
    version: int
    created_at: Moment
    updated_at: Moment


class PersonaDeleted(msgspec.Struct):
    """`receipt` is the number of the receipt that stays, which says that the persona was deleted and not who it was."""

    receipt: int


class TopicData(msgspec.Struct):
    id: int
    type: TopicTypeName
    name: str
    status: TopicStatusName
    persona: int | None
    created_at: Moment
    updated_at: Moment


class RecipientData(msgspec.Struct):
    """`contact` is null once the persona does not have it any more."""

    persona: int
    contact: int | None
    state: RecipientState


class MessageData(msgspec.Struct):
    """`sender` is the name it was sent under; `persona` its sender when a persona wrote it."""

    id: int
    topic: int
    direction: Direction
    sender: str
    persona: int | None
    message: str
    recipient: list[RecipientData]
    created_at: Moment


class TemplateData(msgspec.Struct):
    name: str
    language: str
    body: str
    parameters: int
    """How many gaps the text has."""


class LocationData(msgspec.Struct):
    id: int
    name: str
    code: str
    address: str
    phone: str
    time_zone: str
    is_open: bool
    version: int


class EventData(msgspec.Struct):
    number: int
    kind: str
    data: dict[str, Any]
    happened_at: Moment


class DayData(msgspec.Struct):
    day: date
    messages_sent: int
    messages_received: int


class StatsData(msgspec.Struct):
    personas: int
    """Counted up to 100,000."""
    topics_open: int
    """Counted up to 100,000."""
    days: list[DayData]


class WorkspaceData(msgspec.Struct):
    name: str
    slug: str
    account: int


class TokenSelfData(msgspec.Struct):
    name: str
    token: str
    status: TokenStatusName
    workspace: WorkspaceData
    abilities: list[AbilityKey]
    activates_at: MomentText | None
    expires_at: MomentText | None
    topic_anchor: str | None
    user_alias: str | None
    source_networks: list[str]
    requests_per_minute: int


class TokenData(msgspec.Struct):
    """`id` is the public part of the token, between its first and second underscore."""

    id: str
    name: str
    token: str
    status: TokenStatusName
    is_on: bool
    ability: list[AbilityKey]
    activates_at: Moment | None
    expires_at: Moment | None
    revoked_at: Moment | None
    topic_anchor: str | None
    user_alias: str | None
    source_networks: list[str]
    requests_per_minute: int | None
    caretaker: str | None
    notice_address: str | None
    last_used_at: Moment | None
    version: int


class TokenSecretData(msgspec.Struct):
    """`secret` is shown this one time."""

    token: TokenData
    secret: str


class DerivedData(msgspec.Struct):
    secret: str
    expires_at: Moment
    ability: list[AbilityKey]
