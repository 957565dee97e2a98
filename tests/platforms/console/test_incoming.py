"""What comes in by a connection, in the console."""

from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, Workspace
from personas.models import Operation
from platforms.connections import ConnectionDraft, add_connection
from platforms.encryption import unseal
from platforms.models import Connection, ReceivedCall
from tests.accounts.test_scope import signed_in
from tests.platforms.connecting import add_rina
from tests.platforms.console.test_pages import make_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(admin_user: User) -> Client:
    return signed_in(admin_user)


@pytest.fixture
def connection(workspace: Workspace) -> Connection:
    return make_connection(workspace, "Shop chat")


def page(name: str, connection: Connection, *more: Any) -> str:
    return reverse(f"admin:platforms_connection_{name}", args=[connection.pk, *more])


def add_call(connection: Connection, number: int, **values: Any) -> ReceivedCall:
    known = {"event": "message_created", "key": str(number), "received_at": timezone.now()}
    return ReceivedCall.objects.create(connection=connection, **(known | values))


def test_address_is_shown_once_and_replaced_by_a_new_one(client: Client, connection: Connection, settings: Any) -> None:
    shown = client.post(page("address", connection))
    connection.refresh_from_db()
    first = connection.incoming_digest
    later = client.get(page("change", connection)).content.decode()
    client.post(page("address", connection))
    connection.refresh_from_db()

    assert f'value="{settings.BASE_URL}/in/' in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert "message_created" in shown.content.decode()
    assert "/in/" not in later
    assert connection.incoming_digest not in (None, first)


def test_closed_address_is_gone_with_its_secret(client: Client, connection: Connection) -> None:
    client.post(page("address", connection))
    client.post(page("signing", connection), {"secret": " of-the-webhook "})
    stored = Connection.objects.get()

    client.post(page("address", connection), {"close": "1"})

    connection.refresh_from_db()
    assert unseal(stored.sealed_incoming_secret) == "of-the-webhook"
    assert (connection.incoming_digest, connection.sealed_incoming_secret) == (None, "")


def test_stored_secret_is_on_no_page_and_can_be_forgotten(client: Client, connection: Connection) -> None:
    client.post(page("address", connection))
    client.post(page("signing", connection), {"secret": "of-the-webhook"})

    shown = client.get(page("change", connection)).content.decode()
    client.post(page("signing", connection), {"forget": "1", "secret": ""})

    connection.refresh_from_db()
    assert "of-the-webhook" not in shown
    assert "One is stored, encrypted" in shown
    assert connection.sealed_incoming_secret == ""


def test_secret_that_is_too_long_is_refused_with_the_reason(client: Client, connection: Connection) -> None:
    answer = client.post(page("signing", connection), {"secret": "x" * 201}, follow=True)

    connection.refresh_from_db()
    assert "at most 200 characters" in answer.content.decode()
    assert connection.sealed_incoming_secret == ""


def test_platform_that_tells_nothing_has_no_address(client: Client, workspace: Workspace) -> None:
    draft = ConnectionDraft(
        platform="webhook", name="CRM", base_url="https://crm.example.org/in", carries=frozenset({"personas"})
    )
    webhook = add_connection(workspace=workspace, draft=draft)

    shown = client.get(page("change", webhook)).content.decode()

    assert client.post(page("address", webhook)).status_code == 404
    assert "What comes in" not in shown
    assert "Bring in the people" not in shown


def test_log_shows_what_became_of_each_call_and_filters(
    client: Client, connection: Connection, workspace: Workspace
) -> None:
    rina = add_rina(workspace)
    add_call(connection, 1, outcome="done", explanation="Added a person.", persona_id=rina.pk)
    add_call(connection, 2, outcome="ignored", explanation="A private note of the people there.", repeats=2)
    add_call(connection, 3, outcome="done", explanation="A message of this person.", persona_id=99_999, topic_id=99_999)

    every = client.get(page("received", connection)).content.decode()
    ignored = client.get(page("received", connection), {"outcome": "ignored"}).content.decode()

    assert reverse("admin:personas_persona_change", args=[rina.pk]) in every
    assert "99999" not in every
    assert "came 2 times more" in every
    assert "Added a person." not in ignored
    assert "A private note" in ignored


