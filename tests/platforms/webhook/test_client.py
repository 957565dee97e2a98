"""What leaves for a webhook, to a receiver that checks it as Standard Webhooks tells receivers to."""

import json

import pytest
from standardwebhooks import Webhook as Verifying

from accounts.models import User, Workspace
from delivery.carriers import Delivered, Outcome, Refused, Temporary
from personas.matching import ContactDraft
from personas.services import PersonaDraft, delete_persona, update_persona
from platforms.connections import ConnectionDraft, add_connection
from platforms.models import Connection
from platforms.targets import target_of
from tests.platforms.connecting import BY_TEST, add_rina, carry, send_to, waiting
from tests.platforms.receiver import Receiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(workspace: Workspace, receiver: Receiver) -> Connection:
    draft = ConnectionDraft("webhook", "CRM", receiver.url, carries=frozenset({"personas", "messages"}))
    return add_connection(workspace=workspace, draft=draft)


def test_change_arrives_signed(connection: Connection, workspace: Workspace, receiver: Receiver) -> None:
    rina = add_rina(workspace)
    carry(waiting(connection)[0])
    update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(name="Rina H."), cause=BY_TEST)

    outcome, _parcel = carry(waiting(connection)[1])

    headers, body = receiver.calls[1]
    event = Verifying(target_of(connection).credential).verify(body, headers)
    assert outcome == Delivered(str(rina.pk))
    assert (event["type"], event["data"]) == (
        "persona.changed", {"persona": rina.pk, "name": "Rina H.", "changed": {"name": "Rina H."}},
    )  # fmt: skip


def test_repetition_has_the_same_id(connection: Connection, workspace: Workspace, receiver: Receiver) -> None:
    add_rina(workspace)
    delivery = waiting(connection)[0]

    carry(delivery)
    carry(delivery)

    assert receiver.calls[0][0]["webhook-id"] == receiver.calls[1][0]["webhook-id"] == f"msg_{delivery.idempotency_key}"


def test_message_and_deletion_arrive(
    connection: Connection, workspace: Workspace, receiver: Receiver, support_user: User
) -> None:
    to = ContactDraft("telegram", "rina_h")
    delivery = send_to(connection, "Your order is ready.", sender=support_user, to=to)
    carry(waiting(connection)[0])

    carry(delivery)
    delete_persona(workspace=workspace, persona_id=delivery.persona_id or 0, cause=BY_TEST)
    carry(waiting(connection)[-1])

    sent, gone = (json.loads(body) for _headers, body in receiver.calls[-2:])
    assert (sent["type"], sent["data"]["text"]) == ("message.send", "Your order is ready.")
    assert sent["data"]["contact"] == {"type": "telegram", "key": "rina_h", "label": ""}
    assert (gone["type"], gone["data"]) == ("persona.deleted", {"persona": delivery.persona_id})


@pytest.mark.parametrize(("status", "outcome"), [(500, Temporary), (404, Refused), (410, Refused), (302, Refused)])
def test_receivers_status_decides(
    connection: Connection, workspace: Workspace, receiver: Receiver, status: int, outcome: type[Outcome]
) -> None:
    add_rina(workspace)
    receiver.status = status

    found, _parcel = carry(waiting(connection)[0])

    assert type(found) is outcome
