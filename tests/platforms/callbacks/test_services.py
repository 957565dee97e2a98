"""Saving callbacks, how long they may fail, and getting back what was missed."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from standardwebhooks import Webhook as Verifying

from accounts.models import User, Workspace
from delivery import books
from delivery.models import Delivery, Destination, Intervention
from delivery.sender import Sender
from messaging.models import Recipient
from messaging.progress import note_progress
from personas.models import Persona
from platforms.callbacks.budget import warn_failing
from platforms.callbacks.services import (
    CallbackAddressInvalid,
    enable_and_recover,
    recover_missed,
    save_callbacks,
    switch_off,
    try_address,
)
from platforms.callbacks.signing import secrets_of
from platforms.connections import reseal_all
from platforms.transport import AddressRefused
from tests.platforms.callbacks.conftest import Subscribed, receive
from tests.platforms.receiver import Receiver
from tokens.configuration import Configuration
from tokens.models import Callback, SigningSecret, Token
from tokens.services import COMMAND_LINE, TokenIsRevoked, configure_token, delete_token, revoke_token

pytestmark = pytest.mark.django_db
Subscribe = Callable[[str], Subscribed]


def save(token: Token, **urls: str) -> Any:
    named = {event.replace("_", "."): url for event, url in urls.items()}
    return save_callbacks(token=token, urls=named, by=COMMAND_LINE, at=timezone.now())


@pytest.mark.parametrize(("name", "named"), [("Till", "Till"), ("x" * 100, "x" * 87)])
def test_renaming_the_token_renames_its_callbacks_in_the_monitor(
    token: Token, receiver: Receiver, name: str, named: str
) -> None:
    save(token, message_received=receiver.url)
    configuration = replace(Configuration.of(token), name=name)

    configure_token(token=token, configuration=configuration, version=token.version, by=COMMAND_LINE)

    assert Destination.objects.get().shown_name == f"{named}: New message"


def carry_on() -> None:
    """What people began is done, and what is due is sent."""
    from delivery.tasks import continue_interventions

    continue_interventions.func()
    Sender(threads=1).drain()


def test_saving_keeps_history_and_makes_one_secret_for_all(token: Token, receiver: Receiver) -> None:
    first = save(token, message_received=receiver.url)
    second = save(token, message_received=receiver.url, message_status=f"{receiver.url}/2")

    assert first.secret is not None
    assert first.secret.startswith("whsec_")
    assert second.secret is None
    assert secrets_of(token.pk, at=timezone.now()) == [first.secret]
    assert token.events.values_list("changes", flat=True)[0] == [
        {"field": "callback:message.status", "old": "", "new": f"{receiver.url}/2"}
    ]
    assert save(token, message_received=receiver.url).changes == []


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://example.org/hook", AddressRefused),
        ("https://10.0.0.5/hook", AddressRefused),
        ("https://[::1]/hook", AddressRefused),
        ("https://127.1/hook", AddressRefused),
        ("https://0x7f000001/hook", AddressRefused),
        ("https://①②⑦.⓪.⓪.①/hook", AddressRefused),
        ("https://ⓛocalhost/hook", AddressRefused),
        ("https://example..org/hook", AddressRefused),
        (f"https://{'a' * 64}.org/hook", AddressRefused),
        ("https://user:pass@example.org/", AddressRefused),
        ("ftp://example.org/", AddressRefused),
        ("https://example.org/a b", CallbackAddressInvalid),
        ("https://example.org/" + "a" * 500, CallbackAddressInvalid),
    ],
)
def test_invalid_address_saves_nothing_at_all(
    token: Token, receiver: Receiver, url: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        save(token, message_received=receiver.url, message_status=url)

    assert not Callback.objects.exists()
    assert not SigningSecret.objects.exists()


def test_address_with_a_token_in_it_is_refused(token: Token, secret: str) -> None:
    with pytest.raises(CallbackAddressInvalid):
        save(token, message_received=f"https://example.org/{secret}")


def test_revoked_token_gets_no_callback(token: Token, receiver: Receiver) -> None:
    revoke_token(token=token, by=COMMAND_LINE)

    with pytest.raises(TokenIsRevoked):
        save(token, message_received=receiver.url)


@pytest.mark.parametrize("how", ["emptied", "token deleted"])
def test_removed_callback_cancels_what_waits(
    subscribe: Subscribe, token: Token, workspace: Workspace, rina: Persona, receiver: Receiver, how: str
) -> None:
    destination = subscribe("message.received").callback.destination
    receive(workspace, rina)
    if how == "emptied":
        save(token, message_received="")
    else:
        delete_token(token=token, by=COMMAND_LINE)

    carry_on()
    receive(workspace, rina)

    assert [each.state for each in Delivery.objects.filter(destination=destination)] == ["cancelled"]
    assert books.audit(destination.pk) == {}
    assert receiver.calls == []


def test_test_shows_the_call_and_saves_no_address(token: Token, receiver: Receiver) -> None:
    tried = try_address(token=token, event="message.received", url=receiver.url, by=COMMAND_LINE, at=timezone.now())

    [(headers, body)] = receiver.calls
    assert tried.secret is not None
    assert Verifying(tried.secret).verify(body, headers)["test"] is True
    assert (tried.exchange.status, tried.exchange.body) == (200, "okay")
    assert tried.exchange.duration_ms > 0
    assert not Callback.objects.exists()


def test_resealing_takes_signing_secrets_along(token: Token, receiver: Receiver, settings: Any) -> None:
    secret = save(token, message_received=receiver.url).secret
    settings.ENCRYPTION_KEYS = ["a-new-key-of-more-than-32-characters-000", *settings.ENCRYPTION_KEYS]
    reseal_all()

    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]

    assert secrets_of(token.pk, at=timezone.now()) == [secret]


def test_budget_warns_at_each_step_once_and_then_switches_off(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, token: Token, receiver: Receiver, admin_user: User
) -> None:
    admin_user.email = "ayu@example.org"
    admin_user.save()
    Token.objects.filter(pk=token.pk).update(caretaker=admin_user)
    subscribed = subscribe("message.received")
    receiver.status = 500
    receive(workspace, rina)
    Sender(threads=1).drain()
    begun = subscribed.fresh().failing_since
    assert begun is not None

    seen = []
    for hours in (35, 36, 37, 54, 55, 72, 73):
        warn_failing(at=begun + timedelta(hours=hours))
        mails = Delivery.objects.filter(kind="notice.callback.failing").order_by("id")
        seen.append((subscribed.fresh().warned_percent, subscribed.fresh().off_because, len(mails)))

    assert seen == [
        (0, "", 0),
        (50, "", 1),
        (50, "", 1),
        (75, "", 2),
        (75, "", 2),
        (100, "budget", 3),
        (100, "budget", 3),
    ]
    last = [each.payload for each in mails][-1]
    assert (last["to"], last["subject"]) == (
        "ayu@example.org",
        "Callback of “Shop backend” was switched off: New message",
    )
    assert "It has used 100 % of the time" in last["text"]
    assert subscribed.fresh().warned_at == begun + timedelta(hours=72)
    assert not Destination.objects.get(pk=subscribed.callback.destination_id).is_on


def test_success_gives_the_whole_budget_back(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    subscribed = subscribe("message.received")
    receiver.status = 500
    receive(workspace, rina)
    Sender(threads=1).drain()
    receiver.status = 200
    Delivery.objects.update(due_at=timezone.now())

    Sender(threads=1).drain()

    assert len(receiver.calls) == 2
    assert subscribed.fresh().failing_since is None


def test_enable_and_recover_sends_all_that_happened_meanwhile(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    subscribed = subscribe("message.received")
    receiver.status = 410
    receive(workspace, rina, "one")
    Sender(threads=1).drain()
    receive(workspace, rina, "two")
    receiver.status = 200

    enable_and_recover(callback=subscribed.callback, by=COMMAND_LINE, at=timezone.now())
    carry_on()

    assert [each.state for each in subscribed.deliveries] == ["delivered", "delivered"]
    assert receiver.calls[0][0]["webhook-id"] in [headers["webhook-id"] for headers, _body in receiver.calls[1:]]
    assert subscribed.fresh().is_on
    assert books.audit(subscribed.callback.destination_id) == {}


@pytest.mark.parametrize("status", [500, 410])
def test_new_address_gets_at_once_what_the_old_one_did_not_take(
    subscribe: Subscribe, token: Token, workspace: Workspace, rina: Persona, receiver: Receiver, status: int
) -> None:
    subscribed = subscribe("message.received")
    receiver.status = status
    receive(workspace, rina)
    Sender(threads=1).drain()
    receiver.status = 200

    save(token, message_received=f"{receiver.url}/new")
    fresh = subscribed.fresh()
    carry_on()

    assert (fresh.is_on, fresh.failing_since) == (True, None)
    assert [each.state for each in subscribed.deliveries] == ["delivered"]


def test_new_address_does_not_switch_on_what_somebody_switched_off(
    subscribe: Subscribe, token: Token, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    subscribed = subscribe("message.received")
    receiver.status = 500
    receive(workspace, rina)
    Sender(threads=1).drain()
    switch_off(callback=subscribed.callback, because=Callback.Off.PERSON, at=timezone.now())

    save(token, message_received=f"{receiver.url}/new")

    assert not subscribed.fresh().is_on


def test_missed_events_are_recovered_once(
    workspace: Workspace, rina: Persona, subscribe: Subscribe, receiver: Receiver
) -> None:
    before = timezone.now() - timedelta(minutes=5)
    early = receive(workspace, rina, "before there was a callback")
    subscribed = subscribe("message.received")
    receive(workspace, rina, "with it")

    counts = [
        recover_missed(callback=subscribed.callback, since=before, by=COMMAND_LINE, at=timezone.now()) for _ in range(2)
    ]

    assert counts == [1, 0]
    assert [each.payload["message"] for each in subscribed.deliveries][-1] == early.pk
    Sender(threads=1).drain()
    assert len(receiver.calls) == 2


@pytest.mark.django_db(transaction=True)
def test_missed_events_asked_for_twice_at_the_same_moment_are_recovered_once(
    workspace: Workspace, rina: Persona, subscribe: Subscribe
) -> None:
    before = timezone.now() - timedelta(minutes=5)
    receive(workspace, rina, "before there was a callback")
    callback = subscribe("message.received").callback
    together, counts = threading.Barrier(4), []

    def recover() -> None:
        together.wait(10)
        counts.append(recover_missed(callback=callback, since=before, by=COMMAND_LINE, at=timezone.now()))
        connection.close()

    asking = [threading.Thread(target=recover) for _ in range(4)]
    for each in asking:
        each.start()
    for each in asking:
        each.join(30)

    assert sorted(counts) == [0, 0, 0, 1]


def test_missed_report_of_a_message_is_recovered_as_the_event_it_was(
    workspace: Workspace, rina: Persona, subscribe: Subscribe, receiver: Receiver
) -> None:
    before = timezone.now() - timedelta(minutes=5)
    message, contact = receive(workspace, rina), rina.contacts.all()[0]
    recipient = Recipient.objects.create(message=message, persona=rina, contact=contact)
    note_progress(recipient_id=recipient.pk, state=Recipient.State.SENT)
    subscribed = subscribe("message.status")
    note_progress(recipient_id=recipient.pk, state=Recipient.State.READ)

    counts = [
        recover_missed(callback=subscribed.callback, since=before, by=COMMAND_LINE, at=timezone.now()) for _ in range(2)
    ]
    Sender(threads=1).drain()

    assert counts == [1, 0]
    told = [json.loads(body)["data"] for _headers, body in receiver.calls]
    assert [(data["message"], data["previous_status"], data["status"]) for data in told] == [
        (recipient.message_id, "sent", "read"),
        (recipient.message_id, "waiting", "sent"),
    ]


@pytest.mark.parametrize("event", ["conversation.created", "persona.updated"])
def test_recorded_and_announced_are_the_same_event(
    workspace: Workspace, rina: Persona, subscribe: Subscribe, event: str
) -> None:
    before = timezone.now() - timedelta(minutes=5)
    subscribed = subscribe(event)
    receive(workspace, rina)
    from personas.services import PersonaDraft, update_persona
    from tests.platforms.connecting import BY_TEST

    update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(name="R."), cause=BY_TEST)

    assert recover_missed(callback=subscribed.callback, since=before, by=COMMAND_LINE, at=timezone.now()) == 0
    assert len(subscribed.deliveries) == 1


def test_recovering_retries_only_what_was_refused_since(
    subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver, now: datetime
) -> None:
    subscribed = subscribe("message.received")
    receive(workspace, rina)
    Delivery.objects.update(state="refused", settled_at=now - timedelta(days=9))
    books.enter(
        {(subscribed.callback.destination_id, "waiting"): -1, (subscribed.callback.destination_id, "refused"): 1}
    )

    enable_and_recover(callback=subscribed.callback, by=COMMAND_LINE, at=now)
    with time_machine.travel(now + timedelta(seconds=5), tick=False):
        carry_on()

    assert [each.state for each in subscribed.deliveries] == ["refused"]
    assert Intervention.objects.get().total == 0
