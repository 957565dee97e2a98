"""An attribute of another type: seen first, carried out in batches, taken back."""

from typing import Any

import pytest

from accounts.models import User, Workspace
from personas.attributes import convert
from personas.conversion import SameType, TypeChangedMeanwhile, begin_conversion
from personas.history import Cause
from personas.models import (
    AttributeDefinition,
    AttributeType,
    AttributeValue,
    Operation,
    OperationRow,
    Origin,
    Persona,
    PersonaChange,
)
from personas.services import PersonaDraft, add_persona, update_persona
from tests.personas.operating import AT, carried_out, undone, work_off

pytestmark = pytest.mark.django_db

CAUSE = Cause(origin=Origin.TOKEN, actor_label="token Shop", at=AT)


@pytest.fixture
def size(workspace: Workspace) -> AttributeDefinition:
    return AttributeDefinition.objects.create(workspace=workspace, key="size", label="Size")


def _fill(definition: AttributeDefinition, *values: Any) -> list[Persona]:
    return [
        add_persona(
            workspace=definition.workspace,
            draft=PersonaDraft(name=f"Person {number}", attributes={definition.key: value}),
            cause=CAUSE,
        )
        for number, value in enumerate(values)
    ]


def _begun(definition: AttributeDefinition, type: AttributeType, by: User) -> Operation:
    return work_off(begin_conversion(definition=definition, type=type, by=by, at=AT))


def _started(definition: AttributeDefinition, type: AttributeType, by: User) -> Operation:
    return carried_out(_begun(definition, type, by), by)


def _values(definition: AttributeDefinition) -> list[str]:
    return list(
        AttributeValue.objects.filter(definition=definition).order_by("persona_id").values_list("value", flat=True)
    )


def _type(definition: AttributeDefinition) -> str:
    definition.refresh_from_db()
    return definition.type


@pytest.mark.parametrize(
    ("old_type", "stored", "new_type", "converted"),
    [
        ("text", "12.50", "number", "12.5"),
        ("text", "Yes", "boolean", "true"),
        ("text", "2026-11-21T23:30:00-08:00", "date", "2026-11-22"),
        ("boolean", "true", "number", "1"),
        ("boolean", "false", "number", "0"),
        ("boolean", "12", "number", "12"),
        ("number", "1", "boolean", "true"),
        ("number", "12.5", "text", "12.5"),
        ("date", "2026-11-21", "text", "2026-11-21"),
    ],
)
def test_a_value_has_one_equal_in_another_type(old_type: str, stored: str, new_type: str, converted: str) -> None:
    assert convert(stored, old_type=old_type, new_type=new_type) == converted


@pytest.mark.parametrize(("stored", "new_type"), [("big", "number"), ("21/11/2026", "date"), ("12", "boolean")])
def test_a_value_without_an_equal_is_refused(stored: str, new_type: str) -> None:
    with pytest.raises(ValueError, match=r"takes"):
        convert(stored, old_type="text", new_type=new_type)


def test_the_preview_says_what_changes_what_is_cleared_and_what_fits(
    size: AttributeDefinition, admin_user: User
) -> None:
    people = _fill(size, "12", "12.50", "big")

    operation = _begun(size, AttributeType.NUMBER, admin_user)

    assert operation.state == Operation.State.PREVIEW
    assert operation.plan["fits"] == 1
    assert [(row.action, row.persona, row.differences) for row in operation.rows.order_by("number")] == [
        ("change", people[1], [["attribute:size", "12.50", "12.5"]]),
        ("delete", people[2], [["attribute:size", "big", ""]]),
        ("change", None, [["type", "text", "number"]]),
    ]
    assert operation.rows.get(action="delete").problems == [
        ["Size", "“big” would be cleared: Size takes a number, as 12.5."]
    ]
    assert (_type(size), _values(size)) == ("text", ["12", "12.50", "big"])


def test_carried_out_every_value_is_of_the_new_type_with_its_history(
    size: AttributeDefinition, admin_user: User
) -> None:
    people = _fill(size, "12", "12.50", "big")

    operation = _started(size, AttributeType.NUMBER, admin_user)

    assert operation.state == Operation.State.DONE
    assert (_type(size), _values(size)) == ("number", ["12", "12.5"])
    changes = PersonaChange.objects.filter(operation=operation).order_by("id")
    assert [(c.persona, c.old, c.new, c.actor_label, c.origin) for c in changes] == [
        (people[1], "12.50", "12.5", "Ayu", "person"),
        (people[2], "big", "", "Ayu", "person"),
    ]
    assert list(Persona.objects.order_by("id").values_list("version", flat=True)) == [1, 2, 2]


def test_undone_all_is_as_it_was(size: AttributeDefinition, admin_user: User) -> None:
    _fill(size, "12", "12.50", "big")
    operation = _started(size, AttributeType.NUMBER, admin_user)

    operation = undone(operation, admin_user)

    assert operation.state == Operation.State.UNDONE
    assert (_type(size), _values(size)) == ("text", ["12", "12.50", "big"])


