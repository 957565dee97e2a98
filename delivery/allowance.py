"""Calls beside the outbox that share a destination's published limit with it."""

from datetime import datetime

from django.db import transaction

from delivery import bucket
from delivery.models import Destination

_SHARED_FROM = 2
"""A bucket that holds one call only can't be halved."""


@transaction.atomic
def take_calls(destination_id: int, *, wanted: int, now: datetime) -> int:
    """So many calls may be made now, at most `wanted`, and the destination's token bucket knows of them.

    Half of a full bucket is left to deliveries; none is given while the destination is off, paused or removed.
    """
    destination = Destination.objects.select_for_update(no_key=True).get(pk=destination_id)
    is_resting = destination.resumes_at is not None and destination.resumes_at > now
    if not destination.is_on or destination.removed_at is not None or is_resting:
        return 0
    rate = destination.requests_per_minute
    if rate is None:
        return wanted
    level = bucket.level_at(now, level=destination.level, refilled_at=destination.refilled_at, requests_per_minute=rate)
    full = bucket.capacity(rate)
    spare = level - full / 2 if full >= _SHARED_FROM else level
    taken = max(0, min(wanted, int(spare)))
    if taken:
        Destination.objects.filter(pk=destination_id).update(level=level - taken, refilled_at=now)
    return taken
