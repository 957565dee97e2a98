"""Messages that people write, topics, conversations and templates over Raven's API."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, Workspace
from delivery.models import Event
from messaging.models import Message, Recipient, Template, Topic
from personas.history import Cause
from personas.models import Contact, Origin, Persona
from personas.services import update_persona
from tests.platforms.raven.conftest import Api, refused
from tokens.models import Token, TokenAbility

pytestmark = pytest.mark.django_db

Derive = Callable[..., str]
PETER = {"name": "Peter", "contact": [{"type": "whatsapp", "key": "+628123456789"}]}


@pytest.fixture
def peter(workspace: Workspace) -> Persona:
    return _persona(workspace, "Peter", "+628123456789")


@pytest.fixture
def mary(workspace: Workspace) -> Persona:
    return _persona(workspace, "Mary", "+628777777777")


@pytest.fixture
def news(workspace: Workspace, token: Token) -> Topic:
    """The token's Topic Anchor."""
    topic = Topic.objects.create(workspace=workspace, type="mass", name="News")
    Token.objects.filter(pk=token.pk).update(topic_anchor=topic)
    return topic


@pytest.fixture
def theirs(other_workspace: Workspace) -> Topic:
    """A topic of a workspace that is not the token's."""
    return Topic.objects.create(workspace=other_workspace, type="mass", name="Theirs")


def _persona(workspace: Workspace, name: str, key: str) -> Persona:
    persona = Persona.objects.create(workspace=workspace, name=name)
    Contact.objects.create(workspace=workspace, persona=persona, type="whatsapp", key=key, normalized=key)
    return persona


def _topic(persona: Persona, name: str = "Order 17", type: str = "persona") -> Topic:
    return Topic.objects.create(workspace=persona.workspace, type=type, name=name, persona=persona)


# ---------------------------------------- message:add


def test_an_added_message_stands_in_the_anchor_with_the_persona_as_sender(
    call: Api, peter: Persona, news: Topic
) -> None:
    answer = call("message:add", {"persona": peter.pk, "message": "Where is my order? 🚀"})

    message = Message.objects.get()
    assert answer.json() == {"data": message.pk, "notification": "Message Added Successfully"}
    assert (message.topic, message.direction, message.sender_persona, message.sender_name, message.text) == (
        news, "incoming", peter, "Peter", "Where is my order? 🚀",
    )  # fmt: skip
    assert (message.sender_user, message.request_id) == (None, answer["X-Request-Id"])
    event = Event.objects.get()
    assert (event.kind, event.data) == (
        "message.received",
        {"message": message.pk, "topic": news.pk, "request_id": answer["X-Request-Id"]},
    )


def test_an_added_message_may_name_its_topic(call: Api, peter: Persona) -> None:
    body = {"persona": peter.pk, "message": "Hi", "topic": {"type": "persona", "name": "Order 17"}}
    call("message:add", body)

    call("message:add", body)

    topic = Topic.objects.get()
    assert (topic.persona, topic.name, topic.messages.count()) == (peter, "Order 17", 2)
    assert [event.kind for event in Event.objects.order_by("id")] == [
        "conversation.created",
        "message.received",
        "message.received",
    ]


def test_a_new_topic_of_an_added_message_needs_topic_add(call: Api, peter: Persona, token: Token) -> None:
    TokenAbility.objects.filter(token=token, key="topic_add").delete()

    answer = call("message:add", {"persona": peter.pk, "message": "Hi", "topic": {"type": "mass", "name": "New"}})

    assert refused(answer)[:2] == (403, "ability_missing")
    assert "topic_add" in answer.json()["notification"]
    assert (Topic.objects.count(), Message.objects.count()) == (0, 0)


def test_an_added_message_opens_a_resolved_topic(call: Api, peter: Persona) -> None:
    topic = _topic(peter)
    Topic.objects.update(status="resolved")

    call("message:add", {"persona": peter.pk, "message": "Hi", "topic": {"type": "persona", "name": topic.name}})

    topic.refresh_from_db()
    assert topic.status == "open"


