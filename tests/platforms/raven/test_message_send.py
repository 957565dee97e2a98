"""`message:send`: the vendor's published table to the letter, the defaults of the token, and what is stored."""

from datetime import datetime
from typing import Any

import pytest

from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from messaging.models import Message, Recipient, Topic
from personas.models import Contact, Persona
from tests.platforms.raven.conftest import Api
from tokens.models import RequestLogEntry, Token, TokenAbility

pytestmark = pytest.mark.django_db


def _contact(key: str, type: str = "whatsapp") -> dict[str, str]:
    return {"type": type, "name": "Main", "key": key}


def test_the_vendors_example_body_is_sent(call: Api, body: dict[str, Any]) -> None:
    answer = call("message:send", body)

    message = Message.objects.get()
    assert answer.status_code == 200
    assert answer.json() == {"data": message.pk, "notification": "Chat Sent Successfully"}
    assert (message.text, message.sender_name, message.topic.name, message.topic.type) == (
        "Hello! This is a message from Raven 🚀",
        "your_username",
        "Test Message Bot",
        "persona",
    )
    assert message.request_id == answer["X-Request-Id"]
    recipient = message.recipients.get()
    assert recipient.contact is not None
    assert (recipient.persona.name, recipient.contact.normalized, recipient.contact.label, recipient.state) == (
        "Ginalne Official",
        "+6285174314159",
        "Main Contact",
        "waiting",
    )


@pytest.mark.parametrize(
    ("changes", "status", "notification", "path"),
    [
        (
            {"recipient": [{"name": "A", "contact": [_contact("+628111111111")]}, {"name": "B", "contact": []}]},
            400,
            "Persona Topic-type recipients are only allowed one.",
            "recipient",
        ),
        (
            {
                "topic": {"type": "group", "name": "Team"},
                "recipient": [{"name": "A", "contact": []}, {"name": "B", "contact": []}],
            },
            400,
            "Group as recipients are only allowed one.",
            "recipient",
        ),
        (
            {
                "topic": {"type": "mass", "name": "News"},
                "recipient": [{"name": "A", "contact": [_contact("+628111111111")]}, {"name": "B", "contact": []}],
            },
            400,
            "The Recipient index 1 must have at least one contact.",
            "recipient[1].contact",
        ),
        (
            {"recipient": [{"name": "A", "contact": [_contact("+628111111111"), _contact("x", "carrier_pigeon")]}]},
            400,
            "Invalid ContactType at recipient index 0 and contact index 1.",
            "recipient[0].contact[1].type",
        ),
        ({"username": "nobody"}, 404, "User is not found!", "username"),
        ({"recipient": []}, 404, "Recipients must have at least one.", "recipient"),
        ({"topic": {"type": "party", "name": "X"}}, 404, "Topic Type is invalid!", "topic.type"),
        ({"topic": {"name": "X"}}, 404, "Topic Type is invalid!", "topic.type"),
    ],
)
def test_a_published_error_has_its_exact_text_and_status(
    call: Api, body: dict[str, Any], changes: dict[str, Any], status: int, notification: str, path: str
) -> None:
    answer = call("message:send", body | changes)

    said = answer.json()
    assert (answer.status_code, said["notification"]) == (status, notification)
    assert (said["data"], said["errors"][0]["path"]) == (None, path)
    assert said["request_id"] == answer["X-Request-Id"]
    assert (Message.objects.count(), Persona.objects.count(), Topic.objects.count()) == (0, 0, 0)


