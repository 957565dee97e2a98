"""The books, and what the monitor reads."""

import sqlite3
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Workspace
from delivery import books, claims, figures
from delivery.figures import by_destination, deliveries, oldest_undelivered, reasons
from delivery.models import BookEntry, Delivery, Destination
from delivery.sender import Sender
from delivery.states import State
from tests.delivery.conftest import Post
from tests.delivery.fake import Answer, Fake

pytestmark = pytest.mark.django_db


def test_the_headline_is_the_age_of_the_oldest_change_and_goes_when_it_arrives(
    sender: Sender, workspace: Workspace, destination: Destination, fake: Fake, change: Post, now: datetime
) -> None:
    change(destination, at=now - timedelta(minutes=9), name="A")
    change(destination, at=now - timedelta(minutes=1), name="B")
    fake.answer = lambda _received: Answer(status=500)
    sender.drain()

    headline = oldest_undelivered(workspace_id=workspace.pk, now=now)
    assert headline is not None
    assert (headline.age, headline.is_over_limit) == (timedelta(minutes=9), True)
    assert headline.delivery_id == Delivery.objects.get(state="waiting").pk

    fake.answer = lambda _received: Answer()
    Delivery.objects.filter(state="waiting").update(due_at=now)
    sender.drain()
    assert oldest_undelivered(workspace_id=workspace.pk, now=now) is None


def test_figures_balance_without_reading_deliveries(
    sender: Sender, workspace: Workspace, destination: Destination, fake: Fake, change: Post, post: Post, now: datetime
) -> None:
    fake.answer = lambda received: Answer(status=422 if received.body["lane"] == "b" else 200)
    for lane in "aab":
        change(destination, lane, name=lane)
    sender.drain()
    post(destination, "c")

    with CaptureQueriesContext(connection) as queries:
        (found,) = by_destination(workspace_id=workspace.pk, now=now)

    assert found.created == 4
    assert {state: count for state, count in found.by_state.items() if count} == {
        State.WAITING: 1, State.DELIVERED: 1, State.REFUSED: 1, State.SUPERSEDED: 1,
    }  # fmt: skip
    assert (found.balances, found.is_failing) == (True, False)
    assert len(queries) == 3


def test_compacted_books_say_the_same(destination: Destination, post: Post, sender: Sender) -> None:
    for lane in range(5):
        post(destination, str(lane))
    sender.drain()
    before = books.totals(BookEntry.objects.all())

    books.compact()

    assert books.totals(BookEntry.objects.all()) == before
    assert BookEntry.objects.count() == 2
    assert books.audit(destination.pk) == {}


def test_an_audit_finds_what_was_moved_behind_the_books(destination: Destination, post: Post) -> None:
    delivery = post(destination)

    Delivery.objects.filter(pk=delivery.pk).update(state="delivered")

    assert books.audit(destination.pk) == {"waiting": (1, 0), "delivered": (0, 1)}


def test_reasons_are_counted_by_code(sender: Sender, destination: Destination, fake: Fake, post: Post) -> None:
    fake.answer = lambda received: Answer(status=401 if received.body["lane"] == "a" else 422)
    for lane in ("a", "b", "c"):
        post(destination, lane)

    sender.drain()

    assert [(reason.code, reason.count) for reason in reasons(destination_id=destination.pk)] == [
        ("http_422", 2), ("http_401", 1),
    ]  # fmt: skip


def test_lists_are_of_one_workspace_newest_first(
    workspace: Workspace, other_workspace: Workspace, destination: Destination, post: Post
) -> None:
    made = [post(destination, str(number)) for number in range(3)]
    post(Destination.objects.create(workspace=other_workspace, name="x", kind="keyed"))

    assert list(deliveries(workspace_id=workspace.pk)) == made[::-1]
    assert list(deliveries(workspace_id=workspace.pk, state="delivered")) == []
    assert list(deliveries(workspace_id=workspace.pk, destination_id=destination.pk, persona_id=1)) == made[::-1]


def test_partial_indexes_are_used(destination: Destination, post: Post) -> None:
    """Of SQLite, whose plans do not depend on how many rows there are."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's plans depend on how many rows there are")
    statements = {
        "delivery_due": (claims._FIRST_OF_LANES, {"destination_id": 1, "now": None, "looked_at": 1, "wanted": 1}),
        "delivery_lane": (claims._WAITING_IN_LANES, {"destination_id": 1, "lanes": "[]", "at_most": 1}),
        "delivery_leased": (claims._EXPIRED, [None]),
        "delivery_oldest_open": (figures._OLDEST, [1]),
        "delivery_oldest_there": (figures._OLDEST_OF_EACH, [1]),
    }
    for index, (statement, parameters) in statements.items():
        text = statement._text_for[sqlite3.Cursor]
        plan = connection.connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters).fetchall()
        assert any(index in step[-1] for step in plan), (index, plan)
        assert not any(step[-1].startswith("SCAN delivery_delivery") for step in plan), plan
