"""A connection whose address becomes another server's while something of it is on its way, over real HTTP."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from accounts.models import User, Workspace
from delivery.carriers import Delivered, Outcome, Parcel, Temporary
from delivery.models import Delivery
from messaging.models import Topic
from personas.matching import ContactDraft
from personas.models import Operation, Persona
from personas.operations import start_operation, undo_operation
from personas.services import PersonaDraft, add_persona
from platforms.carrying import PlatformCarrier, link_person
from platforms.connections import ConnectionDraft, change_connection
from platforms.importing import begin_import
from platforms.models import Connection, Conversation, Link, SentMessage
from platforms.people import as_person
from platforms.progress import remember_sent
from platforms.registry import platform_of
from tests.console.conftest import make_message, make_persona
from tests.personas.operating import work_off
from tests.platforms.connecting import BY_TEST, Remote, add_rina, connect, waiting
from tokens.models import Token
from tokens.services import COMMAND_LINE, revoke_token

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection(workspace: Workspace, remote: Remote, server: str) -> Connection:
    return connect(workspace, remote, server, "raven", carries=frozenset({"personas", "messages", "tokens"}))


def move(connection: Connection) -> None:
    draft = ConnectionDraft(
        "raven", "Shop", "https://other.example.org", "another", carries=frozenset({"personas", "messages", "tokens"})
    )
    change_connection(connection=Connection.objects.select_related("destination").get(pk=connection.pk), draft=draft)


def carry_while(happens: Callable[[], None], delivery: Delivery) -> tuple[Outcome, Parcel]:
    """As the worker does; `happens` when everything for the first call is at hand."""
    left = [happens]
    parcel = Parcel(delivery, delivery.destination, before_call=lambda: left.pop()() if left else None)
    return PlatformCarrier(platform_of(delivery.destination.kind)).carry(parcel), parcel


def test_record_that_the_old_server_gave_is_not_linked_and_the_person_goes_to_the_new_one(
    connection: Connection, workspace: Workspace, remote: Remote
) -> None:
    add_rina(workspace)
    delivery = waiting(connection)[0]
    Delivery.objects.update(steps={"contact": "17"})
    delivery.refresh_from_db()

    outcome, parcel = carry_while(lambda: move(connection), delivery)

    assert remote.person().name == "Rina Hartono"
    assert isinstance(outcome, Temporary)
    assert (outcome.code, outcome.again_after) == ("moved", timedelta(0))
    assert (parcel.steps, delivery.steps, Link.objects.exists()) == ({}, {}, False)


@pytest.mark.parametrize("moves", [False, True])
def test_token_that_is_revoked_on_the_old_server_is_revoked_on_the_new_one(
    connection: Connection, token: Token, *, moves: bool
) -> None:
    revoke_token(token=token, by=COMMAND_LINE)
    delivery = waiting(connection)[-1]

    outcome, parcel = carry_while(lambda: move(connection) if moves else None, delivery)

    assert len(parcel.calls) == 1
    assert getattr(outcome, "code", "") == ("moved" if moves else "")


@pytest.mark.parametrize("moves", [False, True])
def test_what_the_old_server_calls_our_message_says_nothing_of_the_new_one(
    connection: Connection, workspace: Workspace, support_user: User, *, moves: bool
) -> None:
    rina = make_persona(workspace, "Rina", "+6281200000101")
    topic = Topic.objects.create(workspace=workspace, type="persona", name="Order", persona=rina)
    sent = make_message(topic, rina, support_user).recipients.get()
    read_before = Connection.objects.get(pk=connection.pk)
    if moves:
        move(connection)

    remember_sent(read_before, recipient_id=sent.pk, message_id="43", conversation_id="5")

    assert (SentMessage.objects.exists(), Conversation.objects.exists()) == (not moves, not moves)


def test_people_who_were_read_on_the_old_server_are_not_linked_to_records_of_the_new_one(
    connection: Connection, workspace: Workspace, remote: Remote, admin_user: User
) -> None:
    contact = ContactDraft("whatsapp", "+6281200000101")
    add_persona(workspace=remote.workspace, draft=PersonaDraft(name="R."), contacts=[contact], cause=BY_TEST)
    add_rina(workspace)
    now = timezone.now()
    before, after = (work_off(begin_import(connection=connection, by=admin_user, at=now)) for _each in range(2))
    before = work_off(start_operation(operation_id=before.pk, by=admin_user, at=now))
    assert Link.objects.exists()
    move(connection)
    linked = Link.objects.create(connection=connection, persona_id=1, remote_id=before.rows.get().values["record"])

    after = work_off(start_operation(operation_id=after.pk, by=admin_user, at=now))
    before = work_off(undo_operation(operation_id=before.pk, by=admin_user, at=now))

    assert (after.state, after.problem) == (
        Operation.State.FAILED,
        "The address of this connection was changed since its people were read. Read them again.",
    )
    assert (before.state, list(Link.objects.all())) == (Operation.State.UNDONE, [linked])


def test_two_workers_that_link_one_record_to_two_people_leave_one_link_and_one_refusal(
    connection: Connection, workspace: Workspace
) -> None:
    people = [Persona.objects.create(workspace=workspace, name=f"P{number}") for number in range(2)]
    platform, both = platform_of("raven"), threading.Barrier(2)

    def link(persona: Persona, remote_id: str) -> Any:
        try:
            read = Connection.objects.get(pk=connection.pk)
            both.wait(10)
            return link_person(read, as_person(persona), remote_id, platform=platform)
        finally:
            database.close()

    for number in range(5):
        Link.objects.all().delete()
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(link, people, [str(number)] * 2))

        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Delivered", "Refused"]
        assert Delivered(str(number)) in outcomes
        assert Link.objects.get().remote_id == str(number)
