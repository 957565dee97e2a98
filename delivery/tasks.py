"""Housekeeping of the queue of tasks and of the outbox."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django_tasks import TaskResultStatus, task
from django_tasks_db.models import DBTaskResult

from delivery import beats, books, interventions, retention
from delivery.models import Attempt, Intervention

log = logging.getLogger(__name__)

ABANDONED_AFTER = timedelta(days=1)
SUCCESSES_KEPT = timedelta(days=1)
FAILURES_KEPT = timedelta(days=14)
ATTEMPTS_KEPT = timedelta(days=30)
_ATTEMPTS_AT_ONCE = 1_000


@task()
def prune_finished_tasks() -> None:
    """Old results are gone, and what a killed worker left no longer says that it is running."""
    beats.forget_gone(now=timezone.now())
    fail_abandoned(now=timezone.now())
    prune(now=timezone.now())


@task()
def prune_attempts() -> None:
    """Calls of long ago are gone; the deliveries they were made for stay."""
    while _prune_attempts(now=timezone.now()) == _ATTEMPTS_AT_ONCE:
        pass


@task()
def prune_deliveries() -> None:
    """What ended long ago is gone, with its calls; the books say as much as before."""
    retention.prune_deliveries(before=timezone.now() - timedelta(days=settings.DELIVERY_DAYS))


@task()
def compact_books() -> None:
    """The books are short, and say the same."""
    books.compact()


@task()
def continue_interventions() -> None:
    """What people began to do to many deliveries, and a killed worker left, goes on."""
    for intervention_id in Intervention.objects.filter(finished_at=None).values_list("pk", flat=True):
        interventions.carry_on.func(intervention_id)


def _prune_attempts(*, now: datetime) -> int:
    old = Attempt.objects.filter(happened_at__lt=now - ATTEMPTS_KEPT).order_by("happened_at")
    ids = list(old.values_list("pk", flat=True)[:_ATTEMPTS_AT_ONCE])
    Attempt.objects.filter(pk__in=ids).delete()
    return len(ids)


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
