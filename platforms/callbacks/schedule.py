"""When a callback that failed is tried again: the schedule of Standard Webhooks, a little later by chance."""

import random
from datetime import timedelta

DEADLINE_S = 15.0
"""Of one call, its whole answer included."""
WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""After the first attempt, the second, and so on (standard-webhooks.md, “Deliverability and reliability”)."""
ATTEMPTS = len(WAITS) + 1
JITTER = 0.2
"""Of a wait: how much longer it may become, so that many do not come back at the same moment."""


def wait_after(attempt: int, *, chance: float | None = None) -> timedelta | None:
    """How long to wait after that attempt (1, 2 …) failed; None when it was the last.

    Whoever sends it again after the last begins a new round. `chance` is between 0 and 1.
    """
    of_round = (attempt - 1) % ATTEMPTS
    if of_round == len(WAITS):
        return None
    return WAITS[of_round] * (1 + JITTER * (random.random() if chance is None else chance))  # noqa: S311 - no secret
