"""Whether anything empties the outbox: each worker says so every few seconds."""

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta

from delivery.models import WorkerBeat

GONE_AFTER = timedelta(seconds=30)
"""A worker beats every five seconds; one that is silent for so long is gone, or its database is away."""
_KEPT = timedelta(days=1)
THIS_WORKER = f"{socket.gethostname()[:80]}:{os.getpid()}"


@dataclass(frozen=True, slots=True)
class Workers:
    """How many are alive, and when one was last heard of; None: not in the last day."""

    alive: int
    last_beat_at: datetime | None


def beat(worker: str, *, now: datetime) -> None:
    """It is known that this worker is alive."""
    mark = WorkerBeat(worker=worker, beat_at=now)
    WorkerBeat.objects.bulk_create([mark], update_conflicts=True, unique_fields=["worker"], update_fields=["beat_at"])


def end(worker: str) -> None:
    """It has stopped as it should."""
    WorkerBeat.objects.filter(worker=worker).delete()


def workers(*, now: datetime) -> Workers:
    beats = list(WorkerBeat.objects.order_by("-beat_at").values_list("beat_at", flat=True)[:1000])
    return Workers(sum(beat > now - GONE_AFTER for beat in beats), beats[0] if beats else None)


def forget_gone(*, now: datetime) -> None:
    """Workers that were killed long ago are forgotten."""
    WorkerBeat.objects.filter(beat_at__lt=now - _KEPT).delete()
