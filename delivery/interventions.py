"""What people do about deliveries: retry, cancel, confirm, check, send again; one by one, or many in the background.

All that there is already can be sent too, to a destination that is younger than it.

Each notes who did it. Many are worked through in batches, each a transaction of its own, so that a worker that is
killed leaves nothing half done and another goes on where it stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone
from django_tasks import task

from accounts.language import as_stored
from delivery.carriers import Delivered, Parcel, Refused, carrier_of
from delivery.models import Attempt, Delivery, Destination, Intervention
from delivery.moving import move, send_again, wait_again
from delivery.sending_all import SENDS_ALL, all_of, is_taken, put_into_outbox, room_at
from delivery.states import MOVES, OPEN_STATES, State
from raven_admin.errors import RavenError

BATCH = 500
COUNTED_AT_MOST = 10_000
"""By `count_meant`."""
SENT_AGAIN_AT_MOST = 50_000
_DELIVERED_LOOKED_THROUGH = 200_000
"""The newest delivered ones of a destination, among which those that are sent again are looked for."""
Action = Intervention.Action


@dataclass(eq=False)
class MoveNotAllowed(RavenError):
    """This delivery is {state} now, so that can't be done any more."""

    code: ClassVar[str] = "move_not_allowed"
    state: str


@dataclass(eq=False)
class CheckNotPossible(RavenError):
    """{name} can't be asked whether this arrived. Look there, then mark it as delivered or send it again."""

    code: ClassVar[str] = "check_not_possible"
    name: str


@dataclass(eq=False)
class AlreadyUnderWay(RavenError):
    """The same is being done to {name} already. Wait until it is finished, or stop it."""

    code: ClassVar[str] = "already_under_way"
    name: str


@dataclass(eq=False)
class TooManyToSendAgain(RavenError):
    """More than {limit} deliveries are meant. Choose a later moment."""

    code: ClassVar[str] = "too_many_to_send_again"
    limit: int


def retry(*, delivery: Delivery, by: str, at: datetime) -> Delivery:
    """It waits to be sent again, without what later deliveries carry; superseded when nothing of it is left.

    Of a refused one it is a new attempt under a new key; one of unknown outcome keeps its key, so that a destination
    that honours keys does not do it twice. Raises MoveNotAllowed.
    """
    return _act_on_one(delivery, Action.RETRY, State.WAITING, by=by, at=at)


@transaction.atomic
def send_now(*, delivery: Delivery, by: str, at: datetime) -> Delivery:
    """It does not wait for its next attempt: its lane is due now, and a destination that is left alone is tried.

    Raises MoveNotAllowed unless it waits.
    """
    destination = Destination.objects.select_for_update(no_key=True).get(pk=delivery.destination_id)
    locked: Delivery = Delivery.objects.select_for_update(no_key=True, of=("self",)).get(pk=delivery.pk)
    if locked.state != State.WAITING:
        raise MoveNotAllowed(state=str(locked.get_state_display()).lower())
    in_lane = Delivery.objects.open().filter(destination=destination, lane=locked.lane, pk__lte=locked.pk)
    done = _note_one(locked, Action.RETRY, by=by, at=at)
    in_lane.filter(state=State.WAITING, due_at__gt=at).update(due_at=at)
    Delivery.objects.filter(pk=locked.pk).update(intervention=done)
    Destination.objects.filter(pk=destination.pk, resumes_at__gt=at).update(resumes_at=at)
    locked.refresh_from_db()
    return locked


@transaction.atomic
def resend(*, delivery: Delivery, by: str, at: datetime) -> Delivery:
    """What arrived is sent once more, as a new delivery, which is returned. Raises MoveNotAllowed if it did not."""
    if delivery.state != State.DELIVERED:
        raise MoveNotAllowed(state=str(delivery.get_state_display()).lower())
    done = _note_one(delivery, Action.REPLAY, by=by, at=at)
    send_again([delivery], done, at=at)
    copy: Delivery = Delivery.objects.filter(intervention=done).latest("pk")
    return copy


def cancel(*, delivery: Delivery, by: str, at: datetime) -> Delivery:
    """It will not be sent. Raises MoveNotAllowed."""
    return _act_on_one(delivery, Action.CANCEL, State.CANCELLED, by=by, at=at)


def confirm(*, delivery: Delivery, by: str, at: datetime) -> Delivery:
    """Somebody has seen that it arrived. Raises MoveNotAllowed unless its outcome is unknown."""
    return _act_on_one(delivery, Action.CONFIRM, State.DELIVERED, by=by, at=at)


