"""How far a message got with a recipient: its delivery says it, and then the platform."""

import pytest
from django.utils import timezone

from accounts.models import User, Workspace
from delivery.interventions import cancel, confirm, resend, retry
from delivery.models import Destination
from delivery.sender import Sender
from messaging.models import Recipient, Topic
from messaging.progress import note_progress
from tests.console.conftest import make_message, make_persona
from tests.delivery.conftest import Post
from tests.delivery.conftest import destination as destination
from tests.delivery.conftest import fake as fake
from tests.delivery.conftest import plain as plain
from tests.delivery.conftest import post as post
from tests.delivery.conftest import sender as sender
from tests.delivery.fake import Answer, Fake

pytestmark = pytest.mark.django_db
State = Recipient.State


@pytest.fixture
def recipient(workspace: Workspace, support_user: User) -> Recipient:
    rina = make_persona(workspace, "Rina", "+6281200000101")
    topic = Topic.objects.create(workspace=workspace, type="persona", name="Order", persona=rina)
    return make_message(topic, rina, support_user).recipients.get()


def state_of(recipient: Recipient) -> tuple[str, str]:
    recipient.refresh_from_db()
    return recipient.state, recipient.problem


def test_delivered_message_is_sent(recipient: Recipient, destination: Destination, post: Post, sender: Sender) -> None:
    post(destination, recipient_id=recipient.pk)
    assert state_of(recipient) == (State.WAITING, "")

    sender.drain()

    assert state_of(recipient) == (State.SENT, "")


def test_refused_message_has_failed_with_the_reason_and_waits_again_when_retried(
    recipient: Recipient, destination: Destination, fake: Fake, post: Post, sender: Sender
) -> None:
    fake.answer = lambda _received: Answer(status=422)
    delivery = post(destination, recipient_id=recipient.pk)
    sender.drain()
    state, problem = state_of(recipient)
    delivery.refresh_from_db()

    retry(delivery=delivery, by="Ayu", at=timezone.now())

    assert (state, problem) == (State.FAILED, delivery.problem)
    assert problem
    assert state_of(recipient) == (State.WAITING, "")


def test_message_of_unknown_outcome_is_unknown_until_somebody_confirms_it(
    recipient: Recipient, plain: Destination, fake: Fake, post: Post, sender: Sender
) -> None:
    fake.answer = lambda _received: Answer(is_silent=True)
    delivery = post(plain, recipient_id=recipient.pk)
    sender.drain()
    before = state_of(recipient)
    delivery.refresh_from_db()

    confirm(delivery=delivery, by="Ayu", at=timezone.now())

    assert before == (State.UNKNOWN, "")
    assert state_of(recipient) == (State.SENT, "")


def test_cancelled_message_has_failed(recipient: Recipient, destination: Destination, post: Post) -> None:
    cancel(delivery=post(destination, recipient_id=recipient.pk), by="Ayu", at=timezone.now())

    assert state_of(recipient) == (State.FAILED, "It was cancelled here.")


def test_what_arrived_does_not_go_back(
    recipient: Recipient, destination: Destination, post: Post, sender: Sender
) -> None:
    post(destination, recipient_id=recipient.pk)
    assert note_progress(recipient_id=recipient.pk, state=State.READ)

    sender.drain()
    is_news = [
        note_progress(recipient_id=recipient.pk, state=state)
        for state in (State.SENT, State.DELIVERED, State.READ, State.FAILED)
    ]

    assert is_news == [False, False, False, False]
    assert state_of(recipient) == (State.READ, "")


def test_what_failed_there_before_its_answer_came_has_failed_until_it_is_sent_again(
    recipient: Recipient, destination: Destination, post: Post, sender: Sender
) -> None:
    delivery = post(destination, recipient_id=recipient.pk)
    note_progress(recipient_id=recipient.pk, state=State.FAILED, problem="No such number.")

    sender.drain()
    failed = state_of(recipient)
    delivery.refresh_from_db()
    resend(delivery=delivery, by="Ayu", at=timezone.now())
    waiting = state_of(recipient)
    sender.drain()

    assert failed == (State.FAILED, "No such number.")
    assert waiting == (State.WAITING, "")
    assert state_of(recipient) == (State.SENT, "")
