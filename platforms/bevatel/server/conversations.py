"""Conversations and their status, the messages in them, and the one inbox that all of them are in."""

from django.db.models import QuerySet
from msgspec import UNSET

from accounts.models import Workspace
from messaging.models import Message, Topic, TopicType
from messaging.refusals import TopicNotFound, UserMissing, UserNotFound
from messaging.services import receive_message
from messaging.topics import set_topic_status
from personas.models import Persona
from personas.services import PersonaNotFound, get_persona
from platforms.bevatel.server import wire
from platforms.bevatel.server.common import (
    CHANNEL,
    INBOX_NAME,
    check_inbox,
    contact_data,
    conversation_data,
    conversations_data,
    counted,
    in_account,
    message_data,
    page_of,
    refuse_given,
    shown_messages,
)
from platforms.bevatel.server.dialect import AccountRefused, FieldRefused, InboxNotFound, SessionNotFound, SourceTaken
from platforms.bevatel.server.sessions import (
    contact_to_reach,
    get_conversation,
    open_session,
    send_in,
    session_of,
    start_conversation,
)
from platforms.calls import cause_of
from platforms.models import ContactSession
from tokens.endpoints import Answer, Call, Endpoint
from tokens.refusals import AbilityMissing

PAGE_SIZE = 25
NEWEST, OLDER, NEWER, BETWEEN = 20, 20, 100, 1000
"""How many messages a list has: without bounds, before one, after one, between two."""
SEARCHED = 50_000
"""The messages, newest first, that `q` looks through: no index answers it, and a rare word must not read all."""
_NO_TEMPLATE = "Template params are not supported here: send templates by /developer/api/v1/messages."


def conversation_create(call: Call, workspace: Workspace, body: wire.ConversationCreate) -> Answer:
    if body.inbox_id is not None:
        check_inbox(workspace, body.inbox_id)
    if body.status is not None:
        _check_status(body.status)
    cause = cause_of(call)
    persona = _with_whom(call, workspace, body)
    topic = start_conversation(workspace=workspace, persona=persona, cause=cause)
    if body.message is not None:
        call.require("message_send")
        refuse_given("message.template_params", body.message.template_params, _NO_TEMPLATE)
        _send(call, workspace, topic, body.message.content)
    if body.status is not None:
        topic = set_topic_status(workspace_id=workspace.pk, topic_id=topic.pk, status=body.status, cause=cause)
    return Answer(conversation_data(topic, workspace))


def conversation_list(call: Call, workspace: Workspace, query: wire.ConversationQuery) -> Answer:
    topics = Topic.objects.filter(workspace=workspace, type=TopicType.PERSONA)
    if query.status != "all":
        topics = topics.filter(status=query.status)
    if query.inbox_id is not None:
        check_inbox(workspace, query.inbox_id)
    if query.q:
        topics = topics.filter(pk__in=_newest_with(query.q, workspace).values("topic"))
    if query.team_id is not None or query.labels or query.labels_of_rails:
        topics = topics.none()
    count = counted(topics)
    if query.assignee_type in {"me", "assigned"}:
        topics = topics.none()
    page = list(page_of(topics.order_by("-pk"), page=query.page, size=PAGE_SIZE))
    counts = wire.ConversationCounts(mine_count=0, assigned_count=0, unassigned_count=count, all_count=count)
    return Answer(wire.ConversationList(wire.ConversationPage(counts, conversations_data(page, workspace))))


def conversation_show(call: Call, workspace: Workspace, conversation_id: int) -> Answer:
    topic = get_conversation(workspace=workspace, conversation_id=conversation_id)
    return Answer(conversation_data(topic, workspace))


def toggle_status(call: Call, workspace: Workspace, conversation_id: int, body: wire.ToggleStatus) -> Answer:
    topic = get_conversation(workspace=workspace, conversation_id=conversation_id)
    if body.status is None:
        status = "open" if topic.status == Topic.Status.RESOLVED else "resolved"
    else:
        status = _check_status(body.status)
    topic = set_topic_status(workspace_id=workspace.pk, topic_id=topic.pk, status=status, cause=cause_of(call))
    return Answer(wire.StatusToggled(wire.StatusData(True, topic.pk, topic.status, None)))


def message_create(call: Call, workspace: Workspace, conversation_id: int, body: wire.MessageCreate) -> Answer:
    is_incoming = body.message_type == "incoming"
    call.ability = "message_add" if is_incoming else "message_send"
    call.require(call.ability)
    refuse_given("private", body.private, "Private notes are not supported: this would be sent to the contact.")
    refuse_given("attachments", body.attachments, "Attachments are not supported: send text.")
    refuse_given("template_params", body.template_params, _NO_TEMPLATE)
    topic = get_conversation(workspace=workspace, conversation_id=conversation_id)
    if is_incoming:
        message = receive_message(
            workspace_id=workspace.pk,
            persona=_persona_of(topic),
            topic=None,
            anchor_id=topic.pk,
            text=body.content,
            check_may_add_topic=lambda: None,
            cause=cause_of(call),
        )
    else:
        message = _send(call, workspace, topic, body.content)
    data = message_data(message, workspace)
    data.echo_id = UNSET if body.echo_id is None else body.echo_id
    return Answer(data)


