"""The client of Bevatel's API, against our own server for it, over real HTTP."""

import json
from typing import Any

import pytest

from accounts.models import User, Workspace
from delivery.carriers import Delivered, Refused, Temporary
from messaging.models import Message, Template, Topic
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, Persona
from personas.services import PersonaDraft, add_persona, update_persona
from platforms.carrying import PlatformCarrier
from platforms.contract import PlannedCall
from platforms.models import Connection, ContactSession, Conversation, Link, SentMessage
from platforms.registry import platform_of
from platforms.transport import Exchange
from tests.platforms.connecting import BY_TEST, Remote, add_rina, carry, connect, push_while_added, send_to, waiting
from tokens.models import Token

pytestmark = pytest.mark.django_db(transaction=True)
WHATSAPP = ContactDraft("whatsapp", "+6281200000101")


@pytest.fixture
def connection(workspace: Workspace, remote: Remote, server: str) -> Connection:
    for of in (workspace, remote.workspace):
        AttributeDefinition.objects.create(workspace=of, key="city", label="City")
    return connect(workspace, remote, server, "bevatel")


def test_new_person_is_created_on_the_inbox(connection: Connection, workspace: Workspace, remote: Remote) -> None:
    add_rina(workspace, attributes={"city": "Bandung"}, gender="female")

    outcome, parcel = carry(waiting(connection)[0])

    there = remote.person()
    assert outcome == Delivered(str(there.pk))
    assert there.name == "Rina Hartono"
    assert {c.normalized for c in there.contacts.all()} == {"+6281200000101", "rina@example.org"}
    assert [v.value for v in there.attributes.all()] == ["Bandung"]
    assert [(call.step, call.status) for call in parcel.calls] == [("search", 200), ("search", 200), ("create", 200)]
    assert ContactSession.objects.get().persona_id == there.pk


def test_person_who_is_there_is_found_and_updated(connection: Connection, workspace: Workspace, remote: Remote) -> None:
    known = add_persona(workspace=remote.workspace, draft=PersonaDraft(name="R."), contacts=[WHATSAPP], cause=BY_TEST)
    add_rina(workspace)

    outcome, _parcel = carry(waiting(connection)[0])

    assert outcome == Delivered(str(known.pk))
    assert remote.person().name == "Rina Hartono"


def test_person_whom_another_connection_created_meanwhile_is_found_and_updated(
    connection: Connection, workspace: Workspace, remote: Remote
) -> None:
    rina = add_rina(workspace)

    ended, steps = push_while_added(connection, rina, remote, before="create")

    there = remote.person()
    assert (ended.trouble, ended.remote_id, there.name) == (None, str(there.pk), "Rina Hartono")
    assert steps[2:] == [("create", 422), ("search", 200), ("search", 200), ("update", 200)]


def test_creation_refused_for_another_reason_stays_refused_in_its_words(
    connection: Connection, workspace: Workspace, remote: Remote
) -> None:
    AttributeDefinition.objects.filter(workspace=remote.workspace).delete()
    add_rina(workspace, attributes={"city": "Bandung"})

    outcome, _parcel = carry(waiting(connection)[0])

    assert isinstance(outcome, Refused)
    assert outcome.code == "http_422"
    assert "city" in outcome.reason


def test_person_whose_contact_is_somebody_elses_is_refused_before_it_is_changed(
    connection: Connection, workspace: Workspace, remote: Remote
) -> None:
    add_rina(workspace)
    carry(waiting(connection)[0])
    joko = [ContactDraft("other", "joko-1")]
    update_persona(workspace=remote.workspace, persona_id=remote.person().pk, contacts=joko, cause=BY_TEST)
    add_persona(workspace=workspace, draft=PersonaDraft(name="Joko"), contacts=joko, cause=BY_TEST)

    outcome, _parcel = carry(waiting(connection)[1])

    assert isinstance(outcome, Refused)
    assert (outcome.code, remote.person().name) == ("record_taken", "Rina Hartono")


