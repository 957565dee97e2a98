"""What comes in, in a browser: light and dark, wide and narrow, watched by axe and the content policy."""

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext

from accounts.models import User, Workspace
from messaging.models import Recipient, Topic
from personas.matching import ContactDraft
from personas.models import Operation
from personas.services import PersonaDraft, add_persona
from platforms.models import Connection
from tests.browsing import Watched, in_every_look, signed_in
from tests.console.conftest import make_message
from tests.personas.operating import work_off
from tests.platforms.connecting import BY_TEST, add_rina, connect, make_remote
from tests.platforms.console.test_incoming import add_call

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def connection(workspace: Workspace, other_workspace: Workspace, live_server: Any, settings: Any) -> Connection:
    settings.ALLOWED_PRIVATE_ADDRESSES = [live_server.url.removeprefix("http://")]
    settings.BASE_URL = live_server.url  # so the overview invites to watch a change arrive
    return connect(workspace, make_remote(other_workspace), live_server.url, "raven")


@in_every_look
def test_first_import_is_previewed_carried_out_and_undone(
    context: BrowserContext, live_server: Any, admin_user: User, workspace: Workspace, other_workspace: Workspace,
    connection: Connection,
) -> None:  # fmt: skip
    add_rina(workspace)
    for name, key in (("Rina H.", "rina@example.org"), ("Joko", "joko@example.org")):
        contacts = [ContactDraft("email", key)]
        add_persona(workspace=other_workspace, draft=PersonaDraft(name=name), contacts=contacts, cause=BY_TEST)
    watched = Watched(signed_in(context, live_server.url, admin_user), live_server.url)
    page = watched.page

    watched.check(reverse("admin:index"))
    watched.check(reverse("admin:platforms_connection_change", args=[connection.pk]))
    page.get_by_role("button", name="Bring in the people already there").click()
    page.get_by_text("Reading the list there").wait_for()
    watched.look("reading")
    operation = work_off(Operation.objects.get())
    watched.check(reverse("admin:personas_operation_change", args=[operation.pk]))
    with page.expect_navigation():
        page.get_by_role("link", name="To link").click()
    watched.look("to link")
    page.get_by_role("button", name="Bring in 2 people").click()
    page.get_by_text("Carrying it out").wait_for()
    work_off(operation)
    watched.check(f"{reverse('admin:personas_operation_change', args=[operation.pk])}?rows=link")
    page.get_by_text("Undo", exact=True).click()
    page.get_by_role("button", name="Undo this change").click()
    page.get_by_text("Undoing it").wait_for()
    work_off(operation)
    watched.check(reverse("admin:personas_operation_change", args=[operation.pk]))

    assert watched.findings == []
    assert [persona.name for persona in workspace.personas.all()] == ["Rina Hartono"]


@in_every_look
def test_pages_of_what_comes_in_break_no_rule(
    context: BrowserContext, live_server: Any, admin_user: User, workspace: Workspace, other_workspace: Workspace,
    connection: Connection,
) -> None:  # fmt: skip
    Connection.objects.filter(pk=connection.pk).update(platform="bevatel", settings={"account_id": "1"})
    watched = Watched(signed_in(context, live_server.url, admin_user), live_server.url)
    page, change = watched.page, reverse("admin:platforms_connection_change", args=[connection.pk])
    watched.check(reverse("admin:platforms_connection_received", args=[connection.pk]))

    watched.check(change)
    page.get_by_role("button", name="Make an address").click()
    page.get_by_label("Address").wait_for()
    watched.look("the address")
    page.get_by_role("link", name="It is entered there").click()
    page.get_by_label("Signing secret").fill("of-the-webhook")
    page.get_by_role("button", name="Store the secret").click()
    page.get_by_text("Only signed calls are taken now.").wait_for()
    rina = add_rina(workspace)
    for number, (outcome, explanation, body) in enumerate(
        [("done", "A message of this person.", ""), ("ignored", "A private note of the people there.", ""),
         ("waiting", "", "{}"), ("failed", "Its addresses belong to several people: One (ID 1), Two (ID 2).", "{}")]
    ):  # fmt: skip
        add_call(connection, number, outcome=outcome, explanation=explanation, body=body, persona_id=rina.pk, repeats=2)
    watched.check(change)
    watched.check(reverse("admin:platforms_connection_received", args=[connection.pk]))
    watched.check(f"{reverse('admin:platforms_connection_received', args=[connection.pk])}?outcome=failed")
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("It is being tried again.").wait_for()

    assert watched.findings == []


@in_every_look
def test_how_far_a_message_got_breaks_no_rule(
    context: BrowserContext, live_server: Any, admin_user: User, workspace: Workspace
) -> None:
    topic = Topic.objects.create(workspace=workspace, type="mass", name="News")
    watched = Watched(signed_in(context, live_server.url, admin_user), live_server.url)
    for number, state in enumerate(Recipient.State):
        contacts = [ContactDraft("phone", f"+62812000001{number:02}")]
        draft = PersonaDraft(name=f"Person {number}")
        persona = add_persona(workspace=workspace, draft=draft, contacts=contacts, cause=BY_TEST)
        message = make_message(topic, persona, admin_user, text=f"Message {number} at {timezone.now():%d.%m.}")
        problem = "131026: Message undeliverable" if state == Recipient.State.FAILED else ""
        message.recipients.update(state=state, problem=problem)
        watched.check(reverse("admin:messaging_message_change", args=[message.pk]))

    watched.check(reverse("admin:messaging_message_changelist"))

    assert watched.findings == []
