"""Many people deleted, and brought back."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import serializers
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User, Workspace
from delivery.models import Event
from messaging.models import Message, Recipient, Topic
from personas.bulk import deleting
from personas.bulk.choosing import Chosen
from personas.bulk.deleting import (
    CopiesNotThere,
    CountNotConfirmed,
    begin_deleting,
    erase_copies,
    erase_old_copies,
    start_deleting,
)
from personas.bulk.setting import begin_setting
from personas.filters import PersonaFilter
from personas.matching import ContactDraft
from personas.models import (
    AttributeDefinition,
    AttributeValue,
    Contact,
    DeletionReceipt,
    Operation,
    OperationRow,
    Persona,
    PersonaChange,
)
from personas.operations import can_be_undone
from personas.privacy import erase_all
from personas.services import PersonaDraft, add_persona
from tests.personas.bulk.conftest import CAUSE, EVERYBODY
from tests.personas.operating import AT, carried_out, undone, work_off

pytestmark = pytest.mark.django_db


def _delete(workspace: Workspace, by: User, chosen: Chosen = EVERYBODY) -> Operation:
    return carried_out(work_off(begin_deleting(workspace=workspace, chosen=chosen, by=by, at=AT)), by)


def _everything() -> dict[str, Any]:
    models = (Persona, Contact, AttributeValue, PersonaChange, Topic, Message, Recipient)
    return {model.__name__: serializers.serialize("json", model._base_manager.order_by("pk")) for model in models}


@pytest.fixture
def talk(workspace: Workspace, people: list[Persona], support_user: User) -> Topic:
    """Rina and Joko, in a topic of hers and in one for all."""
    rina, joko, _maya = people
    own = Topic.objects.create(workspace=workspace, type="persona", name="Order", persona=rina)
    news = Topic.objects.create(workspace=workspace, type="mass", name="News")
    for topic, sender, to in ((own, None, [rina]), (own, rina, []), (news, rina, []), (news, None, [rina, joko])):
        message = Message.objects.create(
            workspace=workspace, topic=topic, direction="incoming" if sender else "outgoing",
            sender_persona=sender, sender_user=None if sender else support_user,
            sender_name=sender.name if sender else "budi", text="Hi", created_at=AT,
        )  # fmt: skip
        for persona in to:
            Recipient.objects.create(message=message, persona=persona, contact=persona.contacts.get())
    return own


def test_deleted_people_leave_receipts_and_nothing_else(
    workspace: Workspace, people: list[Persona], talk: Topic, admin_user: User
) -> None:
    operation = _delete(workspace, admin_user)

    assert (operation.state, Persona.objects.count(), Contact.objects.count()) == ("done", 0, 0)
    assert list(Message.objects.values_list("sender_name", flat=True)) == ["budi", "Deleted persona"]
    receipts = DeletionReceipt.objects.order_by("persona_id")
    assert [(r.persona_id, r.contact_count, r.message_count, r.actor_label) for r in receipts] == [
        (people[0].pk, 1, 2, "Ayu"),
        (people[1].pk, 1, 0, "Ayu"),
        (people[2].pk, 1, 0, "Ayu"),
    ]


def test_deleting_several_takes_as_many_statements_as_deleting_one(people: list[Persona]) -> None:
    with CaptureQueriesContext(connection) as of_one:
        erase_all(people[:1], cause=CAUSE)

    with CaptureQueriesContext(connection) as of_two:
        erase_all(people[1:], cause=CAUSE)

    assert len(of_two) == len(of_one)
    assert Event.objects.filter(kind="persona.deleted").count() == 3


def test_undone_deletion_brings_all_back_as_it_was(
    workspace: Workspace, people: list[Persona], talk: Topic, admin_user: User
) -> None:
    before = _everything()
    operation = _delete(workspace, admin_user)

    operation = undone(operation, admin_user)

    restored = PersonaChange.objects.filter(field="restored")
    assert sorted(restored.values_list("persona_id", flat=True)) == [persona.pk for persona in people]
    restored.delete()
    assert _everything() == before
    assert not DeletionReceipt.objects.exists()
    assert not OperationRow.objects.exclude(before=None).exists()


def test_address_taken_meanwhile_stays_with_who_has_it(
    workspace: Workspace, people: list[Persona], admin_user: User
) -> None:
    operation = _delete(workspace, admin_user, Chosen(PersonaFilter(), (people[0].pk,)))
    number = ContactDraft("phone", "+628120000100")
    other = add_persona(workspace=workspace, draft=PersonaDraft("Other"), contacts=[number], cause=CAUSE)

    operation = undone(operation, admin_user)

    assert (Contact.objects.get(normalized="+628120000100").persona, people[0].contacts.count()) == (other, 0)
    [row] = operation.rows.all()
    assert row.state == OperationRow.State.UNDONE
    assert row.problems == [["", "An address did not come back: somebody else has it by now."]]


def test_value_of_an_attribute_that_was_deleted_meanwhile_is_told_as_what_did_not_come_back(
    workspace: Workspace, people: list[Persona], admin_user: User
) -> None:
    city = AttributeDefinition.objects.create(workspace=workspace, key="town", label="Town")
    AttributeValue.objects.create(persona=people[0], definition=city, value="Solo")
    operation = _delete(workspace, admin_user, Chosen(PersonaFilter(), (people[0].pk,)))
    city.delete()

    operation = undone(operation, admin_user)

    [row] = operation.rows.all()
    assert (row.state, people[0].contacts.count()) == (OperationRow.State.UNDONE, 1)
    assert row.problems == [["", "A value did not come back: its attribute was deleted, or takes other values by now."]]


def test_person_with_very_many_messages_is_left_out(
    workspace: Workspace, people: list[Persona], talk: Topic, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "MESSAGES_AT_MOST", 1)

    operation = _delete(workspace, admin_user)

    assert list(Persona.objects.all()) == [people[0]]
    assert operation.rows.get(number=1).state == OperationRow.State.REFUSED


def test_deleting_asks_for_the_number_of_people(workspace: Workspace, people: list[Persona], admin_user: User) -> None:
    operation = work_off(begin_deleting(workspace=workspace, chosen=EVERYBODY, by=admin_user, at=AT))

    with pytest.raises(CountNotConfirmed):
        start_deleting(operation=operation, confirmed_count="2", count=3, by=admin_user, at=AT)
    work_off(start_deleting(operation=operation, confirmed_count=" 3 ", count=3, by=admin_user, at=AT))

    assert not Persona.objects.exists()


def test_erased_copies_leave_no_trace_and_no_way_back(
    workspace: Workspace, people: list[Persona], admin_user: User
) -> None:
    operation = _delete(workspace, admin_user, Chosen(PersonaFilter(text="rina")))
    could = can_be_undone(operation, at=AT)

    erase_copies(operation=operation, at=AT)

    operation.refresh_from_db()
    assert (could, can_be_undone(operation, at=AT)) == (True, False)
    kept = serializers.serialize("json", [operation, *OperationRow.objects.all()])
    assert not [text for text in ("rina", "8120000", "jakarta") if text in kept.lower()]
    with pytest.raises(CopiesNotThere):
        erase_copies(operation=operation, at=AT)


def test_copies_are_erased_after_a_week_by_themselves(
    workspace: Workspace, people: list[Persona], admin_user: User
) -> None:
    operation = _delete(workspace, admin_user)
    begun = Operation.objects.get(pk=operation.pk).carried_out_at
    assert begun is not None
    week = timedelta(days=7)

    counts = [erase_old_copies(at=begun + week), erase_old_copies(at=begun + week + timedelta(seconds=1))]

    assert counts == [0, 1]
    assert not can_be_undone(operation, at=begun + week)
    assert not OperationRow.objects.exclude(before=None).exists()


def test_operation_undone_after_its_people_were_deleted_and_brought_back_leaves_them_as_they_are(
    workspace: Workspace, people: list[Persona], city: AttributeDefinition, admin_user: User
) -> None:
    begun = work_off(
        begin_setting(workspace=workspace, chosen=EVERYBODY, definition=city, value="Medan", by=admin_user, at=AT)
    )
    earlier = carried_out(begun, admin_user)
    undone(_delete(workspace, admin_user), admin_user)

    earlier = undone(earlier, admin_user)

    assert (earlier.state, {row.state for row in earlier.rows.all()}) == ("undone", {"kept"})
    assert set(AttributeValue.objects.values_list("value", flat=True)) == {"Medan"}
