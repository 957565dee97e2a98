"""Personas over Raven's API: added, changed, read, listed, deleted, exported; by whom, and by whom not."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest

from accounts.models import Workspace
from delivery.models import Event
from messaging.models import Topic
from personas.models import AttributeDefinition, AttributeValue, Contact, DeletionReceipt, Persona, PersonaChange
from tests.platforms.raven.conftest import Api, refused

pytestmark = pytest.mark.django_db

PHONE = {"type": "phone", "name": "Home", "key": "0812 3456 789"}
Derive = Callable[..., str]


@pytest.fixture
def fields(workspace: Workspace) -> None:
    """An attribute of each type."""
    for type in ("text", "number", "boolean", "date"):
        AttributeDefinition.objects.create(workspace=workspace, key=f"a_{type}", label=type, type=type)


@pytest.fixture
def peter(workspace: Workspace) -> Persona:
    return _persona(workspace, "Peter Parker", "+628123456789")


@pytest.fixture
def stranger(other_workspace: Workspace) -> Persona:
    """Somebody of a workspace that is not the token's."""
    return _persona(other_workspace, "Stranger", "+628111111111")


def _persona(workspace: Workspace, name: str, phone: str) -> Persona:
    persona = Persona.objects.create(workspace=workspace, name=name)
    Contact.objects.create(workspace=workspace, persona=persona, type="phone", key=phone, normalized=phone)
    return persona


# ---------------------------------------- persona:add


def test_an_added_persona_has_all_that_was_said_of_them(call: Api, fields: None, now: Any) -> None:
    answer = call(
        "persona:add",
        {
            "name": " Peter Parker ",
            "gender": "male",
            "birthday": "2002-08-02",
            "notes": "Likes spiders.",
            "attribute": {"a_text": "VIP", "a_number": 12.50, "a_boolean": True, "a_date": "2026-11-21"},
            "contact": [PHONE, {"type": "email", "key": "Peter@Example.org"}],
        },
    )

    persona = Persona.objects.get()
    phone, email = persona.contacts.order_by("id")
    assert (answer.status_code, answer["ETag"]) == (200, '"1"')
    assert answer.json() == {
        "data": {
            "id": persona.pk,
            "name": "Peter Parker",
            "gender": "male",
            "birthday": "2002-08-02",
            "notes": "Likes spiders.",
            "attribute": {"a_text": "VIP", "a_number": 12.5, "a_boolean": True, "a_date": "2026-11-21"},
            "contact": [
                {
                    "id": phone.pk, "type": "phone", "name": "Home", "key": "0812 3456 789",
                    "normalized": "+628123456789",
                },
                {
                    "id": email.pk, "type": "email", "name": "", "key": "Peter@Example.org",
                    "normalized": "peter@example.org",
                },
            ],
            "version": 1,
            "created_at": "2026-11-21T09:30:00Z",
            "updated_at": "2026-11-21T09:30:00Z",
        },
        "notification": "Persona Added Successfully",
    }  # fmt: skip


def test_an_added_persona_is_history_and_an_event(call: Api, fields: None) -> None:
    answer = call("persona:add", {"name": "Peter", "attribute": {"a_text": "VIP"}, "contact": [PHONE]})

    persona = Persona.objects.get()
    changes = PersonaChange.objects.order_by("id").values_list("field", "old", "new", "actor_label", "request_id")
    by = ("token Shop backend", answer["X-Request-Id"])
    assert list(changes) == [
        ("created", "", "Peter", *by),
        ("attribute:a_text", "", "VIP", *by),
        ("contact:phone", "", "+628123456789", *by),
    ]
    event = Event.objects.get()
    assert (event.kind, event.data) == (
        "persona.created",
        {"persona": persona.pk, "version": 1, "fields": ["created", "attribute:a_text", "contact:phone"]},
    )


