"""What a Raven server tells us: the callbacks of the token that we show it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook as Signing

from accounts.models import User, Workspace
from delivery.carriers import Delivered
from delivery.models import Delivery
from delivery.sender import Sender
from messaging.models import Message, Recipient, Topic
from messaging.progress import note_progress
from messaging.services import receive_message
from messaging.topics import TopicDraft
from personas.matching import ContactDraft
from personas.models import Persona
from platforms.callbacks.payloads import SAMPLES, sample_of
from platforms.callbacks.services import save_callbacks
from platforms.following import follow_calls
from platforms.happenings import MessageMoved, Nothing, PersonWrote, Record
from platforms.models import Connection, Link, ReceivedCall
from platforms.raven import incoming
from platforms.receiving import open_address, set_signing_secret
from platforms.webhook.client import new_secret
from tests.platforms.connecting import BY_TEST, Remote, add_rina, carry, connect, send_to, waiting
from tokens.models import Token
from tokens.services import COMMAND_LINE

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
WHATSAPP = ContactDraft("whatsapp", "+6281200000101")
SECRET = new_secret()


# ---------------------------------------------------------------------------------------------------- one call
def told(event: str, **changes: Any) -> dict[str, Any]:
    """As docs/callbacks.md shows it."""
    return {"type": event, "timestamp": "2026-11-21T09:30:00.000Z", "data": SAMPLES[event] | changes}


def test_message_of_somebody_is_one_of_theirs_in_a_topic_of_that_name() -> None:
    wrote = PersonWrote(Record("17", {"name": "Rina Hartono"}), "5/17", "Is it ready?", topic="Order 17")

    assert incoming.happening_of(told("message.received")) == wrote
    assert isinstance(incoming.happening_of(told("message.received", persona=None)), Nothing)


@pytest.mark.parametrize("status", ["sent", "delivered", "read", "failed"])
def test_report_says_how_far_our_message_got(status: str) -> None:
    happening = incoming.happening_of(told("message.status", status=status, problem="No."))

    assert happening == MessageMoved("43", status, "No.")


@pytest.mark.parametrize("status", ["waiting", "unknown", "lost"])
def test_report_that_says_nothing_is_ignored(status: str) -> None:
    assert isinstance(incoming.happening_of(told("message.status", status=status)), Nothing)


@pytest.mark.parametrize("event", ["conversation.created", "persona.updated", "token.expiring", "something.else"])
def test_other_events_are_ignored(event: str) -> None:
    assert isinstance(incoming.happening_of({"type": event, "data": SAMPLES.get(event, {})}), Nothing)


def test_a_test_is_ignored() -> None:
    assert isinstance(incoming.happening_of(json.loads(sample_of("message.received", at=AT))), Nothing)


def signed(body: bytes, *secrets: str, at: datetime = AT) -> dict[str, str]:
    signatures = [Signing(secret).sign("msg_1", at, body.decode()) for secret in secrets]
    return {
        "webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": " ".join(signatures),
    }  # fmt: skip


def test_signature_holds_for_five_minutes_and_while_the_secret_rotates() -> None:
    both = signed(b"{}", new_secret(), SECRET)

    def holds(headers: dict[str, str], body: bytes = b"{}", secret: str = SECRET, at: datetime = AT) -> bool:
        return incoming.is_signed(headers, body, secret=secret, at=at)

    assert holds(both)
    assert holds(both, at=AT + timedelta(minutes=5))
    assert not holds(both, at=AT + timedelta(minutes=5, seconds=1))
    assert not holds(both, body=b"{ }")
    assert not holds(both, secret=new_secret())
    assert not holds(both | {"webhook-id": "msg_2"})
    for wrong in ({"webhook-timestamp": "²"}, {"webhook-timestamp": ""}, {"webhook-signature": ""}):
        assert not holds(both | wrong)
    assert not holds(both, secret="not base64!")
    assert not holds(both, body=b"\xff")


# ------------------------------------------------------------------------------------ two workspaces, over HTTP
@pytest.fixture
def connection(workspace: Workspace, remote: Remote, server: str, settings: Any) -> Connection:
    """Connected, and called back by the token that it shows there."""
    settings.BASE_URL = server
    made = connect(workspace, remote, server, "raven")
    urls = dict.fromkeys(incoming.EVENTS, open_address(connection=made))
    token = Token.objects.get(workspace=remote.workspace)
    secret = save_callbacks(token=token, urls=urls, by=COMMAND_LINE, at=timezone.now()).secret
    set_signing_secret(connection=made, secret=secret or "")
    return made


def hear(connection: Connection) -> ReceivedCall:
    """What leaves there has come in here, and is followed."""
    Sender(threads=1).drain()
    follow_calls.call(connection.pk)
    return ReceivedCall.objects.filter(connection=connection).latest("pk")


def write(remote: Remote, persona: Persona, text: str) -> None:
    receive_message(
        workspace_id=remote.workspace.pk, persona=persona, topic=TopicDraft("mass", "News"), anchor_id=None, text=text,
        check_may_add_topic=lambda: None, cause=BY_TEST,
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_what_people_write_there_is_theirs_here(connection: Connection, workspace: Workspace, remote: Remote) -> None:
    rina = add_rina(workspace)
    assert isinstance(carry(waiting(connection)[0])[0], Delivered)
    Delivery.objects.filter(destination=connection.destination).delete()

    for text in ("Is it ready?", "Hello?"):
        write(remote, remote.person(), text)
    call = hear(connection)

    assert (call.outcome, call.explanation, call.persona_id) == ("done", "A message of this person.", rina.pk)
    topic = Topic.objects.get(workspace=workspace)
    assert (topic.name, topic.type, topic.persona_id) == ("News", "persona", rina.pk)
    assert [message.text for message in topic.messages.order_by("pk")] == ["Is it ready?", "Hello?"]
    assert not Delivery.objects.filter(destination=connection.destination).exists()


@pytest.mark.django_db(transaction=True)
def test_whoever_is_linked_to_nobody_can_be_brought_in_and_the_call_tried_again(
    connection: Connection, workspace: Workspace, remote: Remote
) -> None:
    theirs = add_rina(remote.workspace)
    write(remote, theirs, "Is it ready?")

    call = hear(connection)

    assert (call.outcome, call.explanation) == (
        "failed", "Rina Hartono is linked to nobody here. Bring in the people already there, then try again.",
    )  # fmt: skip
    assert not Persona.objects.filter(workspace=workspace).exists()
    assert call.body


@pytest.mark.django_db(transaction=True)
def test_how_far_a_message_got_there_is_known_here(connection: Connection, remote: Remote, support_user: User) -> None:
    delivery = send_to(connection, "Your order is ready.", sender=support_user, to=WHATSAPP)
    assert isinstance(carry(delivery)[0], Delivered)
    sent_there = Recipient.objects.get(message__workspace=remote.workspace)

    note_progress(recipient_id=sent_there.pk, state=Recipient.State.READ)
    call = hear(connection)

    assert (call.outcome, call.explanation) == ("done", "Our message: read.")
    assert Recipient.objects.get(pk=delivery.recipient_id or 0).state == "read"


@pytest.mark.django_db(transaction=True)
def test_unsigned_call_is_refused(connection: Connection, workspace: Workspace, settings: Any) -> None:
    address = open_address(connection=connection).removeprefix(settings.BASE_URL)
    rina = add_rina(workspace)
    Link.objects.create(connection=connection, persona_id=rina.pk, remote_id="17")

    answer = Client().post(address, told("message.received"), content_type="application/json")

    assert answer.status_code == 401
    assert not Message.objects.exists()
