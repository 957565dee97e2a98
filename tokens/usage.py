"""How often tokens are used, exact at any moment.

The worker counts finished stretches of the request log: by caller (`UsageCount`, kept as long as the log), by day
(`TokenDay`, `WorkspaceDay`, kept for `settings.DAILY_FIGURES_DAYS`), and by hour (`WorkspaceHour`, kept two days).
Calls since then are counted from the log itself. Together they are right whether or not a worker runs.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Count, F, Max, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncDate, TruncHour
from django.utils import timezone

from accounts.models import Workspace
from raven_admin.statements import Statement
from tokens import measures
from tokens.among import Among
from tokens.models import (
    USAGE_DAYS,
    RequestLogEntry,
    Token,
    TokenDay,
    UsageCount,
    UsageProgress,
    WorkspaceDay,
    WorkspaceHour,
)

_SETTLED_AFTER = timedelta(minutes=5)
"""A call that is still being written may commit after one with a higher id; after five minutes none is."""
HOURS_KEPT = timedelta(days=2)
_BATCH = 50_000
_DAY_KINDS = ("day", "ability", "status", "code")


AGENTS_AMONG = 1_000
_CALLERS_AT_MOST = 200
_COUNTS_AT_MOST = 20_000
_TAIL_AT_MOST = 50_000
"""So that a page costs the same when no worker counts."""
UNCOUNTED_AT_MOST = 20_000
"""The same for a page that is to be there at once: of all calls of the server, so that no plan has to read more."""
_EDGE = """
    SELECT (SELECT COALESCE(MAX(last_entry_id), 0) FROM tokens_usageprogress) AS counted,
        (SELECT COALESCE(MAX(id), 0) FROM tokens_requestlogentry) - %(at_most)s AS looked_at
"""
UNCOUNTED = f"""(
    SELECT workspace_id, token_id, received_at, ability, status, code FROM tokens_requestlogentry
     WHERE id > (SELECT CASE WHEN counted > looked_at THEN counted ELSE looked_at END FROM ({_EDGE}) edge)
     ORDER BY id DESC LIMIT %(at_most)s
) uncounted"""  # noqa: S608 - nothing of a caller's is in the text
"""SQL for the calls that are not counted yet: the newest `at_most` of the server. The limit keeps PostgreSQL from
expecting a million of them, and from calling other processes to help."""
_ANSWERS = Statement(f"""
    SELECT status, code, SUM(calls), 0 FROM tokens_workspacehour
     WHERE workspace_id = %(workspace_id)s AND hour >= %(since)s GROUP BY status, code
    UNION ALL
    SELECT status, code, COUNT(*), 0 FROM {UNCOUNTED}
     WHERE workspace_id = %(workspace_id)s AND received_at >= %(since)s GROUP BY status, code
    UNION ALL
    SELECT 0, '', 0, CASE WHEN looked_at > counted THEN 1 ELSE 0 END FROM ({_EDGE}) edge
