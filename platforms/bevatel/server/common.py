"""What Bevatel's endpoints share: whose account is called, its inbox, and how rows look on the wire."""

import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any

from django.db.models import Max, QuerySet
from msgspec import UNSET

from accounts.models import Workspace
from messaging.models import Message, Recipient, Topic
from messaging.refusals import TopicNotFound
from personas.attributes import json_value
from personas.contacts import ContactKeyInvalid, normalise
from personas.models import Contact, ContactType, Persona
from platforms.bevatel.server import wire
from platforms.bevatel.server.dialect import AccountRefused, FieldRefused, InboxNotFound
from platforms.calls import workspace_of
from platforms.models import ContactSession
from tokens.endpoints import Answer, Call

CHANNEL = "Channel::Api"
INBOX_NAME = "API"
COUNTED_TO = 10_000
TYPES_OF_FIELD: dict[str, tuple[str, ...]] = {
    # A number given here is a WhatsApp number: that is what Bevatel sends to. One of either type is shown.
    "phone_number": (ContactType.WHATSAPP, ContactType.PHONE),
    "email": (ContactType.EMAIL,),
    "identifier": (ContactType.OTHER,),
}
"""The types of contact that are meant by each of Chatwoot's fields; a new one gets the first."""
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_INVALID = {
    "email": "Email Invalid email",
    "phone_number": "Phone number should be in e164 format",
    "identifier": "Identifier is invalid",
}
_STATUS = {
    Recipient.State.WAITING.value: "sent",
    Recipient.State.SENT.value: "sent",
    Recipient.State.UNKNOWN.value: "sent",
    Recipient.State.DELIVERED.value: "delivered",
    Recipient.State.READ.value: "read",
    Recipient.State.FAILED.value: "failed",
}
_UUIDS = uuid.UUID("0b3f5a53-7d5b-4e0b-9a55-2f6c3b1a2f10")

Handle = Callable[..., Answer]


def in_account(handle: Handle) -> Handle:
    """`handle` is called with the workspace, when the account in the path is the token's own.

    Raises AccountRefused: the same for an account of somebody else and for one that does not exist.
    """

    @wraps(handle)
    def handling(call: Call, account_id: int, **given: Any) -> Answer:
        workspace = workspace_of(call)
        if account_id != workspace.account_number:
            raise AccountRefused
        return handle(call, workspace, **given)

    return handling


def in_own_account(handle: Handle) -> Handle:
    """`handle` is called with the workspace; for endpoints whose check is `check_account_of_header`."""

    @wraps(handle)
    def handling(call: Call, **given: Any) -> Answer:
        return handle(call, workspace_of(call), **given)

    return handling


def check_account_of_header(call: Call) -> None:
    """Raises AccountRefused unless the header api_account_id names the token's own account."""
    if call.headers.get("Api-Account-Id", "").strip() != str(workspace_of(call).account_number):
        raise AccountRefused


def check_inbox(workspace: Workspace, inbox_id: int | str) -> None:
    """Raises InboxNotFound unless it is the workspace's one inbox, whose id is the account number."""
    if int(inbox_id) != workspace.account_number:
        raise InboxNotFound(inbox_id=int(inbox_id))


def refuse_given(path: str, given: Any, problem: str) -> None:
    """Raises FieldRefused when a member that we can't do is given and is not empty."""
    if given:
        raise FieldRefused(path=path, problem=problem)


def counted(rows: QuerySet[Any]) -> int:
    """How many there are, up to `COUNTED_TO`."""
    return rows.order_by()[:COUNTED_TO].count()


def shown(personas: QuerySet[Persona]) -> QuerySet[Persona]:
    """With all at hand that `contact_data` shows."""
    return personas.prefetch_related("contacts", "attributes__definition", "contact_sessions")


def contact_of_field(persona: Persona, field: str) -> Contact | None:
    """The persona's first contact of the types that `field` means, in their order."""
    contacts = list(persona.contacts.all())
    return next((c for type in TYPES_OF_FIELD[field] for c in contacts if c.type == type), None)


def key_of_field(workspace: Workspace, field: str, value: str, *, path: str = "") -> str:
    """The key in its one notation. Raises FieldRefused, in the vendor's words, about `path` or the field itself."""
    try:
        if field == "phone_number" and not _E164.fullmatch(value):
            raise ContactKeyInvalid(key=value, reason="")
        return normalise(TYPES_OF_FIELD[field][0], value, country=workspace.country)
    except ContactKeyInvalid:
        raise FieldRefused(path=path or field, problem=_INVALID[field]) from None


