"""The page of a person in a real browser: by keyboard alone, and two people at once."""

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from personas.models import Persona
from personas.services import delete_persona
from tests.browsing import Watched, in_every_look, signed_in
from tests.console.conftest import make_persona
from tests.personas.console.test_person import CAUSE, address, contact_of, rina

__all__ = ["rina"]  # a fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(context: BrowserContext, live_server: Any, support_user: User, rina: Persona) -> Page:
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + address(rina))
    return page


def tab_to(page: Page, name: str) -> None:
    """Tab until the control of that name has the focus."""
    for _step in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == name:
            return
    raise AssertionError(f"no way to {name} by Tab")


def test_person_is_edited_and_saved_by_keyboard_alone(page: Page, rina: Persona) -> None:
    save = page.get_by_role("button", name="Save", exact=True)
    expect(save).to_be_hidden()

    tab_to(page, "name")
    page.keyboard.type("Rina Hartono")
    expect(save).to_be_visible()
    expect(page.locator("[data-change-count]")).to_have_text("1 field changed")
    tab_to(page, "attribute-vip")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-change-count]")).to_have_text("2 fields changed")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")

    rina.refresh_from_db()
    assert (rina.name, rina.attributes.get(definition__key="vip").value) == ("Rina Hartono", "false")
    expect(page.locator("#saved")).to_contain_text("Saved: 2 changes")
    expect(page.locator("section:has(> #saved)")).to_be_focused()
    expect(save).to_be_hidden()


def test_escape_puts_the_old_value_of_a_field_back(page: Page) -> None:
    page.fill("[name=name]", "Somebody")
    page.fill("[name=attribute-city]", "Bandung")
    page.check("[name=attribute-vip][value='']")
    page.fill("[name=notes]", "Three")

    for control in ("[name=name]", "[name=attribute-vip][value='']", "[name=notes]"):
        page.focus(control)
        page.keyboard.press("Escape")

    assert page.input_value("[name=name]") == "Rina"
    assert page.input_value("[name=notes]") == "One\ntwo"
    assert page.is_checked("[name=attribute-vip][value=true]")
    expect(page.locator("[data-change-count]")).to_have_text("1 field changed")


def test_clear_button_empties_a_value_and_keeps_the_focus_there(page: Page, rina: Persona) -> None:
    clear = page.get_by_role("button", name="Clear City")

    clear.focus()
    page.keyboard.press("Enter")

    expect(clear).to_be_hidden()
    assert page.evaluate("document.activeElement.name") == "attribute-city"
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("#main")).to_contain_text("City was cleared")
    assert not rina.attributes.filter(definition__key="city").exists()


def test_contacts_are_added_and_removed_by_keyboard(page: Page, rina: Persona) -> None:
    add = page.get_by_role("button", name="Add a contact")
    for number, (type, key) in enumerate((("Telegram", "@rina"), ("Other", "Locker 3"))):
        add.focus()
        page.keyboard.press("Enter")
        page.keyboard.type(type)
        tab_to(page, f"new-{number}-key")
        page.keyboard.type(key)
    tab_to(page, "notes")
    for _step in range(60):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.name") == f"{contact_of(rina, 'email')}-remove":
            break
    page.keyboard.press("Space")
    expect(page.get_by_text("It is removed when you save.").nth(1)).to_be_visible()
    expect(page.locator("[data-change-count]")).to_have_text("3 fields changed")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")

    assert [(c.type, c.key) for c in rina.contacts.order_by("id")] == [
        ("whatsapp", "0812 3456 789"), ("telegram", "@rina"), ("other", "Locker 3"),
    ]  # fmt: skip


def test_leaving_with_unsaved_changes_asks_first(page: Page, live_server: Any) -> None:
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", answer)
    page.locator("[name=name]").press("End")
    page.keyboard.type("!")

    page.goto(live_server.url + reverse("admin:index"))

    assert asked == ["beforeunload"]


def test_breadcrumb_leads_back_to_the_list_as_it_was_left(page: Page, live_server: Any, rina: Persona) -> None:
    narrowed = f"{live_server.url}{reverse('admin:personas_persona_changelist')}?q=rina&o=-0"
    crumb = page.get_by_role("navigation", name="Breadcrumbs").get_by_role("link", name="Personas")
    page.goto(narrowed)
    page.locator("main tbody a").first.click()
    page.fill("[name=name]", "Rina Hartono")
    page.keyboard.press("Control+Enter")
    page.locator("#saved").wait_for()

    crumb.click()

    expect(page).to_have_url(narrowed)
    expect(page.get_by_role("link", name="Rina Hartono")).to_be_visible()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Personas").click()
    expect(page).to_have_url(narrowed.partition("?")[0])
    page.goto(live_server.url + address(rina))
    crumb.click()
    expect(page).to_have_url(narrowed.partition("?")[0])


