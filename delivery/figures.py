"""What the monitor shows, none of it by counting millions of rows."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Sum

from delivery import beats, books, breaker
from delivery.models import DESTINATIONS_IN_ORDER, BookEntry, Delivery, Destination, Intervention
from delivery.states import State
from raven_admin.statements import Statement

LISTED_AT_MOST = 100
"""Destinations, and as many again of those where something has not arrived."""
COUNTED_AT_MOST = 1_000
_REASONS_AMONG = 10_000

_OPEN = "delivery.state IN ('waiting', 'sending', 'refused', 'unknown')"
_OLDEST = Statement(f"""
    SELECT id, since FROM delivery_delivery delivery WHERE workspace_id = %s AND {_OPEN} ORDER BY since LIMIT 1
""")  # noqa: S608 - nothing of a caller's is in the text
_STANDING = Statement(f"""
    SELECT oldest.id, oldest.since,
        (SELECT COUNT(*) FROM (
            SELECT 1 FROM delivery_delivery
             WHERE workspace_id = %(workspace_id)s AND state = 'refused' LIMIT %(at_most)s
        ) refused),
        (SELECT COUNT(*) FROM (
            SELECT 1 FROM delivery_delivery
             WHERE workspace_id = %(workspace_id)s AND state = 'unknown' LIMIT %(at_most)s
        ) unknown),
        EXISTS (SELECT 1 FROM delivery_destination WHERE workspace_id = %(workspace_id)s AND removed_at IS NULL),
        EXISTS (SELECT 1 FROM delivery_workerbeat WHERE beat_at > %(alive_since)s)
      FROM (SELECT 1) always LEFT JOIN (
        SELECT id, since FROM delivery_delivery delivery
         WHERE workspace_id = %(workspace_id)s AND {_OPEN} ORDER BY since LIMIT 1
      ) oldest ON TRUE
""")  # noqa: S608 - nothing of a caller's is in the text
_OLDEST_THERE = f"""
    SELECT destination.id, oldest.id, oldest.since
      FROM delivery_destination destination JOIN delivery_delivery oldest ON oldest.id = (
        SELECT delivery.id FROM delivery_delivery delivery
         WHERE delivery.destination_id = destination.id AND {_OPEN} ORDER BY delivery.since LIMIT 1
      )
     WHERE destination.removed_at IS NULL
"""  # noqa: S608 - as above
_OLDEST_OF_EACH = Statement(f"{_OLDEST_THERE} AND destination.workspace_id = %s")
_OLDEST_OF_THE_FIRST = Statement(f"{_OLDEST_THERE} AND destination.id <= %s")
_REASONS = Statement("""
    SELECT code, MAX(problem), COUNT(*) FROM (
        SELECT code, problem FROM delivery_delivery WHERE destination_id = %s AND state = 'refused' LIMIT %s
    ) refused GROUP BY code ORDER BY COUNT(*) DESC, code
""")
_REASONS_OF_WORKSPACE = Statement("""
    SELECT destination_id, code, MAX(problem), COUNT(*) FROM (
        SELECT destination_id, code, problem FROM delivery_delivery
         WHERE workspace_id = %s AND state = 'refused' ORDER BY id DESC LIMIT %s
    ) refused GROUP BY destination_id, code ORDER BY COUNT(*) DESC, destination_id, code
""")


@dataclass(frozen=True, slots=True)
class Oldest:
    """The oldest change that has not been delivered, wherever it was to go."""

    delivery_id: int
    age: timedelta

    @property
    def is_over_limit(self) -> bool:
        """Whether it is older than `settings.OUTBOX_AGE_LIMIT`; then the headline is not green."""
        return self.age > settings.OUTBOX_AGE_LIMIT


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether all that was to leave a workspace has arrived, at a glance."""

    oldest: Oldest | None
    refused: int
    unknown: int
    """Of these two, counted to `COUNTED_AT_MOST`."""
    has_destinations: bool
    has_worker: bool