def test_a_missing_recipient_list_is_an_empty_one(call: Api, body: dict[str, Any]) -> None:
    del body["recipient"]

    answer = call("message:send", body)

    assert (answer.status_code, answer.json()["notification"]) == (404, "Recipients must have at least one.")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"message": 5}, "message"),
        ({"message": ""}, "message"),
        ({"message": "x" * 4097}, "message"),
        ({"recipient": {}}, "recipient"),
        ({"recipient": [{"name": "n" * 256, "contact": []}]}, "recipient[0].name"),
        ({"recipient": [{"name": "A", "contact": [{"type": "phone"}]}]}, "recipient[0].contact[0].key"),
        ({"topic": {"type": "persona", "name": "t" * 256}}, "topic.name"),
        ({"recipient": [{"name": "A", "contact": [_contact("12")]}]}, "recipient[0].contact[0].key"),
        ({"recipient": [{"name": "A", "contact": [_contact("x", "email")]}]}, "recipient[0].contact[0].key"),
        ({"colour": "blue"}, "colour"),
        ({"topic": {"type": "persona", "name": "T", "colour": "blue"}}, "topic.colour"),
    ],
)
def test_a_wrong_body_is_refused_with_the_place_and_nothing_is_saved(
    call: Api, body: dict[str, Any], changes: dict[str, Any], path: str
) -> None:
    answer = call("message:send", body | changes)

    said = answer.json()
    assert (answer.status_code, said["errors"][0]["path"]) == (400, path)
    assert said["errors"][0]["message"]
    assert (Message.objects.count(), Persona.objects.count(), Topic.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b'{"message": "\xff"}', b'{"message":' + b"[" * 50_000, b'{"message": "\\ud800"}'],
)
def test_a_body_that_is_no_json_object_is_refused(client: Any, secret: str, sender: User, raw: bytes) -> None:
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    answer = client.generic("POST", "/raven/xapi/v1/message:send", raw, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "body_invalid")


def test_a_null_character_is_refused(call: Api, body: dict[str, Any]) -> None:
    answer = call("message:send", body | {"message": "a\0b"})

    assert (answer.status_code, answer.json()["code"]) == (400, "body_invalid")


def test_the_alias_and_the_anchor_stand_in_for_what_a_call_leaves_out(
    call: Api, body: dict[str, Any], token: Token, sender: User, workspace: Workspace
) -> None:
    anchor = Topic.objects.create(workspace=workspace, type="mass", name="Announcements")
    Token.objects.filter(pk=token.pk).update(topic_anchor=anchor, user_alias=sender)
    del body["username"], body["topic"]
    body["recipient"].append({"name": "Second", "contact": [_contact("+628123456789")]})

    answer = call("message:send", body)

    message = Message.objects.get()
    assert answer.status_code == 200
    assert (message.topic, message.sender_user, message.recipients.count()) == (anchor, sender, 2)


@pytest.mark.parametrize(("missing", "code"), [("username", "user_missing"), ("topic", "topic_missing")])
def test_nothing_named_and_no_default_says_what_to_set(
    call: Api, body: dict[str, Any], missing: str, code: str
) -> None:
    del body[missing]

    answer = call("message:send", body)

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_an_alias_who_left_the_workspace_is_not_found(
    call: Api, body: dict[str, Any], token: Token, sender: User
) -> None:
    Token.objects.filter(pk=token.pk).update(user_alias=sender)
    Membership.objects.filter(user=sender).delete()
    del body["username"]

    answer = call("message:send", body)

    assert (answer.status_code, answer.json()["notification"]) == (404, "User is not found!")


def test_a_user_of_another_workspace_is_not_found(call: Api, body: dict[str, Any], other_workspace: Workspace) -> None:
    stranger = User.objects.create_user("stranger")
    Membership.objects.create(workspace=other_workspace, user=stranger, role=Role.ADMIN)

    answer = call("message:send", body | {"username": "stranger"})

    assert (answer.status_code, answer.json()["notification"]) == (404, "User is not found!")


def test_a_new_topic_needs_topic_add_and_an_existing_one_does_not(
    call: Api, body: dict[str, Any], token: Token
) -> None:
    assert call("message:send", body).status_code == 200
    TokenAbility.objects.filter(token=token, key="topic_add").delete()

    existing = call("message:send", body)
    new = call("message:send", body | {"topic": {"type": "persona", "name": "Another"}})

    assert existing.status_code == 200
    assert (new.status_code, new.json()["code"]) == (403, "ability_missing")
    assert "topic_add" in new.json()["notification"]
    assert Topic.objects.count() == 1
    assert RequestLogEntry.objects.latest("id").ability == "topic_add"


