"""What there is already, put into the outbox of a destination that is younger; `delivery.interventions` walks it.

Each goes as a change of it would, so that order, folding and states are the same.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Model, QuerySet

from delivery import outbox
from delivery.carriers import Occurrence, carrier_of, existing
from delivery.models import Delivery, Destination, Intervention
from delivery.states import State

Action = Intervention.Action
SENDS_ALL = {
    Action.ALL_TOKENS: (outbox.TOKENS, "token.configured"),
    Action.EVERYBODY: (outbox.PERSONAS, "persona.created"),
}
"""By action: what it sends all of, and what is said to have happened to each."""
MINUTES_AHEAD = 2
"""Of the destination's rate: so much waits there at most, so that what changes meanwhile is not held up for hours."""


def all_of(action: Intervention.Action, destination: Destination) -> QuerySet[Any]:
    """What it sends all of.

    Lock what is read of it to be sent, as whoever changes one does, and before its destination, as whoever erases one
    does; or what is put into a lane later might be what it was before.
    """
    what, _kind = SENDS_ALL[action]
    return existing(what, destination)


def is_taken(action: Intervention.Action, destination: Destination) -> bool:
    """Whether it can be sent there."""
    what, _kind = SENDS_ALL[action]
    return destination.removed_at is None and bool(getattr(destination, what))


def room_at(destination: Destination, *, at_most: int) -> int:
    """How many more may wait there now."""
    if destination.requests_per_minute is None:
        return at_most
    enough = MINUTES_AHEAD * destination.requests_per_minute
    waiting = Delivery.objects.filter(destination=destination, state=State.WAITING).order_by()
    return min(at_most, enough - waiting[:enough].count())


def put_into_outbox(batch: Sequence[Model], intervention: Intervention, *, at: datetime) -> None:
    """They wait for its destination. Part of the caller's transaction."""
    _what, kind = SENDS_ALL[Action(intervention.action)]
    occurrences = [
        Occurrence(
            workspace_id=intervention.workspace_id,
            kind=kind,
            subject_id=subject.pk,
            at=at,
            actor_label=intervention.actor_label,
        )
        for subject in batch
    ]
    destination = intervention.destination
    outbox.post(destination, carrier_of(destination).route(destination, occurrences), intervention=intervention)
