"""Putting into the outbox what must leave, as part of the transaction in which it happened."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from delivery.carriers import DeliveryDraft, Occurrence, carrier_of
from delivery.models import BookEntry, Delivery, Destination
from delivery.states import State

PERSONAS, MESSAGES, TOKENS, EVENTS = "carries_personas", "carries_messages", "carries_tokens", "carries_events"
"""What a destination may carry; `announce` asks those only that carry what happened."""


def announce(occurrences: Sequence[Occurrence], *, to: str) -> list[Delivery]:
    """Whatever must leave because of `occurrences`, all of one workspace, is in the outbox.

    `to` is one of PERSONAS, MESSAGES, TOKENS, EVENTS. Part of the caller's transaction. A destination is not told what
    came from it.
    """
    if not occurrences:
        return []
    destinations = list(
        Destination.objects.filter(workspace=occurrences[0].workspace_id, removed_at=None, **{to: True}).order_by("id")
    )
    return [
        delivery
        for destination in destinations
        for occurrence in occurrences
        if occurrence.came_from != destination.pk
        for delivery in post(destination, carrier_of(destination).route(destination, occurrence), because_of=occurrence)
    ]


def post(
    destination: Destination, drafts: Iterable[DeliveryDraft], *, because_of: Occurrence, due_at: datetime | None = None
) -> list[Delivery]:
    """These deliveries wait for `destination`, in this order."""
    posted = Delivery.objects.bulk_create(
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
            actor_label=because_of.actor_label,
            request_id=because_of.request_id,
            change_ids=list(because_of.change_ids),
            due_at=due_at or because_of.at,
            since=because_of.at,
            created_at=because_of.at,
        )
        for draft in drafts
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