@pytest.mark.parametrize(
    ("changes", "status", "code", "path"),
    [
        ({"topic": None}, 400, "topic_missing", "topic"),
        ({"topic": {"type": "party", "name": "X"}}, 404, "topic_type_invalid", "topic.type"),
        ({"topic": {"type": "mass", "name": ""}}, 400, "body_invalid", "topic.name"),
        ({"topic": {"type": "mass", "name": "x" * 256}}, 400, "body_invalid", "topic.name"),
        ({"topic": {"type": "mass"}}, 400, "body_invalid", "topic.name"),
        ({"topic": []}, 400, "body_invalid", "topic"),
        ({"message": ""}, 400, "body_invalid", "message"),
        ({"message": "x" * 4097}, 400, "body_invalid", "message"),
        ({"message": None}, 400, "body_invalid", "message"),
        ({"persona": 0}, 400, "body_invalid", "persona"),
        ({"persona": 2**70}, 400, "body_invalid", "persona"),
        ({"persona": 2**63 - 1}, 404, "persona_not_found", ""),
        ({"username": "x"}, 400, "body_invalid", "username"),
    ],
)
def test_a_wrong_added_message_is_refused_and_nothing_is_saved(
    call: Api, peter: Persona, changes: dict[str, Any], status: int, code: str, path: str
) -> None:
    body = {"persona": peter.pk, "message": "Hi", "topic": {"type": "mass", "name": "New"}} | changes

    assert refused(call("message:add", body)) == (status, code, path)
    assert (Message.objects.count(), Topic.objects.count(), Event.objects.count()) == (0, 0, 0)


def test_a_persona_of_another_workspace_writes_nothing(call: Api, news: Topic, other_workspace: Workspace) -> None:
    stranger = _persona(other_workspace, "Stranger", "+628111111111")

    assert refused(call("message:add", {"persona": stranger.pk, "message": "Hi"}))[:2] == (404, "persona_not_found")


def test_a_topic_of_another_workspace_with_that_name_is_another_topic(call: Api, peter: Persona, theirs: Topic) -> None:
    call("message:add", {"persona": peter.pk, "message": "Hi", "topic": {"type": "mass", "name": "Theirs"}})

    assert theirs.messages.count() == 0
    assert Topic.objects.exclude(pk=theirs.pk).get().workspace == peter.workspace


def test_bounds_hold_for_added_messages(call: Api, derive: Derive, peter: Persona, mary: Persona, news: Topic) -> None:
    other = Topic.objects.create(workspace=peter.workspace, type="mass", name="Other")
    hi = {"message": "Hi"}
    to_other = {"topic": {"type": "mass", "name": "Other"}}
    of_peter, of_news, of_other = derive(persona=peter.pk), derive(topic=news.pk), derive(topic=other.pk)

    let_in = [
        call("message:add", {"persona": peter.pk} | hi, token=of_peter),
        call("message:add", {"persona": mary.pk} | hi, token=of_news),
        call("message:add", {"persona": mary.pk} | hi | to_other, token=of_other),
    ]
    kept_out = [
        call("message:add", {"persona": mary.pk} | hi, token=of_peter),
        call("message:add", {"persona": peter.pk} | hi | to_other, token=of_news),
        call("message:add", {"persona": peter.pk} | hi, token=of_other),
    ]

    assert [answer.status_code for answer in let_in] == [200, 200, 200]
    assert [refused(answer)[:2] for answer in kept_out] == [(403, "token_bound")] * 3
    assert Message.objects.count() == 3


# ---------------------------------------- message:send, within bounds and out of measure


