"""How long messages are kept: said before it is saved, carried out in batches, in the workspaces that ask for it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from accounts.models import User, Workspace
from accounts.tasks import clear_sessions
from delivery import books, outbox
from delivery.carriers import DeliveryDraft, Occurrence
from delivery.models import Attempt, Delivery, Destination
from messaging import retention
from messaging.models import Message, Recipient, Topic
from messaging.retention import RetentionInvalid, count_older, prune_messages, set_retention
from messaging.tasks import prune_messages as prune_task
from personas.models import Persona
from tests.console.conftest import make_persona

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:messaging_message_retention")


@pytest.fixture
def messages(now: datetime, workspace: Workspace, other_workspace: Workspace) -> None:
    """Of each workspace, one a day for ten days."""
    for owner in (workspace, other_workspace):
        persona = make_persona(owner, "Rina", "+6281200000101")
        topic = Topic.objects.create(workspace=owner, type="mass", name="News")
        for days in range(10, 0, -1):
            message = Message.objects.create(
                workspace=owner, topic=topic, direction="outgoing", sender_name="sari", text=f"{days} days old",
                created_at=now - timedelta(days=days),
            )  # fmt: skip
            Recipient.objects.create(message=message, persona=persona, contact=persona.contacts.get())


def _left(workspace: Workspace) -> list[str]:
    return list(Message.objects.filter(workspace=workspace).order_by("pk").values_list("text", flat=True))


def test_older_messages_go_where_the_workspace_says_so_and_nowhere_else(
    now: datetime, messages: None, workspace: Workspace, other_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 3)
    set_retention(workspace=workspace, days=3)

    deleted = prune_messages(at=now)

    assert deleted == 7
    assert _left(workspace) == ["3 days old", "2 days old", "1 days old"]
    assert len(_left(other_workspace)) == 10
    assert Recipient.objects.filter(message__workspace=workspace).count() == 3
    assert Persona.objects.count() == 2


def test_outbox_forgets_what_pruned_messages_said(now: datetime, messages: None, workspace: Workspace) -> None:
    destination = Destination.objects.create(workspace=workspace, name="Platform", kind="raven")
    oldest, newest = (
        Recipient.objects.filter(message__workspace=workspace).order_by(order)[0] for order in ("pk", "-pk")
    )
    occurrence = Occurrence(workspace_id=workspace.pk, kind="message.sent", subject_id=1, at=now)
    payload = {"template": {"name": "hello", "values": ["Rina"]}}
    for recipient in (oldest, newest):
        draft = DeliveryDraft(
            because_of=occurrence, lane="persona:1", kind="message.sent", payload=payload, recipient_id=recipient.pk
        )
        delivery = outbox.post(destination, [draft])[0]
        Attempt.objects.create(
            delivery=delivery, number=1, request_body="Hello Rina", outcome="answered", happened_at=now
        )
    set_retention(workspace=workspace, days=3)

    prune_messages(at=now)

    left = Delivery.objects.order_by("pk").values_list("recipient_id", "state", "code", "payload")
    assert list(left) == [(oldest.pk, "cancelled", "message_deleted", {}), (newest.pk, "waiting", "", payload)]
    assert list(Attempt.objects.values_list("delivery__recipient_id", flat=True)) == [newest.pk]
    assert books.audit(destination.pk) == {}


def test_task_prunes_by_the_clock_and_bears_being_run_twice(
    now: datetime, messages: None, workspace: Workspace
) -> None:
    set_retention(workspace=workspace, days=1)

    prune_task.call()
    prune_task.call()

    assert _left(workspace) == ["1 days old"]


def test_what_would_go_is_counted_no_further_than_asked(
    now: datetime, messages: None, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = now - timedelta(days=3)
    counted = count_older(workspace=workspace, before=before)
    monkeypatch.setattr(retention, "COUNTED_AT_MOST", 5)

    assert (counted, count_older(workspace=workspace, before=before)) == (7, 5)


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_days_that_can_not_be_are_refused(workspace: Workspace, days: int) -> None:
    with pytest.raises(RetentionInvalid):
        set_retention(workspace=workspace, days=days)


def test_admin_sees_what_would_go_before_it_is_saved(
    client: Client, messages: None, admin_user: User, workspace: Workspace
) -> None:
    client.force_login(admin_user)

    looked = client.post(PAGE, {"days": "3", "look": "yes"}).content.decode()
    workspace.refresh_from_db()
    before = workspace.message_retention_days
    saved = client.post(PAGE, {"days": "3", "looked_at": "3", "save": "yes"}, follow=True).content.decode()

    workspace.refresh_from_db()
    assert "<strong>7 messages</strong> are older than 3 days" in looked
    assert (before, workspace.message_retention_days) == (None, 3)
    assert "Messages are kept: 3 days." in saved
    assert "7 messages are old enough to go" in saved


def test_one_message_and_one_day_are_not_told_as_many(client: Client, messages: None, admin_user: User) -> None:
    client.force_login(admin_user)

    older = client.post(PAGE, {"days": "9", "look": "yes"}).text
    saved = client.post(PAGE, {"days": "1", "looked_at": "1", "save": "yes"}, follow=True).text

    assert "<strong>1 message</strong> is older than 9 days" in older
    assert "Messages are kept: 1 day." in saved


def test_another_number_than_the_one_looked_at_is_looked_at_first(
    client: Client, messages: None, admin_user: User, workspace: Workspace
) -> None:
    client.force_login(admin_user)

    answer: Any = client.post(PAGE, {"days": "1", "looked_at": "30", "save": "yes"})

    workspace.refresh_from_db()
    assert workspace.message_retention_days is None
    assert "<strong>9 messages</strong>" in answer.content.decode()


def test_empty_keeps_messages_for_ever_again(client: Client, admin_user: User, workspace: Workspace) -> None:
    set_retention(workspace=workspace, days=3)
    client.force_login(admin_user)

    client.post(PAGE, {"days": "", "looked_at": "", "save": "yes"})

    workspace.refresh_from_db()
    assert workspace.message_retention_days is None


@pytest.mark.parametrize("method", ["get", "post"])
def test_support_does_not_decide_how_long_messages_are_kept(client: Client, support_user: User, method: str) -> None:
    client.force_login(support_user)

    assert getattr(client, method)(PAGE).status_code == 403


def test_sessions_that_ended_are_cleared(now: datetime) -> None:
    for expiry in (now - timedelta(days=1), datetime(2027, 1, 1, tzinfo=UTC)):
        session = SessionStore()
        session["x"] = 1
        session.set_expiry(expiry)
        session.save()

    clear_sessions.call()

    assert Session.objects.count() == 1
