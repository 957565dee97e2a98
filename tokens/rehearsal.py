"""Rehearsing that a token is revoked: for five minutes every call is refused, then it works again by itself.

Nothing has to run for that: the end stands in the token's own row, which the gateway reads with every call anyway.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import transaction
from django.utils import timezone

from raven_admin.errors import RavenError
from tokens.configuration import FieldChange, text_of
from tokens.models import RequestLogEntry, Status, Token, TokenEvent
from tokens.refusals import TokenPaused
from tokens.services import Actor, write_event

LASTS = timedelta(minutes=5)
_LOOKED_AT_AT_MOST = 10_000
_SHOWN_AT_MOST = 20


@dataclass(eq=False)
class RehearsalOfRefused(RavenError):
    """Every call of this token is refused already, so there is nothing to rehearse."""

    code: ClassVar[str] = "rehearsal_of_refused"


@dataclass(eq=False)
class RehearsalUnderWay(RavenError):
    """A rehearsal is under way; it ends by itself at {paused_until:%H:%M:%S %Z}."""

    code: ClassVar[str] = "rehearsal_under_way"
    paused_until: datetime
    """In the zone of whoever reads it."""


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """A call that the rehearsal refused."""

    request_id: str
    received_at: datetime
    method: str
    path: str
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The last one of a token, under way or over."""

    began_at: datetime
    ends_at: datetime
    by: str
    is_under_way: bool
    refused: int
    is_cut: bool
    """There may be more: only the token's newest 10,000 calls are looked at."""
    newest: list[RefusedCall]


@transaction.atomic
def begin(*, token: Token, by: Actor, at: datetime) -> datetime:
    """Every call is refused until the moment that is returned. Raises RehearsalOfRefused and RehearsalUnderWay."""
    token = Token.objects.select_for_update().get(pk=token.pk)
    status = token.status_at(at)
    if status == Status.PAUSED and token.paused_until is not None:
        raise RehearsalUnderWay(paused_until=timezone.localtime(token.paused_until))
    if status not in {Status.ACTIVE, Status.EXPIRING}:
        raise RehearsalOfRefused
    until = at + LASTS
    # Not a new version of the token: whoever has its form open is not in the way of this, nor this in theirs.
    Token.objects.filter(pk=token.pk).update(paused_until=until)
    _record(token, TokenEvent.Kind.PAUSED, old="", new=until, by=by, at=at)
    return until


@transaction.atomic
def end(*, token: Token, by: Actor, at: datetime) -> bool:
    """The token works again; returns whether it was paused until now."""
    token = Token.objects.select_for_update().get(pk=token.pk)
    if token.paused_until is None or token.paused_until <= at:
        return False
    _record(token, TokenEvent.Kind.RESUMED, old=text_of(token.paused_until), new=at, by=by, at=at)
    Token.objects.filter(pk=token.pk).update(paused_until=at)
    return True


def last_of(token: Token, *, at: datetime) -> Rehearsal | None:
    """None when there was none."""
    if token.paused_until is None:
        return None
    event = TokenEvent.objects.filter(token=token, kind=TokenEvent.Kind.PAUSED).first()
    if event is None:
        return None
    newest = RequestLogEntry.objects.filter(token=token).order_by("-pk").values("pk")[:_LOOKED_AT_AT_MOST]
    fields = ("request_id", "received_at", "method", "path", "address", "agent")
    calls = RequestLogEntry.objects.filter(pk__in=newest, code=TokenPaused.code, received_at__gte=event.happened_at)
    refused = calls.order_by().count()
    return Rehearsal(
        began_at=event.happened_at,
        ends_at=token.paused_until,
        by=event.shown_actor,
        is_under_way=token.paused_until > at,
        refused=refused,
        is_cut=refused == _LOOKED_AT_AT_MOST,
        newest=[RefusedCall(*row) for row in calls.order_by("-pk").values_list(*fields)[:_SHOWN_AT_MOST]],
    )


def _record(token: Token, kind: str, *, old: str, new: datetime, by: Actor, at: datetime) -> None:
    write_event(token=token, kind=kind, changes=[FieldChange("paused_until", old, text_of(new))], by=by, at=at)
