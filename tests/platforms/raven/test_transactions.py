"""A call is one transaction: a refusal undoes what was written before it, and costs nothing where nothing was."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from delivery.models import Event
from messaging.models import Message, Topic
from personas.models import Contact, Persona
from tests.platforms.raven.conftest import Api, refused
from tokens.models import RequestLogEntry, Token, TokenAbility


@pytest.mark.django_db
def test_a_refusal_after_a_write_undoes_the_write_and_is_logged(call: Api, body: dict[str, Any], token: Token) -> None:
    TokenAbility.objects.filter(token=token, key="topic_add").delete()

    answer = call("message:send", body)

    assert (answer.status_code, answer.json()["code"]) == (403, "ability_missing")
    left = [model.objects.count() for model in (Persona, Contact, Topic, Message, Event)]
    assert left == [0, 0, 0, 0, 0]
    assert RequestLogEntry.objects.get().code == "ability_missing"


@pytest.mark.django_db
def test_the_event_of_a_message_names_message_topic_and_call(call: Api, body: dict[str, Any]) -> None:
    answer = call("message:send", body)

    message = Message.objects.get()
    event = Event.objects.get(kind="message.sent")
    assert event.data == {
        "message": message.pk,
        "topic": message.topic_id,
        "request_id": answer["X-Request-Id"],
    }
    assert (event.workspace_id, event.happened_at, event.number) == (message.workspace_id, message.created_at, None)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL prepares")
@pytest.mark.django_db(transaction=True)
def test_a_refused_call_leaves_the_prepared_statements_of_the_next_ones(call: Api, body: dict[str, Any]) -> None:
    for _ in range(4):
        call("message:send", body)
    before = _prepared()

    answer = call("message:send", body | {"username": "nobody"})

    assert answer.status_code == 404
    assert before
    assert before <= _prepared()


def _prepared() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is no journey away")
@pytest.mark.django_db(transaction=True)
def test_a_message_makes_two_journeys_to_the_database(call: Api, body: dict[str, Any]) -> None:
    call("message:send", body)

    with CaptureQueriesContext(connection) as queries:
        call("message:send", body)

    asked = [query["sql"].split()[0] for query in queries if query["sql"] not in {"BEGIN", "COMMIT"}]
    assert asked == ["WITH", "WITH"]
    assert Message.objects.count() == 2


@pytest.fixture
def database_held() -> Iterator[None]:
    """Somebody else holds what every call needs, and nobody waits for them."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1ms'" if connection.vendor == "postgresql" else "PRAGMA busy_timeout = 0")
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("LOCK TABLE tokens_ratebucket")
        else:
            cursor.execute("UPDATE tokens_ratebucket SET level = 0")
    yield
    other.rollback()
    other.close()
    connection.close()


@pytest.fixture
def database_gone() -> Iterator[None]:
    """A new connection reaches nothing."""
    connection.close()
    where = "HOST" if connection.vendor == "postgresql" else "NAME"
    right = connection.settings_dict[where]
    connection.settings_dict[where] = "/nowhere/at/all"
    yield
    connection.settings_dict[where] = right


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("trouble", ["database_held", "database_gone"])
@pytest.mark.parametrize("operation", ["message:send", "token:self"])
def test_without_its_database_the_gateway_says_when_to_try_again(
    call: Api, body: dict[str, Any], request: pytest.FixtureRequest, trouble: str, operation: str
) -> None:
    request.getfixturevalue(trouble)

    answer = call(operation, body if operation == "message:send" else None)

    assert refused(answer) == (503, "database_unavailable", "")
    assert answer["Retry-After"] == "5"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's writers stand in line")