def test_bounds_hold_for_sent_messages(
    call: Api, derive: Derive, body: dict[str, Any], peter: Persona, mary: Persona, sender: User
) -> None:
    topic = _topic(peter)
    to_peter = body | {"recipient": [PETER], "topic": {"type": "persona", "name": topic.name}}
    to_mary = body | {"recipient": [{"contact": [{"type": "whatsapp", "key": "+628777777777"}]}]}
    to_new = body | {"recipient": [{"name": "New", "contact": [{"type": "whatsapp", "key": "+628999999999"}]}]}

    let_in = [call("message:send", to_peter, token=derive(persona=peter.pk))]
    let_in.append(call("message:send", to_peter, token=derive(topic=topic.pk)))
    kept_out = [
        call("message:send", to_mary, token=derive(persona=peter.pk)),
        call("message:send", to_new, token=derive(persona=peter.pk)),
        call("message:send", to_mary, token=derive(topic=topic.pk)),
    ]

    assert [answer.status_code for answer in let_in] == [200, 200]
    assert [refused(answer)[:2] for answer in kept_out] == [(403, "token_bound")] * 3
    assert (Message.objects.count(), Persona.objects.count(), Topic.objects.count()) == (2, 2, 1)


def test_ten_thousand_recipients_are_refused(call: Api, body: dict[str, Any]) -> None:
    mass = body | {"topic": {"type": "mass", "name": "News"}}
    empty = call("message:send", mass | {"recipient": [{}] * 10_000})
    real = call("message:send", mass | {"recipient": [PETER] * 10_000})

    assert refused(empty) == (400, "recipients_too_many", "recipient")
    assert refused(real)[:2] == (413, "body_too_large")
    assert (Message.objects.count(), Persona.objects.count()) == (0, 0)


def test_ten_thousand_contacts_of_one_recipient_are_no_500(call: Api, body: dict[str, Any]) -> None:
    contacts = [{"type": "x", "key": "1"}] * 9_000

    answer = call("message:send", body | {"recipient": [{"contact": contacts}]})

    assert refused(answer) == (400, "contact_type_invalid", "recipient[0].contact[0].type")


# ---------------------------------------- topic:add


def test_a_mass_topic_is_added(call: Api, now: Any) -> None:
    answer = call("topic:add", {"name": "News", "type": "mass"})

    topic = Topic.objects.get()
    assert answer.json() == {
        "data": {
            "id": topic.pk,
            "type": "mass",
            "name": "News",
            "status": "open",
            "persona": None,
            "created_at": "2026-11-21T09:30:00Z",
            "updated_at": "2026-11-21T09:30:00Z",
        },
        "notification": "Topic Added Successfully",
    }
    assert (Event.objects.get().kind, Event.objects.get().data["topic"]) == ("conversation.created", topic.pk)


@pytest.mark.parametrize("type", ["persona", "group"])
def test_a_topic_with_one_recipient_finds_or_makes_them(call: Api, peter: Persona, type: str) -> None:
    known = call("topic:add", {"name": "Order 17", "type": type, "recipient": [PETER]})
    new = call(
        "topic:add",
        {"name": "Order 17", "type": type, "recipient": [{"contact": [{"type": "line", "key": "Anna"}]}]},
    )

    assert known.json()["data"]["persona"] == peter.pk
    assert Persona.objects.get(pk=new.json()["data"]["persona"]).name == "Anna"


