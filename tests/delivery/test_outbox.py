"""What is put into the outbox, by the change of a person and without one."""

from dataclasses import replace
from datetime import datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User, Workspace
from delivery import books, outbox
from delivery.carriers import Occurrence
from delivery.models import Delivery, Destination
from delivery.states import MOVES, State
from messaging.services import Envelope, send_message
from messaging.topics import TopicDraft
from personas.history import Cause
from personas.matching import ContactDraft, RecipientDraft
from personas.models import Origin, Persona, PersonaChange
from personas.services import PersonaDraft, add_persona, delete_persona, update_persona
from tests.delivery.conftest import Post
from tokens.configuration import Configuration
from tokens.models import Token
from tokens.services import COMMAND_LINE, configure_token, delete_token


def cause(**values: int) -> Cause:
    return Cause(origin=Origin.PERSON, actor_label="Ayu", at=timezone.now(), request_id="r" * 32, **values)


@pytest.fixture
def persona(workspace: Workspace) -> Persona:
    return add_persona(workspace=workspace, draft=PersonaDraft(name="Dewi"), cause=cause())


def test_a_change_of_a_person_waits_for_each_destination_that_carries_people(
    persona: Persona, destination: Destination, plain: Destination, now: datetime
) -> None:
    update_persona(
        workspace=persona.workspace, persona_id=persona.pk, draft=PersonaDraft(name="Dewi A", gender="f"), cause=cause()
    )

    delivery = Delivery.objects.get()
    changes = PersonaChange.objects.filter(persona=persona).exclude(field="created").order_by("id")
    assert delivery.destination == destination
    assert (delivery.state, delivery.due_at, delivery.since) == (State.WAITING, now, now)
    assert (delivery.lane, delivery.kind) == (f"persona:{persona.pk}", "persona.updated")
    assert delivery.persona_id == persona.pk
    assert (delivery.payload, delivery.fields) == ({"name": "Dewi A", "gender": "f"}, ["name", "gender"])
    assert (delivery.actor_label, delivery.request_id) == ("Ayu", "r" * 32)
    assert delivery.change_ids == [change.pk for change in changes]


def test_a_change_that_is_undone_leaves_no_delivery(persona: Persona, destination: Destination) -> None:
    with transaction.atomic():
        update_persona(
            workspace=persona.workspace, persona_id=persona.pk, draft=PersonaDraft(name="Dewi A"), cause=cause()
        )
        assert Delivery.objects.exists()
        transaction.set_rollback(True)

    assert not Delivery.objects.exists()
    assert books.audit(destination.pk) == {}


def test_a_change_is_not_sent_back_to_where_it_came_from(persona: Persona, destination: Destination) -> None:
    other = Destination.objects.create(workspace=persona.workspace, name="other", kind="keyed", carries_personas=True)

    update_persona(
        workspace=persona.workspace, persona_id=persona.pk, draft=PersonaDraft(name="Dewi A"),
        cause=cause(came_from=destination.pk),
    )  # fmt: skip

    assert [delivery.destination for delivery in Delivery.objects.all()] == [other]


def test_a_switched_off_destination_collects_and_a_removed_one_does_not(
    persona: Persona, destination: Destination
) -> None:
    Destination.objects.update(is_on=False)
    update_persona(workspace=persona.workspace, persona_id=persona.pk, draft=PersonaDraft(name="A"), cause=cause())
    Destination.objects.update(removed_at=timezone.now())
    update_persona(workspace=persona.workspace, persona_id=persona.pk, draft=PersonaDraft(name="B"), cause=cause())

    assert [delivery.payload for delivery in Delivery.objects.all()] == [{"name": "A"}]


def test_destinations_of_other_workspaces_are_told_nothing(
    persona: Persona, destination: Destination, other_workspace: Workspace
) -> None:
    Destination.objects.update(workspace=other_workspace)

    update_persona(workspace=persona.workspace, persona_id=persona.pk, draft=PersonaDraft(name="A"), cause=cause())

    assert not Delivery.objects.exists()


