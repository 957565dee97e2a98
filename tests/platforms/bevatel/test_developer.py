"""Bevatel's own developer API: contacts and template messages, as its pages show them."""

from typing import Any

import pytest

from accounts.models import User
from messaging.models import Message, Template, Topic
from personas.models import Contact, Persona
from tests.platforms.bevatel.conftest import Api

pytestmark = pytest.mark.django_db


def _template(**changes: Any) -> dict[str, Any]:
    """The vendor's sample, with our template."""
    template = {"name": "order_ready", "language": "en", "parameters": {"body": ["Rina", "17"]}} | changes
    return {"template": template}


def test_the_published_contact_is_created(developer: Api, definitions: Any) -> None:
    """The sample of the vendor's page; `type` has to be an attribute of the workspace, labels are not kept."""
    body = {
        "name": "New Contact",
        "email": "new_contact@example.com",
        "phone_number": "+966555555555",
        "custom_attributes": {"type": "vip"},
        "labels": ["api", "testing"],
    }

    answer = developer("POST", "contacts", body)

    assert (answer.status_code, answer.json()["message"]) == (201, "contact created successfully")
    data = answer.json()["data"]
    shown = {name: data[name] for name in ("additional_attributes", "availability_status", "identifier", "thumbnail")}
    assert shown == {
        "additional_attributes": {}, "availability_status": "offline", "identifier": None, "thumbnail": "",
    }  # fmt: skip
    assert {name: data[name] for name in body if name != "labels"} == {n: v for n, v in body.items() if n != "labels"}


def test_a_contact_is_updated(developer: Api, contact: dict[str, Any]) -> None:
    answer = developer("PATCH", f"contacts/{contact['contact']['id']}", {"name": "Rina H."})

    assert (answer.status_code, answer.json()["message"]) == (200, "contact updated successfully")
    assert (answer.json()["data"]["name"], answer.json()["data"]["email"]) == ("Rina H.", "rina@example.org")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "contacts", {"email": "x"}, 422, {"message": "Email Invalid email", "attributes": ["email"]}),
        ("POST", "contacts", {"email": "rina@example.org"}, 422,
         {"message": "Email has already been taken", "attributes": ["email"]}),
        ("PATCH", "contacts/99999", {"name": "X"}, 404, {"error": "Resource could not be found"}),
        ("PATCH", "contacts/x", {"name": "X"}, 404, {"error": "Resource could not be found"}),
    ],
)  # fmt: skip
def test_contacts_are_refused_as_in_the_account_api(
    developer: Api, contact: dict[str, Any], method: str, path: str, body: Any, status: int, said: dict[str, Any]
) -> None:
    answer = developer(method, path, body)

    assert (answer.status_code, answer.json()) == (status, said)


def test_a_template_goes_to_a_number_nobody_has_yet(
    developer: Api, account: int, sender: User, template: Template
) -> None:
    body = {"inbox_id": account, "contact": {"phone_number": "+966555555555"}, "message": _template()}

    answer = developer("POST", "messages", body)

    assert (answer.status_code, answer.json()) == (201, {"message": "Message created successfully"})
    message = Message.objects.get()
    assert (message.text, message.direction, message.sender_user) == (
        "Hello Rina, order 17 is ready.", "outgoing", sender,
    )  # fmt: skip
    assert message.recipients.get().address.normalized == "+966555555555"
    assert Persona.objects.get().name == "+966555555555"


def test_templates_to_one_person_stand_in_one_conversation_until_it_is_resolved(
    developer: Api, account: int, sender: User, template: Template, contact: dict[str, Any], conversation: int
) -> None:
    by_id = {"contact_id": contact["contact"]["id"]}
    by_number = {"phone_number": "+6281200000101"}
    body = {"inbox_id": account, "message": _template()}
    said = [developer("POST", "messages", body | {"contact": who}).status_code for who in (by_id, by_number)]
    Topic.objects.update(status="resolved")
    said.append(developer("POST", "messages", body | {"contact": by_id}).status_code)

    topics = list(Message.objects.order_by("pk").values_list("topic", flat=True))
    assert said == [201, 201, 201]
    assert topics[:2] == [conversation, conversation]
    assert topics[2] != conversation
    assert Contact.objects.filter(type="whatsapp").count() == 1


