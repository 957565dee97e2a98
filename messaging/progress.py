"""How far a message got with each of its recipients: as its delivery says, and later what the platform tells us."""

from collections.abc import Sequence

from delivery.following import Move
from delivery.states import State as Delivery
from messaging.models import Recipient

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
    """Recipients are where the deliveries to them are, unless the platform has said already that it arrived."""
    wanted: dict[tuple[Recipient.State, str], list[int]] = {}
    for move in moves:
        state = _OF_DELIVERY.get(move.state)
        if state is not None:
            problem = move.problem if state == State.FAILED else ""
            wanted.setdefault((state, problem), []).append(move.recipient_id)
    for (state, problem), ids in wanted.items():
        stale = Recipient.objects.filter(pk__in=ids).exclude(state__in=_ARRIVED).exclude(state=state, problem=problem)
        stale.update(state=state, problem=problem)


def note_progress(*, recipient_id: int, state: Recipient.State, problem: str = "") -> bool:
    """The platform says that the message is in this state; returns whether that is news."""
    before = Recipient.objects.filter(pk=recipient_id, state__in=_BEFORE[state])
    return bool(before.update(state=state, problem=problem[:500] if state == State.FAILED else ""))
