"""Operations in tests: carried on to their end in this process, as a worker would."""

from personas.models import Operation
from personas.operations import AT_WORK, carry_on


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
