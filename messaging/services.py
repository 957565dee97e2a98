"""Sending: who is written to, in which topic, as whom. One transaction, nothing half saved."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from delivery import events, outbox
from messaging.models import Message, Topic
from messaging.refusals import UserMissing, UserNotFound
from messaging.topics import TopicDraft, announce, check_recipients, check_topic, find_or_add_topic
from personas.history import Cause
from personas.matching import SELECT_KNOWN, Key, Known, RecipientDraft, as_json, keys_of_people, match_or_add_people
from personas.models import Persona
from raven_admin.errors import RavenError
from raven_admin.statements import Answered, Question, Statement


@dataclass(frozen=True)
class Envelope:
    """Who writes to whom, in which topic."""

    workspace_id: int
    country: str
    username: str | None
    alias_id: int | None
    """The user who sends when no `username` is named."""
    topic: TopicDraft | None
    anchor_id: int | None
    """The topic when none is named."""
    people: Sequence[RecipientDraft]

    @cached_property
    def keys(self) -> list[list[Key]]:
        """Of each one's contacts. Raises what is wrong with topic and people, and those of `keys_of_people`."""
        check_topic(self.topic, self.anchor_id)
        check_recipients(self.topic, self.people)
        return keys_of_people(self.people, country=self.country)


@dataclass(frozen=True, slots=True)
class Added:
    """A message that is stored, or waits to be at the end of the transaction."""

    pk: int
    columns: Mapping[str, Any]

    @property
    def topic_id(self) -> int:
        found: int = self.columns["topic_id"]
        return found

    def as_model(self) -> Message:
        return Message.from_db("default", ["id", *self.columns], [self.pk, *self.columns.values()])


def send_message(
    *,
    envelope: Envelope,
    text: str,
    check_may_add_topic: Callable[[], None],
    template: Mapping[str, Any] | None = None,
    answered: Answered | None = None,
    cause: Cause,
) -> Added:
    """The message, its topic, and the recipients with their contacts are stored, each recipient waiting.

    It leaves for whatever carries messages; `template` tells platforms with templates of their own from which one
    `text` was made (name, language, parameters). `check_may_add_topic` is called before a topic is made, and raises
    when the caller may not. `answered` is what `question_of_sending` gave, where that was asked ahead. Raises those of
    messaging.refusals, in their order, and those of `match_or_add_people`. Runs in the caller's transaction.
    """
    found = _look_up(envelope, answered)
    workspace_id = envelope.workspace_id
    matched = match_or_add_people(
        workspace_id=workspace_id, people=envelope.people, keys=found.keys, known=found.known, cause=cause
    )
    topic_id = found.topic_id or find_or_add_topic(
        workspace_id, envelope.topic, envelope.anchor_id, matched[0].persona_id, check_may_add_topic, cause
    )
    message = _add_message(
        workspace_id=workspace_id,
        topic_id=topic_id,
        direction=Message.Direction.OUTGOING,
        sender_user_id=found.sender_id,
        sender_name=found.sender_name,
        text=text,
        recipients=[(match.persona_id, contact_id, *key) for match in matched for contact_id, key in match.contacts],
        message_id=found.message_id,
        cause=cause,
    )
    if found.leaves:
        data = {"template": template} if template else {}
        announce("message.sent", workspace_id, message.pk, cause, to=outbox.MESSAGES, **data)
    return message


def question_of_sending(envelope: Envelope) -> Question:
    """What `send_message` asks first. Raises what that would raise of the envelope."""
    return _question(envelope, envelope.keys)


