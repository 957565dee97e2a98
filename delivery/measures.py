"""How the outbox and the queue of tasks are doing, for whoever watches the server from outside."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from delivery import books, figures
from delivery.models import BookEntry, Destination
from delivery.states import State

DESTINATIONS_AT_MOST = 1_000
_COUNTED_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class DestinationMeasures:
    destination: Destination
    created: int
    by_state: dict[State, int]
    oldest_s: float
    """Age of the oldest change that has not arrived there, in seconds; 0: all has."""
    is_left_alone: bool
    """The breaker is open, or the destination asked us to come back later."""


@dataclass(frozen=True, slots=True)
class TaskMeasures:
    """Of the queue in the database; another engine has a queue of its own."""

    by_status: dict[str, int]
    """Waiting, running and failed (kept two weeks), each counted to 10,000."""
    oldest_due_s: float
    """For how long the first has been waiting that could run; 0: none waits."""


def destinations(*, now: datetime) -> Iterator[DestinationMeasures]:
    """Of the 1,000 oldest that are not removed; three queries, none of which counts deliveries."""
    found = Destination.objects.filter(removed_at=None).select_related("workspace").order_by("id")
    rows = list(found[:DESTINATIONS_AT_MOST])
    last = rows[-1].pk if rows else 0
    totals = books.totals(BookEntry.objects.filter(destination__lte=last, destination__removed_at=None))
    oldest = figures.oldest_of_first(up_to_destination_id=last, now=now)
    for row in rows:
        total = totals.get(row.pk, {})
        yield DestinationMeasures(
            destination=row,
            created=total.get(books.CREATED, 0),
            by_state={state: total.get(state, 0) for state in State},
            oldest_s=max(0.0, oldest[row.pk].age.total_seconds()) if row.pk in oldest else 0.0,
            is_left_alone=row.resumes_at is not None and row.resumes_at > now,
        )


def tasks(*, now: datetime) -> TaskMeasures:
    by_status = {
        name: DBTaskResult.objects.filter(status=status).order_by().values("pk")[:_COUNTED_AT_MOST].count()
        for name, status in (
            ("waiting", TaskResultStatus.READY),
            ("running", TaskResultStatus.RUNNING),
            ("failed", TaskResultStatus.FAILED),
        )
    }
    due = DBTaskResult.objects.ready().order_by()
    oldest = due.aggregate(oldest=Min("enqueued_at"))["oldest"]
    return TaskMeasures(by_status, max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