def check(*, delivery: Delivery, by: str, at: datetime) -> Delivery:
    """The destination was asked whether it arrived: it is delivered, or waits to be sent again.

    Calls the destination, so not for a transaction. Raises MoveNotAllowed and CheckNotPossible.
    """
    if delivery.state != State.UNKNOWN:
        raise MoveNotAllowed(state=str(delivery.get_state_display()).lower())
    parcel = Parcel(delivery, delivery.destination)
    with as_stored():
        answer = carrier_of(delivery.destination).check(parcel)
    Attempt.objects.bulk_create(parcel.calls)
    if answer is None:
        raise CheckNotPossible(name=delivery.destination.shown_name)
    remote_id = answer.remote_id if isinstance(answer, Delivered) else ""
    to = State.WAITING if isinstance(answer, Refused) else State.DELIVERED
    return _act_on_one(delivery, Action.CHECK, to, by=by, at=at, remote_id=remote_id)


@transaction.atomic
def retry_many(
    *, destination: Destination, by: str, at: datetime, code: str = "", since: datetime | None = None
) -> Intervention:
    """All refused ones of this problem (empty: of any) are being retried in the background. Raises AlreadyUnderWay.

    `since`: those refused from then on; None: whenever.
    """
    _check_free(destination, Action.RETRY)
    return _begin(destination, Action.RETRY, state=State.REFUSED, code=code, since=since, by=by, at=at)


@transaction.atomic
def cancel_many(*, destination: Destination, by: str, at: datetime, state: State | None = None) -> Intervention:
    """All in this state (None: all that are open and not being sent) are being cancelled in the background.

    Raises AlreadyUnderWay.
    """
    _check_free(destination, Action.CANCEL)
    return _begin(destination, Action.CANCEL, state=state or "", by=by, at=at)


@transaction.atomic
def replay(*, destination: Destination, since: datetime, by: str, at: datetime) -> Intervention:
    """All that was delivered from `since` on is being sent again in the background, as new deliveries.

    For a destination that lost what it was told. Messages are left out: people would read them twice. Raises
    AlreadyUnderWay and TooManyToSendAgain.
    """
    _check_free(destination, Action.REPLAY)
    if count_to_send_again(destination=destination, since=since) > SENT_AGAIN_AT_MOST:
        raise TooManyToSendAgain(limit=SENT_AGAIN_AT_MOST)
    return _begin(destination, Action.REPLAY, state=State.DELIVERED, since=since, by=by, at=at)


@transaction.atomic
def send_all(*, destination: Destination, action: Intervention.Action, by: str, at: datetime) -> Intervention:
    """All of what `action` says is being sent there in the background, each as it is when its turn comes.

    What comes to be from now on is sent by itself. Raises AlreadyUnderWay.
    """
    _check_free(destination, action)
    return _begin(destination, action, state="", by=by, at=at)


def count_meant(*, destination: Destination, state: State, code: str = "") -> int:
    """How many `retry_many` or `cancel_many` would do it to now; counted up to 10,000."""
    meant = Delivery.objects.filter(destination=destination, state=state)
    if code:
        meant = meant.filter(code=code)
    counted: int = meant.order_by()[:COUNTED_AT_MOST].count()
    return counted


def count_to_send_again(*, destination: Destination, since: datetime) -> int:
    """How many `replay` would send again; counted up to one more than may be."""
    delivered = Delivery.objects.filter(destination=destination, state=State.DELIVERED, pk__gt=_edge(destination))
    meant = delivered.filter(settled_at__gte=since).exclude(kind__startswith="message.")
    counted: int = meant.order_by()[: SENT_AGAIN_AT_MOST + 1].count()
    return counted


def stop(*, intervention: Intervention, at: datetime) -> bool:
    """What is left of it is not done; whether there was anything left."""
    unfinished = Intervention.objects.filter(pk=intervention.pk, finished_at=None)
    return bool(unfinished.update(finished_at=at))


@transaction.atomic
def remove_destination(*, destination: Destination, by: str, at: datetime) -> None:
    """Nothing goes there any more; what was open is being cancelled, and all of it stays to be looked at."""
    Destination.objects.filter(pk=destination.pk, removed_at=None).update(removed_at=at)
    _begin(destination, Action.CANCEL, state="", by=by, at=at)


@task()
def carry_on(intervention_id: int) -> None:
    """The intervention is finished, unless another worker is at it or it waits; then it goes on within a minute."""
    while continue_with(intervention_id, at=timezone.now()):
        pass


@transaction.atomic
def continue_with(intervention_id: int, *, at: datetime) -> bool:
    """The next batch is done; whether there is more."""
    # By its key it can be referred to meanwhile: whoever erases a person touches deliveries that it moved.
    found = (
        Intervention.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
        .filter(pk=intervention_id, finished_at=None)
        .first()
    )
    if found is None:
        return False
    if found.action in SENDS_ALL:
        return _send_next(found, at=at)
    Destination.objects.select_for_update(no_key=True).get(pk=found.destination_id)
    meant = _meant(found)
    if found.total is None:
        found.total = meant.count()
    batch = list(meant.order_by("id")[:BATCH])
    if found.action == Action.REPLAY:
        send_again(batch, found, at=at)
    elif found.action == Action.RETRY:
        wait_again(batch, found, at=at)
    else:
        move(batch, State.CANCELLED, found, at=at)
    return _note_progress(found, batch, is_last=len(batch) < BATCH, at=at)


