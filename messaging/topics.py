"""Topics: which there are, whom they are with, and what adding one or closing it tells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from delivery import events, outbox
from delivery.carriers import Occurrence
from messaging.models import Topic, TopicType
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
)
from personas.history import Cause
from personas.matching import RecipientDraft, keys_of_people, match_or_add_people
from personas.models import Persona
from raven_admin.statements import Statement

MAX_RECIPIENTS = 1000
_TOPIC_TYPES = frozenset(TopicType.values)


@dataclass(frozen=True, slots=True)
class TopicDraft:
    type: str
    name: str


def add_topic(
    *, workspace_id: int, country: str, topic: TopicDraft, people: Sequence[RecipientDraft], cause: Cause
) -> Topic:
    """A new topic exists; of type persona or group it is with the one recipient.

    Raises TopicTypeInvalid, the refusals of recipients, and TopicExists. Runs in the caller's transaction.
    """
    check_topic(topic, None)
    persona_id = None
    if topic.type == TopicType.MASS:
        if people:
            raise MassTopicWithRecipients
    else:
        check_recipients(topic, people)
        keys = keys_of_people(people, country=country)
        matched = match_or_add_people(workspace_id=workspace_id, people=people, keys=keys, cause=cause)
        persona_id = matched[0].persona_id
    found = _find_topic(workspace_id, topic, persona_id)
    if found is not None:
        raise TopicExists(topic_id=found, name=topic.name)
    return _make_topic(workspace_id, topic, persona_id, cause)


def add_conversation(*, workspace_id: int, persona: Persona, name: str, cause: Cause) -> Topic:
    """A new topic of type persona with `persona` exists. Raises TopicExists. Runs in the caller's transaction."""
    topic = TopicDraft(TopicType.PERSONA, name)
    found = _find_topic(workspace_id, topic, persona.pk)
    if found is not None:
        raise TopicExists(topic_id=found, name=name)
    return _make_topic(workspace_id, topic, persona.pk, cause)


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


def check_topic(topic: TopicDraft | None, anchor_id: int | None) -> None:
    """There is a topic or an anchor, and its type is one. Raises TopicMissing and TopicTypeInvalid."""
    if topic is None:
        if anchor_id is None:
            raise TopicMissing
    elif topic.type not in _TOPIC_TYPES:
        raise TopicTypeInvalid(type=topic.type)


def check_recipients(topic: TopicDraft | None, people: Sequence[RecipientDraft]) -> None:
    """There are recipients, no more than the topic takes, each with a contact. Raises the refusals of recipients."""
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


def find_or_add_topic(
    workspace_id: int,
    topic: TopicDraft | None,
    anchor_id: int | None,
    persona_id: int,
    check_may_add_topic: Callable[[], None],
    cause: Cause,
) -> int:
    """The id of the topic, which is made when there is none and the caller may; without one named, the anchor's."""
    if topic is None:
        assert anchor_id is not None  # noqa: S101 - check_topic
        return anchor_id
    of_persona = None if topic.type == TopicType.MASS else persona_id
    found = _find_topic(workspace_id, topic, of_persona)
    if found is not None:
        return found
    check_may_add_topic()
    return _make_topic(workspace_id, topic, of_persona, cause).pk


# The conditions on the type are those of the two unique indexes, or the databases would not use them.
_MASS_TOPIC = Statement("SELECT id FROM messaging_topic WHERE workspace_id = %s AND name = %s AND type = 'mass'")
_TOPIC_OF_PERSONA = Statement(
    "SELECT id FROM messaging_topic WHERE persona_id = %s AND type IN (%s) AND name = %s AND NOT type = 'mass'"
)


def _find_topic(workspace_id: int, topic: TopicDraft, persona_id: int | None) -> int | None:
    if persona_id is None:
        found = _MASS_TOPIC.row(workspace_id, topic.name)
    else:
        found = _TOPIC_OF_PERSONA.row(persona_id, topic.type, topic.name)
    return found[0] if found else None


def _make_topic(workspace_id: int, topic: TopicDraft, persona_id: int | None, cause: Cause) -> Topic:
    named: dict[str, Any] = {
        "workspace_id": workspace_id, "type": topic.type, "name": topic.name, "persona_id": persona_id,
    }  # fmt: skip
    moments = {"created_at": cause.at, "updated_at": cause.at}
    made, is_new = Topic.objects.get_or_create(**named, defaults=moments)
    if is_new:
        data = {"topic": made.pk, "type": made.type, "name": made.name, "persona": made.persona_id}
        events.record(workspace_id=workspace_id, kind="conversation.created", data=data, at=cause.at)
        announce("conversation.created", workspace_id, made.pk, cause, persona=made.persona_id)
    return made


def announce(
    kind: str, workspace_id: int, subject_id: int, cause: Cause, *, to: str = outbox.EVENTS, **data: Any
) -> None:
    """It leaves for whatever carries that."""
    news = Occurrence(
        workspace_id=workspace_id,
        kind=kind,
        subject_id=subject_id,
        at=cause.at,
        actor_label=cause.actor_label,
        request_id=cause.request_id,
        data=data,
        came_from=cause.came_from,
    )
    outbox.announce([news], to=to)