def receive_message(
    *,
    workspace_id: int,
    persona: Persona,
    topic: TopicDraft | None,
    anchor_id: int | None,
    text: str,
    check_may_add_topic: Callable[[], None],
    cause: Cause,
) -> Message:
    """A message from `persona` stands in the topic; the topic is open again.

    `anchor_id` is the topic used when `topic` is None. Raises TopicMissing and TopicTypeInvalid. Runs in the caller's
    transaction.
    """
    check_topic(topic, anchor_id)
    message = _add_message(
        workspace_id=workspace_id,
        topic_id=find_or_add_topic(workspace_id, topic, anchor_id, persona.pk, check_may_add_topic, cause),
        direction=Message.Direction.INCOMING,
        sender_persona_id=persona.pk,
        sender_name=persona.name,
        text=text,
        cause=cause,
    ).as_model()
    Topic.objects.filter(pk=message.topic_id).exclude(status=Topic.Status.OPEN).update(
        status=Topic.Status.OPEN, updated_at=cause.at
    )
    announce("message.received", workspace_id, message.pk, cause, topic=message.topic_id)
    return message


@dataclass(frozen=True, slots=True)
class _Found:
    sender_id: int
    sender_name: str
    keys: Sequence[Sequence[Key]]
    """Of each recipient's contacts."""
    known: dict[Key, Known]
    topic_id: int | None
    """The topic with the known person of `keys`; a mass topic is not looked for."""
    message_id: int | None
    """The number kept for the message, so that it can be written together with all that names it; None on SQLite."""
    leaves: bool
    """Whether anything that carries messages is connected."""


# One statement, because each more is a journey to the database and back. IN with one value, because SQLite would plan
# the statement anew for each value of `type = …`: there are indexes of one type alone.
_LOOK_UP_TEXT = """
    WITH known AS ({known})
    SELECT 'contact' AS kind, type, normalized, NULL AS name, contact_id, persona_id FROM known
    UNION ALL
    SELECT 'sender', person.first_name, person.last_name, person.username, person.id, NULL
      FROM accounts_user person JOIN accounts_membership membership ON membership.user_id = person.id
     WHERE membership.workspace_id = %(workspace_id)s AND person.is_active AND person.{key_of_sender} = %(sender)s
    UNION ALL
    SELECT 'topic', NULL, NULL, NULL, id, NULL FROM messaging_topic
     WHERE persona_id = (SELECT persona_id FROM known LIMIT 1)
       AND type IN (%(topic_type)s) AND name = %(topic_name)s AND NOT type = 'mass'
    UNION ALL
    SELECT 'destination', NULL, NULL, NULL, id, NULL FROM delivery_destination
     WHERE workspace_id = %(workspace_id)s AND carries_messages AND removed_at IS NULL
"""
_NEXT_MESSAGE_TEXT = """
    UNION ALL SELECT 'message', NULL, NULL, NULL, nextval('messaging_message_id_seq'), NULL
"""


def _looking_up(key_of_sender: str) -> Statement:
    texts = {
        database: _LOOK_UP_TEXT.format(known=known, key_of_sender=key_of_sender)
        for database, known in SELECT_KNOWN.items()
    }
    return Statement(sqlite=texts["sqlite"], postgresql=texts["postgresql"] + _NEXT_MESSAGE_TEXT)


_LOOK_UP_BY_NAME = _looking_up("username")
_LOOK_UP_BY_ID = _looking_up("id")


def _question(envelope: Envelope, keys: Sequence[Sequence[Key]]) -> Question:
    username, topic = envelope.username, envelope.topic
    if username is None and envelope.alias_id is None:
        raise UserMissing
    named = {
        "workspace_id": envelope.workspace_id,
        "keys": as_json(keys),
        "sender": envelope.alias_id if username is None else username,
        "topic_type": topic.type if topic else None,
        "topic_name": topic.name if topic else None,
    }
    return Question(_LOOK_UP_BY_ID if username is None else _LOOK_UP_BY_NAME, named, about=envelope)


