from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils.crypto import get_random_string

from tokens import tasks
from tokens.idempotency import KEPT
from tokens.models import IdempotencyKey, RateBucket, RequestLogEntry, Token, UsageCount, UsageProgress, WorkspaceHour
from tokens.usage import roll_up

MOMENT = timedelta(seconds=1)
DAY = timedelta(days=1)


def log_call(token: Token, *, at: datetime) -> RequestLogEntry:
    return RequestLogEntry.objects.create(
        request_id=get_random_string(20),
        received_at=at,
        workspace=token.workspace,
        token=token,
        method="GET",
        path="/",
        status=200,
        duration_ms=1.0,
        address="192.0.2.1",
    )


def test_all_settled_calls_are_counted(token: Token, now: datetime) -> None:
    for _call in range(3):
        log_call(token, at=now - DAY)

    tasks.roll_up_usage.call()

    assert list(UsageCount.objects.values_list("token", "calls")) == [(token.pk, 3)]


def test_only_calls_older_than_the_limit_leave_the_log(token: Token, now: datetime, settings: Any) -> None:
    settings.REQUEST_LOG_DAYS = 7
    log_call(token, at=now - 7 * DAY - MOMENT)
    kept = log_call(token, at=now - 7 * DAY)
    tasks.roll_up_usage.call()

    tasks.prune.call()

    assert list(RequestLogEntry.objects.all()) == [kept]


def test_hours_are_kept_for_two_days(token: Token, now: datetime) -> None:
    for hours in (49, 40):
        log_call(token, at=now - timedelta(hours=hours))
    roll_up(now=now - timedelta(hours=10))
    before = WorkspaceHour.objects.count()

    tasks.prune.call()

    assert before == 2
    assert [hour.last_at for hour in WorkspaceHour.objects.all()] == [now - timedelta(hours=40)]


def test_a_call_leaves_the_log_only_after_it_was_counted(token: Token, now: datetime) -> None:
    log_call(token, at=now - 400 * DAY)

    assert tasks.prune_request_log(before=now) == 0

    tasks.roll_up_usage.call()
    assert tasks.prune_request_log(before=now) == 1


def test_a_log_of_many_batches_is_pruned_whole(token: Token, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_BATCH", 2)
    for _call in range(5):
        last = log_call(token, at=now - DAY)
    UsageProgress.objects.create(pk=1, last_entry_id=last.pk)

    assert tasks.prune_request_log(before=now) == 5

    assert not RequestLogEntry.objects.exists()


def test_counts_stay_as_long_as_the_usage_page_looks_back(token: Token, now: datetime, settings: Any) -> None:
    settings.REQUEST_LOG_DAYS = 1
    for age in (30, 31, 32):
        UsageCount.objects.create(
            token=token, day=(now - age * DAY).date(), address="192.0.2.1", status=200, calls=1, last_at=now
        )

    tasks.prune.call()

    assert sorted((now.date() - day).days for day in UsageCount.objects.values_list("day", flat=True)) == [30, 31]


def test_idempotency_keys_go_after_24_hours(token: Token, now: datetime) -> None:
    for key, claimed_at in (("old", now - KEPT - MOMENT), ("kept", now - KEPT)):
        IdempotencyKey.objects.create(token=token, key=key, fingerprint="", claimed_at=claimed_at)

    tasks.prune.call()

    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["kept"]


def test_buckets_go_when_they_have_been_idle_for_an_hour(db: None, now: datetime) -> None:
    for key, refilled_at in (("idle", now - tasks.BUCKET_IDLE_AFTER - MOMENT), ("busy", now - tasks.BUCKET_IDLE_AFTER)):
        RateBucket.objects.create(key=key, level=0, refilled_at=refilled_at.timestamp(), was_allowed=False)

    tasks.prune.call()

    assert list(RateBucket.objects.values_list("key", flat=True)) == ["busy"]
