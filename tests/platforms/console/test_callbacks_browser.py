"""The pages of callbacks in a browser: axe, policy, width; and the whole way by keyboard."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext

from accounts.models import User, Workspace
from delivery.sender import Sender
from personas.models import Persona
from tests.browsing import Watched, in_every_look, signed_in
from tests.platforms.callbacks.conftest import Subscribed, receive
from tests.platforms.callbacks.conftest import rina as rina
from tests.platforms.callbacks.conftest import subscribe as subscribe
from tests.platforms.receiver import Receiver
from tokens.models import Token

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@in_every_look
def test_pages_of_callbacks_break_no_rule(
    context: BrowserContext, live_server: Any, admin_user: User, token: Token, receiver: Receiver,
    subscribe: Callable[[str], Subscribed], workspace: Workspace, rina: Persona,
) -> None:  # fmt: skip
    works, fails = subscribe("message.received"), subscribe("conversation.created")
    receive(workspace, rina)
    Sender(threads=1).drain()
    receiver.status = 410
    receive(workspace, rina)
    subscribe("persona.updated")
    Sender(threads=1).drain()
    watched = Watched(signed_in(context, live_server.url, admin_user), live_server.url)
    tab = reverse("admin:tokens_token_callbacks", args=[token.pk])

    watched.check(tab)
    for subscribed in (works, fails):
        watched.check(reverse("admin:tokens_callback_change", args=[subscribed.callback.pk]))
    watched.check(reverse("admin:tokens_callback_changelist"))
    page = watched.page
    page.goto(live_server.url + tab)
    page.locator("summary", has_text="Rotate the signing secret").click()
    watched.look("rotating")
    page.click("button[value='message.received']")
    page.wait_for_selector("#tried")
    watched.look("tested")
    page.fill("[name=message_status]", "https://10.0.0.5/")
    page.click(".form-actions button")
    page.wait_for_selector("[name=message_status][aria-invalid]")
    watched.look("refused")

    assert watched.findings == []


def test_address_is_tested_and_saved_by_keyboard_alone(
    browser: Browser, live_server: Any, admin_user: User, token: Token, receiver: Receiver
) -> None:
    context = browser.new_context()
    page = signed_in(context, live_server.url, admin_user).new_page()
    page.goto(live_server.url + reverse("admin:tokens_token_callbacks", args=[token.pk]))

    page.focus("[name=message_received]")
    page.keyboard.type(receiver.url)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tried")
    assert page.input_value("#signing-secret").startswith("whsec_")
    page.focus("[name=message_received]")
    page.keyboard.press("Enter")  # saves, although a button for tests stands before the one for saving
    page.wait_for_selector("text=Log and replay")

    assert [callback.url for callback in token.callbacks.all()] == [receiver.url]
    context.close()