def test_a_name_is_enough(call: Api) -> None:
    said = call("persona:add", {"name": "Sukarno"}).json()["data"]

    assert (said["name"], said["gender"], said["birthday"], said["notes"]) == ("Sukarno", "", None, "")
    assert (said["attribute"], said["contact"]) == ({}, [])


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"name": None}, "body_invalid", "name"),
        ({"name": ""}, "body_invalid", "name"),
        ({"name": " \t "}, "name_missing", "name"),
        ({"name": "x" * 256}, "body_invalid", "name"),
        ({"name": 5}, "body_invalid", "name"),
        ({"gender": "x" * 31}, "body_invalid", "gender"),
        ({"birthday": "2002-02-30"}, "body_invalid", "birthday"),
        ({"birthday": 1028221200}, "body_invalid", "birthday"),
        ({"notes": "x" * 10_001}, "body_invalid", "notes"),
        ({"colour": "red"}, "body_invalid", "colour"),
        ({"attribute": {"a_text": 1}}, "attribute_value_invalid", "attribute.a_text"),
        ({"attribute": {"a_text": "x" * 1001}}, "attribute_value_invalid", "attribute.a_text"),
        ({"attribute": {"a_number": "many"}}, "attribute_value_invalid", "attribute.a_number"),
        ({"attribute": {"a_number": 10**30}}, "attribute_value_invalid", "attribute.a_number"),
        ({"attribute": {"a_number": 1e308}}, "attribute_value_invalid", "attribute.a_number"),
        ({"attribute": {"a_number": True}}, "attribute_value_invalid", "attribute.a_number"),
        ({"attribute": {"a_number": "NaN"}}, "attribute_value_invalid", "attribute.a_number"),
        ({"attribute": {"a_number": "9" * 5000}}, "attribute_value_invalid", "attribute.a_number"),
        ({"attribute": {"a_boolean": "perhaps"}}, "attribute_value_invalid", "attribute.a_boolean"),
        ({"attribute": {"a_date": "21.11.2026"}}, "attribute_value_invalid", "attribute.a_date"),
        ({"attribute": {"a_date": "0001-01-01T00:00:00+14:00"}}, "attribute_value_invalid", "attribute.a_date"),
        ({"attribute": {"a_date": 2**70}}, "attribute_value_invalid", "attribute.a_date"),
        ({"attribute": {"a_text": ["x"]}}, "body_invalid", "attribute[...]"),
        ({"contact": [PHONE | {"type": "pigeon"}]}, "contact_refused", "contact[0].type"),
        ({"contact": [PHONE, PHONE | {"key": "12"}]}, "contact_refused", "contact[1].key"),
        ({"contact": [{"type": "email", "key": "nobody"}]}, "contact_refused", "contact[0].key"),
        ({"contact": [{"type": "phone"}]}, "body_invalid", "contact[0].key"),
        ({"contact": [PHONE] * 51}, "body_invalid", "contact"),
    ],
)
def test_a_wrong_persona_is_refused_with_the_place_and_nothing_is_saved(
    call: Api, fields: None, changes: dict[str, Any], code: str, path: str
) -> None:
    answer = call("persona:add", {"name": "Peter", "attribute": {"a_text": "VIP"}} | changes)

    assert refused(answer) == (400, code, path)
    assert (Persona.objects.count(), AttributeValue.objects.count(), Contact.objects.count()) == (0, 0, 0)
    assert (Event.objects.count(), PersonaChange.objects.count()) == (0, 0)


def test_somebody_elses_contact_is_409_and_names_them(call: Api, peter: Persona) -> None:
    answer = call("persona:add", {"name": "Other", "contact": [{"type": "email", "key": "o@example.org"}, PHONE]})

    assert refused(answer) == (409, "contact_taken", "contact[1].key")
    assert f"Peter Parker (persona {peter.pk})" in answer.json()["notification"]
    assert not Persona.objects.filter(name="Other").exists()


def test_the_same_contact_in_another_workspace_is_nobodys_business(call: Api, stranger: Persona) -> None:
    answer = call("persona:add", {"name": "Peter", "contact": [PHONE | {"key": "+628111111111"}]})

    assert answer.status_code == 200


def test_a_contact_named_twice_in_two_notations_is_one(call: Api) -> None:
    answer = call("persona:add", {"name": "Peter", "contact": [PHONE, PHONE | {"key": "+62-812-3456-789"}]})

    assert len(answer.json()["data"]["contact"]) == 1


