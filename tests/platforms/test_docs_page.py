"""The try-it-out page in a real browser, signed out and under the real content policy."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from messaging.models import Message
from tests.platforms.test_openapi import prepared as prepared

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("prepared", "_nothing_goes_wrong"),
]


@pytest.fixture
def _nothing_goes_wrong(page: Page, live_server: LiveServer) -> Iterator[None]:
    """No error in the browser, and no request to anybody but our server."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("request", lambda asked: found.append(asked.url) if not asked.url.startswith(live_server.url) else None)
    page.on("console", lambda said: found.append(said.text) if "Content Security Policy" in said.text else None)
    yield
    assert found == []


def test_an_operation_is_tried_with_a_pasted_token(page: Page, live_server: LiveServer, secret: str) -> None:
    page.goto(f"{live_server.url}/docs/#message_send")
    form = page.locator("#message_send form")

    page.get_by_label("Token", exact=True).fill(secret)
    form.get_by_role("button", name="Send").click()

    expect(form.get_by_role("status")).to_contain_text("200")
    expect(form.locator("[data-answer]")).to_contain_text("Chat Sent Successfully")
    assert Message.objects.get().text == "Hello! This is a message from Raven 🚀"
    curl = form.locator("[data-curl]").inner_text()
    assert "$RAVEN_TOKEN" in curl
    assert secret not in page.content()


def test_a_double_click_sends_one_message(page: Page, live_server: LiveServer, secret: str) -> None:
    page.goto(f"{live_server.url}/docs/#message_send")
    form = page.locator("#message_send form")
    page.get_by_label("Token", exact=True).fill(secret)

    form.get_by_role("button", name="Send").dblclick(delay=150)

    expect(form.get_by_role("status")).to_contain_text("200")
    page.wait_for_load_state("networkidle")
    assert Message.objects.count() == 1


def test_a_token_that_no_header_can_carry_is_told_as_that(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/docs/#token_self")
    form = page.locator("#token_self form")
    page.get_by_label("Token", exact=True).fill("rvn_…9GEP")  # as lists show one

    form.get_by_role("button", name="Send").click()

    expect(form.get_by_role("status")).to_contain_text("Nothing was sent")


def test_without_a_token_the_refusal_is_shown(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/docs/#token_self")
    form = page.locator("#token_self form")

    form.get_by_role("button", name="Send").click()

    expect(form.get_by_role("status")).to_contain_text("401")
    expect(form.locator("[data-answer]")).to_contain_text("token_missing")


def test_paths_queries_and_headers_go_where_they_belong(page: Page, live_server: LiveServer, secret: str) -> None:
    page.goto(f"{live_server.url}/docs/bevatel/#developer_contact_update")
    form = page.locator("#developer_contact_update form")
    page.get_by_label("Token", exact=True).fill(secret)

    form.locator("[data-name=contact_id]").fill("17")
    form.locator("[data-body]").fill('{"name": "Rina Wulandari"}')
    form.get_by_role("button", name="Send").click()

    expect(form.get_by_role("status")).to_contain_text("200")
    expect(form.locator("[data-curl]")).to_contain_text("/bevatel/developer/api/v1/contacts/17")
    expect(form.locator("[data-curl]")).to_contain_text("api_account_id: 1001")


def test_the_token_is_gone_when_the_page_is_left(page: Page, live_server: LiveServer, secret: str) -> None:
    page.goto(f"{live_server.url}/docs/")
    page.get_by_label("Token", exact=True).fill(secret)

    page.goto(f"{live_server.url}/docs/chative/")
    page.go_back()

    expect(page.get_by_label("Token", exact=True)).to_have_value("")
    assert page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})") == "{}"
