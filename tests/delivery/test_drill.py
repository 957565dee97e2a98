"""Workers and writers are killed at random moments under load, and nothing is lost, doubled or out of order."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from scripts.run_tests import postgresql, postgresql_programs
from tests.delivery.fake import Answer, Fake, running_fake

KILLS = 5
PATIENCE_S = 120


@contextmanager
def database_url(database: str, folder: Path) -> Iterator[str]:
    if database == "sqlite":
        yield f"sqlite:///{folder / 'drill.sqlite3'}"
    else:
        programs = postgresql_programs()
        if programs is None:
            pytest.skip("no PostgreSQL on this machine")
        with postgresql(programs) as url:
            yield url


class Drill:
    """Processes on a database of their own."""

    def __init__(self, url: str, project: Path) -> None:
        self.project = project
        self.environment = {
            "PATH": os.environ["PATH"], "DEBUG": "True", "DATABASE_URL": url, "LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "tests.delivery.worker_settings",
        }  # fmt: skip
        self.running: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        begun = subprocess.Popen(
            [sys.executable, *arguments], cwd=self.project, env=self.environment, stdout=subprocess.PIPE, text=True
        )
        self.running.append(begun)
        return begun

    def run(self, *arguments: str) -> str:
        done = self.start(*arguments)
        output = done.communicate(timeout=PATIENCE_S)[0]
        assert done.returncode == 0
        return output

    def worker(self) -> "subprocess.Popen[str]":
        return self.start("manage.py", "worker", "--only", "outbox")

    def report(self) -> Any:
        return json.loads(self.run("-m", "tests.delivery.drill", "report"))


@pytest.fixture(params=["sqlite", "postgresql"])
def drill(request: pytest.FixtureRequest, tmp_path: Path, project: Path) -> Iterator[Drill]:
    # Both databases in one run of the suite: the other run, on PostgreSQL, would do the same again.
    if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3":
        pytest.skip("makes databases of its own, whatever the others run on")
    with database_url(request.param, tmp_path) as url:
        made = Drill(url, project)
        try:
            yield made
        finally:
            for process in made.running:
                process.kill()
                process.wait()
                assert process.stdout is not None
                process.stdout.close()


def test_killed_workers_and_writers_lose_and_double_nothing_and_keep_each_lane_in_order(drill: Drill) -> None:
    with running_fake() as fake:
        drill.run("manage.py", "migrate", "--verbosity=0")
        drill.run("-m", "tests.delivery.drill", "prepare", fake.url)
        fake.answer = lambda _received: Answer(after_s=random.random() * 0.02)

        answered = _kill_at_random_under_load(drill, fake)
        _let_finish(drill)

        report = drill.report()

    kinds = {pk: kind for pk, kind, _lane, _state in report["deliveries"]}
    states = {pk: state for pk, _kind, _lane, state in report["deliveries"]}
    assert len(answered) > 100
    assert set(answered) <= set(states)  # nothing answered is lost
    assert {states[pk] for pk in kinds if kinds[pk] == "keyed"} == {"delivered"}
    assert {states[pk] for pk in kinds if kinds[pk] == "plain"} <= {"delivered", "unknown"}
    assert report["audit"] == {"keyed": {}, "plain": {}}
    done = _done(fake)
    assert sorted(done["/keyed/"]) == sorted(pk for pk in kinds if kinds[pk] == "keyed")  # each of them, and once
    received = [each.body["id"] for each in fake.received if each.path == "/plain/"]
    assert len(received) == len(set(received))  # never twice where twice does harm
    assert {pk for pk in kinds if kinds[pk] == "plain" and states[pk] == "delivered"} <= set(received)
    lanes = {pk: (kind, lane) for pk, kind, lane, _state in report["deliveries"]}
    for of_kind in done.values():
        for lane in {lanes[pk] for pk in of_kind}:
            in_lane = [pk for pk in of_kind if lanes[pk] == lane]
            assert in_lane == sorted(in_lane)


def _kill_at_random_under_load(drill: Drill, fake: Fake) -> list[int]:
    """The ids that writers have seen committed."""
    writers = [drill.start("-m", "tests.delivery.drill", "load", "100000") for _ in range(2)]
    workers = [drill.worker(), drill.worker()]
    output: list[str] = []
    for _kill in range(KILLS):
        before = len(fake.received)
        _wait_until(lambda before=before: len(fake.received) > before + 30)
        time.sleep(random.random() * 0.5)
        victim = random.randrange(2)
        workers[victim].kill()
        workers[victim].wait()
        workers[victim] = drill.worker()
    for writer in writers:
        writer.kill()
        output += writer.communicate()[0].splitlines(keepends=True)
    return [int(line) for line in output if line.endswith("\n")]


def _let_finish(drill: Drill) -> None:
    _wait_until(lambda: not {"waiting", "sending"} & drill.report()["states"].keys())


def _wait_until(condition: Any) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, "it did not happen"
        time.sleep(0.05)


def _done(fake: Fake) -> dict[str, list[int]]:
    """What each path did, in order: a key that it had seen before did nothing."""
    seen: set[str] = set()
    done: dict[str, list[int]] = {}
    for received in fake.received:
        if received.key not in seen:
            seen.add(received.key)
            done.setdefault(received.path, []).append(received.body["id"])
    return done