def test_a_topic_that_exists_is_409_and_says_which(call: Api, peter: Persona) -> None:
    topic = _topic(peter)

    answer = call("topic:add", {"name": "Order 17", "type": "persona", "recipient": [PETER]})
    group = call("topic:add", {"name": "Order 17", "type": "group", "recipient": [PETER]})

    assert refused(answer)[:2] == (409, "topic_exists")
    assert f"(topic {topic.pk})" in answer.json()["notification"]
    assert group.status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "code", "path"),
    [
        ({"name": ""}, 400, "body_invalid", "name"),
        ({"name": "x" * 256}, 400, "body_invalid", "name"),
        ({"type": "party"}, 404, "topic_type_invalid", "type"),
        ({"type": ""}, 404, "topic_type_invalid", "type"),
        ({"type": None}, 400, "body_invalid", "type"),
        ({"recipient": []}, 404, "recipients_missing", "recipient"),
        ({"recipient": [PETER, PETER]}, 400, "persona_topic_recipients_too_many", "recipient"),
        ({"type": "group", "recipient": [PETER, PETER]}, 400, "group_topic_recipients_too_many", "recipient"),
        ({"type": "mass"}, 400, "mass_topic_with_recipients", "recipient"),
        ({"recipient": [{"name": "A"}]}, 400, "recipient_without_contact", "recipient[0].contact"),
        (
            {"recipient": [{"contact": [{"type": "pigeon", "key": "1"}]}]},
            400, "contact_type_invalid", "recipient[0].contact[0].type",
        ),
        (
            {"recipient": [{"contact": [{"type": "phone", "key": "1"}]}]},
            400, "contact_key_invalid", "recipient[0].contact[0].key",
        ),
        ({"status": "open"}, 400, "body_invalid", "status"),
    ],
)  # fmt: skip
def test_a_wrong_topic_is_refused_and_nothing_is_saved(
    call: Api, changes: dict[str, Any], status: int, code: str, path: str
) -> None:
    body = {"name": "Order 17", "type": "persona", "recipient": [PETER]} | changes

    assert refused(call("topic:add", body)) == (status, code, path)
    assert (Topic.objects.count(), Persona.objects.count(), Event.objects.count()) == (0, 0, 0)


def test_a_bound_token_adds_no_topic(call: Api, derive: Derive, peter: Persona) -> None:
    answer = call("topic:add", {"name": "X", "type": "mass"}, token=derive(persona=peter.pk))

    assert refused(answer)[:2] == (403, "token_bound")


# ---------------------------------------- topic:status


def test_a_status_is_set_once_and_told_once(call: Api, peter: Persona) -> None:
    topic = _topic(peter)

    said = [call("topic:status", {"topic": topic.pk, "status": s}) for s in ("pending", "resolved", "resolved", "open")]

    assert [answer.json()["data"]["status"] for answer in said] == ["pending", "resolved", "resolved", "open"]
    assert [(event.data["old"], event.data["new"]) for event in Event.objects.order_by("id")] == [
        ("open", "pending"),
        ("pending", "resolved"),
        ("resolved", "open"),
    ]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"status": "snoozed"}, 400, "topic_status_invalid"),
        ({"status": ""}, 400, "topic_status_invalid"),
        ({"status": 1}, 400, "body_invalid"),
        ({"topic": 2**63 - 1}, 404, "topic_not_found"),
        ({"topic": 2**63}, 400, "body_invalid"),
        ({"topic": "News"}, 400, "body_invalid"),
        ({"note": "x"}, 400, "body_invalid"),
    ],
)
def test_a_wrong_status_is_refused(call: Api, peter: Persona, changes: dict[str, Any], status: int, code: str) -> None:
    topic = _topic(peter)

    assert refused(call("topic:status", {"topic": topic.pk, "status": "resolved"} | changes))[:2] == (status, code)
    topic.refresh_from_db()
    assert topic.status == "open"


def test_the_status_of_a_topic_elsewhere_stays(call: Api, theirs: Topic) -> None:
    answer = call("topic:status", {"topic": theirs.pk, "status": "resolved"})

    assert refused(answer)[:2] == (404, "topic_not_found")
    theirs.refresh_from_db()
    assert theirs.status == "open"


def test_bounds_hold_for_the_status(call: Api, derive: Derive, peter: Persona, mary: Persona, news: Topic) -> None:
    own, other = _topic(peter), _topic(mary)
    of_peter, of_topic = derive(persona=peter.pk), derive(topic=own.pk)

    def resolve(topic: Topic, token: str) -> Any:
        return call("topic:status", {"topic": topic.pk, "status": "resolved"}, token=token)

    kept_out = [resolve(topic, token) for topic in (other, news) for token in (of_peter, of_topic)]
    let_in = [resolve(own, token).status_code for token in (of_peter, of_topic)]

    assert [refused(answer)[:2] for answer in kept_out] == [(403, "token_bound")] * 4
    assert let_in == [200, 200]
    assert Topic.objects.filter(status="resolved").count() == 1


