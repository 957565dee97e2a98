"""Sending: who is written to, in which topic, as whom. One transaction, nothing half saved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from accounts.models import User
from messaging.models import Message, Recipient, Topic, TopicType
from personas.services import Matched, PersonDraft, match_or_add_people
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
    people: Sequence[PersonDraft],
    text: str,
    check_may_add_topic: Callable[[], None],
    request_id: str,
    now: datetime,
) -> Message:
    """The message, its topic, and the recipients with their contacts are stored, each recipient waiting.

    `alias_id` and `anchor_id` are the user and topic used when the caller names none. `check_may_add_topic` is called
    before a topic is made, and raises when the caller may not. Raises the errors above, in their order, and those of
    `match_or_add_people`. Runs in the caller's transaction.
    """
    sender = _sender(workspace_id, username, alias_id)
    _check_topic(topic, anchor_id)
    _check_recipients(topic, people)
    matched = match_or_add_people(workspace_id=workspace_id, country=country, people=people)
    message = Message.objects.create(
        workspace_id=workspace_id,
        topic_id=_topic_id(workspace_id, topic, anchor_id, matched, check_may_add_topic),
        direction=Message.Direction.OUTGOING,
        sender_user=sender,
        sender_name=sender.display_name,
        text=text,
        request_id=request_id,
        created_at=now,
    )
    Recipient.objects.bulk_create(
        Recipient(message=message, persona=match.persona, contact=contact)
        for match in matched
        for contact in match.contacts
    )
    return message


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


def _check_recipients(topic: TopicDraft | None, people: Sequence[PersonDraft]) -> None:
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
    matched: Sequence[Matched],
    check_may_add_topic: Callable[[], None],
) -> int:
    if topic is None:
        assert anchor_id is not None  # noqa: S101 - _check_topic
        return anchor_id
    persona = None if topic.type == TopicType.MASS else matched[0].persona
    named: dict[str, Any] = {"workspace_id": workspace_id, "type": topic.type, "name": topic.name, "persona": persona}
    found = Topic.objects.filter(**named).values_list("pk", flat=True).first()
    if found is not None:
        return found
    check_may_add_topic()
    made, _is_new = Topic.objects.get_or_create(**named)
    return made.pk
