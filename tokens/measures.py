"""How many calls there were and how long they took, for whoever watches the server from outside."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Case, Count, F, IntegerField, QuerySet, Sum, Value, When

from tokens.models import CallCount, RequestLogEntry, UsageProgress

BOUNDS_MS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
"""Calls are sorted by how long they took; 0 stands for longer than the last."""
_TAIL = 100_000
"""Calls that are counted one by one at most; those behind them follow when the worker has counted these."""

_Row = tuple[int, str, int, int, float]
"""Status, code, bound, calls, milliseconds."""


@dataclass(slots=True)
class Calls:
    """All calls since counting began; no figure ever becomes smaller."""

    by_kind: dict[tuple[int, str], int] = field(default_factory=dict)
    """By status and the code of the refusal, empty for none."""
    by_bound: dict[int, int] = field(default_factory=dict)
    """By the first of `BOUNDS_MS` that they took no longer than, or 0."""
    seconds: float = 0.0


def calls_so_far() -> Calls:
    """What the worker has counted, and what has come since; exact to the last call unless more than 100,000 wait."""
    progress = UsageProgress.objects.values_list("last_entry_id", flat=True).first() or 0
    counted = CallCount.objects.values_list("status", "code", "bound_ms", "calls", "milliseconds")
    tail = RequestLogEntry.objects.filter(pk__gt=progress, pk__lte=progress + _TAIL)
    calls = Calls()
    for rows in (counted, _by_kind(tail)):
        for status, code, bound, number, milliseconds in rows:
            calls.by_kind[status, code] = calls.by_kind.get((status, code), 0) + number
            calls.by_bound[bound] = calls.by_bound.get(bound, 0) + number
            calls.seconds += milliseconds / 1000
    return calls


def count(entries: "QuerySet[RequestLogEntry]") -> None:
    """These calls are counted, for good; part of the caller's transaction, which counts each of them once."""
    for status, code, bound, number, milliseconds in list(_by_kind(entries)):
        row, _is_new = CallCount.objects.get_or_create(status=status, code=code, bound_ms=bound)
        CallCount.objects.filter(pk=row.pk).update(
            calls=F("calls") + number, milliseconds=F("milliseconds") + milliseconds
        )


def _by_kind(entries: "QuerySet[RequestLogEntry]") -> Iterable[_Row]:
    bound = Case(
        *(When(duration_ms__lte=limit, then=Value(limit)) for limit in BOUNDS_MS),
        default=Value(0),
        output_field=IntegerField(),
    )
    return (
        entries.order_by()
        .annotate(bound_ms=bound)
        .values_list("status", "code", "bound_ms")
        .annotate(calls=Count("pk"), milliseconds=Sum("duration_ms"))
    )
