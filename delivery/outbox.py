"""Putting into the outbox what must leave, as part of the transaction in which it happened."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from delivery import books
from delivery.carriers import DeliveryDraft, Occurrence, carrier_of
from delivery.models import Attempt, Delivery, Destination, Intervention
from delivery.states import State
from raven_admin.statements import Statement

PERSONAS, MESSAGES, TOKENS, EVENTS = "carries_personas", "carries_messages", "carries_tokens", "carries_events"
"""What a destination may carry; `announce` asks those only that carry what happened, or events of any kind."""


FORGOTTEN = frozenset({"persona_deleted", "message_deleted"})
"""Codes of what is being sent while it is forgotten: whoever settles it keeps nothing of it and sends it no more."""
_IS_CARRIED = {
    what: Statement(
        "SELECT 1 FROM delivery_destination WHERE workspace_id = %s AND removed_at IS NULL"  # noqa: S608
        f" AND ({what} OR carries_events) LIMIT 1"
    )
    for what in (PERSONAS, MESSAGES, TOKENS, EVENTS)
}


def is_carried(what: str, *, workspace_id: int) -> bool:
    """Whether `announce` to `what` would ask anybody."""
    return _IS_CARRIED[what].row(workspace_id) is not None


def announce(occurrences: Sequence[Occurrence], *, to: str) -> list[Delivery]:
    """Whatever must leave because of `occurrences`, all of one workspace, is in the outbox.

    `to` is one of PERSONAS, MESSAGES, TOKENS, EVENTS; destinations that carry events are asked in any case. Part of the
    caller's transaction. A destination is not told what came from it.
    """
    # Most workspaces are connected to nothing, and pay for no more than this.
    if not occurrences or not is_carried(to, workspace_id=occurrences[0].workspace_id):
        return []
    is_asked = Q(carries_events=True) | Q(**{to: True})
    destinations = Destination.objects.filter(is_asked, workspace=occurrences[0].workspace_id, removed_at=None)
    posted: list[Delivery] = []
    for destination in destinations.order_by("id"):
        news = [occurrence for occurrence in occurrences if occurrence.came_from != destination.pk]
        posted += post(destination, carrier_of(destination).route(destination, news))
    return posted


def post(
    destination: Destination, drafts: Iterable[DeliveryDraft], *, intervention: Intervention | None = None
) -> list[Delivery]:
    """These deliveries wait for `destination`, in this order; `intervention`: what somebody did to send them."""
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
                intervention=intervention,
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
    _enter_created(posted)
    return posted


@transaction.atomic
def forget_personas(*, persona_ids: Collection[int], at: datetime) -> None:
    """No delivery says any more who these personas were, but those that tell of their deletion.

    What was still to be sent about them, or to them, is cancelled.
    """
    of_them = Delivery.objects.filter(persona_id__in=persona_ids).exclude(
        kind="persona.deleted", state__in=[State.WAITING, State.SENDING]
    )
    _forget(of_them, code="persona_deleted", at=at)


def forget_recipients(*, recipient_ids: QuerySet[Any, int], at: datetime) -> None:
    """No delivery says any more what was written to these recipients; what was still to be sent is cancelled.

    They are given as a query, because a thousand messages may have a million, and must still be there.
    """
    _forget(Delivery.objects.filter(recipient_id__in=recipient_ids), code="message_deleted", at=at)


def forget_changes(*, persona_id: int, at: datetime, made_at: datetime) -> None:
    """No delivery says any more what became of this persona at `made_at`; what of it was still to be sent is cancelled.

    Earlier and later changes that had to leave together with it are forgotten too.
    """
    _forget(
        Delivery.objects.filter(persona_id=persona_id, since__lte=made_at, created_at__gte=made_at),
        code="persona_deleted",
        at=at,
    )


@transaction.atomic
def cancel_about_token(*, token_id: int, kind: str, code: str, at: datetime) -> None:
    """What of this kind was still to be sent about the token is cancelled."""
    _cancel(Delivery.objects.filter(token_id=token_id, kind=kind).open(), code=code, at=at)


def forget_steps(*, destination: Destination) -> None:
    """What has not arrived there begins with its first step, unless it is being sent."""
    begun = Delivery.objects.filter(destination=destination).open().exclude(state=State.SENDING).exclude(steps={})
    begun.update(steps={})


def _forget(deliveries: QuerySet[Delivery], *, code: str, at: datetime) -> None:
    if _cancel(deliveries, code=code, at=at):
        deliveries.update(payload={}, problem="")
        Attempt.objects.filter(delivery__in=deliveries).delete()


def _cancel(deliveries: QuerySet[Delivery], *, code: str, at: datetime) -> bool:
    """Those that have not arrived are cancelled, unless they are being sent; whether there were any deliveries."""
    destinations = set(deliveries.values_list("destination", flat=True))
    if not destinations:
        return False
    # Their rows first, as in a claim: none of these is sent meanwhile.
    list(Destination.objects.select_for_update(no_key=True).filter(pk__in=destinations).order_by("id"))
    # A worker may settle one at this moment: first these, so that what it puts back to wait is cancelled below.
    deliveries.filter(state=State.SENDING).update(code=code)
    tally: books.Tally = Counter()
    to_cancel = deliveries.filter(state__in=[State.WAITING, State.REFUSED, State.UNKNOWN])
    for destination_id, state in to_cancel.values_list("destination", "state"):
        books.note_move(tally, destination_id, State(state), State.CANCELLED)
    to_cancel.update(state=State.CANCELLED, code=code, settled_at=at)
    books.enter(tally)
    return True


def _enter_created(deliveries: Sequence[Delivery]) -> None:
    """The books say that these came to be, and wait."""
    counts = Counter(delivery.destination_id for delivery in deliveries)
    books.enter({(of, state): count for of, count in counts.items() for state in (books.CREATED, str(State.WAITING))})
