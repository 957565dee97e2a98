import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string
from django_tasks.base import Task
from django_tasks_db.models import DBTaskResult

from delivery.models import ScheduledTask
from delivery.schedule import enqueue_due

EVERY = timedelta(minutes=10)
PATH = "delivery.tasks.prune_finished_tasks"


@pytest.fixture(autouse=True)
def _one_task(settings: Any) -> None:
    settings.SCHEDULED_TASKS = {PATH: EVERY}


def queued() -> list[str]:
    return list(DBTaskResult.objects.values_list("task_path", flat=True))


def test_a_new_task_is_due_at_once(db: None, now: datetime) -> None:
    assert enqueue_due(now=now) == [PATH]

    assert queued() == [PATH]
    assert ScheduledTask.objects.get(path=PATH).due_at == now + EVERY


def test_a_task_is_not_enqueued_again_before_its_time(db: None, now: datetime) -> None:
    enqueue_due(now=now)

    assert enqueue_due(now=now + EVERY - timedelta(seconds=1)) == []

    assert queued() == [PATH]


def test_a_task_comes_back_after_its_interval_even_if_its_last_run_never_ended(db: None, now: datetime) -> None:
    enqueue_due(now=now)
    DBTaskResult.objects.get().claim("a worker that was killed")

    assert enqueue_due(now=now + EVERY) == [PATH]

    assert sorted(DBTaskResult.objects.values_list("status", flat=True)) == ["READY", "RUNNING"]


def test_a_task_missed_for_days_is_enqueued_once(db: None, now: datetime) -> None:
    enqueue_due(now=now)
    later = now + timedelta(days=3)

    assert enqueue_due(now=later) == [PATH]
    assert enqueue_due(now=later) == []

    assert ScheduledTask.objects.get(path=PATH).due_at == later + EVERY


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_known", [False, True])
def test_of_many_workers_that_ask_at_once_one_enqueues(now: datetime, is_known: bool) -> None:
    if is_known:
        ScheduledTask.objects.create(path=PATH, due_at=now)

    gate = threading.Barrier(8)

    def ask(_worker: int) -> list[str]:
        try:
            gate.wait()
            return enqueue_due(now=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(ask, range(8)))

    assert sorted(won) == [[]] * 7 + [[PATH]]
    assert queued() == [PATH]


def test_asking_when_nothing_is_due_costs_one_query(db: None, now: datetime, django_assert_num_queries: Any) -> None:
    enqueue_due(now=now)

    with django_assert_num_queries(1, connection=connection):
        enqueue_due(now=now)


@pytest.mark.parametrize("path", settings.SCHEDULED_TASKS)
def test_every_scheduled_path_is_a_task(path: str) -> None:
    assert isinstance(import_string(path), Task)
