"""The command palette in a real browser: by keyboard alone, said aloud, and in every look."""

import re
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, expect

from accounts.models import User, Workspace
from messaging.models import Topic
from personas.models import Persona
from tests.browsing import Watched, in_every_look, signed_in
from tests.console.conftest import make_persona
from tokens.models import Token

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FOCUSED = "document.activeElement.id || document.activeElement.className"


@pytest.fixture
def page(context: BrowserContext, live_server: Any, admin_user: User, token: Token, persona: Persona) -> Page:
    page = signed_in(context, live_server.url, admin_user).new_page()
    page.goto(live_server.url + reverse("admin:index"))
    return page


def chosen(page: Page) -> str:
    """The option that a screen reader is told of."""
    return str(
        page.evaluate(
            """() => {
                const box = document.querySelector("#palette-text");
                const option = document.getElementById(box.getAttribute("aria-activedescendant"));
                return option.querySelector(".palette__title").textContent;
            }"""
        )
    )


@in_every_look
def test_open_palette_breaks_no_rule(
    context: BrowserContext, live_server: Any, admin_user: User, token: Token, persona: Persona, topic: Topic
) -> None:
    watched = Watched(signed_in(context, live_server.url, admin_user), live_server.url)
    page = watched.page
    page.goto(live_server.url + reverse("admin:index"))

    page.locator(".palette-open").click()
    expect(page.locator("[role=option]").first).to_be_visible()
    watched.look("commands")
    for text, shown in (("Rina", "Rina Hartono"), (token.last_four, token.name), ("nobody at all", "Nothing found")):
        page.keyboard.press("Control+a")
        page.keyboard.type(text)
        expect(page.locator("#palette")).to_contain_text(shown)
        watched.look(text)

    assert watched.findings == []


@pytest.mark.parametrize("keys", ["/", "Control+k", "Meta+k"])
def test_keys_open_the_palette_and_escape_gives_the_focus_back(page: Page, keys: str) -> None:
    link = page.get_by_role("link", name="Tokens", exact=True).first
    link.focus()

    page.keyboard.press(keys)
    expect(page.locator("#palette-text")).to_be_focused()
    assert page.input_value("#palette-text") == ""
    page.keyboard.press("Escape")

    expect(page.locator("#palette")).to_be_hidden()
    expect(link).to_be_focused()


def test_slash_in_a_field_is_a_slash(page: Page, live_server: Any) -> None:
    page.goto(live_server.url + reverse("admin:tokens_token_add"))

    page.focus("[name=name]")
    page.keyboard.type("a/b")

    assert page.input_value("[name=name]") == "a/b"
    expect(page.locator("#palette")).to_be_hidden()


def test_arrows_choose_enter_opens_and_the_number_of_results_is_said(
    page: Page, live_server: Any, workspace: Workspace
) -> None:
    second = make_persona(workspace, "Rina Wijaya", "+6281200000102")

    page.keyboard.press("/")
    page.keyboard.type("rina")
    expect(page.locator("#palette [role=status]")).to_have_text("2 results")
    assert chosen(page) == "Rina Wijaya"
    page.keyboard.press("ArrowDown")
    assert chosen(page) == "Rina Hartono"
    page.keyboard.press("ArrowDown")  # round to the first
    page.keyboard.press("Enter")

    page.wait_for_url(live_server.url + reverse("admin:personas_persona_change", args=[second.pk]))


def test_enter_before_the_answer_opens_the_first_that_is_found(page: Page, live_server: Any, token: Token) -> None:
    page.keyboard.press("/")
    page.keyboard.type(token.last_four)
    page.keyboard.press("Enter")

    page.wait_for_url(live_server.url + reverse("admin:tokens_token_change", args=[token.pk]))


def test_theme_is_switched_by_name(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type("dark")
    page.keyboard.press("Enter")

    expect(page.locator("#announcer")).to_have_text("Switch to dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    expect(page.locator("#palette")).to_be_hidden()


def test_times_are_shown_in_utc_by_keyboard_and_on_the_next_page_too(
    page: Page, live_server: Any, token: Token
) -> None:
    page.goto(live_server.url + reverse("admin:tokens_token_history", args=[token.pk]))
    time = page.locator("main time").first
    local = time.inner_text()

    page.keyboard.press("Control+k")
    page.keyboard.type("times in utc")
    page.keyboard.press("Enter")
    expect(time).to_have_text(re.compile(r"UTC$"))
    expect(time).to_have_attribute("title", local)
    page.reload()
    expect(time).to_have_text(re.compile(r"UTC$"))
    page.keyboard.press("Control+k")
    page.keyboard.type("times in your zone")
    page.keyboard.press("Enter")

    expect(time).to_have_text(local)


def test_token_pasted_into_the_palette_never_gets_into_an_address(
    page: Page, live_server: Any, token: Token, secret: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.keyboard.press("/")
    page.keyboard.insert_text(secret)
    page.keyboard.press("Enter")
    page.wait_for_url(live_server.url + reverse("admin:tokens_token_change", args=[token.pk]))

    assert [url for url in asked if token.public_id in url]
    assert not [url for url in asked if secret[20:40] in url]


def test_without_javascript_a_search_box_finds_the_same(
    browser: Browser, live_server: Any, admin_user: User, persona: Persona
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = signed_in(context, live_server.url, admin_user).new_page()
    page.goto(live_server.url + reverse("admin:index"))
    expect(page.locator(".palette-open")).to_be_hidden()

    page.fill(".topbar input[name=q]", "0812 0000 0101")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Rina Hartono").click()

    assert page.url == live_server.url + reverse("admin:personas_persona_change", args=[persona.pk])
    context.close()
