"""Chative's four endpoints: what they answer, what they change, and what they refuse."""

import json
from datetime import date
from typing import Any

import pytest
from django.test import Client

from accounts.models import Workspace
from delivery.models import Event
from messaging.models import Message, Recipient, Topic
from personas.models import AttributeDefinition, Contact, Persona, PersonaChange
from platforms.chative.server.mapping import uuid_of
from tests.platforms.chative.conftest import BASE, Api
from tokens.models import RequestLogEntry, Token, TokenAbility

pytestmark = pytest.mark.django_db


def _refusal(answer: Any) -> tuple[int, str, str, str]:
    said = answer.json()
    assert said["request_id"] == answer["X-Request-Id"]
    return answer.status_code, said["message"], said["code"], said["errors"][0]["path"]


def test_a_contact_has_the_vendors_fields(call: Api, peter: Persona, fields: None) -> None:
    Persona.objects.filter(pk=peter.pk).update(birthday=date(2002, 8, 2))

    answer = call("GET", peter)

    said = answer.json()
    assert (answer.status_code, answer["ETag"]) == (200, '"1"')
    assert {name: said[name] for name in said if name not in {"createdAt", "updatedAt"}} == {
        "id": uuid_of(peter.pk),
        "firstName": "Peter",
        "lastName": "Parker",
        "email": "user@example.com",
        "gender": "male",
        "birthday": 1028246400,
        "phone": "+628123456789",
        "customFields": {},
        "channels": [
            {"type": type, "name": "Main", "key": key, "normalized": key}
            for type, key in [
                ("phone", "+628123456789"), ("email", "user@example.com"), ("whatsapp", "+628123456789"),
            ]
        ],
        "version": 1,
    }  # fmt: skip


def test_what_is_not_known_is_empty(call: Api, workspace: Workspace) -> None:
    persona = Persona.objects.create(workspace=workspace, name="Sukarno")

    said = call("GET", persona).json()

    assert {k: said[k] for k in ("firstName", "lastName", "email", "gender", "birthday", "phone", "customFields")} == {
        "firstName": "Sukarno", "lastName": "", "email": "", "gender": "", "birthday": None, "phone": "",
        "customFields": {},
    }  # fmt: skip


def test_a_client_walks_all_pages_until_one_is_empty(call: Api, workspace: Workspace) -> None:
    """As the published WordPress plugin does: page from 0, limit 50, until `list` is empty."""
    made = [Persona.objects.create(workspace=workspace, name=f"Person {n}").pk for n in range(120)]

    seen: list[str] = []
    sizes: list[int] = []
    while page := call("GET", f"contacts?page={len(sizes)}&limit=50").json()["list"]:
        seen += [contact["id"] for contact in page]
        sizes.append(len(page))

    assert sizes == [50, 50, 20]
    assert seen == [uuid_of(pk) for pk in made]


def test_a_page_says_where_it_is_and_whether_more_follows(call: Api, workspace: Workspace) -> None:
    Persona.objects.bulk_create(Persona(workspace=workspace, name=f"Person {n}") for n in range(51))

    pages = [call("GET", "contacts" + query).json() for query in ("", "?page=1", "?limit=200", "?page=1000000")]

    assert [(len(p["list"]), p["page"], p["limit"], p["hasMore"]) for p in pages] == [
        (50, 0, 50, True),
        (1, 1, 50, False),
        (51, 0, 200, False),
        (0, 1_000_000, 50, False),
    ]


def test_a_page_costs_the_same_queries_however_many_contacts_it_has(
    call: Api, workspace: Workspace, peter: Persona, django_assert_max_num_queries: Any
) -> None:
    Persona.objects.bulk_create(Persona(workspace=workspace, name=f"Person {n}") for n in range(199))

    with django_assert_max_num_queries(12):
        answer = call("GET", "contacts?limit=200")

    assert len(answer.json()["list"]) == 200


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("page=-1", "page"),
        ("page=1000001", "page"),
        (f"page={2**70}", "page"),
        ("page=1&page=2", "page"),
        ("colour=blue", "colour"),
        ("page=%00", ""),
    ],
)
def test_a_wrong_parameter_is_a_bad_request(call: Api, query: str, path: str) -> None:
    assert _refusal(call("GET", f"contacts?{query}")) == (400, "Bad request", "query_invalid", path)


