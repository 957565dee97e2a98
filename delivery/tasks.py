"""Housekeeping of the queue itself."""

import logging
from datetime import datetime, timedelta

from django.utils import timezone
from django_tasks import TaskResultStatus, task
from django_tasks_db.models import DBTaskResult

log = logging.getLogger(__name__)

ABANDONED_AFTER = timedelta(days=1)
SUCCESSES_KEPT = timedelta(days=1)
FAILURES_KEPT = timedelta(days=14)


@task()
def prune_finished_tasks() -> None:
    """Old results are gone, and a task whose worker was killed no longer says that it is running."""
    fail_abandoned(now=timezone.now())
    prune(now=timezone.now())


def fail_abandoned(*, now: datetime) -> int:
    """Tasks that have been running for a day are marked as failed; returns how many.

    django-tasks-db leaves a task running for ever when its worker was killed. It does not run again by itself:
    scheduled tasks come back at their next time anyway.
    """
    abandoned = DBTaskResult.objects.running().filter(started_at__lt=now - ABANDONED_AFTER)
    count: int = abandoned.update(
        status=TaskResultStatus.FAILED, finished_at=now, traceback="The worker ended in the middle of this task."
    )
    if count:
        log.warning("%d tasks were abandoned by a worker that was killed, and are marked as failed.", count)
    return count


def prune(*, now: datetime) -> int:
    """Returns how many results were deleted."""
    successes, _by_model = DBTaskResult.objects.successful().filter(finished_at__lt=now - SUCCESSES_KEPT).delete()
    failures, _by_model = DBTaskResult.objects.failed().filter(finished_at__lt=now - FAILURES_KEPT).delete()
    return int(successes + failures)
