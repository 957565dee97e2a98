"""An attribute of many people is set to one value, or cleared."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from accounts.language import as_stored
from accounts.models import User, Workspace
from accounts.roles import Action
from personas.attributes import parse_value
from personas.bulk.choosing import Chosen, deleted_since, locked_people, prepared
from personas.conversion import AttributeGone
from personas.definitions import write_values
from personas.history import Cause
from personas.models import AttributeDefinition, AttributeType, AttributeValue, Operation, OperationRow, Origin, Persona
from personas.operations import UNDOABLE_FOR, begin_operation
from personas.services import AttributeValueInvalid

RowAction, RowState = OperationRow.Action, OperationRow.State


def begin_setting(
    *, workspace: Workspace, chosen: Chosen, definition: AttributeDefinition, value: str, by: User, at: datetime
) -> Operation:
    """Who would get `value` ("" clears) is being looked up. Raises AttributeValueInvalid."""
    try:
        stored = parse_value(definition.type, value)
    except ValueError as problem:
        raise AttributeValueInvalid(key=definition.label, problem=str(problem)) from None
    with as_stored():
        is_yes_or_no = definition.type == AttributeType.BOOLEAN
        shown = {"true": _("Yes"), "false": _("No")}.get(stored, stored) if is_yes_or_no else stored
        what = {"label": definition.label, "value": shown[:60]}
        title = _("Set %(label)s to %(value)s") % what if stored else _("Clear %(label)s") % what
    plan = chosen.as_plan() | {"definition": definition.pk, "value": stored}
    return begin_operation(workspace=workspace, kind=Operation.Kind.SET_ATTRIBUTE, title=title, plan=plan, by=by, at=at)


class SetAttributeKind:
    origin = Origin.PERSON
    write_action = Action.PERSONA_WRITE
    undoable_for = UNDOABLE_FOR

    def prepare(self, operation: Operation, *, after: OperationRow | None) -> Iterator[Sequence[OperationRow]]:
        definition, new = _definition(operation), operation.plan["value"]

        def rows_of(personas: Sequence[Persona]) -> list[OperationRow]:
            old = _values(definition, [persona.pk for persona in personas])
            return [_set_row(operation, persona, definition, old.get(persona.pk, ""), new) for persona in personas]

        return prepared(operation, after, rows_of)

    def carry_out(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        definition, new = _definition(operation), operation.plan["value"]
        self._check(definition, new)
        there = locked_people(rows)
        old = _values(definition, there)
        for row in rows:
            if row.persona_id in there:
                row.state = RowState.DONE
                row.differences = [[f"attribute:{definition.key}", old.get(row.persona_id, ""), new]]
            else:
                row.state, row.problems = RowState.REFUSED, deleted_since()
        write_values(definition, {pk: (old.get(pk, ""), new) for pk in there if old.get(pk, "") != new}, cause=cause)

    def undo(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        definition = _definition(operation)
        there = locked_people(rows)
        now, back = _values(definition, there), {}
        for row in rows:
            row.state = RowState.KEPT
            if row.persona_id is None or row.persona_id not in there:
                row.problems = deleted_since()
                continue
            _field, old, new = row.differences[0]
            if now.get(row.persona_id, "") != new:
                row.problems = [[definition.label, _("It was changed since.")]]
            elif not _fits(definition, old):
                row.problems = [[definition.label, _("The attribute no longer takes “%s”.") % old[:60]]]
            else:
                row.state = RowState.UNDONE
                if old != new:
                    back[row.persona_id] = (new, old)
        write_values(definition, back, cause=cause)

    @staticmethod
    def _check(definition: AttributeDefinition, value: str) -> None:
        """Its type may be another since the preview."""
        try:
            parse_value(definition.type, value)
        except ValueError as problem:
            raise AttributeValueInvalid(key=definition.label, problem=str(problem)) from None


def _set_row(
    operation: Operation, persona: Persona, definition: AttributeDefinition, old: str, new: str
) -> OperationRow:
    row = OperationRow(
        operation=operation, action=RowAction.CHANGE, persona=persona, persona_name=persona.name,
        differences=[[f"attribute:{definition.key}", old, new]],
    )  # fmt: skip
    if old == new:
        row.action, row.state, row.differences = RowAction.SAME, RowState.DONE, []
    return row


def _definition(operation: Operation) -> AttributeDefinition:
    found = AttributeDefinition.objects.filter(
        workspace=operation.workspace_id, pk=operation.plan["definition"]
    ).first()
    if found is None:
        raise AttributeGone
    return found


def _values(definition: AttributeDefinition, ids: Sequence[int] | Mapping[int, Persona]) -> dict[int, str]:
    values = AttributeValue.objects.filter(definition=definition, persona__in=list(ids))
    return dict(values.values_list("persona_id", "value"))


def _fits(definition: AttributeDefinition, value: str) -> bool:
    try:
        return parse_value(definition.type, value) == value
    except ValueError:
        return False