def message_list(call: Call, workspace: Workspace, conversation_id: int, query: wire.MessageQuery) -> Answer:
    topic = get_conversation(workspace=workspace, conversation_id=conversation_id)
    messages = shown_messages(Message.objects.filter(topic=topic))
    if query.after is not None:
        messages = messages.filter(pk__gt=query.after).order_by("pk")
        limit = NEWER
    else:
        messages = messages.order_by("-pk")
        limit = NEWEST
    if query.before is not None:
        messages = messages.filter(pk__lt=query.before)
        limit = OLDER if query.after is None else BETWEEN
    page = sorted(messages[:limit], key=lambda message: message.pk)
    meta = wire.MessageListMeta([], {}, contact_data(_persona_of(topic)), None, None)
    return Answer(wire.MessageList(meta, [message_data(message, workspace) for message in page]))


def inbox_list(call: Call, workspace: Workspace) -> Answer:
    number = workspace.account_number
    inbox = wire.InboxData(
        id=number, avatar_url="", channel_id=number, name=INBOX_NAME, channel_type=CHANNEL, provider=None,
        greeting_enabled=False, greeting_message=None, enable_auto_assignment=False,
        lock_to_single_conversation=False, allow_messages_after_resolved=True, timezone=workspace.time_zone,
    )  # fmt: skip
    return Answer(wire.InboxList([inbox]))


def _newest_with(text: str, workspace: Workspace) -> QuerySet[Message]:
    messages = Message.objects.filter(workspace=workspace)
    # Asked for first: a planner that does not know the id reads all of the table.
    oldest = messages.order_by("-pk").values_list("pk", flat=True)[SEARCHED - 1 : SEARCHED].first() or 0
    return messages.filter(pk__gte=oldest, text__icontains=text)


def _with_whom(call: Call, workspace: Workspace, body: wire.ConversationCreate) -> Persona:
    """The persona of the session `source_id`, which is made when only the contact is known."""
    cause = cause_of(call)
    session = None
    if body.source_id is not None:
        sessions = ContactSession.objects.filter(workspace=workspace, source_id=body.source_id.strip())
        session = sessions.select_related("persona").first()
    if body.contact_id is None:
        if session is None:
            raise SessionNotFound(source_id=body.source_id or "")
        return session.persona
    persona = get_persona(workspace_id=workspace.pk, persona_id=int(body.contact_id))
    if session is None and body.source_id is not None:
        open_session(workspace=workspace, persona=persona, source_id=body.source_id, cause=cause)
    elif session is None:
        session_of(workspace=workspace, persona=persona, cause=cause)
    elif session.persona_id != persona.pk:
        raise FieldRefused(path="source_id", problem="Source is the session of another contact.")
    return persona


def _send(call: Call, workspace: Workspace, topic: Topic, text: str) -> Message:
    persona = _persona_of(topic)
    contact = contact_to_reach(workspace=workspace, persona=persona, cause=cause_of(call))
    return send_in(call, workspace=workspace, topic=topic, persona=persona, contact=contact, text=text)


def _persona_of(topic: Topic) -> Persona:
    assert topic.persona is not None  # noqa: S101 - a constraint: all but mass topics have one
    return topic.persona


def _check_status(status: str) -> str:
    if status not in Topic.Status.values:
        known = ", ".join(Topic.Status.values)
        raise FieldRefused(path="status", problem=f"Status {status} is not supported. Supported are: {known}.")
    return status


_CONVERSATION = "accounts/<int:account_id>/conversations/<int:conversation_id>"
ENDPOINTS = (
    Endpoint(
        "GET", "accounts/<int:account_id>/inboxes", None, in_account(inbox_list), "List the inboxes",
        data=wire.InboxList, refusals=(AccountRefused,),
    ),
    Endpoint(
        "POST", "accounts/<int:account_id>/conversations", "topic_add", in_account(conversation_create),
        "Create a conversation", body=wire.ConversationCreate, data=wire.ConversationData,
        refusals=(
            AccountRefused, InboxNotFound, SessionNotFound, PersonaNotFound, SourceTaken, FieldRefused,
            AbilityMissing, UserMissing, UserNotFound,
        ),
    ),
    Endpoint(
        "GET", "accounts/<int:account_id>/conversations", "conversation_read", in_account(conversation_list),
        "List the conversations", query=wire.ConversationQuery, data=wire.ConversationList,
        refusals=(AccountRefused, InboxNotFound),
    ),
    Endpoint(
        "GET", _CONVERSATION, "conversation_read", in_account(conversation_show), "Read one conversation",
        data=wire.ConversationData, refusals=(AccountRefused, TopicNotFound),
    ),
    Endpoint(
        "POST", f"{_CONVERSATION}/toggle_status", "conversation_status", in_account(toggle_status),
        "Open, suspend or resolve a conversation", body=wire.ToggleStatus, may_lack_body=True, data=wire.StatusToggled,
        refusals=(AccountRefused, TopicNotFound, FieldRefused),
    ),
    Endpoint(
        "POST", f"{_CONVERSATION}/messages", None, in_account(message_create),
        "Send a message, or add one that the contact wrote", body=wire.MessageCreate, data=wire.MessageData,
        one_of=("message_send", "message_add"),
        refusals=(AccountRefused, AbilityMissing, TopicNotFound, FieldRefused, UserMissing, UserNotFound),
    ),
    Endpoint(
        "GET", f"{_CONVERSATION}/messages", "conversation_read", in_account(message_list),
        "List a conversation's messages", query=wire.MessageQuery, data=wire.MessageList,
        refusals=(AccountRefused, TopicNotFound),
    ),
)  # fmt: skip