def test_a_message_for_a_new_topic_is_noted_as_a_use_of_topic_add(
    call: Api, body: dict[str, Any], token: Token, now: datetime
) -> None:
    noted = TokenAbility.objects.filter(token=token).exclude(used_within_at=None)
    call("message:send", body)
    first = list(noted.values_list("key", "used_within_at"))
    TokenAbility.objects.update(used_within_at=None)

    call("message:send", body)

    assert first == [("topic_add", now)]
    assert not noted.exists()


def test_the_same_person_in_another_notation_is_the_same_persona(call: Api, body: dict[str, Any]) -> None:
    call("message:send", body)
    body["recipient"][0] = {"name": "Somebody", "contact": [_contact("0851-7431-4159")]}

    answer = call("message:send", body)

    assert answer.status_code == 200
    assert (Persona.objects.count(), Contact.objects.count(), Recipient.objects.count()) == (1, 1, 2)
    assert Persona.objects.get().name == "Ginalne Official"


def test_two_people_may_each_have_a_topic_of_the_same_name(call: Api, body: dict[str, Any]) -> None:
    call("message:send", body)
    body["recipient"][0] = {"name": "Other", "contact": [_contact("+628123456789")]}

    answer = call("message:send", body)

    assert answer.status_code == 200
    assert Topic.objects.filter(name="Test Message Bot").count() == 2


def test_contacts_of_two_personas_in_one_recipient_are_refused_with_both_names(call: Api, body: dict[str, Any]) -> None:
    call("message:send", body)
    body["recipient"][0] = {"name": "Other", "contact": [_contact("+628123456789")]}
    call("message:send", body)
    body["recipient"][0]["contact"].append(_contact("+6285174314159"))

    answer = call("message:send", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "recipient_ambiguous")
    assert "Ginalne Official" in answer.json()["notification"]
    assert "Other" in answer.json()["notification"]


def test_one_person_named_twice_is_refused(call: Api, body: dict[str, Any]) -> None:
    body["topic"] = {"type": "mass", "name": "News"}
    body["recipient"].append({"name": "Again", "contact": [_contact("0851 7431 4159")]})

    answer = call("message:send", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "recipient_repeated")
    assert Persona.objects.count() == 0


def test_a_known_person_gets_the_new_contact_a_call_names(call: Api, body: dict[str, Any]) -> None:
    call("message:send", body)
    body["recipient"][0]["contact"].append(_contact("Ginalne@Example.org", "email"))

    answer = call("message:send", body)

    assert answer.status_code == 200
    assert sorted(Contact.objects.values_list("normalized", flat=True)) == ["+6285174314159", "ginalne@example.org"]
    assert Persona.objects.count() == 1


def test_more_recipients_than_allowed_are_refused(call: Api, body: dict[str, Any]) -> None:
    body["topic"] = {"type": "mass", "name": "News"}
    body["recipient"] = [{"name": "", "contact": [{"type": "other", "key": str(n)}]} for n in range(1001)]

    answer = call("message:send", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "recipients_too_many")


def test_a_large_mass_message_costs_no_query_per_recipient(
    call: Api, body: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    body["topic"] = {"type": "mass", "name": "News"}
    body["recipient"] = [{"name": "", "contact": [{"type": "other", "key": str(n)}]} for n in range(300)]

    with django_assert_max_num_queries(40):
        answer = call("message:send", body)

    assert answer.status_code == 200
    assert Recipient.objects.count() == 300


def test_the_call_is_in_the_log_in_the_same_transaction(call: Api, body: dict[str, Any], token: Token) -> None:
    answer = call("message:send", body)

    entry = RequestLogEntry.objects.get()
    assert (entry.request_id, entry.token_id, entry.workspace_id) == (
        answer["X-Request-Id"],
        token.pk,
        token.workspace_id,
    )
    assert (entry.ability, entry.method, entry.path, entry.status, entry.code) == (
        "message_send",
        "POST",
        "/raven/xapi/v1/message:send",
        200,
        "",
    )
    assert "Ginalne Official" in entry.request_body
    assert "Chat Sent Successfully" in entry.response_body
