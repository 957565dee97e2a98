"""Operations in tests: carried on to their end in this process, as a worker would."""

from datetime import UTC, datetime

from accounts.models import User
from personas.models import Operation
from personas.operations import AT_WORK, carry_on, start_operation, undo_operation

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def work_off(operation: Operation) -> Operation:
    """Nobody has anything to do on the operation any more; returns it as it is then."""
    operation.refresh_from_db()
    while operation.state in AT_WORK:
        assert operation.leased_until is not None
        carry_on.call(operation.pk, operation.leased_until.isoformat())
        before, operation = operation, Operation.objects.select_related("workspace").get(pk=operation.pk)
        assert _place(before) != _place(operation), "nobody moved it"
    return operation


def _place(operation: Operation) -> tuple[str, int, object]:
    return operation.state, operation.processed, operation.leased_until


def carried_out(operation: Operation, by: User) -> Operation:
    return work_off(start_operation(operation_id=operation.pk, by=by, at=AT))


def undone(operation: Operation, by: User) -> Operation:
    return work_off(undo_operation(operation_id=operation.pk, by=by, at=AT))
