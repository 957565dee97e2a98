"""How calls are counted for whoever watches from outside."""

from datetime import datetime, timedelta

import pytest

from tokens.measures import BOUNDS_MS, calls_so_far
from tokens.models import RequestLogEntry
from tokens.usage import roll_up

pytestmark = pytest.mark.django_db


def log(number: int, *, at: datetime, duration_ms: float, status: int = 200, code: str = "") -> None:
    RequestLogEntry.objects.create(
        request_id=f"req_{number}", received_at=at, method="POST", path="/", status=status, code=code,
        duration_ms=duration_ms, address="203.0.113.7",
    )  # fmt: skip


def test_calls_stand_at_the_first_bound_that_they_do_not_exceed(now: datetime) -> None:
    for number, duration_ms in enumerate([0.4, 5.0, 5.1, 10_000.0, 10_000.1]):
        log(number, at=now, duration_ms=duration_ms)

    calls = calls_so_far()

    assert calls.by_bound == {5: 2, 10: 1, BOUNDS_MS[-1]: 1, 0: 1}
    assert calls.seconds == pytest.approx(20.0106)


def test_counting_settled_calls_changes_no_figure_and_pruning_them_neither(now: datetime) -> None:
    log(1, at=now - timedelta(hours=2), duration_ms=3)
    log(2, at=now - timedelta(hours=1), duration_ms=30, status=403, code="ability_missing")
    log(3, at=now, duration_ms=30, status=403, code="ability_missing")
    before = calls_so_far()

    roll_up(now=now)
    roll_up(now=now)
    RequestLogEntry.objects.filter(received_at__lt=now).delete()

    assert calls_so_far() == before
    assert before.by_kind == {(200, ""): 1, (403, "ability_missing"): 2}
