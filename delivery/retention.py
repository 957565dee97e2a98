"""How long the outbox remembers what is over; the books go on counting it."""

from datetime import datetime

from django.db import transaction

from delivery import books
from delivery.models import Delivery, Destination
from delivery.states import MOVES, State

_BATCH = 1_000
ENDED_STATES = tuple(state for state in State if not MOVES[state])


def prune_deliveries(*, before: datetime) -> int:
    """What was delivered, superseded or cancelled before that moment is gone, with its calls; returns how much.

    What was refused and what is unknown stays, however old: somebody has to do something about it.
    """
    deleted = 0
    for destination_id in list(Destination.objects.order_by("id").values_list("pk", flat=True)):
        for state in ENDED_STATES:
            deleted += _prune(destination_id, state, before=before)
    return deleted


def _prune(destination_id: int, state: State, *, before: datetime) -> int:
    """Those of one destination in one state: then an index has them, the oldest first."""
    deleted, looked_to = 0, 0
    while True:
        of_state = Delivery.objects.filter(destination=destination_id, state=state, pk__gt=looked_to).order_by("pk")
        oldest = list(of_state.values_list("pk", "settled_at")[:_BATCH])
        old = [pk for pk, settled_at in oldest if settled_at is not None and settled_at < before]
        if not old:
            return deleted
        deleted += _delete(destination_id, state, old)
        looked_to = oldest[-1][0]


@transaction.atomic
def _delete(destination_id: int, state: State, ids: list[int]) -> int:
    # Whoever prunes at the same moment has some of them: those are counted there.
    ours = list(Delivery.objects.select_for_update(skip_locked=True).filter(pk__in=ids).values_list("pk", flat=True))
    Delivery.objects.filter(superseded_by__in=ours).update(superseded_by=None)
    Delivery.objects.filter(pk__in=ours).delete()
    books.enter({(destination_id, books.pruned(state)): len(ours)})
    return len(ours)