def test_breadcrumb_narrows_no_list_of_another_workspace(
    page: Page, live_server: Any, support_user: User, other_workspace: Workspace
) -> None:
    Membership.objects.create(user=support_user, workspace=other_workspace, role=Role.SUPPORT)
    stranger = make_persona(other_workspace, "Joko", "+4915112345678")
    people = live_server.url + reverse("admin:personas_persona_changelist")
    page.goto(f"{people}?q=rina")

    page.locator(".switcher summary").click()
    with page.expect_navigation():
        page.get_by_role("button", name=other_workspace.name).click()
    page.goto(live_server.url + address(stranger))
    page.get_by_role("navigation", name="Breadcrumbs").get_by_role("link", name="Personas").click()

    expect(page).to_have_url(people)


def test_half_a_date_is_not_sent_as_none(page: Page, rina: Persona) -> None:
    page.focus("[name=birthday]")
    page.keyboard.press("Backspace")
    expect(page.locator("[data-change-count]")).to_have_text("1 field changed")

    page.keyboard.press("Control+Enter")

    assert page.evaluate("document.activeElement.name") == "birthday"
    expect(page.locator("#saved")).to_have_count(0)
    page.keyboard.press("Escape")
    assert page.input_value("[name=birthday]") == "1990-05-01"
    expect(page.locator("[data-change-count]")).to_be_hidden()


def test_what_was_sent_after_the_session_ended_is_offered_again_after_signing_in(
    page: Page, live_server: Any, support_user: User, rina: Persona
) -> None:
    page.fill("[name=notes]", "One\ntwo\nthree")
    page.click("[data-add-contact]")
    page.fill("[name=new-0-key]", "0813 1111 111")
    page.context.clear_cookies(name="session")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    expect(page.locator("[name=username]")).to_be_visible()

    signed_in(page.context, live_server.url, support_user)
    page.goto(live_server.url + address(rina))
    expect(page.get_by_role("button", name="Put it back into the form")).to_be_focused()
    with page.expect_navigation():
        page.keyboard.press("Enter")

    assert page.input_value("[name=notes]") == "One\ntwo\nthree"
    assert page.input_value("[name=new-0-key]") == "0813 1111 111"
    expect(page.locator("[data-change-count]")).to_have_text("2 fields changed")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    expect(page.locator("#saved")).to_contain_text("Saved: 2 changes")
    page.reload()
    expect(page.locator("[data-draft]")).to_be_hidden()


def test_what_was_typed_beside_somebody_elses_address_is_offered_after_looking_at_them(
    page: Page, live_server: Any, rina: Persona, workspace: Workspace
) -> None:
    budi = Persona.objects.create(workspace=workspace, name="Budi")
    budi.contacts.create(workspace=workspace, type="email", key="b@example.org", normalized="b@example.org")
    page.on("dialog", lambda dialog: dialog.accept())
    page.fill("[name=notes]", "Three")
    page.click("[data-add-contact]")
    page.select_option("[name=new-0-type]", "email")
    page.fill("[name=new-0-key]", "b@example.org")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")

    page.get_by_role("link", name="Open Budi").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Budi")
    page.goto(live_server.url + address(rina))
    with page.expect_navigation():
        page.get_by_role("button", name="Put it back into the form").click()

    assert page.input_value("[name=notes]") == "Three"
    with page.expect_navigation():
        page.get_by_role("link", name="Discard changes").click()
    expect(page.locator("[data-draft]")).to_be_hidden()


def test_what_was_typed_outlives_a_role_that_was_taken_away_for_a_while(
    page: Page, live_server: Any, support_user: User, rina: Persona
) -> None:
    membership = support_user.memberships.get()
    page.fill("[name=notes]", "Three")
    membership.role = Role.VIEWER
    membership.save()
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    page.goto(live_server.url + address(rina))
    expect(page.locator("[name=notes]")).to_have_count(0)

    membership.role = Role.SUPPORT
    membership.save()
    page.goto(live_server.url + address(rina))
    with page.expect_navigation():
        page.get_by_role("button", name="Put it back into the form").click()

    assert page.input_value("[name=notes]") == "Three"


