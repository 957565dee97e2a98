"""The nightly check: every linked record is read back, within the rate of its connection, while people sleep."""

import zoneinfo
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic, sleep

from django.utils import timezone
from django_tasks import task

from delivery.allowance import take_calls
from delivery.carriers import Temporary
from personas.services import PersonaNotFound
from platforms.arrivals import can_read
from platforms.drift import Comparison, NotLinked, compare
from platforms.encryption import SecretUnreadable
from platforms.models import Connection, Link
from platforms.registry import platform_of

NIGHT = range(1, 5)
"""The hours of the workspace's clock in which records are checked."""
CHECK_EVERY = timedelta(hours=20)
"""Less than a day, so that a record is read once a night however the nights begin."""
BATCH = 50
LONGEST_RUN = timedelta(seconds=20)
"""Of one run, so that other tasks need not wait long; the next run goes on."""
UNTIL_MORE_IS_ALLOWED = timedelta(seconds=1)
_BAD_CREDENTIAL = frozenset({"http_401", "http_402", "http_403", "address_refused"})


@dataclass(frozen=True, slots=True)
class Batch:
    read: int
    is_over: bool
    """Nobody is left to be read, or the platform is away or lets nobody in."""


@task()
def check_links() -> None:
    """Records that nobody has looked at since last night are known to be the same or to differ, as far as it got."""
    ends_at = monotonic() + LONGEST_RUN.total_seconds()
    connections = Connection.objects.filter(destination__is_on=True).select_related("destination", "workspace")
    left = [connection for connection in connections if is_night(connection, now=timezone.now())]
    while left and monotonic() < ends_at:
        batches = {connection: check_batch(connection, now=timezone.now()) for connection in left}
        left = [connection for connection in left if not batches[connection].is_over]
        if left and not any(batch.read for batch in batches.values()):
            sleep(UNTIL_MORE_IS_ALLOWED.total_seconds())


def is_night(connection: Connection, *, now: datetime) -> bool:
    return now.astimezone(zoneinfo.ZoneInfo(connection.workspace.time_zone)).hour in NIGHT


def check_batch(connection: Connection, *, now: datetime) -> Batch:
    """Records were read back: those whose check is longest ago, as many as the connection's rate leaves."""
    if not can_read(platform_of(connection.platform)):
        return Batch(0, is_over=True)
    due = Link.objects.filter(connection=connection, checked_at__lt=now - CHECK_EVERY).order_by("checked_at")
    persona_ids = list(due.values_list("persona_id", flat=True)[:BATCH])
    if not persona_ids:
        return Batch(0, is_over=True)
    allowed = persona_ids[: take_calls(connection.destination_id, wanted=len(persona_ids), now=now)]
    for number, persona_id in enumerate(allowed):
        try:
            found = compare(connection=connection, persona_id=persona_id, at=now)
        except (PersonaNotFound, NotLinked):  # deleted here, or there just now
            Link.objects.filter(connection=connection, persona_id=persona_id).update(checked_at=now)
        except SecretUnreadable:
            return Batch(number, is_over=True)
        else:
            if _ends_the_batch(found):
                return Batch(number + 1, is_over=True)
    return Batch(len(allowed), is_over=len(allowed) == len(persona_ids) < BATCH)


def _ends_the_batch(found: Comparison) -> bool:
    """Whether the platform is away or lets nobody in: others would not be read either."""
    trouble = found.trouble
    return isinstance(trouble, Temporary) or (trouble is not None and trouble.code in _BAD_CREDENTIAL)
