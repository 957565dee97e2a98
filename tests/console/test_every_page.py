"""Every page there is, found by its registered address: in a browser in every look, and with the strict policy."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext

from accounts.models import User, Workspace
from personas.history import Cause
from personas.merging import merge_personas
from personas.models import Merge, Origin
from tests.accounts.test_scope import Rows, make_rows
from tests.accounts.test_scope import signed_in as client_of
from tests.browsing import Watched, in_every_look, signed_in
from tests.console.conftest import make_persona
from tests.console.walking import Address, addresses

LEADS_ELSEWHERE, POST_ONLY = 302, 405
FORBIDDEN = {
    "accounts_workspace_delete", "autocomplete",
    *(f"{model}_{deed}" for model in ("messaging_message", "messaging_topic") for deed in ("add", "delete")),
    *(f"personas_{model}_{deed}" for model in ("duplicatepair", "merge", "operation") for deed in ("add", "delete")),
}  # fmt: skip
"""Nobody may do that by hand."""
NOTHING_THERE = {"platforms_person_deed", "platforms_token_deed", "view_on_site"}
"""The last is Django's own, for rows that are shown outside the console; the others are of a delivery of that row."""
FRUITLESS = "?q=matches+nothing"


@pytest.fixture
def superuser(admin_user: User, other_workspace: Workspace) -> User:
    """Sees every page, and has two workspaces to switch between."""
    User.objects.filter(pk=admin_user.pk).update(is_superuser=True)
    admin_user.refresh_from_db()
    return admin_user


@pytest.fixture
def rows(workspace: Workspace) -> Rows:
    made = make_rows(workspace, request_id="req_" + "a" * 26)
    kept, absorbed = (make_persona(workspace, f"Budi {number}", f"+62813000000{number}") for number in (1, 2))
    cause = Cause(origin=Origin.PERSON, actor_label="Ayu", at=timezone.now())
    made.ids[Merge] = merge_personas(workspace=workspace, kept_id=kept.pk, absorbed_id=absorbed.pk, cause=cause).pk
    return made


def pages(client: Client, rows: Rows) -> list[Address]:
    """The addresses that answer with a page; each other one answers as is known of it."""
    found, unknown = [], {}
    for address in addresses(rows):
        if address.name == "logout":
            continue
        answer = client.get(address.url)
        is_document = answer.headers.get("Content-Type", "").startswith("text/html") and "<html" in answer.text
        if answer.status_code == 200 and is_document:
            found.append(address)
        elif answer.status_code not in _without_a_page(address.name, is_document=is_document):
            unknown[address.name] = answer.status_code
    assert unknown == {}
    return found


def _without_a_page(name: str, *, is_document: bool) -> set[int]:
    kinds = {403: FORBIDDEN, 404: NOTHING_THERE}
    of_name = {status for status, names in kinds.items() if name in names}
    # Without a document: a download, or what a script asks for; or the address takes a POST, or leads elsewhere.
    return of_name | {POST_ONLY, LEADS_ELSEWHERE} | (set() if is_document else {200})


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@in_every_look
def test_no_page_of_the_console_breaks_a_rule_of_axe_policy_or_width(
    context: BrowserContext, live_server: Any, superuser: User, rows: Rows
) -> None:
    watched = Watched(signed_in(context, live_server.url, superuser), live_server.url)

    for address in pages(client_of(superuser), rows):
        watched.check(address.url)
        if address.name.endswith("_changelist") or address.name == "search":
            watched.check(address.url + FRUITLESS)

    assert watched.findings == []


@pytest.mark.django_db
def test_every_page_has_the_strict_policy(superuser: User, rows: Rows) -> None:
    client = client_of(superuser)
    urls = [address.url for address in pages(client, rows)]
    outside = [reverse("docs:index"), "/console/nowhere/", reverse("admin:login")]

    policies = {client.get(url).headers["Content-Security-Policy"] for url in [*urls, *outside]}

    assert len(urls) > 80
    [policy] = policies
    assert "unsafe" not in policy
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(policy.split("; "))
