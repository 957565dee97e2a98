"""How much is going on in a workspace; bounded, so that it costs the same with ten million messages."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate

from messaging.models import Message, Topic
from personas.models import Persona

COUNTED_AT_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Day:
    """Messages of a day (UTC)."""

    day: date
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class Stats:
    personas: int
    """Counted up to COUNTED_AT_MOST, as is `topics_open`."""
    topics_open: int
    days: list[Day]
    """The newest first, every day of the period."""


def stats_of(*, workspace_id: int, days: int, now: datetime) -> Stats:
    """What the workspace holds now, and its messages of the last `days` days."""
    today = now.astimezone(UTC).date()
    first = datetime.combine(today - timedelta(days=days - 1), time.min, tzinfo=UTC)
    counted = {
        day: Day(day, sent, received)
        for day, sent, received in Message.objects.filter(workspace=workspace_id, created_at__gte=first)
        .order_by()
        .annotate(day=TruncDate("created_at", tzinfo=UTC))
        .values_list("day")
        .annotate(
            sent=Count("pk", filter=Q(direction=Message.Direction.OUTGOING)),
            received=Count("pk", filter=Q(direction=Message.Direction.INCOMING)),
        )
    }
    period = [today - timedelta(days=age) for age in range(days)]
    return Stats(
        personas=_bounded(Persona.objects.filter(workspace=workspace_id)),
        topics_open=_bounded(Topic.objects.filter(workspace=workspace_id, status=Topic.Status.OPEN)),
        days=[counted.get(day, Day(day, 0, 0)) for day in period],
    )


def _bounded(rows: "QuerySet[Persona] | QuerySet[Topic]") -> int:
    return rows.order_by().values("pk")[:COUNTED_AT_MOST].count()