@dataclass(frozen=True, slots=True)
class DestinationFigures:
    """How a destination is doing."""

    destination: Destination
    created: int
    by_state: dict[State, int]
    oldest: Oldest | None
    paused_until: datetime | None
    """Nothing is sent before, because it failed or asked for it."""

    @property
    def balances(self) -> bool:
        """Whether created is the sum of all states."""
        return self.created == sum(self.by_state.values())

    @property
    def is_failing(self) -> bool:
        return breaker.is_probing(self.destination.consecutive_failures)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why deliveries were refused, with one of the sentences, and how many (of the first 10,000)."""

    code: str
    problem: str
    count: int


def oldest_undelivered(*, workspace_id: int, now: datetime) -> Oldest | None:
    """The headline; None when everything has arrived."""
    row = _OLDEST.row(workspace_id)
    return Oldest(row[0], _age(row[1], now)) if row else None


def standing_of(*, workspace_id: int, now: datetime) -> Standing:
    """In one query."""
    row = _STANDING.row(workspace_id=workspace_id, at_most=COUNTED_AT_MOST, alive_since=now - beats.GONE_AFTER)
    assert row is not None  # noqa: S101 - it counts
    pk, since, refused, unknown, has_destinations, has_worker = row
    oldest = None if pk is None else Oldest(pk, _age(since, now))
    return Standing(oldest, refused, unknown, bool(has_destinations), bool(has_worker))


def by_destination(*, workspace_id: int, now: datetime) -> list[DestinationFigures]:
    """The destinations that are not removed, callbacks behind connections, by name.

    The first 100 of them, and of the others those 100 that wait longest for something to arrive.
    """
    known = Destination.objects.filter(workspace=workspace_id, removed_at=None).order_by(*DESTINATIONS_IN_ORDER)
    oldest = {of: Oldest(pk, _age(since, now)) for of, pk, since in _OLDEST_OF_EACH.rows(workspace_id)}
    listed = list(known[:LISTED_AT_MOST])
    late = sorted(oldest.keys() - {each.pk for each in listed}, key=lambda of: oldest[of].age, reverse=True)
    if late:
        listed += known.filter(pk__in=late[:LISTED_AT_MOST])
    totals = books.totals(BookEntry.objects.filter(destination__in=listed))
    return [_figures(each, totals.get(each.pk, {}), oldest.get(each.pk), now=now) for each in listed]


def totals(*, workspace_id: int) -> dict[State, int]:
    """How many deliveries of all destinations that are not removed stand in each state."""
    entries = BookEntry.objects.filter(destination__workspace=workspace_id, destination__removed_at=None)
    summed = dict(entries.filter(state__in=State.values).values_list("state").annotate(Sum("amount")))
    return {state: summed.get(state.value, 0) for state in State}


def oldest_of_first(*, up_to_destination_id: int, now: datetime) -> dict[int, Oldest]:
    """By destination of any workspace, up to that one; those where everything has arrived are left out."""
    rows = _OLDEST_OF_THE_FIRST.rows(up_to_destination_id)
    return {of: Oldest(pk, _age(since, now)) for of, pk, since in rows}


def reasons(*, destination_id: int) -> list[Reason]:
    """Of what is refused there now, the most frequent first; each can be retried as a whole."""
    return [Reason(code, problem, count) for code, problem, count in _REASONS.rows(destination_id, _REASONS_AMONG)]


def reasons_of_all(*, workspace_id: int) -> list[tuple[int, Reason]]:
    """Of the newest 10,000 that are refused now, with their destinations' ids; the most frequent first."""
    rows = _REASONS_OF_WORKSPACE.rows(workspace_id, _REASONS_AMONG)
    return [(of, Reason(code, problem, count)) for of, code, problem, count in rows]


def deliveries(
    *,
    workspace_id: int,
    destination_id: int | None = None,
    state: str = "",
    code: str = "",
    persona_id: int | None = None,
) -> Any:
    """The workspace's deliveries that match, newest first, with their destinations."""
    found = Delivery.objects.filter(workspace=workspace_id).select_related("destination").order_by("-id")
    if destination_id is not None:
        found = found.filter(destination=destination_id)
    if state:
        found = found.filter(state=state)
    if code:
        found = found.filter(code=code)
    if persona_id is not None:
        found = found.filter(persona_id=persona_id)
    return found


def unfinished_interventions(*, workspace_id: int) -> list[Intervention]:
    """What is being done to many deliveries now, for their progress."""
    unfinished = Intervention.objects.filter(workspace=workspace_id, finished_at=None)
    return list(unfinished.select_related("destination").order_by("-id")[:20])


def _figures(
    destination: Destination, total: dict[str, int], oldest: Oldest | None, *, now: datetime
) -> DestinationFigures:
    resumes_at = destination.resumes_at
    return DestinationFigures(
        destination=destination,
        created=total.get(books.CREATED, 0),
        by_state={state: total.get(state, 0) for state in State},
        oldest=oldest,
        paused_until=resumes_at if resumes_at is not None and resumes_at > now else None,
    )


def _age(since: datetime, now: datetime) -> timedelta:
    if since.tzinfo is None:  # SQLite knows no zones, and keeps moments in UTC
        since = since.replace(tzinfo=UTC)
    return now - since
