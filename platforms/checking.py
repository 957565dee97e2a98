"""The nightly check: every linked record is read back, within the rate of its connection, while people sleep."""

import zoneinfo
from datetime import datetime, timedelta
from time import monotonic

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
_BAD_CREDENTIAL = frozenset({"http_401", "http_402", "http_403", "address_refused"})


@task()
def check_links() -> None:
    """Records that nobody has looked at since last night are known to be the same or to differ, as far as it got."""
    ends_at = monotonic() + LONGEST_RUN.total_seconds()
    for connection in Connection.objects.filter(destination__is_on=True).select_related("destination", "workspace"):
        now = timezone.now()
        if is_night(connection, now=now):
            while monotonic() < ends_at and check_batch(connection, now=timezone.now()) == BATCH:
                pass


def is_night(connection: Connection, *, now: datetime) -> bool:
    return now.astimezone(zoneinfo.ZoneInfo(connection.workspace.time_zone)).hour in NIGHT


def check_batch(connection: Connection, *, now: datetime) -> int:
    """How many records were read back: those whose check is longest ago, as many as the connection's rate leaves."""
    if not can_read(platform_of(connection.platform)):
        return 0
    due = Link.objects.filter(connection=connection, checked_at__lt=now - CHECK_EVERY).order_by("checked_at")
    persona_ids = list(due.values_list("persona_id", flat=True)[:BATCH])
    if not persona_ids:
        return 0
    read = 0
    for persona_id in persona_ids[: take_calls(connection.destination_id, wanted=len(persona_ids), now=now)]:
        try:
            found = compare(connection=connection, persona_id=persona_id, at=now)
        except (PersonaNotFound, NotLinked):  # deleted here, or there just now
            Link.objects.filter(connection=connection, persona_id=persona_id).update(checked_at=now)
            continue
        except SecretUnreadable:
            return read
        read += 1
        if _ends_the_batch(found):
            return read
    return read


def _ends_the_batch(found: Comparison) -> bool:
    """Whether the platform is away or lets nobody in: others would not be read either."""
    trouble = found.trouble
    return isinstance(trouble, Temporary) or (trouble is not None and trouble.code in _BAD_CREDENTIAL)
