"""One thing done to many people at once: an attribute set, likely duplicates merged, people deleted.

Whom it is done to is settled when it is prepared: each is a row of the operation, shown before anything is done.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.language import as_stored, grouped
from accounts.models import User, Workspace
from accounts.roles import Action
from personas.attributes import parse_value
from personas.conversion import AttributeGone
from personas.definitions import write_values
from personas.filters import PersonaFilter
from personas.history import Cause, record_changes
from personas.merging import merge_pair
from personas.models import (
    AttributeDefinition,
    AttributeValue,
    DeletionReceipt,
    DuplicatePair,
    Merge,
    Operation,
    OperationRow,
    Origin,
    Persona,
)
from personas.operations import UNDOABLE_FOR, State, begin_operation, start_operation
from personas.privacy import conversations, erase_all
from personas.services import AttributeValueInvalid
from personas.snapshots import restore_all, take_all
from personas.unmerging import undo_merge
from raven_admin.errors import RavenError

READ_AT_ONCE = 500
MAX_TICKED = 1_000
MESSAGES_AT_MOST = 1_000
"""Of a person deleted in bulk: the copy that undoing needs holds each. Who has more is deleted on their page."""
COPIES_KEPT = timedelta(days=7)
_ERASED_AT_ONCE = 500
RowAction, RowState = OperationRow.Action, OperationRow.State


@dataclass(eq=False)
class CountNotConfirmed(RavenError):
    """Type the number of people, {count}, to say that you mean it."""

    code: ClassVar[str] = "count_not_confirmed"
    count: int


@dataclass(eq=False)
class CopiesNotThere(RavenError):
    """There are no copies to erase."""

    code: ClassVar[str] = "copies_not_there"


@dataclass(eq=False)
class NobodyChosen(RavenError):
    """Choose at least one person."""

    code: ClassVar[str] = "nobody_chosen"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whom it is done to: those with these ids, or else all that the filter finds."""

    filter: PersonaFilter
    ids: tuple[int, ...] = ()

    def people(self, workspace: Workspace) -> QuerySet[Persona]:
        if self.ids:
            return Persona.objects.filter(workspace=workspace, pk__in=self.ids)
        return self.filter.apply(workspace)

    def in_words(self) -> str:
        return _("the chosen people") if self.ids else self.filter.in_words()

    def as_plan(self) -> dict[str, Any]:
        return {"query": self.filter.to_query(), "ids": list(self.ids), "whom": self.in_words()}

    @classmethod
    def of_plan(cls, plan: Mapping[str, Any], workspace: Workspace) -> "Chosen":
        return cls(PersonaFilter.from_query(QueryDict(plan["query"]), workspace), tuple(plan["ids"]))


# --------------------------------------------------------------------------------------------------- beginning one
def begin_setting(
    *, workspace: Workspace, chosen: Chosen, definition: AttributeDefinition, value: str, by: User, at: datetime
) -> Operation:
    """Who would get `value` ("" clears) is being looked up. Raises AttributeValueInvalid."""
    try:
        stored = parse_value(definition.type, value)
    except ValueError as problem:
        raise AttributeValueInvalid(key=definition.label, problem=str(problem)) from None
    what = {"label": definition.label, "value": stored[:60]}
    with as_stored():
        title = _("Set %(label)s to %(value)s") % what if stored else _("Clear %(label)s") % what
    plan = chosen.as_plan() | {"definition": definition.pk, "value": stored}
    return begin_operation(workspace=workspace, kind=Operation.Kind.SET_ATTRIBUTE, title=title, plan=plan, by=by, at=at)


def begin_deleting(*, workspace: Workspace, chosen: Chosen, by: User, at: datetime) -> Operation:
    """Who would be deleted is being looked up."""
    return begin_operation(
        workspace=workspace,
        kind=Operation.Kind.DELETE,
        title=gettext_noop("Delete people"),
        plan=chosen.as_plan(),
        by=by,
        at=at,
    )


def begin_merging(*, workspace: Workspace, reason: DuplicatePair.Reason, by: User, at: datetime) -> Operation:
    """The open pairs that were found for `reason` are being looked up."""
    with as_stored():
        title = _("Merge duplicates: %(reason)s") % {"reason": reason.label}
    return begin_operation(
        workspace=workspace, kind=Operation.Kind.MERGE, title=title, plan={"reason": reason.value}, by=by, at=at
    )


def start_deleting(*, operation: Operation, confirmed_count: str, count: int, by: User, at: datetime) -> Operation:
    """The previewed people are being deleted. Raises CountNotConfirmed unless their number was typed."""
    if "".join(filter(str.isdigit, confirmed_count)) != str(count):
        raise CountNotConfirmed(count=count)
    return start_operation(operation_id=operation.pk, by=by, at=at)


