"""The bodies of Bevatel's API, as they are on the wire: Chatwoot's, and two of Bevatel's own.

Sources: shared/vendors/bevatel.md (parts A and C) and Chatwoot's published OpenAPI document; where the two differ, what
Chatwoot's source answers. Members that we accept and do not keep are named in the README; all others are refused.
Chatwoot reads an id from a number and from its digits, and null as if the member were left out.
"""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from platforms.schemas import ANY_TEXT, EMAIL, VISIBLE, VISIBLE_LINE, phone_pattern

Id = (
    Annotated[int, Meta(ge=1, le=2**63 - 1)]
    | Annotated[str, Meta(pattern=r"^[0-9]{1,18}$(?!\n)", description="A number, or its digits.")]
)
Text255 = Annotated[str, Meta(max_length=255, extra_json_schema={"pattern": ANY_TEXT})]


def _empty_or(pattern: str) -> Meta:
    return Meta(max_length=255, extra_json_schema={"anyOf": [{"const": ""}, {"pattern": pattern}]})


Email = Annotated[str, _empty_or(EMAIL)]
Phone = Annotated[str, _empty_or(phone_pattern())]
Identifier = Annotated[str, _empty_or(VISIBLE_LINE)]
SourceId = Annotated[str, Meta(min_length=1, max_length=255, extra_json_schema={"pattern": VISIBLE_LINE})]
Content = Annotated[str, Meta(min_length=1, max_length=4096, extra_json_schema={"pattern": ANY_TEXT})]
Attributes = Annotated[
    dict[str, str | int | float | bool | None],
    Meta(max_length=100, description="By the keys of the attributes that the workspace defines; null clears."),
]
NotKept = Annotated[
    Any,
    Meta(description="Accepted and not kept.", extra_json_schema={"$ref": "#/components/schemas/AnyValue"}),
]
No = Annotated[bool, Meta(description="Only false is possible.", extra_json_schema={"enum": [False]})]
NoFiles = Annotated[list[Any], Meta(description="Only text can be sent.", extra_json_schema={"maxItems": 0})]
NoTemplate = Annotated[
    dict[str, Any],
    Meta(description="Templates are sent by the developer API.", extra_json_schema={"maxProperties": 0}),
]
NoMedia = Annotated[dict[str, Any], Meta(description="Only the text has gaps.", extra_json_schema={"maxProperties": 0})]
PageNumber = Annotated[int, Meta(ge=1, le=100_000)]
ConversationStatus = Annotated[str, Meta(max_length=20, extra_json_schema={"enum": ["open", "pending", "resolved"]})]
_SORTS = Literal[
    "name", "email", "phone_number", "last_activity_at", "created_at", "company", "city", "country",
    "-name", "-email", "-phone_number", "-last_activity_at", "-created_at", "-company", "-city", "-country",
]  # fmt: skip


class ContactCreate(msgspec.Struct, forbid_unknown_fields=True):
    """With `inbox_id`, the contact gets a session on the inbox, with this `source_id` or one that we make."""

    name: Text255 | None = None
    email: Email | None = None
    phone_number: Phone | None = None
    identifier: Identifier | None = None
    custom_attributes: Attributes | None = None
    inbox_id: Id | None = None
    source_id: SourceId | None = None
    blocked: No | None = None
    additional_attributes: NotKept = None
    avatar: NotKept = None
    avatar_url: NotKept = None
    labels: NotKept = None


