"""Everything about one person as a file: all of it, of nobody else, however long their life was."""

import io
import json
import zipfile
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounts.models import User, Workspace
from messaging.models import Message, Recipient, Topic
from personas.disclosure import stream_disclosure
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, Origin, Persona
from personas.services import PersonaDraft, add_persona

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
CAUSE = Cause(origin=Origin.TOKEN, actor_label="token Shop", at=AT, request_id="req_1")
MADE = Cause(origin=Origin.PERSON, actor_label="Ayu", at=AT + timedelta(days=1))


@pytest.fixture
def rina(workspace: Workspace) -> Persona:
    AttributeDefinition.objects.create(workspace=workspace, key="points", label="Points", type="number")
    draft = PersonaDraft("Rina <b>", "female", date(1990, 5, 1), "Line\n=1+1", {"points": "12.5"})
    number = ContactDraft("whatsapp", "0812 3456 789", "Home")
    return add_persona(workspace=workspace, draft=draft, contacts=[number], cause=CAUSE)


@pytest.fixture
def joko(workspace: Workspace) -> Persona:
    number = ContactDraft("whatsapp", "0812 0000 102")
    return add_persona(workspace=workspace, draft=PersonaDraft("Joko"), contacts=[number], cause=CAUSE)


def _files(persona: Persona) -> tuple[dict[str, Any], str]:
    content = b"".join(stream_disclosure(persona, cause=MADE, zone=ZoneInfo("Asia/Jakarta")))
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    assert archive.namelist() == ["person.json", "person.html"]
    return json.loads(archive.read("person.json")), archive.read("person.html").decode()


def _message(topic: Topic, text: str, *to: Persona, sender: Persona | None = None) -> Message:
    message = Message.objects.create(
        workspace=topic.workspace, topic=topic, direction="incoming" if sender else "outgoing",
        sender_persona=sender, sender_name=sender.name if sender else "sari", text=text, created_at=AT,
    )  # fmt: skip
    for persona in to:
        Recipient.objects.create(message=message, persona=persona, contact=persona.contacts.get())
    return message


def test_all_that_is_known_of_a_person_is_in_both_files(rina: Persona) -> None:
    data, page = _files(rina)

    assert data["made_by"] == "Ayu"
    assert data["persona"] == {
        "id": rina.pk, "name": "Rina <b>", "gender": "female", "birthday": "1990-05-01", "notes": "Line\n=1+1",
        "created_at": "2026-11-21T09:30:00+00:00", "updated_at": "2026-11-21T09:30:00+00:00",
    }  # fmt: skip
    assert data["attributes"] == [{"key": "points", "label": "Points", "value": 12.5}]
    assert [(c["type"], c["key"], c["normalized"], c["label"]) for c in data["contacts"]] == [
        ("whatsapp", "0812 3456 789", "+628123456789", "Home")
    ]
    assert [(c["field"], c["old"], c["new"], c["by"], c["request_id"]) for c in data["history"]] == [
        ("created", "", "Rina <b>", "token Shop", "req_1"),
        ("gender", "", "female", "token Shop", "req_1"),
        ("birthday", "", "1990-05-01", "token Shop", "req_1"),
        ("notes", "", "Line\n=1+1", "token Shop", "req_1"),
        ("attribute:points", "", "12.5", "token Shop", "req_1"),
        ("contact:whatsapp", "", "+628123456789", "token Shop", "req_1"),
    ]
    assert "<h1>Rina &lt;b&gt;</h1>" in page
    assert "2026-11-21 16:30" in page  # in Jakarta
    assert "+628123456789" in page


def test_messages_of_all_topics_are_there_once_and_name_nobody_else(
    rina: Persona, joko: Persona, workspace: Workspace, support_user: User
) -> None:
    own = Topic.objects.create(workspace=workspace, type="persona", name="Order", persona=rina)
    news = Topic.objects.create(workspace=workspace, type="mass", name="News")
    other = Topic.objects.create(workspace=workspace, type="persona", name="Secret", persona=joko)
    _message(own, "Yours", rina)
    _message(own, "Mine", sender=rina)
    _message(news, "To all", rina, joko)
    _message(news, "From me to all", sender=rina)
    _message(news, "To Joko alone", joko)
    _message(other, "Private", joko)

    data, page = _files(rina)

    number = {"type": "whatsapp", "key": "+628123456789", "state": "waiting"}
    assert [(m["text"], m["topic"], m["sender"], m["to"]) for m in data["messages"]] == [
        ("Yours", "Order", "sari", [number]),
        ("Mine", "Order", "Rina <b>", []),
        ("To all", "News", "sari", [number]),
        ("From me to all", "News", "Rina <b>", []),
    ]
    for text in (json.dumps(data), page):
        assert "Joko" not in text
        assert "Private" not in text
        assert "0102" not in text


def test_long_life_is_read_in_pages_and_sent_in_pieces(rina: Persona, workspace: Workspace) -> None:
    own = Topic.objects.create(workspace=workspace, type="persona", name="Order", persona=rina)
    Message.objects.bulk_create(
        Message(
            workspace=workspace, topic=own, direction="outgoing", sender_name="sari", created_at=AT,
            text=f"{number} " + "".join(chr(97 + (number * 7919 + k * k * 31) % 26) for k in range(300)),
        )
        for number in range(1_300)
    )  # fmt: skip

    pieces = list(stream_disclosure(rina, cause=MADE, zone=ZoneInfo("UTC")))

    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    messages = json.loads(archive.read("person.json"))["messages"]
    assert [m["text"].partition(" ")[0] for m in messages] == [str(number) for number in range(1_300)]
    assert len(pieces) > 2
    assert max(map(len, pieces)) < 256 * 1024
