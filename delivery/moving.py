"""How an intervention moves deliveries, many at once: the books follow, and what later ones carry is left out.

Part of the caller's transaction, which has locked their destination.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from django.db.models import Q
from django.utils.translation import gettext_noop

from delivery import books
from delivery.following import tell
from delivery.models import Delivery, Intervention
from delivery.states import State


def wait_again(batch: Sequence[Delivery], intervention: Intervention, *, at: datetime) -> None:
    """They wait to be sent, without what later deliveries carry; superseded where nothing is left."""
    overtaken_by = _take_out_overtaken(batch)
    waiting = [delivery for delivery in batch if delivery not in overtaken_by]
    for delivery in waiting:
        if delivery.state == State.REFUSED:
            delivery.idempotency_key = uuid4()  # or its destination might repeat the refusal
        delivery.due_at, delivery.code, delivery.problem = at, "", ""
    move(waiting, State.WAITING, intervention, at=at)
    for delivery, later in overtaken_by.items():
        delivery.superseded_by = later
    move(list(overtaken_by), State.SUPERSEDED, intervention, at=at)


def send_again(batch: Sequence[Delivery], intervention: Intervention, *, at: datetime) -> None:
    """What they say waits to be sent as new deliveries, but for what later deliveries carry."""
    overtaken = _take_out_overtaken(batch)
    copies = [
        Delivery(
            workspace_id=old.workspace_id,
            destination_id=old.destination_id,
            lane=old.lane,
            kind=old.kind,
            merge=old.merge,
            persona_id=old.persona_id,
            recipient_id=old.recipient_id,
            token_id=old.token_id,
            fields=old.fields,
            payload=old.payload,
            actor_label=intervention.actor_label,
            change_ids=old.change_ids,
            intervention=intervention,
            due_at=at,
            since=at,
            created_at=at,
        )
        for old in batch
        if old not in overtaken
    ]
    Delivery.objects.bulk_create(copies)
    books.enter({(intervention.destination_id, state): len(copies) for state in (books.CREATED, str(State.WAITING))})
    tell((delivery, State.WAITING, "") for delivery in copies)


def _take_out_overtaken(batch: Sequence[Delivery]) -> dict[Delivery, Delivery]:
    """Nothing in `batch` still carries what a later delivery carries; those left with nothing, with that later one.

    Or an old value would be sent over a newer one.
    """
    changes = [delivery for delivery in batch if delivery.merge != Delivery.Merge.NONE]
    if not changes:
        return {}
    subjects = Q(persona_id__in={c.persona_id for c in changes if c.persona_id}) | Q(
        token_id__in={c.token_id for c in changes if c.token_id}
    )
    later = Delivery.objects.filter(subjects, destination=changes[0].destination_id, pk__gt=changes[0].pk).exclude(
        state__in=[State.CANCELLED, State.SUPERSEDED]
    )
    of_lane: dict[str, list[Delivery]] = {}
    for newer in later.exclude(merge=Delivery.Merge.NONE).order_by("id"):
        of_lane.setdefault(newer.lane, []).append(newer)
    overtaken: dict[Delivery, Delivery] = {}
    for delivery in changes:
        for newer in of_lane.get(delivery.lane, []):
            if newer.pk > delivery.pk and _takes_from(newer, delivery):
                overtaken[delivery] = newer
    return overtaken


def _takes_from(newer: Delivery, older: Delivery) -> bool:
    """Whether nothing is left of `older` without what `newer` carries."""
    if newer.merge == Delivery.Merge.REPLACE:
        return True
    if newer.kind != older.kind or older.merge != Delivery.Merge.COMBINE:
        return False
    shared = older.payload.keys() & newer.payload.keys()
    older.payload = {name: value for name, value in older.payload.items() if name not in shared}
    older.fields = [name for name in older.fields if name not in newer.fields]
    return bool(shared) and not older.payload


def move(deliveries: Sequence[Delivery], to: State, intervention: Intervention, *, at: datetime) -> None:
    """They are in the state `to`, because of `intervention`, and the books say so."""
    tally: books.Tally = Counter()
    for delivery in deliveries:
        books.note_move(tally, delivery.destination_id, State(delivery.state), to)
        delivery.state, delivery.intervention = to, intervention
        delivery.settled_at = None if to == State.WAITING else at
    Delivery.objects.bulk_update(
        deliveries,
        [
            "state", "intervention", "settled_at", "due_at", "code", "problem", "idempotency_key", "payload", "fields",
            "superseded_by", "remote_id",
        ],
        batch_size=100,
    )  # fmt: skip
    books.enter(tally)
    tell((delivery, to, gettext_noop("It was cancelled here.")) for delivery in deliveries)
