"""Conversations and messages: our topics with one person, in Chatwoot's words."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User, Workspace
from delivery.models import Event
from messaging.models import Message, Topic
from messaging.refusals import TopicNotFound
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import Contact, Origin, Persona
from personas.services import PersonaDraft, add_persona, get_persona, update_persona
from platforms.bevatel.server.common import conversation_data, conversations_data
from platforms.bevatel.server.sessions import contact_to_reach, session_of
from platforms.models import ContactSession
from tests.platforms.bevatel.conftest import Api
from tokens.models import RequestLogEntry, Token, TokenAbility

pytestmark = pytest.mark.django_db

NOT_FOUND = {"error": "Resource could not be found"}
FORM = "multipart/form-data; boundary=x"
NOT_ALLOWED = {"error": "You are not authorized to do this action"}


def _ids(answer: Any) -> list[int]:
    return [conversation["id"] for conversation in answer.json()["data"]["payload"]]


def test_a_session_leads_to_conversations_with_its_contact(api: Api, contact: dict[str, Any], account: int) -> None:
    source_id = contact["contact_inbox"]["source_id"]

    first = api("POST", "conversations", {"source_id": source_id})
    # As published clients write it: all three, the inbox as text.
    second = api(
        "POST",
        "conversations",
        {"source_id": source_id, "inbox_id": str(account), "contact_id": contact["contact"]["id"]},
    )

    assert (first.status_code, second.status_code) == (200, 200)
    assert [answer.json()["meta"]["sender"]["id"] for answer in (first, second)] == [contact["contact"]["id"]] * 2
    topics = Topic.objects.order_by("pk").values_list("pk", "type", "name", "status")
    assert list(topics) == [
        (first.json()["id"], "persona", "Conversation 1", "open"),
        (second.json()["id"], "persona", "Conversation 2", "open"),
    ]
    assert Event.objects.filter(kind="conversation.created").count() == 2


@pytest.mark.parametrize("has_session", [True, False])
def test_a_conversation_may_name_the_contact_instead(api: Api, account: int, has_session: bool) -> None:
    body = {"name": "Rina"} | ({"inbox_id": account} if has_session else {})
    contact_id = api("POST", "contacts", body).json()["payload"]["contact"]["id"]

    answer = api("POST", "conversations", {"contact_id": contact_id, "inbox_id": account})

    assert (answer.status_code, answer.json()["meta"]["sender"]["id"]) == (200, contact_id)
    assert ContactSession.objects.filter(persona=contact_id).count() == 1


def test_a_conversation_may_bring_the_source_id_of_a_new_session(api: Api, contact: dict[str, Any]) -> None:
    answer = api("POST", "conversations", {"contact_id": contact["contact"]["id"], "source_id": "till-4"})

    assert answer.status_code == 200
    assert ContactSession.objects.get(source_id="till-4").persona_id == contact["contact"]["id"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 404, NOT_FOUND),
        ({"source_id": "nobody's"}, 404, NOT_FOUND),
        ({"contact_id": 2**62}, 404, NOT_FOUND),
        ({"contact_id": "999999999999999999"}, 404, NOT_FOUND),
        ({"source_id": "{source_id}", "inbox_id": 7}, 404, NOT_FOUND),
        ({"source_id": "{source_id}", "status": "snoozed"}, 422,
         {"message": "Status snoozed is not supported. Supported are: open, pending, resolved.",
          "attributes": ["status"]}),
        ({"source_id": "{source_id}", "snoozed_until": "2030-07-21T17:32:28Z"}, 422, None),
        ({"source_id": "{source_id}", "message": {"content": ""}}, 422, None),
        ({"source_id": "{source_id}", "message": {"content": "x" * 4097}}, 422, None),
        ({"source_id": "{source_id}", "message": {"content": "x", "template_params": {"name": "y"}}}, 422,
         {"message": "Template params are not supported here: send templates by /developer/api/v1/messages.",
          "attributes": ["message.template_params"]}),
        ({"source_id": "{source_id}", "message": "x"}, 422, None),
        ({"source_id": 5}, 422, None),
        ({"source_id": "{source_id}", "colour": "red"}, 422,
         {"message": "Object contains unknown field `colour`", "attributes": ["colour"]}),
    ],
)  # fmt: skip
def test_conversation_create_refuses(
    api: Api, contact: dict[str, Any], sender: User, body: dict[str, Any], status: int, said: dict[str, Any] | None
) -> None:
    source_id = contact["contact_inbox"]["source_id"]
    body = {key: source_id if value == "{source_id}" else value for key, value in body.items()}

    answer = api("POST", "conversations", body)

    assert answer.status_code == status
    assert answer.json() == said or (said is None and set(answer.json()) == {"message", "attributes"})
    assert not Topic.objects.exists()


def test_the_session_of_another_contact_is_refused(api: Api, contact: dict[str, Any]) -> None:
    other = api("POST", "contacts", {"name": "Joko"}).json()["payload"]["contact"]["id"]

    answer = api("POST", "conversations", {"source_id": contact["contact_inbox"]["source_id"], "contact_id": other})

    assert (answer.status_code, answer.json()["attributes"]) == (422, ["source_id"])


@pytest.mark.parametrize("status", ["open", "pending", "resolved"])
def test_a_conversation_begins_with_a_status_and_a_message(
    api: Api, contact: dict[str, Any], sender: User, status: str
) -> None:
    body = {
        "source_id": contact["contact_inbox"]["source_id"],
        "status": status,
        "message": {"content": "Hello"},
        "assignee_id": 1,
        "team_id": 1,
        "additional_attributes": {"browser": "Chrome"},
        "custom_attributes": {"priority": 3},
    }

    shown = api("POST", "conversations", body).json()

    assert (shown["status"], shown["messages"][0]["content"], shown["messages"][0]["message_type"]) == (
        status, "Hello", 1,
    )  # fmt: skip
    assert Message.objects.get().recipients.get().address.normalized == "+6281200000101"


def test_a_first_message_needs_the_ability_to_send(
    api: Api, contact: dict[str, Any], sender: User, token: Token
) -> None:
    TokenAbility.objects.filter(token=token, key="message_send").delete()
    body = {"source_id": contact["contact_inbox"]["source_id"], "message": {"content": "Hello"}}

    answer = api("POST", "conversations", body)

    assert (answer.status_code, answer.json(), answer["Raven-Ability"]) == (401, NOT_ALLOWED, "message_send")
    assert not Topic.objects.exists()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"open"}),
        ("?status=all", {"open", "pending", "resolved"}),
        ("?status=pending", {"pending"}),
        ("?status=resolved&assignee_type=unassigned", {"resolved"}),
        ("?status=snoozed", set()),
        ("?status=all&assignee_type=me", set()),
        ("?status=all&assignee_type=assigned", set()),
        ("?status=all&q=ELEPHANT", {"pending"}),
        ("?status=all&q=mouse", set()),
        ("?status=all&inbox_id={account}", {"open", "pending", "resolved"}),
        ("?status=all&team_id=1", set()),
        ("?status=all&labels=vip", set()),
        ("?status=all&labels[]=vip", set()),
        ("?status=all&page=2", set()),
    ],
)
def test_conversation_list(
    api: Api, contact: dict[str, Any], account: int, sender: User, query: str, expected: set[str]
) -> None:
    source_id = contact["contact_inbox"]["source_id"]
    numbers = {}
    for status in ("open", "pending", "resolved"):
        content = "An elephant" if status == "pending" else "Hello"
        body = {"source_id": source_id, "status": status, "message": {"content": content}}
        numbers[api("POST", "conversations", body).json()["id"]] = status

    answer = api("GET", f"conversations{query.format(account=account)}")

    assert {numbers[number] for number in _ids(answer)} == expected
    counts = answer.json()["data"]["meta"]
    assert (counts["mine_count"], counts["assigned_count"]) == (0, 0)
    assert counts["all_count"] == counts["unassigned_count"]


@pytest.mark.parametrize(("searched", "found"), [(2, 1), (1, 0), (3, 1)])
def test_search_looks_through_the_newest_messages_only(
    api: Api, contact: dict[str, Any], sender: User, monkeypatch: pytest.MonkeyPatch, searched: int, found: int
) -> None:
    source_id = contact["contact_inbox"]["source_id"]
    for content in ("An elephant", "Hello"):
        api("POST", "conversations", {"source_id": source_id, "message": {"content": content}})
    monkeypatch.setattr("platforms.bevatel.server.conversations.SEARCHED", searched)

    answer = api("GET", "conversations?status=all&q=elephant")

    assert (answer.status_code, len(_ids(answer))) == (200, found)


def test_conversations_come_newest_first_25_a_page(api: Api, contact: dict[str, Any]) -> None:
    source_id = contact["contact_inbox"]["source_id"]
    made = [api("POST", "conversations", {"source_id": source_id}).json()["id"] for _number in range(27)]

    first, second = (api("GET", f"conversations?page={page}") for page in (1, 2))

    assert _ids(first) + _ids(second) == made[::-1]
    assert (len(_ids(first)), first.json()["data"]["meta"]["all_count"]) == (25, 27)


def test_a_page_costs_as_many_queries_for_many_as_for_one(
    api: Api, django_assert_max_num_queries: Any, account: int, sender: User
) -> None:
    for number in range(6):
        contact_id = api("POST", "contacts", {"email": f"{number}@example.org"}).json()["payload"]["contact"]["id"]
        body = {"contact_id": contact_id, "message": {"content": "Hello"}}
        incoming = {"content": "Hi", "message_type": "incoming"}
        conversation = api("POST", "conversations", body).json()["id"]
        if number % 2:
            api("POST", f"conversations/{conversation}/messages", incoming)

    with django_assert_max_num_queries(20):
        answer = api("GET", "conversations")

    assert len(_ids(answer)) == 6


@pytest.mark.parametrize(
    "query",
    ["?status=closed", "?assignee_type=you", "?page=0", "?inbox_id=x", "?colour=red", "?status=open&status=all"],
)
def test_conversation_list_refuses(api: Api, query: str) -> None:
    answer = api("GET", f"conversations{query}")

    assert (answer.status_code, set(answer.json())) == (422, {"message", "attributes"})


@pytest.mark.parametrize(
    ("before", "body", "after"),
    [
        ("open", {"status": "resolved"}, "resolved"),
        ("open", {"status": "pending"}, "pending"),
        ("open", {"status": "open"}, "open"),
        ("resolved", {"status": "open"}, "open"),
        ("open", {}, "resolved"),
        ("open", None, "resolved"),
        ("pending", {}, "resolved"),
        ("resolved", {}, "open"),
        ("resolved", {"status": None}, "open"),
    ],
)
def test_toggle_status(api: Api, conversation: int, before: str, body: Any, after: str) -> None:
    Topic.objects.filter(pk=conversation).update(status=before)

    answer = api("POST", f"conversations/{conversation}/toggle_status", body)

    payload = {"success": True, "conversation_id": conversation, "current_status": after, "snoozed_until": None}
    assert (answer.status_code, answer.json()) == (200, {"payload": payload, "meta": {}})
    assert Topic.objects.get().status == after


@pytest.mark.parametrize("body", [{"status": "snoozed"}, {"status": ""}, {"status": 1}, {"snoozed_until": 1757506877}])
def test_toggle_status_refuses(api: Api, conversation: int, body: dict[str, Any]) -> None:
    answer = api("POST", f"conversations/{conversation}/toggle_status", body)

    assert (answer.status_code, set(answer.json())) == (422, {"message", "attributes"})
    assert Topic.objects.get().status == "open"


def test_an_outgoing_message_is_sent_to_the_contact_as_the_tokens_user(
    api: Api, conversation: int, sender: User
) -> None:
    answer = api("POST", f"conversations/{conversation}/messages", {"content": "Hello 🚀", "echo_id": "e-1"})

    shown = answer.json()
    assert (answer.status_code, shown["message_type"], shown["echo_id"]) == (200, 1, "e-1")
    assert (shown["sender"]["type"], shown["sender"]["name"]) == ("user", "Budi")
    message = Message.objects.get()
    assert (message.pk, message.text, message.direction, message.sender_user, message.topic_id) == (
        shown["id"], "Hello 🚀", "outgoing", sender, conversation,
    )  # fmt: skip
    assert [(r.address.type, r.address.normalized, r.state) for r in message.recipients.all()] == [
        ("whatsapp", "+6281200000101", "waiting")
    ]
    assert RequestLogEntry.objects.get(request_id=answer["X-Request-Id"]).ability == "message_send"


def test_an_incoming_message_is_the_contacts_and_opens_the_conversation(
    api: Api, conversation: int, contact: dict[str, Any]
) -> None:
    Topic.objects.filter(pk=conversation).update(status="resolved")

    answer = api("POST", f"conversations/{conversation}/messages", {"content": "Hi", "message_type": "incoming"})

    shown = answer.json()
    assert (answer.status_code, shown["message_type"]) == (200, 0)
    assert (shown["sender"]["type"], shown["sender"]["id"]) == ("contact", contact["contact"]["id"])
    message = Message.objects.get()
    assert (message.direction, message.sender_persona_id) == ("incoming", contact["contact"]["id"])
    assert Topic.objects.get().status == "open"
    assert RequestLogEntry.objects.get(request_id=answer["X-Request-Id"]).ability == "message_add"


@pytest.mark.parametrize(
    ("ability", "message_type"), [("message_send", "outgoing"), ("message_send", None), ("message_add", "incoming")]
)
def test_each_direction_has_its_ability(
    api: Api, conversation: int, sender: User, token: Token, ability: str, message_type: str | None
) -> None:
    other = {"message_send": "incoming", "message_add": "outgoing"}[ability]
    TokenAbility.objects.filter(token=token, key=ability).delete()
    address = f"conversations/{conversation}/messages"

    without = api("POST", address, {"content": "Hi", "message_type": message_type})
    with_it = api("POST", address, {"content": "Hi", "message_type": other})

    assert (without.status_code, without.json(), without["Raven-Ability"]) == (401, NOT_ALLOWED, ability)
    assert with_it.status_code == 200


@pytest.mark.parametrize(
    ("address", "type", "key"),
    [
        ({"phone_number": "+6281200000109", "email": "j@example.org"}, "whatsapp", "+6281200000109"),
        ({"identifier": "crm-18", "email": "j@example.org"}, "email", "j@example.org"),
        ({"identifier": "crm-18"}, "other", "crm-18"),
        ({}, "web_chat", "till-4"),
    ],
)
def test_a_message_goes_to_the_best_address_and_else_to_the_session(
    api: Api, account: int, sender: User, address: dict[str, str], type: str, key: str
) -> None:
    api("POST", "contacts", {"name": "Joko", "inbox_id": account, "source_id": "till-4", **address})
    conversation = api("POST", "conversations", {"source_id": "till-4"}).json()["id"]

    answers = [api("POST", f"conversations/{conversation}/messages", {"content": "Hello"}) for _time in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    for message in Message.objects.all():
        assert [(r.address.type, r.address.normalized) for r in message.recipients.all()] == [(type, key)]
    assert Persona.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, {"message": "Object missing required field `content`", "attributes": ["content"]}),
        ({"content": ""}, 422, None),
        ({"content": None}, 422, None),
        ({"content": "x" * 4097}, 422, None),
        ({"content": "x", "message_type": "template"}, 422, None),
        ({"content": "x", "message_type": 0}, 422, None),
        ({"content": "x", "private": True}, 422,
         {"message": "Private notes are not supported: this would be sent to the contact.", "attributes": ["private"]}),
        ({"content": "x", "private": "false"}, 422, None),
        ({"content": "x", "content_type": "cards"}, 422, None),
        ({"content": "x", "attachments": ["a.png"]}, 422,
         {"message": "Attachments are not supported: send text.", "attributes": ["attachments"]}),
        ({"content": "x", "template_params": {"name": "order_ready"}}, 422,
         {"message": "Template params are not supported here: send templates by /developer/api/v1/messages.",
          "attributes": ["template_params"]}),
        ({"content": "x", "colour": "red"}, 422,
         {"message": "Object contains unknown field `colour`", "attributes": ["colour"]}),
        (["x"], 400, None),
    ],
)  # fmt: skip
def test_message_create_refuses(
    api: Api, conversation: int, sender: User, body: Any, status: int, said: dict[str, Any] | None
) -> None:
    answer = api("POST", f"conversations/{conversation}/messages", body)

    assert answer.status_code == status
    assert answer.json() == said or said is None
    assert not Message.objects.exists()


def test_the_members_that_are_not_kept_do_no_harm(api: Api, conversation: int, sender: User) -> None:
    body = {
        "content": "Hello", "private": False, "content_type": "text", "content_attributes": {"in_reply_to": 5},
        "attachments": [], "template_params": {}, "source_id": "wamid.1", "campaign_id": 3, "echo_id": None,
        "external_created_at": 1757506877, "source_reply_id": None,
    }  # fmt: skip

    answer = api("POST", f"conversations/{conversation}/messages", body)

    assert (answer.status_code, "echo_id" in answer.json()) == (200, False)


@pytest.mark.parametrize("alias", ["none", "left"])
def test_without_a_user_nothing_is_sent(api: Api, conversation: int, token: Token, sender: User, alias: str) -> None:
    if alias == "none":
        Token.objects.filter(pk=token.pk).update(user_alias=None)
    else:
        sender.memberships.all().delete()

    answer = api("POST", f"conversations/{conversation}/messages", {"content": "Hello"})

    assert (answer.status_code, list(answer.json())) == (422, ["error"])
    assert "User Aliases" in answer.json()["error"]
    assert not Message.objects.exists()


def test_messages_are_listed_in_their_order_around_those_one_names(api: Api, conversation: int, sender: User) -> None:
    address = f"conversations/{conversation}/messages"
    made = [api("POST", address, {"content": str(n), "message_type": "incoming"}).json()["id"] for n in range(45)]
    middle = made[30]

    listed = {
        query: [message["id"] for message in api("GET", f"{address}{query}").json()["payload"]]
        for query in ("", f"?before={middle}", f"?after={middle}", f"?after={made[1]}&before={middle}", "?before=0")
    }

    assert list(listed.values()) == [made[25:], made[10:30], made[31:], made[2:30], []]


@pytest.mark.parametrize("query", ["?before=x", "?after=-1", "?page=2"])
def test_message_list_refuses(api: Api, conversation: int, query: str) -> None:
    answer = api("GET", f"conversations/{conversation}/messages{query}")

    assert (answer.status_code, set(answer.json())) == (422, {"message", "attributes"})


def test_a_contacts_conversations_are_listed(api: Api, contact: dict[str, Any], conversation: int) -> None:
    other = api("POST", "contacts", {"name": "Joko"}).json()["payload"]["contact"]["id"]

    of_contact, of_other = (
        [shown["id"] for shown in api("GET", f"contacts/{number}/conversations").json()["payload"]]
        for number in (contact["contact"]["id"], other)
    )

    assert (of_contact, of_other) == ([conversation], [])


def test_a_personas_sessions_go_with_it(api: Api, contact: dict[str, Any]) -> None:
    Persona.objects.all().delete()

    answer = api("POST", "conversations", {"source_id": contact["contact_inbox"]["source_id"]})

    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    assert not Contact.objects.exists()


def test_a_contact_that_is_deleted_meanwhile_gets_no_conversation(
    api: Api, monkeypatch: pytest.MonkeyPatch, contact: dict[str, Any]
) -> None:
    def delete_first(**given: Any) -> ContactSession:
        session = session_of(**given)
        Persona.objects.all().delete()
        return session

    monkeypatch.setattr("platforms.bevatel.server.conversations.session_of", delete_first)

    answer = api("POST", "conversations", {"contact_id": contact["contact"]["id"]})

    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


def test_a_conversation_whose_contact_is_deleted_while_it_is_listed_is_left_out(
    api: Api, workspace: Workspace, contact: dict[str, Any]
) -> None:
    api("POST", "conversations", {"contact_id": contact["contact"]["id"]})
    read = list(Topic.objects.all())
    Persona.objects.all().delete()

    assert conversations_data(read, workspace) == []
    with pytest.raises(TopicNotFound):
        conversation_data(read[0], workspace)


def test_an_address_that_somebody_gets_meanwhile_leaves_the_message_at_the_session(
    workspace: Workspace,
) -> None:
    cause = Cause(origin=Origin.TOKEN, actor_label="token Shop", at=timezone.now())
    seen = add_persona(workspace=workspace, draft=PersonaDraft("Maya"), cause=cause)
    seen = get_persona(workspace_id=workspace.pk, persona_id=seen.pk)
    email = ContactDraft("email", "maya@example.org")
    update_persona(workspace=workspace, persona_id=seen.pk, contacts=[email], cause=cause)

    reached = contact_to_reach(workspace=workspace, persona=seen, cause=cause)

    assert reached.type == "web_chat"


def _form(**members: str | bytes) -> tuple[bytes, str]:
    """As multipart/form-data, with its media type; what is bytes is a file."""
    parts = []
    for name, value in members.items():
        is_file = isinstance(value, bytes)
        file_name = '; filename="picture.png"' if is_file else ""
        content = value if isinstance(value, bytes) else value.encode()
        parts.append(f'--x\r\nContent-Disposition: form-data; name="{name}"{file_name}\r\n\r\n'.encode() + content)
    return b"\r\n".join([*parts, b"--x--\r\n"]), FORM


@pytest.fixture
def send_form(client: Client, secret: str, api: Api, account: int, contact: dict[str, Any], sender: User) -> Api:
    """Posts a message of these members to a conversation."""
    conversation = api("POST", "conversations", {"contact_id": contact["contact"]["id"]}).json()["id"]
    address = f"/bevatel/api/v1/accounts/{account}/conversations/{conversation}/messages"

    def sending(body: bytes, media_type: str) -> Any:
        return client.generic("POST", address, body, content_type=media_type, headers={"api_access_token": secret})

    return sending


def test_a_message_may_come_as_a_form_as_published_clients_send_it(send_form: Api) -> None:
    answer = send_form(
        *_form(content="12 é {}", message_type="outgoing", private="false", content_attributes="{}", echo_id="7")
    )

    assert (answer.status_code, answer.json()["content"], answer.json()["echo_id"]) == (200, "12 é {}", "7")
    assert Message.objects.get().text == "12 é {}"


@pytest.mark.parametrize(
    ("form", "status", "field"),
    [
        (_form(content="Hi", **{"attachments[]": b"\x89PNG"}), 422, ["attachments"]),
        (_form(content="Hi", private="true"), 422, ["private"]),
        (_form(content="Hi", nothing="x"), 422, ["nothing"]),
        (_form(message_type="outgoing"), 422, ["content"]),
        (_form(content="a\0b"), 422, ["content"]),
        (_form(content="x" * 4097), 422, ["content"]),
        (_form(content="Hi", template_params="[" * 10_000), 422, ["template_params"]),
        ((_form(content="Hi")[0].removesuffix(b"--x--\r\n") + _form(content="Ho")[0], FORM), 422, ["content"]),
        ((b"\xff", "multipart/form-data"), 400, None),
        ((_form(content="Hi")[0].replace(b"Hi", b"\xff"), FORM), 400, None),
        ((b"content=Hi", "application/x-www-form-urlencoded"), 415, None),
    ],
)
def test_a_form_that_is_no_message_is_refused(send_form: Api, form: tuple[bytes, str], status: int, field: Any) -> None:
    answer = send_form(*form)

    assert (answer.status_code, answer.json().get("attributes")) == (status, field)
    assert Message.objects.count() == 0


def test_a_token_in_a_form_is_refused_and_not_logged(send_form: Api, secret: str) -> None:
    answer = send_form(*_form(content=f"My token is {secret}"))

    assert answer.json() == {
        "error": "The body contains an API token. Tokens are never stored or sent on: take it out."
    }
    assert not RequestLogEntry.objects.filter(request_body__contains=secret).exists()
