"""Raven's nine steps in a real browser, under the real content policy."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, Dialog, Error, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from messaging.models import Topic
from tests.finding import find_secret
from tokens.configuration import Configuration
from tokens.models import Token
from tokens.services import COMMAND_LINE, configure_token

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """What the browser complained about, a broken content policy above all; none is expected."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    yield found
    assert found == []


@pytest.fixture
def signed_in(live_server: LiveServer, context: BrowserContext, admin_user: User) -> str:
    """The console's address; the browser is signed in as the workspace's admin."""
    client = Client()
    client.force_login(admin_user)
    cookie = client.cookies["session"]
    context.add_cookies([{"name": "session", "value": cookie.value, "url": live_server.url}])
    return f"{live_server.url}/console"


def answers(page: Page, *, leave: bool) -> list[str]:
    """The kinds of the questions that the browser asks from now on, each answered with yes or no."""
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        if leave:
            dialog.accept()
        else:
            dialog.dismiss()

    page.on("dialog", answer)
    return asked


def test_nine_steps_lead_from_a_name_to_a_configured_token(
    page: Page, signed_in: str, complaints: list[str], anchor: Topic, context: BrowserContext
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{signed_in}/tokens/token/")
    page.get_by_role("link", name="Generate New Token").first.click()
    page.get_by_label("Name").fill("Shop backend")
    page.get_by_role("button", name="Generate New Token").click()

    secret = find_secret(page.get_by_role("textbox", name="Secret").input_value())
    assert secret is not None
    page.get_by_role("textbox", name="Secret").click()
    assert page.evaluate("getSelection().toString()") == secret.value
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#announcer")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == secret.value

    page.get_by_role("link", name="I already keep it").click()
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("Shop backend")
    expect(row).to_have_class("is-new")

    row.get_by_role("link", name="Configure Shop backend").click()
    page.get_by_label("Topic anchor").fill("Announcements")
    page.get_by_label(re.compile("^Expiration")).fill("2027-01-31T23:59:59")
    expect(page.locator("[data-utc-of=id_expires_at]")).to_have_text("2027-01-31 16:59:59 UTC")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="What changed")).to_be_visible()

    page.get_by_role("link", name="Permissions").click()
    page.get_by_role("button", name="Send only").click()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("heading", name="What changed")).to_be_visible()

    token = Token.objects.get()
    assert token.topic_anchor == anchor
    assert "message_send" in token.ability_keys
    assert "topic_add" not in token.ability_keys


def test_secret_page_warns_before_it_is_left_and_never_shows_the_secret_again(
    page: Page, signed_in: str, complaints: list[str]
) -> None:
    warnings = answers(page, leave=True)
    page.goto(f"{signed_in}/tokens/token/add/")
    page.get_by_label("Name").fill("Till")
    page.get_by_role("button", name="Generate New Token").click()
    secret = page.get_by_role("textbox", name="Secret").input_value()
    page.get_by_role("textbox", name="Secret").click()

    page.get_by_role("link", name="Tokens").first.click()
    page.wait_for_url("**/tokens/token/")
    with contextlib.suppress(Error):  # the browser asks whether to send the form again, and shows nothing
        page.go_back()

    assert warnings == ["beforeunload"]
    expect(page.get_by_role("textbox", name="Secret")).to_have_count(0)
    expect(page.locator("body")).not_to_contain_text(secret[17:])
    assert Token.objects.count() == 1


def test_changes_not_sent_yet_are_not_lost_unasked(
    page: Page, signed_in: str, complaints: list[str], token: Token
) -> None:
    warnings = answers(page, leave=False)
    page.goto(f"{signed_in}/tokens/token/{token.pk}/change/")
    page.get_by_label("Name", exact=True).fill("Changed")

    page.get_by_role("link", name="Usage").click(no_wait_after=True)
    page.wait_for_timeout(200)

    assert warnings == ["beforeunload"]
    assert page.get_by_label("Name", exact=True).input_value() == "Changed"


def test_what_was_typed_before_a_conflict_is_put_back_by_a_button(page: Page, signed_in: str, token: Token) -> None:
    page.goto(f"{signed_in}/tokens/token/{token.pk}/change/")
    page.get_by_label("Name", exact=True).fill("Mine")
    theirs = Configuration(name="Theirs", abilities=frozenset(token.ability_keys))
    configure_token(token=token, configuration=theirs, version=1, by=COMMAND_LINE)

    page.get_by_role("button", name="Send").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Theirs")
    page.get_by_role("button", name="Use what I typed").first.click()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="What changed")).to_be_visible()

    assert Token.objects.get().name == "Mine"


def test_search_sends_no_secret(page: Page, signed_in: str, complaints: list[str], secret: str, token: Token) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{signed_in}/tokens/token/")

    page.get_by_role("searchbox", name="Search tokens").fill(secret)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{token.pk}/change/")

    assert any(token.public_id in url for url in asked)
    assert not any(secret[17:] in url for url in asked)


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(
    page: Page, signed_in: str, complaints: list[str], token: Token, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    wide: dict[str, Any] = {}

    for part in (
        "",
        "add/",
        *(f"{token.pk}/{tab}/" for tab in ("change", "permissions", "log", "usage", "history", "rotate")),
    ):
        page.goto(f"{signed_in}/tokens/token/{part}")
        if (measured := page.evaluate("document.documentElement.scrollWidth")) > width:
            wide[part] = measured

    assert wide == {}


def test_configuration_is_saved_with_ctrl_and_enter_from_wherever_one_is(
    page: Page, signed_in: str, complaints: list[str], token: Token
) -> None:
    page.goto(f"{signed_in}/tokens/token/{token.pk}/change/")
    page.get_by_label("Name", exact=True).fill("Till")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    page.goto(f"{signed_in}/tokens/token/{token.pk}/permissions/")
    page.locator("input[name=abilities][value=stats_read]").focus()
    page.keyboard.press("Space")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")

    changed = Token.objects.get(pk=token.pk)
    assert (changed.name, "stats_read" in changed.ability_keys) == ("Till", False)
