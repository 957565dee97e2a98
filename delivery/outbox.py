"""Putting into the outbox what must leave, as part of the transaction in which it happened."""

from collections import Counter
from collections.abc import Iterable, Sequence

from delivery.carriers import DeliveryDraft, Occurrence, carrier_of
from delivery.models import BookEntry, Delivery, Destination
from delivery.states import State
from raven_admin.statements import Statement

PERSONAS, MESSAGES, TOKENS, EVENTS = "carries_personas", "carries_messages", "carries_tokens", "carries_events"
"""What a destination may carry; `announce` asks those only that carry what happened."""


_IS_CARRIED = {
    what: Statement(
        f"SELECT 1 FROM delivery_destination WHERE workspace_id = %s AND removed_at IS NULL AND {what} LIMIT 1"  # noqa: S608
    )
    for what in (PERSONAS, MESSAGES, TOKENS, EVENTS)
}


def announce(occurrences: Sequence[Occurrence], *, to: str) -> list[Delivery]:
    """Whatever must leave because of `occurrences`, all of one workspace, is in the outbox.

    `to` is one of PERSONAS, MESSAGES, TOKENS, EVENTS. Part of the caller's transaction. A destination is not told what
    came from it.
    """
    # Most workspaces are connected to nothing, and pay for no more than this.
    if not occurrences or _IS_CARRIED[to].row(occurrences[0].workspace_id) is None:
        return []
    destinations = Destination.objects.filter(workspace=occurrences[0].workspace_id, removed_at=None, **{to: True})
    posted: list[Delivery] = []
    for destination in destinations.order_by("id"):
        news = [occurrence for occurrence in occurrences if occurrence.came_from != destination.pk]
        posted += post(destination, carrier_of(destination).route(destination, news))
    return posted


def post(destination: Destination, drafts: Iterable[DeliveryDraft]) -> list[Delivery]:
    """These deliveries wait for `destination`, in this order."""
    posted = Delivery.objects.bulk_create(
        [
            Delivery(
                workspace_id=destination.workspace_id,
                destination=destination,
                lane=draft.lane,
                kind=draft.kind,
                merge=draft.merge,
                persona_id=draft.persona_id,
                recipient_id=draft.recipient_id,
                token_id=draft.token_id,
                fields=list(draft.fields),
                payload=dict(draft.payload),
                actor_label=draft.because_of.actor_label,
                request_id=draft.because_of.request_id,
                change_ids=list(draft.because_of.change_ids),
                due_at=draft.because_of.at,
                since=draft.because_of.at,
                created_at=draft.because_of.at,
            )
            for draft in drafts
        ]
    )
    enter_created(posted)
    return posted


def enter_created(deliveries: Sequence[Delivery]) -> None:
    """The books say that these came to be, and wait."""
    counts = Counter(delivery.destination_id for delivery in deliveries)
    BookEntry.objects.bulk_create(
        BookEntry(destination_id=destination_id, state=state, amount=amount)
        for destination_id, amount in counts.items()
        for state in ("", State.WAITING)
    )
