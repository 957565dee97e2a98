"""Sending, receiving, topics and templates."""

from collections.abc import Mapping
from typing import Any

from messaging.models import Message, Recipient, Template, Topic
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
from messaging.services import Envelope, question_of_sending, receive_message, send_message
from messaging.templates import (
    TemplateAmbiguous,
    TemplateNotFound,
    TemplateParametersWrong,
    TemplateTextTooLong,
    count_gaps,
    fill,
    find_template,
)
from messaging.topics import TopicDraft, add_topic, set_topic_status
from personas.matching import ContactTypeInvalid, RecipientAmbiguous, RecipientContactInvalid, RecipientRepeated
from personas.services import PersonaNotFound, get_persona
from platforms.calls import cause_of, naming_nobody_else
from platforms.paging import page_after
from platforms.raven.server import wire
from platforms.raven.server.common import (
    listed,
    message_data,
    recipient_drafts,
    said,
    topic_data,
    topic_draft,
)
from platforms.raven.server.dialect import NewTopicTypeInvalid
from raven_admin.statements import Question
from tokens.credentials import Credential
from tokens.endpoints import Answer, Call, Endpoint
from tokens.refusals import AbilityMissing

_RECIPIENT_REFUSALS = (
    RecipientsMissing, RecipientsTooMany, PersonaTopicRecipientsTooMany, GroupTopicRecipientsTooMany,
    RecipientWithoutContact, ContactTypeInvalid, RecipientContactInvalid, RecipientAmbiguous, RecipientRepeated,
)  # fmt: skip
_SEND_REFUSALS = (
    UserMissing, UserNotFound, TopicMissing, TopicTypeInvalid, *_RECIPIENT_REFUSALS, AbilityMissing,
)  # fmt: skip


def message_send(call: Call, body: wire.MessageSend) -> Answer:
    return _send(call, body, text=body.message)


def template_send(call: Call, body: wire.TemplateSend) -> Answer:
    template = find_template(workspace_id=call.token.workspace_id, name=body.template, language=body.language)
    made_from = {"name": template.name, "language": template.language, "parameters": body.parameter}
    return _send(call, body, text=fill(template, body.parameter), template=made_from)


def message_add(call: Call, body: wire.MessageAdd) -> Answer:
    call.check_party(body.persona)
    message = receive_message(
        workspace_id=call.token.workspace_id,
        persona=get_persona(workspace_id=call.token.workspace_id, persona_id=body.persona),
        topic=topic_draft(body.topic),
        anchor_id=call.token.topic_anchor_id,
        text=body.message,
        check_may_add_topic=lambda: call.require("topic_add"),
        cause=cause_of(call),
    )
    call.check_topic(message.topic_id)
    return said(message.pk, "Message Added Successfully")


def topic_add(call: Call, body: wire.TopicAdd) -> Answer:
    try:
        topic = add_topic(
            workspace_id=call.token.workspace_id,
            country=call.token.country,
            topic=TopicDraft(body.type, body.name),
            people=recipient_drafts(body.recipient),
            cause=cause_of(call),
        )
    except TopicTypeInvalid as error:  # which stands at the top of this body, and not in a `topic`
        raise NewTopicTypeInvalid(type=error.type) from None
    return said(topic_data(topic), "Topic Added Successfully")


def topic_status(call: Call, body: wire.TopicStatus) -> Answer:
    call.check_topic(body.topic)
    topic = set_topic_status(
        workspace_id=call.token.workspace_id, topic_id=body.topic, status=body.status, cause=cause_of(call)
    )
    call.check_party(topic.persona_id)
    return said(topic_data(topic), "Topic Status Set Successfully")


def topic_list(call: Call, query: wire.TopicQuery) -> Answer:
    topics = Topic.objects.filter(workspace=call.token.workspace_id)
    if query.type:
        topics = topics.filter(type=query.type)
    if query.status:
        topics = topics.filter(status=query.status)
    if query.persona is not None:
        topics = topics.filter(persona=query.persona)
    if query.updated_since is not None:
        topics = topics.filter(updated_at__gte=query.updated_since)
    if call.token.bound_persona_id is not None:
        topics = topics.filter(persona=call.token.bound_persona_id)
    if call.token.bound_topic_id is not None:
        topics = topics.filter(pk=call.token.bound_topic_id)
    page, following = page_after(topics, cursor=query.cursor, limit=query.limit)
    return listed([topic_data(topic) for topic in page], "Topics Read Successfully", next=following)


