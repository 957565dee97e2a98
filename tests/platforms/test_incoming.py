"""What a platform tells us: taken in over HTTP, once, and what follows from it here. Its calls are fixtures."""

import hashlib
import hmac
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User, Workspace
from delivery.carriers import Occurrence
from delivery.models import Delivery
from delivery.outbox import MESSAGES, announce
from messaging.models import Message, Recipient, Topic
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, Persona, PersonaChange
from personas.services import PersonaDraft, add_persona, update_persona
from platforms.connections import ConnectionDraft, add_connection
from platforms.following import follow_calls
from platforms.models import Connection, Conversation, EarlyWord, Link, ReceivedCall, SentMessage
from platforms.progress import remember_sent
from platforms.receiving import (
    KEPT,
    close_address,
    follow_again,
    open_address,
    prune_received,
    set_signing_secret,
)
from platforms.tasks import follow_left_calls
from tests.console.conftest import make_message
from tests.platforms.connecting import BY_TEST, add_rina

pytestmark = pytest.mark.django_db
FOLDER = Path(__file__).parent / "bevatel" / "webhooks"


@pytest.fixture
def connection(workspace: Workspace) -> Connection:
    draft = ConnectionDraft(
        platform="bevatel", name="Shop chat", base_url="https://chat.example.org", credential="secret",
        settings={"account_id": "7", "inbox_id": "3"}, carries=frozenset({"personas", "messages"}),
    )  # fmt: skip
    return add_connection(workspace=workspace, draft=draft)


@pytest.fixture
def address(connection: Connection, settings: Any) -> str:
    return open_address(connection=connection).removeprefix(settings.BASE_URL)


@pytest.fixture
def rina(workspace: Workspace, connection: Connection) -> Persona:
    """Known here, linked, and nothing of her on its way."""
    made = add_rina(workspace)
    Link.objects.create(connection=connection, persona_id=made.pk, remote_id="161")
    Delivery.objects.all().delete()
    return made


def payload(name: str, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text()) | changes
    return found


def post(address: str, event: Any, **headers: str) -> Any:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return Client().post(address, body, content_type="application/json", headers=headers)


def tell(address: str, name: str, **changes: Any) -> ReceivedCall:
    """The platform has called, and the worker has followed."""
    answer = post(address, payload(name, **changes))
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    call = ReceivedCall.objects.order_by("-pk")[0]
    follow_calls.call(call.connection_id)
    call.refresh_from_db()
    return call


def outcome_of(call: ReceivedCall) -> tuple[str, str]:
    return call.outcome, call.explanation


# ------------------------------------------------------------------------------------------------- taking it in
def test_call_is_stored_and_answered_before_anything_follows(address: str) -> None:
    answer = post(address, payload("message_created__incoming"))

    assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert ReceivedCall.objects.values_list("event", "outcome").get() == ("message_created", "waiting")
    assert not Message.objects.exists()


def test_address_works_without_the_slash_too(address: str) -> None:
    for written in (address.rstrip("/"), f"{address.rstrip('/')}/"):
        assert post(written, payload("message_created__incoming")).status_code == 200


def test_call_that_comes_twice_is_followed_once(address: str) -> None:
    for _time in range(3):
        assert post(address, payload("message_created__incoming")).status_code == 200
    follow_calls.call(Connection.objects.get().pk)
    post(address, payload("message_created__incoming"))

    assert Message.objects.count() == 1
    assert ReceivedCall.objects.values_list("repeats", "outcome").get() == (3, "done")


def test_call_with_an_id_of_its_own_is_known_by_it(address: str) -> None:
    for delivery in ("a", "a", "b"):
        post(address, payload("contact_updated__name"), **{"X-Chatwoot-Delivery": delivery})

    assert set(ReceivedCall.objects.values_list("key", "repeats")) == {("call:a", 1), ("call:b", 0)}