# ---------------------------------------- reading conversations


def _names(answer: Any) -> list[str]:
    return [topic["name"] for topic in answer.json()["data"]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["News", "Order 17", "Team", "Order 18"]),
        ("type=mass", ["News"]),
        ("type=persona", ["Order 17", "Order 18"]),
        ("type=group&status=resolved", ["Team"]),
        ("status=pending", []),
        ("persona={peter}", ["Order 17", "Team"]),
        ("persona=999999999", []),
        ("updated_since=2026-11-21T00:00:00Z", ["Order 18"]),
    ],
)
def test_the_topics_are_filtered(
    call: Api, peter: Persona, mary: Persona, theirs: Topic, now: Any, query: str, names: list[str]
) -> None:
    Topic.objects.create(workspace=peter.workspace, type="mass", name="News")
    _topic(peter)
    team = _topic(peter, "Team", "group")
    Topic.objects.filter(pk=team.pk).update(status="resolved")
    Topic.objects.update(updated_at="2026-11-20T00:00:00Z")
    _topic(mary, "Order 18")

    assert _names(call("topic?" + query.format(peter=peter.pk))) == names


@pytest.mark.parametrize(
    ("operation", "query", "path"),
    [
        (operation, query, path)
        for operation in ("topic", "topic/1/message", "template")
        for query, path in [
            ("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor"),
            ("colour=red", "colour"), ("limit=1&limit=2", "limit"), ("cursor=%00", ""),
        ]
    ]
    + [("topic", "type=party", "type"), ("topic", "status=asleep", "status"), ("topic", "persona=0", "persona")]
    + [("topic", f"persona={2**63}", "persona"), ("topic", "updated_since=now", "updated_since")],
)  # fmt: skip
def test_a_wrong_parameter_is_refused_by_its_name(call: Api, operation: str, query: str, path: str) -> None:
    assert refused(call(f"{operation}?{query}")) == (400, "query_invalid", path)


def test_bounds_hold_for_the_lists(call: Api, derive: Derive, peter: Persona, mary: Persona, news: Topic) -> None:
    own, other = _topic(peter), _topic(mary, "Order 18")
    of_peter, of_topic = derive(persona=peter.pk), derive(topic=own.pk)

    lists = [_names(call("topic", token=token)) for token in (of_peter, of_topic)]
    asked = [_names(call(f"topic?persona={mary.pk}", token=token)) for token in (of_peter, of_topic)]
    let_in = [call(f"topic/{own.pk}/message", token=token).status_code for token in (of_peter, of_topic)]
    kept_out = [call(f"topic/{t.pk}/message", token=s) for t in (other, news) for s in (of_peter, of_topic)]

    assert (lists, asked, let_in) == ([["Order 17"], ["Order 17"]], [[], []], [200, 200])
    assert [refused(answer)[:2] for answer in kept_out] == [(403, "token_bound")] * 4


def test_messages_are_read_in_their_order_with_their_recipients(call: Api, body: dict[str, Any], now: Any) -> None:
    sent = call("message:send", body).json()["data"]
    persona, topic = Persona.objects.get(), Topic.objects.get()
    added = call("message:add", {"persona": persona.pk, "message": "Thanks", "topic": body["topic"]}).json()["data"]

    answer = call(f"topic/{topic.pk}/message")

    assert answer.json() == {
        "data": [
            {
                "id": sent,
                "topic": topic.pk,
                "direction": "outgoing",
                "sender": "your_username",
                "persona": None,
                "message": body["message"],
                "recipient": [{"persona": persona.pk, "contact": persona.contacts.get().pk, "state": "waiting"}],
                "created_at": "2026-11-21T09:30:00Z",
            },
            {
                "id": added,
                "topic": topic.pk,
                "direction": "incoming",
                "sender": "Ginalne Official",
                "persona": persona.pk,
                "message": "Thanks",
                "recipient": [],
                "created_at": "2026-11-21T09:30:00Z",
            },
        ],
        "notification": "Messages Read Successfully",
        "next": None,
    }


