"""The feed of events: a number for whatever is committed, rising in the order a reader sees, and nothing skipped."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Workspace
from delivery import events
from delivery.models import Event, EventSequence

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
TIMEOUT_S = 30


def _record(workspace: Workspace, kind: str) -> None:
    events.record(workspace_id=workspace.pk, kind=kind, data={}, at=AT)


def _read(workspace: Workspace, after: int = 0, limit: int = 200) -> list[tuple[int | None, str]]:
    return [(e.number, e.kind) for e in events.read(workspace_id=workspace.pk, after=after, limit=limit)]


def _elsewhere(pool: ThreadPoolExecutor, work: Callable[[], Any]) -> "Future[Any]":
    """`work` is done by a thread with a connection of its own."""

    def working() -> Any:
        try:
            return work()
        finally:
            connection.close()

    return pool.submit(working)


@pytest.mark.django_db
def test_events_are_numbered_in_the_order_they_were_written(workspace: Workspace) -> None:
    for kind in "abc":
        _record(workspace, kind)

    assert _read(workspace) == [(1, "a"), (2, "b"), (3, "c")]
    assert _read(workspace, after=2) == [(3, "c")]
    assert _read(workspace, after=3) == []


@pytest.mark.django_db
def test_a_number_never_changes(workspace: Workspace) -> None:
    _record(workspace, "a")
    first = _read(workspace)
    _record(workspace, "b")

    assert _read(workspace) == [*first, (2, "b")]
    assert _read(workspace) == [(1, "a"), (2, "b")]


@pytest.mark.django_db
def test_a_short_page_leaves_the_rest_to_the_next(workspace: Workspace) -> None:
    for kind in "abcde":
        _record(workspace, kind)

    assert _read(workspace, limit=2) == [(1, "a"), (2, "b")]
    assert _read(workspace, after=2, limit=2) == [(3, "c"), (4, "d")]
    assert _read(workspace, after=4, limit=2) == [(5, "e")]


@pytest.mark.django_db
def test_reading_far_ahead_skips_nothing(workspace: Workspace) -> None:
    for kind in "abc":
        _record(workspace, kind)

    ahead = _read(workspace, after=2, limit=1)
    behind = _read(workspace)

    assert (ahead, behind) == ([], [(1, "a"), (2, "b"), (3, "c")])


@pytest.mark.django_db
def test_many_events_of_one_kind_are_written_at_once(workspace: Workspace, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(1):
        events.record_all(
            workspace_id=workspace.pk, kind="persona.created", data_of_each=[{"persona": n} for n in range(500)], at=AT
        )

    found = [event.data["persona"] for event in events.read(workspace_id=workspace.pk, after=0)]
    assert found == list(range(200))


@pytest.mark.django_db
def test_no_event_of_none(workspace: Workspace) -> None:
    events.record_all(workspace_id=workspace.pk, kind="x", data_of_each=[], at=AT)

    assert Event.objects.count() == 0


@pytest.mark.django_db
def test_what_is_rolled_back_never_happened(workspace: Workspace) -> None:
    with transaction.atomic():
        _record(workspace, "lost")
        transaction.set_rollback(True)
    _record(workspace, "kept")

    assert _read(workspace) == [(1, "kept")]


@pytest.mark.django_db(transaction=True)
def test_what_commits_late_gets_a_late_number(workspace: Workspace) -> None:
    """The case that a feed by id would skip: written first, committed after somebody has read a later one."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets one writer in at a time, so nothing can commit late")
    is_written, may_commit = threading.Event(), threading.Event()

    def write_and_wait() -> None:
        with transaction.atomic():
            _record(workspace, "late")
            is_written.set()
            assert may_commit.wait(TIMEOUT_S)

    with ThreadPoolExecutor(1) as pool:
        late = _elsewhere(pool, write_and_wait)
        assert is_written.wait(TIMEOUT_S)
        _record(workspace, "early")
        before = _read(workspace)
        may_commit.set()
        late.result(TIMEOUT_S)

    after = _read(workspace, after=1)
    assert Event.objects.get(kind="late").pk < Event.objects.get(kind="early").pk
    assert (before, after) == ([(1, "early")], [(2, "late")])


@pytest.mark.django_db(transaction=True)
def test_a_reader_sees_each_event_once_while_many_write(workspace: Workspace) -> None:
    writers, each = 4, 10
    gate = threading.Barrier(writers + 2)

    def write(name: int) -> None:
        gate.wait(TIMEOUT_S)
        for n in range(each):
            with transaction.atomic():
                _record(workspace, f"{name}.{n}")
                _record(workspace, f"{name}.{n}'")

    def follow() -> list[tuple[int | None, str]]:
        """Reads as a program does: what is behind the last number it saw, until it has seen all."""
        gate.wait(TIMEOUT_S)
        seen: list[tuple[int | None, str]] = []
        while len(seen) < writers * each * 2:
            seen += _read(workspace, after=seen[-1][0] or 0 if seen else 0, limit=7)
            time.sleep(0.02)  # SQLite's lock goes to whoever asks most often
        return seen

    with ThreadPoolExecutor(writers + 2) as pool:
        writing = [_elsewhere(pool, partial(write, name)) for name in range(writers)]
        following = [_elsewhere(pool, follow) for _ in range(2)]
        for done in writing:
            done.result(TIMEOUT_S * 2)
        first, second = (reader.result(TIMEOUT_S * 2) for reader in following)

    total = writers * each * 2
    assert first == second
    assert [number for number, _kind in first] == list(range(1, total + 1))
    assert len({kind for _number, kind in first}) == total
    assert EventSequence.objects.get(workspace=workspace).last_number == total
    for name in range(writers):
        kinds = [kind for _number, kind in first if kind.startswith(f"{name}.")]
        assert kinds == [f"{name}.{n}{mark}" for n in range(each) for mark in ("", "'")]
