"""A call is one transaction: a refusal undoes what was written before it, and costs nothing where nothing was."""

from typing import Any

import pytest
from django.db import connection

from delivery.models import Event
from messaging.models import Message, Topic
from personas.models import Contact, Persona
from tests.platforms.raven.conftest import Api
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
