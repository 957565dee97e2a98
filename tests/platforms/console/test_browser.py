"""Connections in a browser: light and dark, wide and narrow, watched by axe and the content policy."""

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext

from accounts.models import User, Workspace
from delivery.interventions import carry_on
from delivery.models import Delivery, Intervention
from platforms.connections import ConnectionDraft, add_connection, remove_connection
from tests.browsing import Watched, in_every_look, signed_in
from tests.platforms.connecting import connect, make_remote
from tests.platforms.test_sending_all import draft, issue

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@in_every_look
def test_pages_of_connections_break_no_rule(
    context: BrowserContext, live_server: Any, admin_user: User, workspace: Workspace, other_workspace: Workspace,
    settings: Any,
) -> None:  # fmt: skip
    settings.ALLOWED_PRIVATE_ADDRESSES = [live_server.url.removeprefix("http://")]
    watched = Watched(signed_in(context, live_server.url, admin_user), live_server.url)
    watched.check(reverse("admin:platforms_connection_changelist"))
    raven = connect(workspace, make_remote(other_workspace), live_server.url, "raven")
    mail = ConnectionDraft("email", "Mail", settings={"sender": "shop@example.org"}, carries=frozenset({"messages"}))
    add_connection(workspace=workspace, draft=mail)

    watched.check(reverse("admin:platforms_connection_changelist"))
    watched.check(reverse("admin:platforms_connection_add"))
    for platform in ("raven", "chative", "bevatel", "webhook", "email"):
        watched.check(f"{reverse('admin:platforms_connection_add')}?platform={platform}")
    with watched.page.expect_navigation():
        watched.page.get_by_role("button", name="Connect", exact=True).click()
    watched.look("a form with errors")
    watched.check(reverse("admin:platforms_connection_change", args=[raven.pk]))
    watched.page.get_by_role("button", name="Test connection").click()
    watched.page.get_by_text("It works").wait_for()
    watched.look("a test")
    watched.check(reverse("admin:platforms_connection_delete", args=[raven.pk]))
    watched.page.goto(f"{live_server.url}{reverse('admin:platforms_connection_add')}?platform=webhook")
    watched.page.get_by_label("Address").fill("https://crm.example.org/hook")
    watched.page.get_by_role("button", name="Connect", exact=True).click()
    watched.page.get_by_label("Signing secret").wait_for()
    watched.look("the secret")

    assert watched.findings == []


@in_every_look
def test_pages_of_sending_all_tokens_break_no_rule(
    context: BrowserContext, live_server: Any, admin_user: User, workspace: Workspace
) -> None:
    watched = Watched(signed_in(context, live_server.url, admin_user), live_server.url)
    connection = add_connection(workspace=workspace, draft=draft("tokens"))
    watched.check(reverse("admin:platforms_connection_send_tokens", args=[connection.pk]))
    remove_connection(connection=connection, by="Ayu", at=timezone.now())
    token = issue(workspace)
    connection = add_connection(workspace=workspace, draft=draft("tokens"))
    page = reverse("admin:platforms_connection_change", args=[connection.pk])

    watched.check(reverse("admin:tokens_token_change", args=[token.pk]))
    watched.check(page)
    watched.page.get_by_role("link", name="Send all tokens").first.click()
    watched.look("the question")
    watched.page.get_by_role("button", name="Send them").click()
    watched.page.get_by_role("heading", name="Under way", exact=True).wait_for()
    watched.look("progress")
    watched.check(page)
    watched.check(reverse("admin:delivery_delivery_changelist"))
    begun = Intervention.objects.get(action="all_tokens")
    carry_on.func(begun.pk)
    Delivery.objects.update(state="refused", settled_at=timezone.now(), problem="No.")
    watched.check(page)
    watched.check(reverse("admin:delivery_intervention_change", args=[begun.pk]))
    watched.check(reverse("admin:tokens_token_change", args=[token.pk]))

    assert watched.findings == []