@pytest.mark.parametrize(
    ("language", "status"),
    [("id", 201), ("en_US", 201), ("en-US", 201), ("en", 404), (None, 422), ("ar", 404), ("ar_SA", 404)],
)
def test_a_templates_language_may_be_written_as_whatsapp_does(
    developer: Api, account: int, sender: User, template: Template, language: str | None, status: int
) -> None:
    Template.objects.update(language="id")
    Template.objects.create(workspace=template.workspace, name="order_ready", language="en-US", body=template.body)
    body = {"inbox_id": account, "contact": {"phone_number": "+966555555555"}, "message": _template(language=language)}

    assert developer("POST", "messages", body).status_code == status


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"inbox_id": 7}, 404, {"error": "Inbox not found. Templates are sent through whatsapp inboxes only"}),
        ({"message": _template(name="nothing")}, 404,
         {"error": "There is no template “nothing” in the language en in this workspace."}),
        ({"message": _template(parameters={"body": ["Rina"]})}, 422,
         {"error": "The template “order_ready” takes 2 parameters, not 1."}),
        ({"message": _template(parameters=None)}, 422,
         {"error": "The template “order_ready” takes 2 parameters, not 0."}),
        ({"message": _template(parameters={"body": ["Rina", "x" * 1001]})}, 422, None),
        ({"message": _template(parameters={"body": ["Rina", "17"], "media": {"link": "https://example.org/a.pdf"}})},
         422, {"message": "Media is not supported: a template is a text.",
               "attributes": ["message.template.parameters.media"]}),
        ({"message": _template(parameters={"buttons": []})}, 422, None),
        ({"message": {"content": "Hello"}}, 422, None),
        ({"message": {}}, 422, None),
        ({"contact": {}}, 422,
         {"message": "Contact is named by phone_number or by contact_id.", "attributes": ["contact"]}),
        ({"contact": {"phone_number": "+966555555555", "contact_id": 1}}, 422,
         {"message": "Contact is named by phone_number or by contact_id.", "attributes": ["contact"]}),
        ({"contact": {"phone_number": "0555555555"}}, 422,
         {"message": "Phone number should be in e164 format", "attributes": ["contact.phone_number"]}),
        ({"contact": {"contact_id": 99999}}, 404, {"error": "Resource could not be found"}),
        ({"contact": {"email": "rina@example.org"}}, 422, None),
        ({"contact": "+966555555555"}, 422, None),
    ],
)  # fmt: skip
def test_template_send_refuses(
    developer: Api, account: int, sender: User, template: Template, change: dict[str, Any], status: int, said: Any
) -> None:
    body = {"inbox_id": account, "contact": {"phone_number": "+966555555555"}, "message": _template()} | change

    answer = developer("POST", "messages", body)

    assert answer.status_code == status
    assert answer.json() == said or (said is None and set(answer.json()) == {"message", "attributes"})
    assert not Persona.objects.exists()
    assert not Message.objects.exists()


def test_a_contact_without_a_number_gets_no_template(
    developer: Api, api: Api, account: int, sender: User, template: Template
) -> None:
    contact_id = api("POST", "contacts", {"email": "rina@example.org"}).json()["payload"]["contact"]["id"]
    body = {"inbox_id": account, "contact": {"contact_id": contact_id}, "message": _template()}

    answer = developer("POST", "messages", body)

    assert (answer.status_code, answer.json()) == (
        422, {"message": "Contact has no phone number.", "attributes": ["contact.contact_id"]},
    )  # fmt: skip
    assert not Topic.objects.exists()


def test_nothing_is_kept_of_a_template_that_nobody_may_send(developer: Api, account: int, template: Template) -> None:
    """Without User Aliases; the persona and its conversation were made by then."""
    body = {"inbox_id": account, "contact": {"phone_number": "+966555555555"}, "message": _template()}

    answer = developer("POST", "messages", body)

    assert (answer.status_code, list(answer.json())) == (422, ["error"])
    assert not Persona.objects.exists()
    assert not Topic.objects.exists()