def contact_data(persona: Persona, workspace: Workspace | None = None) -> wire.ContactData:
    """With `workspace`, the contact's sessions on its inbox are part of it."""
    found = {field: contact_of_field(persona, field) for field in TYPES_OF_FIELD}
    fields = {field: contact.normalized if contact else None for field, contact in found.items()}
    return wire.ContactData(
        additional_attributes={},
        availability_status="offline",
        email=fields["email"],
        id=persona.pk,
        name=persona.name,
        phone_number=fields["phone_number"],
        blocked=False,
        identifier=fields["identifier"],
        thumbnail="",
        custom_attributes={v.definition.key: json_value(v.definition.type, v.value) for v in persona.attributes.all()},
        last_activity_at=seconds(persona.updated_at),
        created_at=seconds(persona.created_at),
        contact_inboxes=UNSET
        if workspace is None
        else [session_data(session, workspace) for session in persona.contact_sessions.all()],
    )


def session_data(session: ContactSession, workspace: Workspace) -> wire.ContactInbox:
    number = workspace.account_number
    inbox = wire.InboxShort(
        id=number, avatar_url="", channel_id=number, name=INBOX_NAME, channel_type=CHANNEL, provider=""
    )
    return wire.ContactInbox(source_id=session.source_id, inbox=inbox)


def shown_messages(messages: QuerySet[Message]) -> QuerySet[Message]:
    """With all at hand that `message_data` shows."""
    return messages.select_related("sender_user", "sender_persona").prefetch_related(
        "recipients", "sender_persona__contacts", "sender_persona__attributes__definition"
    )


def message_data(message: Message, workspace: Workspace) -> wire.MessageData:
    is_incoming = message.direction == Message.Direction.INCOMING
    sender: wire.UserData | wire.ContactData | None = None
    if is_incoming and message.sender_persona is not None:
        sender = contact_data(message.sender_persona)
    elif not is_incoming and message.sender_user_id is not None:
        name = message.sender_name
        sender = wire.UserData(
            id=message.sender_user_id, name=name, available_name=name, avatar_url="", thumbnail="",
            availability_status="offline",
        )  # fmt: skip
    state = next((recipient.state for recipient in message.recipients.all()), "")
    return wire.MessageData(
        id=message.pk,
        content=message.text,
        account_id=workspace.account_number,
        inbox_id=workspace.account_number,
        conversation_id=message.topic_id,
        message_type=0 if is_incoming else 1,
        content_type="text",
        status=_STATUS.get(state, "sent"),
        content_attributes={},
        created_at=seconds(message.created_at),
        updated_at=seconds(message.created_at),
        private=False,
        source_id=None,
        sender_type="Contact" if is_incoming else "User",
        sender_id=message.sender_persona_id if is_incoming else message.sender_user_id,
        sender=sender or UNSET,
    )


def conversations_data(topics: Sequence[Topic], workspace: Workspace) -> list[wire.ConversationData]:
    """The conversations with their last messages: as many queries for many as for one.

    Without those whose contact was deleted since they were read, which are gone with it.
    """
    people = {p.pk: p for p in shown(Persona.objects.filter(pk__in=[topic.persona_id for topic in topics]))}
    newest = Message.objects.filter(topic__in=topics).order_by().values("topic").annotate(last=Max("pk"))
    last = {m.topic_id: m for m in shown_messages(Message.objects.filter(pk__in=newest.values("last")))}
    return [
        _conversation_data(topic, people[topic.persona_id], last.get(topic.pk), workspace)
        for topic in topics
        if topic.persona_id in people
    ]


def conversation_data(topic: Topic, workspace: Workspace) -> wire.ConversationData:
    """Raises TopicNotFound when it was deleted since it was read."""
    shown = conversations_data([topic], workspace)
    if not shown:
        raise TopicNotFound(topic_id=topic.pk)
    return shown[0]


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _conversation_data(
    topic: Topic, persona: Persona, last: Message | None, workspace: Workspace
) -> wire.ConversationData:
    message = message_data(last, workspace) if last else None
    number = workspace.account_number
    return wire.ConversationData(
        meta=wire.ConversationPeople(sender=contact_data(persona), channel=CHANNEL, hmac_verified=False),
        id=topic.pk,
        messages=[message] if message else [],
        account_id=number,
        uuid=str(uuid.uuid5(_UUIDS, str(topic.pk))),
        additional_attributes={},
        agent_last_seen_at=0,
        assignee_last_seen_at=0,
        can_reply=True,
        contact_last_seen_at=0,
        custom_attributes={},
        inbox_id=number,
        labels=[],
        muted=False,
        snoozed_until=None,
        status=topic.status,
        created_at=seconds(topic.created_at),
        updated_at=seconds(topic.updated_at),
        timestamp=message.created_at if message else seconds(topic.created_at),
        first_reply_created_at=None,
        unread_count=0,
        last_non_activity_message=message,
        last_activity_at=message.created_at if message else seconds(topic.created_at),
        priority=None,
        waiting_since=None,
        sla_policy_id=None,
    )


def page_of(rows: QuerySet[Any], *, page: int, size: int) -> Iterable[Any]:
    return rows[(page - 1) * size : page * size]
