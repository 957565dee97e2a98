"""What SQLite has written ahead is moved into its file beside the calls."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection, connections

from accounts.models import Workspace
from raven_admin.checkpoints import _try, checkpoint

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has a process of its own for it")


@pytest.mark.django_db(transaction=True)
def test_what_was_written_is_in_the_file_afterwards() -> None:
    checkpoint()
    Workspace.objects.create(name="Written ahead", slug="written-ahead")
    name = connection.settings_dict["NAME"]
    before = _file(name)

    checkpoint()

    assert b"written-ahead" not in before
    assert b"written-ahead" in _file(name)


@pytest.mark.django_db(transaction=True)
def test_what_hinders_it_for_long_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spoilt = tmp_path / "spoilt.sqlite3"
    spoilt.write_bytes(b"This was a database once. " * 200)

    def try_three_times() -> list[bool]:
        own = connections["default"]
        own.settings_dict = {**own.settings_dict, "NAME": str(spoilt)}
        could = [True]
        for _ in range(3):
            could.append(_try(could_before=could[-1]))
        return could[1:]

    with ThreadPoolExecutor(1) as thread:
        could = thread.submit(try_three_times).result()

    assert could == [False, False, False]
    assert len(caplog.records) == 1


def _file(name: str) -> bytes:
    with open(name, "rb") as file:
        return file.read()
