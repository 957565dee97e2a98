from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps

from tokens import usage
from tokens.models import RequestLogEntry, Token, TokenDay, UsageCount, WorkspaceDay, WorkspaceHour
from tokens.usage import (
    Caller,
    agents_of,
    answers_of,
    callers_of,
    calls_of,
    days_of_token,
    days_of_workspace,
    roll_up,
)

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


def figures(token: Token) -> Any:
    days = days_of_token(token, days=30), days_of_workspace(token.workspace, days=30)
    return calls_of([token]), *days, callers_of(token)


def test_calls_are_the_same_before_and_after_they_are_rolled_up(token: Token, log: Log, now: datetime) -> None:
    for age in (timedelta(days=31), timedelta(days=29), timedelta(hours=1), timedelta(minutes=1)):
        log(now - age)
    log(now, status=403)
    before = figures(token)

    counted = roll_up(now=now)

    assert counted == 3
    assert figures(token) == before
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


def test_days_are_by_ability_status_and_code(token: Token, log: Log, now: datetime) -> None:
    log(now)
    log(now)
    log(now, address="203.0.113.8")
    log(now - timedelta(days=1), status=403, code="ability_missing")

    days = [(day.day, day.ability, day.status, day.code, day.calls) for day in days_of_token(token, days=7)]

    assert days == [
        (date(2026, 11, 21), "message_send", 200, "", 3),
        (date(2026, 11, 20), "message_send", 403, "ability_missing", 1),
    ]


def test_workspace_counts_calls_of_deleted_tokens_too(token: Token, log: Log, now: datetime) -> None:
    log(now - timedelta(hours=2))
    log(now - timedelta(hours=1), token_id=999_999)
    log(now - timedelta(hours=1), workspace=None, token=None)
    roll_up(now=now)

    token.delete()

    assert [day.calls for day in days_of_workspace(token.workspace, days=7)] == [2]


def test_days_are_known_when_their_calls_have_left_the_log(token: Token, log: Log, now: datetime) -> None:
    log(now - timedelta(days=80))
    roll_up(now=now)

    RequestLogEntry.objects.all().delete()

    assert [day.calls for day in days_of_token(token, days=90)] == [1]
    assert days_of_token(token, days=80) == []


def test_callers_are_the_busiest_first(token: Token, log: Log, now: datetime) -> None:
    log(now - timedelta(hours=1))
    log(now, address="203.0.113.8")
    roll_up(now=now)
    log(now, address="203.0.113.8")

    assert callers_of(token) == [
        Caller("203.0.113.8", 2, now),
        Caller("203.0.113.7", 1, now - timedelta(hours=1)),
    ]


def test_agents_are_of_the_newest_calls(token: Token, log: Log, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "AGENTS_AMONG", 2)
    for agent in ("curl/8", "shop/2", "shop/2"):
        log(now, agent=agent)

    assert agents_of(token) == [Caller("shop/2", 2, now)]


def test_calls_that_no_worker_counted_cost_a_page_only_so_much(
    token: Token, log: Log, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "_TAIL_AT_MOST", 3)
    for _number in range(5):
        log(now)

    assert [day.calls for day in days_of_token(token, days=7)] == [3]


@pytest.mark.parametrize("first_id", [1, 7])
def test_days_before_the_update_are_counted_from_the_log_and_known_from_its_first_call(
    token: Token, log: Log, now: datetime, first_id: int
) -> None:
    log(now - timedelta(days=3), id=first_id)
    log(now - timedelta(days=3), id=first_id + 1, status=403, code="ability_missing")
    roll_up(now=now)
    expected = [
        sorted(days, key=str) for days in (days_of_token(token, days=7), days_of_workspace(token.workspace, days=7))
    ]
    TokenDay.objects.all().delete()
    WorkspaceDay.objects.all().delete()

    import_module("tokens.migrations.0012_count_days_of_the_log").count_days_of_the_log(apps, None)

    days_of_both = days_of_token(token, days=7), days_of_workspace(token.workspace, days=7)
    assert [sorted(days, key=str) for days in days_of_both] == expected
    assert usage.known_from() == (None if first_id == 1 else now - timedelta(days=3))


def test_hours_before_the_update_are_counted_from_the_log(token: Token, log: Log, now: datetime) -> None:
    for age in (timedelta(days=3), timedelta(hours=30), timedelta(hours=2), timedelta(hours=2)):
        log(now - age, status=403, code="ability_missing")
    roll_up(now=now)
    log(now)
    since = (now - timedelta(hours=40)).replace(minute=0)
    expected = answers_of(token.workspace, since=since)
    WorkspaceHour.objects.all().delete()

    import_module("tokens.migrations.0016_count_hours_of_the_log").count_hours_of_the_log(apps, None)

    assert answers_of(token.workspace, since=since) == expected
    assert expected.calls == {(403, "ability_missing"): 3, (200, ""): 1}


def test_calls_of_many_tokens_cost_no_query_each(token: Token, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(3):
        calls_of([token] * 100)


def test_a_hole_in_the_ids_does_not_stop_the_counting(token: Token, log: Log, now: datetime) -> None:
    log(now - timedelta(hours=1), id=1)
    log(now - timedelta(hours=1), id=1_000_000)

    assert [roll_up(now=now), roll_up(now=now), roll_up(now=now)] == [1, 0, 1]


def test_the_day_is_that_of_utc(token: Token, log: Log, now: datetime) -> None:
    log(datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC))

    assert days_of_token(token, days=90)[0].day == date(2026, 11, 20)
