from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tokens.models import RequestLogEntry, Token, UsageCount
from tokens.usage import calls_of, roll_up, uses_of

pytestmark = pytest.mark.django_db

Log = Callable[..., RequestLogEntry]


@pytest.fixture
def log(token: Token) -> Log:
    numbers = iter(range(1_000_000))

    def logged(at: datetime, **fields: Any) -> RequestLogEntry:
        values: dict[str, Any] = {
            "request_id": f"req_{next(numbers)}", "received_at": at, "token": token, "workspace": token.workspace,
            "ability": "message_send", "method": "POST", "path": "/", "status": 200, "duration_ms": 1.0,
            "address": "203.0.113.7",
        }  # fmt: skip
        return RequestLogEntry.objects.create(**values | fields)

    return logged


def test_calls_are_the_same_before_and_after_they_are_rolled_up(token: Token, log: Log, now: datetime) -> None:
    for age in (timedelta(days=31), timedelta(days=29), timedelta(hours=1), timedelta(minutes=1)):
        log(now - age)
    log(now, status=403)
    before = calls_of([token]), uses_of(token)

    counted = roll_up(now=now)

    assert counted == 3
    assert (calls_of([token]), uses_of(token)) == before
    assert before[0] == {token.pk: 4}


def test_a_stretch_is_counted_once(token: Token, log: Log, now: datetime) -> None:
    log(now - timedelta(hours=1))
    roll_up(now=now)
    log(now - timedelta(hours=1))

    assert [roll_up(now=now), roll_up(now=now)] == [1, 0]
    assert UsageCount.objects.get().calls == 2


def test_calls_still_being_written_wait(token: Token, log: Log, now: datetime) -> None:
    log(now - timedelta(minutes=4))

    assert roll_up(now=now) == 0
    assert calls_of([token]) == {token.pk: 1}


def test_calls_of_nobody_and_of_deleted_tokens_are_passed_over(token: Token, log: Log, now: datetime) -> None:
    log(now - timedelta(hours=1), token=None)
    log(now - timedelta(hours=1), token_id=999_999)
    log(now - timedelta(hours=1))

    assert roll_up(now=now) == 1


def test_uses_are_by_day_ability_address_and_status(token: Token, log: Log, now: datetime) -> None:
    log(now)
    log(now)
    log(now, address="203.0.113.8")
    log(now - timedelta(days=1), status=403, code="ability_missing")

    uses = [(use.day, use.address, use.status, use.calls) for use in uses_of(token)]

    assert uses == [
        (date(2026, 11, 21), "203.0.113.7", 200, 2),
        (date(2026, 11, 21), "203.0.113.8", 200, 1),
        (date(2026, 11, 20), "203.0.113.7", 403, 1),
    ]


def test_uses_since_a_moment_leave_out_earlier_days(token: Token, log: Log, now: datetime) -> None:
    log(now - timedelta(days=3))
    log(now)

    assert [use.day for use in uses_of(token, since=now)] == [date(2026, 11, 21)]


def test_calls_of_many_tokens_cost_no_query_each(token: Token, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(3):
        calls_of([token] * 100)


def test_a_hole_in_the_ids_does_not_stop_the_counting(token: Token, log: Log, now: datetime) -> None:
    log(now - timedelta(hours=1), id=1)
    log(now - timedelta(hours=1), id=1_000_000)

    assert [roll_up(now=now), roll_up(now=now), roll_up(now=now)] == [1, 0, 1]


def test_the_day_is_that_of_utc(token: Token, log: Log) -> None:
    log(datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC))

    assert uses_of(token, since=datetime(2026, 11, 20, tzinfo=UTC))[0].day == date(2026, 11, 20)
