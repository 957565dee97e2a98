"""Calls of a token added up for a page: what a change would break, and who still calls."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max
from django.utils.translation import gettext

from tokens.console.words import ability_label
from tokens.models import USAGE_DAYS, RequestLogEntry, Token, TokenEvent
from tokens.usage import Caller, Day, agents_of, callers_of, days_of_token

_LINES_AT_MOST = 20
_LOOKED_AT_AT_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """The calls that have something in common."""

    label: str
    calls: int
    share: float
    """Of the longest line, 0 to 100."""
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A token's calls in a stretch of days."""

    calls: int
    refused: int
    by_ability: list[Line]
    by_address: list[Line]
    by_agent: list[Line]
    """Of its newest 1,000 calls."""


@dataclass(frozen=True, slots=True)
class OldSecretUse:
    """Who still calls with a secret that was replaced, since it was."""

    old: Token
    since: datetime
    lines: list[Line]


def summary_of(token: Token, *, days: int = USAGE_DAYS, calls: Sequence[Day] | None = None) -> Summary:
    """What `token` was used for in the last `days` days (UTC); `calls` are those, if they are at hand."""
    if calls is None:
        calls = days_of_token(token, days=days)
    return Summary(
        calls=sum(day.calls for day in calls),
        refused=sum(day.calls for day in calls if day.status >= 400),
        by_ability=lines_of(
            calls, lambda day: ability_label(day.ability) if day.ability else gettext("No ability needed")
        ),
        by_address=_callers(callers_of(token, days=days)),
        by_agent=_callers(agents_of(token), nameless=gettext("No name given")),
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


def lines_of(days: Iterable[Day], label: Callable[[Day], str]) -> list[Line]:
    """The calls of `days` added up by what `label` says of each, the most first."""
    calls: dict[str, int] = {}
    last: dict[str, datetime] = {}
    for day in days:
        key = label(day)
        calls[key] = calls.get(key, 0) + day.calls
        last[key] = max(last.get(key, day.last_at), day.last_at)
    ranked = sorted(calls, key=lambda key: (-calls[key], key))
    return _callers([Caller(key, calls[key], last[key]) for key in ranked])


def _callers(callers: Sequence[Caller], *, nameless: str = "") -> list[Line]:
    longest = max((caller.calls for caller in callers), default=0)
    return [
        Line(caller.name or nameless, caller.calls, round(100 * caller.calls / longest, 1), caller.last_at)
        for caller in callers[:_LINES_AT_MOST]
    ]