def test_nothing_is_taken_at_another_address(address: str, connection: Connection) -> None:
    assert post(f"{address[:-4]}AAA/", payload("message_created__incoming")).status_code == 404
    renewed = open_address(connection=connection)
    assert post(address, payload("message_created__incoming")).status_code == 404
    assert post(renewed[renewed.index("/in/") :], payload("message_created__incoming")).status_code == 200
    close_address(connection=connection)
    assert post(renewed[renewed.index("/in/") :], payload("message_created__private_note")).status_code == 404
    assert ReceivedCall.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"[]", 400), (b'{"event": 7}', 400), (b'{"no": "event"}', 400), (b"\xff\xfe", 400),
        (b'{"event": "x\\u0000"}', 400), (b'{"event": "\\\\\\u0000"}', 400),
        (b'{"event": "' + b"x" * 300_000 + b'"}', 413),
    ],
)  # fmt: skip
def test_body_that_is_none_is_refused(address: str, body: bytes, status: int) -> None:
    assert post(address, body).status_code == status
    assert Client().get(address).status_code == 405
    assert not ReceivedCall.objects.exists()


def test_a_message_with_the_letters_of_an_escape_is_taken(address: str) -> None:
    event = payload("message_created__incoming") | {"content": r"grep '\u0000'"}

    assert post(address, event).status_code == 200
    assert ReceivedCall.objects.count() == 1


def signed(body: bytes, *, secret: str, at: datetime) -> dict[str, str]:
    moment = str(int(at.timestamp()))
    right = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Chatwoot-Timestamp": moment, "X-Chatwoot-Signature": f"sha256={right}"}


def test_only_signed_calls_are_taken_where_a_secret_is_set(address: str, connection: Connection) -> None:
    set_signing_secret(connection=connection, secret="of-the-webhook")
    body, now = json.dumps(payload("message_created__incoming")).encode(), timezone.now()
    good = signed(body, secret="of-the-webhook", at=now)

    refused = [
        post(address, body, **headers).status_code
        for headers in (
            {},
            signed(body, secret="another", at=now),
            signed(body + b" ", secret="of-the-webhook", at=now),
            signed(body, secret="of-the-webhook", at=now - timedelta(minutes=6)),
            good | {"X-Chatwoot-Timestamp": "soon"},
            good | {"X-Chatwoot-Signature": "sha256=é"},
        )
    ]
    taken = post(address, body, **good)

    connection.refresh_from_db()
    assert refused == [401] * 6
    assert taken.status_code == 200
    assert "of-the-webhook" not in connection.sealed_incoming_secret
    noted = ReceivedCall.objects.filter(outcome="failed")
    assert sum(1 + call.repeats for call in noted) == 6
    assert {call.explanation for call in noted} == {"The signature is missing, wrong or too old."}


def test_removed_connection_takes_nothing(address: str, connection: Connection) -> None:
    connection.destination.removed_at = timezone.now()
    connection.destination.save()

    assert post(address, payload("message_created__incoming")).status_code == 404


# ------------------------------------------------------------------------------------------------------ messages
def test_what_a_person_writes_is_a_message_of_theirs(address: str, rina: Persona, connection: Connection) -> None:
    call = tell(address, "message_created__incoming")

    message = Message.objects.select_related("topic").get()
    assert (message.direction, message.sender_persona_id, message.text) == ("incoming", rina.pk, "Is my order ready?")
    assert (message.topic.type, message.topic.persona_id, message.topic.name) == ("persona", rina.pk, "Shop chat 17")
    assert (call.outcome, call.body, call.persona_id, call.topic_id) == ("done", "", rina.pk, message.topic_id)
    assert not Delivery.objects.exists()


def test_next_message_stands_in_the_same_topic_and_opens_it(address: str, rina: Persona) -> None:
    tell(address, "message_created__incoming")
    Topic.objects.update(status="resolved")

    tell(address, "message_created__incoming", id=905, content="Hello?")

    topic = Topic.objects.get()
    assert (topic.status, topic.messages.count()) == ("open", 2)