# ---------------------------------------- persona:update


def test_what_an_update_names_changes_and_the_rest_stays(call: Api, peter: Persona) -> None:
    Persona.objects.filter(pk=peter.pk).update(gender="male", notes="Old", birthday="2002-08-02")

    answer = call("persona:update", {"persona": peter.pk, "name": "Mary", "notes": None, "birthday": None})

    said = answer.json()["data"]
    assert (answer["ETag"], answer.json()["notification"]) == ('"2"', "Persona Updated Successfully")
    assert (said["name"], said["gender"], said["notes"], said["birthday"], said["version"]) == (
        "Mary", "male", "", None, 2,
    )  # fmt: skip
    assert list(PersonaChange.objects.order_by("id").values_list("field", "old", "new")) == [
        ("name", "Peter Parker", "Mary"),
        ("birthday", "2002-08-02", ""),
        ("notes", "Old", ""),
    ]
    assert Event.objects.get().data == {"persona": peter.pk, "version": 2, "fields": ["name", "birthday", "notes"]}


@pytest.mark.parametrize("body", [{}, {"name": "Peter Parker"}, {"gender": None}, {"notes": ""}])
def test_an_update_that_changes_nothing_leaves_no_trace(call: Api, peter: Persona, body: dict[str, Any]) -> None:
    answer = call("persona:update", {"persona": peter.pk} | body)

    assert (answer.status_code, answer.json()["data"]["version"]) == (200, 1)
    assert (Event.objects.count(), PersonaChange.objects.count()) == (0, 0)


# ---------------------------------------- attribute:update


@pytest.mark.parametrize(
    ("key", "given", "read"),
    [
        ("a_text", " two  words ", " two  words "),
        ("a_text", "=1+1", "=1+1"),
        ("a_number", 5, 5),
        ("a_number", "5", 5),
        ("a_number", "1e3", 1000),
        ("a_number", -0.50, -0.5),
        ("a_number", 2**70, 2**70),
        ("a_number", 0, 0),
        ("a_boolean", True, True),
        ("a_boolean", "no", False),
        ("a_boolean", 1, True),
        ("a_date", "2026-11-21", "2026-11-21"),
        ("a_date", "2026-11-21T23:00:00-04:00", "2026-11-22"),
    ],
)
def test_an_attribute_takes_the_values_of_its_type(
    call: Api, peter: Persona, fields: None, key: str, given: Any, read: Any
) -> None:
    answer = call("attribute:update", {"persona": peter.pk, "attribute": {key: given}})

    assert answer.json()["data"]["attribute"] == {key: read}
    assert call(f"persona/{peter.pk}").json()["data"]["attribute"] == {key: read}


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_an_empty_value_clears_the_attribute(call: Api, peter: Persona, fields: None, empty: str | None) -> None:
    call("attribute:update", {"persona": peter.pk, "attribute": {"a_text": "VIP", "a_number": 0}})

    answer = call("attribute:update", {"persona": peter.pk, "attribute": {"a_text": empty}})
    again = call("attribute:update", {"persona": peter.pk, "attribute": {"a_text": empty}})

    assert (answer.json()["data"]["attribute"], answer.json()["data"]["version"]) == ({"a_number": 0}, 3)
    assert again.json()["data"]["version"] == 3
    change = PersonaChange.objects.latest("id")
    assert (change.field, change.old, change.new) == ("attribute:a_text", "VIP", "")


def test_an_attribute_of_another_workspace_is_unknown(
    call: Api, peter: Persona, fields: None, other_workspace: Workspace
) -> None:
    AttributeDefinition.objects.create(workspace=other_workspace, key="theirs", label="Theirs")

    answer = call("attribute:update", {"persona": peter.pk, "attribute": {"theirs": "x"}})

    assert refused(answer) == (404, "attribute_unknown", "attribute.theirs")
    assert "Defined are: a_text, a_number, a_boolean, a_date." in answer.json()["notification"]


# ---------------------------------------- contact:add