def test_nothing_typed_is_left_in_the_browser_after_signing_out(page: Page) -> None:
    page.on("dialog", lambda dialog: dialog.accept())
    page.fill("[name=notes]", "Three")
    page.reload()
    kept = page.evaluate("sessionStorage.length")

    page.locator(".topbar details > summary").click()
    with page.expect_navigation():
        page.get_by_role("button", name="Sign out").click()

    assert (kept, page.evaluate("sessionStorage.length")) == (1, 0)


def test_what_was_sent_is_offered_to_nobody_else(page: Page, live_server: Any, admin_user: User, rina: Persona) -> None:
    page.fill("[name=notes]", "Mine")
    page.context.clear_cookies(name="session")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")

    signed_in(page.context, live_server.url, admin_user)
    page.goto(live_server.url + address(rina))

    expect(page.locator("[data-draft]")).to_be_hidden()
    assert page.evaluate("sessionStorage.length") == 0


def test_page_works_without_javascript(browser: Browser, live_server: Any, support_user: User, rina: Persona) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + address(rina))

    page.fill("[name=attribute-city]", "")
    page.fill("[name=new-0-key]", "0813 1111 111")
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()

    assert page.get_by_text("City was cleared").is_visible()
    assert rina.contacts.filter(normalized="+628131111111").exists()
    context.close()


def test_two_browsers_edit_one_person_and_nothing_is_lost(
    browser: Browser, page: Page, live_server: Any, admin_user: User, rina: Persona
) -> None:
    context = browser.new_context()
    other = signed_in(context, live_server.url, admin_user).new_page()
    other.goto(live_server.url + address(rina))
    other.fill("[name=attribute-city]", "Bandung")
    other.fill("[name=gender]", "other")
    with other.expect_navigation():
        other.keyboard.press("Control+Enter")

    page.fill("[name=attribute-city]", "Surabaya")
    page.fill("[name=name]", "Rina Hartono")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Two people changed the same")
    expect(page.get_by_role("radio", name="Bandung")).to_be_checked()
    tab_to(page, "keep-attribute-city")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Surabaya")).to_be_checked()
    with page.expect_navigation():
        page.keyboard.press("Enter")

    rina.refresh_from_db()
    assert (rina.name, rina.gender, rina.attributes.get(definition__key="city").value) == (
        "Rina Hartono", "other", "Surabaya",
    )  # fmt: skip
    context.close()


@in_every_look
def test_pages_of_a_person_break_no_rule_of_axe_policy_or_width(
    context: BrowserContext, live_server: Any, support_user: User, admin_user: User, viewer_user: User,
    workspace: Workspace, rina: Persona,
) -> None:  # fmt: skip
    watched = Watched(signed_in(context, live_server.url, support_user), live_server.url)
    page, phone = watched.page, contact_of(rina, "whatsapp")

    watched.check(reverse("admin:personas_persona_add"))
    watched.check(address(rina))
    page.fill("[name=attribute-city]", "Bandung")
    page.check(f"[name={phone}-remove]")
    page.get_by_role("button", name="Add a contact").click()
    watched.look("changed")
    page.locator("main details.menu > summary").click()
    watched.look("menu")
    page.keyboard.press("Escape")
    page.fill("[name=new-0-key]", "1")
    page.fill("[name=attribute-points]", "many")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    watched.look("refused")
    page.fill("[name=attribute-points]", "1")
    page.fill("[name=new-0-key]", "")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    watched.look("saved")
    page.fill("[name=name]", "Mine")
    Persona.objects.filter(pk=rina.pk).update(name="Theirs")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    watched.look("conflict")
    assert page.evaluate("document.activeElement.id") == "theirs-1"
    page.goto(live_server.url + address(rina))
    page.fill("[name=name]", "Left")
    page.on("dialog", lambda dialog: dialog.accept())
    page.mouse.wheel(0, 600)
    page.reload()
    watched.look("typed and left")
    expect(page.get_by_role("button", name="Put it back into the form")).to_be_in_viewport()
    page.get_by_role("button", name="Forget it").click()
    page.fill("[name=name]", "Mine")
    delete_persona(workspace=workspace, persona_id=rina.pk, cause=CAUSE)
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    watched.look("deleted")
    assert page.evaluate("sessionStorage.length") == 0
    expect(page.get_by_role("button", name="Copy: Name")).to_be_visible()
    context.clear_cookies()
    signed_in(context, live_server.url, viewer_user)
    watched.check(address(rina), status=410)
    watched.check(address(make_persona(workspace, "Maya", "+6281200000102")))

    assert watched.findings == []
