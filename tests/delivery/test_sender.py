"""What becomes of deliveries at destinations of every temper, over real HTTP."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from delivery import books, outbox
from delivery.carriers import Delivered, Outcome, Refused, Temporary, Unknown
from delivery.claims import claim, due_destinations, take_over_expired
from delivery.models import Attempt, Delivery, Destination
from delivery.sender import Sender
from delivery.settling import Result, settle
from delivery.states import State
from raven_admin.masking import MASK
from tests.delivery.conftest import Post
from tests.delivery.fake import Answer, Fake, Received, unused_address

pytestmark = pytest.mark.django_db


def always(**values: Any) -> Callable[[Received], Answer]:
    return lambda _received: Answer(**values)


def make_due() -> None:
    """As if the time had come for everything that waits."""
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.filter(state=State.WAITING).update(due_at=past)
    Destination.objects.update(resumes_at=None)


def test_a_delivery_arrives_and_says_so(sender: Sender, destination: Destination, fake: Fake, change: Post) -> None:
    delivery = change(destination, name="Dewi")

    sender.drain()

    delivery.refresh_from_db()
    destination.refresh_from_db()
    assert fake.bodies() == [{"id": delivery.pk, "lane": "persona:1", "name": "Dewi"}]
    assert (delivery.state, delivery.remote_id, delivery.attempt_count) == ("delivered", "r-1", 1)
    assert (delivery.lease, delivery.leased_until, delivery.problem) == ("", None, "")
    assert delivery.settled_at is not None
    assert destination.last_delivered_at == delivery.settled_at
    assert books.audit(destination.pk) == {}


def test_a_call_is_kept_with_its_answer_and_without_credentials(
    sender: Sender, destination: Destination, fake: Fake, change: Post
) -> None:
    fake.answer = always(body=b'{"id": "r-1", "echo": "hidden-credential"}', headers={"X-Trace": "t-1"})
    delivery = change(destination, name="Dewi")

    sender.drain()

    attempt = Attempt.objects.get()
    assert (attempt.delivery_id, attempt.number, attempt.outcome) == (delivery.pk, 1, "answered")
    assert (attempt.method, attempt.url, attempt.status) == ("POST", f"{fake.url}/", 200)
    assert attempt.request_headers["Authorization"] == MASK
    assert attempt.request_headers["Idempotency-Key"] == str(delivery.idempotency_key)
    assert '"name": "Dewi"' in attempt.request_body
    assert attempt.response_headers["X-Trace"] == "t-1"
    assert attempt.response_body == f'{{"id": "r-1", "echo": "{MASK}"}}'


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_temporary_failure_waits_and_is_tried_again_under_the_same_key(
    sender: Sender, destination: Destination, fake: Fake, change: Post, status: int
) -> None:
    delivery = change(destination, name="Dewi")
    fake.answer = always(status=status)
    sender.drain()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.code, delivery.attempt_count) == ("waiting", f"http_{status}", 1)

    fake.answer = always()
    make_due()
    sender.drain()

    delivery.refresh_from_db()
    assert (delivery.state, delivery.code, delivery.attempt_count) == ("delivered", "", 2)
    assert {received.key for received in fake.received} == {str(delivery.idempotency_key)}


@pytest.mark.parametrize("retry_after", ["90", "Sat, 21 Nov 2026 09:31:30 GMT"])
def test_retry_after_holds_the_whole_destination(
    sender: Sender, destination: Destination, fake: Fake, change: Post, retry_after: str
) -> None:
    fake.answer = always(status=429, headers={"Retry-After": retry_after})
    with time_machine.travel(datetime(2026, 11, 21, 9, 30, tzinfo=UTC), tick=False) as clock:
        for person in range(3):
            change(destination, f"persona:{person}", name="Dewi")
        sender.drain()
        assert len(fake.received) == 1

        clock.shift(89)
        sender.drain()
        assert len(fake.received) == 1

        fake.answer = always()
        clock.shift(2)
        sender.drain()

    assert len(fake.received) == 4
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_refusal_says_why_and_is_not_tried_again(
    sender: Sender, destination: Destination, fake: Fake, change: Post, status: int
) -> None:
    fake.answer = always(status=status)
    delivery = change(destination, name="Dewi")

    sender.drain()
    make_due()
    sender.drain()

    delivery.refresh_from_db()
    assert (delivery.state, delivery.code) == ("refused", f"http_{status}")
    assert delivery.problem == f"It answered {status}."
    assert len(fake.received) == 1


TROUBLE = {
    "slow": Answer(after_s=1.5),
    "silent": Answer(is_silent=True),
    "cut off": Answer(body=b"x" * 100, cut_at=50),
    "nonsense": Answer(body=b"<html>hello</html>"),
}


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_without_a_readable_answer_the_outcome_is_unknown_and_never_sent_again_by_itself(
    sender: Sender, plain: Destination, fake: Fake, post: Post, trouble: Answer
) -> None:
    fake.answer = lambda _received: trouble
    delivery = post(plain)

    sender.drain()
    make_due()
    sender.drain()

    delivery.refresh_from_db()
    assert (delivery.state, len(fake.received)) == ("unknown", 1)
    assert delivery.problem != ""
    assert books.audit(plain.pk) == {}


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_without_a_readable_answer_a_destination_that_honours_keys_is_asked_again(
    sender: Sender, destination: Destination, fake: Fake, post: Post, trouble: Answer
) -> None:
    fake.answer = lambda _received: trouble
    delivery = post(destination)
    sender.drain()
    fake.answer = always()

    make_due()
    sender.drain()

    delivery.refresh_from_db()
    assert (delivery.state, len(fake.received)) == ("delivered", 2)
    assert len({received.key for received in fake.received}) == 1


def test_a_dead_destination_does_not_delay_another(
    sender: Sender, destination: Destination, fake: Fake, change: Post
) -> None:
    dead = Destination.objects.create(workspace=destination.workspace, name=unused_address(), kind="keyed")
    for person in range(20):
        change(dead, f"persona:{person}", name="Dewi")
        change(destination, f"persona:{person}", name="Dewi")

    sender.drain()

    states = Counter(Delivery.objects.values_list("destination", "state"))
    dead.refresh_from_db()
    assert states == {(destination.pk, "delivered"): 20, (dead.pk, "waiting"): 20}
    assert (dead.consecutive_failures, Attempt.objects.filter(delivery__destination=dead).count()) == (5, 5)
    assert dead.resumes_at is not None


def test_the_breaker_lets_one_probe_through_and_closes_when_it_arrives(
    sender: Sender, destination: Destination, fake: Fake, change: Post
) -> None:
    for person in range(20):
        change(destination, f"persona:{person}", name="Dewi")
    fake.answer = always(status=500)
    sender.drain()
    assert len(fake.received) == 5

    make_due()
    sender.drain()
    assert len(fake.received) == 6

    fake.answer = always()
    make_due()
    sender.drain()

    destination.refresh_from_db()
    assert (destination.consecutive_failures, destination.resumes_at) == (0, None)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}


def test_what_failed_often_goes_out_within_a_minute_after_a_long_outage(
    sender: Sender, destination: Destination, fake: Fake, change: Post
) -> None:
    fake.answer = always(status=500)
    with time_machine.travel(datetime(2026, 11, 21, 9, 30, tzinfo=UTC), tick=False) as clock:
        delivery = change(destination, name="Dewi")
        for wait in [timedelta(minutes=1)] * 30 + [timedelta(days=5)]:
            clock.shift(wait)
            sender.drain()
        fake.answer = always()

        clock.shift(60)
        sender.drain()

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempt_count > 20) == ("delivered", True)


def test_a_thousand_edits_while_the_destination_is_down_arrive_as_one_call(
    sender: Sender, destination: Destination, fake: Fake, change: Post
) -> None:
    fake.answer = always(status=500)
    for number in range(1000):
        change(destination, name=f"name {number}", **{f"field {number % 7}": number})
        if number in {0, 500}:
            sender.drain()

    fake.answer = always()
    make_due()
    sender.drain()

    newest = Delivery.objects.latest("id")
    assert fake.bodies()[-1] == {
        "id": newest.pk, "lane": "persona:1", "name": "name 999", **{f"field {n % 7}": n for n in range(993, 1000)}
    }  # fmt: skip
    assert Counter(Delivery.objects.values_list("state", flat=True)) == {"superseded": 999, "delivered": 1}
    assert set(Delivery.objects.exclude(pk=newest.pk).values_list("superseded_by", flat=True)) <= {
        newest.pk, *Delivery.objects.filter(attempt_count__gt=0).values_list("pk", flat=True)
    }  # fmt: skip
    assert books.audit(destination.pk) == {}


def test_a_lane_keeps_its_order_and_waits_for_its_first(
    sender: Sender, destination: Destination, fake: Fake, post: Post
) -> None:
    first, second, other = post(destination, "a"), post(destination, "a"), post(destination, "b")
    fake.answer = lambda received: Answer(status=500 if received.body["id"] == first.pk else 200)
    sender.drain()
    assert [body["id"] for body in fake.bodies()] == [first.pk, other.pk]

    fake.answer = always()
    make_due()
    sender.drain()

    assert [body["id"] for body in fake.bodies()] == [first.pk, other.pk, first.pk, second.pk]


def test_a_lane_is_in_one_pair_of_hands(destination: Destination, post: Post) -> None:
    for lane in "aab":
        post(destination, lane)
    first = claim(destination.pk, limit=1, now=timezone.now())
    assert first is not None

    second = claim(destination.pk, limit=10, now=timezone.now())

    assert second is not None
    assert [[d.lane for d in taken.deliveries] for taken in (first, second)] == [["a"], ["b"]]
    assert claim(destination.pk, limit=10, now=timezone.now()) is None


def test_a_rate_limit_holds_for_all_workers_together(destination: Destination, post: Post, now: datetime) -> None:
    Destination.objects.update(requests_per_minute=60)
    for lane in range(20):
        post(destination, str(lane))

    claims = [claim(destination.pk, limit=4, now=now) for _worker in range(3)]
    later = claim(destination.pk, limit=4, now=now + timedelta(seconds=1.5))

    assert [len(taken.deliveries) if taken else 0 for taken in claims] == [4, 2, 0]
    assert later is not None
    assert len(later.deliveries) == 1


def test_a_send_in_steps_goes_on_at_the_step_that_failed(
    sender: Sender, plain: Destination, fake: Fake, post: Post
) -> None:
    delivery = post(plain, payload={"steps": ["contact", "conversation", "message"]})
    fake.answer = lambda received: Answer(status=500 if received.path == "/conversation" else 200)
    sender.drain()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.steps) == ("waiting", {"contact": "r-1"})

    fake.answer = always()
    make_due()
    sender.drain()

    delivery.refresh_from_db()
    assert delivery.state == "delivered"
    assert [received.path for received in fake.received] == ["/contact", "/conversation", "/conversation", "/message"]
    assert list(Attempt.objects.order_by("id").values_list("number", "step", "status")) == [
        (1, "contact", 200), (1, "conversation", 500), (2, "conversation", 200), (2, "message", 200)
    ]  # fmt: skip


def test_a_switched_off_destination_is_left_alone(
    sender: Sender, destination: Destination, fake: Fake, change: Post
) -> None:
    change(destination, name="Dewi")
    Destination.objects.update(is_on=False)
    sender.drain()
    assert fake.received == []

    Destination.objects.update(is_on=True)
    sender.drain()

    assert len(fake.received) == 1


def test_a_carriers_own_fault_is_recorded_and_the_next_delivery_goes_out(
    sender: Sender, plain: Destination, fake: Fake, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    faulty, fine = post(plain, "a", payload={"fault": 1}), post(plain, "b")

    sender.drain()

    faulty.refresh_from_db()
    fine.refresh_from_db()
    assert (faulty.state, faulty.code, fine.state) == ("waiting", "fault", "delivered")
    assert "ZeroDivisionError" in faulty.problem
    assert Attempt.objects.get(delivery=faulty).outcome == Attempt.Outcome.NOT_SENT


def test_what_was_tried_for_days_waits_for_a_person(
    sender: Sender, destination: Destination, fake: Fake, post: Post
) -> None:
    fake.answer = always(status=500)
    delivery = post(destination)
    Delivery.objects.update(attempt_count=9, created_at=timezone.now() - timedelta(days=4))

    sender.drain()

    delivery.refresh_from_db()
    assert (delivery.state, delivery.code) == ("refused", "http_500")
    assert delivery.problem == "Given up after 10 attempts. The last one: It answered 500."


# ------------------------------------------------------------------------------------------------ leases
def test_a_lost_worker_is_taken_over_and_its_late_result_is_not_stored(destination: Destination, post: Post) -> None:
    delivery = post(destination)
    begun = timezone.now()
    lost = claim(destination.pk, limit=10, now=begun)
    assert lost is not None
    assert take_over_expired(now=begun + timedelta(seconds=59)) == 0

    assert take_over_expired(now=begun + timedelta(seconds=61)) == 1
    stored = settle(lost, [Result(lost.deliveries[0], None)], now=begun + timedelta(seconds=62))

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempt_count, stored) == ("waiting", 1, 0)
    assert books.audit(destination.pk) == {}


@pytest.mark.parametrize(("was_calling", "state"), [(False, "waiting"), (True, "unknown")])
def test_what_a_lost_worker_may_have_sent_is_unknown_where_twice_does_harm(
    plain: Destination, post: Post, was_calling: bool, state: str
) -> None:
    delivery = post(plain)
    begun = timezone.now()
    claim(plain.pk, limit=10, now=begun)
    if was_calling:
        Delivery.objects.update(calling_at=begun)

    take_over_expired(now=begun + timedelta(seconds=61))

    delivery.refresh_from_db()
    assert (delivery.state, delivery.lease, delivery.calling_at) == (state, "", None)
    assert (delivery.settled_at is None) == (state == "waiting")
    assert books.audit(plain.pk) == {}


@pytest.mark.django_db(transaction=True)
def test_a_call_that_must_not_be_repeated_is_written_down_and_no_transaction_is_open_while_it_is_out(
    sender: Sender, plain: Destination, fake: Fake, post: Post
) -> None:
    delivery = post(plain)
    seen: list[Any] = []

    def look(_received: Received) -> Answer:
        """From another connection, which also writes: with a transaction open, SQLite would not let it."""
        Destination.objects.update(parallel_calls=5)
        seen.append(
            Delivery.objects.filter(pk=delivery.pk, calling_at__isnull=False).values_list("state", flat=True)[0]
        )
        connection.close()
        return Answer()

    fake.answer = look
    sender.drain()

    delivery.refresh_from_db()
    assert seen == ["sending"]
    assert (delivery.state, delivery.calling_at) == ("delivered", None)


@pytest.mark.django_db(transaction=True)
def test_an_outcome_outlasts_a_database_that_is_away_for_a_moment(
    sender: Sender, plain: Destination, fake: Fake, post: Post, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    delivery = post(plain)
    naps: list[float] = []
    monkeypatch.setattr("delivery.carrying.sleep", naps.append)

    def away_twice(*arguments: Any, **named: Any) -> int:
        if len(naps) < 2:
            raise OperationalError("the connection was lost")
        return settle(*arguments, **named)

    monkeypatch.setattr("delivery.carrying.settle", away_twice)
    sender.drain()

    delivery.refresh_from_db()
    assert (delivery.state, len(fake.received), naps) == ("delivered", 1, [1.0, 1.0])


def test_due_destinations_are_those_that_could_be_sent_to(destination: Destination, post: Post, now: datetime) -> None:
    assert due_destinations(now=now) == []
    post(destination, at=now)
    assert due_destinations(now=now) == [(destination.pk, 4)]

    Destination.objects.update(resumes_at=now + timedelta(seconds=1))

    assert due_destinations(now=now) == []
    assert due_destinations(now=now + timedelta(seconds=1)) == [(destination.pk, 4)]


@pytest.mark.parametrize(
    ("outcome", "state", "code"),
    [
        (Delivered("r-1"), "delivered", ""),
        (Temporary("http_503", "It is away."), "cancelled", "persona_deleted"),
        (Refused("http_400", "It does not accept Dewi."), "cancelled", "persona_deleted"),
        (Unknown("no_answer", "No answer."), "cancelled", "persona_deleted"),
        (None, "cancelled", "persona_deleted"),
    ],
)
def test_what_is_being_sent_while_its_person_is_erased_leaves_nothing_behind(
    destination: Destination, change: Post, outcome: Outcome | None, state: str, code: str
) -> None:
    delivery = change(destination, name="Dewi")
    claimed = claim(destination.pk, limit=1, now=timezone.now())
    assert claimed is not None
    carried = claimed.deliveries[0]
    call = Attempt(delivery=carried, number=1, request_body="Dewi", outcome="answered", happened_at=timezone.now())

    outbox.forget_personas(persona_ids=[1], at=timezone.now())
    settle(claimed, [Result(carried, outcome, [call])], now=timezone.now())

    delivery.refresh_from_db()
    assert carried.payload == {"name": "Dewi"}
    assert (delivery.state, delivery.code, delivery.problem, delivery.payload) == (state, code, "", {})
    assert not Attempt.objects.exists()
    assert books.audit(destination.pk) == {}


def test_that_somebody_is_deleted_is_told_even_if_it_is_being_told_while_they_are_erased(
    destination: Destination, post: Post
) -> None:
    delivery = post(destination, kind="persona.deleted")
    claimed = claim(destination.pk, limit=1, now=timezone.now())
    assert claimed is not None

    outbox.forget_personas(persona_ids=[1], at=timezone.now())
    settle(claimed, [Result(claimed.deliveries[0], Temporary("http_503", "It is away."))], now=timezone.now())

    delivery.refresh_from_db()
    assert (delivery.state, delivery.code) == ("waiting", "http_503")


def test_what_was_given_back_unsent_or_left_by_a_lost_worker_is_not_sent_once_its_person_is_erased(
    destination: Destination, change: Post
) -> None:
    change(destination, "persona:1", name="Dewi")
    change(destination, "persona:2", name="Rina")
    given_back = claim(destination.pk, limit=1, now=timezone.now())
    lost = claim(destination.pk, limit=1, now=timezone.now())
    assert given_back is not None
    assert lost is not None

    outbox.forget_personas(persona_ids=[1], at=timezone.now())
    settle(given_back, [Result(given_back.deliveries[0], None)], now=timezone.now())
    take_over_expired(now=timezone.now() + 2 * settings.OUTBOX_LEASE)

    left = Delivery.objects.values_list("state", "code", "payload")
    assert list(left) == [("cancelled", "persona_deleted", {})] * 2
    assert books.audit(destination.pk) == {}
