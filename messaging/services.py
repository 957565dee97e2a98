"""Sending: who is written to, in which topic, as whom. One transaction, nothing half saved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from accounts.models import User
from delivery import events
from messaging.models import Message, Recipient, Topic, TopicType
from personas.history import Cause
from personas.matching import RecipientDraft, match_or_add_people
from personas.models import Persona
from raven_admin.errors import RavenError

MAX_RECIPIENTS = 1000


@dataclass(eq=False)
class UserNotFound(RavenError):
    """There is no user “{username}” in this workspace."""

    code: ClassVar[str] = "user_not_found"
    username: str


@dataclass(eq=False)
class UserMissing(RavenError):
    """Name a user in `username`, or set User Aliases in the token's configuration."""

    code: ClassVar[str] = "user_missing"


@dataclass(eq=False)
class TopicMissing(RavenError):
    """Name a topic in `topic`, or set a Topic Anchor in the token's configuration."""

    code: ClassVar[str] = "topic_missing"


@dataclass(eq=False)
class TopicTypeInvalid(RavenError):
    """“{type}” is no type of topic. The types are: persona, group, mass."""

    code: ClassVar[str] = "topic_type_invalid"
    type: str


@dataclass(eq=False)
class RecipientsMissing(RavenError):
    """Name at least one recipient."""

    code: ClassVar[str] = "recipients_missing"


@dataclass(eq=False)
class RecipientsTooMany(RavenError):
    """A message goes to at most {maximum} recipients at a time; this one names {count}."""

    code: ClassVar[str] = "recipients_too_many"
    count: int
    maximum: int


@dataclass(eq=False)
class PersonaTopicRecipientsTooMany(RavenError):
    """A topic of type persona has exactly one recipient."""

    code: ClassVar[str] = "persona_topic_recipients_too_many"


@dataclass(eq=False)
class GroupTopicRecipientsTooMany(RavenError):
    """A topic of type group has exactly one recipient, the group."""

    code: ClassVar[str] = "group_topic_recipients_too_many"


@dataclass(eq=False)
class RecipientWithoutContact(RavenError):
    """Recipient {recipient_index} has no contact."""

    code: ClassVar[str] = "recipient_without_contact"
    recipient_index: int


@dataclass(eq=False)
class MassTopicWithRecipients(RavenError):
    """A topic of type mass is made without recipients; name them with each message."""

    code: ClassVar[str] = "mass_topic_with_recipients"


@dataclass(eq=False)
class TopicExists(RavenError):
    """There is already a topic “{name}” of that type (topic {topic_id})."""

    code: ClassVar[str] = "topic_exists"
    topic_id: int
    name: str


@dataclass(eq=False)
class TopicNotFound(RavenError):
    """There is no topic {topic_id} in this workspace."""

    code: ClassVar[str] = "topic_not_found"
    topic_id: int


@dataclass(eq=False)
class TopicStatusInvalid(RavenError):
    """“{status}” is no status of a topic. The statuses are: {known}."""

    code: ClassVar[str] = "topic_status_invalid"
    status: str
    known: str


@dataclass(frozen=True, slots=True)
class TopicDraft:
    type: str
    name: str


def send_message(
    *,
    workspace_id: int,
    country: str,
    username: str | None,
    alias_id: int | None,
    topic: TopicDraft | None,
    anchor_id: int | None,
    people: Sequence[RecipientDraft],
    text: str,
    check_may_add_topic: Callable[[], None],
    cause: Cause,
) -> Message:
    """The message, its topic, and the recipients with their contacts are stored, each recipient waiting.

    `alias_id` and `anchor_id` are the user and topic used when the caller names none. `check_may_add_topic` is called
    before a topic is made, and raises when the caller may not. Raises the errors above, in their order, and those of
    `match_or_add_people`. Runs in the caller's transaction.
    """
    sender = _sender(workspace_id, username, alias_id)
    _check_topic(topic, anchor_id)
    _check_recipients(topic, people)
    matched = match_or_add_people(workspace_id=workspace_id, country=country, people=people, cause=cause)
    persona = matched[0].persona
    message = Message.objects.create(
        workspace_id=workspace_id,
        topic_id=_topic_id(workspace_id, topic, anchor_id, persona, check_may_add_topic, cause),
        direction=Message.Direction.OUTGOING,
        sender_user=sender,
        sender_name=sender.display_name,
        text=text,
        request_id=cause.request_id,
        created_at=cause.at,
    )
    Recipient.objects.bulk_create(
        Recipient(message=message, persona=match.persona, contact=contact)
        for match in matched
        for contact in match.contacts
    )
    _record_message(message, "message.sent", cause)
    return message


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
    _check_topic(topic, anchor_id)
    message = Message.objects.create(
        workspace_id=workspace_id,
        topic_id=_topic_id(workspace_id, topic, anchor_id, persona, check_may_add_topic, cause),
        direction=Message.Direction.INCOMING,
        sender_persona=persona,
        sender_name=persona.name,
        text=text,
        request_id=cause.request_id,
        created_at=cause.at,
    )
    Topic.objects.filter(pk=message.topic_id).exclude(status=Topic.Status.OPEN).update(
        status=Topic.Status.OPEN, updated_at=cause.at
    )
    _record_message(message, "message.received", cause)
    return message


