"""Duplicates and merges in a real browser: looked at in every look, and merged and undone by keyboard alone."""

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, expect

from accounts.models import User, Workspace
from personas.merging import merge_personas
from personas.models import DuplicatePair, Merge, Persona
from personas.services import PersonaDraft, update_persona
from tests.browsing import Watched, in_every_look, signed_in
from tests.personas.console.test_merging import CAUSE, _add, other, pair, rina

__all__ = ["other", "pair", "rina"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@in_every_look
def test_pages_of_duplicates_and_merges_break_no_rule(
    context: BrowserContext, live_server: Any, support_user: User, workspace: Workspace, pair: DuplicatePair
) -> None:
    third, fourth = _add(workspace, "3", "+6281200000103", notes="x"), _add(workspace, "4", "+6281200000104")
    merge = merge_personas(workspace=workspace, kept_id=third.pk, absorbed_id=fourth.pk, cause=CAUSE)
    update_persona(workspace=workspace, persona_id=third.pk, draft=PersonaDraft(notes="Since"), cause=CAUSE)
    watched = Watched(signed_in(context, live_server.url, support_user), live_server.url)
    merging = reverse("admin:personas_persona_merge", args=[pair.first_id, pair.second_id])
    merge_with = reverse("admin:personas_persona_merge_with", args=[pair.first_id])

    for path in (
        reverse("admin:personas_duplicatepair_changelist"),
        reverse("admin:personas_duplicatepair_changelist") + "?state=dismissed",
        reverse("admin:personas_merge_changelist"),
        reverse("admin:personas_merge_change", args=[merge.pk]),
        reverse("admin:personas_persona_change", args=[third.pk]),
        merge_with,
        merge_with + "?q=3",
        merge_with + "?q=nobody",
        merging,
        merging + "?preview=1&notes=both",
    ):
        watched.check(path)

    assert watched.findings == []


def _tab_to(page: Page, text: str) -> None:
    """Tab until the button or link with that text has the focus."""
    for _step in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText.trim()") == text:
            return
    raise AssertionError(f"no way to {text} by Tab")


def _press(page: Page, text: str) -> None:
    _tab_to(page, text)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_after_a_pair_was_decided_the_next_is_one_tab_away(
    context: BrowserContext, live_server: Any, support_user: User, workspace: Workspace, pair: DuplicatePair
) -> None:
    third, fourth = _add(workspace, "3", "+6281200000103"), _add(workspace, "4", "+6281200000104")
    DuplicatePair.objects.create(workspace=workspace, first=third, second=fourth, reason="same_number", detail="+62")
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + reverse("admin:personas_duplicatepair_changelist"))

    _press(page, "Not a duplicate")
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.ariaLabel") == "Merge: Rina Hartono and R. <b>Hartono</b>"
    expect(page.locator(".callout--good")).to_be_in_viewport()


def test_pair_is_merged_and_undone_by_keyboard_alone(
    context: BrowserContext, live_server: Any, support_user: User, pair: DuplicatePair
) -> None:
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + reverse("admin:personas_duplicatepair_changelist"))

    _press(page, "Merge")
    for _step in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "name":
            break
    page.keyboard.press("ArrowDown")
    _press(page, "Preview the result")
    expect(page.locator("dd").first).to_contain_text("R. <b>Hartono</b>")
    assert Persona.objects.count() == 2
    _press(page, "Merge the two")

    assert list(Persona.objects.values_list("name", flat=True)) == ["R. <b>Hartono</b>"]
    _press(page, "Undo this merge")
    _press(page, "Undo the merge")

    expect(page.locator(".callout--good")).to_contain_text("The merge is undone")
    assert sorted(Persona.objects.values_list("name", flat=True)) == ["R. <b>Hartono</b>", "Rina Hartono"]
    assert Merge.objects.get().undone_by == support_user.display_name
