"""How often tokens are used, exact at any moment.

The worker counts finished stretches of the request log into `UsageCount`; calls since then are counted from the log
itself. Together they are right whether or not a worker runs.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction
from django.db.models import Count, F, Max, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from tokens import measures
from tokens.among import Among
from tokens.models import USAGE_DAYS, RequestLogEntry, Token, UsageCount, UsageProgress

_SETTLED_AFTER = timedelta(minutes=5)
"""A call that is still being written may commit after one with a higher id; after five minutes none is."""
_BATCH = 50_000


@dataclass(frozen=True, slots=True)
class Use:
    """Calls of one kind: by day (UTC), ability, address and HTTP status."""

    day: date
    ability: str
    address: str
    status: int
    calls: int
    last_at: datetime


def calls_of(tokens: Collection[Token], *, days: int = USAGE_DAYS) -> dict[int, int]:
    """Calls per token id in the last `days` days; three queries, however many tokens."""
    return calls_by_id([token.pk for token in tokens], days=days)


def calls_by_id(ids: Collection[int], *, days: int = USAGE_DAYS) -> dict[int, int]:
    """`calls_of` for tokens of which only the ids are at hand."""
    first = _today() - timedelta(days=days - 1)
    counted = UsageCount.objects.filter(Among("token_id", ids), day__gte=first)
    recent = RequestLogEntry.objects.filter(
        Among("token_id", ids), pk__gt=_progress(), received_at__gte=_midnight(first)
    )
    totals: dict[int, int] = defaultdict(int)
    for rows in (
        counted.values_list("token_id").annotate(total=Sum("calls")),
        recent.order_by().values_list("token_id").annotate(total=Count("pk")),
    ):
        for token_id, total in rows:
            totals[token_id] += total
    return {token_id: totals[token_id] for token_id in ids}


def uses_of(token: Token, *, since: datetime | None = None, days: int = USAGE_DAYS) -> list[Use]:
    """The calls of one token in the last `days` days, or since the beginning of the day of `since`."""
    first = since.astimezone(UTC).date() if since else _today() - timedelta(days=days - 1)
    kinds = ("day", "ability", "address", "status")
    counted = UsageCount.objects.filter(token=token, day__gte=first).values_list(*kinds, "calls", "last_at")
    recent = (
        RequestLogEntry.objects.filter(token=token, pk__gt=_progress())
        .order_by()
        .annotate(day=TruncDate("received_at", tzinfo=UTC))
        .filter(day__gte=first)
        .values_list(*kinds)
        .annotate(calls=Count("pk"), last_at=Max("received_at"))
    )
    merged: dict[tuple[date, str, str, int], Use] = {}
    for use in (Use(*row) for rows in (counted, recent) for row in rows):
        kind = (use.day, use.ability, use.address, use.status)
        if earlier := merged.get(kind):
            use = Use(*kind, earlier.calls + use.calls, max(earlier.last_at, use.last_at))
        merged[kind] = use
    return sorted(merged.values(), key=lambda use: (use.day, use.calls), reverse=True)


@transaction.atomic
def roll_up(*, now: datetime) -> int:
    """Counts the next stretch of the log that has settled; returns how many calls it counted."""
    progress, _created = UsageProgress.objects.select_for_update().get_or_create(pk=1)
    stretch = RequestLogEntry.objects.filter(pk__gt=progress.last_entry_id, pk__lte=progress.last_entry_id + _BATCH)
    settled = stretch.filter(received_at__lt=now - _SETTLED_AFTER)
    last = settled.aggregate(last=Max("pk"))["last"]
    if last is None:
        return _skip_a_gap(progress)
    rows = list(
        stretch.filter(pk__lte=last, token__in=Token.objects.all())
        .order_by()
        .annotate(day=TruncDate("received_at", tzinfo=UTC))
        .values_list("token_id", "day", "ability", "address", "status")
        .annotate(calls=Count("pk"), last_at=Max("received_at"))
    )
    for token_id, day, ability, address, status, calls, last_at in rows:
        kind = {"token_id": token_id, "day": day, "ability": ability, "address": address, "status": status}
        count, is_new = UsageCount.objects.get_or_create(**kind, defaults={"calls": calls, "last_at": last_at})
        if not is_new:
            UsageCount.objects.filter(pk=count.pk).update(calls=F("calls") + calls, last_at=max(count.last_at, last_at))
    measures.count(stretch.filter(pk__lte=last))
    UsageProgress.objects.update(last_entry_id=last)
    return sum(row[5] for row in rows)


def _skip_a_gap(progress: UsageProgress) -> int:
    """Ids may have holes wider than a batch (a pruned log, a sequence that jumped); go on behind the hole."""
    following = (
        RequestLogEntry.objects.filter(pk__gt=progress.last_entry_id)
        .order_by("pk")
        .values_list("pk", flat=True)
        .first()
    )
    if following is not None and following > progress.last_entry_id + _BATCH:
        UsageProgress.objects.update(last_entry_id=following - 1)
    return 0


def _progress() -> int:
    return UsageProgress.objects.values_list("last_entry_id", flat=True).first() or 0


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _today() -> date:
    return timezone.now().astimezone(UTC).date()
