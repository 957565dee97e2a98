"""What the monitor says above its list: the headline, the books, the workers, and what was refused."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.translation import gettext

from accounts.models import Workspace
from delivery import beats, figures
from delivery.console import words
from delivery.console.mentions import Mention, directory
from delivery.figures import DestinationFigures, Oldest, Reason
from delivery.models import Destination, Intervention
from delivery.states import State

REASONS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Headline:
    """The age of the oldest undelivered change; `level` is good only when it is within the limit."""

    level: str
    figure: str
    label: str
    oldest: Oldest | None


@dataclass(frozen=True, slots=True)
class Page:
    """One connection's line of the books."""

    figures: DestinationFigures
    connection: Mention | None
    counts: list[tuple[State, int]]

    @property
    def destination(self) -> Destination:
        return self.figures.destination

    @property
    def oldest_age(self) -> str:
        return words.age(self.figures.oldest.age) if self.figures.oldest else ""


@dataclass(frozen=True, slots=True)
class RefusedThere:
    destination: Destination
    reason: Reason


@dataclass(frozen=True, slots=True)
class Monitor:
    headline: Headline
    workers: beats.Workers
    books: list[Page]
    has_more: bool
    """Whether there are destinations whose books are not listed."""
    refused: list[RefusedThere]
    under_way: list[tuple[Intervention, str, str]]
    """With what it is, and how far, in words."""
    totals: dict[State, int]
    """Over all connections and callbacks."""

    @property
    def is_worker_missing(self) -> bool:
        return not self.workers.alive


def monitor_of(workspace: Workspace, *, now: datetime) -> Monitor:
    """All of it, in a fixed number of queries."""
    lines = figures.by_destination(workspace_id=workspace.pk, now=now)
    connections = directory().connections([line.destination.pk for line in lines])
    books = [_page(line, connections) for line in lines]
    known = Destination.objects.filter(workspace=workspace, removed_at=None)
    reasons = figures.reasons_of_all(workspace_id=workspace.pk)
    of_destination = known.in_bulk({pk for pk, _reason in reasons})
    return Monitor(
        headline=headline_of(figures.oldest_undelivered(workspace_id=workspace.pk, now=now)),
        workers=beats.workers(now=now),
        books=books,
        has_more=len(lines) >= figures.LISTED_AT_MOST and known.values("pk")[len(lines) : len(lines) + 1].exists(),
        refused=[RefusedThere(of_destination[pk], reason) for pk, reason in reasons if pk in of_destination][
            :REASONS_SHOWN
        ],
        under_way=[
            (each, words.what_it_is(each), words.progress_in_words(each))
            for each in figures.unfinished_interventions(workspace_id=workspace.pk)
        ],
        totals=figures.totals(workspace_id=workspace.pk),
    )


def headline_of(oldest: Oldest | None) -> Headline:
    limit = words.age(settings.OUTBOX_AGE_LIMIT)
    if oldest is None:
        return Headline("good", gettext("All delivered"), gettext("Nothing is on its way"), None)
    figure = words.age(oldest.age)
    if oldest.is_over_limit:
        return Headline("bad", figure, gettext("Over the limit of %(limit)s") % {"limit": limit}, oldest)
    return Headline("good", figure, gettext("Within the limit of %(limit)s") % {"limit": limit}, oldest)


def context_of(workspace: Workspace | None, *, now: datetime) -> dict[str, Any]:
    return {"monitor": monitor_of(workspace, now=now)} if workspace is not None else {}


def _page(line: DestinationFigures, connections: dict[int, Mention]) -> Page:
    shown = (
        State.DELIVERED, State.WAITING, State.SENDING, State.REFUSED, State.UNKNOWN, State.SUPERSEDED, State.CANCELLED,
    )  # fmt: skip
    return Page(line, connections.get(line.destination.pk), [(state, line.by_state[state]) for state in shown])
