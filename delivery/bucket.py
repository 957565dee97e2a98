"""A destination's token bucket: how many calls may go out now, so that its published limit holds in every minute."""

from datetime import datetime, timedelta


def capacity(requests_per_minute: int) -> float:
    """How many calls may go out at once after a rest: a tenth of a minute's."""
    return max(1.0, requests_per_minute / 10)


def per_second(requests_per_minute: int) -> float:
    """How fast it fills: a burst and a minute's refill together are no more than the limit."""
    return max(requests_per_minute - capacity(requests_per_minute), requests_per_minute / 2) / 60


def level_at(now: datetime, *, level: float, refilled_at: datetime | None, requests_per_minute: int) -> float:
    """How many calls may go out at `now`, if `level` was right at `refilled_at` (None: it has never been used)."""
    full = capacity(requests_per_minute)
    if refilled_at is None:
        return full
    passed = max(now - refilled_at, timedelta(0))
    return min(full, level + passed.total_seconds() * per_second(requests_per_minute))