def test_an_added_contact_stands_beside_the_others(call: Api, peter: Persona) -> None:
    answer = call("contact:add", {"persona": peter.pk, "contact": [PHONE, {"type": "telegram", "key": "@Spidey"}]})

    assert [(c["type"], c["normalized"]) for c in answer.json()["data"]["contact"]] == [
        ("phone", "+628123456789"),
        ("telegram", "spidey"),
    ]
    assert [change.field for change in PersonaChange.objects.all()] == ["contact:telegram"]


def test_a_contact_of_somebody_else_is_409_and_none_is_added(call: Api, peter: Persona) -> None:
    mary = _persona(peter.workspace, "Mary", "+628777777777")

    answer = call("contact:add", {"persona": mary.pk, "contact": [{"type": "line", "key": "m"}, PHONE]})

    assert refused(answer) == (409, "contact_taken", "contact[1].key")
    assert mary.contacts.count() == 1


# ---------------------------------------- all that change one persona


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("persona:update", {"name": "New"}),
    ("attribute:update", {"attribute": {"a_text": "New"}}),
    ("contact:add", {"contact": [{"type": "line", "key": "new"}]}),
]
ids = [operation for operation, _body in CHANGES]


@pytest.mark.parametrize(("operation", "body"), CHANGES, ids=ids)
def test_a_change_of_a_version_that_is_gone_is_412(
    call: Api, peter: Persona, fields: None, operation: str, body: dict[str, Any]
) -> None:
    body = {"persona": peter.pk} | body
    Persona.objects.filter(pk=peter.pk).update(version=3)

    old = call(operation, body, **{"If-Match": '"2"'})
    nonsense = call(operation, body, **{"If-Match": "three"})
    current = call(operation, body, **{"If-Match": '"3"'})
    any_version = call("persona:update", {"persona": peter.pk, "gender": "male"}, **{"If-Match": "*"})

    assert refused(old) == (412, "version_conflict", "If-Match")
    assert "version 3, not 2" in old.json()["notification"]
    assert refused(nonsense)[:2] == (400, "if_match_invalid")
    assert (current.status_code, current["ETag"], any_version["ETag"]) == (200, '"4"', '"5"')


@pytest.mark.parametrize(
    ("tag", "status"), [('"3"', 200), ('W/"3"', 200), ("3", 200), ('"3', 400), ('3"', 400), ("W/3", 400), ("³", 400)]
)
def test_a_version_stands_in_both_its_quotes_or_in_none(call: Api, peter: Persona, tag: str, status: int) -> None:
    Persona.objects.filter(pk=peter.pk).update(version=3)

    answer = call("persona:update", {"persona": peter.pk, "name": "New"}, **{"If-Match": tag})

    assert answer.status_code == status


@pytest.mark.parametrize(("operation", "body"), CHANGES, ids=ids)
@pytest.mark.parametrize("persona", [0, -1, 2**63, 2**70, 1e400, "1", None, True, 1.5])
def test_what_is_no_id_is_refused(call: Api, fields: None, operation: str, body: dict[str, Any], persona: Any) -> None:
    raw = json.dumps(body | {"persona": persona}).replace("Infinity", "1e400").encode()

    assert refused(call(operation, raw)) == (400, "body_invalid", "persona")


@pytest.mark.parametrize(("operation", "body"), CHANGES, ids=ids)
def test_a_persona_of_another_workspace_is_not_found(
    call: Api, stranger: Persona, fields: None, operation: str, body: dict[str, Any]
) -> None:
    answers = [call(operation, body | {"persona": id}) for id in (stranger.pk, 10**9, 2**63 - 1)]

    assert [refused(answer)[:2] for answer in answers] == [(404, "persona_not_found")] * 3
    stranger.refresh_from_db()
    assert (stranger.name, stranger.version, stranger.contacts.count()) == ("Stranger", 1, 1)


