"""What is over goes after its time, and the books say so."""

from datetime import datetime, timedelta

import pytest

from delivery import books, figures, retention
from delivery.models import Attempt, BookEntry, Delivery, Destination
from delivery.retention import prune_deliveries
from delivery.states import State
from tests.delivery.conftest import Post

pytestmark = pytest.mark.django_db


def ended(delivery: Delivery, state: str, *, at: datetime) -> Delivery:
    """As if it had got this state then."""
    Delivery.objects.filter(pk=delivery.pk).update(state=state, settled_at=at)
    books.enter({(delivery.destination_id, "waiting"): -1, (delivery.destination_id, state): 1})
    return delivery


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)


def test_what_ended_before_is_pruned_with_its_calls_and_what_waits_for_somebody_stays(
    destination: Destination, post: Post, now: datetime
) -> None:
    old = now - timedelta(seconds=1)
    delivered = [ended(post(destination), "delivered", at=old) for _ in range(5)]
    Attempt.objects.create(delivery=delivered[0], number=1, outcome="answered", happened_at=old)
    for state in ("superseded", "cancelled"):
        ended(post(destination), state, at=old)
    kept = [ended(post(destination), state, at=old) for state in ("refused", "unknown")]
    kept += [post(destination), ended(post(destination), "delivered", at=now)]

    assert prune_deliveries(before=now) == 7

    assert set(Delivery.objects.values_list("pk", flat=True)) == {delivery.pk for delivery in kept}
    assert not Attempt.objects.exists()


def test_books_balance_and_say_the_same_after_pruning_and_after_compacting(
    destination: Destination, post: Post, now: datetime
) -> None:
    for state in ("delivered", "delivered", "superseded", "refused"):
        ended(post(destination), state, at=now - timedelta(days=91))
    post(destination)
    before = books.totals(BookEntry.objects.all())

    prune_deliveries(before=now)
    books.compact()

    assert Delivery.objects.count() == 2
    assert books.totals(BookEntry.objects.all()) == before
    assert books.audit(destination.pk) == {}
    (shown,) = figures.by_destination(workspace_id=destination.workspace_id, now=now)
    assert (shown.created, shown.by_state[State.DELIVERED], shown.balances) == (5, 2, True)


def test_audit_finds_what_was_deleted_without_an_entry(destination: Destination, post: Post, now: datetime) -> None:
    delivery = ended(post(destination), "delivered", at=now)
    prune_deliveries(before=now)
    assert books.audit(destination.pk) == {}

    Delivery.objects.filter(pk=delivery.pk).delete()

    assert books.audit(destination.pk) == {"": (1, 0), "delivered": (1, 0)}


def test_what_was_superseded_later_by_one_that_is_pruned_stays_without_it(
    destination: Destination, post: Post, now: datetime
) -> None:
    newer = ended(post(destination), "delivered", at=now - timedelta(days=1))
    older = ended(post(destination), "superseded", at=now)
    Delivery.objects.filter(pk=older.pk).update(superseded_by=newer)

    prune_deliveries(before=now)

    older.refresh_from_db()
    assert (older.state, older.superseded_by_id) == ("superseded", None)


def test_one_late_among_older_ones_does_not_keep_them(destination: Destination, post: Post, now: datetime) -> None:
    late = ended(post(destination), "delivered", at=now)
    for _ in range(4):
        ended(post(destination), "delivered", at=now - timedelta(days=1))

    assert prune_deliveries(before=now) == 4

    assert list(Delivery.objects.values_list("pk", flat=True)) == [late.pk]
