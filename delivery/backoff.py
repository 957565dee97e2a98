"""How long to wait before the next attempt."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

FIRST = timedelta(seconds=2)
LONGEST = timedelta(hours=1)
LONGEST_ASKED = timedelta(days=1)
"""What a destination asks for is obeyed up to here."""


def backoff(attempt: int, *, chance: float | None = None) -> timedelta:
    """A random part of a span that doubles with each attempt (1, 2 …), at most an hour.

    Of all the ways to add chance, taking it of the whole span ("full jitter") lets many waiting deliveries come back
    least at once. `chance` is between 0 and 1.
    """
    longest = min(FIRST * float(2 ** min(attempt - 1, 30)), LONGEST)
    return longest * (random.random() if chance is None else chance)  # noqa: S311 - no secret


def parse_retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """What a `Retry-After` asks for: seconds, or a date of HTTP (RFC 9110, 10.2.3); None when it says nothing."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=min(int(text[:9]), 10**8)), LONGEST_ASKED)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta(0)), LONGEST_ASKED)