@pytest.mark.django_db(transaction=True)
def test_a_persona_deleted_while_it_is_written_to_is_a_conflict(call: Api, body: dict[str, Any]) -> None:
    call("message:send", body)
    other = connection.copy()

    def delete_first(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if "INSERT INTO messaging_message" in sql:
            with other.cursor() as cursor:
                cursor.execute(
                    "DELETE FROM messaging_recipient; DELETE FROM messaging_message; DELETE FROM messaging_topic;"
                    "DELETE FROM personas_personachange; DELETE FROM personas_contact; DELETE FROM personas_persona"
                )
        return execute(sql, params, many, context)

    with connection.execute_wrapper(delete_first):
        answer = call("message:send", body)
    other.close()

    assert refused(answer) == (409, "changed_meanwhile", "")
    assert (Message.objects.count(), Event.objects.filter(kind="message.sent").count()) == (0, 1)
    assert RequestLogEntry.objects.filter(code="changed_meanwhile").count() == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's writers stand in line")
@pytest.mark.django_db(transaction=True)
def test_a_call_that_a_deadlock_undid_is_done_once_more(call: Api, body: dict[str, Any]) -> None:
    """The other one has the topic and waits for the persona; a message has the persona and waits for the topic."""
    call("message:send", body)
    other = connection.copy()
    other.inc_thread_sharing()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("SELECT 1 FROM messaging_topic FOR UPDATE")

    def take_the_persona_too() -> None:
        with other.cursor() as cursor:
            waiting = 0
            while not waiting:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                [waiting] = cursor.fetchone()
            cursor.execute("SELECT 1 FROM personas_persona FOR UPDATE")
            other.rollback()

    with ThreadPoolExecutor(1) as pool:
        other_one = pool.submit(take_the_persona_too)
        answer = call("message:send", body)
        other_one.result(30)
    other.close()

    assert answer.status_code == 200
    assert (Message.objects.count(), RequestLogEntry.objects.filter(status=200).count()) == (2, 2)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's writers stand in line")
@pytest.mark.django_db(transaction=True)
def test_a_persona_that_two_calls_give_a_contact_at_once_has_each_version_once(call: Api, body: dict[str, Any]) -> None:
    call("message:send", body)
    known = body["recipient"][0]["contact"][0]

    def add(number: int) -> int:
        fresh = {"type": "email", "name": "", "key": f"rina{number}@example.org"}
        answer = call("message:send", body | {"recipient": [{"name": "Rina", "contact": [known, fresh]}]})
        connections.close_all()
        status: int = answer.status_code
        return status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(add, range(8)))

    assert statuses == [200] * 8
    versions = sorted(event.data["version"] for event in Event.objects.filter(kind="persona.updated"))
    assert versions == list(range(2, 10))
    assert Persona.objects.get().version == 9


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's writers stand in line")
@pytest.mark.django_db(transaction=True)
def test_messages_to_the_same_people_at_once_that_each_give_another_one_a_contact_are_all_sent(
    call: Api, body: dict[str, Any]
) -> None:
    people = [{"name": "", "contact": [{"type": "whatsapp", "key": f"+62812345678{n:02}"}]} for n in range(40)]
    news = body | {"topic": {"type": "mass", "name": "News"}}
    call("message:send", news | {"recipient": people})
    start = Barrier(4)

    def send(number: int) -> int:
        fresh = {"type": "email", "key": f"number{number}@example.org"}
        grown = people[number] | {"contact": [*people[number]["contact"], fresh]}
        start.wait(30)
        answer = call("message:send", news | {"recipient": [*people[:number], grown, *people[number + 1 :]]})
        connections.close_all()
        status: int = answer.status_code
        return status

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(send, range(4)))

    assert statuses == [200] * 4
    assert Message.objects.count() == 5


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's writers stand in line")
@pytest.mark.django_db(transaction=True)
def test_a_call_does_not_wait_for_another_that_notes_the_same_ability(call: Api, body: dict[str, Any]) -> None:
    """What the other waits for may be what this one has: Chative's and Bevatel's changes of one contact."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1ms'")
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("SELECT id FROM tokens_tokenability FOR UPDATE")

    answer = call("message:send", body)

    other.rollback()
    other.close()
    connection.close()
    assert answer.status_code == 200
    assert set(TokenAbility.objects.filter(key="topic_add").values_list("used_within_at")) == {(None,)}