@pytest.mark.parametrize(("operation", "body"), CHANGES, ids=ids)
def test_a_token_bound_to_a_persona_changes_only_that(
    call: Api, derive: Derive, peter: Persona, fields: None, operation: str, body: dict[str, Any]
) -> None:
    mary = _persona(peter.workspace, "Mary", "+628777777777")
    bound = derive(persona=peter.pk)

    own = call(operation, body | {"persona": peter.pk}, token=bound)
    other = call(operation, body | {"persona": mary.pk}, token=bound)

    assert own.status_code == 200
    assert refused(other)[:2] == (403, "token_bound")


@pytest.mark.parametrize(("operation", "body"), CHANGES, ids=ids)
def test_a_token_bound_to_a_topic_changes_no_persona(
    call: Api, derive: Derive, peter: Persona, fields: None, operation: str, body: dict[str, Any]
) -> None:
    topic = Topic.objects.create(workspace=peter.workspace, type="persona", name="Order", persona=peter)

    answer = call(operation, body | {"persona": peter.pk}, token=derive(topic=topic.pk))

    assert refused(answer)[:2] == (403, "token_bound")


# ---------------------------------------- reading and deleting one


def test_a_persona_is_read_with_its_version(call: Api, peter: Persona) -> None:
    answer = call(f"persona/{peter.pk}")

    assert (answer.status_code, answer["ETag"]) == (200, '"1"')
    assert (answer.json()["data"]["id"], answer.json()["data"]["name"]) == (peter.pk, "Peter Parker")


def test_a_deleted_persona_is_gone(call: Api, peter: Persona) -> None:
    answer = call(f"persona/{peter.pk}", method="DELETE")

    receipt = DeletionReceipt.objects.get()
    assert answer.json() == {"data": {"receipt": receipt.pk}, "notification": "Persona Deleted Successfully"}
    assert (receipt.persona_id, receipt.origin, receipt.request_id) == (peter.pk, "token", answer["X-Request-Id"])
    assert refused(call(f"persona/{peter.pk}"))[:2] == (404, "persona_not_found")
    assert refused(call(f"persona/{peter.pk}", method="DELETE"))[:2] == (404, "persona_not_found")
    assert (Event.objects.get().kind, Event.objects.get().data) == ("persona.deleted", {"persona": peter.pk})


def test_deleting_a_version_that_is_gone_is_412(call: Api, peter: Persona) -> None:
    old = call(f"persona/{peter.pk}", method="DELETE", **{"If-Match": '"2"'})
    current = call(f"persona/{peter.pk}", method="DELETE", **{"If-Match": 'W/"1"'})

    assert refused(old) == (412, "version_conflict", "If-Match")
    assert current.status_code == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_one_of_another_workspace_is_not_found(call: Api, stranger: Persona, method: str) -> None:
    answers = [call(f"persona/{id}", method=method) for id in (stranger.pk, 0, 2**63 - 1, 2**63, 10**40)]

    assert [refused(answer)[:2] for answer in answers] == [(404, "persona_not_found")] * 5
    assert Persona.objects.filter(pk=stranger.pk).exists()


@pytest.mark.parametrize("id", ["x", "-1", "1.5", "1/", "%00", "9" * 5000])
def test_an_address_without_a_number_is_no_endpoint(call: Api, id: str) -> None:
    assert refused(call(f"persona/{id}"))[:2] == (404, "endpoint_unknown")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_bound_token_reads_and_deletes_only_its_own(call: Api, derive: Derive, peter: Persona, method: str) -> None:
    mary = _persona(peter.workspace, "Mary", "+628777777777")
    topic = Topic.objects.create(workspace=peter.workspace, type="mass", name="News")
    bound = derive(persona=peter.pk)

    other = call(f"persona/{mary.pk}", method=method, token=bound)
    of_topic = call(f"persona/{peter.pk}", method=method, token=derive(topic=topic.pk))
    own = call(f"persona/{peter.pk}", method=method, token=bound)

    assert [refused(answer)[:2] for answer in (other, of_topic)] == [(403, "token_bound")] * 2
    assert own.status_code == 200


# ---------------------------------------- the list


def _names(answer: Any) -> list[str]:
    return [persona["name"] for persona in answer.json()["data"]]