def test_the_vendors_fields_are_changed(call: Api, peter: Persona, fields: None) -> None:
    answer = call(
        "PATCH",
        peter,
        {
            "firstName": "Mary",
            "lastName": "Jane Watson",
            "email": "MJ@Example.com",
            "gender": "female",
            "birthday": 1028221200,
            "phone": "0812-3456-780",
            "customFields": {
                "a_text": "very important person", "a_number": 12.5, "a_boolean": True, "a_date": 1682985600000,
            },
        },
    )  # fmt: skip

    said = answer.json()
    assert answer.status_code == 200
    assert {name: said[name] for name in said if name not in {"id", "channels", "createdAt", "updatedAt"}} == {
        "firstName": "Mary",
        "lastName": "Jane Watson",
        "email": "mj@example.com",
        "gender": "female",
        "birthday": 1028246400,
        "phone": "+628123456780",
        "customFields": {
            "a_text": "very important person", "a_number": 12.5, "a_boolean": True,
            "a_date": "2023-05-02T00:00:00+00:00",
        },
        "version": 2,
    }  # fmt: skip
    assert said == call("GET", peter).json()
    peter.refresh_from_db()
    assert (peter.name, peter.birthday, peter.version) == ("Mary Jane Watson", date(2002, 8, 2), 2)


@pytest.mark.parametrize(
    ("key", "given", "read"),
    [
        ("a_text", "VIP", "VIP"),
        ("a_number", 123, 123),
        ("a_number", "12.50", 12.5),
        ("a_number", -0.5, -0.5),
        ("a_boolean", True, True),
        ("a_boolean", False, False),
        ("a_boolean", "true", True),
        ("a_date", 1682985600000, "2023-05-02T00:00:00+00:00"),
        ("a_date", 1682985600000.0, "2023-05-02T00:00:00+00:00"),
        ("a_date", "2023-05-02T00:00:00+00:00", "2023-05-02T00:00:00+00:00"),
        ("a_date", "2023-05-02", "2023-05-02T00:00:00+00:00"),
        ("a_date", "2023-05-01T17:00:00Z", "2023-05-02T00:00:00+00:00"),
    ],
)
def test_a_custom_field_takes_the_values_of_its_type(
    call: Api, peter: Persona, fields: None, key: str, given: Any, read: Any
) -> None:
    answer = call("PATCH", peter, {"customFields": {key: given}})

    assert answer.json()["customFields"] == {key: read}


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("a_text", 5),
        ("a_text", "x" * 1001),
        ("a_number", "many"),
        ("a_number", True),
        ("a_number", 2**200),
        ("a_boolean", "maybe"),
        ("a_boolean", 2),
        ("a_date", "tomorrow"),
        ("a_date", True),
        ("a_date", 2**70),
        ("a_date", 1e300),
        ("a_date", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_a_custom_field_refuses_other_values(call: Api, peter: Persona, fields: None, key: str, given: Any) -> None:
    answer = call("PATCH", peter, {"firstName": "Mary", "customFields": {key: given}})

    assert _refusal(answer) == (400, "Bad request", "attribute_value_invalid", f"customFields.{key}")
    peter.refresh_from_db()
    assert (peter.name, peter.version) == ("Peter Parker", 1)


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_custom_field_is_cleared(call: Api, peter: Persona, fields: None, empty: str | None) -> None:
    call("PATCH", peter, {"customFields": {"a_text": "VIP", "a_date": "2023-05-02"}})

    answer = call("PATCH", peter, {"customFields": {"a_text": empty, "a_date": empty}})

    assert answer.json()["customFields"] == {}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"firstName": "Mary"}, "Mary Parker"),
        ({"lastName": "Pan"}, "Peter Pan"),
        ({"lastName": ""}, "Peter"),
        ({"lastName": None}, "Peter"),
        ({"firstName": ""}, "Parker"),
        ({"firstName": "Mary Jane", "lastName": "Watson"}, "Mary Jane Watson"),
        ({"firstName": " Mary ", "lastName": " "}, "Mary"),
        ({}, "Peter Parker"),
    ],
)
def test_both_parts_make_the_name_and_what_is_left_out_stays(
    call: Api, peter: Persona, given: dict[str, str | None], name: str
) -> None:
    answer = call("PATCH", peter, given)

    peter.refresh_from_db()
    assert (answer.status_code, peter.name) == (200, name)