def topic_messages(call: Call, topic_id: int, query: wire.Page) -> Answer:
    call.check_topic(topic_id)
    topic = Topic.objects.filter(workspace=call.token.workspace_id, pk=topic_id).first()
    if topic is None:
        raise TopicNotFound(topic_id=topic_id)
    call.check_party(topic.persona_id)
    messages = Message.objects.filter(topic=topic_id).prefetch_related("recipients")
    page, following = page_after(messages, cursor=query.cursor, limit=query.limit)
    return listed([message_data(message) for message in page], "Messages Read Successfully", next=following)


def template_list(call: Call, query: wire.Page) -> Answer:
    templates = Template.objects.filter(workspace=call.token.workspace_id)
    page, following = page_after(templates, cursor=query.cursor, limit=query.limit)
    data = [
        wire.TemplateData(name=t.name, language=t.language, body=t.body, parameters=count_gaps(t.body)) for t in page
    ]
    return listed(data, "Templates Read Successfully", next=following)


def _envelope(credential: Credential, body: wire.MessageSend | wire.TemplateSend) -> Envelope:
    return Envelope(
        workspace_id=credential.workspace_id,
        country=credential.country,
        username=body.username,
        alias_id=credential.user_alias_id,
        topic=topic_draft(body.topic),
        anchor_id=credential.topic_anchor_id,
        people=recipient_drafts(body.recipient),
    )


def _question_of_sending(credential: Credential, body: wire.MessageSend) -> Question:
    return question_of_sending(_envelope(credential, body))


ENDPOINTS = (
    Endpoint(
        "POST", "message:send", "message_send", message_send, "Send a message as a user",
        body=wire.MessageSend, data=int, refusals=_SEND_REFUSALS, heeds_bounds=True, look_ahead=_question_of_sending,
    ),
    Endpoint(
        "POST", "message:add", "message_add", message_add, "Add a message that a persona wrote",
        body=wire.MessageAdd, data=int, heeds_bounds=True,
        refusals=(PersonaNotFound, TopicMissing, TopicTypeInvalid, AbilityMissing),
    ),
    Endpoint(
        "POST", "topic:add", "topic_add", topic_add, "Create a topic",
        body=wire.TopicAdd, data=wire.TopicData,
        refusals=(NewTopicTypeInvalid, *_RECIPIENT_REFUSALS, MassTopicWithRecipients, TopicExists),
    ),
    Endpoint(
        "POST", "topic:status", "conversation_status", topic_status, "Open, suspend or resolve a conversation",
        body=wire.TopicStatus, data=wire.TopicData, refusals=(TopicNotFound, TopicStatusInvalid), heeds_bounds=True,
    ),
    Endpoint(
        "GET", "topic", "conversation_read", topic_list, "List the conversations",
        query=wire.TopicQuery, data=list[wire.TopicData], is_list=True, heeds_bounds=True,
    ),
    Endpoint(
        "GET", "topic/<int:topic_id>/message", "conversation_read", topic_messages, "List a conversation's messages",
        query=wire.Page, data=list[wire.MessageData], is_list=True, refusals=(TopicNotFound,), heeds_bounds=True,
    ),
    Endpoint(
        "GET", "template", "template_read", template_list, "List the templates",
        query=wire.Page, data=list[wire.TemplateData], is_list=True,
    ),
    Endpoint(
        "POST", "template:send", "template_send", template_send, "Send a template with its gaps filled",
        body=wire.TemplateSend, data=int, heeds_bounds=True,
        refusals=(*_SEND_REFUSALS, TemplateNotFound, TemplateAmbiguous, TemplateParametersWrong, TemplateTextTooLong),
    ),
)  # fmt: skip


def _send(
    call: Call, body: wire.MessageSend | wire.TemplateSend, *, text: str, template: Mapping[str, Any] | None = None
) -> Answer:
    with naming_nobody_else(call):
        message = send_message(
            envelope=_envelope(call.token, body),
            text=text,
            check_may_add_topic=lambda: call.require("topic_add"),
            template=template,
            answered=call.answered,
            cause=cause_of(call),
        )
    call.check_topic(message.topic_id)
    if call.token.bound_persona_id is not None:
        for persona_id in Recipient.objects.filter(message=message.pk).values_list("persona_id", flat=True):
            call.check_party(persona_id)
    return said(message.pk, "Chat Sent Successfully")
