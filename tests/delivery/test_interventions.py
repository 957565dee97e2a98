"""What people do about deliveries, one by one and many at once."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery import books
from delivery.interventions import (
    BATCH,
    CheckNotPossible,
    MoveNotAllowed,
    cancel,
    cancel_many,
    carry_on,
    check,
    confirm,
    continue_with,
    remove_destination,
    replay,
    retry,
    retry_many,
    send_now,
    stop,
)  # fmt: skip
from delivery.models import Delivery, Destination, Intervention
from delivery.sender import Sender
from delivery.states import MOVES, State
from delivery.tasks import continue_interventions
from tests.delivery.conftest import Post
from tests.delivery.fake import Fake

pytestmark = pytest.mark.django_db


def put_in(delivery: Delivery, state: State) -> Delivery:
    """`delivery` is in this state, and the books say so."""
    values: dict[str, Any] = {"state": state, "settled_at": None if state == State.WAITING else timezone.now()}
    if state == State.SENDING:
        values["leased_until"] = timezone.now() + timedelta(minutes=1)
    if state != State.WAITING:
        tally: books.Tally = Counter()
        books.note_move(tally, delivery.destination_id, State.WAITING, state)
        books.enter(tally)
    Delivery.objects.filter(pk=delivery.pk).update(**values)
    delivery.refresh_from_db()
    return delivery


DEEDS: dict[str, tuple[Callable[..., Delivery], State, set[State]]] = {
    "retry": (retry, State.WAITING, {State.REFUSED, State.UNKNOWN}),
    "cancel": (cancel, State.CANCELLED, {State.WAITING, State.REFUSED, State.UNKNOWN}),
    "confirm": (confirm, State.DELIVERED, {State.UNKNOWN}),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("deed", DEEDS)
def test_each_deed_is_done_from_the_states_that_allow_it_and_refused_from_all_others(
    destination: Destination, change: Post, now: datetime, deed: str, state: State
) -> None:
    act, becomes, allowed_from = DEEDS[deed]
    delivery = put_in(change(destination, name="Dewi"), state)

    if state in allowed_from:
        act(delivery=delivery, by="Budi", at=now)
    else:
        with pytest.raises(MoveNotAllowed):
            act(delivery=delivery, by="Budi", at=now)

    delivery.refresh_from_db()
    noted = Intervention.objects.values_list("delivery", "action", "state", "actor_label", "created_at")
    if state in allowed_from:
        assert becomes in MOVES[state]
        assert delivery.state == becomes
        assert list(noted) == [(delivery.pk, deed, state, "Budi", now)]
        assert delivery.intervention_id is not None
    else:
        assert (delivery.state, list(noted)) == (state, [])
    assert books.audit(destination.pk) == {}


def test_a_refused_one_is_retried_under_a_new_key_and_an_unknown_one_under_its_own(
    destination: Destination, change: Post, now: datetime
) -> None:
    refused, unknown = change(destination, "a", name="A"), change(destination, "b", name="B")

    retry(delivery=put_in(refused, State.REFUSED), by="Budi", at=now)
    retry(delivery=put_in(unknown, State.UNKNOWN), by="Budi", at=now)

    keys = {d.pk: d.idempotency_key for d in Delivery.objects.all()}
    assert keys[refused.pk] != refused.idempotency_key
    assert keys[unknown.pk] == unknown.idempotency_key


def test_a_retried_change_does_not_overtake_newer_ones(
    sender: Sender, destination: Destination, fake: Fake, change: Post, now: datetime
) -> None:
    old = change(destination, name="A", city="Jakarta")
    put_in(old, State.REFUSED)
    put_in(change(destination, name="B"), State.DELIVERED)

    retry(delivery=old, by="Budi", at=now)
    sender.drain()

    assert fake.bodies() == [{"id": old.pk, "lane": "persona:1", "city": "Jakarta"}]


def test_a_retried_change_of_which_nothing_is_left_is_superseded(
    destination: Destination, change: Post, now: datetime
) -> None:
    old = put_in(change(destination, name="A"), State.REFUSED)
    newer = put_in(change(destination, name="B"), State.DELIVERED)

    retry(delivery=old, by="Budi", at=now)

    old.refresh_from_db()
    assert (old.state, old.superseded_by) == ("superseded", newer)
    assert books.audit(destination.pk) == {}


@pytest.mark.parametrize(("found", "state"), [("arrived", "delivered"), ("missing", "waiting")])
def test_checking_an_unknown_one_settles_it(
    destination: Destination, post: Post, now: datetime, found: str, state: str
) -> None:
    delivery = put_in(post(destination, payload={"check": found}), State.UNKNOWN)
    Delivery.objects.update(code="no_answer", problem="It broke off.")
    delivery.refresh_from_db()

    check(delivery=delivery, by="Budi", at=now)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.remote_id) == (state, "found-1" if found == "arrived" else "")
    assert (delivery.code, delivery.problem) == ("", "")


def test_what_cannot_be_checked_stays_unknown(destination: Destination, post: Post, now: datetime) -> None:
    delivery = put_in(post(destination), State.UNKNOWN)

    with pytest.raises(CheckNotPossible):
        check(delivery=delivery, by="Budi", at=now)

    delivery.refresh_from_db()
    assert delivery.state == "unknown"


def test_all_of_one_reason_are_retried_and_the_others_are_not(
    destination: Destination, post: Post, now: datetime
) -> None:
    for number in range(BATCH + 3):
        put_in(post(destination, str(number)), State.REFUSED)
    Delivery.objects.update(code="http_401")
    put_in(post(destination, "other"), State.REFUSED)

    begun = retry_many(destination=destination, code="http_401", by="Budi", at=now)
    assert continue_with(begun.pk, at=now)
    begun.refresh_from_db()
    assert (begun.total, begun.processed, begun.finished_at) == (BATCH + 3, BATCH, None)
    carry_on.func(begun.pk)

    begun.refresh_from_db()
    states = Counter(Delivery.objects.values_list("code", "state"))
    assert states == {("", "waiting"): BATCH + 3, ("", "refused"): 1}
    assert (begun.processed, begun.actor_label) == (BATCH + 3, "Budi")
    assert begun.finished_at is not None
    assert books.audit(destination.pk) == {}


def test_what_a_killed_worker_left_is_gone_on_with(destination: Destination, post: Post, now: datetime) -> None:
    put_in(post(destination), State.REFUSED)
    retry_many(destination=destination, by="Budi", at=now)

    continue_interventions.func()

    assert Delivery.objects.get().state == "waiting"


def test_replay_sends_again_what_was_delivered_since_then_but_no_messages(
    sender: Sender, destination: Destination, fake: Fake, change: Post, post: Post, now: datetime
) -> None:
    early, late, message = (
        change(destination, "a", city="A"),
        change(destination, "b", name="B"),
        post(destination, "c"),
    )
    changed_again = change(destination, "d", name="C")
    for delivery in (early, late, message, changed_again):
        put_in(delivery, State.DELIVERED)
    Delivery.objects.filter(pk=early.pk).update(settled_at=now - timedelta(hours=2))
    change(destination, "d", name="D")

    begun = replay(destination=destination, since=now - timedelta(hours=1), by="Budi", at=now)
    carry_on.func(begun.pk)
    sender.drain()

    assert sorted((body["lane"], body["name"]) for body in fake.bodies()) == [("b", "B"), ("d", "D")]
    assert Delivery.objects.filter(intervention=begun).values_list("lane", "actor_label", "state").get() == (
        "b", "Budi", "delivered",
    )  # fmt: skip
    assert books.audit(destination.pk) == {}


def test_all_that_waits_is_cancelled_and_what_comes_later_is_not(
    destination: Destination, post: Post, now: datetime
) -> None:
    old, refused = post(destination, "a"), put_in(post(destination, "b"), State.REFUSED)
    begun = cancel_many(destination=destination, state=State.WAITING, by="Budi", at=now)
    new = post(destination, "c")

    carry_on.func(begun.pk)

    states = dict(Delivery.objects.values_list("pk", "state"))
    assert states == {old.pk: "cancelled", refused.pk: "refused", new.pk: "waiting"}


def test_a_removed_destination_keeps_its_history_and_nothing_open(
    destination: Destination, post: Post, now: datetime
) -> None:
    for number, state in enumerate([State.WAITING, State.REFUSED, State.UNKNOWN, State.DELIVERED]):
        put_in(post(destination, str(number)), state)

    remove_destination(destination=destination, by="Budi", at=now)
    carry_on.func(Intervention.objects.get().pk)

    assert Counter(Delivery.objects.values_list("state", flat=True)) == {"cancelled": 3, "delivered": 1}
    assert books.audit(destination.pk) == {}


@pytest.mark.parametrize("state", [state for state in State if state != State.WAITING])
def test_only_what_waits_is_sent_now(destination: Destination, change: Post, now: datetime, state: State) -> None:
    delivery = put_in(change(destination, name="A"), state)

    with pytest.raises(MoveNotAllowed):
        send_now(delivery=delivery, by="Budi", at=now)

    assert Intervention.objects.count() == 0


def test_what_is_sent_now_does_not_overtake_what_was_before_it_in_its_lane(
    sender: Sender, destination: Destination, fake: Fake, post: Post, now: datetime
) -> None:
    first, second, other = post(destination, "a"), post(destination, "a"), post(destination, "b")
    Delivery.objects.update(due_at=now + timedelta(minutes=5))

    send_now(delivery=second, by="Budi", at=now)
    sender.drain()

    assert [body["id"] for body in fake.bodies()] == [first.pk, second.pk]
    assert Delivery.objects.get(state="waiting") == other


def test_what_is_stopped_ends_between_two_batches(destination: Destination, post: Post, now: datetime) -> None:
    for lane in range(BATCH + 1):
        post(destination, str(lane))
    begun = cancel_many(destination=destination, by="Budi", at=now)
    continue_with(begun.pk, at=now)

    assert stop(intervention=begun, at=now)
    carry_on.func(begun.pk)

    assert Delivery.objects.filter(state="waiting").count() == 1
    assert not stop(intervention=begun, at=now)
    assert books.audit(destination.pk) == {}
