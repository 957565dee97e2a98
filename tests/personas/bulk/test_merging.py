"""Many duplicates merged, and two again."""

import pytest

from accounts.models import User, Workspace
from personas.bulk.choosing import Chosen
from personas.bulk.merging import begin_merging, begin_merging_among
from personas.filters import PersonaFilter
from personas.models import DuplicatePair, Persona
from personas.services import delete_persona
from tests.personas.bulk.conftest import CAUSE
from tests.personas.operating import AT, carried_out, undone, work_off

pytestmark = pytest.mark.django_db


def test_pairs_of_a_reason_are_merged_and_two_again(
    workspace: Workspace, people: list[Persona], admin_user: User
) -> None:
    rina, joko, maya = people
    DuplicatePair.objects.create(workspace=workspace, first=rina, second=joko, reason="same_number")
    DuplicatePair.objects.create(workspace=workspace, first=rina, second=maya, reason="near_name")
    reason = DuplicatePair.Reason.SAME_NUMBER
    operation = work_off(begin_merging(workspace=workspace, reason=reason, by=admin_user, at=AT))
    planned = [(row.persona, row.differences) for row in operation.rows.all()]

    operation = carried_out(operation, admin_user)
    merged = (sorted(Persona.objects.values_list("name", flat=True)), rina.contacts.count())
    operation = undone(operation, admin_user)

    assert planned == [(rina, [["merged", "", f"Joko (persona {joko.pk})"]])]
    assert merged == (["Maya", "Rina"], 2)
    assert sorted(Persona.objects.values_list("name", flat=True)) == ["Joko", "Maya", "Rina"]
    assert [row.state for row in operation.rows.all()] == ["undone"]


def test_of_the_chosen_only_pairs_of_two_chosen_people_are_merged(
    workspace: Workspace, people: list[Persona], admin_user: User
) -> None:
    rina, joko, maya = people
    for first, second, dismissed_at in ((rina, joko, None), (rina, maya, None), (joko, maya, AT)):
        DuplicatePair.objects.create(
            workspace=workspace, first=first, second=second, reason="near_name", dismissed_at=dismissed_at
        )
    by_search, by_ticks = Chosen(PersonaFilter(text="+6281")), Chosen(PersonaFilter(), (joko.pk, rina.pk))

    operations = [
        work_off(begin_merging_among(workspace=workspace, chosen=chosen, by=admin_user, at=AT))
        for chosen in (by_search, by_ticks)
    ]
    carried_out(operations[1], admin_user)

    proposed = [[row.differences[0][2] for row in operation.rows.all()] for operation in operations]
    assert proposed == [[f"Joko (persona {joko.pk})", f"Maya (persona {maya.pk})"], [f"Joko (persona {joko.pk})"]]
    assert sorted(Persona.objects.values_list("name", flat=True)) == ["Maya", "Rina"]


def test_pair_of_which_one_was_erased_after_the_preview_is_left_alone(
    workspace: Workspace, people: list[Persona], admin_user: User
) -> None:
    rina, joko, maya = people
    for first, second in ((rina, joko), (joko, maya)):
        DuplicatePair.objects.create(workspace=workspace, first=first, second=second, reason="same_number")
    reason = DuplicatePair.Reason.SAME_NUMBER
    operation = work_off(begin_merging(workspace=workspace, reason=reason, by=admin_user, at=AT))
    delete_persona(workspace=workspace, persona_id=rina.pk, cause=CAUSE)

    operation = carried_out(operation, admin_user)

    assert [row.state for row in operation.rows.all()] == ["refused", "done"]


def test_name_of_somebody_who_was_erased_is_in_no_merge_that_was_planned_or_undone(
    workspace: Workspace, people: list[Persona], admin_user: User
) -> None:
    rina, joko, maya = people
    for other in (joko, maya):
        DuplicatePair.objects.create(workspace=workspace, first=rina, second=other, reason="same_number")
    begun = [
        work_off(begin_merging(workspace=workspace, reason=DuplicatePair.Reason.SAME_NUMBER, by=admin_user, at=AT))
        for _number in range(2)
    ]
    undone(carried_out(begun[0], admin_user), admin_user)

    delete_persona(workspace=workspace, persona_id=joko.pk, cause=CAUSE)

    of_maya = [["merged", "", f"Maya (persona {maya.pk})"]]
    assert [[row.differences for row in operation.rows.all()] for operation in begun] == [[[], of_maya], [[], of_maya]]


def test_pair_that_another_merge_closed_is_left_alone(
    workspace: Workspace, people: list[Persona], admin_user: User
) -> None:
    rina, joko, maya = people
    for first, second in ((rina, joko), (joko, maya)):
        DuplicatePair.objects.create(workspace=workspace, first=first, second=second, reason="same_number")
    reason = DuplicatePair.Reason.SAME_NUMBER

    operation = carried_out(
        work_off(begin_merging(workspace=workspace, reason=reason, by=admin_user, at=AT)), admin_user
    )  # fmt: skip

    assert [row.state for row in operation.rows.all()] == ["done", "refused"]
    assert DuplicatePair.objects.filter(first=rina, second=maya).exists()
