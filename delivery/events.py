"""Recording what happened, and reading it in an order in which nothing is ever skipped."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from django.db import transaction

from delivery.models import Event, EventSequence
from raven_admin.statements import Statement

MAX_PAGE = 200
_RECORD = Statement("""
    INSERT INTO delivery_event (workspace_id, kind, data, happened_at)
    VALUES (%(workspace_id)s, %(kind)s, %(data)s, %(at)s)
""")


def record(*, workspace_id: int, kind: str, data: dict[str, Any], at: datetime) -> None:
    """The event is written, as part of the caller's transaction."""
    _RECORD.later(**_event(workspace_id, kind, data, at))


def record_all(*, workspace_id: int, kind: str, data_of_each: Iterable[dict[str, Any]], at: datetime) -> None:
    """An event of this kind is written for each of `data_of_each`, in that order, as `record` does."""
    _RECORD.run_each([_event(workspace_id, kind, data, at) for data in data_of_each])


def _event(workspace_id: int, kind: str, data: dict[str, Any], at: datetime) -> dict[str, Any]:
    return {"workspace_id": workspace_id, "kind": kind, "data": msgspec.json.encode(data).decode(), "at": at}


@transaction.atomic
def read(*, workspace_id: int, after: int, limit: int = MAX_PAGE) -> list[Event]:
    """The next events behind number `after`, at most `limit`.

    Whatever has been committed since the last reading gets its number here, in the order it was written. The lock on
    the workspace's sequence makes numbers appear in rising order only, so a reader may keep the last one it saw.
    """
    seen = Event.objects.filter(workspace=workspace_id, number__gt=after).order_by("number")[:limit]
    page = list(seen)
    if len(page) < limit:
        _number_committed(workspace_id, at_most=limit)
        page = list(seen.all())
    return page


def _number_committed(workspace_id: int, *, at_most: int) -> None:
    waiting = Event.objects.filter(workspace=workspace_id, number__isnull=True).order_by("id")
    if not waiting.exists():  # a program that polls finds nothing most of the time, and needs no lock for it
        return
    EventSequence.objects.get_or_create(workspace_id=workspace_id)
    sequence = EventSequence.objects.select_for_update().get(workspace_id=workspace_id)
    fresh = list(waiting[:at_most])
    for number, event in enumerate(fresh, start=sequence.last_number + 1):
        event.number = number
    Event.objects.bulk_update(fresh, ["number"])
    EventSequence.objects.filter(workspace_id=workspace_id).update(last_number=sequence.last_number + len(fresh))