def add_topic(
    *, workspace_id: int, country: str, topic: TopicDraft, people: Sequence[RecipientDraft], cause: Cause
) -> Topic:
    """A new topic exists; of type persona or group it is with the one recipient.

    Raises TopicTypeInvalid, the errors about recipients above, and TopicExists. Runs in the caller's transaction.
    """
    _check_topic(topic, None)
    persona = None
    if topic.type == TopicType.MASS:
        if people:
            raise MassTopicWithRecipients
    else:
        _check_recipients(topic, people)
        persona = match_or_add_people(workspace_id=workspace_id, country=country, people=people, cause=cause)[0].persona
    found = _find_topic(workspace_id, topic, persona)
    if found is not None:
        raise TopicExists(topic_id=found, name=topic.name)
    return _make_topic(workspace_id, topic, persona, cause)


def add_conversation(*, workspace_id: int, persona: Persona, name: str, cause: Cause) -> Topic:
    """A new topic of type persona with `persona` exists. Raises TopicExists. Runs in the caller's transaction."""
    topic = TopicDraft(TopicType.PERSONA, name)
    found = _find_topic(workspace_id, topic, persona)
    if found is not None:
        raise TopicExists(topic_id=found, name=name)
    return _make_topic(workspace_id, topic, persona, cause)


def set_topic_status(*, workspace_id: int, topic_id: int, status: str, cause: Cause) -> Topic:
    """The topic has this status. Raises TopicNotFound and TopicStatusInvalid."""
    if status not in Topic.Status.values:
        raise TopicStatusInvalid(status=status, known=", ".join(Topic.Status.values))
    topic = Topic.objects.select_for_update().filter(workspace=workspace_id, pk=topic_id).first()
    if topic is None:
        raise TopicNotFound(topic_id=topic_id)
    if topic.status != status:
        data = {"topic": topic.pk, "old": topic.status, "new": status}
        topic.status, topic.updated_at = status, cause.at
        topic.save(update_fields=["status", "updated_at"])
        events.record(workspace_id=workspace_id, kind="conversation.status", data=data, at=cause.at)
    return topic


def _sender(workspace_id: int, username: str | None, alias_id: int | None) -> User:
    """The member of the workspace that is recorded as sender; an alias who has left it is not found either."""
    members = User.objects.filter(memberships__workspace=workspace_id, is_active=True)
    if username is not None:
        sender = members.filter(username=username).first()
    elif alias_id is not None:
        sender = members.filter(pk=alias_id).first()
    else:
        raise UserMissing
    if sender is None:
        raise UserNotFound(username=username or "User Aliases")
    return sender


def _check_topic(topic: TopicDraft | None, anchor_id: int | None) -> None:
    if topic is None:
        if anchor_id is None:
            raise TopicMissing
    elif topic.type not in TopicType.values:
        raise TopicTypeInvalid(type=topic.type)


def _check_recipients(topic: TopicDraft | None, people: Sequence[RecipientDraft]) -> None:
    if not people:
        raise RecipientsMissing
    if len(people) > 1 and topic is not None and topic.type == TopicType.PERSONA:
        raise PersonaTopicRecipientsTooMany
    if len(people) > 1 and topic is not None and topic.type == TopicType.GROUP:
        raise GroupTopicRecipientsTooMany
    if len(people) > MAX_RECIPIENTS:
        raise RecipientsTooMany(count=len(people), maximum=MAX_RECIPIENTS)
    for index, person in enumerate(people):
        if not person.contacts:
            raise RecipientWithoutContact(recipient_index=index)


def _topic_id(
    workspace_id: int,
    topic: TopicDraft | None,
    anchor_id: int | None,
    persona: Persona,
    check_may_add_topic: Callable[[], None],
    cause: Cause,
) -> int:
    if topic is None:
        assert anchor_id is not None  # noqa: S101 - _check_topic
        return anchor_id
    of_persona = None if topic.type == TopicType.MASS else persona
    found = _find_topic(workspace_id, topic, of_persona)
    if found is not None:
        return found
    check_may_add_topic()
    return _make_topic(workspace_id, topic, of_persona, cause).pk


def _find_topic(workspace_id: int, topic: TopicDraft, persona: Persona | None) -> int | None:
    named = Topic.objects.filter(workspace=workspace_id, type=topic.type, name=topic.name, persona=persona)
    return named.values_list("pk", flat=True).first()


def _make_topic(workspace_id: int, topic: TopicDraft, persona: Persona | None, cause: Cause) -> Topic:
    named: dict[str, Any] = {
        "workspace_id": workspace_id, "type": topic.type, "name": topic.name, "persona": persona,
    }  # fmt: skip
    moments = {"created_at": cause.at, "updated_at": cause.at}
    made, is_new = Topic.objects.get_or_create(**named, defaults=moments)
    if is_new:
        data = {"topic": made.pk, "type": made.type, "name": made.name, "persona": made.persona_id}
        events.record(workspace_id=workspace_id, kind="conversation.created", data=data, at=cause.at)
    return made


def _record_message(message: Message, kind: str, cause: Cause) -> None:
    data = {"message": message.pk, "topic": message.topic_id, "request_id": message.request_id}
    events.record(workspace_id=message.workspace_id, kind=kind, data=data, at=cause.at)
