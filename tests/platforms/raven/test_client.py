"""The client of Raven's API, against our own server for it, over real HTTP."""

from datetime import date
from typing import Any

import pytest

from accounts.models import Workspace
from delivery.carriers import Delivered, Refused, Temporary
from delivery.models import Delivery
from messaging.models import Message
from personas.matching import ContactDraft
from personas.merging import merge_personas
from personas.models import AttributeDefinition, Persona
from personas.services import PersonaDraft, add_persona, delete_persona, update_persona
from personas.unmerging import undo_merge
from platforms.models import Link
from tests.platforms.connecting import BY_TEST, Remote, add_rina, carry, connect, push_while_added, send_to, waiting
from tokens.models import Token

pytestmark = pytest.mark.django_db(transaction=True)
WHATSAPP = ContactDraft("whatsapp", "+6281200000101")


def define(workspace: Workspace) -> None:
    AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")
    AttributeDefinition.objects.create(workspace=workspace, key="age", label="Age", type="number")


def test_new_person_is_added_whole_and_linked(workspace: Workspace, remote: Remote, server: str) -> None:
    define(workspace)
    define(remote.workspace)
    connection = connect(workspace, remote, server, "raven")
    rina = add_rina(
        workspace, gender="female", birthday=date(1990, 5, 17), notes="VIP", attributes={"city": "Bandung", "age": 36}
    )

    outcome, parcel = carry(waiting(connection)[0])

    there = remote.person()
    assert outcome == Delivered(str(there.pk))
    assert (there.name, there.gender, there.birthday, there.notes) == (rina.name, "female", date(1990, 5, 17), "VIP")
    assert {v.definition.key: v.value for v in there.attributes.all()} == {"city": "Bandung", "age": "36"}
    assert {c.normalized for c in there.contacts.all()} == {"+6281200000101", "rina@example.org"}
    assert Link.objects.get().remote_id == str(there.pk)
    assert [(call.method, call.status) for call in parcel.calls] == [("GET", 200), ("GET", 200), ("POST", 200)]


def test_person_who_is_there_already_is_found_by_contact_and_updated(
    workspace: Workspace, remote: Remote, server: str
) -> None:
    connection = connect(workspace, remote, server, "raven")
    known = add_persona(
        workspace=remote.workspace,
        draft=PersonaDraft(name="R."),
        contacts=[ContactDraft("email", "Rina@Example.org")],
        cause=BY_TEST,
    )
    add_rina(workspace)

    outcome, _parcel = carry(waiting(connection)[0])

    there = remote.person()
    assert outcome == Delivered(str(known.pk))
    assert there.name == "Rina Hartono"
    assert {c.type for c in there.contacts.all()} == {"email", "whatsapp"}


def test_change_of_a_linked_person_sends_what_changed_and_nothing_else(
    workspace: Workspace, remote: Remote, server: str
) -> None:
    define(workspace)
    define(remote.workspace)
    connection = connect(workspace, remote, server, "raven")
    rina = add_rina(workspace, attributes={"city": "Bandung"})
    carry(waiting(connection)[0])
    update_persona(
        workspace=workspace,
        persona_id=rina.pk,
        draft=PersonaDraft(name="Rina H.", attributes={"city": None}),
        contacts=[ContactDraft("phone", "+6281200000109")],
        cause=BY_TEST,
    )

    outcome, parcel = carry(waiting(connection)[1])

    there = remote.person()
    assert isinstance(outcome, Delivered)
    assert (there.name, there.attributes.count(), there.contacts.count()) == ("Rina H.", 0, 3)
    assert [call.url.rpartition("/")[2] for call in parcel.calls] == [
        "persona:update", "attribute:update", "contact:add",
    ]  # fmt: skip


def test_address_of_a_merge_undone_before_it_was_pushed_is_not_told(
    workspace: Workspace, remote: Remote, server: str
) -> None:
    connection = connect(workspace, remote, server, "raven")
    kept = add_persona(workspace=workspace, draft=PersonaDraft(name="Rina"), contacts=[WHATSAPP], cause=BY_TEST)
    mail = [ContactDraft("email", "hartono@example.org")]
    absorbed = add_persona(workspace=workspace, draft=PersonaDraft(name="R. H."), contacts=mail, cause=BY_TEST)
    for delivery in waiting(connection):
        carry(delivery)
    Delivery.objects.all().delete()
    merge = merge_personas(workspace=workspace, kept_id=kept.pk, absorbed_id=absorbed.pk, cause=BY_TEST)
    undo_merge(merge=merge, cause=BY_TEST)
    about_kept = [delivery for delivery in waiting(connection) if delivery.persona_id == kept.pk]

    outcome, parcel = carry(about_kept[0])

    assert "contact.email" in about_kept[0].payload
    assert isinstance(outcome, Delivered)
    assert [call.step for call in parcel.calls if call.step == "contacts"] == []
    (there,) = Persona.objects.filter(workspace=remote.workspace, name="Rina")
    assert [contact.type for contact in there.contacts.all()] == ["whatsapp"]