def test_linked_person_is_updated_by_one_call(connection: Connection, workspace: Workspace, remote: Remote) -> None:
    rina = add_rina(workspace, attributes={"city": "Bandung"})
    carry(waiting(connection)[0])
    update_persona(
        workspace=workspace,
        persona_id=rina.pk,
        draft=PersonaDraft(name="Rina H.", attributes={"city": None}),
        changed_contacts={rina.contacts.get(type="email").pk: None},
        cause=BY_TEST,
    )

    outcome, parcel = carry(waiting(connection)[1])

    there = remote.person()
    assert isinstance(outcome, Delivered)
    assert [(call.method, call.status) for call in parcel.calls] == [("PUT", 200)]
    assert (there.name, there.attributes.count(), there.contacts.count()) == ("Rina H.", 0, 1)


@pytest.mark.parametrize(
    ("contacts", "is_linked", "is_repeatable"), [([], False, False), ([WHATSAPP], False, True), ([], True, True)]
)
def test_adding_somebody_without_an_address_is_not_repeatable(
    connection: Connection, workspace: Workspace, contacts: Any, is_linked: bool, is_repeatable: bool
) -> None:
    """Nothing of theirs could be searched for: a worker that is killed in between must not add them twice."""
    added = add_persona(workspace=workspace, draft=PersonaDraft(name="Joko"), contacts=contacts, cause=BY_TEST)
    if is_linked:
        Link.objects.create(connection=connection, persona_id=added.pk, remote_id="7")

    carrier = PlatformCarrier(platform_of("bevatel"))

    assert carrier.is_repeatable(waiting(connection)[0]) == is_repeatable


def test_message_takes_contact_session_conversation_and_message(
    connection: Connection, workspace: Workspace, remote: Remote, support_user: User
) -> None:
    delivery = send_to(connection, "Your order is ready.", sender=support_user, to=WHATSAPP)

    outcome, parcel = carry(delivery)

    sent = Message.objects.get(workspace=remote.workspace)
    assert outcome == Delivered(str(sent.pk))
    assert (sent.text, sent.direction, sent.topic.persona_id) == (
        "Your order is ready.",
        "outgoing",
        remote.person().pk,
    )
    assert [call.step for call in parcel.calls] == [
        "search", "create", "conversations", "session", "conversation", "message",
    ]  # fmt: skip
    assert set(parcel.steps) == {"contact", "source", "conversation"}


def test_message_does_not_go_to_a_contact_with_the_persons_mail_and_another_number(
    connection: Connection, workspace: Workspace, remote: Remote, support_user: User
) -> None:
    add_rina(workspace)
    mail, other = ContactDraft("email", "rina@example.org"), ContactDraft("whatsapp", "+6281200000777")
    theirs = add_persona(
        workspace=remote.workspace, draft=PersonaDraft(name="Hers"), contacts=[mail, other], cause=BY_TEST
    )
    delivery = send_to(connection, "Your order is ready.", sender=support_user, to=WHATSAPP)

    outcome, _parcel = carry(delivery)

    assert isinstance(outcome, Delivered)
    sent = Message.objects.get(workspace=remote.workspace)
    assert sent.topic.persona_id != theirs.pk
    assert sent.recipients.values_list("contact__normalized", flat=True).get() == "+6281200000101"


def test_message_to_a_second_number_goes_to_a_contact_with_that_number(
    connection: Connection, workspace: Workspace, remote: Remote, support_user: User
) -> None:
    second = ContactDraft("phone", "+6281200000199")
    rina = add_rina(workspace)
    carry(waiting(connection)[0])
    update_persona(workspace=workspace, persona_id=rina.pk, contacts=[second], cause=BY_TEST)

    outcome, _parcel = carry(send_to(connection, "To the second number.", sender=support_user, to=second))

    got = Message.objects.get(topic__workspace=remote.workspace).recipients
    assert isinstance(outcome, Delivered)
    assert got.values_list("contact__normalized", flat=True).get() == "+6281200000199"


def test_second_message_stands_in_the_running_conversation(
    connection: Connection, workspace: Workspace, remote: Remote, support_user: User
) -> None:
    carry(send_to(connection, "One", sender=support_user, to=WHATSAPP))

    _outcome, parcel = carry(send_to(connection, "Two", sender=support_user, to=WHATSAPP))

    assert [call.step for call in parcel.calls] == ["search", "conversations", "message"]
    assert Topic.objects.get(workspace=remote.workspace).messages.count() == 2