# ------------------------------------------------------------------------------------------------------- the kinds
class SetAttributeKind:
    origin = Origin.PERSON
    write_action = Action.PERSONA_WRITE
    undoable_for = UNDOABLE_FOR

    def prepare(self, operation: Operation, *, after: OperationRow | None) -> Iterator[Sequence[OperationRow]]:
        definition, new = _definition(operation), operation.plan["value"]

        def rows_of(personas: Sequence[Persona]) -> list[OperationRow]:
            old = _values(definition, [persona.pk for persona in personas])
            return [_set_row(operation, persona, definition, old.get(persona.pk, ""), new) for persona in personas]

        return _prepared(operation, after, rows_of)

    def carry_out(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        definition, new = _definition(operation), operation.plan["value"]
        self._check(definition, new)
        there = _locked_people(rows)
        old = _values(definition, there)
        for row in rows:
            if row.persona_id in there:
                row.state = RowState.DONE
                row.differences = [[f"attribute:{definition.key}", old.get(row.persona_id, ""), new]]
            else:
                row.state, row.problems = RowState.REFUSED, _deleted_since()
        write_values(definition, {pk: (old.get(pk, ""), new) for pk in there if old.get(pk, "") != new}, cause=cause)

    def undo(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        definition = _definition(operation)
        there = _locked_people(rows)
        now, back = _values(definition, there), {}
        for row in rows:
            row.state = RowState.KEPT
            if row.persona_id is None or row.persona_id not in there:
                row.problems = _deleted_since()
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


class DeleteKind:
    """Undoing needs a copy of each person: it is kept for a week, or until somebody erases it."""

    origin = Origin.PERSON
    write_action = Action.WORKSPACE_WRITE
    undoable_for = COPIES_KEPT

    def prepare(self, operation: Operation, *, after: OperationRow | None) -> Iterator[Sequence[OperationRow]]:
        def rows_of(personas: Sequence[Persona]) -> list[OperationRow]:
            messages = conversations().message_counts(personas)
            return [_delete_row(operation, persona, messages.get(persona.pk, 0)) for persona in personas]

        return _prepared(operation, after, rows_of)

    def carry_out(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        there = _locked_people(rows)
        messages = conversations().message_counts(list(there.values()))
        small = {pk: persona for pk, persona in there.items() if messages.get(pk, 0) <= MESSAGES_AT_MOST}
        copies = take_all(list(small.values()))
        receipts = {receipt.persona_id: receipt.pk for receipt in erase_all(list(small.values()), cause=cause)}
        for row in rows:
            if row.persona_id in small:
                row.values = {"persona": row.persona_id, "receipt": receipts[row.persona_id]}
                row.before, row.persona, row.state = copies[row.persona_id], None, RowState.DONE
            elif row.persona_id in there:
                row.state, row.problems = RowState.REFUSED, _too_many_messages()
            else:
                row.state, row.problems, row.persona = (
                    RowState.REFUSED,
                    _deleted_since(),
                    None,
                )

    def undo(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        restored = restore_all({row.values["persona"]: row.before or {} for row in rows})
        back = [one.persona for one in restored.values()]
        conversations().remember_senders(back)
        receipts = [row.values["receipt"] for row in rows if row.values["persona"] in restored]
        DeletionReceipt.objects.filter(pk__in=receipts).delete()  # they are no longer true
        record_changes(
            [(persona, [("restored", "", persona.name)]) for persona in back], cause=cause, kind="persona.created"
        )
        for row in rows:
            one = restored.get(row.values["persona"])
            if one is None:
                row.state, row.problems = RowState.KEPT, [["", _("This person is there already.")]]
                continue
            row.state, row.before, row.persona = RowState.UNDONE, None, one.persona
            if one.left_out:
                row.problems = [["", _("Not everything could come back: an address or a value is another’s by now.")]]


class MergeKind:
    """Each pair is merged as `personas.merging` does it by itself; what a merge closes or hands on is left alone."""

    origin = Origin.PERSON
    write_action = Action.PERSONA_WRITE
    undoable_for = UNDOABLE_FOR

    def prepare(self, operation: Operation, *, after: OperationRow | None) -> Iterator[Sequence[OperationRow]]:
        number = after.number if after is not None else 0
        pairs = DuplicatePair.objects.filter(
            workspace=operation.workspace_id, reason=operation.plan["reason"], dismissed_at=None
        )
        while page := list(
            pairs.filter(pk__gt=operation.plan.get("after", 0))
            .select_related("first", "second")
            .order_by("pk")[:READ_AT_ONCE]
        ):
            operation.plan["after"] = page[-1].pk
            yield [_merge_row(operation, number + place, pair) for place, pair in enumerate(page, start=1)]
            number += len(page)

    def carry_out(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        for row in rows:
            pair = DuplicatePair.objects.filter(pk=row.values["pair"]).select_related("workspace").first()
            try:
                merge = merge_pair(pair=pair, cause=cause) if pair is not None else None
            except RavenError as refusal:
                row.state, row.problems = RowState.REFUSED, [["", str(refusal)]]
                continue
            if merge is None:
                row.state = RowState.REFUSED
                row.problems = [["", _("The pair is no longer open: one of the two was merged, changed or dismissed.")]]
            else:
                row.state, row.before = RowState.DONE, {"merge": merge.pk}
        there = _locked_people(rows)
        for row in rows:  # a merge of this batch may have absorbed the person of another row
            row.persona = there.get(row.persona_id or 0)

    def undo(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        for row in rows:
            made: int = (row.before or {}).get("merge", 0)
            merge = Merge.objects.filter(pk=made).select_related("workspace").first()
            try:
                if merge is None:
                    row.state, row.problems = RowState.KEPT, _deleted_since()
                else:
                    with transaction.atomic():
                        undo_merge(merge=merge, cause=cause)
                    row.state = RowState.UNDONE
            except RavenError as refusal:
                row.state, row.problems = RowState.KEPT, [["", str(refusal)]]


# --------------------------------------------------------------------------------------------- copies of the deleted
def erase_copies(*, operation: Operation, at: datetime) -> None:
    """Nothing is left of the people that the operation deleted, and it can't be undone any more.

    Raises CopiesNotThere while it is at work, and when they are erased already.
    """
    over = (State.DONE, State.CANCELLED, State.FAILED, State.UNDONE)
    erased = Operation.objects.filter(
        pk=operation.pk, kind=Operation.Kind.DELETE, state__in=over, erased_at=None, carried_out_at__isnull=False
    ).update(erased_at=at, plan={})  # what was searched for may be a name
    if not erased:
        raise CopiesNotThere
    last = 0
    while numbers := list(
        OperationRow.objects.filter(operation=operation, number__gt=last)
        .order_by("number")
        .values_list("number", flat=True)[:_ERASED_AT_ONCE]
    ):
        last = numbers[-1]
        OperationRow.objects.filter(operation=operation, number__in=numbers).update(
            before=None, persona_name="", values={}, differences=[]
        )


def erase_old_copies(*, at: datetime) -> int:
    """Copies of people who were deleted more than a week ago are erased; returns of how many operations."""
    old = Operation.objects.filter(
        kind=Operation.Kind.DELETE, erased_at=None, carried_out_at__lt=at - COPIES_KEPT
    ).exclude(state__in=[State.RUNNING, State.UNDOING])
    operations = list(old.order_by("pk")[:100])
    for operation in operations:
        erase_copies(operation=operation, at=at)
    return len(operations)


# ------------------------------------------------------------------------------------------------------------ rows
def _prepared(
    operation: Operation, after: OperationRow | None, rows_of: Callable[[Sequence[Persona]], list[OperationRow]]
) -> Iterator[Sequence[OperationRow]]:
    """Rows for all whom the plan chooses, in the order of their ids; the plan knows how far it is."""
    plan, number = operation.plan, after.number if after is not None else 0
    people = Chosen.of_plan(plan, operation.workspace).people(operation.workspace)
    while page := list(people.filter(pk__gt=plan.get("after", 0)).order_by("pk")[:READ_AT_ONCE]):
        plan["after"] = page[-1].pk
        rows = rows_of(page)
        for row in rows:
            number += 1
            row.number = number
        yield rows


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


def _delete_row(operation: Operation, persona: Persona, messages: int) -> OperationRow:
    row = OperationRow(operation=operation, action=RowAction.DELETE, persona=persona, persona_name=persona.name)
    if messages > MESSAGES_AT_MOST:
        row.state, row.problems = RowState.REFUSED, _too_many_messages()
    return row


def _merge_row(operation: Operation, number: int, pair: DuplicatePair) -> OperationRow:
    return OperationRow(
        operation=operation, number=number, action=RowAction.MERGE, persona=pair.first, persona_name=pair.first.name,
        values={"pair": pair.pk}, differences=[["merged", "", f"{pair.second.name} (persona {pair.second_id})"]],
    )  # fmt: skip


def _too_many_messages() -> list[list[str]]:
    text = _("There are more than %(count)s messages with this person. Delete them on their own page.")
    return [["", text % {"count": grouped(MESSAGES_AT_MOST)}]]


def _definition(operation: Operation) -> AttributeDefinition:
    found = AttributeDefinition.objects.filter(
        workspace=operation.workspace_id, pk=operation.plan["definition"]
    ).first()
    if found is None:
        raise AttributeGone
    return found


def _locked_people(rows: Sequence[OperationRow]) -> dict[int, Persona]:
    ids = [row.persona_id for row in rows if row.persona_id is not None]
    return {persona.pk: persona for persona in Persona.objects.select_for_update().filter(pk__in=ids).order_by("pk")}


def _values(definition: AttributeDefinition, ids: Sequence[int] | Mapping[int, Persona]) -> dict[int, str]:
    values = AttributeValue.objects.filter(definition=definition, persona__in=list(ids))
    return dict(values.values_list("persona_id", "value"))


def _fits(definition: AttributeDefinition, value: str) -> bool:
    try:
        return parse_value(definition.type, value) == value
    except ValueError:
        return False


def _deleted_since() -> list[list[str]]:
    return [["", _("This person was deleted since.")]]