def _look_up(envelope: Envelope, answered: Answered | None) -> _Found:
    """Who sends, who is known of the recipients, and the topic with them.

    The sender is a member of the workspace; an alias who has left it is not found. Raises UserMissing and UserNotFound,
    and then what is wrong with the topic and the recipients.
    """
    problem, keys = None, []
    if answered is not None and answered.about == envelope:
        keys, rows = answered.about.keys, answered.found
    else:
        try:
            keys = envelope.keys
        except RavenError as error:
            problem = error
        rows = _question(envelope, keys).rows()
    sender, known, topic_id, message_id, leaves = None, {}, None, None, False
    for kind, *texts, number, persona_id in rows:
        if kind == "contact":
            type, normalized, _none = texts
            known[type, normalized] = Known(number, persona_id)
        elif kind == "sender":
            first_name, last_name, username = texts
            sender = number, f"{first_name} {last_name}".strip() or username  # as User.display_name
        elif kind == "topic":
            topic_id = number
        elif kind == "message":
            message_id = number
        else:
            leaves = True
    if sender is None:
        raise UserNotFound(username=envelope.username or "User Aliases")
    if problem is not None:
        raise problem
    return _Found(*sender, keys, known, topic_id, message_id, leaves)


_EVENT_OF = {Message.Direction.OUTGOING: "message.sent", Message.Direction.INCOMING: "message.received"}
_COLUMNS = (
    "workspace_id", "topic_id", "direction", "sender_user_id", "sender_persona_id", "sender_name", "text", "request_id",
    "created_at",
)  # fmt: skip
_ADD_MESSAGE_TEXT = (
    f"INSERT INTO messaging_message ({{}}{', '.join(_COLUMNS)})"  # noqa: S608 - nothing of a caller's is in the text
    f" VALUES ({{}}{', '.join(f'%({column})s' for column in _COLUMNS)})"
)
_ADD_MESSAGE = Statement(_ADD_MESSAGE_TEXT.format("", "") + " RETURNING id")
_ADD_NUMBERED_MESSAGE = Statement(_ADD_MESSAGE_TEXT.format("id, ", "%(id)s, "))
_ADD_RECIPIENTS_TEXT = """
    INSERT INTO messaging_recipient (message_id, persona_id, contact_id, contact_type, contact_key, state)
    SELECT {message}, {persona}, {contact}, {type}, {key}, 'waiting' FROM {recipients}
"""
_ADD_RECIPIENTS = Statement(
    sqlite=_ADD_RECIPIENTS_TEXT.format(
        message="%(message_id)s",
        persona="json_extract(recipient.value, '$[0]')",
        contact="json_extract(recipient.value, '$[1]')",
        type="json_extract(recipient.value, '$[2]')",
        key="json_extract(recipient.value, '$[3]')",
        recipients="json_each(%(recipients)s) recipient",
    ),
    postgresql=_ADD_RECIPIENTS_TEXT.format(
        message="%(message_id)s::bigint",
        persona="(recipient.value ->> 0)::bigint",
        contact="(recipient.value ->> 1)::bigint",
        type="recipient.value ->> 2",
        key="recipient.value ->> 3",
        recipients="jsonb_array_elements(%(recipients)s::jsonb) recipient",
    ),
)


def _add_message(
    *,
    workspace_id: int,
    topic_id: int,
    direction: Message.Direction,
    sender_user_id: int | None = None,
    sender_persona_id: int | None = None,
    sender_name: str,
    text: str,
    recipients: Sequence[tuple[int, int, str, str]] = (),
    message_id: int | None = None,
    cause: Cause,
) -> Added:
    """The message, its recipients (of each the persona, the contact, its type and its key) and its event are stored.

    With a `message_id`, they wait for the end of the transaction, to be stored at once: see `Statement.later`.
    """
    values = (
        workspace_id, topic_id, direction.value, sender_user_id, sender_persona_id, sender_name, text, cause.request_id,
        cause.at,
    )  # fmt: skip
    named = dict(zip(_COLUMNS, values, strict=True))
    if message_id is None:
        message_id = int(_ADD_MESSAGE.rows(**named)[0][0])
    else:
        _ADD_NUMBERED_MESSAGE.later(id=message_id, **named)
    if recipients:
        _ADD_RECIPIENTS.later(message_id=message_id, recipients=msgspec.json.encode(recipients).decode())
    data = {"message": message_id, "topic": topic_id, "request_id": cause.request_id}
    events.record(workspace_id=workspace_id, kind=_EVENT_OF[direction], data=data, at=cause.at)
    return Added(message_id, named)
