"""One thing done to many people, and taken back: attributes, merges, deletions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import serializers
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User, Workspace
from delivery.models import Event
from messaging.models import Message, Recipient, Topic
from personas import bulk
from personas.bulk import (
    Chosen,
    CopiesNotThere,
    CountNotConfirmed,
    begin_deleting,
    begin_merging,
    begin_setting,
    erase_copies,
    erase_old_copies,
    start_deleting,
)
from personas.filters import PersonaFilter
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import (
    AttributeDefinition,
    AttributeValue,
    Contact,
    DeletionReceipt,
    DuplicatePair,
    Operation,
    OperationRow,
    Origin,
    Persona,
    PersonaChange,
)
from personas.operations import can_be_undone, start_operation, undo_operation
from personas.privacy import erase_all
from personas.services import AttributeValueInvalid, PersonaDraft, add_persona, update_persona
from tests.personas.operating import work_off

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
CAUSE = Cause(origin=Origin.TOKEN, actor_label="token Shop", at=AT)
EVERYBODY = Chosen(PersonaFilter())


@pytest.fixture
def city(workspace: Workspace) -> AttributeDefinition:
    return AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")


@pytest.fixture
def people(workspace: Workspace, city: AttributeDefinition) -> list[Persona]:
    """Rina in Jakarta, Joko in Bandung, Maya somewhere."""
    return [
        add_persona(
            workspace=workspace,
            draft=PersonaDraft(name, attributes={"city": town} if town else {}),
            contacts=[ContactDraft("phone", f"+62812000010{number}")],
            cause=CAUSE,
        )
        for number, (name, town) in enumerate([("Rina", "Jakarta"), ("Joko", "Bandung"), ("Maya", "")])
    ]


def _cities() -> dict[str, str]:
    return dict(AttributeValue.objects.order_by("persona_id").values_list("persona__name", "value"))


def _set(
    workspace: Workspace, city: AttributeDefinition, by: User, value: str, chosen: Chosen = EVERYBODY
) -> Operation:
    return work_off(
        begin_setting(workspace=workspace, chosen=chosen, definition=city, value=value, by=by, at=AT)
    )  # fmt: skip


def _run(operation: Operation, by: User) -> Operation:
    return work_off(start_operation(operation_id=operation.pk, by=by, at=AT))


def _undo(operation: Operation, by: User) -> Operation:
    return work_off(undo_operation(operation_id=operation.pk, by=by, at=AT))


def _delete(workspace: Workspace, by: User, chosen: Chosen = EVERYBODY) -> Operation:
    return _run(work_off(begin_deleting(workspace=workspace, chosen=chosen, by=by, at=AT)), by)


def _everything() -> dict[str, Any]:
    models = (Persona, Contact, AttributeValue, PersonaChange, Topic, Message, Recipient)
    return {model.__name__: serializers.serialize("json", model._base_manager.order_by("pk")) for model in models}


# ------------------------------------------------------------------------------------------------------ attributes
def test_setting_an_attribute_shows_who_changes_and_who_has_it_already(
    workspace: Workspace, city: AttributeDefinition, people: list[Persona], admin_user: User
) -> None:
    operation = _set(workspace, city, admin_user, "Jakarta")

    assert (operation.title, operation.state) == ("Set City to Jakarta", "preview")
    assert [(row.persona, row.action, row.differences) for row in operation.rows.all()] == [
        (people[0], "same", []),
        (people[1], "change", [["attribute:city", "Bandung", "Jakarta"]]),
        (people[2], "change", [["attribute:city", "", "Jakarta"]]),
    ]
    assert _cities() == {"Rina": "Jakarta", "Joko": "Bandung"}


def test_setting_and_undoing_an_attribute_is_history(
    workspace: Workspace, city: AttributeDefinition, people: list[Persona], admin_user: User
) -> None:
    operation = _run(_set(workspace, city, admin_user, "Jakarta"), admin_user)
    during = _cities()

    operation = _undo(operation, admin_user)

    assert during == {"Rina": "Jakarta", "Joko": "Jakarta", "Maya": "Jakarta"}
    assert _cities() == {"Rina": "Jakarta", "Joko": "Bandung"}
    changes = PersonaChange.objects.filter(operation=operation, persona=people[1]).order_by("id")
    assert [(c.old, c.new, c.actor_label) for c in changes] == [
        ("Bandung", "Jakarta", "Ayu"),
        ("Jakarta", "Bandung", "Ayu"),
    ]


def test_clearing_an_attribute_takes_it_from_those_who_match_only(
    workspace: Workspace, city: AttributeDefinition, people: list[Persona], admin_user: User
) -> None:
    chosen = Chosen(PersonaFilter(text="joko"))

    operation = _run(_set(workspace, city, admin_user, "", chosen), admin_user)

    assert (operation.title, operation.plan["whom"]) == ("Clear City", "Search: joko")
    assert _cities() == {"Rina": "Jakarta"}


def test_ticked_people_are_all_whom_it_is_done_to(
    workspace: Workspace, other_workspace: Workspace, city: AttributeDefinition, people: list[Persona], admin_user: User
) -> None:
    foreign = add_persona(workspace=other_workspace, draft=PersonaDraft("Max"), cause=CAUSE)
    chosen = Chosen(PersonaFilter(), (people[2].pk, foreign.pk))

    operation = _run(_set(workspace, city, admin_user, "Medan", chosen), admin_user)

    assert [row.persona for row in operation.rows.all()] == [people[2]]
    assert _cities() == {"Rina": "Jakarta", "Joko": "Bandung", "Maya": "Medan"}


def test_value_of_another_type_is_refused_at_once(workspace: Workspace, admin_user: User) -> None:
    size = AttributeDefinition.objects.create(workspace=workspace, key="size", label="Size", type="number")

    with pytest.raises(AttributeValueInvalid) as refused:
        begin_setting(workspace=workspace, chosen=EVERYBODY, definition=size, value="big", by=admin_user, at=AT)

    assert "Size" in str(refused.value)


def test_value_changed_since_is_kept_when_undone(
    workspace: Workspace, city: AttributeDefinition, people: list[Persona], admin_user: User
) -> None:
    operation = _run(_set(workspace, city, admin_user, "Jakarta"), admin_user)
    draft = PersonaDraft(attributes={"city": "Medan"})
    update_persona(workspace=workspace, persona_id=people[1].pk, draft=draft, cause=CAUSE)

    operation = _undo(operation, admin_user)

    assert _cities() == {"Rina": "Jakarta", "Joko": "Medan"}
    assert operation.rows.get(persona=people[1]).state == OperationRow.State.KEPT


def test_person_deleted_meanwhile_is_left_out(
    workspace: Workspace, city: AttributeDefinition, people: list[Persona], admin_user: User
) -> None:
    operation = _set(workspace, city, admin_user, "Medan")
    people[1].delete()

    operation = _run(operation, admin_user)

    assert (operation.state, _cities()) == ("done", {"Rina": "Medan", "Maya": "Medan"})
    assert operation.rows.get(number=2).state == OperationRow.State.REFUSED


def test_many_are_prepared_and_carried_out_in_batches(
    workspace: Workspace, city: AttributeDefinition, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "READ_AT_ONCE", 7)
    Persona.objects.bulk_create(Persona(workspace=workspace, name=f"P{n}") for n in range(450))

    operation = _run(_set(workspace, city, admin_user, "Medan"), admin_user)

    assert list(operation.rows.values_list("number", flat=True)) == list(range(1, 451))
    assert AttributeValue.objects.filter(value="Medan").count() == 450


# -------------------------------------------------------------------------------------------------------- deletions
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

    operation = _undo(operation, admin_user)

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

    operation = _undo(operation, admin_user)

    assert (Contact.objects.get(normalized="+628120000100").persona, people[0].contacts.count()) == (other, 0)
    [row] = operation.rows.all()
    assert (row.state, "Not everything" in row.problems[0][1]) == (OperationRow.State.UNDONE, True)


def test_person_with_very_many_messages_is_left_out(
    workspace: Workspace, people: list[Persona], talk: Topic, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MESSAGES_AT_MOST", 1)

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


# ----------------------------------------------------------------------------------------------------------- merges
def test_pairs_of_a_reason_are_merged_and_two_again(
    workspace: Workspace, people: list[Persona], admin_user: User
) -> None:
    rina, joko, maya = people
    DuplicatePair.objects.create(workspace=workspace, first=rina, second=joko, reason="same_number")
    DuplicatePair.objects.create(workspace=workspace, first=rina, second=maya, reason="near_name")
    reason = DuplicatePair.Reason.SAME_NUMBER
    operation = work_off(begin_merging(workspace=workspace, reason=reason, by=admin_user, at=AT))
    planned = [(row.persona, row.differences) for row in operation.rows.all()]

    operation = _run(operation, admin_user)
    merged = (sorted(Persona.objects.values_list("name", flat=True)), rina.contacts.count())
    operation = _undo(operation, admin_user)

    assert planned == [(rina, [["merged", "", f"Joko (persona {joko.pk})"]])]
    assert merged == (["Maya", "Rina"], 2)
    assert sorted(Persona.objects.values_list("name", flat=True)) == ["Joko", "Maya", "Rina"]
    assert [row.state for row in operation.rows.all()] == ["undone"]


def test_pair_that_another_merge_closed_is_left_alone(
    workspace: Workspace, people: list[Persona], admin_user: User
) -> None:
    rina, joko, maya = people
    for first, second in ((rina, joko), (joko, maya)):
        DuplicatePair.objects.create(workspace=workspace, first=first, second=second, reason="same_number")
    reason = DuplicatePair.Reason.SAME_NUMBER

    operation = _run(
        work_off(begin_merging(workspace=workspace, reason=reason, by=admin_user, at=AT)), admin_user
    )  # fmt: skip

    assert [row.state for row in operation.rows.all()] == ["done", "refused"]
    assert DuplicatePair.objects.filter(first=rina, second=maya).exists()
