"""What the worker starts by itself, and when."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from delivery.models import ScheduledTask


def enqueue_due(*, now: datetime) -> list[str]:
    """The tasks of `settings.SCHEDULED_TASKS` that were due are in the queue; returns their paths.

    However many workers ask at the same moment, one of them wins a task. A task is due at once when it is new, and then
    an interval after it was last enqueued, whatever became of that run: scheduled tasks must bear being run twice.
    """
    due_at = dict(ScheduledTask.objects.values_list("path", "due_at"))
    return [
        path
        for path, every in settings.SCHEDULED_TASKS.items()
        if due_at.get(path, now) <= now and _enqueue(path, every, was_due_at=due_at.get(path), now=now)
    ]


@transaction.atomic
def _enqueue(path: str, every: timedelta, *, was_due_at: datetime | None, now: datetime) -> bool:
    """Whether we are the one that moved the task forward."""
    if was_due_at is None:
        _row, won = ScheduledTask.objects.get_or_create(path=path, defaults={"due_at": now + every})
    else:
        won = bool(ScheduledTask.objects.filter(path=path, due_at=was_due_at).update(due_at=now + every))
    if won:
        import_string(path).enqueue()
    return won