def test_pages_stay_as_they_are_while_rows_are_added_and_deleted(call: Api, workspace: Workspace) -> None:
    made = [Persona.objects.create(workspace=workspace, name=str(n)) for n in range(5)]

    first = call("persona?limit=2")
    made[0].delete()
    Persona.objects.create(workspace=workspace, name="new")
    second = call(f"persona?limit=2&cursor={first.json()['next']}")
    made[3].delete()
    third = call(f"persona?limit=2&cursor={second.json()['next']}")

    assert [_names(answer) for answer in (first, second, third)] == [["0", "1"], ["2", "3"], ["4", "new"]]
    assert third.json()["next"] is None


def test_the_last_page_has_no_next(call: Api, workspace: Workspace) -> None:
    Persona.objects.bulk_create(Persona(workspace=workspace, name=str(n)) for n in range(4))

    pages = [call("persona?limit=4").json()]
    pages.append(call("persona?limit=3").json())
    pages.append(call(f"persona?limit=3&cursor={pages[1]['next']}").json())

    assert [len(page["data"]) for page in pages] == [4, 3, 1]
    assert (pages[0]["next"], pages[2]["next"]) == (None, None)


def test_a_page_costs_the_same_queries_however_long_it_is(
    call: Api, workspace: Workspace, fields: None, django_assert_max_num_queries: Any
) -> None:
    for n in range(60):
        _persona(workspace, str(n), f"+62812345{n:04}")

    with django_assert_max_num_queries(12):
        answer = call("persona?limit=200")

    assert len(answer.json()["data"]) == 60


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-5", "limit"),
        ("limit=ten", "limit"),
        ("limit=" + "9" * 400, "limit"),
        ("limit=5&limit=6", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=c", "cursor"),
        ("cursor=c" + "f" * 16, "cursor"),
        ("cursor=c%C2%B2", "cursor"),
        ("cursor=c1%0A", "cursor"),
        ("updated_since=yesterday", "updated_since"),
        ("updated_since=2026-11-21T09:30:00", "updated_since"),
        ("updated_since=0001-01-01T00:00:00%2B14:00", "updated_since"),
        ("updated_since=9999-12-31T23:59:59-14:00", "updated_since"),
        ("q=" + "x" * 256, "q"),
        ("q=%00", ""),
        ("colour=red", "colour"),
        ("persona=1", "persona"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(call: Api, query: str, path: str) -> None:
    assert refused(call(f"persona?{query}")) == (400, "query_invalid", path)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Peter Parker", "Mary Jane"]),
        ("contact=0812-3456-789", ["Peter Parker"]),
        ("contact=%2B628123456789", ["Peter Parker"]),
        ("contact=mj%40EXAMPLE.org", ["Mary Jane"]),
        ("contact=@mary", ["Mary Jane"]),
        ("contact=nobody", []),
        ("contact=%2B628111111111", []),
        ("q=mary", ["Mary Jane"]),
        ("q=%25", []),
        ("q=stranger", []),
        ("q=%ED%A0%80", []),
        ("contact=%ED%A0%80", []),
        ("updated_since=2026-11-21T09:30:00Z", ["Mary Jane"]),
        ("updated_since=2026-11-21T16:30:00%2B07:00", ["Mary Jane"]),
        ("updated_since=2026-11-21T09:30:01Z", []),
    ],
)
def test_the_list_is_filtered(
    call: Api, peter: Persona, stranger: Persona, now: Any, query: str, names: list[str]
) -> None:
    mary = Persona.objects.create(workspace=peter.workspace, name="Mary Jane", updated_at=now)
    Persona.objects.filter(pk=peter.pk).update(updated_at="2026-11-20T00:00:00Z")
    for type, key in [("email", "mj@example.org"), ("telegram", "mary"), ("instagram", "mary")]:
        Contact.objects.create(workspace=mary.workspace, persona=mary, type=type, key=key, normalized=key)

    assert _names(call(f"persona?{query}")) == names


def test_a_bound_token_lists_only_its_own(call: Api, derive: Derive, peter: Persona) -> None:
    _persona(peter.workspace, "Mary", "+628777777777")
    topic = Topic.objects.create(workspace=peter.workspace, type="mass", name="News")

    own = call("persona", token=derive(persona=peter.pk))
    of_topic = call("persona", token=derive(topic=topic.pk))

    assert _names(own) == ["Peter Parker"]
    assert refused(of_topic)[:2] == (403, "token_bound")