def test_somebody_unknown_who_writes_is_added_and_linked(
    address: str, workspace: Workspace, connection: Connection
) -> None:
    tell(address, "message_created__incoming")

    persona = workspace.personas.get()
    assert (persona.name, {c.normalized for c in persona.contacts.all()}) == (
        "Rina Hartono", {"+6281200000101", "rina@example.org"},
    )  # fmt: skip
    assert Link.objects.values_list("persona_id", "remote_id").get() == (persona.pk, "161")
    assert set(PersonaChange.objects.values_list("origin", "actor_label")) == {("platform", "Shop chat")}
    assert not Delivery.objects.exists()


def test_somebody_without_an_address_who_writes_is_added_by_name(address: str, workspace: Workspace) -> None:
    visitor = {"id": 162, "name": "calm-river-7", "email": None, "phone_number": None, "identifier": None}

    tell(address, "message_created__incoming", sender=visitor)

    assert (workspace.personas.get().name, Link.objects.get().remote_id) == ("calm-river-7", "162")


def test_attachment_is_written_down_with_its_address(address: str, rina: Persona) -> None:
    tell(address, "message_created__attachment")

    assert Message.objects.get().text == "[image] https://chat.example.org/files/1.jpg"


def test_message_of_two_people_waits_for_somebody_to_merge_them(
    address: str, workspace: Workspace, connection: Connection
) -> None:
    for name, contact in (("One", ContactDraft("email", "rina@example.org")),
                          ("Two", ContactDraft("phone", "+6281200000101"))):  # fmt: skip
        add_persona(workspace=workspace, draft=PersonaDraft(name=name), contacts=[contact], cause=BY_TEST)
    call = tell(address, "message_created__incoming")
    outcome, explanation = outcome_of(call)
    Persona.objects.get(name="Two").delete()

    follow_again(call=call)
    follow_calls.call(connection.pk)

    call.refresh_from_db()
    assert outcome == "failed"
    assert "belong to several people here: One" in explanation
    assert (call.outcome, call.body) == ("done", "")
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("message_created__outgoing", {}, "Written there, or sent from here"),
        ("message_created__private_note", {}, "A private note"),
        ("message_created__incoming", {"content": " "}, "The message is empty."),
        ("message_created__incoming", {"account": {"id": 8}}, "Of another account: 8."),
        ("message_created__incoming", {"inbox": {"id": 4}}, "Of another inbox: 4."),
        ("message_updated__delivered", {}, "Not a message that was sent from here."),
        ("message_updated__no_status", {}, "It does not say how far the message got."),
        ("conversation_status_changed__resolved", {}, "No topic here is this conversation."),
        ("conversation_status_changed__resolved", {"status": "asleep"}, "This status is not known here: asleep."),
        ("conversation_created__new", {}, "Nothing here follows from this event."),
        ("contact_updated__name", {}, "Nobody here is linked to this person"),
        ("contact_created__new", {"email": None, "phone_number": None}, "Nobody knows an address"),
    ],
)
def test_what_is_ignored_says_why(address: str, name: str, changes: dict[str, Any], reason: str) -> None:
    call = tell(address, name, **changes)

    assert call.outcome == "ignored"
    assert reason in call.explanation
    assert not Message.objects.exists()
    assert not Persona.objects.exists()


@pytest.mark.parametrize("changes", [{"conversation": None}, {"sender": {"name": "x"}}, {"conversation": {"id": 1}}])
def test_what_is_not_as_documented_fails_and_keeps_its_body(address: str, changes: dict[str, Any]) -> None:
    sender = {} if "sender" in changes else {"sender": None}
    call = tell(address, "message_created__incoming", **(sender | changes))

    assert outcome_of(call) == ("failed", "It can't be understood: it is not what the platform documents.")
    assert call.body


def test_what_the_connection_does_not_carry_is_ignored(address: str, connection: Connection) -> None:
    connection.destination.carries_messages = False
    connection.destination.save()

    call = tell(address, "message_created__incoming")

    assert outcome_of(call) == ("ignored", "This connection does not carry messages.")


