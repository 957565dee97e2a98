"""The tab of callbacks and the page of one, as people use them."""

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, Workspace
from delivery.models import Delivery, Event
from delivery.sender import Sender
from delivery.tasks import continue_interventions
from personas.models import Persona
from platforms.callbacks.services import save_callbacks
from tests.platforms.callbacks.conftest import Subscribed, receive
from tests.platforms.callbacks.conftest import rina as rina
from tests.platforms.callbacks.conftest import subscribe as subscribe
from tests.platforms.receiver import Receiver
from tokens.models import Callback, Token
from tokens.services import COMMAND_LINE, revoke_token

pytestmark = pytest.mark.django_db
Subscribe = Callable[[str], Subscribed]
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{44}")


@pytest.fixture
def admin(client: Client, admin_user: User) -> Client:
    client.force_login(admin_user)
    return client


@pytest.fixture
def tab(token: Token) -> str:
    return reverse("admin:tokens_token_callbacks", args=[token.pk])


def page(name: str, callback: Callback) -> str:
    return reverse(f"admin:tokens_callback_{name}", args=[callback.pk])


def test_first_save_shows_the_secret_once(admin: Client, tab: str, token: Token, receiver: Receiver) -> None:
    saved = admin.post(tab, {"message_received": receiver.url})

    assert len(SECRET.findall(saved.text)) == 1
    assert "no-store" in saved["Cache-Control"]
    assert [(c.event, c.url) for c in token.callbacks.all()] == [("message.received", receiver.url)]
    assert SECRET.findall(admin.get(tab).text) == []
    again = admin.post(tab, {"message_received": receiver.url, "message_status": receiver.url})
    assert again.status_code == 302


def test_later_save_shows_once_what_changed(admin: Client, tab: str, receiver: Receiver) -> None:
    admin.post(tab, {"message_received": receiver.url})

    saved = admin.post(tab, {"message_received": receiver.url, "message_status": receiver.url}, follow=True)
    again = admin.get(tab)

    assert [change.label for change in saved.context["saved"].changes] == ["Callback: Message reports"]
    assert "What changed" in saved.text
    assert "What changed" not in again.text


def test_two_who_save_different_addresses_both_keep_theirs(admin: Client, tab: str, token: Token) -> None:
    one, other = hidden(admin.get(tab).text), hidden(admin.get(tab).text)
    admin.post(tab, one | {"message_received": "https://example.org/one"})

    admin.post(tab, other | {"message_status": "https://example.org/other"})

    assert set(token.callbacks.values_list("url", flat=True)) == {
        "https://example.org/one",
        "https://example.org/other",
    }


def test_two_who_save_one_address_are_asked_which(admin: Client, tab: str, token: Token) -> None:
    one, other = hidden(admin.get(tab).text), hidden(admin.get(tab).text)
    first = admin.post(tab, one | {"message_received": "https://example.org/one"}).text
    typed = {"message_received": "https://example.org/other"}

    refused = admin.post(tab, other | typed).text

    assert "Meanwhile somebody else saved here: https://example.org/one." in refused
    assert token.callbacks.get().url == "https://example.org/one"
    admin.post(tab, hidden(refused) | typed)
    assert token.callbacks.get().url == "https://example.org/other"
    assert hidden(first)["seen_message_received"] == "https://example.org/one"


def hidden(page: str) -> dict[str, str]:
    """What the tab says was saved when it was made."""
    return dict(re.findall(r'name="(seen_\w+)" value="([^"]*)"', page))


def test_invalid_address_names_its_rule_and_saves_nothing(admin: Client, tab: str, receiver: Receiver) -> None:
    shown = admin.post(tab, {"message_received": receiver.url, "message_status": "https://10.0.0.5/hook"}).text

    assert "private address" in shown
    assert "https://10.0.0.5/hook" in shown
    assert not Callback.objects.exists()


