"""Operations: who may move them, what a killed worker leaves, and that one never stands in others' way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django_tasks_db.models import DBTaskResult

from accounts.models import User, Workspace
from accounts.roles import Action
from personas import operations
from personas.history import Cause
from personas.models import Operation, OperationRow, Origin, Persona
from personas.operations import (
    LEASE,
    MAX_STALLS,
    PREVIEWED_FOR,
    UNDOABLE_FOR,
    NothingToDo,
    OperationMoved,
    begin_operation,
    can_be_undone,
    cancel_operation,
    carry_on,
    prune_operations,
    start_operation,
    undo_operation,
    wake_abandoned,
)
from raven_admin.errors import RavenError
from tests.personas.operating import work_off

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class Shouting:
    """Writes names in capitals."""

    origin = Origin.PERSON
    write_action = Action.PERSONA_WRITE
    undoable_for = UNDOABLE_FOR
    fails_at: str = ""

    def prepare(self, operation: Operation, *, after: OperationRow | None) -> Iterator[Sequence[OperationRow]]:
        people = Persona.objects.filter(workspace=operation.workspace).order_by("pk")
        for number, persona in enumerate(people, start=1):
            if after is None or number > after.number:
                yield [OperationRow(operation=operation, number=number, action="change", persona=persona)]

    def carry_out(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        for row in rows:
            assert row.persona is not None
            if row.persona.name == self.fails_at:
                raise ZeroDivisionError
            row.before, row.state = {"name": row.persona.name}, OperationRow.State.DONE
            Persona.objects.filter(pk=row.persona.pk).update(name=row.persona.name.upper())

    def undo(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        for row in rows:
            assert row.persona is not None
            Persona.objects.filter(pk=row.persona.pk).update(name=(row.before or {})["name"])
            row.state = OperationRow.State.UNDONE


@pytest.fixture
def shouting(monkeypatch: pytest.MonkeyPatch) -> type[Shouting]:
    monkeypatch.setitem(operations._KINDS, Operation.Kind.MERGE, f"{__name__}.Shouting")
    monkeypatch.setattr("personas.operations.BATCH_ROWS", 2)
    return Shouting


@pytest.fixture
def people(workspace: Workspace) -> list[Persona]:
    return [Persona.objects.create(workspace=workspace, name=f"person {number}") for number in range(5)]


@pytest.fixture
def operation(workspace: Workspace, support_user: User, shouting: Any, people: Any, now: datetime) -> Operation:
    return begin_operation(
        workspace=workspace, kind=Operation.Kind.MERGE, title="Shout", plan={}, by=support_user, at=now
    )


def names() -> list[str]:
    return list(Persona.objects.order_by("pk").values_list("name", flat=True))


@pytest.fixture
def preview(operation: Operation) -> Operation:
    return work_off(operation)


@pytest.mark.django_db
def test_operation_does_nothing_before_it_is_started_and_is_undone_as_a_whole(
    preview: Operation, support_user: User, admin_user: User, now: datetime
) -> None:
    before = names()
    assert (preview.state, preview.total, preview.counts) == ("preview", 5, {"change": {"planned": 5}})

    done = work_off(start_operation(operation_id=preview.pk, by=support_user, at=now))
    assert (done.state, done.processed, done.total) == ("done", 5, 5)
    assert names() == [name.upper() for name in before]

    undone = work_off(undo_operation(operation_id=preview.pk, by=admin_user, at=now))
    assert (undone.state, undone.undone_by, undone.actor_label) == ("undone", "Ayu", "Budi")
    assert names() == before


@pytest.mark.django_db
def test_wake_up_call_that_comes_late_or_twice_does_nothing(operation: Operation, now: datetime) -> None:
    lease = now + LEASE
    Operation.objects.filter(pk=operation.pk).update(leased_until=lease + timedelta(seconds=1))

    carry_on.call(operation.pk, lease.isoformat())

    operation.refresh_from_db()
    assert (operation.state, operation.processed, operation.stalls) == ("preparing", 0, 0)


@pytest.mark.django_db
def test_operation_that_gave_way_stands_at_the_end_of_the_queue(
    preview: Operation, support_user: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.operations.GIVES_WAY_AFTER_S", 0)
    DBTaskResult.objects.all().delete()
    operation = start_operation(operation_id=preview.pk, by=support_user, at=now)

    carry_on.call(operation.pk, (now + LEASE).isoformat())

    operation.refresh_from_db()
    assert (operation.state, operation.processed) == ("running", 2)
    assert operation.leased_until is not None
    calls = [row.args_kwargs["args"] for row in DBTaskResult.objects.order_by("enqueued_at")]
    assert calls == [[operation.pk, (now + LEASE).isoformat()], [operation.pk, operation.leased_until.isoformat()]]


@pytest.mark.django_db
def test_stopped_operation_keeps_what_is_done_and_can_be_undone(
    preview: Operation, support_user: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.operations.GIVES_WAY_AFTER_S", 0)
    before = names()
    operation = start_operation(operation_id=preview.pk, by=support_user, at=now)
    carry_on.call(operation.pk, (now + LEASE).isoformat())
    operation.refresh_from_db()
    lease = operation.leased_until

    stopped = cancel_operation(operation_id=operation.pk)
    assert lease is not None
    carry_on.call(operation.pk, lease.isoformat())

    assert names() == ["PERSON 0", "PERSON 1", *before[2:]]
    assert can_be_undone(stopped, at=now)
    work_off(undo_operation(operation_id=operation.pk, by=support_user, at=now))
    assert names() == before


@pytest.mark.django_db
def test_operation_is_moved_only_from_the_state_it_is_in(preview: Operation, support_user: User, now: datetime) -> None:
    for move in (
        lambda: undo_operation(operation_id=preview.pk, by=support_user, at=now),
        lambda: (start_operation(operation_id=preview.pk, by=support_user, at=now),
                 start_operation(operation_id=preview.pk, by=support_user, at=now)),
    ):  # fmt: skip
        with pytest.raises(OperationMoved):
            move()


@pytest.mark.django_db
def test_nothing_is_started_when_no_row_would_change_anything(
    preview: Operation, support_user: User, now: datetime
) -> None:
    Operation.objects.filter(pk=preview.pk).update(counts={"same": {"done": 5}})

    with pytest.raises(NothingToDo):
        start_operation(operation_id=preview.pk, by=support_user, at=now)


@pytest.mark.django_db
def test_batch_that_fails_leaves_no_half_of_itself_and_is_given_up_after_some_attempts(
    preview: Operation, support_user: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = names()
    monkeypatch.setattr(Shouting, "fails_at", "person 3")
    operation = start_operation(operation_id=preview.pk, by=support_user, at=now)

    for _attempt in range(MAX_STALLS + 1):  # the first one gets a batch through
        operation.refresh_from_db()
        assert operation.leased_until is not None
        with pytest.raises(ZeroDivisionError):
            carry_on.call(operation.pk, operation.leased_until.isoformat())
        Operation.objects.filter(pk=operation.pk).update(leased_until=now - timedelta(seconds=1))
        wake_abandoned.call()

    operation.refresh_from_db()
    assert (operation.state, operation.processed, operation.leased_until) == ("failed", 2, None)
    assert operation.problem.startswith(f"It stopped {MAX_STALLS} times at the same place.")
    assert names() == ["PERSON 0", "PERSON 1", *before[2:]]
    work_off(undo_operation(operation_id=operation.pk, by=support_user, at=now))
    assert names() == before


@pytest.mark.django_db
def test_sweep_wakes_only_what_nobody_carries(operation: Operation, now: datetime) -> None:
    DBTaskResult.objects.all().delete()
    wake_abandoned.call()
    assert not DBTaskResult.objects.exists()

    Operation.objects.filter(pk=operation.pk).update(leased_until=now - timedelta(seconds=1))
    wake_abandoned.call()
    wake_abandoned.call()

    assert DBTaskResult.objects.count() == 1


@pytest.mark.django_db
def test_refusal_of_the_kind_ends_the_operation_with_its_sentence(
    operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any, **_named: Any) -> Iterator[Sequence[OperationRow]]:
        raise _Refusal
        yield []

    monkeypatch.setattr(Shouting, "prepare", refuse)

    operation = work_off(operation)

    assert (operation.state, operation.problem) == ("failed", "Nothing here can be shouted.")


class _Refusal(RavenError):
    """Nothing here can be shouted."""


@pytest.mark.django_db
def test_rows_are_forgotten_in_the_end_and_a_preview_that_nobody_started_sooner(
    preview: Operation, support_user: User, now: datetime
) -> None:
    done = work_off(start_operation(operation_id=preview.pk, by=support_user, at=now))
    waiting = work_off(
        begin_operation(
            workspace=done.workspace, kind=Operation.Kind.MERGE, title="Later", plan={}, by=support_user, at=now
        )
    )
    prune_operations.call()
    assert OperationRow.objects.count() == 10

    Operation.objects.filter(pk=waiting.pk).update(created_at=now - PREVIEWED_FOR - timedelta(seconds=1))
    old = now - UNDOABLE_FOR - timedelta(seconds=1)
    Operation.objects.filter(pk=done.pk).update(created_at=old, carried_out_at=old)
    prune_operations.call()

    assert set(OperationRow.objects.values_list("operation", flat=True)) == {waiting.pk}
    waiting.refresh_from_db()
    done.refresh_from_db()
    assert (waiting.state, done.state) == ("cancelled", "done")
    assert not can_be_undone(done, at=now)


# ------------------------------------------------------------------------------------- a worker that is killed
PATIENCE_S = 90


def _wait_for(condition: Any) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, "it did not happen"
        time.sleep(0.02)


@pytest.mark.django_db(transaction=True)
def test_import_of_a_killed_worker_is_finished_by_the_next_without_loss_or_repetition(
    workspace: Workspace, support_user: User, project: Path
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the worker of this test opens the test database as a file")
    lines = ["Name,Phone", *(f"Person {number},+62812{number:07}" for number in range(3_000))]
    operation = begin_operation(
        workspace=workspace, kind=Operation.Kind.IMPORT, title="people.csv", plan={}, by=support_user,
        file="\n".join(lines).encode(), at=datetime.now(UTC),
    )  # fmt: skip
    operation = start_operation(operation_id=work_off(operation).pk, by=support_user, at=datetime.now(UTC))
    environment = {
        "PATH": os.environ["PATH"],
        "DEBUG": "True",
        "DATABASE_URL": f"sqlite:///{settings.DATABASES['default']['NAME']}",
    }
    command = [sys.executable, "manage.py", "worker"]

    first = subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.DEVNULL)
    try:
        _wait_for(lambda: Persona.objects.exists())
        first.send_signal(signal.SIGKILL)
    finally:
        first.kill()
        first.wait()
    operation.refresh_from_db()
    assert operation.state == "running"
    assert 0 < Persona.objects.count() == operation.processed < 3_000

    Operation.objects.filter(pk=operation.pk).update(leased_until=datetime.now(UTC) - timedelta(seconds=1))
    wake_abandoned.call()
    operation = work_off(operation)

    assert (operation.state, operation.counts) == ("done", {"create": {"planned": 0, "done": 3_000}})
    assert Persona.objects.count() == 3_000
    assert OperationRow.objects.exclude(state="done").count() == 0