""")  # noqa: S608 - nothing of a caller's is in the text


@dataclass(frozen=True, slots=True)
class Day:
    """Calls of one kind on one day (UTC)."""

    day: date
    ability: str
    status: int
    code: str
    calls: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Answers:
    """How the calls since a moment were answered."""

    calls: dict[tuple[int, str], int]
    """By status and code."""
    is_cut: bool
    """No worker counts, and there were more calls than are looked at."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Calls of a token that were refused for one reason, where one ability was needed."""

    token_id: int
    ability: str
    calls: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls that came from one address, or from programs of one name."""

    name: str
    calls: int
    last_at: datetime


def calls_of(tokens: Collection[Token], *, days: int = USAGE_DAYS) -> dict[int, int]:
    """Calls per token id in the last `days` days; three queries, however many tokens."""
    return calls_by_id([token.pk for token in tokens], days=days)


def calls_by_id(ids: Collection[int], *, days: int = USAGE_DAYS) -> dict[int, int]:
    """`calls_of` for tokens of which only the ids are at hand."""
    first = _first_day(days)
    counted = TokenDay.objects.filter(Among("token_id", ids), day__gte=first)
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


def days_of_token(token: Token, *, days: int) -> list[Day]:
    """Its calls in the last `days` days; of calls that the worker has not counted yet, the newest 50,000."""
    tail = RequestLogEntry.objects.filter(token=token)
    return _days(TokenDay.objects.filter(token=token), tail, days=days)


def days_of_workspace(workspace: Workspace, *, days: int) -> list[Day]:
    """As `days_of_token`, of all its tokens, and of calls that showed a wrong secret for one of them."""
    tail = RequestLogEntry.objects.filter(workspace=workspace)
    return _days(WorkspaceDay.objects.filter(workspace=workspace), tail, days=days)


def answers_of(workspace: Workspace, *, since: datetime) -> Answers:
    """Of all calls since `since`, the beginning of an hour, of the last two days; in one query."""
    rows = _ANSWERS.rows(workspace_id=workspace.pk, since=since, at_most=UNCOUNTED_AT_MOST)
    calls: dict[tuple[int, str], int] = defaultdict(int)
    for status, code, number, _is_cut in rows:
        if number:
            calls[status, code] += int(number)
    return Answers(dict(calls), is_cut=any(row[3] for row in rows))


def refused_for(code: str, *, workspace: Workspace, ids: Collection[int], days: int) -> list[Refused]:
    """The calls of those tokens of `workspace` that were refused with `code` in the last `days` days."""
    first = _first_day(days)
    counted = TokenDay.objects.filter(Among("token_id", ids), day__gte=first, code=code)
    tail = _tail(RequestLogEntry.objects.filter(workspace=workspace)).filter(
        Among("token_id", ids), code=code, received_at__gte=_midnight(first)
    )
    found: dict[tuple[int, str], Refused] = {}
    rows: Iterable[Any]
    for rows in (
        counted.order_by().values_list("token_id", "ability").annotate(n=Sum("calls"), at=Max("last_at")),
        tail.order_by().values_list("token_id", "ability").annotate(n=Count("pk"), at=Max("received_at")),
    ):
        for token_id, ability, calls, last_at in rows:
            known = found.get((token_id, ability), Refused(token_id, ability, 0, last_at))
            found[token_id, ability] = replace(known, calls=known.calls + calls, last_at=max(known.last_at, last_at))
    return list(found.values())


def callers_of(token: Token, *, days: int = USAGE_DAYS) -> list[Caller]:
    """The addresses that called most in the last `days` days, the busiest first, and when each called last."""
    first = _first_day(days)
    newest = UsageCount.objects.filter(token=token, day__gte=first).order_by("-day").values("pk")[:_COUNTS_AT_MOST]
    counted = (
        UsageCount.objects.filter(pk__in=newest).values_list("address").annotate(n=Sum("calls"), at=Max("last_at"))
    )
    tail = _tail(RequestLogEntry.objects.filter(token=token)).filter(received_at__gte=_midnight(first))
    recent = tail.order_by().values_list("address").annotate(n=Count("pk"), at=Max("received_at"))
    calls: dict[str, Caller] = {}
    for rows in (counted, recent):
        for address, number, last_at in rows.order_by("-n")[:_CALLERS_AT_MOST]:
            known = calls.get(address, Caller(address, 0, last_at))
            calls[address] = Caller(address, known.calls + number, max(known.last_at, last_at))
    return sorted(calls.values(), key=lambda caller: (-caller.calls, caller.name))


def agents_of(token: Token) -> list[Caller]:
    """What the programs of its newest 1,000 calls call themselves; "" where they say nothing."""
    newest = RequestLogEntry.objects.filter(token=token).order_by("-pk").values("pk")[:AGENTS_AMONG]
    rows = (
        RequestLogEntry.objects.filter(pk__in=newest)
        .order_by()
        .values_list("agent")
        .annotate(n=Count("pk"), at=Max("received_at"))
        .order_by("-n", "agent")
    )
    return [Caller(*row) for row in rows[:_CALLERS_AT_MOST]]


def known_from() -> datetime | None:
    """Days before this do not know all calls; None: they know them from the beginning."""
    return UsageProgress.objects.values_list("days_known_from", flat=True).first()


@transaction.atomic
def roll_up(*, now: datetime) -> int:
    """Counts the next stretch of the log that has settled; returns how many calls it counted."""
    progress, _created = UsageProgress.objects.select_for_update().get_or_create(pk=1)
    stretch = RequestLogEntry.objects.filter(pk__gt=progress.last_entry_id, pk__lte=progress.last_entry_id + _BATCH)
    settled = stretch.filter(received_at__lt=now - _SETTLED_AFTER)
    last = settled.aggregate(last=Max("pk"))["last"]
    if last is None:
        return _skip_a_gap(progress)
    entries = stretch.filter(pk__lte=last)
    of_tokens = entries.filter(token__in=Token.objects.all())
    counted = _add(UsageCount, of_tokens, "token_id", "day", "ability", "address", "status")
    _add(TokenDay, of_tokens, "token_id", *_DAY_KINDS)
    of_workspaces = entries.filter(workspace__in=Workspace.objects.all())
    _add(WorkspaceDay, of_workspaces, "workspace_id", *_DAY_KINDS)
    lately = of_workspaces.filter(received_at__gte=now - HOURS_KEPT)
    _add(WorkspaceHour, lately, "workspace_id", "hour", "status", "code")
    measures.count(entries)
    UsageProgress.objects.update(last_entry_id=last)
    return counted


def _add(model: type[models.Model], entries: QuerySet[RequestLogEntry], *kinds: str) -> int:
    """`entries` are added to the counts of `model`, which are by `kinds`; returns how many they are."""
    found = (
        entries.order_by()
        .annotate(day=TruncDate("received_at", tzinfo=UTC), hour=TruncHour("received_at", tzinfo=UTC))
        .values_list(*kinds)
    )
    total = 0
    for *values, calls, last_at in list(found.annotate(calls=Count("pk"), last_at=Max("received_at"))):
        kind = dict(zip(kinds, values, strict=True))
        count, is_new = model._default_manager.get_or_create(**kind, defaults={"calls": calls, "last_at": last_at})
        if not is_new:
            known: Any = count
            model._default_manager.filter(pk=count.pk).update(
                calls=F("calls") + calls, last_at=max(known.last_at, last_at)
            )
        total += calls
    return total


def _days(counted: QuerySet[Any], log: QuerySet[RequestLogEntry], *, days: int) -> list[Day]:
    first = _first_day(days)
    recent = (
        _tail(log)
        .filter(received_at__gte=_midnight(first))
        .order_by()
        .annotate(day=TruncDate("received_at", tzinfo=UTC))
        .values_list(*_DAY_KINDS)
        .annotate(calls=Count("pk"), last_at=Max("received_at"))
    )
    merged: dict[tuple[Any, ...], Day] = {}
    rows: Iterable[Any]
    for rows in (counted.filter(day__gte=first).values_list(*_DAY_KINDS, "calls", "last_at"), recent):
        for row in rows:
            day = Day(*row)
            if known := merged.get(row[:4]):
                day = replace(day, calls=known.calls + day.calls, last_at=max(known.last_at, day.last_at))
            merged[row[:4]] = day
    return sorted(merged.values(), key=lambda day: (day.day, day.calls), reverse=True)


def _tail(log: QuerySet[RequestLogEntry]) -> QuerySet[RequestLogEntry]:
    """What of `log` the worker has not counted yet, the newest 50,000 of it."""
    waiting = log.filter(pk__gt=_progress())
    edge = waiting.order_by("-pk").values("pk")[_TAIL_AT_MOST - 1 : _TAIL_AT_MOST]
    return waiting.filter(pk__gte=Coalesce(edge, 0))


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


def _first_day(days: int) -> date:
    return _today() - timedelta(days=days - 1)


def _today() -> date:
    return timezone.now().astimezone(UTC).date()
