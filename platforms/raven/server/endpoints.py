"""Raven's API: `message:send` as the vendor publishes it, the rest in the same style (ours)."""

from messaging.services import TopicDraft, send_message
from personas.history import Cause
from personas.matching import ContactDraft, RecipientDraft
from platforms.raven.server import wire
from platforms.raven.server.dialect import RavenDialect
from tokens.gateway import Answer, Call, Endpoint, routes
from tokens.services import describe_token


def message_send(call: Call, body: wire.MessageSend) -> Answer:
    message = send_message(
        workspace_id=call.token.workspace_id,
        country=call.token.country,
        username=body.username,
        alias_id=call.token.user_alias_id,
        topic=TopicDraft(body.topic.type, body.topic.name) if body.topic else None,
        anchor_id=call.token.topic_anchor_id,
        people=[_person(recipient) for recipient in body.recipient],
        text=body.message,
        check_may_add_topic=lambda: call.require("topic_add"),
        cause=_cause(call),
    )
    return Answer({"data": message.pk, "notification": "Chat Sent Successfully"})


def token_self(call: Call) -> Answer:
    description = describe_token(token_id=call.token.token_id, at=call.now)
    return Answer({"data": description, "notification": "Token Read Successfully"})


ENDPOINTS = (
    Endpoint("POST", "message:send", "message_send", message_send, "Send", body=wire.MessageSend),
    Endpoint("GET", "token:self", None, token_self, "Self"),
)

urlpatterns = routes(RavenDialect(), ENDPOINTS)


def _cause(call: Call) -> Cause:
    return Cause(actor_label=f"token {call.token.name}", at=call.now, request_id=call.caller.request_id)


def _person(recipient: wire.Recipient) -> RecipientDraft:
    """A recipient without a name is called by their first contact."""
    contacts = [ContactDraft(type=c.type, key=c.key, label=c.name) for c in recipient.contact]
    return RecipientDraft(recipient.name.strip() or (contacts[0].key if contacts else ""), contacts)
