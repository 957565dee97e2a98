"""What the worker does for tokens by itself."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django_tasks import task

from tokens.idempotency import KEPT
from tokens.models import (
    USAGE_DAYS,
    IdempotencyKey,
    RateBucket,
    RequestLogEntry,
    TokenDay,
    UsageCount,
    UsageProgress,
    WorkspaceDay,
    WorkspaceHour,
)
from tokens.usage import HOURS_KEPT, roll_up

BUCKET_IDLE_AFTER = timedelta(hours=1)
"""A bucket refills in a minute; after an hour without a call it says nothing that a new one would not."""
_BATCH = 1_000


@task()
def roll_up_usage() -> None:
    """All calls that have settled are counted."""
    while roll_up(now=timezone.now()):
        pass


@task()
def prune() -> None:
    """What is older than it is kept for is gone."""
    now = timezone.now()
    kept = timedelta(days=settings.REQUEST_LOG_DAYS)
    prune_request_log(before=now - kept)
    prune_usage(before=now - max(kept, timedelta(days=USAGE_DAYS + 1)))
    prune_days(before=now - timedelta(days=settings.DAILY_FIGURES_DAYS))
    prune_hours(before=now - HOURS_KEPT)
    prune_idempotency_keys(before=now - KEPT)
    prune_rate_buckets(before=now - BUCKET_IDLE_AFTER)


def prune_request_log(*, before: datetime) -> int:
    """Log entries from before that moment are gone, if their calls are counted; returns how many.

    Ids rise with time, so the oldest entries are found without an index on time, and each batch is a transaction of its
    own: calls go on being logged in between.
    """
    counted = UsageProgress.objects.values_list("last_entry_id", flat=True).first() or 0
    deleted = 0
    while old := [
        pk
        for pk, received_at in RequestLogEntry.objects.filter(pk__lte=counted)
        .order_by("pk")
        .values_list("pk", "received_at")[:_BATCH]
        if received_at < before
    ]:
        deleted += _delete(RequestLogEntry.objects.filter(pk__in=old))
    return deleted


def prune_usage(*, before: datetime) -> int:
    return _delete(UsageCount.objects.filter(day__lt=before.date()))


def prune_days(*, before: datetime) -> int:
    """Figures of days before that one are gone, a batch at a time: of a million tokens they are many."""
    deleted = 0
    for model in (TokenDay, WorkspaceDay):
        days = model._default_manager.filter(day__lt=before.date())
        while old := list(days.order_by("day").values_list("pk", flat=True)[:_BATCH]):
            deleted += _delete(model._default_manager.filter(pk__in=old))
    return deleted


def prune_hours(*, before: datetime) -> int:
    return _delete(WorkspaceHour.objects.filter(hour__lt=before))


def prune_idempotency_keys(*, before: datetime) -> int:
    return _delete(IdempotencyKey.objects.filter(claimed_at__lt=before))


def prune_rate_buckets(*, before: datetime) -> int:
    return _delete(RateBucket.objects.filter(refilled_at__lt=before.timestamp()))


def _delete(rows: QuerySet[Any]) -> int:
    count, _by_model = rows.delete()
    return count