@pytest.mark.parametrize(
    ("old", "new", "given", "stored"),
    [
        (AttributeType.BOOLEAN, AttributeType.NUMBER, [True, False], ["1", "0"]),
        (AttributeType.NUMBER, AttributeType.TEXT, [12.5, 3], ["12.5", "3"]),
        (AttributeType.NUMBER, AttributeType.BOOLEAN, [1, 7], ["true"]),
    ],
)
def test_types_that_are_no_text_convert_there_and_back(
    workspace: Workspace, admin_user: User, old: AttributeType, new: AttributeType, given: list[Any], stored: list[str]
) -> None:
    definition = AttributeDefinition.objects.create(workspace=workspace, key="k", label="K", type=old)
    _fill(definition, *given)
    before = _values(definition)

    operation = _started(definition, new, admin_user)
    there = (_type(definition), _values(definition))
    undone(operation, admin_user)

    assert there == (new, stored)
    assert (_type(definition), _values(definition)) == (old, before)


def test_values_written_between_preview_and_end_are_converted_too(size: AttributeDefinition, admin_user: User) -> None:
    people = _fill(size, "1.0", "big", "3")
    operation = _begun(size, AttributeType.NUMBER, admin_user)
    for persona, value in zip(people, ("2.0", "7", "bigger"), strict=True):
        update_persona(
            workspace=size.workspace, persona_id=persona.pk, draft=PersonaDraft(attributes={"size": value}), cause=CAUSE
        )
    _fill(size, "9.0", "tiny")

    operation = carried_out(operation, admin_user)

    assert [(row.action, row.differences[0][1:], row.problems) for row in operation.rows.order_by("number")] == [
        ("change", ["2.0", "2"], []),
        ("same", ["7", "7"], []),
        ("change", ["text", "number"], []),
    ]
    assert (_type(size), _values(size)) == ("number", ["2", "7", "9"])
    assert PersonaChange.objects.filter(new="", old="tiny").exists()


def test_a_value_changed_since_is_kept_when_undone(size: AttributeDefinition, admin_user: User) -> None:
    people = _fill(size, "12.50", "big")
    operation = _started(size, AttributeType.NUMBER, admin_user)
    draft = PersonaDraft(attributes={"size": 7})
    update_persona(workspace=size.workspace, persona_id=people[0].pk, draft=draft, cause=CAUSE)

    undone(operation, admin_user)

    assert (_type(size), _values(size)) == ("text", ["7", "big"])
    assert operation.rows.get(persona=people[0]).state == OperationRow.State.KEPT


@pytest.mark.parametrize("between", [AttributeType.TEXT, AttributeType.NUMBER])
def test_undoing_one_whose_type_is_another_by_now_clears_nothing(
    size: AttributeDefinition, admin_user: User, between: AttributeType
) -> None:
    _fill(size, "large", "2026-11-21")
    first = _started(size, AttributeType.NUMBER, admin_user)
    size.refresh_from_db()
    second = _started(size, AttributeType.DATE, admin_user)
    size.refresh_from_db()
    if between == AttributeType.TEXT:
        undone(first, admin_user)
    else:
        _started(size, between, admin_user)
    before = (_type(size), _values(size))

    second = undone(second, admin_user)

    assert (second.state, second.problem) == ("failed", str(TypeChangedMeanwhile()))
    assert (_type(size), _values(size)) == before


def test_one_that_could_not_be_undone_is_undone_when_the_later_one_was(
    size: AttributeDefinition, admin_user: User
) -> None:
    size.type = AttributeType.NUMBER
    size.save()
    _fill(size, "12")
    first = _started(size, AttributeType.TEXT, admin_user)
    size.refresh_from_db()
    second = _started(size, AttributeType.DATE, admin_user)
    first = undone(first, admin_user)
    refused = first.state

    undone(second, admin_user)
    first = undone(first, admin_user)

    assert (refused, first.state) == ("failed", "undone")
    assert (_type(size), _values(size)) == ("number", ["12"])


def test_people_deleted_meanwhile_do_not_stop_it(size: AttributeDefinition, admin_user: User) -> None:
    people = _fill(size, "12.50", "1.0")
    operation = _begun(size, AttributeType.NUMBER, admin_user)
    people[0].delete()

    operation = carried_out(operation, admin_user)
    people[1].delete()
    operation = undone(operation, admin_user)

    assert operation.state == Operation.State.UNDONE
    assert _type(size) == "text"


def test_two_at_once_end_with_one_type(size: AttributeDefinition, admin_user: User) -> None:
    _fill(size, "1", "0")
    first = _begun(size, AttributeType.NUMBER, admin_user)
    second = _begun(size, AttributeType.BOOLEAN, admin_user)
    carried_out(first, admin_user)

    second = carried_out(second, admin_user)

    assert (second.state, second.problem[:20]) == (Operation.State.FAILED, "Its type was changed")
    assert (_type(size), _values(size)) == ("number", ["1", "0"])


def test_the_same_type_is_no_change(size: AttributeDefinition, admin_user: User) -> None:
    with pytest.raises(SameType):
        begin_conversion(definition=size, type=AttributeType.TEXT, by=admin_user, at=AT)


def test_many_values_are_read_and_written_in_batches(size: AttributeDefinition, admin_user: User) -> None:
    people = Persona.objects.bulk_create(Persona(workspace=size.workspace, name=f"P{n}") for n in range(2_500))
    AttributeValue.objects.bulk_create(
        AttributeValue(definition=size, persona=persona, value=f"{number}.0") for number, persona in enumerate(people)
    )

    operation = _started(size, AttributeType.NUMBER, admin_user)

    assert operation.state == Operation.State.DONE
    assert _values(size) == [str(number) for number in range(2_500)]
