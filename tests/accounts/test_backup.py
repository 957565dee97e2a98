"""The drill: back up a server that is being written to, and restore it to a fresh machine; on both databases."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from scripts.run_tests import postgresql, postgresql_programs

PATIENCE_S = 120
PEPPER = "1:kT7mW3xQ9vB5nZ1cL8rY4hJ6dF2sG0pA"

pytestmark = pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3",
    reason="makes databases of both kinds of its own, whatever the others run on",
)


class Machine:
    """A place with a database and the secrets of .env, where commands are run."""

    def __init__(self, url: str, project: Path) -> None:
        self.url, self.project = url, project
        self.environment = {
            "PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "raven_admin.settings", "DATABASE_URL": url,
            "SECRET_KEY": "wP5yH2rK8mX4vT9bN6cQ1zL7jF3dS0gA5eU2iO8nB4xV", "TOKEN_PEPPERS": PEPPER,
            "ENCRYPTION_KEYS": "gD4kV9xM2bT7nC5wR1zQ8yL3hJ6fS0pE", "BASE_URL": "http://127.0.0.1:8000",
            "DEMO_ADMIN_USERNAME": "admin", "DEMO_ADMIN_PASSWORD": "vako-limu-beda-runi", "LOG_LEVEL": "ERROR",
            "PYTHONWARNINGS": "ignore",
        }  # fmt: skip

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=self.project, env=self.environment, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str) -> str:
        output, errors = (process := self.start(*arguments)).communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, errors
        return output.strip()

    def refused(self, *arguments: str) -> str:
        """What a command says that ends with an error."""
        _output, errors = (process := self.start("manage.py", *arguments)).communicate(timeout=PATIENCE_S)
        assert process.returncode == 1
        return errors.strip()

    def report(self) -> Any:
        return json.loads(self.run("-m", "tests.accounts.backup_drill", "report"))


@pytest.fixture(params=["sqlite", "postgresql"])
def machines(request: pytest.FixtureRequest, tmp_path: Path, project: Path) -> Iterator[tuple[Machine, Machine]]:
    """One with data, and a fresh one."""
    if request.param == "sqlite":
        yield Machine(f"sqlite:///{tmp_path / 'old.db'}", project), Machine(f"sqlite:///{tmp_path / 'new.db'}", project)
        return
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL on this machine")
    with postgresql(programs) as url:
        folder = url.partition("host=")[2]
        with psycopg.connect(host=folder, user="raven", dbname="postgres", autocommit=True) as database:
            database.execute("CREATE DATABASE fresh")
        yield Machine(url, project), Machine(url.replace("/postgres?", "/fresh?"), project)


def test_a_backup_made_under_load_restores_to_a_fresh_machine_on_which_all_fits_together(
    machines: tuple[Machine, Machine], tmp_path: Path
) -> None:
    old, fresh = machines
    file = tmp_path / "raven.backup"
    secret = old.run("-m", "tests.accounts.backup_drill", "prepare")
    for machine in machines:
        machine.environment["DRILL_SECRET"] = secret

    before, in_use, answered = _back_up_under_load(old, file)
    fresh.run("manage.py", "restore", str(file))

    found = fresh.report()
    assert before
    assert set(before) <= set(found["messages"]) <= set(answered)  # all that was answered before it began
    assert found["messages"] == found["recipients"] == found["events"] == found["log"]  # and nothing by halves
    assert found["audit"]
    assert not any(found["audit"])  # the books of every destination balance
    assert found["credentials"] == [True, True, True]
    assert (found["token"], found["found"], found["can_sign_in"]) == (200, 200, True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [name for name in os.listdir(tmp_path) if "unfinished" in name] == []
    assert "connected to the database. Stop every web server and worker first." in in_use

    assert "add --replace" in fresh.refused("restore", str(file))
    assert fresh.report() == found
    old.run("manage.py", "restore", str(file), "--replace")
    assert old.report()["messages"] == found["messages"]

    # The secrets are not in the file: whoever has it alone can use no token.
    fresh.environment["TOKEN_PEPPERS"] = "1:another-pepper-of-another-machine-000"
    assert fresh.report()["token"] == 401


def _back_up_under_load(machine: Machine, file: Path) -> tuple[list[int], str, list[int]]:
    """The messages answered before it began, what a restore was told meanwhile, and all messages there are."""
    diary = file.with_name("answered")
    with diary.open("w") as written:
        callers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.accounts.backup_drill", "load"],
                cwd=machine.project, env=machine.environment, stdout=written, stderr=subprocess.DEVNULL,
            )
            for _ in range(2)
        ]  # fmt: skip
        try:
            _wait_for(diary, 30)
            before = _numbers(diary)
            machine.run("manage.py", "backup", str(file))
            _wait_for(diary, len(_numbers(diary)) + 10)  # they went on
            in_use = machine.refused("restore", str(file), "--replace")
        finally:
            for caller in callers:
                caller.kill()
                caller.wait()
    return before, in_use, machine.report()["messages"]


def _numbers(diary: Path) -> list[int]:
    return [int(line) for line in diary.read_text().splitlines(keepends=True) if line.strip() and line.endswith("\n")]


def _wait_for(diary: Path, count: int) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while len(_numbers(diary)) < count:
        assert time.monotonic() < give_up_at, "the callers do not get on"
        time.sleep(0.05)


@pytest.fixture
def machine(tmp_path: Path, project: Path) -> Machine:
    """With a SQLite database in which there is one table, of somebody else's."""
    with closing(sqlite3.connect(tmp_path / "small.db")) as database:
        database.execute("CREATE TABLE kept (name TEXT)")
        database.execute("INSERT INTO kept VALUES ('before')")
        database.commit()
    return Machine(f"sqlite:///{tmp_path / 'small.db'}", project)


def kept(tmp_path: Path) -> list[str]:
    with closing(sqlite3.connect(tmp_path / "small.db")) as database:
        return [name for (name,) in database.execute("SELECT name FROM kept")]


def test_a_backup_overwrites_nothing(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    assert "exists already" in machine.refused("backup", str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("content", [None, b"", b"PGDMP of PostgreSQL", b"hello"])
def test_what_is_no_backup_of_this_database_changes_nothing(
    machine: Machine, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)

    assert "is not a back-up of SQLite" in machine.refused("restore", str(tmp_path / "file"), "--replace")
    assert kept(tmp_path) == ["before"]


def test_a_damaged_backup_changes_nothing(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "file"
    machine.run("manage.py", "backup", str(file))
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * 4096)

    assert "is damaged" in machine.refused("restore", str(file), "--replace")
    assert kept(tmp_path) == ["before"]