def test_sending_back_what_was_read_changes_nothing(call: Api, peter: Persona, fields: None) -> None:
    call("PATCH", peter, {"birthday": 1028221200, "customFields": {"a_number": 12.5, "a_date": "2023-05-02"}})
    read = call("GET", peter).json()
    sent = {k: read[k] for k in ("firstName", "lastName", "email", "gender", "birthday", "phone", "customFields")}

    answer = call("PATCH", peter, sent)

    assert answer.json() == read


def test_a_new_phone_replaces_the_first_and_stays_in_the_history(
    call: Api, peter: Persona, workspace: Workspace
) -> None:
    second = Contact.objects.create(
        workspace=workspace, persona=peter, type="phone", key="+628777777777", normalized="+628777777777"
    )

    answer = call("PATCH", peter, {"phone": "+62 812 3456 780"})

    first = Contact.objects.filter(persona=peter, type="phone").earliest("id")
    assert answer.json()["phone"] == "+628123456780"
    assert (first.key, first.normalized, first.label) == ("+62 812 3456 780", "+628123456780", "Main")
    assert Contact.objects.filter(pk=second.pk, normalized="+628777777777").exists()
    assert Contact.objects.get(persona=peter, type="whatsapp").normalized == "+628123456789"
    change = PersonaChange.objects.get()
    assert (change.field, change.old, change.new, change.actor_label, change.request_id) == (
        "contact:phone", "+628123456789", "+628123456780", "token Shop backend", answer["X-Request-Id"],
    )  # fmt: skip
    assert Event.objects.get().kind == "persona.updated"


def test_messages_to_a_replaced_phone_stay(call: Api, peter: Persona, workspace: Workspace, now: Any) -> None:
    topic = Topic.objects.create(workspace=workspace, type="persona", name="Order", persona=peter)
    message = Message.objects.create(
        workspace=workspace, topic=topic, direction="outgoing", sender_name="Ayu", text="Hi", created_at=now
    )
    Recipient.objects.create(message=message, persona=peter, contact=peter.contacts.get(type="phone"))

    call("PATCH", peter, {"phone": "+628123456780"})

    assert Recipient.objects.get().address.normalized == "+628123456780"


def test_an_address_is_added_where_there_is_none(call: Api, workspace: Workspace) -> None:
    persona = Persona.objects.create(workspace=workspace, name="Peter")

    answer = call("PATCH", persona, {"email": "p@example.org", "phone": "08123456789"})

    assert (answer.json()["email"], answer.json()["phone"]) == ("p@example.org", "+628123456789")


@pytest.mark.parametrize("empty", ["", " ", None])
def test_an_empty_address_takes_the_first_away(call: Api, peter: Persona, empty: str | None) -> None:
    answer = call("PATCH", peter, {"email": empty})
    again = call("PATCH", peter, {"email": empty})

    assert (answer.json()["email"], answer.json()["version"]) == ("", 2)
    assert again.json() == answer.json()
    assert list(PersonaChange.objects.order_by("id").values_list("field", "old", "new")) == [
        ("contact_label:email:user@example.com", "Main", ""),
        ("contact:email", "user@example.com", ""),
    ]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"phone": "12"}, "phone"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b.c\x07", "phone": "+628777777"}, "email"),
    ],
)
def test_an_address_that_is_none_is_a_bad_request(
    call: Api, peter: Persona, workspace: Workspace, given: dict[str, str], path: str
) -> None:
    nobody = Persona.objects.create(workspace=workspace, name="Nobody")

    for persona in (peter, nobody):
        assert _refusal(call("PATCH", persona, given)) == (400, "Bad request", "contact_refused", path)


