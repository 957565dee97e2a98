from datetime import UTC, datetime, timedelta

import pytest

from delivery.backoff import backoff, parse_retry_after

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(("attempt", "longest_s"), [(1, 2), (2, 4), (3, 8), (11, 2048), (12, 3600), (1000, 3600)])
def test_backoff_doubles_up_to_an_hour(attempt: int, longest_s: int) -> None:
    assert backoff(attempt, chance=1) == timedelta(seconds=longest_s)


def test_backoff_is_any_part_of_its_span() -> None:
    assert (backoff(3, chance=0), backoff(3, chance=0.25)) == (timedelta(0), timedelta(seconds=2))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("99999999999999", 86_400),
        ("Sat, 21 Nov 2026 09:31:00 GMT", 60),
        ("Saturday, 21-Nov-26 09:31:00 GMT", 60),
        ("Sat, 21 Nov 2026 09:00:00 GMT", 0),
        ("Fri, 21 Nov 2036 09:00:00 GMT", 86_400),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: int) -> None:
    assert parse_retry_after(header, now=NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "²"])
def test_retry_after_that_says_nothing_is_none(header: str | None) -> None:
    assert parse_retry_after(header, now=NOW) is None
