"""Many people are deleted. Undoing needs a copy of each, which is kept for a week or until somebody erases it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.language import grouped
from accounts.models import User, Workspace
from accounts.roles import Action
from personas.bulk.choosing import Chosen, deleted_since, locked_people, prepared
from personas.history import Cause, record_changes
from personas.models import AttributeValue, Contact, DeletionReceipt, Operation, OperationRow, Origin, Persona
from personas.operations import State, begin_operation, start_operation
from personas.privacy import conversations, erase_all
from personas.snapshots import restore_all, take_all
from raven_admin.errors import RavenError

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


def begin_deleting(*, workspace: Workspace, chosen: Chosen, by: User, at: datetime) -> Operation:
    """Who would be deleted is being looked up."""
    title, plan = gettext_noop("Delete people"), chosen.as_plan()
    return begin_operation(workspace=workspace, kind=Operation.Kind.DELETE, title=title, plan=plan, by=by, at=at)


def start_deleting(*, operation: Operation, confirmed_count: str, count: int, by: User, at: datetime) -> Operation:
    """The previewed people are being deleted. Raises CountNotConfirmed unless their number was typed."""
    if "".join(filter(str.isdigit, confirmed_count)) != str(count):
        raise CountNotConfirmed(count=count)
    return start_operation(operation_id=operation.pk, by=by, at=at)


class DeleteKind:
    origin = Origin.PERSON
    write_action = Action.WORKSPACE_WRITE
    undoable_for = COPIES_KEPT

    def prepare(self, operation: Operation, *, after: OperationRow | None) -> Iterator[Sequence[OperationRow]]:
        def rows_of(personas: Sequence[Persona]) -> list[OperationRow]:
            messages = conversations().message_counts(personas)
            return [_delete_row(operation, persona, messages.get(persona.pk, 0)) for persona in personas]

        return prepared(operation, after, rows_of)

    def carry_out(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        there = locked_people(rows)
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
                row.state, row.problems, row.persona = RowState.REFUSED, deleted_since(), None

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
            row.problems = [["", why] for why in dict.fromkeys(map(_why_left_out, one.left_out))]


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


def _delete_row(operation: Operation, persona: Persona, messages: int) -> OperationRow:
    row = OperationRow(operation=operation, action=RowAction.DELETE, persona=persona, persona_name=persona.name)
    if messages > MESSAGES_AT_MOST:
        row.state, row.problems = RowState.REFUSED, _too_many_messages()
    return row


def _why_left_out(label: str) -> str:
    """Of a model, of which rows did not come back."""
    if label == Contact._meta.label:
        return _("An address did not come back: somebody else has it by now.")
    if label == AttributeValue._meta.label:
        return _("A value did not come back: its attribute was deleted, or takes other values by now.")
    return _("Something of theirs, as a message, did not come back: what it stood in was deleted since.")


def _too_many_messages() -> list[list[str]]:
    text = _("There are more than %(count)s messages with this person. Delete them on their own page.")
    return [["", text % {"count": grouped(MESSAGES_AT_MOST)}]]