def test_somebody_elses_address_is_refused_with_their_name(call: Api, peter: Persona, workspace: Workspace) -> None:
    mary = Persona.objects.create(workspace=workspace, name="Mary Jane")
    Contact.objects.create(workspace=workspace, persona=mary, type="phone", key="+1", normalized="+628123456780")
    nobody = Persona.objects.create(workspace=workspace, name="Nobody")

    for persona in (peter, nobody):
        answer = call("PATCH", persona, {"firstName": "Other", "phone": "08123456780"})

        assert _refusal(answer)[::2] == (409, "contact_taken")
        assert answer.json()["message"] == (f"08123456780 already belongs to Mary Jane (contact {uuid_of(mary.pk)}).")
        assert answer.json()["errors"][0]["path"] == "phone"
    assert not Persona.objects.filter(name__startswith="Other").exists()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"firstName": 5}, "firstName"),
        ({"firstName": "x" * 256}, "firstName"),
        ({"firstName": "x" * 250}, "firstName"),
        ({"firstName": "x" * 127, "lastName": "y" * 128}, "lastName"),
        ({"gender": "x" * 31}, "gender"),
        ({"gender": ["male"]}, "gender"),
        ({"birthday": True}, "birthday"),
        ({"birthday": 1.5}, "birthday"),
        ({"birthday": 2**70}, "birthday"),
        ({"birthday": -(2**70)}, "birthday"),
        ({"birthday": "soon"}, "birthday"),
        ({"birthday": "9" * 41}, "birthday"),
        ({"phone": 123456789}, "phone"),
        ({"email": "x" * 256}, "email"),
        ({"customFields": []}, "customFields"),
        ({"customFields": {"a_text": {"deep": 1}}}, "customFields"),
        ({"customFields": {str(n): 1 for n in range(101)}}, "customFields"),
        ({"id": "x"}, "id"),
        ({"VIP": "yes"}, "VIP"),
        ({"first_name": "Peter"}, "first_name"),
        ([], ""),
    ],
)
def test_a_wrong_body_is_a_bad_request(call: Api, peter: Persona, fields: None, body: Any, path: str) -> None:
    status, message, code, at = _refusal(call("PATCH", peter, body))

    assert (status, message, code) == (400, "Bad request", "body_invalid")
    assert at.startswith(path)
    peter.refresh_from_db()
    assert (peter.name, peter.version) == ("Peter Parker", 1)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"null", b'"x"', b'{"firstName": "\xff"}', b'{"firstName": "\\ud800"}', b'{"firstName": "\\u0000"}',
        b'{"firstName": "A", "firstName": "B"}', b'{"customFields": {"a": 1, "a": 2}}', b'{"birthday": 1e400}',
        b'{"birthday": ' + b"9" * 5000 + b"}", b'{"customFields": ' + b'{"a":' * 50_000,
        b'{"customFields": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001, b"[" * 100_000, b"\xef\xbb\xbf{}",
    ],
    ids=range(15),
)  # fmt: skip
def test_garbage_is_a_bad_request(client: Client, secret: str, peter: Persona, raw: bytes) -> None:
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    answer = client.generic("PATCH", f"{BASE}contacts/{uuid_of(peter.pk)}", raw, headers=headers)

    assert _refusal(answer)[:3] == (400, "Bad request", "body_invalid")


def test_a_name_of_nothing_is_a_bad_request(call: Api, peter: Persona) -> None:
    answer = call("PATCH", peter, {"firstName": "", "lastName": None})

    assert _refusal(answer)[:3] == (400, "Bad request", "name_missing")


def test_an_unknown_custom_field_is_refused_with_those_there_are(call: Api, peter: Persona, fields: None) -> None:
    answer = call("PATCH", peter, {"customFields": {"VIP": "yes"}})

    assert _refusal(answer) == (404, "Custom field not found", "attribute_unknown", "customFields.VIP")
    assert "a_text, a_number, a_boolean, a_date" in answer.json()["errors"][0]["message"]


def test_a_deleted_contact_is_gone(call: Api, peter: Persona) -> None:
    answer = call("DELETE", peter)

    assert (answer.status_code, answer.json()) == (200, {"id": uuid_of(peter.pk), "deleted": True})
    assert _refusal(call("GET", peter)) == (404, "Contact not found", "contact_not_found", "id")
    assert _refusal(call("DELETE", peter)) == (404, "Contact not found", "contact_not_found", "id")
    assert not Persona.objects.exists()
    assert Event.objects.get().kind == "persona.deleted"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "contact",
    [
        "1", "nonsense", "183ccf94-3111-480f-8b12-4d19d65d3c78", uuid_of(2**62 - 1), "%00", "%ED%A0%80", "x" * 2000,
        "%2e%2e", "'%20OR%201=1",
    ],
)  # fmt: skip
def test_an_unknown_id_is_not_found(call: Api, workspace: Workspace, method: str, contact: str) -> None:
    answer = call(method, f"contacts/{contact}", {} if method == "PATCH" else None)

    assert _refusal(answer) == (404, "Contact not found", "contact_not_found", "id")


