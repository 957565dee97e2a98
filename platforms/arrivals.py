"""Where a person's changes, or a token's configuration, have arrived: each connection with what it was sent lately."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from delivery.models import Delivery
from delivery.states import State
from platforms.contract import Platform
from platforms.models import Connection, Link
from platforms.registry import platform_of
from platforms.sending_all import all_sent_to, is_older, told_since
from tokens.models import Token

LATEST = 100
"""Deliveries that are looked at, of each connection at least; older ones are in the monitor."""
SOON = timedelta(seconds=5)
OVERDUE = timedelta(seconds=30)
"""Nothing that is due waits this long for a worker that runs."""
_PILLS = {
    State.WAITING: "info",
    State.SENDING: "info",
    State.DELIVERED: "good",
    State.REFUSED: "bad",
    State.UNKNOWN: "warn",
    State.CANCELLED: "off",
}
_WORST_FIRST = (State.REFUSED, State.UNKNOWN, State.SENDING, State.WAITING)


@dataclass(frozen=True, slots=True)
class Place:
    """One connection, as far as one person or token is concerned."""

    connection: Connection
    platform: Platform
    link: Link | None
    undelivered: list[Delivery]
    """Waiting, being sent, refused or unknown; the newest first."""
    arrived: Delivery | None
    """The last one that did."""
    given_up: list[Delivery]
    """Superseded or cancelled; the newest first."""
    at: datetime
    is_never_sent: bool | None = None
    """Of a token: whether it is older than the connection and was not sent since; None of a person."""

    @property
    def state(self) -> State | None:
        """The worst that somebody may have to do something about; None when nothing was ever sent."""
        states = {State(delivery.state) for delivery in self.undelivered}
        for state in _WORST_FIRST:
            if state in states:
                return state
        if self.arrived is not None:
            return State.DELIVERED
        return State.CANCELLED if self.given_up else None

    @property
    def pill(self) -> str:
        return _PILLS[self.state] if self.state else "off"

    @property
    def label(self) -> str:
        if self.state:
            return str(self.state.label)
        if self.is_never_sent is None:
            return _("Nothing sent yet")
        return _("Never sent") if self.is_never_sent else _("Nothing sent lately")

    @property
    def can_compare(self) -> bool:
        return self.link is not None and can_read(self.platform)

    @property
    def can_send(self) -> bool:
        """Whether it can be sent by itself: it was not, or that was given up. Who is linked is compared instead."""
        if self.state not in {None, State.CANCELLED}:
            return False
        if self.is_never_sent is not None:
            return self.connection.destination.carries_tokens
        return self.connection.destination.carries_personas and self.platform.adds_people and self.link is None

    @property
    def waits_because(self) -> str:
        """Why what is due does not leave; "" when it does."""
        destination = self.connection.destination
        if not destination.is_on:
            return _("The connection is off: it leaves when that is switched on.")
        if destination.resumes_at is not None and destination.resumes_at > self.at:
            return _("The connection pauses, because it failed or asked for it.")
        due = [delivery.due_at for delivery in self.undelivered if delivery.state == State.WAITING]
        if due and min(due) < self.at - OVERDUE:
            return _("It is due and nobody sends it: is the worker running, and is this connection not over its rate?")
        return ""

    @property
    def is_moving(self) -> bool:
        """Whether another state is to be expected within seconds."""
        if self.waits_because:
            return False
        soon = self.at + SOON
        return any(
            d.state == State.SENDING or (d.state == State.WAITING and d.due_at <= soon) for d in self.undelivered
        )

    @property
    def is_settled(self) -> bool:
        return not any(delivery.state in {State.SENDING, State.WAITING} for delivery in self.undelivered)


def can_read(platform: Platform) -> bool:
    """Whether its records can be read back and compared."""
    return type(platform).read is not Platform.read


def arrivals_of_persona(*, workspace_id: int, persona_id: int, at: datetime) -> list[Place]:
    """Each connection that carries people, or was sent something about this one; in the order they were added."""
    sent = Delivery.objects.of_persona(persona_id).filter(workspace=workspace_id, kind__startswith="persona.")
    connections, deliveries = _looked_at(sent, workspace_id, carrying="carries_personas")
    linked = Link.objects.filter(persona_id=persona_id, connection__in=connections) if connections else []
    links = {link.connection_id: link for link in linked}
    return [_place(connection, deliveries, links.get(connection.pk), at=at) for connection in connections]


def arrivals_of_token(*, token: Token, at: datetime) -> list[Place]:
    """Each connection that carries tokens, or was sent this one's configuration."""
    sent = Delivery.objects.filter(workspace=token.workspace_id, token_id=token.pk).order_by("-id")
    connections, deliveries = _looked_at(sent, token.workspace_id, carrying="carries_tokens")
    places = [_place(connection, deliveries, None, at=at) for connection in connections]
    older = [of.destination for of in connections if is_older(token, of.destination)]
    told = all_sent_to(older) if older else set()
    remembered = at - timedelta(days=settings.DELIVERY_DAYS)  # what was sent before may have been pruned
    never = {each.pk for each in older if told_since(each) >= remembered} - told
    return [replace(place, is_never_sent=place.connection.destination_id in never) for place in places]


def _looked_at(
    sent: "QuerySet[Delivery]", workspace_id: int, *, carrying: str
) -> tuple[list[Connection], list[Delivery]]:
    """The connections concerned, and what was sent to them lately."""
    latest = list(sent[:LATEST])
    connections = _connections(workspace_id, latest, carrying=carrying)
    if len(latest) == LATEST:  # what waits for one that is away may stand before all that arrived at another
        latest = [each for of in connections for each in sent.filter(destination=of.destination_id)[:LATEST]]
    return connections, latest


def _connections(workspace_id: int, sent: Sequence[Delivery], *, carrying: str) -> list[Connection]:
    sent_to = {delivery.destination_id for delivery in sent}
    return list(
        Connection.objects.filter(workspace=workspace_id, destination__removed_at=None)
        .filter(Q(**{f"destination__{carrying}": True}) | Q(destination__in=sent_to))
        .select_related("destination")
    )


def _place(connection: Connection, sent: Iterable[Delivery], link: Link | None, *, at: datetime) -> Place:
    by_state: dict[str, list[Delivery]] = {}
    for delivery in sent:
        if delivery.destination_id == connection.destination_id:
            by_state.setdefault(delivery.state, []).append(delivery)
    moved_at = connection.moved_at
    arrived = [
        delivery
        for delivery in by_state.get(State.DELIVERED, [])
        if moved_at is None or (delivery.settled_at and delivery.settled_at >= moved_at)
    ]
    return Place(
        connection=connection,
        platform=platform_of(connection.platform),
        link=link,
        undelivered=_newest_first(by_state, State.WAITING, State.SENDING, State.REFUSED, State.UNKNOWN),
        arrived=arrived[0] if arrived else None,
        given_up=_newest_first(by_state, State.SUPERSEDED, State.CANCELLED),
        at=at,
    )


def _newest_first(by_state: dict[str, list[Delivery]], *states: State) -> list[Delivery]:
    found = [delivery for state in states for delivery in by_state.get(state, [])]
    return sorted(found, key=lambda delivery: -delivery.pk)
