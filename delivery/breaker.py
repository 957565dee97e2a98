"""When a destination that fails is left alone, and for how long."""

import random
from datetime import timedelta

OPENS_AFTER = 5
"""Temporary failures in a row."""
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=1)
"""What waits goes out so soon after the destination is back."""


def is_probing(consecutive_failures: int) -> bool:
    """Whether the next call is only to see if the destination is back, so that one is enough."""
    return consecutive_failures >= OPENS_AFTER


def pause_after(consecutive_failures: int, *, chance: float | None = None) -> timedelta:
    """How long nothing is sent now; nothing while the breaker stays closed.

    Doubles with each failure. `chance`, between 0 and 1, decides between half of it and all of it.
    """
    if not is_probing(consecutive_failures):
        return timedelta(0)
    whole = min(FIRST_PAUSE * float(2 ** min(consecutive_failures - OPENS_AFTER, 30)), LONGEST_PAUSE)
    return whole * (0.5 + 0.5 * (random.random() if chance is None else chance))  # noqa: S311 - no secret
