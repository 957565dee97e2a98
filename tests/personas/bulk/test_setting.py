"""An attribute of many people, set and taken back."""

import pytest
from django.utils import translation

from accounts.language import retold
from accounts.models import User, Workspace
from personas.bulk import choosing
from personas.bulk.choosing import Chosen
from personas.bulk.setting import begin_setting
from personas.filters import PersonaFilter
from personas.models import (
    AttributeDefinition,
    AttributeValue,
    Operation,
    OperationRow,
    Persona,
    PersonaChange,
)
from personas.services import AttributeValueInvalid, PersonaDraft, add_persona, update_persona
from tests.personas.bulk.conftest import CAUSE, EVERYBODY
from tests.personas.operating import AT, carried_out, undone, work_off

pytestmark = pytest.mark.django_db


def _cities() -> dict[str, str]:
    return dict(AttributeValue.objects.order_by("persona_id").values_list("persona__name", "value"))


def _set(
    workspace: Workspace, city: AttributeDefinition, by: User, value: str, chosen: Chosen = EVERYBODY
) -> Operation:
    return work_off(
        begin_setting(workspace=workspace, chosen=chosen, definition=city, value=value, by=by, at=AT)
    )  # fmt: skip


def test_title_is_kept_in_english_whoever_began_it_and_shown_in_the_viewers_language(
    workspace: Workspace, city: AttributeDefinition, people: list[Persona], admin_user: User
) -> None:
    with translation.override("id"):
        operation = _set(workspace, city, admin_user, "Jakarta")
        shown = retold(operation.title)

    assert (operation.title, shown) == ("Set City to Jakarta", "Isi City dengan Jakarta")


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
    operation = carried_out(_set(workspace, city, admin_user, "Jakarta"), admin_user)
    during = _cities()

    operation = undone(operation, admin_user)

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

    operation = carried_out(_set(workspace, city, admin_user, "", chosen), admin_user)

    assert (operation.title, operation.plan["whom"]) == ("Clear City", "Search: joko")
    assert _cities() == {"Rina": "Jakarta"}


def test_ticked_people_are_all_whom_it_is_done_to(
    workspace: Workspace, other_workspace: Workspace, city: AttributeDefinition, people: list[Persona], admin_user: User
) -> None:
    foreign = add_persona(workspace=other_workspace, draft=PersonaDraft("Max"), cause=CAUSE)
    chosen = Chosen(PersonaFilter(), (people[2].pk, foreign.pk))

    operation = carried_out(_set(workspace, city, admin_user, "Medan", chosen), admin_user)

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
    operation = carried_out(_set(workspace, city, admin_user, "Jakarta"), admin_user)
    draft = PersonaDraft(attributes={"city": "Medan"})
    update_persona(workspace=workspace, persona_id=people[1].pk, draft=draft, cause=CAUSE)

    operation = undone(operation, admin_user)

    assert _cities() == {"Rina": "Jakarta", "Joko": "Medan"}
    assert operation.rows.get(persona=people[1]).state == OperationRow.State.KEPT


def test_person_deleted_meanwhile_is_left_out(
    workspace: Workspace, city: AttributeDefinition, people: list[Persona], admin_user: User
) -> None:
    operation = _set(workspace, city, admin_user, "Medan")
    people[1].delete()

    operation = carried_out(operation, admin_user)

    assert (operation.state, _cities()) == ("done", {"Rina": "Medan", "Maya": "Medan"})
    assert operation.rows.get(number=2).state == OperationRow.State.REFUSED


def test_many_are_prepared_and_carried_out_in_batches(
    workspace: Workspace, city: AttributeDefinition, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "READ_AT_ONCE", 7)
    Persona.objects.bulk_create(Persona(workspace=workspace, name=f"P{n}") for n in range(450))

    operation = carried_out(_set(workspace, city, admin_user, "Medan"), admin_user)

    assert list(operation.rows.values_list("number", flat=True)) == list(range(1, 451))
    assert AttributeValue.objects.filter(value="Medan").count() == 450
