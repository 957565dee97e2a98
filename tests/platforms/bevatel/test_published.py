"""Our answers against Chatwoot's published document, and our bodies against its."""

from typing import Any

import msgspec
import pytest

from messaging.models import Message, Topic, TopicType
from personas.models import Persona
from platforms.bevatel.server import wire
from tests.platforms.bevatel.conftest import Api
from tests.platforms.bevatel.published import component, differences, names, operation

pytestmark = pytest.mark.django_db


@pytest.fixture
def talked(api: Api, conversation: int, sender: Any) -> int:
    """A conversation with a message in each direction."""
    for direction in ("incoming", "outgoing"):
        body = {"content": f"An {direction} one", "message_type": direction}
        assert api("POST", f"conversations/{conversation}/messages", body).status_code == 200
    return conversation


def test_what_is_read_is_as_published(api: Api, contact: dict[str, Any], talked: int, definitions: Any) -> None:
    contact_id = contact["contact"]["id"]
    api("PUT", f"contacts/{contact_id}", {"custom_attributes": {"age": 30, "vip": True, "type": "vip"}})
    # A persona that came otherwise, without any contact.
    Persona.objects.create(workspace_id=Persona.objects.get().workspace_id, name="Nobody's number")
    addresses = {
        "GET contacts": "contacts",
        "GET contacts/{id}": f"contacts/{contact_id}",
        "GET contacts/search": "contacts/search?q=rin",
        "GET contacts/{id}/conversations": f"contacts/{contact_id}/conversations",
        "GET conversations": "conversations",
        "GET conversations/{conversation_id}": f"conversations/{talked}",
        "GET conversations/{conversation_id}/messages": f"conversations/{talked}/messages",
        "GET inboxes": "inboxes",
    }

    answers = {name: api("GET", address) for name, address in addresses.items()}

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(addresses, 200)
    found = {name: differences(answer.json(), operation(name)["answer"]) for name, answer in answers.items()}
    assert found == {name: [] for name in addresses}


@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("POST contacts/{id}/contact_inboxes", "contacts/{contact}/contact_inboxes", {"inbox_id": 1001}),
        ("POST conversations", "conversations", {"contact_id": 1, "message": {"content": "Hello"}}),
        ("POST conversations/{conversation_id}/toggle_status", "conversations/{talked}/toggle_status",
         {"status": "pending"}),
        ("POST conversations/{conversation_id}/messages", "conversations/{talked}/messages", {"content": "Hello"}),
        ("POST conversations/{conversation_id}/messages", "conversations/{talked}/messages",
         {"content": "Hello", "message_type": "incoming"}),
    ],
)  # fmt: skip
def test_what_is_written_is_answered_as_published(
    api: Api, contact: dict[str, Any], account: int, talked: int, name: str, path: str, body: dict[str, Any]
) -> None:
    body = {
        key: {"inbox_id": account, "contact_id": contact["contact"]["id"]}.get(key, value)
        for key, value in body.items()
    }

    answer = api("POST", path.format(contact=contact["contact"]["id"], talked=talked), body)

    assert (answer.status_code, differences(answer.json(), operation(name)["answer"])) == (200, [])


def test_a_contact_is_answered_as_chatwoots_source_does_and_not_as_its_document_says(
    api: Api, contact: dict[str, Any]
) -> None:
    """The document has a list in `payload` for creating, and 204 for updating; its source, and every published client,
    have what stands here (shared/vendors/bevatel.md, C3)."""
    updated = api("PUT", f"contacts/{contact['contact']['id']}", {"name": "Rina H."})

    assert set(contact) == {"contact", "contact_inbox"}
    assert differences(contact["contact"], component("contact_list_item")) == []
    assert differences(contact["contact_inbox"], component("contact_inboxes")) == []
    assert updated.status_code == 200
    assert differences(updated.json(), component("contact_show_response")) == []


def test_no_published_member_is_missing_but_those_of_features_we_have_not(
    api: Api, contact: dict[str, Any], talked: int
) -> None:
    conversation = api("GET", f"conversations/{talked}").json()
    message = conversation["messages"][0]

    missing = {
        "contact": names(component("contact_list_item")) - set(contact["contact"]),
        "inbox": names(component("inbox_contact")) - set(contact["contact_inbox"]["inbox"]),
        "conversation": names(component("conversation_show")) - set(conversation),
        "message": names(component("message")) - set(message),
    }

    assert missing == {
        "contact": set(),
        "inbox": set(),
        "conversation": {"applied_sla", "sla_events"},
        "message": {
            "additional_attributes", "attachment", "conversation", "external_source_ids", "processed_message_content",
            "sentiment",
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("POST contacts", wire.ContactCreate),
        ("PUT contacts/{id}", wire.ContactUpdate),
        ("POST contacts/{id}/contact_inboxes", wire.ContactInboxCreate),
        ("POST conversations", wire.ConversationCreate),
        ("POST conversations/{conversation_id}/toggle_status", wire.ToggleStatus),
        ("POST conversations/{conversation_id}/messages", wire.MessageCreate),
    ],
)
def test_every_published_member_of_a_body_is_known(name: str, body: type[msgspec.Struct]) -> None:
    published = names(operation(name)["body"])

    assert published - {f.encode_name for f in msgspec.structs.fields(body)} == set()


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("GET contacts", wire.ContactQuery),
        ("GET contacts/search", wire.ContactSearch),
        ("GET conversations", wire.ConversationQuery),
        ("GET conversations/{conversation_id}/messages", wire.MessageQuery),
    ],
)
def test_every_published_parameter_is_known(name: str, query: type[msgspec.Struct]) -> None:
    assert set(operation(name)["query"]) - {f.encode_name for f in msgspec.structs.fields(query)} == set()


def test_only_conversations_with_one_person_are_shown(api: Api, talked: int, token: Any) -> None:
    mass = Topic.objects.create(workspace=token.workspace, type=TopicType.MASS, name="News")
    Message.objects.create(
        workspace=token.workspace, topic=mass, direction="outgoing", sender_name="Ayu", text="News!",
        created_at=mass.created_at,
    )  # fmt: skip

    listed = api("GET", "conversations").json()["data"]["payload"]

    assert [conversation["id"] for conversation in listed] == [talked]
    assert api("GET", f"conversations/{mass.pk}").status_code == 404
    assert api("GET", f"conversations/{mass.pk}/messages").status_code == 404
