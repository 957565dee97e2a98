"""A token bucket per token or address, exact across threads, processes and hosts: one statement takes and answers."""

import math
from dataclasses import dataclass
from datetime import datetime

from raven_admin.statements import Statement


def _taking(source: str, *, least: str, most: str) -> str:
    """`source` selects key, capacity - 1, moment and TRUE: what the row is if the bucket is new, and full."""
    capacity, passed = "(excluded.level + 1)", f"{most}(0, excluded.refilled_at - bucket.refilled_at)"
    refilled = f"{least}({capacity}, bucket.level + {passed} * {capacity} / %(window_s)s)"
    return f"""
        INSERT INTO tokens_ratebucket AS bucket (key, level, refilled_at, was_allowed)
        {source}
        ON CONFLICT (key) DO UPDATE SET
            level = {refilled} - CASE WHEN {refilled} >= 1 THEN 1 ELSE 0 END,
            was_allowed = {refilled} >= 1,
            refilled_at = {most}(bucket.refilled_at, excluded.refilled_at)
        RETURNING level, was_allowed
    """


def taking_in_postgresql(source: str) -> str:
    """A statement that takes a call from the bucket that `source` selects, to stand in one that asks more."""
    return _taking(source, least="LEAST", most="GREATEST")


_SOURCE = "SELECT %(key)s, %(capacity)s - 1, %(now)s, TRUE WHERE TRUE"
_TAKE = Statement(sqlite=_taking(_SOURCE, least="MIN", most="MAX"), postgresql=taking_in_postgresql(_SOURCE))


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds, counted under a name that several endpoints may share."""

    name: str
    requests: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a bucket answered: whether the call may go on, and what is left."""

    is_allowed: bool
    requests_per_minute: int
    remaining: int
    retry_after_s: int
    """Whole seconds until the next call may go on; 0 when one may now."""
    window_s: int = 60
    """The bucket holds as many calls as refill in this time."""

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-10 says."""
        name = {1: "second", 60: "minute"}.get(self.window_s, "window")
        quota = self.requests_per_minute * self.window_s // 60
        reset_s = math.ceil((quota - self.remaining) * 60 / self.requests_per_minute)
        return {
            "RateLimit-Policy": f'"{name}";q={quota};w={self.window_s}',
            "RateLimit": f'"{name}";r={self.remaining};t={reset_s}',
        }


def take_of_rate(rate: Rate, key: str, *, now: datetime) -> Allowance:
    """One call is taken from the bucket `key`, which holds the rate's requests and refills in its window."""
    return take(key, requests_per_minute=rate.requests * 60 // rate.window_s, now=now, window_s=rate.window_s)


def take(key: str, *, requests_per_minute: int, now: datetime, window_s: int = 60) -> Allowance:
    """One call is taken from the bucket `key`, which holds what refills in `window_s` and refills all the time.

    In a transaction of its own: within one, PostgreSQL would let the calls of a token wait for each other.
    """
    capacity = requests_per_minute * window_s / 60
    left, is_allowed = _TAKE.rows(key=key, capacity=capacity, window_s=window_s, now=now.timestamp())[0]
    return allowance_of(left, is_allowed=bool(is_allowed), requests_per_minute=requests_per_minute, window_s=window_s)


def allowance_of(left: float, *, is_allowed: bool, requests_per_minute: int, window_s: int = 60) -> Allowance:
    """What the bucket's answer means."""
    wait_s = 0 if left >= 1 else math.ceil((1 - left) * 60 / requests_per_minute)
    return Allowance(is_allowed, requests_per_minute, int(left), wait_s, window_s)