def test_pages_of_messages_stay_while_messages_are_added(call: Api, peter: Persona, news: Topic) -> None:
    def add(text: str) -> None:
        call("message:add", {"persona": peter.pk, "message": text})

    for n in range(3):
        add(str(n))

    first = call(f"topic/{news.pk}/message?limit=2").json()
    add("3")
    second = call(f"topic/{news.pk}/message?limit=2&cursor={first['next']}").json()

    assert [[m["message"] for m in page["data"]] for page in (first, second)] == [["0", "1"], ["2", "3"]]
    assert second["next"] is None


def test_a_page_of_messages_costs_the_same_however_long_it_is(
    call: Api, body: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    call("message:send", body)
    topic, one = Topic.objects.get(), Message.objects.get()
    contact = Contact.objects.get()
    for _ in range(50):
        message = Message.objects.create(
            workspace=one.workspace, topic=topic, direction="outgoing", sender_name="x", text="x",
            created_at=one.created_at,
        )  # fmt: skip
        Recipient.objects.create(message=message, persona=contact.persona, contact=contact)

    with django_assert_max_num_queries(12):
        answer = call(f"topic/{topic.pk}/message?limit=200")

    assert len(answer.json()["data"]) == 51


def test_a_message_outlives_the_contact_that_it_went_to(call: Api, body: dict[str, Any], support_user: User) -> None:
    call("message:send", body)
    console = Client()
    console.force_login(support_user, backend="django.contrib.auth.backends.ModelBackend")
    contact, message = Contact.objects.select_related("persona").get(), Message.objects.get()
    update_persona(
        workspace=message.workspace,
        persona_id=contact.persona_id,
        changed_contacts={contact.pk: None},
        cause=Cause(origin=Origin.PERSON, actor_label="Budi", at=timezone.now()),
    )

    answer = call(f"topic/{message.topic_id}/message")
    exported = call("message:export?format=csv").getvalue().decode()
    page = console.get(reverse("admin:messaging_message_change", args=[message.pk]))

    [told] = answer.json()["data"]
    assert told["recipient"] == [{"persona": contact.persona_id, "contact": None, "state": "waiting"}]
    assert contact.normalized in exported
    assert contact.normalized in page.text
    assert "WhatsApp" in page.text


def test_messages_of_a_topic_elsewhere_are_not_found(call: Api, theirs: Topic) -> None:
    answers = [call(f"topic/{id}/message") for id in (theirs.pk, 0, 2**63 - 1, 2**63, 10**40)]

    assert [refused(answer)[:2] for answer in answers] == [(404, "topic_not_found")] * 5


# ---------------------------------------- templates


@pytest.fixture
def templates(workspace: Workspace, other_workspace: Workspace) -> None:
    for owner, name, language, body in [
        (workspace, "welcome", "en", "Hello {{1}}, your order {{ 2 }} is on its way, {{1}}!"),
        (workspace, "welcome", "id", "Halo {{1}}, {{2}}"),
        (workspace, "bye", "en", "Bye {{0}}"),
        (other_workspace, "theirs", "en", "Secret"),
    ]:
        Template.objects.create(workspace=owner, name=name, language=language, body=body)


def _sending(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    rest = {key: body[key] for key in ("username", "topic", "recipient")}
    return rest | {"template": "welcome", "language": "en", "parameter": ["Peter", "17"]} | changes


def test_the_templates_are_listed_with_their_gaps(call: Api, templates: None) -> None:
    answer = call("template")

    assert answer.json()["data"] == [
        {
            "name": "welcome", "language": "en",
            "body": "Hello {{1}}, your order {{ 2 }} is on its way, {{1}}!", "parameters": 2,
        },
        {"name": "welcome", "language": "id", "body": "Halo {{1}}, {{2}}", "parameters": 2},
        {"name": "bye", "language": "en", "body": "Bye {{0}}", "parameters": 0},
    ]  # fmt: skip


def test_a_sent_template_is_a_message_with_its_gaps_filled(call: Api, body: dict[str, Any], templates: None) -> None:
    answer = call("template:send", _sending(body, parameter=["{{2}} & <b>Peter</b>", "17"]))

    message = Message.objects.get()
    assert answer.json() == {"data": message.pk, "notification": "Chat Sent Successfully"}
    assert message.text == "Hello {{2}} & <b>Peter</b>, your order 17 is on its way, {{2}} & <b>Peter</b>!"
    assert message.recipients.count() == 1


def test_the_language_may_be_left_out_when_there_is_one(call: Api, body: dict[str, Any], templates: None) -> None:
    answer = call("template:send", _sending(body, template="bye", language="", parameter=[]))

    assert (answer.status_code, Message.objects.get().text) == (200, "Bye {{0}}")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"template": "nope"}, 404, "template_not_found"),
        ({"template": "theirs", "parameter": []}, 404, "template_not_found"),
        ({"language": "fr"}, 404, "template_not_found"),
        ({"language": ""}, 400, "template_ambiguous"),
        ({"parameter": ["one"]}, 400, "template_parameters_wrong"),
        ({"parameter": ["1", "2", "3"]}, 400, "template_parameters_wrong"),
        ({"parameter": [1, 2]}, 400, "body_invalid"),
        ({"parameter": ["x" * 1001, "2"]}, 400, "body_invalid"),
        ({"template": ""}, 400, "body_invalid"),
        ({"message": "Hi"}, 400, "body_invalid"),
        ({"recipient": []}, 404, "recipients_missing"),
        ({"username": "nobody"}, 404, "user_not_found"),
        ({"topic": None}, 400, "topic_missing"),
        ({"topic": {"type": "x", "name": "X"}}, 404, "topic_type_invalid"),
    ],
)
def test_a_wrong_template_is_refused_and_nothing_is_sent(
    call: Api, body: dict[str, Any], templates: None, changes: dict[str, Any], status: int, code: str
) -> None:
    assert refused(call("template:send", _sending(body, **changes)))[:2] == (status, code)
    assert (Message.objects.count(), Persona.objects.count()) == (0, 0)


