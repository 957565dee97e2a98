"""The token bucket and the breaker, as computation."""

from datetime import UTC, datetime, timedelta

import pytest

from delivery import breaker, bucket

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("rate", [2, 10, 60, 300, 6000])
def test_no_minute_has_more_calls_than_the_rate(rate: int) -> None:
    calls: list[float] = []
    level, refilled_at = 0.0, None
    for tenth in range(1800):
        at = NOW + timedelta(seconds=tenth / 10)
        level = bucket.level_at(at, level=level, refilled_at=refilled_at, requests_per_minute=rate)
        calls += [tenth / 10] * int(level)
        level, refilled_at = level - int(level), at

    busiest = max(sum(begin <= call < begin + 60 for call in calls) for begin in range(120))

    assert rate / 2 <= busiest <= rate


def test_a_bucket_in_debt_fills_before_it_gives() -> None:
    level = bucket.level_at(NOW + timedelta(seconds=1), level=-3, refilled_at=NOW, requests_per_minute=60)

    assert level == pytest.approx(-3 + 54 / 60)


def test_breaker_opens_after_five_failures_and_stays_open_longer_each_time() -> None:
    pauses = [breaker.pause_after(failures, chance=1).total_seconds() for failures in range(13)]

    assert pauses == [0, 0, 0, 0, 0, 5, 10, 20, 40, 60, 60, 60, 60]


def test_breaker_pause_is_at_least_half_of_its_longest() -> None:
    assert breaker.pause_after(5, chance=0) == timedelta(seconds=2.5)
