"""Every page of the console in a browser: light and dark, wide and narrow, watched by axe and the content policy."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page

from accounts.models import Membership, User, Workspace
from messaging.models import Topic
from tests.browsing import Watched, in_every_look, signed_in
from tests.conftest import PASSWORD
from tokens.models import RequestLogEntry, Token, TokenAbility

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def superuser(admin_user: User) -> User:
    """An admin who also sees the pages of superusers, and has two workspaces to switch between."""
    User.objects.filter(pk=admin_user.pk).update(is_superuser=True)
    admin_user.refresh_from_db()
    return admin_user


@in_every_look
def test_rehearsal_and_granting_break_no_rule(
    context: BrowserContext, live_server: Any, admin_user: User, token: Token, call: RequestLogEntry
) -> None:
    RequestLogEntry.objects.update(code="ability_missing", ability="data_export", status=403)
    Token.objects.update(expires_at=timezone.now() + timedelta(days=3))
    TokenAbility.objects.filter(token=token, key="data_export").delete()
    watched = Watched(signed_in(context, live_server.url, admin_user), live_server.url)

    watched.check(reverse("admin:index"))
    assert watched.page.get_by_role("heading", name="What needs you").is_visible()
    watched.check(reverse("admin:tokens_requestlogentry_control", args=[call.request_id]))
    focused = watched.page.evaluate("document.activeElement.id")
    watched.check(reverse("admin:tokens_token_usage", args=[token.pk]))
    watched.page.get_by_text("The same as a table").click()
    watched.look("chart as a table")
    _send(watched.page, "Switch it on")
    watched.look("granted")
    watched.check(reverse("admin:tokens_token_impact", args=[token.pk]))
    _send(watched.page, "Refuse every call for five minutes")
    watched.look("rehearsal")

    assert focused == "id_ability_data_export"
    assert watched.findings == []


@in_every_look
def test_empty_workspace_breaks_no_rule_either(context: BrowserContext, live_server: Any, admin_user: User) -> None:
    watched = Watched(signed_in(context, live_server.url, admin_user), live_server.url)

    for name in ("index", "search", *_LISTS):
        watched.check(reverse(f"admin:{name}"))

    assert watched.findings == []


@in_every_look
def test_open_menus_and_drawer_break_no_rule(
    context: BrowserContext, live_server: Any, superuser: User, other_workspace: Workspace, topic: Topic
) -> None:
    watched = Watched(signed_in(context, live_server.url, superuser), live_server.url)
    page = watched.page
    page.goto(live_server.url + reverse("admin:messaging_topic_changelist") + "?q=nothing&type__exact=mass")

    for number in range(page.locator("main details.menu > summary").count()):
        page.locator("main details.menu > summary").nth(number).click()
        watched.look(f"filter {number}")
    page.locator(".topbar details > summary").click()
    watched.look("user menu")
    page.keyboard.press("Escape")
    if page.locator(".topbar__menu").is_visible():
        page.locator(".topbar__menu").click()
        watched.look("drawer")
    page.locator(".switcher > summary").click()
    watched.look("switcher")

    assert watched.findings == []


@in_every_look
def test_pages_without_the_console_break_no_rule(
    context: BrowserContext, live_server: Any, admin_user: User, viewer_user: User
) -> None:
    watched = Watched(context, live_server.url)
    login = reverse("admin:login")
    page = watched.page

    watched.check(login)
    for _attempt in range(5):
        page.goto(live_server.url + login)
        page.fill("[name=username]", "budi")
        page.fill("[name=password]", "wrong")
        _send(page, "Sign in")
    watched.look("locked out")
    assert page.locator("h1").inner_text() == "Too many wrong passwords"
    page.goto(live_server.url + login)
    page.fill("[name=username]", "nobody")
    page.fill("[name=password]", "wrong")
    _send(page, "Sign in")
    watched.look("wrong password")
    signed_in(context, live_server.url, viewer_user)
    watched.check("/console/nowhere/", status=404)
    watched.check(reverse("admin:accounts_membership_add"), status=403)
    Membership.objects.filter(user=viewer_user).delete()
    watched.check(login, status=403)
    _send(page, "Sign out")
    watched.look("signed out")

    assert page.locator("h1").inner_text() == "You are signed out"
    assert watched.findings == []


def test_chosen_theme_holds_on_the_next_page_without_a_flash(
    browser: Browser, live_server: Any, admin_user: User
) -> None:
    context = browser.new_context(color_scheme="light")
    page = signed_in(context, live_server.url, admin_user).new_page()
    page.goto(live_server.url + reverse("admin:index"))
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)

    page.locator(".topbar details > summary").click()
    page.click("[data-theme-choice=dark]")
    page.goto(live_server.url + reverse("admin:profile"), wait_until="commit")
    page.wait_for_selector("body", state="attached")  # nothing is painted before

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.wait_for_load_state()
    assert page.evaluate(background) != light
    context.close()


def test_person_signs_in_and_out_in_the_browser(browser: Browser, live_server: Any, admin_user: User) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(live_server.url + reverse("admin:profile"))

    page.fill("[name=username]", admin_user.username)
    page.fill("[name=password]", PASSWORD)
    _send(page, "Sign in")

    assert page.url == live_server.url + reverse("admin:profile")
    page.locator(".topbar details > summary").click()
    _send(page, "Sign out")
    assert page.locator("h1").inner_text() == "You are signed out"
    page.goto(live_server.url + reverse("admin:index"))
    assert page.locator("h1").inner_text() == "Sign in"
    context.close()


_LISTS = [
    f"{model._meta.app_label}_{model._meta.model_name}_changelist"
    for model in admin.site._registry
    if model is not Workspace
]


def _send(page: Page, button: str) -> None:
    """Clicks a button that leads to another page, and waits for that."""
    with page.expect_navigation():
        page.click(f"button:has-text('{button}')")