# -------------------------------------------------------------------------------------------- messages of our own
@pytest.fixture
def recipient(rina: Persona, connection: Connection, support_user: User) -> Recipient:
    """Of a message that was sent from here, and is message 902 there."""
    topic = Topic.objects.create(workspace=rina.workspace, type="persona", name="Order", persona=rina)
    rina.contacts.filter(type="email").delete()
    sent = make_message(topic, rina, support_user).recipients.get()
    SentMessage.objects.create(connection=connection, remote_id="902", recipient_id=sent.pk)
    Conversation.objects.create(connection=connection, remote_id="17", topic=topic)
    return sent


def test_how_far_our_message_got_is_known(address: str, recipient: Recipient) -> None:
    calls = [tell(address, name) for name in ("message_updated__delivered", "message_updated__delivered")]

    recipient.refresh_from_db()
    assert recipient.state == "delivered"
    assert [outcome_of(call) for call in calls] == [
        ("done", "Our message: delivered."), ("ignored", "It was known already."),
    ]  # fmt: skip


def test_our_message_that_failed_there_says_why(address: str, recipient: Recipient) -> None:
    tell(address, "message_updated__failed")

    recipient.refresh_from_db()
    assert (recipient.state, recipient.problem) == ("failed", "131026: Message undeliverable")


def test_what_is_said_of_our_message_before_its_answer_came_counts_when_that_has_come(
    address: str, connection: Connection, recipient: Recipient
) -> None:
    SentMessage.objects.all().delete()
    calls = [tell(address, name) for name in ("message_updated__delivered", "message_updated__failed")]
    before = [outcome_of(call) for call in calls]

    for _attempt in range(2):  # a worker that takes over remembers once more
        remember_sent(connection, recipient_id=recipient.pk, message_id="902", conversation_id="17")

    recipient.refresh_from_db()
    assert before == [("ignored", "Not a message that was sent from here.")] * 2
    assert recipient.state == "delivered"
    for call in calls:
        call.refresh_from_db()
    assert [outcome_of(call) for call in calls] == [("done", "Our message: delivered."), before[1]]
    assert (calls[0].persona_id, calls[0].topic_id) == (recipient.persona_id, recipient.message.topic_id)
    assert not EarlyWord.objects.exists()


def test_our_own_message_told_back_is_no_message(address: str, recipient: Recipient) -> None:
    call = tell(address, "message_created__outgoing")

    assert call.outcome == "ignored"
    assert Message.objects.count() == 1


def test_answer_to_our_message_stands_in_its_topic(address: str, recipient: Recipient) -> None:
    tell(address, "message_created__incoming")

    assert recipient.message.topic.messages.count() == 2


@pytest.mark.parametrize(
    ("state", "conversation", "own_topic"),
    [("sending", "17", False), ("unknown", "17", False), ("waiting", "18", True), ("sending", "", True)],
)
def test_answer_that_comes_before_we_know_what_became_of_our_message_stands_in_its_topic(
    address: str, connection: Connection, recipient: Recipient, state: str, conversation: str, *, own_topic: bool
) -> None:
    for known in (SentMessage, Conversation):
        known.objects.all().delete()
    sent = Occurrence(connection.workspace_id, "message.sent", recipient.message_id, BY_TEST.at)
    announce([sent], to=MESSAGES)
    lease = {"lease": "worker", "leased_until": timezone.now()} if state == "sending" else {}
    Delivery.objects.update(state=state, steps={"conversation": conversation} if conversation else {}, **lease)

    tell(address, "message_created__incoming")

    answer = Message.objects.get(direction="incoming")
    assert (answer.topic_id != recipient.message.topic_id) == own_topic
    assert Conversation.objects.get().topic_id == answer.topic_id


def test_status_of_the_conversation_is_the_topics(address: str, recipient: Recipient) -> None:
    first = tell(address, "conversation_status_changed__resolved")
    second = tell(address, "conversation_status_changed__resolved")

    assert Topic.objects.get().status == "resolved"
    assert (outcome_of(first), second.outcome) == (("done", "The topic is resolved."), "ignored")