def test_contacts_of_another_workspace_are_nowhere(call: Api, peter: Persona, other_workspace: Workspace) -> None:
    stranger = Persona.objects.create(workspace=other_workspace, name="Stranger")
    AttributeDefinition.objects.create(workspace=other_workspace, key="theirs", label="Theirs")

    refused = [call("GET", stranger), call("PATCH", stranger, {"firstName": "X"}), call("DELETE", stranger)]
    theirs = call("PATCH", peter, {"customFields": {"theirs": "x"}})

    assert [_refusal(answer)[:2] for answer in refused] == [(404, "Contact not found")] * 3
    assert [contact["firstName"] for contact in call("GET", "contacts").json()["list"]] == ["Peter"]
    assert _refusal(theirs)[2] == "attribute_unknown"
    assert Persona.objects.get(pk=stranger.pk).name == "Stranger"


@pytest.mark.parametrize(
    ("method", "body", "ability"),
    [
        ("GET", None, "persona_read"),
        ("PATCH", {"firstName": "Mary"}, "persona_update"),
        ("PATCH", {"customFields": {}}, "attribute_update"),
        ("PATCH", {"email": "m@example.org"}, "contact_add"),
        ("PATCH", {"phone": ""}, "contact_add"),
        ("DELETE", None, "persona_delete"),
    ],
)
def test_each_thing_needs_its_ability(
    call: Api, peter: Persona, token: Token, method: str, body: Any, ability: str
) -> None:
    TokenAbility.objects.filter(token=token, key=ability).delete()

    without = call(method, peter, body)
    TokenAbility.objects.create(token=token, key=ability)
    with_it = call(method, peter, body)

    assert _refusal(without)[::2] == (403, "ability_missing")
    assert ability in without.json()["message"]
    assert with_it.status_code == 200


def test_a_patch_needs_no_ability_for_what_it_leaves_out(call: Api, peter: Persona, token: Token) -> None:
    TokenAbility.objects.filter(token=token).exclude(key="persona_update").delete()

    assert call("PATCH", peter, {"firstName": "Mary", "gender": "", "birthday": None}).status_code == 200


@pytest.mark.parametrize(("method", "body"), [("PATCH", {"firstName": "Mary"}), ("DELETE", None)])
def test_a_version_that_is_not_the_current_one_is_412(call: Api, peter: Persona, method: str, body: Any) -> None:
    old = call(method, peter, body, **{"If-Match": '"7"'})
    nonsense = call(method, peter, body, **{"If-Match": "seven"})
    current = call(method, peter, body, **{"If-Match": '"1"'})

    assert _refusal(old)[::2] == (412, "version_conflict")
    assert _refusal(nonsense) == (400, "Bad request", "if_match_invalid", "")
    assert current.status_code == 200


def test_a_patch_sent_again_with_its_key_happens_once(call: Api, peter: Persona) -> None:
    key = {"Idempotency-Key": "sync-1"}
    first = call("PATCH", peter, {"firstName": "Mary"}, **key)
    call("PATCH", peter, {"firstName": "Anna"})

    again = call("PATCH", peter, {"firstName": "Mary"}, **key)
    other = call("PATCH", peter, {"firstName": "Eve"}, **key)

    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    assert _refusal(other)[::2] == (422, "idempotency_key_reused")
    assert call("GET", peter).json()["firstName"] == "Anna"


def test_calls_are_in_the_log_with_their_ability(call: Api, peter: Persona, token: Token) -> None:
    call("PATCH", peter, {"firstName": "Mary"})

    entry = RequestLogEntry.objects.get()
    assert (entry.token_id, entry.ability, entry.method, entry.path, entry.status) == (
        token.pk, "persona_update", "PATCH", f"/chative/v1.0/contacts/{uuid_of(peter.pk)}", 200,
    )  # fmt: skip


def test_a_body_is_json(client: Client, secret: str, peter: Persona) -> None:
    answer = client.generic(
        "PATCH",
        f"{BASE}contacts/{uuid_of(peter.pk)}",
        json.dumps({"firstName": "Mary"}),
        content_type="text/plain",
        headers={"Authorization": f"Bearer {secret}"},
    )

    assert _refusal(answer)[::2] == (415, "media_type_unsupported")