# ---------------------------------------- the export


@pytest.fixture
def exported(workspace: Workspace, fields: None, stranger: Persona, now: Any) -> list[Persona]:
    """Two people, one of whom is nothing but formulas; and a stranger who must not be in the file."""
    peter = Persona.objects.create(
        workspace=workspace, name="Peter Parker", gender="male", birthday="1899-12-31", created_at=now, updated_at=now
    )
    for key in ("+628123456789", "+628123456780"):
        Contact.objects.create(workspace=workspace, persona=peter, type="phone", key=key, normalized=key)
    for key, value in [("a_number", "12.5"), ("a_boolean", "true"), ("a_date", "2026-11-21")]:
        definition = AttributeDefinition.objects.get(workspace=workspace, key=key)
        AttributeValue.objects.create(persona=peter, definition=definition, value=value)
    evil = Persona.objects.create(
        workspace=workspace, name='=HYPERLINK("http://example.org")', gender="@SUM(A1)", notes="+cmd|' /C calc'!A0",
        created_at=now, updated_at="2026-11-22T00:00:00Z",
    )  # fmt: skip
    text = AttributeDefinition.objects.get(workspace=workspace, key="a_text")
    AttributeValue.objects.create(persona=evil, definition=text, value="-1+1")
    return [peter, evil]


COLUMNS = [
    "id", "name", "gender", "birthday", "notes", "whatsapp", "phone", "email", "telegram", "messenger", "instagram",
    "line", "web_chat", "other", "attribute:a_text", "attribute:a_number", "attribute:a_boolean", "attribute:a_date",
    "version", "created_at", "updated_at",
]  # fmt: skip


def test_a_csv_export_opens_and_its_formulas_are_text(call: Api, exported: list[Persona]) -> None:
    answer = call("persona:export?format=csv")

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="personas-demo-2026-11-21.csv"'
    assert [list(row) for row in rows] == [COLUMNS, COLUMNS]
    assert [row["id"] for row in rows] == [str(persona.pk) for persona in exported]
    assert [rows[0][name] for name in COLUMNS[14:18]] == ["", "12.5", "true", "2026-11-21"]
    assert (rows[0]["birthday"], rows[0]["phone"], rows[0]["attribute:a_number"], rows[0]["created_at"]) == (
        "1899-12-31", "'+628123456789, +628123456780", "12.5", "2026-11-21T09:30:00+00:00",
    )  # fmt: skip
    assert (rows[1]["name"], rows[1]["gender"], rows[1]["notes"], rows[1]["attribute:a_text"]) == (
        "'=HYPERLINK(\"http://example.org\")", "'@SUM(A1)", "'+cmd|' /C calc'!A0", "'-1+1",
    )  # fmt: skip


def test_an_ndjson_export_has_a_line_a_persona(call: Api, exported: list[Persona]) -> None:
    answer = call("persona:export?format=ndjson")

    rows = [json.loads(line) for line in answer.getvalue().decode().splitlines()]
    assert answer["Content-Type"] == "application/x-ndjson"
    assert [list(row) for row in rows] == [COLUMNS, COLUMNS]
    assert (rows[0]["id"], rows[0]["birthday"], rows[1]["name"]) == (
        exported[0].pk, "1899-12-31", '=HYPERLINK("http://example.org")',
    )  # fmt: skip
    assert [rows[0][name] for name in COLUMNS[14:18]] == [None, 12.5, True, "2026-11-21"]