# -------------------------------------------------------------------------------------------------------- people
def test_new_contact_there_is_added_here_and_not_sent_back(address: str, workspace: Workspace) -> None:
    AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")
    AttributeDefinition.objects.create(workspace=workspace, key="age", label="Age", type="number")

    tell(address, "contact_created__new", custom_attributes={"city": "Bandung", "age": "old", "unknown": "x"})

    persona = workspace.personas.get()
    assert [value.value for value in persona.attributes.all()] == ["Bandung"]
    assert not Delivery.objects.exists()


def test_new_contact_there_who_is_known_here_is_linked_and_nothing_of_either_changes(
    address: str, workspace: Workspace, connection: Connection
) -> None:
    rina = add_rina(workspace)
    Delivery.objects.all().delete()

    calls = [tell(address, "contact_created__new", phone_number=number) for number in ("+6281200000101", "+1")]

    assert workspace.personas.get().name == "Rina Hartono"
    assert Link.objects.values_list("persona_id", "remote_id").get() == (rina.pk, "161")
    assert [call.outcome for call in calls] == ["done", "ignored"]
    assert not Delivery.objects.exists()


def test_change_there_is_taken_over_and_not_sent_back(address: str, rina: Persona) -> None:
    call = tell(address, "contact_updated__name")

    rina.refresh_from_db()
    change = PersonaChange.objects.filter(persona=rina, field="name").get()
    assert outcome_of(call) == ("done", "Changed the person.")
    assert (rina.name, change.origin, change.actor_label) == ("Rina H. Wijaya", "platform", "Shop chat")
    assert not Delivery.objects.exists()


def test_change_of_a_record_that_shares_an_address_links_it_and_changes_nobody_until_the_next(
    address: str, rina: Persona, connection: Connection
) -> None:
    """Of somebody deleted here, say, whose number is Rina's now."""
    Link.objects.all().delete()

    met = tell(address, "contact_updated__name")
    rina.refresh_from_db()
    name = rina.name
    changed = tell(address, "contact_updated__name")

    rina.refresh_from_db()
    assert (outcome_of(met), name) == (("done", "Linked to the person who has its address."), "Rina Hartono")
    assert Link.objects.values_list("persona_id", "remote_id").get() == (rina.pk, "161")
    assert (outcome_of(changed), rina.name) == (("done", "Changed the person."), "Rina H. Wijaya")


def test_change_of_another_record_with_an_address_of_somebody_linked_changes_nobody(
    address: str, rina: Persona
) -> None:
    Link.objects.update(remote_id="99")

    call = tell(address, "contact_updated__name")

    rina.refresh_from_db()
    assert outcome_of(call) == ("ignored", "The person who has its address is another record there.")
    assert (rina.name, Link.objects.get().remote_id) == ("Rina Hartono", "99")


def test_other_connections_hear_of_the_change(address: str, rina: Persona) -> None:
    draft = ConnectionDraft(
        platform="webhook", name="CRM", base_url="https://crm.example.org/in", carries=frozenset({"personas"})
    )
    crm = add_connection(workspace=rina.workspace, draft=draft)

    tell(address, "contact_updated__name")

    assert Delivery.objects.values_list("destination", "kind").get() == (crm.destination_id, "persona.changed")


def test_only_what_changed_there_is_taken_over(address: str, rina: Persona) -> None:
    update_persona(workspace=rina.workspace, persona_id=rina.pk, draft=PersonaDraft(name="Rina here"), cause=BY_TEST)
    Delivery.objects.all().delete()
    changed = [{"email": {"previous_value": "rina@example.org", "current_value": None}}]

    tell(address, "contact_updated__name", email=None, changed_attributes=changed)

    rina.refresh_from_db()
    assert rina.name == "Rina here"
    assert {contact.type for contact in rina.contacts.all()} == {"whatsapp"}


