"""What leaves for callbacks, to a receiver that checks it with the library of Standard Webhooks."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from standardwebhooks import Webhook as Verifying
from standardwebhooks import WebhookVerificationError

from accounts.models import Workspace
from delivery.models import Attempt, Delivery
from delivery.sender import Sender
from messaging.models import Recipient
from messaging.progress import note_progress
from personas.models import Persona
from personas.services import PersonaDraft, delete_persona, update_persona
from platforms.callbacks.payloads import SAMPLES
from platforms.callbacks.schedule import ATTEMPTS, WAITS, wait_after
from platforms.callbacks.signing import rotate_secret
from tests.platforms.callbacks.conftest import Subscribed, receive
from tests.platforms.connecting import BY_TEST, add_rina
from tests.platforms.receiver import Receiver
from tokens.models import Token
from tokens.services import COMMAND_LINE, revoke_token, rotate_token, switch_token

pytestmark = pytest.mark.django_db
Subscribe = Callable[[str], Subscribed]


def shape(value: Any) -> Any:
    """The names in a body, and of what kind their values are."""
    return {name: shape(each) for name, each in value.items()} if isinstance(value, dict) else type(value)


def test_new_message_arrives_signed_and_one_changed_byte_is_refused(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    subscribed = subscribe("message.received")
    message = receive(workspace, rina)

    Sender(threads=1).drain()

    [(headers, body)] = receiver.calls
    told = Verifying(subscribed.secret).verify(body, headers)
    assert told["type"] == "message.received"
    assert told["data"] == {
        "message": message.pk,
        "topic": {"id": message.topic_id, "type": "persona", "name": "Order 17"},
        "persona": {"id": rina.pk, "name": "Rina Hartono"},
        "text": "Is it ready?",
    }
    assert headers["webhook-id"] == subscribed.deliveries[0].payload["id"]
    with pytest.raises(WebhookVerificationError):
        Verifying(subscribed.secret).verify(body.replace("ready", "reedy"), headers)


def test_each_event_says_what_the_documentation_shows(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    for event in ("conversation.created", "message.received", "message.status", "persona.updated"):
        subscribe(event)
    message = receive(workspace, rina)
    recipient = Recipient.objects.create(message=message, persona=rina, contact=rina.contacts.all()[0])

    note_progress(recipient_id=recipient.pk, state=Recipient.State.DELIVERED)
    update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(name="Rina H."), cause=BY_TEST)
    Sender(threads=1).drain()

    told = {json.loads(body)["type"]: json.loads(body)["data"] for _headers, body in receiver.calls}
    assert set(told) == {"conversation.created", "message.received", "message.status", "persona.updated"}
    assert {event: shape(data) for event, data in told.items()} == {event: shape(SAMPLES[event]) for event in told}
    assert (told["message.status"]["previous_status"], told["message.status"]["status"]) == ("waiting", "delivered")
    assert told["persona.updated"] == {"persona": rina.pk, "change": "updated", "fields": ["name"]}


def test_documentation_shows_the_samples(project: Any) -> None:
    text = (project / "docs" / "callbacks.md").read_text()

    shown = [json.loads(block) for block in text.split("```json\n")[1:] for block in [block.partition("```")[0]]]

    assert {example["type"]: example["data"] for example in shown} == {
        str(event): data for event, data in SAMPLES.items()
    }


def test_without_any_callback_a_message_costs_one_look_and_writes_nothing(
    workspace: Workspace, rina: Persona, token: Token
) -> None:
    receive(workspace, rina)

    asked: list[str] = []

    def watch(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        receive(workspace, rina)

    assert len([sql for sql in asked if "delivery_destination" in sql or "delivery_delivery" in sql]) == 1
    assert not Delivery.objects.exists()


def test_deleted_person_is_told_without_a_name(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    subscribe("persona.updated")
    number = rina.pk

    delete_persona(workspace=workspace, persona_id=number, cause=BY_TEST)
    Sender(threads=1).drain()

    [(_headers, body)] = receiver.calls
    assert json.loads(body)["data"] == {"persona": number, "change": "deleted", "fields": []}


def test_message_that_was_deleted_before_is_not_sent(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    subscribed = subscribe("message.received")
    receive(workspace, rina).delete()

    Sender(threads=1).drain()

    assert receiver.calls == []
    assert subscribed.deliveries[0].code == "deleted_here"


def test_outbox_keeps_no_text_of_a_message(subscribe: Subscribe, workspace: Workspace, rina: Persona) -> None:
    subscribed = subscribe("message.received")

    receive(workspace, rina, "Confidential")

    assert "Confidential" not in json.dumps(subscribed.deliveries[0].payload)


@pytest.mark.parametrize("stop", ["revoke", "switch"])
def test_token_that_does_not_work_is_told_nothing(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, token: Token, stop: str
) -> None:
    subscribed = subscribe("message.received")
    receive(workspace, rina)
    if stop == "revoke":
        revoke_token(token=token, by=COMMAND_LINE)
    else:
        switch_token(token=token, on=False, by=COMMAND_LINE)

    receive(workspace, rina, "Hello?")

    assert len(subscribed.deliveries) == 1


def test_rotated_token_hands_its_callbacks_and_their_secret_on(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, token: Token, receiver: Receiver
) -> None:
    subscribed = subscribe("message.received")

    new = rotate_token(token=token, overlap=timedelta(0), by=COMMAND_LINE).token
    receive(workspace, rina)
    Sender(threads=1).drain()

    [(headers, body)] = receiver.calls
    assert Verifying(subscribed.secret).verify(body, headers)
    assert subscribed.fresh().token == new


def test_both_secrets_verify_until_the_overlap_ends(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, token: Token, receiver: Receiver
) -> None:
    old = subscribe("message.received").secret
    new = rotate_secret(token=token, overlap=timedelta(hours=1), by=COMMAND_LINE, at=timezone.now())
    receive(workspace, rina)
    Sender(threads=1).drain()
    last = rotate_secret(token=token, overlap=timedelta(0), by=COMMAND_LINE, at=timezone.now())
    receive(workspace, rina)

    Sender(threads=1).drain()

    (both, first), (alone, second) = receiver.calls
    assert Verifying(old).verify(first, both)
    assert Verifying(new).verify(first, both)
    assert Verifying(last).verify(second, alone)
    with pytest.raises(WebhookVerificationError):
        Verifying(new).verify(second, alone)


def test_attempts_show_no_secret(subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver) -> None:
    secret = subscribe("message.received").secret
    receive(workspace, rina)

    Sender(threads=1).drain()

    call = Attempt.objects.get()
    assert call.status == 200
    assert secret not in json.dumps([call.request_headers, call.request_body, call.response_body])


@pytest.mark.parametrize("status", [400, 404, 302, 500])
def test_any_other_answer_is_tried_again_on_the_standards_schedule(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver, status: int
) -> None:
    subscribed = subscribe("message.received")
    receiver.status, receiver.headers = status, {"Location": f"{receiver.url}/elsewhere"} if status == 302 else {}
    receive(workspace, rina)

    Sender(threads=1).drain()

    delivery = subscribed.deliveries[0]
    assert (len(receiver.calls), delivery.state, delivery.code) == (1, "waiting", f"http_{status}")
    settled = Attempt.objects.get().happened_at
    assert WAITS[0] <= delivery.due_at - settled < WAITS[0] * 2
    assert ("redirects" in delivery.problem) is (status == 302)


def test_schedule_is_that_of_the_standard_with_jitter() -> None:
    seconds = [wait.total_seconds() for n in range(1, ATTEMPTS + 2) if (wait := wait_after(n, chance=0))]

    assert seconds == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400, 5]
    assert wait_after(ATTEMPTS) is None
    assert wait_after(1, chance=1) == timedelta(seconds=6)


def test_last_attempt_gives_up(subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver) -> None:
    subscribed = subscribe("message.received")
    receiver.status = 500
    receive(workspace, rina)
    Delivery.objects.update(attempt_count=ATTEMPTS - 1)

    Sender(threads=1).drain()

    assert [(each.state, each.code) for each in subscribed.deliveries] == [("refused", "http_500")]


def test_410_switches_the_callback_off_and_events_wait(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    subscribed = subscribe("message.received")
    receiver.status = 410
    receive(workspace, rina)
    Sender(threads=1).drain()

    receive(workspace, rina, "Hello?")
    Sender(threads=1).drain()

    assert [each.state for each in subscribed.deliveries] == ["refused", "waiting"]
    assert len(receiver.calls) == 1
    assert subscribed.fresh().off_because == "gone"


def test_private_address_is_refused_with_its_rule(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, settings: Any
) -> None:
    subscribed = subscribe("message.received")
    settings.ALLOWED_PRIVATE_ADDRESSES = []
    receive(workspace, rina)

    Sender(threads=1).drain()

    delivery = subscribed.deliveries[0]
    assert (delivery.state, delivery.code) == ("refused", "address_refused")
    assert "loopback" in delivery.problem


def test_other_workspace_is_not_told(subscribe: Subscribe, other_workspace: Workspace, now: datetime) -> None:
    subscribed = subscribe("persona.updated")

    add_rina(other_workspace)

    assert subscribed.deliveries == []
