"""Calls of a token added up for a page: what a change would break, who still calls, a bar a day."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, Max
from django.utils import timezone
from django.utils.translation import gettext

from tokens.console.words import ability_label
from tokens.models import USAGE_DAYS, RequestLogEntry, Token, TokenEvent
from tokens.usage import Use, uses_of

_LINES_AT_MOST = 20
_LOOKED_AT_AT_MOST = 100_000
_BAR_WIDTH, _BAR_GAP, _CHART_HEIGHT = 18, 6, 120


@dataclass(frozen=True, slots=True)
class Line:
    """The calls that have something in common."""

    label: str
    calls: int
    share: float
    """Of the longest line, 0 to 100."""
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart; lengths in the units of the SVG."""

    day: date
    calls: int
    refused: int
    x: int
    y: float
    height: float
    refused_y: float
    refused_height: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A token's calls in the last 30 days."""

    calls: int
    refused: int
    by_ability: list[Line]
    by_address: list[Line]
    by_status: list[Line]
    bars: list[Bar]
    highest: int
    days: int = USAGE_DAYS

    @property
    def chart_width(self) -> int:
        return len(self.bars) * (_BAR_WIDTH + _BAR_GAP) - _BAR_GAP

    @property
    def chart_height(self) -> int:
        return _CHART_HEIGHT

    @property
    def first_day(self) -> date:
        return self.bars[0].day

    @property
    def last_day(self) -> date:
        return self.bars[-1].day

    @property
    def bar_width(self) -> int:
        return _BAR_WIDTH


@dataclass(frozen=True, slots=True)
class OldSecretUse:
    """Who still calls with a secret that was replaced, since it was."""

    old: Token
    since: datetime
    lines: list[Line]


def summary_of(token: Token) -> Summary:
    """What `token` was used for in the last 30 days, days in UTC."""
    uses = uses_of(token)
    bars = _bars(uses, last=timezone.now().astimezone(UTC).date())
    return Summary(
        calls=sum(use.calls for use in uses),
        refused=sum(use.calls for use in uses if use.status >= 400),
        by_ability=_lines(
            uses, lambda use: ability_label(use.ability) if use.ability else gettext("No ability needed")
        ),
        by_address=_lines(uses, lambda use: use.address),
        by_status=_lines(uses, lambda use: str(use.status)),
        bars=bars,
        highest=max(bar.calls for bar in bars),
    )


def old_secret_use(token: Token) -> OldSecretUse | None:
    """The use of the secret that `token` no longer is, or that it replaced; None when it was never rotated."""
    old = token if token.replaced_by_id else Token.objects.filter(replaced_by=token).first()
    if old is None:
        return None
    rotation = TokenEvent.objects.filter(token=old, kind=TokenEvent.Kind.ROTATED).first()
    if rotation is None:
        return None
    newest = RequestLogEntry.objects.filter(token=old).order_by("-pk").values_list("pk", flat=True)
    first_id = newest[_LOOKED_AT_AT_MOST : _LOOKED_AT_AT_MOST + 1].first() or 0
    rows = (
        RequestLogEntry.objects.filter(token=old, pk__gte=first_id, received_at__gt=rotation.happened_at)
        .exclude(code="token_unknown")
        .order_by()
        .values_list("address")
        .annotate(calls=Count("pk"), last_at=Max("received_at"))
        .order_by("-calls")[:_LINES_AT_MOST]
    )
    lines = [Line(address, calls, 0.0, last_at) for address, calls, last_at in rows]
    return OldSecretUse(old=old, since=rotation.happened_at, lines=lines)


def _lines(uses: Iterable[Use], label: Callable[[Use], str]) -> list[Line]:
    calls: dict[str, int] = {}
    last: dict[str, datetime] = {}
    for use in uses:
        key = label(use)
        calls[key] = calls.get(key, 0) + use.calls
        last[key] = max(last.get(key, use.last_at), use.last_at)
    longest = max(calls.values(), default=0)
    ranked = sorted(calls, key=lambda key: (-calls[key], key))
    return [Line(key, calls[key], round(100 * calls[key] / longest, 1), last[key]) for key in ranked[:_LINES_AT_MOST]]


def _bars(uses: Iterable[Use], *, last: date) -> list[Bar]:
    calls: dict[date, int] = {}
    refused: dict[date, int] = {}
    for use in uses:
        calls[use.day] = calls.get(use.day, 0) + use.calls
        refused[use.day] = refused.get(use.day, 0) + (use.calls if use.status >= 400 else 0)
    days = [last - timedelta(days=ago) for ago in reversed(range(USAGE_DAYS))]
    highest = max((calls.get(day, 0) for day in days), default=0) or 1
    return [
        _bar(day, number * (_BAR_WIDTH + _BAR_GAP), calls.get(day, 0), refused.get(day, 0), highest)
        for number, day in enumerate(days)
    ]


def _bar(day: date, x: int, calls: int, refused: int, highest: int) -> Bar:
    height = round(max(2.0, _CHART_HEIGHT * calls / highest), 1) if calls else 1.0
    refused_height = round(height * refused / calls, 1) if calls else 0.0
    return Bar(
        day=day,
        calls=calls,
        refused=refused,
        x=x,
        y=_CHART_HEIGHT - height,
        height=height,
        refused_y=_CHART_HEIGHT - refused_height,
        refused_height=refused_height,
    )