def test_person_deleted_here_is_deleted_there(workspace: Workspace, remote: Remote, server: str) -> None:
    connection = connect(workspace, remote, server, "raven")
    rina = add_rina(workspace)
    carry(waiting(connection)[0])
    delete_persona(workspace=workspace, persona_id=rina.pk, cause=BY_TEST)

    outcome, _parcel = carry(waiting(connection)[-1])

    assert isinstance(outcome, Delivered)
    assert not Persona.objects.filter(workspace=remote.workspace).exists()
    assert not Link.objects.exists()


def test_same_delivery_carried_twice_adds_one_person(workspace: Workspace, remote: Remote, server: str) -> None:
    connection = connect(workspace, remote, server, "raven")
    add_rina(workspace)
    delivery = waiting(connection)[0]

    first, _parcel = carry(delivery)
    Link.objects.all().delete()
    second, _parcel = carry(delivery)

    assert first == second == Delivered(str(remote.person().pk))


def test_message_goes_to_its_recipient_once(
    workspace: Workspace, remote: Remote, server: str, support_user: Any
) -> None:
    connection = connect(workspace, remote, server, "raven", carries=frozenset({"messages"}))
    add_rina(workspace)
    delivery = send_to(
        connection, "Your order is ready.", sender=support_user, to=ContactDraft("whatsapp", "+6281200000101")
    )

    outcome, _parcel = carry(delivery)
    again, _parcel = carry(delivery)

    sent = Message.objects.get(workspace=remote.workspace)
    assert outcome == again == Delivered(str(sent.pk))
    assert (sent.text, sent.topic.type, sent.topic.name) == ("Your order is ready.", "persona", "Order 17")
    assert [r.address.normalized for r in sent.recipients.all()] == ["+6281200000101"]


def test_undefined_attribute_is_refused_in_plain_words(workspace: Workspace, remote: Remote, server: str) -> None:
    define(workspace)
    connection = connect(workspace, remote, server, "raven")
    add_rina(workspace, attributes={"city": "Bandung"})

    outcome, _parcel = carry(waiting(connection)[0])

    assert isinstance(outcome, Refused)
    assert outcome.code == "http_404"
    assert "There is no attribute “city” in this workspace" in outcome.reason


def test_revoked_token_is_refused_and_not_shown(workspace: Workspace, remote: Remote, server: str) -> None:
    connection = connect(workspace, remote, server, "raven")
    Token.objects.filter(workspace=remote.workspace).update(is_on=False)
    add_rina(workspace)

    outcome, parcel = carry(waiting(connection)[0])

    assert outcome == Refused("http_401", "It does not accept the credential. It says: “Unauthorized”")
    assert remote.secret not in str([vars(call) for call in parcel.calls])


def test_too_many_calls_are_tried_again_when_the_server_says(workspace: Workspace, remote: Remote, server: str) -> None:
    connection = connect(workspace, remote, server, "raven")
    Token.objects.filter(workspace=remote.workspace).update(requests_per_minute=1)
    add_rina(workspace)
    delivery = waiting(connection)[0]
    carry(delivery)

    outcome, _parcel = carry(delivery)

    assert isinstance(outcome, Temporary)
    assert outcome.code == "http_429"
    assert outcome.retry_after is not None


def test_record_deleted_there_is_added_again_by_a_retry(workspace: Workspace, remote: Remote, server: str) -> None:
    connection = connect(workspace, remote, server, "raven")
    rina = add_rina(workspace)
    carry(waiting(connection)[0])
    Persona.objects.filter(workspace=remote.workspace).delete()
    update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(name="Rina H."), cause=BY_TEST)
    delivery = waiting(connection)[1]

    refused, _parcel = carry(delivery)
    Delivery.objects.filter(pk=delivery.pk).update(idempotency_key="00000000-0000-4000-8000-000000000001")
    retried, _parcel = carry(Delivery.objects.get(pk=delivery.pk))

    assert isinstance(refused, Refused)
    assert refused.code == "gone_there"
    assert isinstance(retried, Delivered)
    assert remote.person().name == "Rina H."


def test_person_whose_record_is_somebody_elses_is_refused(workspace: Workspace, remote: Remote, server: str) -> None:
    connection = connect(workspace, remote, server, "raven")
    add_rina(workspace)
    carry(waiting(connection)[0])
    joko = [ContactDraft("phone", "+6281200000777")]
    update_persona(workspace=remote.workspace, persona_id=remote.person().pk, contacts=joko, cause=BY_TEST)
    add_persona(workspace=workspace, draft=PersonaDraft(name="Joko"), contacts=joko, cause=BY_TEST)

    outcome, parcel = carry(waiting(connection)[1])

    assert isinstance(outcome, Refused)
    assert outcome.code == "record_taken"
    assert [call.step for call in parcel.calls] == ["find"]
    assert remote.person().name == "Rina Hartono"


def test_person_whom_another_connection_added_meanwhile_is_found_and_updated(
    workspace: Workspace, remote: Remote, server: str
) -> None:
    connection = connect(workspace, remote, server, "raven")
    rina = add_rina(workspace)

    ended, steps = push_while_added(connection, rina, remote, before="add")

    there = remote.person()
    assert (ended.trouble, ended.remote_id, there.name) == (None, str(there.pk), "Rina Hartono")
    assert steps == [("find", 200), ("find", 200), ("add", 409), ("find", 200), ("update", 200), ("contacts", 200)]
