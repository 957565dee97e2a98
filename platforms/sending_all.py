"""Bringing to a connection what is older than it: all tokens of the workspace, or one of them.

What is issued or changed while a connection carries tokens leaves by itself. What was there before is sent by somebody:
through the same outbox, in the same lanes, so a later change wins and sending it twice does no harm.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import transaction
from django.db.models import F, QuerySet

from delivery import interventions, outbox
from delivery.carriers import Occurrence, carrier_of, register_existing
from delivery.models import Delivery, Destination, Intervention
from delivery.states import State
from platforms.models import Connection
from raven_admin.errors import RavenError
from tokens.models import Token

COUNTED_AT_MOST = 10_000
"""By `tokens_to_send`."""
LOOKED_AT = 1_000
"""Of the oldest tokens, those among which `never_sent` looks."""
Action = Intervention.Action


@dataclass(eq=False)
class CarriesNoTokens(RavenError):
    """{name} carries no tokens."""

    code: ClassVar[str] = "carries_no_tokens"
    name: str


@dataclass(eq=False)
class NothingToSend(RavenError):
    """There is nothing to send of this token."""

    code: ClassVar[str] = "nothing_to_send"


@dataclass(frozen=True, slots=True)
class NeverSent:
    """So many tokens were never sent to a connection."""

    count: int
    is_more: bool
    """Whether only the oldest were looked at, because there are too many."""


def send_all_tokens(*, connection: Connection, by: str, at: datetime) -> Intervention:
    """Every token of the workspace is being sent there in the background. Raises CarriesNoTokens and AlreadyUnderWay.

    Those that are off, over or only begin later go as they are, so that they answer there as here; of a revoked one
    its end goes; temporary ones stay.
    """
    if not connection.destination.carries_tokens:
        raise CarriesNoTokens(name=connection.name)
    return interventions.send_all(destination=connection.destination, action=Action.ALL_TOKENS, by=by, at=at)


@transaction.atomic
def send_token(*, connection: Connection, token: Token, by: str, at: datetime) -> Delivery:
    """This token, as it is, is on its way there. Raises CarriesNoTokens, and NothingToSend of a temporary one."""
    destination = Destination.objects.select_for_update(no_key=True).get(pk=connection.destination_id)
    if not destination.carries_tokens or destination.removed_at is not None:
        raise CarriesNoTokens(name=destination.name)
    now = Occurrence(
        workspace_id=token.workspace_id, kind="token.configured", subject_id=token.pk, at=at, actor_label=by
    )
    posted = outbox.post(destination, carrier_of(destination).route(destination, [now]))
    if not posted:
        raise NothingToSend
    return posted[0]


def tokens_to_send(connection: Connection) -> int:
    """How many `send_all_tokens` would send; counted up to 10,000."""
    return _tokens_of(connection.destination).order_by()[:COUNTED_AT_MOST].count()


def last_sending(connection: Connection) -> Intervention | None:
    """The last time that all tokens were sent there, or are being sent."""
    sendings = Intervention.objects.filter(destination=connection.destination_id, action=Action.ALL_TOKENS)
    return sendings.order_by("-id").first()


def never_sent(connection: Connection) -> NeverSent:
    """The tokens that the other server can't know from us: older than that it is told of them, and not sent since."""
    destination = connection.destination
    since = _since(destination)
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
    since = {destination.pk: _since(destination) for destination in destinations}
    complete = Intervention.objects.filter(
        destination__in=since, action=Action.ALL_TOKENS, finished_at__isnull=False, processed=F("total")
    )
    begun = complete.values_list("destination", "created_at")
    return {destination_id for destination_id, created_at in begun if created_at >= since[destination_id]}


def is_older(token: Token, destination: Destination) -> bool:
    """Whether the destination was not told of the token when that was issued."""
    return token.created_at < _since(destination)


def register_tokens() -> None:
    register_existing(outbox.TOKENS, _tokens_of)


def _tokens_of(destination: Destination) -> "QuerySet[Token]":
    tokens: QuerySet[Token] = Token.objects.lasting().filter(workspace=destination.workspace_id)
    return tokens


def _since(destination: Destination) -> datetime:
    return destination.carries_tokens_since or destination.created_at