def test_send_test_shows_request_answer_and_milliseconds_and_saves_nothing(
    admin: Client, tab: str, receiver: Receiver
) -> None:
    shown = admin.post(
        tab, {"message_received": receiver.url, "message_status": "nonsense", "test": "message.received"}
    )

    assert "It works: the test arrived." in shown.text
    assert re.search(r"webhook-signature: v1,[\w+/]{43}=", html.unescape(shown.text))
    assert "okay" in shown.text
    assert re.search(r"200 · [\d.]+ ms", shown.text)
    assert "field__error" not in shown.text
    assert f'value="{receiver.url}"' in shown.text
    assert not Callback.objects.exists()


@pytest.mark.parametrize(
    ("url", "said"), [("", "Write the address to test."), ("https://127.0.0.2/", "loopback"), ("x", "https://")]
)
def test_address_that_cant_be_tested_says_why(admin: Client, tab: str, url: str, said: str, receiver: Receiver) -> None:
    shown = admin.post(tab, {"message_received": url, "test": "message.received"})

    assert shown.status_code == 200
    assert said in shown.text
    assert receiver.calls == []


def test_failed_test_says_what_is_wrong(admin: Client, tab: str, receiver: Receiver) -> None:
    receiver.status = 503

    shown = admin.post(tab, {"message_received": receiver.url, "test": "message.received"}).text

    assert "It answered 503; any answer from 200 to 299 means that it arrived." in shown


def test_unknown_event_is_not_found(admin: Client, tab: str) -> None:
    assert admin.post(tab, {"test": "nothing"}).status_code == 404


def test_rotation_shows_a_new_secret_once_even_when_sent_twice(admin: Client, tab: str, subscribe: Subscribe) -> None:
    subscribe("message.received")
    nonce = admin.get(tab).context["rotating"]["nonce"].value()
    sent = {"rotate": "1", "overlap": "3600", "nonce": nonce}

    first, second = admin.post(tab, sent), admin.post(tab, sent)

    assert len(SECRET.findall(first.text)) == 1
    assert "The old one works until" in first.text
    assert (second.status_code, second["Location"]) == (302, tab)


def test_rotation_during_an_overlap_says_which_secret_stops(admin: Client, tab: str, subscribe: Subscribe) -> None:
    subscribe("message.received")
    warning, before = "The secret before that one, which still works, stops at once", admin.get(tab)
    nonce = before.context["rotating"]["nonce"].value()

    rotated = admin.post(tab, {"rotate": "1", "overlap": "3600", "nonce": nonce})

    assert warning not in before.text
    assert warning in rotated.text


def test_revoked_tokens_tab_can_only_be_read(admin: Client, tab: str, token: Token, receiver: Receiver) -> None:
    revoke_token(token=token, by=COMMAND_LINE)

    assert "Send test" not in admin.get(tab).text
    assert admin.post(tab, {"message_received": receiver.url}).status_code == 403


def test_history_names_the_callback(admin: Client, token: Token, subscribe: Subscribe, receiver: Receiver) -> None:
    subscribe("message.received")

    shown = admin.get(reverse("admin:tokens_token_history", args=[token.pk])).text

    assert "Callback: New message" in shown
    assert receiver.url in shown


def test_viewer_sees_the_log_and_may_do_nothing(
    client: Client, viewer_user: User, subscribe: Subscribe, workspace: Workspace, rina: Persona
) -> None:
    callback = subscribe("message.received").callback
    receive(workspace, rina)
    client.force_login(viewer_user)

    shown = client.get(page("change", callback))

    assert shown.status_code == 200
    assert "Callback: new message" in shown.text
    assert "Send again" not in shown.text
    for name in ("switch", "again", "replay"):
        assert client.post(page(name, callback), {"on": "0"}).status_code == 403