def test_send_that_broke_off_goes_on_at_the_step_that_failed(
    connection: Connection, workspace: Workspace, remote: Remote, support_user: User
) -> None:
    delivery = send_to(connection, "Your order is ready.", sender=support_user, to=WHATSAPP)
    Token.objects.filter(workspace=remote.workspace).update(user_alias=None)

    refused, first = carry(delivery)
    Token.objects.filter(workspace=remote.workspace).update(user_alias=User.objects.get(username="remote-bot"))
    delivered, second = carry(delivery)

    assert isinstance(refused, Refused)
    assert "Set User Aliases" in refused.reason
    assert [call.step for call in first.calls][-1] == "message"
    assert isinstance(delivered, Delivered)
    assert [call.step for call in second.calls] == ["message"]
    assert Persona.objects.filter(workspace=remote.workspace).count() == 1
    assert Topic.objects.filter(workspace=remote.workspace).count() == 1


def test_message_of_unknown_outcome_is_found_or_not(
    connection: Connection, workspace: Workspace, support_user: User
) -> None:
    delivery = send_to(connection, "Your order is ready.", sender=support_user, to=WHATSAPP)
    _outcome, parcel = carry(delivery)
    carrier = PlatformCarrier(platform_of("bevatel"))
    for known in (SentMessage, Conversation):
        known.objects.all().delete()

    found = carrier.check(parcel)
    Message.objects.filter(workspace__slug="sandbox").delete()
    missing = carrier.check(parcel)

    assert isinstance(found, Delivered)
    assert (SentMessage.objects.get().remote_id, Conversation.objects.count()) == (found.remote_id, 1)
    assert isinstance(missing, Refused)
    assert missing.code == "not_arrived"
    assert not carrier.is_repeatable(delivery)


def test_message_of_unknown_outcome_is_found_behind_many_later_ones(
    connection: Connection, workspace: Workspace, remote: Remote, support_user: User
) -> None:
    _outcome, parcel = carry(send_to(connection, "Your order is ready.", sender=support_user, to=WHATSAPP))
    sent = Message.objects.get(workspace=remote.workspace)
    later = {"direction": sent.direction, "sender_name": "Bot", "text": "Later", "created_at": sent.created_at}
    Message.objects.bulk_create(
        Message(workspace=remote.workspace, topic_id=sent.topic_id, **later) for _number in range(45)
    )
    carrier = PlatformCarrier(platform_of("bevatel"))

    found = carrier.check(parcel)
    Message.objects.filter(pk=sent.pk).delete()
    missing = carrier.check(parcel)

    assert found == Delivered(str(sent.pk))
    assert isinstance(missing, Refused)


def test_nobody_can_say_whether_a_template_arrived(
    connection: Connection, workspace: Workspace, remote: Remote, support_user: User
) -> None:
    Template.objects.create(workspace=remote.workspace, name="ready", language="en", body="Hello {{1}}!")
    template = {"template": {"name": "ready", "language": "en", "parameters": ["Rina"]}}
    _outcome, parcel = carry(send_to(connection, "Hello Rina!", sender=support_user, to=WHATSAPP, data=template))

    assert PlatformCarrier(platform_of("bevatel")).check(parcel) is None


def test_template_goes_by_the_developer_api(
    connection: Connection, workspace: Workspace, remote: Remote, support_user: User
) -> None:
    Template.objects.create(workspace=remote.workspace, name="ready", language="en", body="Hello {{1}}!")
    template = {"template": {"name": "ready", "language": "en", "parameters": ["Rina"]}}

    outcome, parcel = carry(send_to(connection, "Hello Rina!", sender=support_user, to=WHATSAPP, data=template))

    assert isinstance(outcome, Delivered)
    assert [call.url.partition("/bevatel")[2] for call in parcel.calls] == ["/developer/api/v1/messages"]
    assert Message.objects.get(workspace=remote.workspace).text == "Hello Rina!"


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (401, {"error": "Invalid Access Token"}, Refused),
        (404, {"error": "Resource could not be found"}, Refused),
        (422, {"message": "Email has already been taken", "attributes": ["email"]}, Refused),
        (422, {"error": "Too many messages"}, Temporary),
        (429, "Retry later", Temporary),
        (502, "<html>", Temporary),
    ],
)
def test_published_refusals_mean_what_they_say(status: int, body: Any, outcome: type) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    bevatel = platform_of("bevatel")

    trouble = bevatel.trouble(PlannedCall("x", "POST", "x"), Exchange("POST", "", {}, "", status, {}, text, 1.0))

    assert type(trouble) is outcome
