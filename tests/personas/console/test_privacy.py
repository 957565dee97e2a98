"""Downloading everything about a person, and deleting one, in the console."""

import io
import json
import zipfile
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User, Workspace
from messaging.models import Message, Topic
from personas.models import DeletionReceipt, Persona
from tests.console.conftest import make_persona

pytestmark = pytest.mark.django_db


@pytest.fixture
def rina(workspace: Workspace) -> Persona:
    persona = make_persona(workspace, "Rina Hartono", "+6281200000101")
    topic = Topic.objects.create(workspace=workspace, type="persona", name="Order", persona=persona)
    for number in range(3):
        Message.objects.create(
            workspace=workspace, topic=topic, direction="outgoing", sender_name="sari", text=str(number),
            created_at=persona.created_at,
        )  # fmt: skip
    return persona


def page(name: str, persona: Persona) -> str:
    return reverse(f"admin:personas_persona_{name}", args=[persona.pk])


def test_viewer_downloads_all_about_a_person(client: Client, viewer_user: User, rina: Persona) -> None:
    client.force_login(viewer_user)

    answer: Any = client.get(page("export", rina))

    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"] == f'attachment; filename="person-{rina.pk}.zip"'
    assert "no-store" in answer["Cache-Control"]
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    data = json.loads(archive.read("person.json"))
    assert (data["persona"]["name"], len(data["messages"]), data["made_by"]) == ("Rina Hartono", 3, "Citra")
    assert page("export", rina) in client.get(page("change", rina)).content.decode()


def test_deleting_says_what_goes_and_leaves_a_receipt(client: Client, support_user: User, rina: Persona) -> None:
    client.force_login(support_user)

    asked = client.get(page("delete", rina))
    answer = client.post(page("delete", rina), {"version": rina.version}, follow=True)

    counts = asked.context["counts"]
    assert (counts.contacts, counts.topics, counts.messages) == (1, 1, 3)
    receipt = DeletionReceipt.objects.get()
    assert (receipt.persona_id, receipt.origin, receipt.actor_label) == (rina.pk, "person", "Budi")
    assert (receipt.contact_count, receipt.message_count) == (1, 3)
    assert f"Receipt {receipt.pk} says so" in answer.content.decode()
    assert not Persona.objects.exists()


def test_person_changed_since_the_page_was_opened_is_not_deleted(
    client: Client, support_user: User, rina: Persona
) -> None:
    client.force_login(support_user)

    answer = client.post(page("delete", rina), {"version": rina.version + 1})

    assert answer.status_code == 409
    assert Persona.objects.filter(pk=rina.pk).exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_viewer_deletes_nobody(client: Client, viewer_user: User, rina: Persona, method: str) -> None:
    client.force_login(viewer_user)

    assert getattr(client, method)(page("delete", rina)).status_code == 403
    assert Persona.objects.exists()
