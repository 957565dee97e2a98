"""What is done to many personas at once: prepared, shown, carried out and undone, in the background and in batches.

The row of the operation is the truth; a task of the queue is only a wake-up call. A worker holds an operation for as
long as its lease, moves it on by a batch in one transaction, and gives way to other tasks after some seconds. Killed at
any point, it leaves whole batches behind; `wake_abandoned` has the next worker go on after the last of them.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django_tasks import task

from accounts.language import retold
from accounts.models import User, Workspace
from accounts.roles import Action
from personas.history import Cause
from personas.models import Operation, OperationFile, OperationRow, Origin
from raven_admin.errors import RavenError

BATCH_ROWS = 200
"""Rows that are carried out or undone in one transaction."""
LEASE = timedelta(minutes=1)
"""Far longer than a batch takes."""
GIVES_WAY_AFTER_S = 5.0
MAX_STALLS = 3
UNDOABLE_FOR = timedelta(days=30)
"""Rows are kept as long, for they hold what is known of people."""
PREVIEWED_FOR = timedelta(days=7)
_PRUNED_AT_ONCE = 1_000

State = Operation.State
RowState = OperationRow.State
AT_WORK = (State.PREPARING, State.RUNNING, State.UNDOING)
WORK = (
    OperationRow.Action.CREATE,
    OperationRow.Action.CHANGE,
    OperationRow.Action.MERGE,
    OperationRow.Action.DELETE,
    OperationRow.Action.LINK,
)
"""Actions that do something; of the others there is nothing to carry out or undo."""


@dataclass(eq=False)
class OperationMoved(RavenError):
    """That is no longer possible: “{title}” is {state} by now."""

    code: ClassVar[str] = "operation_moved"
    title: str
    state: str


@dataclass(eq=False)
class NothingToDo(RavenError):
    """There is nothing to do: no row would change anything."""

    code: ClassVar[str] = "operation_empty"


class _LeaseLost(Exception):
    """Somebody cancelled the operation, or another worker has it."""


class OperationKind(Protocol):
    """What one kind of operation does in each step. Every method but `prepare` runs within the batch's transaction."""

    origin: Origin
    """Of the changes in people's history."""
    write_action: Action
    """What a person must be allowed to begin, carry out or undo it."""
    undoable_for: timedelta
    """How long what undoing needs is kept; at most UNDOABLE_FOR."""

    def prepare(self, operation: Operation, *, after: OperationRow | None) -> Iterator[Sequence[OperationRow]]:
        """Yields the rows that come after `after` (None: all), unsaved and numbered upwards, some hundred at a time.

        It may set `operation.total` and change `operation.plan`; both are stored with the next batch. A RavenError ends
        the operation as failed, with its sentence. Rows of which nothing is to be done are DONE or REFUSED already.
        """
        ...

    def carry_out(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        """Each of `rows` is DONE, with what undoing needs in it, or REFUSED, with its problems."""
        ...

    def undo(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        """Each of `rows`, last one first, is UNDONE, or KEPT with its problems when it was changed since."""
        ...


_KINDS = {
    Operation.Kind.IMPORT: "personas.importing.kind.ImportKind",
    Operation.Kind.CONVERT: "personas.conversion.ConvertKind",
    Operation.Kind.SET_ATTRIBUTE: "personas.bulk.setting.SetAttributeKind",
    Operation.Kind.DELETE: "personas.bulk.deleting.DeleteKind",
    Operation.Kind.MERGE: "personas.bulk.merging.MergeKind",
    Operation.Kind.PLATFORM: "platforms.importing.PlatformImportKind",
}


def kind_of(operation: Operation) -> OperationKind:
    kind: OperationKind = import_string(_KINDS[Operation.Kind(operation.kind)])()
    return kind


# ------------------------------------------------------------------------------------------- what a person decides
def begin_operation(
    *, workspace: Workspace, kind: Operation.Kind, title: str, plan: Mapping[str, Any], by: User,
    file: bytes | None = None, at: datetime,
) -> Operation:  # fmt: skip
    """The operation is being prepared in the background; nothing is done to any persona before it is started."""
    with transaction.atomic():
        operation = Operation.objects.create(
            workspace=workspace, kind=kind, title=title[:255], plan=dict(plan), started_by=by,
            actor_label=by.display_name, created_at=at, leased_until=at + LEASE,
        )  # fmt: skip
        if file is not None:
            OperationFile.objects.create(operation=operation, content=file)
        _wake(operation)
    return operation


def prepare_again(*, operation_id: int, plan: Mapping[str, Any], at: datetime) -> Operation:
    """The preview is made anew by another plan. Raises OperationMoved when there is no preview."""
    with transaction.atomic():
        operation = _locked(operation_id, State.PREVIEW)
        operation.rows.all().delete()
        operation.plan, operation.counts, operation.total = dict(plan), {}, None
        _set_to_work(operation, State.PREPARING, at=at)
    return operation


def start_operation(*, operation_id: int, by: User, at: datetime) -> Operation:
    """What was previewed is being carried out. Raises OperationMoved and NothingToDo."""
    with transaction.atomic():
        operation = _locked(operation_id, State.PREVIEW)
        operation.total = count_of(operation, actions=WORK, states=[RowState.PLANNED])
        if not operation.total:
            raise NothingToDo
        operation.started_by, operation.actor_label, operation.carried_out_at = by, by.display_name, at
        OperationFile.objects.filter(operation=operation).delete()
        _set_to_work(operation, State.RUNNING, at=at)
    return operation


def cancel_operation(*, operation_id: int) -> Operation:
    """No further batch is prepared or carried out; what was carried out stays, until it is undone.

    Raises OperationMoved.
    """
    with transaction.atomic():
        operation = _locked(operation_id, State.PREPARING, State.PREVIEW, State.RUNNING)
        operation.state, operation.leased_until = State.CANCELLED, None
        operation.save()
        OperationFile.objects.filter(operation=operation).delete()
    return operation


def undo_operation(*, operation_id: int, by: User, at: datetime) -> Operation:
    """What was carried out is being taken back. Raises OperationMoved and NothingToDo."""
    with transaction.atomic():
        operation = _locked(operation_id, State.DONE, State.CANCELLED, State.FAILED)
        if not can_be_undone(operation, at=at):
            raise NothingToDo
        operation.total = count_of(operation, actions=WORK, states=[RowState.DONE])
        operation.undone_by, operation.undone_at, operation.problem = by.display_name, at, ""
        _set_to_work(operation, State.UNDOING, at=at)
    return operation


def can_be_undone(operation: Operation, *, at: datetime) -> bool:
    """Whether something of it was carried out that is neither undone nor too long ago."""
    return (
        operation.state in (State.DONE, State.CANCELLED, State.FAILED)
        and operation.erased_at is None
        and operation.carried_out_at is not None
        and at < operation.carried_out_at + kind_of(operation).undoable_for
        and count_of(operation, actions=WORK, states=[RowState.DONE]) > 0
    )


def count_of(
    operation: Operation,
    *,
    actions: Iterable[OperationRow.Action] = tuple(OperationRow.Action),
    states: Iterable[OperationRow.State] = tuple(OperationRow.State),
) -> int:
    """How many of its rows have one of these actions and one of these states."""
    return sum(operation.counts.get(action, {}).get(state, 0) for action in set(actions) for state in set(states))


def _locked(operation_id: int, *states: Operation.State) -> Operation:
    operation = Operation.objects.select_for_update().get(pk=operation_id)
    if operation.state not in states:
        raise OperationMoved(retold(operation.title), operation.get_state_display().lower())
    return operation


def _set_to_work(operation: Operation, state: Operation.State, *, at: datetime) -> None:
    operation.state, operation.processed, operation.stalls = state, 0, 0
    operation.leased_until = at + LEASE
    operation.save()
    _wake(operation)


# --------------------------------------------------------------------------------------------- what a worker does
@task()
def carry_on(operation_id: int, lease: str) -> None:
    """The operation is some seconds further; if it has not ended, the queue has the next wake-up call.

    `lease` is the one that the call was made under: a call that comes late, when another was made meanwhile, does
    nothing.
    """
    operation = _claimed(operation_id, lease=datetime.fromisoformat(lease))
    if operation is None:
        return
    gives_way_at = time.monotonic() + GIVES_WAY_AFTER_S
    try:
        for _batch_is_through in _STEPS[State(operation.state)](operation, kind_of(operation)):
            if time.monotonic() >= gives_way_at:
                _wake(operation)
                return
    except RavenError as refusal:
        _fail(operation, str(refusal))
    except _LeaseLost:
        return


@task()
def wake_abandoned() -> None:
    """Operations whose lease has run out have a new wake-up call, or have failed for good."""
    now = timezone.now()
    for operation in Operation.objects.filter(state__in=AT_WORK, leased_until__lt=now).order_by("leased_until")[:100]:
        if operation.stalls >= MAX_STALLS:
            _fail(
                operation,
                _("It stopped %(count)d times at the same place. The server’s log says why.") % {"count": MAX_STALLS},
            )
            continue
        with transaction.atomic():
            abandoned = Operation.objects.filter(pk=operation.pk, leased_until=operation.leased_until)
            operation.leased_until = now + LEASE
            if abandoned.update(leased_until=operation.leased_until):
                _wake(operation)


@task()
def prune_operations() -> None:
    """Of operations that are over, only the line in the list is left; previews that nobody started are cancelled."""
    now = timezone.now()
    forgotten = Operation.objects.filter(state=State.PREVIEW, created_at__lt=now - PREVIEWED_FOR)
    for operation in forgotten.values_list("pk", flat=True)[:_PRUNED_AT_ONCE]:
        cancel_operation(operation_id=operation)
    over = Operation.objects.filter(created_at__lt=now - UNDOABLE_FOR).exclude(state__in=AT_WORK)
    old = OperationRow.objects.filter(operation__in=over.exclude(carried_out_at__gte=now - UNDOABLE_FOR))
    while batch := list(old.values_list("pk", flat=True)[:_PRUNED_AT_ONCE]):
        OperationRow.objects.filter(pk__in=batch).delete()


def _wake(operation: Operation) -> None:
    assert operation.leased_until is not None  # noqa: S101 - every operation at work has a lease
    carry_on.enqueue(operation.pk, operation.leased_until.isoformat())


def _claimed(operation_id: int, *, lease: datetime) -> Operation | None:
    """The operation, under a lease of our own."""
    waiting = Operation.objects.filter(pk=operation_id, state__in=AT_WORK, leased_until=lease)
    if not waiting.update(leased_until=timezone.now() + LEASE, stalls=F("stalls") + 1):
        return None
    return Operation.objects.select_related("workspace").get(pk=operation_id)


@contextmanager
def _batch(operation: Operation) -> Iterator[None]:
    """A transaction at whose end the operation is stored as it is then, under a fresh lease; raises _LeaseLost."""
    with transaction.atomic():
        ours = Operation.objects.filter(pk=operation.pk, state=operation.state, leased_until=operation.leased_until)
        if not ours.select_for_update().values_list("pk").first():
            raise _LeaseLost
        yield
        operation.stalls = 0
        operation.leased_until = timezone.now() + LEASE if operation.state in AT_WORK else None
        operation.save()


def _prepare(operation: Operation, kind: OperationKind) -> Iterator[None]:
    for rows in kind.prepare(operation, after=operation.rows.order_by("-number").first()):
        with _batch(operation):
            OperationRow.objects.bulk_create(rows)
            _count(operation, rows, by=1)
            operation.processed += len(rows)
        yield
    with _batch(operation):
        operation.total = count_of(operation)
        operation.state = State.PREVIEW


def _run(operation: Operation, kind: OperationKind) -> Iterator[None]:
    planned = operation.rows.filter(state=RowState.PLANNED).order_by("number")
    while rows := list(planned[:BATCH_ROWS]):
        with _batch(operation):
            cause = _cause(operation, kind, actor_label=operation.actor_label)
            _count(operation, rows, by=-1)
            kind.carry_out(operation, rows, cause=cause)
            _store(operation, rows, ends={RowState.DONE, RowState.REFUSED})
        yield
    with _batch(operation):
        operation.state = State.DONE


def _undo(operation: Operation, kind: OperationKind) -> Iterator[None]:
    done = operation.rows.filter(state=RowState.DONE, action__in=WORK).order_by("-number")
    while rows := list(done[:BATCH_ROWS]):
        with _batch(operation):
            cause = _cause(operation, kind, actor_label=operation.undone_by)
            _count(operation, rows, by=-1)
            kind.undo(operation, rows, cause=cause)
            _store(operation, rows, ends={RowState.UNDONE, RowState.KEPT})
        yield
    with _batch(operation):
        operation.state = State.UNDONE


_STEPS = {State.PREPARING: _prepare, State.RUNNING: _run, State.UNDOING: _undo}
_STORED = ["state", "action", "persona", "persona_name", "values", "differences", "problems", "before"]


def _store(operation: Operation, rows: Sequence[OperationRow], *, ends: set[RowState]) -> None:
    if left := [row.number for row in rows if row.state not in ends]:
        raise ValueError(f"{operation.kind} left rows {left} of operation {operation.pk} undecided")
    # As fast as one UPDATE, where bulk_update writes a CASE for each value.
    OperationRow.objects.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=_STORED)
    _count(operation, rows, by=1)
    operation.processed += len(rows)


def _count(operation: Operation, rows: Iterable[OperationRow], *, by: int) -> None:
    for row in rows:
        states = operation.counts.setdefault(row.action, {})
        states[row.state] = states.get(row.state, 0) + by


def _cause(operation: Operation, kind: OperationKind, *, actor_label: str) -> Cause:
    return Cause(kind.origin, actor_label, timezone.now(), operation_id=operation.pk)


def _fail(operation: Operation, problem: str) -> None:
    still = Operation.objects.filter(pk=operation.pk, state=operation.state, leased_until=operation.leased_until)
    still.update(state=State.FAILED, problem=problem, leased_until=None)
