"""Claiming what is due, so that each delivery is in the hands of one worker and each lane keeps its order.

Claims of one destination exclude each other by its row's lock, which keeps lanes in order and the token bucket exact on
any number of workers; whoever else moves a delivery that is not being sent takes the same lock first. The states stand
in the SQL as literals, because a partial index is used only for a condition that says the same as its own.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import msgspec
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from delivery import books, breaker, bucket
from delivery.carriers import carrier_of
from delivery.folding import fold
from delivery.following import tell
from delivery.models import Delivery, Destination
from delivery.outbox import FORGOTTEN
from delivery.states import State
from raven_admin.statements import Statement

_RUN_AT_MOST = 2_000
"""Rows looked at in the lanes of one claim."""
_LOOKED_AT = (500, 20_000)
"""Due rows among which the first of their lanes are looked for: first a few, then many."""

_DUE = Statement("""
    SELECT destination.id, destination.parallel_calls FROM delivery_destination destination
     WHERE destination.is_on AND destination.removed_at IS NULL
       AND (destination.resumes_at IS NULL OR destination.resumes_at <= %(now)s)
       AND EXISTS (
           SELECT 1 FROM delivery_delivery delivery
            WHERE delivery.destination_id = destination.id AND delivery.state = 'waiting' AND delivery.due_at <= %(now)s
       )
     ORDER BY destination.id
""")
_FIRST_OF_LANES = Statement("""
    SELECT due.lane FROM (
        SELECT id, lane, due_at FROM delivery_delivery
         WHERE destination_id = %(destination_id)s AND state = 'waiting' AND due_at <= %(now)s
           AND lane NOT IN (
               SELECT lane FROM delivery_delivery WHERE destination_id = %(destination_id)s AND state = 'sending'
           )
         ORDER BY due_at, id LIMIT %(looked_at)s
    ) due
     WHERE NOT EXISTS (
        SELECT 1 FROM delivery_delivery earlier
         WHERE earlier.destination_id = %(destination_id)s AND earlier.lane = due.lane AND earlier.id < due.id
           AND earlier.state IN ('waiting', 'sending', 'refused', 'unknown') AND earlier.state = 'waiting'
     )
     ORDER BY due.due_at, due.id LIMIT %(wanted)s
""")
_IN_LANES_TEXT = """
    SELECT id FROM delivery_delivery
     WHERE destination_id = %(destination_id)s AND lane IN (SELECT {lane})
       AND state IN ('waiting', 'sending', 'refused', 'unknown') AND {condition}
     ORDER BY lane, id LIMIT %(at_most)s
