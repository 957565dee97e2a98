"""How far a message got with each of its recipients: as its delivery says, and later what the platform tells us."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from delivery import events, outbox
from delivery.carriers import Occurrence
from delivery.following import Move
from delivery.states import State as Delivery
from messaging.models import Message, Recipient

State = Recipient.State
_OF_DELIVERY = {
    Delivery.WAITING: State.WAITING,
    Delivery.DELIVERED: State.SENT,
    Delivery.REFUSED: State.FAILED,
    Delivery.CANCELLED: State.FAILED,
    Delivery.UNKNOWN: State.UNKNOWN,
}
_ARRIVED = (State.DELIVERED, State.READ)
_BEFORE = {
    State.SENT: (State.WAITING, State.UNKNOWN, State.FAILED),
    State.DELIVERED: (State.WAITING, State.SENT, State.UNKNOWN, State.FAILED),
    State.READ: (State.WAITING, State.SENT, State.DELIVERED, State.UNKNOWN, State.FAILED),
    State.FAILED: (State.WAITING, State.SENT, State.UNKNOWN),
}
"""What a platform's word may be news to: what arrived does not go back when its words come out of order."""


def follow_deliveries(moves: Sequence[Move]) -> None:
    """Recipients are where the deliveries to them are, unless the platform has said already how it ended there."""
    wanted: dict[tuple[int, Recipient.State, str], list[int]] = {}
    for move in moves:
        state = _OF_DELIVERY.get(move.state)
        if state is not None:
            problem = move.problem if state == State.FAILED else ""
            wanted.setdefault((move.workspace_id, state, problem), []).append(move.recipient_id)
    for (workspace_id, state, problem), ids in wanted.items():
        stale = Recipient.objects.filter(pk__in=ids).exclude(state__in=_ARRIVED).exclude(state=state, problem=problem)
        if state == State.SENT:  # what is sent again waits first, so that it failed is the platform's word of this one
            stale = stale.exclude(state=State.FAILED)
        _move(stale, state, problem, workspace_id=workspace_id)


@transaction.atomic
def note_progress(*, recipient_id: int, state: Recipient.State, problem: str = "") -> bool:
    """The platform says that the message is in this state; returns whether that is news."""
    before = Recipient.objects.filter(pk=recipient_id, state__in=_BEFORE[state])
    workspace_id = Message.objects.filter(recipients=recipient_id).values_list("workspace", flat=True).first()
    if workspace_id is None:
        return False
    return bool(_move(before, state, problem[:500] if state == State.FAILED else "", workspace_id=workspace_id))


def _move(recipients: "QuerySet[Recipient]", state: Recipient.State, problem: str, *, workspace_id: int) -> int:
    """They are in this state; returns how many. It is recorded, and whatever carries events is told."""
    locked = list(recipients.select_for_update(of=("self",), no_key=True).order_by("pk"))
    if not locked:
        return 0
    at = timezone.now()
    news = [_occurrence(each, state, workspace_id, at) for each in locked if each.state != state]
    Recipient.objects.filter(pk__in=[each.pk for each in locked]).update(state=state, problem=problem)
    recorded = [{"message": each.subject_id, **each.data} for each in news]
    events.record_all(workspace_id=workspace_id, kind="message.status", data_of_each=recorded, at=at)
    outbox.announce(news, to=outbox.EVENTS)
    return len(locked)


def _occurrence(recipient: Recipient, state: Recipient.State, workspace_id: int, at: datetime) -> Occurrence:
    return Occurrence(
        workspace_id=workspace_id,
        kind="message.status",
        subject_id=recipient.message_id,
        at=at,
        data={
            "recipient": recipient.pk,
            "persona": recipient.persona_id,
            "old": str(recipient.state),
            "new": str(state),
        },
    )
