"""Telling rooms above, which the outbox does not know, how far a message has got."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from delivery.models import Delivery
from delivery.states import State


@dataclass(frozen=True, slots=True)
class Move:
    """The delivery of a message to this recipient has this state now."""

    recipient_id: int
    state: State
    problem: str = ""
    workspace_id: int = 0


_followers: list[Callable[[Sequence[Move]], None]] = []


def follow(follower: Callable[[Sequence[Move]], None]) -> None:
    """`follower` hears of each move of a message's delivery, within the transaction that moves it."""
    if follower not in _followers:
        _followers.append(follower)


def tell(moved: Iterable[tuple[Delivery, State, str]]) -> None:
    """Whoever follows knows that these deliveries are in these states now, with these problems."""
    moves = [
        Move(delivery.recipient_id, state, problem, delivery.workspace_id)
        for delivery, state, problem in moved
        if delivery.recipient_id is not None
    ]
    if moves:
        for follower in _followers:
            follower(moves)
