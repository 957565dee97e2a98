import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, Workspace
from delivery.models import Event
from messaging.models import Location, Message, Template, Topic
from personas.history import Cause
from personas.models import Origin
from personas.services import delete_persona
from tests.console.conftest import make_message, make_persona

pytestmark = pytest.mark.django_db

LOCATION = {
    "name": "Head office", "code": "hq", "address": "", "phone": "", "time_zone": "Asia/Jakarta", "is_open": "on",
}  # fmt: skip


def test_support_adds_a_template_to_the_current_workspace(
    client: Client, support_user: User, workspace: Workspace
) -> None:
    client.force_login(support_user)

    answer = client.post(
        reverse("admin:messaging_template_add"), {"name": "order", "language": "id", "body": "Pesanan {{1}}"}
    )

    assert answer.status_code == 302
    assert Template.objects.get().workspace == workspace


def test_the_same_template_twice_is_refused_with_a_sentence(
    client: Client, support_user: User, workspace: Workspace
) -> None:
    Template.objects.create(workspace=workspace, name="order", language="id", body="x")
    client.force_login(support_user)

    answer = client.post(reverse("admin:messaging_template_add"), {"name": "order", "language": "id", "body": "y"})

    assert "already a template of this name in this language" in answer.content.decode()
    assert Template.objects.count() == 1


def test_a_template_of_the_same_name_elsewhere_is_no_conflict(
    client: Client, support_user: User, other_workspace: Workspace
) -> None:
    Template.objects.create(workspace=other_workspace, name="order", language="id", body="x")
    client.force_login(support_user)

    answer = client.post(reverse("admin:messaging_template_add"), {"name": "order", "language": "id", "body": "y"})

    assert answer.status_code == 302


def test_a_location_added_and_changed_is_an_event(client: Client, support_user: User) -> None:
    client.force_login(support_user)

    client.post(reverse("admin:messaging_location_add"), LOCATION)
    location = Location.objects.get()
    answer = client.post(
        reverse("admin:messaging_location_change", args=[location.pk]), LOCATION | {"name": "Main office"}
    )

    assert answer.status_code == 302
    assert Location.objects.get().name == "Main office"
    assert list(Event.objects.order_by("id").values_list("kind", flat=True)) == ["location.created", "location.updated"]


@pytest.mark.parametrize(("field", "value"), [("code", "not a code"), ("time_zone", "Mars"), ("name", "")])
def test_a_wrong_location_is_refused_at_its_field(client: Client, support_user: User, field: str, value: str) -> None:
    client.force_login(support_user)

    answer: Any = client.post(reverse("admin:messaging_location_add"), LOCATION | {field: value})

    assert field in answer.context["adminform"].form.errors
    assert not Location.objects.exists()


@pytest.mark.parametrize("model", ["messaging_template", "messaging_location", "personas_attributedefinition"])
def test_a_viewer_looks_and_adds_nothing(client: Client, viewer_user: User, model: str) -> None:
    client.force_login(viewer_user)

    looked = client.get(reverse(f"admin:{model}_changelist"))
    added = client.get(reverse(f"admin:{model}_add"))

    assert (looked.status_code, added.status_code) == (200, 403)


def test_message_that_somebody_wrote_names_them_and_no_recipients(
    client: Client, viewer_user: User, workspace: Workspace
) -> None:
    rina = make_persona(workspace, "Rina", "+6281200000101")
    topic = Topic.objects.create(workspace=workspace, type="persona", name="Order 17", persona=rina)
    message = Message.objects.create(
        workspace=workspace, topic=topic, direction="incoming", sender_persona=rina, sender_name="Rina", text="Ready?",
        created_at=timezone.now(),
    )  # fmt: skip
    client.force_login(viewer_user)

    page = client.get(reverse("admin:messaging_message_change", args=[message.pk])).text

    assert f'<a href="{reverse("admin:personas_persona_change", args=[rina.pk])}">Rina</a>' in page
    assert "Recipients" not in page


def test_message_whose_recipients_were_deleted_says_so(client: Client, viewer_user: User, workspace: Workspace) -> None:
    topic = Topic.objects.create(workspace=workspace, type="mass", name="News")
    rina = make_persona(workspace, "Rina", "+6281200000101")
    message = make_message(topic, rina, viewer_user)
    delete_persona(workspace=workspace, persona_id=rina.pk, cause=Cause(Origin.PERSON, "Ayu", timezone.now()))
    client.force_login(viewer_user)

    page = client.get(reverse("admin:messaging_message_change", args=[message.pk])).text

    assert "Whom it went to has been deleted since." in page


def test_search_of_messages_looks_no_further_than_it_says(
    client: Client, viewer_user: User, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.console.NARROWED_TO", 2)
    topic = Topic.objects.create(workspace=workspace, type="mass", name="News")
    rina = make_persona(workspace, "Rina", "+6281200000101")
    for text in ("Sale one", "Sale two", "Open today"):
        make_message(topic, rina, viewer_user, text=text)
    client.force_login(viewer_user)

    found = client.get(reverse("admin:messaging_message_changelist"), {"q": "sale"})
    every = client.get(reverse("admin:messaging_message_changelist"))

    assert [message.text for message in found.context["cl"].result_list] == ["Sale two"]
    assert "look at the newest 50,000 messages" in found.text
    assert len(every.context["cl"].result_list) == 3
    assert "50,000" not in every.text


def test_all_messages_of_a_topic_can_be_reached_from_its_page(
    client: Client, viewer_user: User, workspace: Workspace
) -> None:
    topic = Topic.objects.create(workspace=workspace, type="mass", name="News")
    rina = make_persona(workspace, "Rina", "+6281200000101")
    for number in range(1, 46):
        make_message(topic, rina, viewer_user, text=f"News {number}")
    client.force_login(viewer_user)
    address: str | None = reverse("admin:messaging_topic_change", args=[topic.pk])

    seen: list[str] = []
    for _page in range(3):
        assert address is not None
        answer = client.get(address)
        seen += [message.text for message in answer.context["shown"]]
        older = re.search(r'href="(\?before=[0-9]+)"', answer.text)
        address = answer.wsgi_request.path + older[1] if older else None

    assert seen == [f"News {number}" for number in range(45, 0, -1)]
    assert address is None
