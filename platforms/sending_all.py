"""Bringing to a connection what is older than it: all tokens of the workspace or all its people, or one of them.

What is added or changed while a connection carries it leaves by itself. What was there before is sent by somebody:
through the same outbox, in the same lanes, so a later change wins and sending it twice does no harm.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import transaction
from django.db.models import F, Q, QuerySet

from delivery import interventions, outbox
from delivery.carriers import Occurrence, carrier_of, register_existing
from delivery.models import Delivery, Destination, Intervention
from delivery.sending_all import SENDS_ALL, all_of, is_taken
from delivery.states import State
from personas.models import Persona
from platforms.models import Connection, Link
from platforms.registry import platform_of
from raven_admin.errors import RavenError
from tokens.models import Token

COUNTED_AT_MOST = 10_000
"""By `count_to_send`."""
LOOKED_AT = 1_000
"""Of the oldest tokens, those among which `never_sent` looks."""
Action = Intervention.Action


@dataclass(eq=False)
class NotCarried(RavenError):
    """{name} does not carry that. Choose it under “What it carries” first."""

    code: ClassVar[str] = "not_carried"
    name: str


@dataclass(eq=False)
class NothingToSend(RavenError):
    """There is nothing to send: {name} can't take this one."""

    code: ClassVar[str] = "nothing_to_send"
    name: str


@dataclass(frozen=True, slots=True)
class NeverSent:
    """So many tokens were never sent to a connection."""

    count: int
    is_more: bool
    """Whether only the oldest were looked at, because there are too many."""


def send_all(*, connection: Connection, action: Intervention.Action, by: str, at: datetime) -> Intervention:
    """Every token, or everybody, is being sent there in the background. Raises NotCarried and AlreadyUnderWay.

    Tokens that are off, over or only begin later go as they are, so that they answer there as here; of a revoked one
    its end goes; temporary ones stay. People go with all that is known of them and the platform takes.
    """
    if not is_taken(action, connection.destination):
        raise NotCarried(name=connection.name)
    return interventions.send_all(destination=connection.destination, action=action, by=by, at=at)


@transaction.atomic
def send_one(
    *, connection: Connection, action: Intervention.Action, subject_id: int, by: str, at: datetime
) -> Delivery:
    """This one of what `action` sends all of is on its way there, as it is. Raises NotCarried and NothingToSend."""
    _what, kind = SENDS_ALL[action]
    candidates = all_of(action, connection.destination).select_for_update(of=("self",), no_key=True)
    subject = candidates.filter(pk=subject_id).first()
    destination = Destination.objects.select_for_update(no_key=True).get(pk=connection.destination_id)
    if not is_taken(action, destination):
        raise NotCarried(name=destination.name)
    now = Occurrence(workspace_id=destination.workspace_id, kind=kind, subject_id=subject_id, at=at, actor_label=by)
    posted = outbox.post(destination, carrier_of(destination).route(destination, [now])) if subject else []
    if not posted:
        raise NothingToSend(name=destination.name)
    return posted[0]


def count_to_send(connection: Connection, action: Intervention.Action) -> int:
    """How many `send_all` would send; counted up to 10,000."""
    counted: int = all_of(action, connection.destination).order_by()[:COUNTED_AT_MOST].count()
    return counted


def last_sending(connection: Connection, action: Intervention.Action) -> Intervention | None:
    """The last time that all were sent there, or are being sent; none before its address became another one."""
    sendings = Intervention.objects.filter(destination=connection.destination_id, action=action)
    if connection.moved_at is not None:
        sendings = sendings.filter(Q(created_at__gte=connection.moved_at) | Q(finished_at=None))
    return sendings.order_by("-id").first()


def never_sent(connection: Connection) -> NeverSent:
    """The tokens that the other server can't know from us: older than that it is told of them, and not sent since."""
    destination = connection.destination
    since = told_since(destination)
    if not destination.carries_tokens or all_sent_to([destination]):
        return NeverSent(0, is_more=False)
    oldest = Token.objects.lasting().filter(workspace=destination.workspace_id).order_by("pk")
    seen = list(oldest.values_list("pk", "created_at", "revoked_at")[:LOOKED_AT])
    older = [pk for pk, created_at, revoked_at in seen if created_at < since and revoked_at is None]
    sent = Delivery.objects.filter(destination=destination, token_id__in=older, created_at__gte=since)
    known = set(sent.exclude(state=State.CANCELLED).values_list("token_id", flat=True))
    return NeverSent(len(older) - len(known), is_more=len(seen) == LOOKED_AT and seen[-1][1] < since)


def all_sent_to(destinations: Iterable[Destination]) -> set[int]:
    """The ids of those to which all tokens have been sent since they are told of them."""
    since = {destination.pk: told_since(destination) for destination in destinations}
    complete = Intervention.objects.filter(
        destination__in=since, action=Action.ALL_TOKENS, finished_at__isnull=False, processed=F("total")
    )
    begun = complete.values_list("destination", "created_at")
    return {destination_id for destination_id, created_at in begun if created_at >= since[destination_id]}


def is_older(token: Token, destination: Destination) -> bool:
    """Whether the destination was not told of the token when that was issued."""
    return token.created_at < told_since(destination)


def register_all() -> None:
    register_existing(outbox.TOKENS, _tokens_of)
    register_existing(outbox.PERSONAS, _people_of)


def _tokens_of(destination: Destination) -> "QuerySet[Token]":
    tokens: QuerySet[Token] = Token.objects.lasting().filter(workspace=destination.workspace_id)
    return tokens


def _people_of(destination: Destination) -> "QuerySet[Persona]":
    """Everybody, or those who are linked where nobody can be added."""
    people = Persona.objects.filter(workspace=destination.workspace_id)
    if platform_of(destination.kind).adds_people:
        return people
    linked = Link.objects.filter(connection__destination=destination)
    return people.filter(pk__in=linked.values("persona_id"))


def told_since(destination: Destination) -> datetime:
    """Since when it is told of the tokens that are issued."""
    return destination.carries_tokens_since or destination.created_at
