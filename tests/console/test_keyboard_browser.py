"""The three main jobs by keyboard alone, the way to the content, and no trap on any page."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, expect

from accounts.models import User, Workspace
from delivery.sender import Sender
from personas.models import Persona
from scripts.flows import (
    FOCUS,
    Keyboard,
    edit_a_person_and_see_it_arrive,
    filter_the_tokens_and_download_them,
    issue_a_token_and_see_its_call,
)
from tests.browsing import signed_in
from tests.platforms.connecting import Remote, add_rina, connect, make_remote
from tokens.models import Token

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGES = ("index", "tokens_token_changelist", "personas_persona_changelist", "delivery_delivery_changelist", "profile")


@pytest.fixture
def keys(context: BrowserContext, live_server: Any, admin_user: User) -> Keyboard:
    page = signed_in(context, live_server.url, admin_user).new_page()
    page.goto(live_server.url + reverse("admin:index"))
    return Keyboard(page)


@pytest.fixture
def shop(live_server: Any, workspace: Workspace, other_workspace: Workspace, settings: Any) -> Remote:
    """A platform that the workspace is connected to: another one of the very server that the browser looks at."""
    settings.ALLOWED_PRIVATE_ADDRESSES = [live_server.url.removeprefix("http://")]
    remote = make_remote(other_workspace)
    connect(workspace, remote, live_server.url, "raven", name="Shop")
    return remote


def test_token_is_issued_configured_and_its_call_read(keys: Keyboard, live_server: Any, workspace: Workspace) -> None:
    def call(secret: str) -> None:
        request = urllib.request.Request(
            f"{live_server.url}/raven/xapi/v1/persona", headers={"Authorization": f"Bearer {secret}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert json.load(answer)["data"] is not None

    issue_a_token_and_see_its_call(keys, call=call)

    assert Token.objects.get(workspace=workspace).ability_keys == ["persona_read"]


def test_person_is_found_edited_and_seen_to_arrive(keys: Keyboard, workspace: Workspace, shop: Remote) -> None:
    rina = add_rina(workspace)
    Sender().drain()
    number = rina.contacts.filter(type__in=("whatsapp", "phone")).values_list("normalized", flat=True)[0]

    edit_a_person_and_see_it_arrive(keys, number=number, name="Rina Wijaya", deliver=Sender().drain)

    assert Persona.objects.get(pk=rina.pk).name == shop.person().name == "Rina Wijaya"


def test_tokens_are_filtered_and_downloaded(keys: Keyboard, token: Token, tmp_path: Path) -> None:
    path = filter_the_tokens_and_download_them(keys, into=tmp_path)

    rows = list(openpyxl.load_workbook(path)["Tokens"].iter_rows(values_only=True))
    assert [row[0] for row in rows[1:]] == [token.name]


@pytest.mark.parametrize("name", PAGES)
def test_first_tab_leads_past_the_navigation(keys: Keyboard, live_server: Any, name: str) -> None:
    keys.page.goto(live_server.url + reverse(f"admin:{name}"))

    keys.tab_to("Skip to main content")
    keys.press("Enter")

    expect(keys.page.locator("#main")).to_be_focused()
    keys.press("Tab")
    assert keys.page.evaluate("document.querySelector('#main').contains(document.activeElement)")


@pytest.mark.parametrize("name", PAGES)
def test_tab_goes_all_the_way_round_in_sight(
    keys: Keyboard, live_server: Any, token: Token, persona: Persona, name: str
) -> None:
    keys.page.goto(live_server.url + reverse(f"admin:{name}"))
    keys.tab_to("Skip to main content")
    first = keys.page.evaluate(FOCUS)

    keys.tab_to("Skip to main content")

    assert keys.page.evaluate(FOCUS) == first
