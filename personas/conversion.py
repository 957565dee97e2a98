"""An attribute gets another type: every value is looked at first, then converted in batches, and back if need be.

While values are in two notations the attribute is of type text, which any notation is: so whatever reads or writes a
value in between finds one that is valid, and a worker that is killed leaves nothing half true. The first row of the
operation makes it text, the last one gives it the new type; undone from the last to the first, they lead back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.utils.translation import gettext as _

from accounts.language import as_stored
from accounts.models import User
from accounts.roles import Action
from personas.attributes import convert
from personas.definitions import write_values
from personas.history import Cause
from personas.models import AttributeDefinition, AttributeType, AttributeValue, Operation, OperationRow, Origin
from personas.operations import UNDOABLE_FOR, begin_operation
from raven_admin.errors import RavenError

READ_AT_ONCE = 1_000
RowAction, State = OperationRow.Action, OperationRow.State
TYPE = "type"
"""The field of the first and the last row."""


@dataclass(eq=False)
class SameType(RavenError):
    """It has that type already."""

    code: ClassVar[str] = "same_type"


@dataclass(eq=False)
class TypeChangedMeanwhile(RavenError):
    """Its type was changed by somebody else meanwhile. Look at the values again first."""

    code: ClassVar[str] = "type_changed_meanwhile"


@dataclass(eq=False)
class AttributeGone(RavenError):
    """The attribute was deleted meanwhile."""

    code: ClassVar[str] = "attribute_gone"


def begin_conversion(*, definition: AttributeDefinition, type: AttributeType, by: User, at: datetime) -> Operation:
    """Every value of the attribute is being looked at; nothing is changed before somebody says so. Raises SameType."""
    if definition.type == type:
        raise SameType
    with as_stored():
        title = _("Change %(label)s from %(old)s to %(new)s") % {
            "label": definition.label, "old": AttributeType(definition.type).label, "new": type.label,
        }  # fmt: skip
    plan = {"definition": definition.pk, "old_type": definition.type, "new_type": type.value, "after": 0, "fits": 0}
    return begin_operation(
        workspace=definition.workspace, kind=Operation.Kind.CONVERT, title=title, plan=plan, by=by, at=at
    )


class ConvertKind:
    """A row for each value that is written otherwise from then on (CHANGE) or has no equal there (DELETE: cleared)."""

    origin = Origin.PERSON
    write_action = Action.WORKSPACE_WRITE
    undoable_for = UNDOABLE_FOR

    def prepare(self, operation: Operation, *, after: OperationRow | None) -> Iterator[Sequence[OperationRow]]:
        definition, plan = _definition(operation), operation.plan
        number = after.number if after is not None else 0
        if number == 0 and plan["old_type"] != AttributeType.TEXT:
            number = 1
            yield [_type_row(operation, number, definition, plan["old_type"], AttributeType.TEXT)]
        values = AttributeValue.objects.filter(definition=definition).select_related("persona").order_by("pk")
        while page := list(values.filter(pk__gt=plan["after"])[:READ_AT_ONCE]):
            rows = []
            for value in page:
                row = _value_row(operation, number + 1, definition, value)
                if row is None:
                    plan["fits"] += 1
                else:
                    rows.append(row)
                    number += 1
            plan["after"] = page[-1].pk
            yield rows
        if plan["new_type"] != AttributeType.TEXT and not plan.get("is_read"):
            plan["is_read"] = True
            yield [_type_row(operation, number + 1, definition, AttributeType.TEXT, plan["new_type"])]

    def carry_out(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        definition, to = _definition(operation, lock=True), operation.plan["new_type"]
        if definition.type not in {operation.plan["old_type"], AttributeType.TEXT, to}:
            raise TypeChangedMeanwhile
        now = _values_of(definition, rows)
        written = {}
        for row in rows:
            if row.persona_id is None:
                continue
            row.state = State.DONE
            old = now.get(row.persona_id, "")
            new = _converted(old, operation.plan["old_type"], to) if old else ""
            row.differences = [[_field(definition), old, new]]
            row.problems = []
            # What it is by now: somebody may have written another value since the preview.
            row.action = RowAction.SAME if old == new else RowAction.CHANGE if new else RowAction.DELETE
            if old != new:
                written[row.persona_id] = (old, new)
        write_values(definition, written, cause=cause)
        for row in rows:
            if _is_type_row(row):
                _set_type(definition, row.differences[0][2], read_as=operation.plan["old_type"], cause=cause)
                row.state = State.DONE
            elif row.state == State.PLANNED:
                row.state, row.problems = State.REFUSED, [["", _("This person was deleted since.")]]

    def undo(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        definition, plan = _definition(operation, lock=True), operation.plan
        is_first = any(_is_type_row(row) and row.differences[0][1] == AttributeType.TEXT for row in rows)
        left_as = {plan["new_type"]} if is_first else {plan["new_type"], AttributeType.TEXT}
        # Back to text nothing is lost. Back to any other type, what was written for a third one would be cleared.
        if plan["old_type"] != AttributeType.TEXT and definition.type not in left_as:
            raise TypeChangedMeanwhile
        for row in rows:
            if _is_type_row(row) and row.differences[0][1] == AttributeType.TEXT:
                _set_type(definition, AttributeType.TEXT, read_as=operation.plan["new_type"], cause=cause)
                row.state = State.UNDONE
        now, back = _values_of(definition, rows), {}
        for row in rows:
            if row.persona_id is None:
                continue
            _name, old, new = row.differences[0]
            if now.get(row.persona_id, "") == new:
                row.state = State.UNDONE
                if old != new:
                    back[row.persona_id] = (new, old)
            else:
                row.state, row.problems = State.KEPT, [[definition.label, _("It was changed since.")]]
        write_values(definition, back, cause=cause)
        for row in rows:
            if row.state != State.DONE:
                continue
            if _is_type_row(row):
                _set_type(definition, row.differences[0][1], read_as=operation.plan["new_type"], cause=cause)
                row.state = State.UNDONE
            else:
                row.state, row.problems = State.KEPT, [["", _("This person was deleted since.")]]


def _definition(operation: Operation, *, lock: bool = False) -> AttributeDefinition:
    definitions = AttributeDefinition.objects.filter(workspace=operation.workspace_id)
    found = (definitions.select_for_update() if lock else definitions).filter(pk=operation.plan["definition"]).first()
    if found is None:
        raise AttributeGone
    return found


def _field(definition: AttributeDefinition) -> str:
    return f"attribute:{definition.key}"


def _is_type_row(row: OperationRow) -> bool:
    return bool(row.differences) and row.differences[0][0] == TYPE


def _type_row(operation: Operation, number: int, definition: AttributeDefinition, old: str, new: str) -> OperationRow:
    return OperationRow(
        operation=operation, number=number, action=RowAction.CHANGE, persona_name=definition.label,
        differences=[[TYPE, str(old), str(new)]],
    )  # fmt: skip


def _value_row(
    operation: Operation, number: int, definition: AttributeDefinition, value: AttributeValue
) -> OperationRow | None:
    """None when the value is the same in both types."""
    row = OperationRow(
        operation=operation, number=number, action=RowAction.CHANGE, persona=value.persona,
        persona_name=value.persona.name,
    )  # fmt: skip
    new = ""
    try:
        new = convert(value.value, old_type=operation.plan["old_type"], new_type=operation.plan["new_type"])
    except ValueError as error:
        row.action = RowAction.DELETE
        row.problems = [[definition.label, _("“%(value)s” would be cleared: %(label)s %(problem)s") % {
            "value": value.value[:60], "label": definition.label, "problem": error,
        }]]  # fmt: skip
    if new == value.value:
        return None
    row.differences = [[_field(definition), value.value, new]]
    return row


def _values_of(definition: AttributeDefinition, rows: Sequence[OperationRow]) -> dict[int, str]:
    ids = [row.persona_id for row in rows if row.persona_id is not None]
    values = AttributeValue.objects.filter(definition=definition, persona__in=ids)
    return dict(values.values_list("persona_id", "value"))


def _converted(value: str, old_type: str, new_type: str) -> str:
    try:
        return convert(value, old_type=old_type, new_type=new_type)
    except ValueError:
        return ""


def _set_type(definition: AttributeDefinition, type: str, *, read_as: str, cause: Cause) -> None:
    """The attribute has that type, and so has every value, those written meanwhile too: they are converted or cleared.

    `read_as` is the type that they were written for.
    """
    if definition.type == type:
        return
    if type != AttributeType.TEXT:
        strays: dict[int, tuple[str, str]] = {}
        values = AttributeValue.objects.filter(definition=definition).order_by("pk")
        for persona_id, value in values.values_list("persona_id", "value").iterator(chunk_size=READ_AT_ONCE):
            new = value if _converted(value, type, type) == value else _converted(value, read_as, type)
            if new != value:
                strays[persona_id] = (value, new)
        write_values(definition, strays, cause=cause)
    definition.type = type
    AttributeDefinition.objects.filter(pk=definition.pk).update(type=type)
