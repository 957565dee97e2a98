"""Likely duplicates are merged, pair by pair."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.language import as_stored
from accounts.models import User, Workspace
from accounts.roles import Action
from personas.bulk.choosing import READ_AT_ONCE, Chosen, deleted_since, locked_people
from personas.history import Cause
from personas.merging import merge_pair
from personas.models import DuplicatePair, Merge, Operation, OperationRow, Origin
from personas.operations import UNDOABLE_FOR, begin_operation
from personas.unmerging import undo_merge
from raven_admin.errors import RavenError

RowAction, RowState = OperationRow.Action, OperationRow.State


def begin_merging(*, workspace: Workspace, reason: DuplicatePair.Reason, by: User, at: datetime) -> Operation:
    """The open pairs that were found for `reason` are being looked up."""
    with as_stored():
        title = _("Merge duplicates: %(reason)s") % {"reason": reason.label}
    plan = {"reason": reason.value}
    return begin_operation(workspace=workspace, kind=Operation.Kind.MERGE, title=title, plan=plan, by=by, at=at)


def begin_merging_among(*, workspace: Workspace, chosen: Chosen, by: User, at: datetime) -> Operation:
    """The open pairs of which both are among the chosen people are being looked up."""
    title, plan = gettext_noop("Merge duplicates"), chosen.as_plan()
    return begin_operation(workspace=workspace, kind=Operation.Kind.MERGE, title=title, plan=plan, by=by, at=at)


class MergeKind:
    """Each pair is merged as `personas.merging` does it by itself; what a merge closes or hands on is left alone."""

    origin = Origin.PERSON
    write_action = Action.PERSONA_WRITE
    undoable_for = UNDOABLE_FOR

    def prepare(self, operation: Operation, *, after: OperationRow | None) -> Iterator[Sequence[OperationRow]]:
        number = after.number if after is not None else 0
        pairs = _pairs(operation)
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
            known = row.values.get("pair", 0)  # what a row says goes when its person is erased
            pair = DuplicatePair.objects.filter(pk=known).select_related("workspace").first()
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
        there = locked_people(rows)
        for row in rows:  # a merge of this batch may have absorbed the person of another row
            row.persona = there.get(row.persona_id or 0)

    def undo(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        for row in rows:
            made: int = (row.before or {}).get("merge", 0)
            merge = Merge.objects.filter(pk=made).select_related("workspace").first()
            try:
                if merge is None:
                    row.state, row.problems = RowState.KEPT, deleted_since()
                else:
                    with transaction.atomic():
                        undo_merge(merge=merge, cause=cause)
                    row.state = RowState.UNDONE
            except RavenError as refusal:
                row.state, row.problems = RowState.KEPT, [["", str(refusal)]]


def _pairs(operation: Operation) -> QuerySet[DuplicatePair]:
    pairs = DuplicatePair.objects.filter(workspace=operation.workspace_id, dismissed_at=None)
    if "reason" in operation.plan:
        return pairs.filter(reason=operation.plan["reason"])
    people = Chosen.of_plan(operation.plan, operation.workspace).people(operation.workspace).order_by().values("pk")
    return pairs.filter(first__in=people, second__in=people)


def _merge_row(operation: Operation, number: int, pair: DuplicatePair) -> OperationRow:
    return OperationRow(
        operation=operation, number=number, action=RowAction.MERGE, persona=pair.first, persona_name=pair.first.name,
        values={"pair": pair.pk}, differences=[["merged", "", f"{pair.second.name} (persona {pair.second_id})"]],
    )  # fmt: skip