def test_call_that_does_not_say_what_changed_takes_nothing_away(address: str, rina: Persona) -> None:
    tell(address, "contact_updated__name", email=None, phone_number="", changed_attributes=None)

    rina.refresh_from_db()
    assert rina.name == "Rina H. Wijaya"
    assert rina.contacts.count() == 2


def test_number_of_somebody_else_is_refused_with_their_name(address: str, rina: Persona) -> None:
    add_persona(
        workspace=rina.workspace, draft=PersonaDraft(name="Joko"), cause=BY_TEST,
        contacts=[ContactDraft("whatsapp", "+6281200000102")],
    )  # fmt: skip
    changed = [{"phone_number": {"previous_value": "+6281200000101", "current_value": "+6281200000102"}}]

    call = tell(address, "contact_updated__name", phone_number="+6281200000102", changed_attributes=changed)

    assert call.outcome == "failed"
    assert "already belongs to Joko" in call.explanation
    assert rina.contacts.get(type="whatsapp").normalized == "+6281200000101"


@pytest.mark.parametrize("state", ["waiting", "sending", "delivered", "unknown"])
def test_our_own_change_told_back_changes_nothing_though_we_have_changed_it_again(
    address: str, rina: Persona, state: str
) -> None:
    """Rina H. Wijaya was pushed, then Rina was typed here: the platform tells of the first only now."""
    for name in ("Rina H. Wijaya", "Rina"):
        update_persona(workspace=rina.workspace, persona_id=rina.pk, draft=PersonaDraft(name=name), cause=BY_TEST)
    leased_until = timezone.now() if state == "sending" else None
    Delivery.objects.update(state=state, settled_at=timezone.now(), leased_until=leased_until)
    posted = Delivery.objects.count()

    call = tell(address, "contact_updated__name")

    rina.refresh_from_db()
    assert posted == 2
    assert rina.name == "Rina"
    assert outcome_of(call) == ("ignored", "It says what we told it.")
    assert Delivery.objects.count() == posted


def test_value_that_we_brought_there_long_ago_is_theirs_now(address: str, rina: Persona) -> None:
    for name in ("Rina H. Wijaya", "Rina"):
        update_persona(workspace=rina.workspace, persona_id=rina.pk, draft=PersonaDraft(name=name), cause=BY_TEST)
    Delivery.objects.update(state="delivered", settled_at=timezone.now() - timedelta(minutes=5))

    tell(address, "contact_updated__name")

    rina.refresh_from_db()
    assert rina.name == "Rina H. Wijaya"


# ---------------------------------------------------------------------------------------------------- afterwards
def test_what_came_before_the_connection_moved_to_another_server_is_about_nobody_there(
    address: str, rina: Persona, connection: Connection
) -> None:
    Connection.objects.update(moved_at=timezone.now() + timedelta(seconds=1))

    call = tell(address, "message_created__incoming")

    assert (call.outcome, call.explanation) == (
        "failed", "It came before the address of the connection was changed, so whom it is about is not known.",
    )  # fmt: skip
    assert call.body
    assert not Message.objects.exists()


def test_what_a_worker_left_behind_is_followed(address: str, rina: Persona) -> None:
    post(address, payload("message_created__incoming"))
    ReceivedCall.objects.update(received_at=timezone.now() - timedelta(minutes=1))

    follow_left_calls.call()

    assert Message.objects.count() == 1


def test_call_that_breaks_the_worker_again_and_again_is_given_up(address: str, rina: Persona) -> None:
    post(address, payload("message_created__incoming"))
    ReceivedCall.objects.update(attempts=3)

    follow_calls.call(Connection.objects.get().pk)

    call = ReceivedCall.objects.get()
    assert call.outcome == "failed"
    assert "broke off each time" in call.explanation


def test_log_is_kept_for_thirty_days(address: str) -> None:
    call = tell(address, "message_created__private_note")

    prune_received(at=call.received_at + KEPT)
    kept = ReceivedCall.objects.count()
    prune_received(at=call.received_at + KEPT + timedelta(seconds=1))

    assert (kept, ReceivedCall.objects.count()) == (1, 0)