def _send_next(found: Intervention, *, at: datetime) -> bool:
    """As `continue_with`, of one that sends all there is; it ends when its destination takes that no more."""
    action, destination = Action(found.action), found.destination
    room = room_at(destination, at_most=BATCH)
    there_are = all_of(action, destination).filter(pk__gt=found.done_to_id, pk__lte=found.up_to_id)
    batch = list(there_are.select_for_update(of=("self",), no_key=True).order_by("pk")[:room])
    found.destination = Destination.objects.select_for_update(no_key=True).get(pk=destination.pk)
    if not is_taken(action, found.destination):
        stop(intervention=found, at=at)
        return False
    if not room:
        return False
    if found.total is None:
        found.total = there_are.count()
    put_into_outbox(batch, found, at=at)
    return _note_progress(found, batch, is_last=len(batch) < room, at=at)


def _note_progress(found: Intervention, batch: Sequence[Model], *, is_last: bool, at: datetime) -> bool:
    """It is as far as the end of `batch`; whether there is more."""
    found.processed += len(batch)
    if batch:
        found.done_to_id = batch[-1].pk
    if is_last:
        found.finished_at, found.total = at, found.processed
    found.save(update_fields=["total", "processed", "done_to_id", "finished_at"])
    return not is_last


def _begin(
    destination: Destination,
    action: Action,
    *,
    state: State | str,
    by: str,
    at: datetime,
    code: str = "",
    since: datetime | None = None,
) -> Intervention:
    meant: QuerySet[Any] = Delivery.objects.filter(destination=destination)
    if action in SENDS_ALL:
        meant = all_of(action, destination)
    newest = meant.order_by("-id").values_list("pk", flat=True).first()
    begun = Intervention.objects.create(
        workspace_id=destination.workspace_id,
        destination=destination,
        action=action,
        state=str(state),
        code=code,
        since=since,
        up_to_id=newest or 0,
        done_to_id=_edge(destination) if action == Action.REPLAY else 0,
        total=None,
        actor_label=by,
        created_at=at,
    )
    carry_on.enqueue(begun.pk)
    return begun


def _check_free(destination: Destination, action: Action) -> None:
    Destination.objects.select_for_update(no_key=True).get(pk=destination.pk)
    if Intervention.objects.filter(destination=destination, action=action, finished_at=None).exists():
        raise AlreadyUnderWay(name=destination.shown_name)


def _edge(destination: Destination) -> int:
    """The id behind the newest delivered ones that are looked through; 0 when there are fewer."""
    delivered = Delivery.objects.filter(destination=destination, state=State.DELIVERED).order_by("-id")
    found = delivered.values_list("pk", flat=True)[_DELIVERED_LOOKED_THROUGH : _DELIVERED_LOOKED_THROUGH + 1].first()
    return found or 0


def _meant(intervention: Intervention) -> "QuerySet[Delivery]":
    states = [intervention.state] if intervention.state else [s for s in OPEN_STATES if s != State.SENDING]
    meant = Delivery.objects.filter(
        destination=intervention.destination_id,
        state__in=states,
        id__gt=intervention.done_to_id,
        id__lte=intervention.up_to_id,
    )
    if intervention.code:
        meant = meant.filter(code=intervention.code)
    if intervention.since is not None:
        meant = meant.filter(settled_at__gte=intervention.since)
    if intervention.action == Action.REPLAY:
        meant = meant.exclude(kind__startswith="message.")
    return meant


@transaction.atomic
def _act_on_one(
    delivery: Delivery, action: Action, to: State, *, by: str, at: datetime, remote_id: str = ""
) -> Delivery:
    # The destination first, as in a claim: nobody sends it meanwhile.
    Destination.objects.select_for_update(no_key=True).get(pk=delivery.destination_id)
    locked: Delivery = Delivery.objects.select_for_update(no_key=True, of=("self",)).get(pk=delivery.pk)
    if locked.state == State.SENDING or to not in MOVES[State(locked.state)]:  # what is being sent is the worker's
        raise MoveNotAllowed(state=str(locked.get_state_display()).lower())
    done = _note_one(locked, action, by=by, at=at)
    if to == State.WAITING:
        wait_again([locked], done, at=at)
    else:
        locked.remote_id = remote_id or locked.remote_id
        if to == State.DELIVERED:
            locked.code, locked.problem = "", ""
        move([locked], to, done, at=at)
    return locked


def _note_one(delivery: Delivery, action: Action, *, by: str, at: datetime) -> Intervention:
    """Who did what about this one, as it is before."""
    done: Intervention = Intervention.objects.create(
        workspace_id=delivery.workspace_id,
        destination_id=delivery.destination_id,
        delivery=delivery,
        action=action,
        state=delivery.state,
        total=1,
        processed=1,
        actor_label=by,
        created_at=at,
        finished_at=at,
    )
    return done
