"""What of a lane need not leave by itself: changes that a newer one carries along, or makes needless."""

from collections.abc import Iterable
from uuid import uuid4

from delivery.models import Delivery

Merge = Delivery.Merge


def fold(run: Iterable[Delivery], stale: Iterable[Delivery] = ()) -> tuple[list[Delivery], dict[Delivery, Delivery]]:
    """Which of `run` leave, and for those that need not, which of them leaves instead.

    `run` is what waits in one lane, from its oldest on. `stale` are the lane's refused and unknown ones: a newer change
    of one of their fields takes them along, because whoever edits a refused field means to mend it.
    """
    leaving: list[Delivery] = []
    instead: dict[Delivery, Delivery] = {}
    for delivery in run:
        while leaving and _takes_the_place_of(delivery, leaving[-1]):
            _take_along(delivery, older := leaving.pop())
            instead[older] = delivery
        leaving.append(delivery)
    for old in stale:
        newer = next((d for d in leaving if d.pk > old.pk and _takes_the_place_of(d, old) and _touches(d, old)), None)
        if newer is not None:
            _take_along(newer, old)
            instead[old] = newer
    return leaving, {old: _last(instead, newer) for old, newer in instead.items()}


def _takes_the_place_of(newer: Delivery, older: Delivery) -> bool:
    if newer.merge == Merge.REPLACE:
        return older.merge != Merge.NONE
    return newer.merge == Merge.COMBINE == older.merge and newer.kind == older.kind


def _touches(newer: Delivery, older: Delivery) -> bool:
    return newer.merge == Merge.REPLACE or not set(newer.fields).isdisjoint(older.fields)


def _take_along(newer: Delivery, older: Delivery) -> None:
    newer.since = min(newer.since, older.since)
    if newer.merge != Merge.COMBINE:
        return
    before = newer.payload
    newer.payload = {**older.payload, **newer.payload}
    newer.fields = list(dict.fromkeys([*older.fields, *newer.fields]))
    newer.change_ids = [*older.change_ids, *newer.change_ids]
    newer.steps = {**older.steps, **newer.steps}
    if newer.attempt_count and newer.payload != before:
        newer.idempotency_key = uuid4()  # it says something else now than under its old key


def _last(instead: dict[Delivery, Delivery], delivery: Delivery) -> Delivery:
    while delivery in instead:
        delivery = instead[delivery]
    return delivery
