"""Downloading everything about a person, and deleting one, in the console."""

import io
import json
import zipfile
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, User, Workspace
from messaging.models import Message, Topic
from personas.models import AttributeDefinition, DeletionReceipt, Persona
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


def test_edit_of_a_person_who_was_deleted_meanwhile_is_shown_to_be_copied_and_taken_along(
    client: Client, support_user: User, rina: Persona
) -> None:
    client.force_login(support_user)
    AttributeDefinition.objects.create(workspace=rina.workspace, key="points", label="Points", type="number")
    contact = f"contact-{rina.contacts.get().pk}"
    typed = {
        "name": "Rina H.", "seen-name": rina.name, "gender": "female", "seen-gender": "female", "notes": "One\r\ntwo",
        "attribute-points": "many", f"{contact}-type": "whatsapp", f"{contact}-key": "0812 9",
        f"seen-{contact}-type": "whatsapp", f"seen-{contact}-key": "+6281200000101",
        "new-0-type": "email", "new-0-key": "rina@example.org", "new-0-label": "Work",
    }  # fmt: skip
    client.post(page("delete", rina), {"version": rina.version})

    answer = client.post(page("change", rina), typed)
    anew = client.post(reverse("admin:personas_persona_add"), dict(answer.context["carried"]) | {"edit": "1"})

    receipt = DeletionReceipt.objects.get()
    assert (answer.status_code, answer.context["receipt"]) == (410, receipt)
    assert answer.context["typed"] == [
        ("Name", "Rina H."), ("Notes", "One\ntwo"), ("Points", "many"), ("WhatsApp", "WhatsApp 0812 9"),
        ("E-mail", "E-mail rina@example.org (Work)"),
    ]  # fmt: skip
    assert "Budi" in answer.text
    assert reverse("admin:personas_deletionreceipt_change", args=[receipt.pk]) in answer.text
    form = anew.context["form"]
    assert (form.facts["name"].value(), form.facts["attribute-points"].value()) == ("Rina H.", "many")
    assert [each["key"].value() for each in form.new] == ["0812 9", "rina@example.org"]
    assert not Persona.objects.exists()


@pytest.mark.parametrize("name", ["change", "delete"])
def test_page_of_a_deleted_person_says_so_to_whoever_may_see_the_workspace(
    client: Client, support_user: User, viewer_user: User, other_workspace: Workspace, rina: Persona, name: str
) -> None:
    client.force_login(support_user)
    client.post(page("delete", rina), {"version": rina.version})

    again = client.post(page(name, rina), {"version": rina.version})
    client.force_login(viewer_user)
    read, written = client.get(page(name, rina)), client.post(page(name, rina), {"name": "Mine"})

    assert (again.status_code, read.status_code, written.status_code) == (410, 410, 403)
    assert "This persona was deleted" in read.text
    assert "nothing was saved" not in again.text + read.text
    Membership.objects.filter(user=viewer_user).update(workspace=other_workspace)
    assert client.get(page(name, rina)).status_code == 404
