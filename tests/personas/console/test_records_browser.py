"""Attributes, history, privacy and bulk changes in a real browser: axe, the content policy, width; and by keyboard."""

import re
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext, expect

from accounts.models import User, Workspace
from messaging.retention import set_retention
from personas.bulk.choosing import Chosen
from personas.bulk.deleting import begin_deleting
from personas.bulk.merging import begin_merging
from personas.bulk.setting import begin_setting
from personas.conversion import begin_conversion
from personas.filters import PersonaFilter
from personas.models import AttributeDefinition, AttributeType, DuplicatePair, Operation, Persona, PersonaChange
from personas.operations import start_operation
from personas.services import PersonaDraft, delete_persona, update_persona
from tests.browsing import Watched, in_every_look, signed_in
from tests.personas.console.test_history import CHANGES, DELETED, LATER, moved, rina, timeline
from tests.personas.operating import work_off

__all__ = ["rina"]  # a fixture
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def operations(workspace: Workspace, rina: Persona, by: User) -> list[Operation]:
    """Of each kind one to look at; one deletion that was carried out."""
    at, everybody = timezone.now(), Chosen(PersonaFilter())
    city = AttributeDefinition.objects.get()
    twins = [Persona.objects.create(workspace=workspace, name=f"Twin {n}") for n in range(3)]
    reason = DuplicatePair.Reason.NEAR_NAME
    DuplicatePair.objects.create(workspace=workspace, first=twins[0], second=twins[1], reason=reason)
    begun = [
        begin_conversion(definition=city, type=AttributeType.NUMBER, by=by, at=at),
        begin_setting(workspace=workspace, chosen=everybody, definition=city, value="Medan", by=by, at=at),
        begin_merging(workspace=workspace, reason=reason, by=by, at=at),
        begin_deleting(workspace=workspace, chosen=everybody, by=by, at=at),
        begin_deleting(workspace=workspace, chosen=Chosen(PersonaFilter(), (twins[2].pk,)), by=by, at=at),
    ]
    begun = [work_off(operation) for operation in begun]
    work_off(start_operation(operation_id=begun[-1].pk, by=by, at=at))
    return begun


@in_every_look
def test_pages_break_no_rule_of_axe_policy_or_width(
    context: BrowserContext, live_server: Any, admin_user: User, workspace: Workspace, rina: Persona
) -> None:
    gone = Persona.objects.create(workspace=workspace, name="Gone")
    receipt = delete_persona(workspace=workspace, persona_id=gone.pk, cause=LATER)
    set_retention(workspace=workspace, days=30)
    city = AttributeDefinition.objects.get()
    done = operations(workspace, rina, admin_user)
    nobody = PersonaChange.objects.get(persona=rina, field="created")
    watched = Watched(signed_in(context, live_server.url, admin_user), live_server.url)

    for name in ("change", "type", "delete", "history"):
        watched.check(reverse(f"admin:personas_attributedefinition_{name}", args=[city.pk]))
    for name in ("history", "delete"):
        watched.check(reverse(f"admin:personas_persona_{name}", args=[rina.pk]))
    watched.check(reverse("admin:personas_persona_restore", args=[rina.pk, moved(rina).pk]))
    watched.check(reverse("admin:personas_persona_restore", args=[rina.pk, nobody.pk]))
    watched.check(reverse("admin:personas_deletionreceipt_change", args=[receipt.pk]))
    for path in (CHANGES, f"{CHANGES}?origin=person&q=ayu", f"{timeline(rina)}?field=attribute:city", DELETED):
        watched.check(path)
    for name in ("persona_bulk", "persona_bulk_merge", "persona_changelist", "attributedefinition_changelist"):
        watched.check(reverse(f"admin:personas_{name}"))
    for operation in done:
        watched.check(reverse("admin:personas_operation_change", args=[operation.pk]))
        watched.check(reverse("admin:personas_operation_change", args=[operation.pk]) + "?rows=delete")
    watched.check(reverse("admin:messaging_message_retention"))
    watched.page.fill("[name=days]", "3")
    with watched.page.expect_navigation():
        watched.page.click("button:has-text('See what would go')")
    watched.look("retention, looked at")

    assert "\n".join(watched.findings) == ""


def test_key_follows_the_label_until_it_is_typed(
    context: BrowserContext, live_server: Any, admin_user: User, workspace: Workspace
) -> None:
    page = signed_in(context, live_server.url, admin_user).new_page()
    page.goto(live_server.url + reverse("admin:personas_attributedefinition_add"))
    label, key = page.locator("[name=label]"), page.locator("[name=key]")

    label.press_sequentially("Customer since 2")
    expect(key).to_have_value("customer_since_2")
    key.fill("since")
    label.press("End")
    label.press_sequentially("0")
    expect(key).to_have_value("since")
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_contain_text("Customer since 20 was added.")
    assert AttributeDefinition.objects.get().key == "since"


def test_value_is_put_back_by_keyboard_alone(
    context: BrowserContext, live_server: Any, support_user: User, rina: Persona
) -> None:
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + timeline(rina))

    page.get_by_role("link", name=re.compile(r"Put back\s*: Home town, Bandung")).focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Put back Home town")
    page.get_by_role("button", name="Put back").focus()
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_contain_text("Home town was put back.")
    assert moved(rina).new == "Bandung"


def test_ticked_people_are_changed_from_the_list(
    context: BrowserContext, live_server: Any, support_user: User, rina: Persona, workspace: Workspace
) -> None:
    other = Persona.objects.create(workspace=workspace, name="Joko")
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + reverse("admin:personas_persona_changelist"))

    page.get_by_role("checkbox", name="Tick Joko").check()
    expect(page.locator("[data-selected-count]")).to_have_text("1")
    page.get_by_role("button", name="Change the ticked people").click()
    expect(page.locator("main")).to_contain_text("1 person: the chosen people")
    page.locator("[name=value]").fill("Medan")
    page.get_by_role("button", name="See what would change").click()
    expect(page.locator("h1")).to_contain_text("Set Home town to Medan")

    assert Operation.objects.get().plan["ids"] == [other.pk]


def test_what_two_did_at_once_is_told_before_a_value_is_put_back(
    context: BrowserContext, live_server: Any, support_user: User, rina: Persona
) -> None:
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + reverse("admin:personas_persona_restore", args=[rina.pk, moved(rina).pk]))
    draft = PersonaDraft(attributes={"city": "Medan"})
    update_persona(workspace=rina.workspace, persona_id=rina.pk, draft=draft, cause=LATER)

    page.get_by_role("button", name="Put back").click()

    expect(page.locator("main")).to_contain_text("Somebody else changed it meanwhile")
    expect(page.locator("main")).to_contain_text("it is Medan now")
