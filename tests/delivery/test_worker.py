"""Workers of their own process and database, started and stopped as an operator would."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django_tasks_db.models import DBTaskResult

from delivery.tasks import prune_finished_tasks
from delivery.worker import Worker

PATIENCE_S = 60
"""How long a test waits for what must happen before it gives up; it never asserts on the time it took."""


class Place:
    """A folder with a database, what the watched task wrote, and the workers that were started on it."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.folder, self.project = folder, project
        self.hold = folder / "hold"
        self.environment = {
            "PATH": os.environ["PATH"],
            "DEBUG": "True",
            "DATABASE_URL": f"sqlite:///{folder / 'worker.sqlite3'}",
            "DJANGO_SETTINGS_MODULE": "tests.delivery.worker_settings",
            "WATCHED": str(folder),
        }
        self.workers: list[subprocess.Popen[str]] = []

    def manage(self, *arguments: str) -> None:
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, cwd=self.project, env=self.environment, check=True, capture_output=True)

    def start(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "manage.py", "worker"]
        worker = subprocess.Popen(command, cwd=self.project, env=self.environment, stderr=subprocess.PIPE, text=True)
        self.workers.append(worker)
        return worker

    def diary(self) -> list[str]:
        path = self.folder / "diary"
        return path.read_text().splitlines() if path.exists() else []

    def statuses(self) -> list[str]:
        with sqlite3.connect(self.folder / "worker.sqlite3") as database:
            rows = database.execute("SELECT status FROM django_tasks_database_dbtaskresult ORDER BY enqueued_at")
            return [status for (status,) in rows]

    @staticmethod
    def wait_for(condition: Callable[[], Any]) -> None:
        give_up_at = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < give_up_at, "it did not happen"
            time.sleep(0.05)


@pytest.fixture
def place(tmp_path: Path, project: Path) -> Iterator[Place]:
    made = Place(tmp_path, project)
    made.manage("migrate", "--verbosity=0")
    yield made
    for worker in made.workers:
        worker.kill()
        worker.communicate()


def test_sigterm_lets_the_task_at_hand_finish(place: Place) -> None:
    place.hold.touch()
    worker = place.start()
    place.wait_for(lambda: place.diary() == [f"begin {worker.pid}"])

    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGTERM)
    place.hold.unlink()
    worker.communicate(timeout=PATIENCE_S)

    assert worker.returncode == 0
    assert place.diary() == [f"begin {worker.pid}", f"end {worker.pid}"]
    assert place.statuses()[0] == "SUCCESSFUL"


def test_sigterm_ends_an_idle_worker(place: Place) -> None:
    worker = place.start()
    place.wait_for(lambda: f"end {worker.pid}" in place.diary())

    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=PATIENCE_S)

    assert worker.returncode == 0
    assert "RUNNING" not in place.statuses()


def test_the_schedule_goes_on_after_a_worker_was_killed_in_the_middle_of_a_task(place: Place) -> None:
    place.hold.touch()
    killed = place.start()
    place.wait_for(lambda: place.diary() == [f"begin {killed.pid}"])
    killed.kill()
    killed.wait()
    place.hold.unlink()
    assert place.statuses() == ["RUNNING"]

    successor = place.start()

    place.wait_for(lambda: f"end {successor.pid}" in place.diary())


def test_a_worker_waits_for_a_database_that_is_away(place: Place) -> None:
    database = place.folder / "worker.sqlite3"
    away = place.folder / "away.sqlite3"
    database.rename(away)
    worker = place.start()
    assert worker.stderr is not None
    while "failed between two tasks" not in worker.stderr.readline():
        assert worker.poll() is None
    database.unlink()

    away.rename(database)

    place.wait_for(lambda: f"end {worker.pid}" in place.diary())


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the worker slept, without sleeping."""
    taken: list[float] = []
    monkeypatch.setattr("delivery.worker.time.sleep", taken.append)
    return taken


@pytest.mark.django_db(transaction=True)
def test_an_idle_worker_rests_at_least_a_second_between_looks(settings: Any, naps: list[float]) -> None:
    settings.SCHEDULED_TASKS = {}
    looks: list[float] = []

    class Watched(Worker):
        def run_next(self) -> bool:
            looks.append(sum(naps))
            if len(looks) == 3:
                self.stop()
            return super().run_next()

    Watched().run()

    assert looks == [0.0, 1.0, 2.0]


@pytest.mark.django_db(transaction=True)
def test_a_failing_task_is_recorded_and_the_next_one_runs(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.SCHEDULED_TASKS = {}
    failing, fine = (DBTaskResult.objects.get(pk=prune_finished_tasks.enqueue().id) for _task in range(2))
    DBTaskResult.objects.filter(pk=failing.pk).update(task_path="delivery.tasks.no_such_task", priority=1)
    worker = Worker()

    assert [worker.run_next(), worker.run_next(), worker.run_next()] == [True, True, False]

    failing.refresh_from_db()
    fine.refresh_from_db()
    assert (failing.status, fine.status) == ("FAILED", "SUCCESSFUL")
    assert "no_such_task" in failing.traceback


@pytest.mark.django_db(transaction=True)
def test_a_worker_rests_longer_while_its_queue_fails(
    settings: Any, naps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    settings.SCHEDULED_TASKS = {}
    rests: list[float] = []

    class Unlucky(Worker):
        def run_next(self) -> bool:
            rests.append(sum(naps))
            naps.clear()
            if len(rests) == 8:
                self.stop()
            raise OperationalError("the connection was lost")

    Unlucky().run()

    assert rests == [0, 2, 4, 8, 16, 30, 30, 30]
    assert len(caplog.records) == 8
    assert connection.connection is None