def test_a_template_that_gets_too_long_is_refused(call: Api, body: dict[str, Any], workspace: Workspace) -> None:
    Template.objects.create(workspace=workspace, name="long", body="{{1}}" * 5)

    answer = call("template:send", _sending(body, template="long", parameter=["x" * 1000]))

    assert refused(answer)[:2] == (400, "template_text_too_long")


def test_bounds_hold_for_templates(
    call: Api, derive: Derive, body: dict[str, Any], templates: None, peter: Persona, mary: Persona
) -> None:
    bound = derive(persona=peter.pk)

    own = call("template:send", _sending(body, recipient=[PETER]), token=bound)
    other = call("template:send", _sending(body), token=bound)
    listed = call("template", token=bound)

    assert own.status_code == 200
    assert [refused(answer)[:2] for answer in (other, listed)] == [(403, "token_bound")] * 2


# ---------------------------------------- bodies that nobody should send


@pytest.mark.parametrize("operation", ["message:send", "message:add", "topic:add", "topic:status", "template:send"])
@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{}", b"[]", b"7", b'{"message": "a", "message": "b", "persona": 1}', b'{"name": "\\udc00"}',
        b'{"persona": 1e400}', b'{"topic": ' + b"9" * 5000 + b"}", b'{"topic": ' + b'{"name":' * 30_000,
        b'{"recipient": ' + b"[" * 100_000, json.dumps({"\0": 1}).encode(),
    ],
    ids=range(11),
)  # fmt: skip
def test_garbage_is_refused_and_nothing_is_saved(call: Api, operation: str, raw: bytes) -> None:
    assert refused(call(operation, raw))[:2] == (400, "body_invalid")
    assert (Message.objects.count(), Topic.objects.count(), Persona.objects.count()) == (0, 0, 0)