def test_a_deleted_person_leaves_nothing_behind_in_the_outbox_but_the_deletion(
    persona: Persona, destination: Destination
) -> None:
    update_persona(workspace=persona.workspace, persona_id=persona.pk, draft=PersonaDraft(name="A"), cause=cause())

    delete_persona(workspace=persona.workspace, persona_id=persona.pk, cause=cause())

    left = Delivery.objects.order_by("id").values_list("kind", "state", "payload")
    assert list(left) == [("persona.updated", "cancelled", {}), ("persona.deleted", "waiting", {})]
    assert books.audit(destination.pk) == {}


def test_a_message_leaves_for_what_carries_messages(
    persona: Persona, destination: Destination, support_user: User
) -> None:
    Destination.objects.update(carries_messages=True)
    envelope = Envelope(
        workspace_id=persona.workspace_id, country="ID", username=support_user.username, alias_id=None,
        topic=TopicDraft("persona", "Orders"), anchor_id=None,
        people=[RecipientDraft("Dewi", [ContactDraft("whatsapp", "+6281234567890")])],
    )  # fmt: skip

    message = send_message(envelope=envelope, text="Hello!", check_may_add_topic=lambda: None, cause=cause())

    kinds = list(Delivery.objects.order_by("id").values_list("kind", "lane"))
    assert kinds == [
        ("persona.created", f"persona:{Persona.objects.latest('id').pk}"), ("message.sent", f"persona:{message.pk}")
    ]  # fmt: skip


def test_a_tokens_configuration_leaves_for_what_carries_tokens(
    workspace: Workspace, destination: Destination, token: Token
) -> None:
    Destination.objects.update(carries_tokens=True)
    switched = replace(Configuration.of(token), name="Till 7")

    configure_token(token=token, configuration=switched, version=token.version, by=COMMAND_LINE)
    delete_token(token=token, by=COMMAND_LINE)

    kinds = list(Delivery.objects.order_by("id").values_list("kind", "actor_label"))
    assert kinds == [("token.configured", "command line"), ("token.deleted", "command line")]


def test_a_workspace_without_a_connection_pays_one_query(workspace: Workspace, persona: Persona) -> None:
    occurrence = Occurrence(workspace_id=workspace.pk, kind="persona.updated", subject_id=1, at=timezone.now())

    with CaptureQueriesContext(connection) as queries:
        posted = outbox.announce([occurrence] * 200, to=outbox.PERSONAS)

    assert (posted, len(queries)) == ([], 1)


def test_many_changes_are_put_in_by_as_many_queries_as_one(workspace: Workspace, destination: Destination) -> None:
    occurrence = Occurrence(workspace_id=workspace.pk, kind="persona.updated", subject_id=1, at=timezone.now())
    with CaptureQueriesContext(connection) as for_one:
        outbox.announce([occurrence], to=outbox.PERSONAS)

    with CaptureQueriesContext(connection) as for_many:
        outbox.announce([occurrence] * 20, to=outbox.PERSONAS)

    assert len(for_many) == len(for_one)
    assert Delivery.objects.count() == 21


def test_the_database_refuses_an_unknown_state_and_a_lease_on_what_is_not_being_sent(
    destination: Destination, post: Post
) -> None:
    delivery = Delivery.objects.filter(pk=post(destination).pk)

    for values in ({"state": "lost"}, {"leased_until": timezone.now()}, {"state": "sending"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            delivery.update(**values)


def test_moves_are_those_of_the_design() -> None:
    assert {str(old): {str(new) for new in moves} for old, moves in MOVES.items()} == {
        "waiting": {"sending", "superseded", "cancelled"},
        "sending": {"delivered", "waiting", "refused", "unknown", "cancelled"},
        "refused": {"waiting", "superseded", "cancelled"},
        "unknown": {"waiting", "delivered", "superseded", "cancelled"},
        "delivered": set(),
        "superseded": set(),
        "cancelled": set(),
    }
