"""Bevatel's two APIs, for one OpenAPI document."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from platforms import schemas
from platforms.bevatel.server import developer, endpoints, wire
from platforms.bevatel.server.common import CHANNEL, INBOX_NAME
from platforms.bevatel.server.dialect import BevatelDialect
from platforms.docs.document import Document, Schema
from tokens.endpoints import Endpoint

_DESCRIPTION = """
    Bevatel's developer API, and Chatwoot's account API that it stands on, kept by this server: a program written for
    either only changes its base address, its token and its account number.

    Show a token of the console in the header `api_access_token`. The account is the workspace's number: in the path of
    the account API, in the header `api_account_id` of the developer API. Where a proxy drops headers with underscores,
    write `api-access-token` and `api-account-id`.

    Refusals look as the vendor's; the header `Raven-Error-Code` says what happened. The README of `platforms/bevatel`
    says what is kept of each member, and what is not.
"""
_REFUSAL: Schema = {
    "title": "Refusal",
    "anyOf": [
        {
            "type": "object",
            "required": ["error"],
            "additionalProperties": False,
            "properties": {"error": {"type": "string"}},
        },
        {
            "type": "object",
            "required": ["errors"],
            "additionalProperties": False,
            "properties": {"errors": {"type": "array", "items": {"type": "string"}}},
        },
        {
            "type": "object",
            "required": ["message", "attributes"],
            "additionalProperties": False,
            "properties": {
                "message": {"type": "string"},
                "attributes": {"type": "array", "items": {"type": "string"}, "description": "Where, as `email`."},
            },
        },
    ],
}
_SCHEMAS: dict[str, Schema] = {
    "AnyValue": schemas.any_value("#/components/schemas/AnyValue"),
    "TemplateContact": {
        "oneOf": [
            {
                "required": ["phone_number"],
                "properties": {"phone_number": {"type": "string"}, "contact_id": {"type": "null"}},
            },
            {
                "required": ["contact_id"],
                "properties": {"phone_number": {"type": "null"}, "contact_id": {"type": ["integer", "string"]}},
            },
        ]
    },
}
_ACCOUNT = 1001
_ACCOUNT_HEADER: Schema = {
    "name": "api_account_id",
    "in": "header",
    "required": True,
    "description": "The account number of the token's workspace.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$", "examples": [str(_ACCOUNT)]},
}
_AT = 1795253400
_INBOX = wire.ContactInbox(
    source_id="6eb776d0-340c-464d-9bc8-ec99b6db1ad7",
    inbox=wire.InboxShort(
        id=_ACCOUNT, avatar_url="", channel_id=_ACCOUNT, name=INBOX_NAME, channel_type=CHANNEL, provider=""
    ),
)
_CONTACT = wire.ContactData(
    additional_attributes={}, availability_status="offline", email="rina@example.org", id=17, name="Rina Hartono",
    phone_number="+6281200000101", blocked=False, identifier=None, thumbnail="", custom_attributes={"city": "Bandung"},
    last_activity_at=_AT, created_at=_AT, contact_inboxes=[_INBOX],
)  # fmt: skip
_MESSAGE = wire.MessageData(
    id=1042, content="Your order is ready.", account_id=_ACCOUNT, inbox_id=_ACCOUNT, conversation_id=5, message_type=1,
    content_type="text", status="sent", content_attributes={}, created_at=_AT, updated_at=_AT, private=False,
    source_id=None, sender_type="User", sender_id=3,
    sender=wire.UserData(
        id=3, name="Sari Wulandari", available_name="Sari Wulandari", avatar_url="", thumbnail="",
        availability_status="offline",
    ),
)  # fmt: skip
_CONVERSATION = wire.ConversationData(
    meta=wire.ConversationPeople(sender=_CONTACT, channel=CHANNEL, hmac_verified=False), id=5, messages=[_MESSAGE],
    account_id=_ACCOUNT, uuid="0b3f5a53-7d5b-4e0b-9a55-2f6c3b1a2f10", additional_attributes={}, agent_last_seen_at=0,
    assignee_last_seen_at=0, can_reply=True, contact_last_seen_at=0, custom_attributes={}, inbox_id=_ACCOUNT, labels=[],
    muted=False, snoozed_until=None, status="open", created_at=_AT, updated_at=_AT, timestamp=_AT,
    first_reply_created_at=None, unread_count=0, last_non_activity_message=_MESSAGE, last_activity_at=_AT,
    priority=None, waiting_since=None, sla_policy_id=None,
)  # fmt: skip
_EXAMPLES: dict[Any, Any] = {
    wire.ContactCreate: {
        "inbox_id": _ACCOUNT,
        "name": "Wati Kusuma",
        "email": "wati@example.org",
        "phone_number": "+6281200000105",
        "custom_attributes": {"city": "Bandung"},
    },
    wire.ContactUpdate: {"name": "Rina Wulandari", "custom_attributes": {"city": "Jakarta"}},
    wire.ContactInboxCreate: {"inbox_id": _ACCOUNT, "source_id": "6eb776d0-340c-464d-9bc8-ec99b6db1ad7"},
    wire.ConversationCreate: {
        "contact_id": 17,
        "inbox_id": _ACCOUNT,
        "message": {"content": "Your order is ready."},
    },
    wire.ToggleStatus: {"status": "resolved"},
    wire.MessageCreate: {"content": "Your order is ready.", "message_type": "outgoing"},
    wire.TemplateMessage: {
        "inbox_id": _ACCOUNT,
        "contact": {"phone_number": "+6281200000101", "name": "Rina Hartono"},
        "message": {"template": {"name": "order_shipped", "language": "en", "parameters": {"body": ["Rina", "1001"]}}},
    },
    wire.ContactCreated: wire.ContactCreated(wire.NewContact(_CONTACT, _INBOX)),
    wire.ContactShown: wire.ContactShown(_CONTACT),
    wire.ContactList: wire.ContactList(wire.ContactListMeta(count=1, current_page=1), [_CONTACT]),
    wire.ContactsFound: wire.ContactsFound(wire.ContactSearchMeta(count=1, current_page=1, has_more=False), [_CONTACT]),
    wire.ContactInbox: _INBOX,
    wire.DeveloperContact: wire.DeveloperContact("contact created successfully", _CONTACT),
    wire.DeveloperMessage: wire.DeveloperMessage("Message created successfully"),
    wire.MessageData: _MESSAGE,
    wire.MessageList: wire.MessageList(wire.MessageListMeta([], {}, _CONTACT, None, None), [_MESSAGE]),
    wire.ConversationData: _CONVERSATION,
    wire.ConversationsOfContact: wire.ConversationsOfContact([_CONVERSATION]),
    wire.ConversationList: wire.ConversationList(
        wire.ConversationPage(
            wire.ConversationCounts(mine_count=0, assigned_count=0, unassigned_count=1, all_count=1), [_CONVERSATION]
        )
    ),
    wire.StatusToggled: wire.StatusToggled(
        wire.StatusData(success=True, conversation_id=5, current_status="resolved", snoozed_until=None)
    ),
    wire.InboxList: wire.InboxList(
        [
            wire.InboxData(
                id=_ACCOUNT,
                avatar_url="",
                channel_id=_ACCOUNT,
                name=INBOX_NAME,
                channel_type=CHANNEL,
                provider=None,
                greeting_enabled=False,
                greeting_message=None,
                enable_auto_assignment=False,
                lock_to_single_conversation=False,
                allow_messages_after_resolved=True,
                timezone="Asia/Jakarta",
            )
        ]
    ),
}


def _below(prefix: str, endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(replace(endpoint, path=prefix + endpoint.path) for endpoint in endpoints)


def _headers(endpoint: Endpoint) -> Sequence[Schema]:
    return (_ACCOUNT_HEADER,) if endpoint.path.startswith("developer/") else ()


def _id(example: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": 2**63 - 1, "examples": [example]}


DOCUMENT = Document(
    name="bevatel",
    title="Bevatel API",
    description=_DESCRIPTION,
    prefix="/bevatel/",
    dialect=BevatelDialect(),
    endpoints=_below("developer/api/v1/", developer.ENDPOINTS) + _below("api/v1/", endpoints.ENDPOINTS),
    security={
        "token": {
            "type": "apiKey",
            "in": "header",
            "name": "api_access_token",
            "description": "A token of the console, as `rvn_…` or `rvt_…`.",
        }
    },
    refusal=_REFUSAL,
    examples={type: msgspec.to_builtins(example) for type, example in _EXAMPLES.items()},
    schemas=_SCHEMAS,
    parameters={"account_id": _id(_ACCOUNT), "contact_id": _id(17), "conversation_id": _id(5)},
    required={"contact_search": frozenset({"q"})},
    headers=_headers,
)
