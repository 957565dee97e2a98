"""What is told of tokens that end, in a browser: the banner on a page, and the notices on a token's own."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext

from accounts.models import User, Workspace
from platforms.callbacks.budget import warn_failing
from platforms.callbacks.services import save_callbacks
from tests.browsing import Watched, in_every_look, signed_in
from tokens.configuration import Configuration
from tokens.expiry import tell_due
from tokens.models import Callback, Token
from tokens.services import COMMAND_LINE, issue_token

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ending(workspace: Workspace, admin_user: User) -> Token:
    """It ends in six days, which was told by mail."""
    User.objects.filter(pk=admin_user.pk).update(email="ayu@example.org")
    now = timezone.now()
    configuration = Configuration(
        name="Shop backend", caretaker=admin_user, notice_address="team@example.org", expires_at=now + timedelta(days=6)
    )
    token = issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).token
    Token.objects.update(expiration_set_at=now - timedelta(days=60))
    tell_due(at=now)
    return token


@in_every_look
def test_banner_and_notices_break_no_rule_of_axe_policy_or_width(
    context: BrowserContext, live_server: Any, admin_user: User, ending: Token, token: Token, failing: Callback
) -> None:
    watched = Watched(signed_in(context, live_server.url, admin_user), live_server.url)

    watched.check(reverse("admin:tokens_token_changelist"))
    watched.check(reverse("admin:tokens_token_change", args=[ending.pk]))

    assert watched.findings == []
    assert watched.page.locator(".banner li").count() == 2
    card = watched.page.locator("section:has(#card-notices)")
    assert card.locator("tbody tr").count() == 2
    assert "ayu@example.org, team@example.org" in card.inner_text()
    assert "7 days before" in card.inner_text()


@in_every_look
def test_calendar_page_breaks_no_rule_before_with_and_after_an_address(
    context: BrowserContext, live_server: Any, viewer_user: User, token: Token
) -> None:
    watched = Watched(signed_in(context, live_server.url, viewer_user), live_server.url)
    page = watched.page

    watched.check(reverse("admin:calendar"))
    with page.expect_navigation():
        page.click("button:has-text('Get my address')")
    watched.look("with its address")
    address = page.input_value("#address")
    watched.check(reverse("admin:calendar"))
    with page.expect_navigation():
        page.click("button:has-text('Stop the calendar')")
    watched.look("stopped")

    assert watched.findings == []
    assert address.startswith("http://127.0.0.1:8000/calendar/")
    assert page.locator("#address").count() == 0


def test_banner_is_dismissed_by_keyboard_and_stays_away(
    context: BrowserContext, live_server: Any, admin_user: User, ending: Token
) -> None:
    page = signed_in(context, live_server.url, admin_user).new_page()
    page.goto(live_server.url + reverse("admin:tokens_token_changelist") + "?q=Shop")

    page.locator(".banner button").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")

    assert page.url == live_server.url + reverse("admin:tokens_token_changelist") + "?q=Shop"
    assert page.locator(".banner").count() == 0
    page.goto(live_server.url + reverse("admin:index"))
    assert page.locator(".banner").count() == 0


@pytest.fixture
def failing(token: Token) -> Callback:
    """It has used half of its failure budget."""
    now = timezone.now()
    save_callbacks(token=token, urls={"message.received": "https://example.org/hook"}, by=COMMAND_LINE, at=now)
    Callback.objects.update(failing_since=now - timedelta(hours=40))
    warn_failing(at=now)
    return Callback.objects.get()
