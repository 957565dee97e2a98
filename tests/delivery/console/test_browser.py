"""The monitor in a browser: light and dark, wide and narrow, watched by axe and the content policy; by keyboard."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext

from accounts.models import User, Workspace
from delivery.models import Delivery, Destination
from delivery.sender import Sender
from delivery.states import State
from tests.browsing import Watched, in_every_look, signed_in
from tests.console.conftest import make_persona
from tests.delivery.conftest import Post
from tests.delivery.console.conftest import Put
from tests.delivery.fake import Answer, Fake

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = reverse("admin:delivery_delivery_changelist")


@in_every_look
def test_pages_of_the_monitor_break_no_rule(
    context: BrowserContext, live_server: Any, support_user: User, workspace: Workspace, destination: Destination,
    fake: Fake, change: Post, put: Put, sender: Sender,
) -> None:  # fmt: skip
    rina = make_persona(workspace, "Rina Hartono", "+6281200000101")
    by_state = {}
    fake.answer = lambda received: Answer(status=422 if "city" in received.body else 200)
    for number, state in enumerate(State):
        delivery = change(destination, f"persona:{number}", name="Rina", city={"a": [1, 2]})
        Delivery.objects.filter(pk=delivery.pk).update(persona_id=rina.pk)
        by_state[state] = delivery if state == State.WAITING else put(delivery, state, code="http_422", problem="No.")
    sender.drain()
    change(destination, "persona:50", at=timezone.now() - timedelta(hours=2), name="Rina")
    Destination.objects.create(workspace=workspace, name="Off", kind="plain", is_on=False)
    watched = Watched(signed_in(context, live_server.url, support_user), live_server.url)

    watched.check(LIST)
    watched.page.get_by_text("Many at once").click()
    watched.look("the menu")
    watched.check(f"{LIST}?state=refused&since=24")
    watched.check(f"{LIST}?q=matches+nothing")
    for delivery in by_state.values():
        watched.check(reverse("admin:delivery_delivery_change", args=[delivery.pk]))
    unknown = by_state[State.UNKNOWN]
    watched.check(reverse("admin:delivery_delivery_change", args=[unknown.pk]))
    watched.page.get_by_text("Mark as delivered", exact=True).first.click()
    watched.look("a confirmation")
    watched.page.get_by_role("button", name="Yes: Mark as delivered").click()
    watched.page.get_by_text("It counts as delivered.").wait_for()
    watched.look("what was done")
    for action, query in (("retry", "&code=http_422"), ("replay", "&since=2026-01-01T00:00"), ("cancel", "")):
        address = reverse("admin:delivery_delivery_many", args=[action])
        watched.check(address)
        watched.check(f"{address}?connection={destination.pk}{query}")
    watched.page.get_by_role("button", name="Cancel them").click()
    watched.page.get_by_role("heading", name="Under way").first.wait_for()
    watched.look("progress")
    watched.check(reverse("admin:delivery_intervention_changelist"))

    assert watched.findings == []


def test_refused_one_is_retried_by_keyboard_alone_and_the_page_says_when_it_arrived(
    browser: Browser, live_server: Any, support_user: User, destination: Destination, fake: Fake, change: Post,
    sender: Sender,
) -> None:  # fmt: skip
    fake.answer = lambda _received: Answer(status=422)
    delivery = change(destination, name="Rina")
    sender.drain()
    fake.answer = lambda _received: Answer()
    context = browser.new_context()
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + LIST)

    page.get_by_role("link", name=f"#{delivery.pk}").last.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Retry now").focus()
    page.keyboard.press("Enter")
    page.get_by_text("It is sent now.").wait_for()
    sender.drain()

    page.get_by_text("It arrived").wait_for()
    assert Delivery.objects.get().state == State.DELIVERED
    context.close()