class ContactUpdate(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays as it is; an empty e-mail, number or identifier is taken away; attributes are merged."""

    name: Text255 | None = None
    email: Email | None | UnsetType = UNSET
    phone_number: Phone | None | UnsetType = UNSET
    identifier: Identifier | None | UnsetType = UNSET
    custom_attributes: Attributes | None = None
    blocked: No | None = None
    additional_attributes: NotKept = None
    avatar: NotKept = None
    avatar_url: NotKept = None
    labels: NotKept = None


class ContactInboxCreate(msgspec.Struct, forbid_unknown_fields=True):
    inbox_id: Id
    source_id: SourceId | None = None


class FirstMessage(msgspec.Struct, forbid_unknown_fields=True):
    """An outgoing message that the conversation begins with."""

    content: Content
    template_params: NoTemplate | None = None


class ConversationCreate(msgspec.Struct, forbid_unknown_fields=True):
    """With whom: the session `source_id`, or the contact `contact_id`."""

    source_id: SourceId | None = None
    inbox_id: Id | None = None
    contact_id: Id | None = None
    status: ConversationStatus | None = None
    message: FirstMessage | None = None
    snoozed_until: None = None
    assignee_id: NotKept = None
    team_id: NotKept = None
    additional_attributes: NotKept = None
    custom_attributes: NotKept = None


class ToggleStatus(msgspec.Struct, forbid_unknown_fields=True):
    """Without `status`, a resolved conversation is opened and any other is resolved."""

    status: ConversationStatus | None = None
    snoozed_until: None = None


class MessageCreate(msgspec.Struct, forbid_unknown_fields=True):
    """`incoming` is from the contact, `outgoing` to them. Chatwoot's own clients send it as a form."""

    form: ClassVar[dict[str, Any]] = {
        "type": "object",
        "required": ["content"],
        "additionalProperties": False,
        "properties": {
            "content": {"type": "string", "minLength": 1, "maxLength": 4096, "pattern": ANY_TEXT},
            "message_type": {"type": "string", "enum": ["incoming", "outgoing"]},
            "private": {"type": "string", "enum": ["false"]},
        },
    }
    """What the documents say of it as multipart/form-data."""
    content: Content
    message_type: Literal["incoming", "outgoing"] | None = "outgoing"
    private: No | None = None
    content_type: Literal["text"] | None = None
    attachments: NoFiles | None = None
    template_params: NoTemplate | None = None
    echo_id: str | int | None = None
    content_attributes: NotKept = None
    source_id: NotKept = None
    campaign_id: NotKept = None
    external_created_at: NotKept = None
    source_reply_id: NotKept = None


class TemplateContact(msgspec.Struct, forbid_unknown_fields=True):
    """One of `phone_number` and `contact_id`; `name` is what a number is called that nobody has yet."""

    phone_number: Phone | None = None
    contact_id: Id | None = None
    name: Text255 | None = None


class TemplateParameters(msgspec.Struct, forbid_unknown_fields=True):
    """`body` fills the gaps {{1}}, {{2}}… of the template in their order."""

    body: Annotated[list[Annotated[str, Meta(max_length=1000)]], Meta(max_length=50)] = []
    media: NoMedia | None = None


class TemplateChoice(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    language: Annotated[str, Meta(max_length=10)] | None = None
    parameters: TemplateParameters | None = None


class TemplateOnly(msgspec.Struct, forbid_unknown_fields=True):
    template: TemplateChoice


class TemplateMessage(msgspec.Struct, forbid_unknown_fields=True):
    """A template to one person."""

    inbox_id: Id
    contact: TemplateContact
    message: TemplateOnly


class ContactQuery(msgspec.Struct, forbid_unknown_fields=True):
    page: PageNumber = 1
    sort: _SORTS | None = None
    include_contact_inboxes: bool = True
    labels: Annotated[str, Meta(max_length=255, description="No contact has any.")] = ""
    labels_of_rails: Annotated[str, Meta(max_length=255, description="As `labels`.")] = field(
        name="labels[]", default=""
    )


class ContactSearch(ContactQuery, forbid_unknown_fields=True):
    q: Annotated[
        str,
        Meta(
            max_length=255,
            description="A part of a name, e-mail, number or identifier.",
            extra_json_schema={"pattern": VISIBLE},
        ),
    ] = ""


class ConversationQuery(msgspec.Struct, forbid_unknown_fields=True):
    assignee_type: Annotated[
        Literal["me", "unassigned", "all", "assigned"], Meta(description="No conversation is assigned to anybody.")
    ] = "all"
    status: Literal["all", "open", "resolved", "pending", "snoozed"] = "open"
    q: Annotated[str, Meta(max_length=255, description="A part of one of the newest 50,000 messages.")] = ""
    inbox_id: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    team_id: Annotated[int, Meta(ge=1, le=2**63 - 1, description="No conversation has one.")] | None = None
    labels: Annotated[str, Meta(max_length=255, description="No conversation has any.")] = ""
    labels_of_rails: Annotated[str, Meta(max_length=255, description="As `labels`.")] = field(
        name="labels[]", default=""
    )
    page: PageNumber = 1


class MessageQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The newest 20; the 20 before a message, the 100 after one, or up to 1,000 between two."""

    before: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    after: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None


class InboxShort(msgspec.Struct):
    id: int
    avatar_url: str
    channel_id: int
    name: str
    channel_type: str
    provider: str


class ContactInbox(msgspec.Struct):
    source_id: str
    inbox: InboxShort


class ContactData(msgspec.Struct, tag_field="type", tag="contact"):
    """`created_at` and `last_activity_at` are seconds since 1970."""

    additional_attributes: dict[str, Any]
    availability_status: str
    email: str | None
    id: int
    name: str
    phone_number: str | None
    blocked: bool
    identifier: str | None
    thumbnail: str
    custom_attributes: dict[str, Any]
    last_activity_at: int
    created_at: int
    contact_inboxes: list[ContactInbox] | UnsetType = UNSET


class NewContact(msgspec.Struct):
    contact: ContactData
    contact_inbox: ContactInbox | None


class ContactCreated(msgspec.Struct):
    payload: NewContact


class ContactShown(msgspec.Struct):
    payload: ContactData


class ContactListMeta(msgspec.Struct):
    """`count` stops at 10,000."""

    count: int
    current_page: int


class ContactList(msgspec.Struct):
    meta: ContactListMeta
    payload: list[ContactData]


class ContactSearchMeta(msgspec.Struct):
    """`count` stops at 10,000."""

    count: int
    current_page: int
    has_more: bool


class ContactsFound(msgspec.Struct):
    meta: ContactSearchMeta
    payload: list[ContactData]


class DeveloperContact(msgspec.Struct):
    message: str
    data: ContactData


class DeveloperMessage(msgspec.Struct):
    message: str


class UserData(msgspec.Struct, tag_field="type", tag="user"):
    """`name` is the one that the message was sent under."""

    id: int
    name: str
    available_name: str
    avatar_url: str
    thumbnail: str
    availability_status: str


class MessageData(msgspec.Struct):
    """`message_type` is 0 for incoming and 1 for outgoing."""

    id: int
    content: str
    account_id: int
    inbox_id: int
    conversation_id: int
    message_type: int
    content_type: str
    status: str
    content_attributes: dict[str, Any]
    created_at: int
    updated_at: int
    private: bool
    source_id: str | None
    sender_type: str
    sender_id: int | None
    sender: UserData | ContactData | UnsetType = UNSET
    echo_id: str | int | UnsetType = UNSET


class ConversationPeople(msgspec.Struct):
    sender: ContactData
    channel: str
    hmac_verified: bool


class ConversationData(msgspec.Struct):
    """`messages` has the last one. Moments are seconds since 1970; 0 is never."""

    meta: ConversationPeople
    id: int
    messages: list[MessageData]
    account_id: int
    uuid: str
    additional_attributes: dict[str, Any]
    agent_last_seen_at: int
    assignee_last_seen_at: int
    can_reply: bool
    contact_last_seen_at: int
    custom_attributes: dict[str, Any]
    inbox_id: int
    labels: list[str]
    muted: bool
    snoozed_until: int | None
    status: str
    created_at: int
    updated_at: int
    timestamp: int
    first_reply_created_at: int | None
    unread_count: int
    last_non_activity_message: MessageData | None
    last_activity_at: int
    priority: str | None
    waiting_since: int | None
    sla_policy_id: int | None


class ConversationCounts(msgspec.Struct):
    """Each stops at 10,000."""

    mine_count: int
    assigned_count: int
    unassigned_count: int
    all_count: int


class ConversationPage(msgspec.Struct):
    meta: ConversationCounts
    payload: list[ConversationData]


class ConversationList(msgspec.Struct):
    data: ConversationPage


class ConversationsOfContact(msgspec.Struct):
    payload: list[ConversationData]


class StatusData(msgspec.Struct):
    success: bool
    conversation_id: int
    current_status: str
    snoozed_until: int | None


class StatusToggled(msgspec.Struct):
    payload: StatusData
    meta: dict[str, Any] = {}


class MessageListMeta(msgspec.Struct):
    labels: list[str]
    additional_attributes: dict[str, Any]
    contact: ContactData
    agent_last_seen_at: str | None
    assignee_last_seen_at: str | None


class MessageList(msgspec.Struct):
    meta: MessageListMeta
    payload: list[MessageData]


class InboxData(msgspec.Struct):
    """The one inbox of the workspace; its id is the account number."""

    id: int
    avatar_url: str
    channel_id: int
    name: str
    channel_type: str
    provider: str | None
    greeting_enabled: bool
    greeting_message: str | None
    enable_auto_assignment: bool
    lock_to_single_conversation: bool
    allow_messages_after_resolved: bool
    timezone: str


class InboxList(msgspec.Struct):
    payload: list[InboxData]
