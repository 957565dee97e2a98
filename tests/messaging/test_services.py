"""Topics and the messages in them, below the API (sending is tested through it, in tests/platforms/raven)."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Workspace
from delivery.models import Event
from messaging.models import Message, Topic
from messaging.refusals import TopicExists, TopicMissing, TopicNotFound, TopicStatusInvalid
from messaging.services import receive_message
from messaging.stats import stats_of
from messaging.topics import TopicDraft, add_conversation, add_topic, set_topic_status
from personas.history import Cause
from personas.matching import ContactDraft, RecipientDraft
from personas.models import Origin, Persona

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
CAUSE = Cause(origin=Origin.TOKEN, actor_label="token Shop", at=AT, request_id="req_1")
ORDER = TopicDraft("persona", "Order 17")


@pytest.fixture
def peter(workspace: Workspace) -> Persona:
    return Persona.objects.create(workspace=workspace, name="Peter")


def _receive(persona: Persona, topic: TopicDraft | None = ORDER, anchor_id: int | None = None) -> Message:
    return receive_message(
        workspace_id=persona.workspace_id,
        persona=persona,
        topic=topic,
        anchor_id=anchor_id,
        text="Hi",
        check_may_add_topic=lambda: None,
        cause=CAUSE,
    )


def _kinds() -> list[str]:
    return list(Event.objects.order_by("id").values_list("kind", flat=True))


def test_a_received_message_makes_its_topic_once(peter: Persona) -> None:
    first, second = _receive(peter), _receive(peter)

    topic = Topic.objects.get()
    assert (first.topic_id, second.topic_id, topic.persona, topic.created_at) == (topic.pk, topic.pk, peter, AT)
    assert _kinds() == ["conversation.created", "message.received", "message.received"]


def test_a_received_message_without_any_topic_is_refused(peter: Persona) -> None:
    with pytest.raises(TopicMissing):
        _receive(peter, None)

    assert not Message.objects.exists()


@pytest.mark.parametrize("status", ["pending", "resolved"])
def test_a_received_message_opens_its_topic(peter: Persona, status: str) -> None:
    topic = Topic.objects.create(
        workspace=peter.workspace, type="mass", name="News", status=status, updated_at="2026-01-01T00:00:00Z"
    )

    _receive(peter, None, topic.pk)

    topic.refresh_from_db()
    assert (topic.status, topic.updated_at) == ("open", AT)


def test_a_conversation_with_somebody_exists_once(peter: Persona) -> None:
    topic = add_conversation(workspace_id=peter.workspace_id, persona=peter, name="Order 17", cause=CAUSE)

    with pytest.raises(TopicExists) as refused:
        add_conversation(workspace_id=peter.workspace_id, persona=peter, name="Order 17", cause=CAUSE)

    assert refused.value.topic_id == topic.pk
    assert _kinds() == ["conversation.created"]


def test_a_topic_of_the_same_name_may_be_of_another_type_or_person(peter: Persona) -> None:
    people = [RecipientDraft(name, [ContactDraft("line", name)]) for name in ("anna", "budi")]

    topics = [
        add_topic(workspace_id=peter.workspace_id, country="ID", topic=TopicDraft(type, "X"), people=to, cause=CAUSE)
        for type, to in [("mass", []), ("persona", people[:1]), ("group", people[:1]), ("persona", people[1:])]
    ]

    assert len({topic.pk for topic in topics}) == 4


def test_a_status_is_set_only_in_its_workspace(peter: Persona, other_workspace: Workspace) -> None:
    topic = add_conversation(workspace_id=peter.workspace_id, persona=peter, name="Order", cause=CAUSE)

    def set_status(workspace_id: int, status: str) -> Topic:
        return set_topic_status(workspace_id=workspace_id, topic_id=topic.pk, status=status, cause=CAUSE)

    with transaction.atomic(), pytest.raises(TopicNotFound):
        set_status(other_workspace.pk, "resolved")
    with transaction.atomic(), pytest.raises(TopicStatusInvalid):
        set_status(peter.workspace_id, "asleep")
    with transaction.atomic():
        resolved = set_status(peter.workspace_id, "resolved")

    assert resolved.status == "resolved"
    assert _kinds() == ["conversation.created", "conversation.status"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "mass", "with_persona": True},
        {"type": "persona", "with_persona": False},
        {"type": "group", "with_persona": False},
        {"type": "party", "with_persona": True},
        {"type": "mass", "with_persona": False, "status": "asleep"},
    ],
)
def test_the_database_refuses_a_topic_that_can_not_be(peter: Persona, wrong: dict[str, Any]) -> None:
    persona = peter if wrong.pop("with_persona") else None

    with pytest.raises(IntegrityError), transaction.atomic():
        Topic.objects.create(workspace=peter.workspace, name="X", persona=persona, **wrong)


@pytest.mark.django_db(transaction=True)
def test_a_topic_that_many_name_at_once_is_made_once(peter: Persona) -> None:
    gate = threading.Barrier(6)

    def receive(_number: int) -> int:
        try:
            gate.wait(30)
            with transaction.atomic():
                return _receive(peter).topic_id
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        topics = set(pool.map(receive, range(6)))

    assert topics == {Topic.objects.get().pk}
    assert _kinds().count("conversation.created") == 1


def test_the_numbers_end_at_midnight_in_utc(peter: Persona, other_workspace: Workspace) -> None:
    topic = add_conversation(workspace_id=peter.workspace_id, persona=peter, name="Order", cause=CAUSE)
    for at in ("2026-11-19T23:59:59.999999Z", "2026-11-20T00:00:00Z", "2026-11-20T23:59:59Z", "2026-11-21T00:00:00Z"):
        Message.objects.create(
            workspace=peter.workspace, topic=topic, direction="outgoing", sender_name="x", text="x", created_at=at
        )

    found = stats_of(workspace_id=peter.workspace_id, days=2, now=AT)
    theirs = stats_of(workspace_id=other_workspace.pk, days=1, now=AT)

    assert [(str(day.day), day.sent, day.received) for day in found.days] == [
        ("2026-11-21", 1, 0),
        ("2026-11-20", 2, 0),
    ]
    assert (found.personas, found.topics_open) == (1, 1)
    assert (theirs.personas, theirs.topics_open, theirs.days[0].sent) == (0, 0, 0)
