"""Calls per day as a chart that is also a table: stacked bars by answer or by ability, drawn by the server."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tokens.console.words import Text, ability_label
from tokens.usage import Day

DAYS = (7, 30, 90)
SPLITS: dict[str, Text] = {"answer": _("By answer"), "ability": _("By ability")}
_ABILITIES_AT_MOST = 5
_STEP, _GAP, _HEIGHT = 10.0, 2.0, 100.0
_OTHERS = "…"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the page asks the chart for."""

    days: int
    split: str

    @classmethod
    def by(cls, request: HttpRequest) -> "Asked":
        """What is not offered is the same as nothing: 30 days, by answer."""
        days, split = request.GET.get("days", ""), request.GET.get("by", "")
        return cls(int(days) if days in map(str, DAYS) else 30, split if split in SPLITS else "answer")

    def choices(self) -> list[tuple[list[tuple[Text, str, bool]], Text]]:
        """The links above the chart, a group each: (label, address, whether it is this one), and what they choose."""
        days: list[tuple[Text, str, bool]] = [
            (_("%(days)s days") % {"days": n}, f"?days={n}&by={self.split}", n == self.days) for n in DAYS
        ]
        splits: list[tuple[Text, str, bool]] = [
            (label, f"?days={self.days}&by={key}", key == self.split) for key, label in SPLITS.items()
        ]
        return [(days, _("Time")), (splits, _("Colours"))]


@dataclass(frozen=True, slots=True)
class Series:
    """What one colour stands for."""

    css: str
    label: str
    calls: int


@dataclass(frozen=True, slots=True)
class Segment:
    css: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One day; lengths in the units of the SVG."""

    day: date
    calls: int
    x: float
    segments: list[Segment]
    cells: list[int]
    """Its calls by series, in their order."""


@dataclass(frozen=True, slots=True)
class Chart:
    asked: Asked
    series: list[Series]
    bars: list[Bar]
    top: int
    """What the highest line stands for."""
    highest: int
    calls: int
    bar_width: float = _STEP - _GAP
    height: float = _HEIGHT

    @property
    def width(self) -> float:
        return len(self.bars) * _STEP

    @property
    def marks(self) -> list[date]:
        """The days that are named below the chart: the first, the middle and the last."""
        return [self.bars[0].day, self.bars[len(self.bars) // 2].day, self.bars[-1].day]


def chart_of(days: Sequence[Day], asked: Asked) -> Chart:
    """The chart of `days`, the last of them today (UTC)."""
    kind_of, order, label_of = _split(days, asked.split)
    last = timezone.now().astimezone(UTC).date()
    calls: dict[tuple[date, str], int] = {}
    for day in days:
        key = (day.day, kind_of(day))
        calls[key] = calls.get(key, 0) + day.calls
    series = [
        Series(
            f"series-{asked.split}-{number}", label_of(kind), sum(n for (_day, of), n in calls.items() if of == kind)
        )
        for number, kind in enumerate(order)
    ]
    dates = [last - timedelta(days=ago) for ago in reversed(range(asked.days))]
    cells = {day: [calls.get((day, kind), 0) for kind in order] for day in dates}
    highest = max(map(sum, cells.values()))
    top = _round_above(highest)
    bars = [_bar(day, number, cells[day], series, top) for number, day in enumerate(dates)]
    return Chart(asked, series, bars, top, highest, sum(bar.calls for bar in bars))


def _split(days: Iterable[Day], split: str) -> tuple[Callable[[Day], str], list[str], Callable[[str], str]]:
    """What the chart is split by: a day's kind, the kinds in their order from the bottom, and their labels."""
    if split == "answer":
        labels = {"2": gettext("Worked"), "4": gettext("Refused"), "5": gettext("Failed")}
        return (
            lambda day: "2" if day.status < 400 else "4" if day.status < 500 else "5",
            list(labels),
            labels.__getitem__,
        )
    totals: dict[str, int] = {}
    for day in days:
        totals[day.ability] = totals.get(day.ability, 0) + day.calls
    ranked = sorted(totals, key=lambda key: (-totals[key], key))
    shown = ranked[:_ABILITIES_AT_MOST]
    order = shown if len(ranked) == len(shown) else [*shown, _OTHERS]
    return lambda day: day.ability if day.ability in shown else _OTHERS, order, _label_of_ability


def _label_of_ability(key: str) -> str:
    return gettext("Others") if key == _OTHERS else ability_label(key) if key else gettext("No ability needed")


def _round_above(number: int) -> int:
    """The next round number that is no smaller, and whose half is a whole number too."""
    power = 1
    while number > 10 * power:
        power *= 10
    return next(step * power for step in (2, 3, 4, 5, 6, 8, 10) if step * power >= number and step * power % 2 == 0)


def _bar(day: date, number: int, cells: list[int], series: Sequence[Series], top: int) -> Bar:
    segments, y = [], _HEIGHT
    for calls, of in zip(cells, series, strict=True):
        if calls:
            height = round(max(1.0, _HEIGHT * calls / top), 2)
            y = round(max(0.0, y - height), 2)
            segments.append(Segment(of.css, y, height))
    return Bar(day, sum(cells), number * _STEP + _GAP / 2, segments, cells)
