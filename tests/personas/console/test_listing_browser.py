"""The list of personas in a real browser: axe, the content policy, width; and finding by keyboard alone."""

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, expect

from accounts.models import User, Workspace
from personas.models import AttributeDefinition, AttributeType, AttributeValue, Contact, Persona, SavedFilter
from tests.browsing import Watched, in_every_look, signed_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = reverse("admin:personas_persona_changelist")
PANEL = ".people-filters > summary"


@pytest.fixture
def people(workspace: Workspace, support_user: User) -> None:
    city = AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")
    AttributeDefinition.objects.create(
        workspace=workspace, key="since", label="Since", type=AttributeType.DATE, position=1
    )
    for n, name in enumerate(("Rina Hartono", "محمد الأمين", "W" * 120, "Joko")):
        persona = Persona.objects.create(workspace=workspace, name=name)
        AttributeValue.objects.create(persona=persona, definition=city, value="Jakarta" if n else "Bandung")
        if n < 2:
            number = f"+62{n}"
            Contact.objects.create(workspace=workspace, persona=persona, type="whatsapp", key=number, normalized=number)
    SavedFilter.objects.create(workspace=workspace, owner=support_user, name="Jakarta", query="a=city&op=is&v=Jakarta")


@in_every_look
def test_pages_break_no_rule_of_axe_policy_or_width(
    context: BrowserContext, live_server: Any, support_user: User, people: None
) -> None:
    watched = Watched(signed_in(context, live_server.url, support_user), live_server.url)
    saved = SavedFilter.objects.get()

    for path in (
        LIST,
        f"{LIST}?a=city&op=is&v=Jakarta",
        f"{LIST}?q=nobody+like+it&problem=any&kind=line",
        f"{LIST}?a=city&op=at_least&v=5",
        f"{reverse('admin:personas_savedfilter_add')}?q=rina",
        reverse("admin:personas_savedfilter_changelist"),
        reverse("admin:personas_savedfilter_change", args=[saved.pk]),
        reverse("admin:personas_savedfilter_delete", args=[saved.pk]),
    ):
        watched.check(path)
    watched.page.goto(f"{live_server.url}{LIST}?a=city&op=is&v=Jakarta")
    watched.page.click(PANEL)
    watched.look("open panel")
    watched.page.click(".people-tools .menu > summary")
    watched.look("saved filters")

    assert watched.findings == []


def test_people_are_found_narrowed_and_saved_by_keyboard_alone(
    context: BrowserContext, live_server: Any, support_user: User, people: None
) -> None:
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + LIST)

    page.get_by_label("Search personas").focus()
    page.keyboard.type("jakarta")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=jakarta")
    expect(page.locator("table.people tbody tr")).to_have_count(3)
    page.locator(PANEL).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Reached by")).to_be_focused()
    page.keyboard.type("WhatsApp")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Apply").press("Enter")
    page.wait_for_url("**/?q=jakarta&kind=whatsapp")
    expect(page.locator("table.people tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Save this filter").press("Enter")
    page.get_by_label("Name").fill("On WhatsApp")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=jakarta&kind=whatsapp")
    expect(page.locator(".people-tools .menu > summary")).to_contain_text("On WhatsApp")
    page.get_by_role("link", name="Remove: Search: jakarta").press("Enter")
    page.wait_for_url("**/?kind=whatsapp")
    expect(page.locator("table.people tbody tr")).to_have_count(2)


def test_condition_offers_what_its_attribute_can_be_asked(
    context: BrowserContext, live_server: Any, support_user: User, people: None
) -> None:
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + LIST)
    page.click(PANEL)

    page.get_by_label("Attribute 1", exact=True).select_option("since")
    offered = page.get_by_label("How attribute 1 is compared").locator("option:not([hidden])").all_inner_texts()
    page.get_by_label("How attribute 1 is compared").select_option("before")
    expect(page.get_by_label("Value of attribute 1")).to_have_attribute("type", "date")
    page.get_by_role("button", name="Another condition").click()
    page.get_by_label("Attribute 2", exact=True).select_option("city")
    page.get_by_label("How attribute 2 is compared").select_option("is")
    page.get_by_label("Value of attribute 2").fill("Jakarta")
    page.get_by_label("Value of attribute 1").fill("2026-01-01")
    page.get_by_role("button", name="Apply").click()

    page.wait_for_url("**/?a=since&a=city&op=before&op=is&v=2026-01-01&v=Jakarta")
    assert offered == ["is filled", "is empty", "is", "is before", "is after"]


def test_panel_works_without_javascript(browser: Browser, live_server: Any, support_user: User, people: None) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + LIST)

    page.click(PANEL)
    page.get_by_label("Attribute 1", exact=True).select_option("city")
    page.get_by_label("How attribute 1 is compared").select_option("contains")
    page.get_by_label("Value of attribute 1").fill("bandu")
    page.get_by_role("button", name="Apply").click()

    page.wait_for_url("**/?a=city&op=contains&v=bandu")
    expect(page.locator("table.people tbody th")).to_contain_text(["Rina Hartono"])
    context.close()
