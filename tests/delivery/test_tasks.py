from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django_tasks_db.models import DBTaskResult

from delivery.tasks import ABANDONED_AFTER, FAILURES_KEPT, SUCCESSES_KEPT, fail_abandoned, prune, prune_finished_tasks

MOMENT = timedelta(seconds=1)


def result(status: str, *, at: datetime) -> Any:
    """A row of the queue."""
    task_id = prune_finished_tasks.enqueue().id
    DBTaskResult.objects.filter(pk=task_id).update(status=status, started_at=at, finished_at=at)
    return DBTaskResult.objects.get(pk=task_id)


def test_old_results_are_deleted_and_failures_are_kept_longer(db: None, now: datetime) -> None:
    result("SUCCESSFUL", at=now - SUCCESSES_KEPT - MOMENT)
    result("FAILED", at=now - FAILURES_KEPT - MOMENT)
    kept = [
        result("SUCCESSFUL", at=now - SUCCESSES_KEPT),
        result("FAILED", at=now - FAILURES_KEPT),
        result("READY", at=now - timedelta(days=99)),
        result("RUNNING", at=now - timedelta(days=99)),
    ]

    deleted = prune(now=now)

    assert deleted == 2
    assert set(DBTaskResult.objects.values_list("pk", flat=True)) == {row.pk for row in kept}


def test_a_task_whose_worker_was_killed_is_failed_after_a_day(
    db: None, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    abandoned = result("RUNNING", at=now - ABANDONED_AFTER - MOMENT)
    busy = result("RUNNING", at=now - ABANDONED_AFTER)

    assert fail_abandoned(now=now) == 1

    abandoned.refresh_from_db()
    busy.refresh_from_db()
    assert (abandoned.status, abandoned.finished_at, busy.status) == ("FAILED", now.astimezone(UTC), "RUNNING")
    assert "1 tasks were abandoned" in caplog.text


def test_the_task_does_both(db: None, now: datetime) -> None:
    result("RUNNING", at=now - ABANDONED_AFTER - MOMENT)
    result("SUCCESSFUL", at=now - SUCCESSES_KEPT - MOMENT)

    prune_finished_tasks.call()

    assert list(DBTaskResult.objects.values_list("status", flat=True)) == ["FAILED"]