"""


def _in_lanes(condition: str) -> Statement:
    return Statement(
        sqlite=_IN_LANES_TEXT.format(lane="value FROM json_each(%(lanes)s)", condition=condition),
        postgresql=_IN_LANES_TEXT.format(lane="jsonb_array_elements_text(%(lanes)s::jsonb)", condition=condition),
    )


_WAITING_IN_LANES = _in_lanes("state = 'waiting'")
_STALE_IN_LANES = _in_lanes("state IN ('refused', 'unknown') AND merge = 'combine'")
_EXPIRED = Statement("SELECT id FROM delivery_delivery WHERE state = 'sending' AND leased_until < %s LIMIT 500")
_RENEW = Statement("UPDATE delivery_delivery SET leased_until = %s WHERE state = 'sending' AND lease = %s")


@dataclass(frozen=True, slots=True)
class Claim:
    """Deliveries that are ours to carry until `leased_until`, or longer if we say so in time."""

    lease: str
    destination: Destination
    deliveries: Sequence[Delivery]
    """Of a lane, in order."""
    is_probe: bool
    """Whether it is to see if the destination is back."""


def due_destinations(*, now: datetime) -> list[tuple[int, int]]:
    """The destinations for which something could be sent at `now`, each with how many calls it takes at a time."""
    return [(destination_id, parallel_calls) for destination_id, parallel_calls in _DUE.rows(now=now)]


@transaction.atomic
def claim(destination_id: int, *, limit: int, now: datetime) -> Claim | None:
    """Up to `limit` deliveries are leased to the caller, one lane to nobody else; None when there are none for it.

    What a newer change carries along is superseded on the way.
    """
    destination = (
        Destination.objects.select_for_update(no_key=True, skip_locked=True)
        .filter(pk=destination_id, is_on=True, removed_at=None)
        .first()
    )
    if destination is None or (destination.resumes_at is not None and destination.resumes_at > now):
        return None
    is_probe = breaker.is_probing(destination.consecutive_failures)
    allowed = _allowed(destination, limit=1 if is_probe else limit, now=now)
    runs = _runs(destination_id, at_most=allowed, now=now) if allowed else []
    if not runs:
        return None
    lease = uuid4().hex
    leaving, instead = _fold(destination_id, runs, at_most=allowed)
    _lease(leaving, lease=lease, until=now + settings.OUTBOX_LEASE)
    _supersede(instead, now=now)
    _book(destination_id, leaving, instead)
    _note_use(destination, len(leaving), is_probe=is_probe, now=now)
    return Claim(lease, destination, leaving, is_probe)


def renew(leases: Iterable[str], *, until: datetime) -> None:
    """What is being sent under these leases stays ours until then."""
    _RENEW.run_each([(until, lease) for lease in leases])


@transaction.atomic
def take_over_expired(*, now: datetime) -> int:
    """Nothing is being sent by a worker that is gone; returns how many deliveries were.

    One that may have gone out is only sent again where that does no harm; else its outcome is unknown.
    """
    ids = [pk for (pk,) in _EXPIRED.rows(now)]
    expired = list(
        Delivery.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
        .select_related("destination")
        .filter(pk__in=ids, state=State.SENDING, leased_until__lt=now)
    )
    tally: books.Tally = Counter()
    for delivery in expired:
        in_doubt = delivery.calling_at is not None and not carrier_of(delivery.destination).is_repeatable(delivery)
        new = State.UNKNOWN if in_doubt else State.WAITING
        if delivery.code in FORGOTTEN:
            new, delivery.settled_at = State.CANCELLED, now
        elif in_doubt:
            delivery.code = "worker_lost"
            delivery.problem = _("The worker ended while this was being sent, before the answer was stored.")
            delivery.settled_at = now
        books.note_move(tally, delivery.destination_id, State.SENDING, new)
        delivery.state, delivery.lease, delivery.leased_until, delivery.calling_at = new, "", None, None
        delivery.attempt_count += 1
    fields = ["state", "lease", "leased_until", "calling_at", "attempt_count", "code", "problem", "settled_at"]
    Delivery.objects.bulk_update(expired, fields)
    books.enter(tally)
    tell((delivery, State(delivery.state), delivery.problem) for delivery in expired)
    return len(expired)


def _allowed(destination: Destination, *, limit: int, now: datetime) -> int:
    """How many calls its token bucket lets out now."""
    rate = destination.requests_per_minute
    if rate is None:
        return limit
    destination.level = bucket.level_at(
        now, level=destination.level, refilled_at=destination.refilled_at, requests_per_minute=rate
    )
    return max(0, min(limit, int(destination.level)))


def _runs(destination_id: int, *, at_most: int, now: datetime) -> list[list[Delivery]]:
    """What waits in the first lanes that nobody is busy with, each from its oldest on."""
    lanes: list[str] = []
    for looked_at in _LOOKED_AT:
        rows = _FIRST_OF_LANES.rows(destination_id=destination_id, now=now, looked_at=looked_at, wanted=at_most)
        lanes = [lane for (lane,) in rows]
        if lanes:
            break
    if not lanes:
        return []
    runs: dict[str, list[Delivery]] = {lane: [] for lane in lanes}
    for delivery in _in(_WAITING_IN_LANES, destination_id, lanes):
        runs[delivery.lane].append(delivery)
    return [run for run in runs.values() if run]


def _in(statement: Statement, destination_id: int, lanes: Sequence[str]) -> list[Delivery]:
    rows = statement.rows(
        destination_id=destination_id, lanes=msgspec.json.encode(lanes).decode(), at_most=_RUN_AT_MOST
    )
    ids = [pk for (pk,) in rows]
    return list(Delivery.objects.filter(pk__in=ids).order_by("id")) if ids else []


def _fold(
    destination_id: int, runs: Sequence[Sequence[Delivery]], *, at_most: int
) -> tuple[list[Delivery], dict[Delivery, Delivery]]:
    foldable = [run[0].lane for run in runs if any(delivery.merge != Delivery.Merge.NONE for delivery in run)]
    stale = _in(_STALE_IN_LANES, destination_id, foldable) if foldable else []
    leaving: list[Delivery] = []
    instead: dict[Delivery, Delivery] = {}
    for run in runs:
        if len(leaving) >= at_most:
            break
        of_lane, replaced = fold(run, [old for old in stale if old.lane == run[0].lane])
        taken = of_lane[: at_most - len(leaving)]
        leaving += taken
        instead |= {old: newer for old, newer in replaced.items() if newer in taken}
    return leaving, instead


def _lease(deliveries: Sequence[Delivery], *, lease: str, until: datetime) -> None:
    for delivery in deliveries:
        delivery.state, delivery.lease, delivery.leased_until = State.SENDING, lease, until
    ids = [delivery.pk for delivery in deliveries]
    Delivery.objects.filter(pk__in=ids).update(state=State.SENDING, lease=lease, leased_until=until, settled_at=None)


def _supersede(instead: dict[Delivery, Delivery], *, now: datetime) -> None:
    if not instead:
        return
    grown = list(dict.fromkeys(instead.values()))
    Delivery.objects.bulk_update(
        grown, ["payload", "fields", "change_ids", "since", "steps", "idempotency_key"], batch_size=100
    )
    for newer in grown:
        older = [old.pk for old, by in instead.items() if by is newer]
        Delivery.objects.filter(pk__in=older).update(
            state=State.SUPERSEDED, superseded_by=newer, settled_at=now, code="", problem=""
        )


def _book(destination_id: int, leaving: Sequence[Delivery], instead: dict[Delivery, Delivery]) -> None:
    tally: books.Tally = Counter()
    books.note_move(tally, destination_id, State.WAITING, State.SENDING, len(leaving))
    for old in instead:
        books.note_move(tally, destination_id, State(old.state), State.SUPERSEDED)
    books.enter(tally)


def _note_use(destination: Destination, calls: int, *, is_probe: bool, now: datetime) -> None:
    """The bucket holds less; while one probes, nobody else does."""
    values: dict[str, object] = {}
    if destination.requests_per_minute is not None:
        values = {"level": destination.level - calls, "refilled_at": now}
    if is_probe:
        values["resumes_at"] = now + settings.OUTBOX_LEASE
    if values:
        Destination.objects.filter(pk=destination.pk).update(**values)
