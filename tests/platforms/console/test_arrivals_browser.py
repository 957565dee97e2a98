"""From a change in the browser to its arrival, and everything that is shown on the way."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, expect

from accounts.models import User, Workspace
from delivery.models import Delivery
from delivery.sender import Sender
from personas.models import Persona
from personas.services import PersonaDraft, update_persona
from platforms.connections import ConnectionDraft, add_connection
from platforms.models import Connection, Link
from tests.browsing import Watched, in_every_look, signed_in
from tests.platforms.connecting import BY_TEST, Remote, add_rina, connect, make_remote
from tests.platforms.console.test_arrivals import connected
from tokens.models import Token

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGE = "admin:personas_persona_change"


@pytest.fixture
def shop(live_server: Any, other_workspace: Workspace, settings: Any) -> Remote:
    """What stands for the platform: another workspace of the very server that the browser looks at."""
    settings.ALLOWED_PRIVATE_ADDRESSES = [live_server.url.removeprefix("http://")]
    return make_remote(other_workspace)


@pytest.fixture
def raven(workspace: Workspace, shop: Remote, live_server: Any) -> Connection:
    return connect(workspace, shop, live_server.url, "raven", name="Shop")


@pytest.fixture
def rina(workspace: Workspace, raven: Connection) -> Persona:
    """Known there as she is here."""
    rina = add_rina(workspace)
    Sender().drain()
    return rina


def test_change_is_seen_to_arrive_without_a_further_click(
    context: BrowserContext, live_server: Any, support_user: User, rina: Persona, shop: Remote
) -> None:
    watched = Watched(signed_in(context, live_server.url, support_user), live_server.url)
    page = watched.page
    page.goto(live_server.url + reverse(PAGE, args=[rina.pk]))
    page.fill("[name=name]", "Rina H.")
    page.get_by_role("button", name="Save", exact=True).click()
    card = page.locator("#arrivals")
    expect(card).to_contain_text("Waiting")
    expect(card).to_contain_text("Name leaves in a moment")

    Sender().drain()

    expect(card.locator(".pill")).to_have_text("Delivered")
    expect(page.locator("[data-arrivals-spoken]")).to_have_text("Shop: Delivered.")
    assert shop.person().name == "Rina H."
    assert watched.findings == []


def test_arrival_is_seen_after_the_server_was_away_for_a_moment(
    context: BrowserContext, live_server: Any, support_user: User, rina: Persona, workspace: Workspace
) -> None:
    update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(notes="New"), cause=BY_TEST)
    page = signed_in(context, live_server.url, support_user).new_page()
    page.route("**/arrivals/", lambda route: route.fulfill(status=503), times=1)
    with page.expect_response(lambda response: response.status == 503):
        page.goto(live_server.url + reverse(PAGE, args=[rina.pk]))

    Sender().drain()

    expect(page.locator("#arrivals .pill")).to_have_text("Delivered", timeout=20_000)  # it looks every five seconds


def test_refused_field_is_edited_from_the_reason_by_keyboard(
    context: BrowserContext, live_server: Any, support_user: User, rina: Persona, workspace: Workspace
) -> None:
    update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(notes="Too long"), cause=BY_TEST)
    Delivery.objects.filter(state="waiting").update(
        state="refused", settled_at=datetime.now(UTC), code="http_422", problem="It did not accept a value."
    )
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + reverse(PAGE, args=[rina.pk]))

    page.get_by_role("link", name="Edit Notes").focus()
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.name") == "notes"
    page.get_by_role("button", name="Retry Shop").click()
    expect(page.locator("#arrivals")).to_contain_text("Waiting")


def test_preview_is_shown_in_place_and_gone_with_the_next_key(
    context: BrowserContext, live_server: Any, support_user: User, rina: Persona
) -> None:
    watched = Watched(signed_in(context, live_server.url, support_user), live_server.url)
    page = watched.page
    page.goto(live_server.url + reverse(PAGE, args=[rina.pk]))
    page.fill("[name=name]", "Rina H.")

    page.get_by_role("button", name="See what will be sent").click()

    expect(page.locator("#preview-title")).to_be_focused()
    expect(page.locator(".preview__call figcaption")).to_have_text(
        f"POST {live_server.url}/raven/xapi/v1/persona:update"
    )
    assert page.url.endswith(reverse(PAGE, args=[rina.pk]))
    watched.look("the preview in place")
    page.locator("[name=name]").press("End")
    page.keyboard.type("!")
    expect(page.locator("#preview-title")).to_have_count(0)
    assert watched.findings == []


def test_field_that_a_platform_cannot_take_says_so_beside_it(
    context: BrowserContext, live_server: Any, support_user: User, rina: Persona, workspace: Workspace
) -> None:
    bevatel = connected(workspace, "bevatel", name="Chat")
    Link.objects.create(connection=bevatel, persona_id=rina.pk, remote_id="42")
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + reverse(PAGE, args=[rina.pk]))
    page.fill("[name=notes]", "VIP")
    page.get_by_role("button", name="Add a contact").click()
    page.select_option("[name=new-0-type]", "telegram")
    page.fill("[name=new-0-key]", "@rina")

    page.get_by_role("button", name="See what will be sent").click()

    expect(page.locator("[data-field]:has([name=notes])")).to_contain_text("Chat: Bevatel has no such field.")
    expect(page.locator("[data-field]:has([name=new-0-key])")).to_contain_text("Chat: Bevatel has no such field.")
    expect(page.locator("[data-unreached-note]")).to_have_count(2)
    page.fill("[name=notes]", "")
    expect(page.locator("[data-unreached-note]")).to_have_count(0)


def test_preview_of_a_tokens_permissions_is_shown_in_place_and_gone_with_the_next_switch(
    context: BrowserContext, live_server: Any, admin_user: User, workspace: Workspace, token: Token
) -> None:
    connected(workspace, name="Gateway", carries="tokens")
    page = signed_in(context, live_server.url, admin_user).new_page()
    page.goto(live_server.url + reverse("admin:tokens_token_permissions", args=[token.pk]))
    page.get_by_label("Delete persona").uncheck()

    page.get_by_role("button", name="See what will be sent").click()

    expect(page.locator("#preview-title")).to_be_focused()
    call = page.locator(".preview__call")
    expect(call.locator("figcaption")).to_have_text(f"PUT https://raven.example.org/token/{token.public_id}")
    expect(call).to_contain_text('"digest": "hmac-sha256:•••"')
    expect(call).not_to_contain_text("persona_delete")
    page.get_by_label("Delete persona").check()
    expect(page.locator("#preview-title")).to_have_count(0)


def test_everything_works_without_javascript(
    browser: Browser, live_server: Any, support_user: User, rina: Persona, shop: Remote
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + reverse(PAGE, args=[rina.pk]))
    page.fill("[name=name]", "Rina H.")

    page.get_by_role("button", name="See what will be sent").click()
    expect(page.locator("h1")).to_have_text("What will be sent")
    page.get_by_role("button", name="Keep editing").click()
    assert page.input_value("[name=name]") == "Rina H."
    page.get_by_role("button", name="See what will be sent").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#arrivals")).to_contain_text("Waiting")
    Sender().drain()
    page.get_by_role("link", name="Refresh").click()

    expect(page.locator("#arrivals .pill")).to_have_text("Delivered")
    context.close()


def put_in_every_state(workspace: Workspace, rina: Persona) -> None:
    """A connection for each state that a change can be in."""
    states = ("waiting", "refused", "unknown", "superseded", "delivered")
    for state in states:
        connected(workspace, name=f"Shop {state}")
    update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(gender="female"), cause=BY_TEST)
    for state in states:
        settled = None if state == "waiting" else datetime.now(UTC)
        Delivery.objects.filter(destination__name=f"Shop {state}").update(
            state=state, settled_at=settled, problem="" if state == "delivered" else "It did not accept a value.",
            due_at=datetime(2030, 1, 1, tzinfo=UTC),
        )  # fmt: skip


@in_every_look
def test_pages_of_what_arrived_and_what_differs_break_no_rule(
    context: BrowserContext, live_server: Any, admin_user: User, rina: Persona, shop: Remote, raven: Connection,
    workspace: Workspace, token: Token,
) -> None:  # fmt: skip
    watched = Watched(signed_in(context, live_server.url, admin_user), live_server.url)
    page = watched.page
    draft = PersonaDraft(name="Rina H.", notes="Another")
    update_persona(workspace=shop.workspace, persona_id=shop.person().pk, draft=draft, cause=BY_TEST)
    address = reverse(PAGE, args=[rina.pk])

    page.goto(live_server.url + address)
    page.get_by_role("button", name="Compare with the platform").click()
    expect(page.get_by_role("button", name="Take all of theirs")).to_be_visible()
    watched.look("a comparison")
    watched.check(reverse("admin:platforms_connection_drift", args=[raven.pk]))
    watched.check(reverse("admin:platforms_connection_change", args=[raven.pk]))
    put_in_every_state(workspace, rina)
    watched.check(address)
    for fold in page.locator("#arrivals details > summary").all():
        fold.click()
    watched.look("with all folds open")
    page.goto(live_server.url + address)
    page.fill("[name=notes]", "VIP")
    page.get_by_role("button", name="See what will be sent").click()
    expect(page.locator("#preview-title")).to_be_focused()
    watched.look("a preview")
    shop.person().delete()
    page.goto(live_server.url + address)
    page.get_by_role("button", name="Compare with the platform").first.click()
    expect(page.get_by_text("The record is gone there.")).to_be_visible()
    watched.look("a record that is gone")
    Link.objects.all().delete()
    watched.check(reverse("admin:platforms_connection_drift", args=[raven.pk]))
    draft_of_tokens = ConnectionDraft(
        "raven", "Gateway", "https://raven.example.org", "hush-hush-hush", carries=frozenset({"tokens"})
    )
    add_connection(workspace=workspace, draft=draft_of_tokens)
    watched.check(reverse("admin:tokens_token_change", args=[token.pk]))
    page.fill("[name=name]", "Shop 2")
    page.get_by_role("button", name="See what will be sent").click()
    expect(page.locator("#preview-title")).to_be_focused()
    watched.look("a preview of a token")

    assert watched.findings == []