def test_failed_call_is_tried_again(client: Client, connection: Connection) -> None:
    failed = add_call(connection, 1, outcome="failed", explanation="Several people.", body='{"event": "x"}', attempts=3)
    gone = add_call(connection, 2, outcome="failed", explanation="Signature.")

    shown = client.get(page("received", connection)).content.decode()
    client.post(page("again", connection, failed.pk))
    client.post(page("again", connection, gone.pk))

    failed.refresh_from_db()
    gone.refresh_from_db()
    assert page("again", connection, failed.pk) in shown
    assert page("again", connection, gone.pk) not in shown
    assert (failed.outcome, failed.attempts, gone.outcome) == ("waiting", 0, "failed")


def test_call_of_another_connection_is_not_found(client: Client, connection: Connection, workspace: Workspace) -> None:
    other = add_call(make_connection(workspace, "Other"), 1, outcome="failed", body="{}")

    assert client.post(page("again", connection, other.pk)).status_code == 404


@pytest.mark.parametrize("action", ["import", "address", "signing"])
def test_action_by_get_does_nothing(client: Client, connection: Connection, action: str) -> None:
    assert client.get(page(action, connection)).status_code == 405


def test_viewer_looks_support_brings_in_people_and_neither_opens_an_address(
    viewer_user: User, support_user: User, connection: Connection
) -> None:
    failed = add_call(connection, 1, outcome="failed", body='{"event": "x"}')
    viewer, support = signed_in(viewer_user), signed_in(support_user)

    assert viewer.get(page("received", connection)).status_code == 200
    assert "Bring in" not in viewer.get(page("change", connection)).content.decode()
    assert "Bring in" in support.get(page("change", connection)).content.decode()
    for name, more in (("import", ()), ("again", (failed.pk,))):
        assert viewer.post(page(name, connection, *more)).status_code == 403
        assert support.post(page(name, connection, *more)).status_code == 302
    for name in ("address", "signing"):
        assert [person.post(page(name, connection)).status_code for person in (viewer, support)] == [403, 403]
    assert Operation.objects.get().started_by == support_user


def test_pages_of_another_workspace_are_not_found(client: Client, other_workspace: Workspace) -> None:
    foreign = make_connection(other_workspace, "Theirs")
    call = add_call(foreign, 1)

    assert client.get(page("received", foreign)).status_code == 404
    for name, more in (("import", ()), ("address", ()), ("signing", ()), ("again", (call.pk,))):
        assert client.post(page(name, foreign, *more)).status_code == 404


def test_log_asks_as_many_queries_for_many_as_for_one(
    client: Client, connection: Connection, workspace: Workspace
) -> None:
    rina = add_rina(workspace)
    add_call(connection, 0, persona_id=rina.pk)
    client.get(page("received", connection))
    with CaptureQueriesContext(database) as for_one:
        client.get(page("received", connection))
    for number in range(1, 30):
        add_call(connection, number, persona_id=rina.pk, topic_id=number)

    with CaptureQueriesContext(database) as for_many:
        client.get(page("received", connection))

    assert len(for_many) <= len(for_one) + 1  # the topics, once any call is about one


def test_import_is_begun_and_shown(client: Client, connection: Connection) -> None:
    answer = client.post(page("import", connection), follow=True)

    operation = Operation.objects.get()
    assert answer.redirect_chain == [(reverse("admin:personas_operation_change", args=[operation.pk]), 302)]
    assert (operation.title, operation.plan) == ("People on Shop chat", {"connection": connection.pk})
    assert "Reading the list there" in answer.content.decode()