def test_an_excel_export_opens_and_its_formulas_are_text(call: Api, exported: list[Persona]) -> None:
    answer = call("persona:export")

    sheet = openpyxl.load_workbook(io.BytesIO(answer.getvalue()))["Personas"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert answer["Content-Type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert rows[0] == COLUMNS
    assert [row[0] for row in rows[1:]] == [persona.pk for persona in exported]
    assert rows[1][3] == "1899-12-31"  # Excel has no days before 1900
    assert rows[1][15:17] == [12.5, True]
    assert [str(rows[1][at]) for at in (17, 19)] == ["2026-11-21 00:00:00", "2026-11-21 09:30:00"]
    assert rows[2][1:5] == ['=HYPERLINK("http://example.org")', "@SUM(A1)", None, "+cmd|' /C calc'!A0"]
    assert "f" not in {cell.data_type for row in sheet.iter_rows() for cell in row}


def test_an_export_since_a_moment_has_only_what_changed(call: Api, exported: list[Persona]) -> None:
    answer = call("persona:export?format=ndjson&updated_since=2026-11-22T00:00:00Z")

    assert [json.loads(line)["id"] for line in answer.getvalue().decode().splitlines()] == [exported[1].pk]


@pytest.mark.parametrize(("format", "size"), [("csv", 1), ("ndjson", 0)])
def test_an_export_of_nobody_is_a_file_without_rows(call: Api, format: str, size: int) -> None:
    answer = call(f"persona:export?format={format}")

    assert len(answer.getvalue().decode().splitlines()) == size


@pytest.mark.parametrize(("query", "path"), [("format=pdf", "format"), ("limit=5", "limit"), ("format=", "format")])
def test_an_export_refuses_what_it_does_not_know(call: Api, query: str, path: str) -> None:
    assert refused(call(f"persona:export?{query}")) == (400, "query_invalid", path)


def test_a_bound_token_exports_nothing(call: Api, derive: Derive, peter: Persona) -> None:
    assert refused(call("persona:export", token=derive(persona=peter.pk)))[:2] == (403, "token_bound")


# ---------------------------------------- bodies that nobody should send


def test_an_escaped_backslash_before_u0000_is_text_and_no_null_character(call: Api) -> None:
    answer = call("persona:add", rb'{"name": "\\u0000 \u005c\u005cu0000", "notes": "\\\\u0000"}')

    data = answer.json()["data"]
    assert (data["name"], data["notes"]) == (r"\u0000 \\u0000", r"\\u0000")


def test_a_null_character_behind_a_backslash_is_one(call: Api) -> None:
    answer = call("persona:add", rb'{"name": "\\\u0000"}')

    assert refused(answer)[:2] == (400, "body_invalid")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b'{"name": "A", "name": "B"}', "name"),
        (b'{"name": "A", "\\u006eame": "B"}', "name"),
        (b'{"name": "A", "contact": [{"type": "phone", "key": "1", "key": "2"}]}', "key"),
        (b'{"name": "A", "attribute": {"x": 1, "x": 2}}', "x"),
        (b'{"name": "A\\u0000"}', ""),
        (b'{"name": "\\udc00"}', ""),
        (b'{"name": "A", "attribute": {"\\ud800": 1}}', ""),
        (b'{"name": "\xed\xa0\x80"}', ""),
        (b'{"name": "A", "birthday": NaN}', ""),
        (b'{"name": "A", "attribute": {"a": 1e400}}', "attribute[...]"),
        (b'{"name": "A", "attribute": {"a": ' + b"9" * 5000 + b"}}", "attribute[...]"),
        (b'{"name": "A", "attribute": ' + b'{"a": ' * 30_000 + b"1" + b"}" * 30_001, "attribute[...]"),
        (b'{"name": "A", "contact": ' + b"[" * 100_000, "contact[0]"),
        (b'{"name": "A"} {"name": "B"}', ""),
        (b'\xef\xbb\xbf{"name": "A"}', ""),
        (b"[" * 100_000, ""),
        (b"", ""),
    ],
    ids=range(17),
)  # fmt: skip
def test_garbage_is_refused_and_nothing_is_saved(call: Api, fields: None, raw: bytes, path: str) -> None:
    assert refused(call("persona:add", raw)) == (400, "body_invalid", path)
    assert Persona.objects.count() == 0


def test_the_same_name_in_two_objects_is_no_repetition(call: Api) -> None:
    answer = call("persona:add", b'{"name": "A", "contact": [{"name": "A", "type": "line", "key": "a"}]}')

    assert answer.status_code == 200