def test_one_that_arrived_is_sent_again_with_the_same_id(
    admin: Client, subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    subscribed = subscribe("message.received")
    receive(workspace, rina)
    Sender(threads=1).drain()

    admin.post(page("again", subscribed.callback), {"delivery": subscribed.deliveries[0].pk})
    Sender(threads=1).drain()

    assert [each.state for each in subscribed.deliveries] == ["delivered", "delivered"]
    assert receiver.calls[0][0]["webhook-id"] == receiver.calls[1][0]["webhook-id"]


def test_delivery_of_another_callback_is_not_found(
    admin: Client, subscribe: Subscribe, workspace: Workspace, rina: Persona
) -> None:
    one, other = subscribe("message.received"), subscribe("conversation.created")
    receive(workspace, rina)

    for number in (other.deliveries[0].pk, "x", "", "²", "9" * 5000):
        assert admin.post(page("again", one.callback), {"delivery": number}).status_code == 404


def test_switched_off_keeps_events_and_enable_and_recover_sends_them(
    admin: Client, subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    subscribed = subscribe("message.received")
    admin.post(page("switch", subscribed.callback), {"on": "0"})
    receive(workspace, rina)
    Sender(threads=1).drain()
    assert "Enable and recover" in admin.get(page("change", subscribed.callback)).text
    assert receiver.calls == []

    admin.post(page("switch", subscribed.callback), {"on": "1"})
    Sender(threads=1).drain()

    assert len(receiver.calls) == 1


def test_all_failed_since_are_sent_again(
    admin: Client, subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    subscribed = subscribe("message.received")
    receiver.status = 500
    receive(workspace, rina)
    Delivery.objects.update(attempt_count=9)
    Sender(threads=1).drain()
    receiver.status = 200

    admin.post(page("replay", subscribed.callback), {"what": "failed", "hours": "24"})
    continue_interventions.func()
    Sender(threads=1).drain()

    assert [each.state for each in subscribed.deliveries] == ["delivered"]


def test_refusal_of_what_is_done_to_a_callback_is_told_on_its_page(
    admin: Client, subscribe: Subscribe, workspace: Workspace, token: Token, rina: Persona, receiver: Receiver
) -> None:
    subscribed = subscribe("message.received")
    receive(workspace, rina)
    subscribed.callback.destination.deliveries.update(state="cancelled")
    revoke_token(token=token, by=COMMAND_LINE)

    def said(name: str, values: dict[str, Any]) -> str:
        answer = admin.post(page(name, subscribed.callback), values)
        assert (answer.status_code, answer["Location"]) == (302, page("change", subscribed.callback))
        return [str(message) for message in get_messages(answer.wsgi_request)][-1]

    replay = {"what": "failed", "hours": "24"}
    assert said("again", {"delivery": subscribed.deliveries[0].pk}).startswith("This delivery is cancelled now")
    assert said("switch", {"on": "1"}).startswith("This token was revoked")
    assert said("replay", replay) == "What failed since then is being sent again."
    assert said("replay", replay).startswith("The same is being done to Shop backend: New message already.")


def test_all_missed_since_are_sent(
    admin: Client, subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    receive(workspace, rina)
    subscribed = subscribe("message.received")
    assert Event.objects.filter(kind="message.received").count() == 1

    answer = admin.post(page("replay", subscribed.callback), {"what": "missed", "hours": "1"})

    assert [str(message) for message in get_messages(answer.wsgi_request)] == ["1 event was missed, and is sent now."]
    assert len(subscribed.deliveries) == 1


def test_banner_tells_of_a_callback_that_fails(
    admin: Client, tab: str, subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    subscribe("message.received")
    receiver.status = 500
    receive(workspace, rina)
    Sender(threads=1).drain()

    shown = admin.get(tab).text

    assert "New message: Failing" in shown
    assert "It answered 500" in shown


def test_monitor_names_the_callback(
    admin: Client, subscribe: Subscribe, workspace: Workspace, rina: Persona, receiver: Receiver
) -> None:
    subscribed = subscribe("message.received")
    receive(workspace, rina)

    shown = admin.get(reverse("admin:delivery_delivery_change", args=[subscribed.deliveries[0].pk])).text

    assert page("change", subscribed.callback) in shown


def test_list_of_callbacks_costs_the_same_however_many(
    admin: Client,
    workspace: Workspace,
    token: Token,
    receiver: Receiver,
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    urls = dict.fromkeys(["message.received", "message.status", "persona.updated", "token.expiring"], receiver.url)
    save_callbacks(token=token, urls=urls, by=COMMAND_LINE, at=timezone.now())

    with django_assert_max_num_queries(14):  # type: ignore[attr-defined]
        shown = admin.get(reverse("admin:tokens_callback_changelist"))

    assert shown.text.count("Nothing sent yet") == 4
