"""Contacts: our personas, their addresses and attributes, in Chatwoot's words."""

from typing import Any

import pytest

from accounts.models import Workspace
from personas.models import Contact, Persona, PersonaChange
from platforms.models import ContactSession
from tests.platforms.bevatel.conftest import Api
from tokens.models import Token, TokenAbility

pytestmark = pytest.mark.django_db

TAKEN = "{} has already been taken"
NOT_E164 = {"message": "Phone number should be in e164 format", "attributes": ["phone_number"]}
BAD_EMAIL = {"message": "Email Invalid email", "attributes": ["email"]}


def _contacts(persona_id: int) -> set[tuple[str, str]]:
    return set(Contact.objects.filter(persona=persona_id).values_list("type", "normalized"))


def test_a_contact_is_a_persona_with_its_addresses_and_attributes(api: Api, definitions: Any) -> None:
    body = {
        "name": " Rina Hartono ",
        "email": "Rina@Example.org",
        "phone_number": "+6281200000101",
        "identifier": "crm-17",
        "custom_attributes": {"type": "vip", "age": 30, "vip": True},
    }

    created = api("POST", "contacts", body).json()["payload"]

    assert created["contact_inbox"] is None
    shown = created["contact"]
    assert {name: shown[name] for name in (*body, "contact_inboxes")} == {
        "name": "Rina Hartono",
        "email": "rina@example.org",
        "phone_number": "+6281200000101",
        "identifier": "crm-17",
        "custom_attributes": {"type": "vip", "age": 30, "vip": True},
        "contact_inboxes": [],
    }
    assert _contacts(shown["id"]) == {
        ("email", "rina@example.org"), ("whatsapp", "+6281200000101"), ("other", "crm-17"),
    }  # fmt: skip
    assert PersonaChange.objects.filter(persona=shown["id"], actor_label="token Shop backend").exists()


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "New Contact"),
        ({"name": None, "email": None, "phone_number": None}, "New Contact"),
        ({"name": " "}, "New Contact"),
        ({"phone_number": "+6281200000101"}, "+6281200000101"),
        ({"email": "rina@example.org"}, "rina@example.org"),
        ({"name": "R" * 255}, "R" * 255),
        ({"name": "رنا 🚀"}, "رنا 🚀"),
        ({"name": "Rina", "additional_attributes": {"city": {"of": ["Bandung"]}}}, "Rina"),
        ({"name": "Rina", "labels": ["api", "testing"]}, "Rina"),
        ({"name": "Rina", "avatar_url": "https://example.org/a.png", "blocked": False}, "Rina"),
    ],
)  # fmt: skip
def test_contact_create_takes(api: Api, body: dict[str, Any], name: str) -> None:
    answer = api("POST", "contacts", body)

    assert (answer.status_code, answer.json()["payload"]["contact"]["name"]) == (200, name)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"phone_number": "081200000101"}, 422, NOT_E164),
        ({"phone_number": "+0812"}, 422, NOT_E164),
        ({"phone_number": "+1"}, 422, NOT_E164),
        ({"phone_number": "+62 812 0000 0101"}, 422, NOT_E164),
        ({"email": "rina"}, 422, BAD_EMAIL),
        ({"email": "rina@example"}, 422, BAD_EMAIL),
        ({"email": "rina@example.org rina"}, 422, BAD_EMAIL),
        ({"identifier": "a\u0007b"}, 422, {"message": "Identifier is invalid", "attributes": ["identifier"]}),
        ({"name": "R" * 256}, 422, {"message": "Expected `str` of length <= 255", "attributes": ["name"]}),
        ({"name": 5}, 422, {"message": "Expected `str | null`, got `int`", "attributes": ["name"]}),
        ({"inbox_id": "x"}, 422, None),
        ({"inbox_id": 1}, 404, {"error": "Resource could not be found"}),
        ({"inbox_id": 0}, 422, None),
        ({"inbox_id": 2**70}, 422, None),
        ({"inbox_id": True}, 422, None),
        ({"blocked": True}, 422,
         {"message": "Blocked is not supported: messages to the contact would still be sent.",
          "attributes": ["blocked"]}),
        ({"custom_attributes": {"hue": "red"}}, 422,
         {"message": "Custom attributes: There is no attribute “hue” in this workspace. Defined are: type, age, vip.",
          "attributes": ["custom_attributes"]}),
        ({"custom_attributes": {"age": "old"}}, 422,
         {"message": "Custom attributes: The attribute “age” takes a number, as 12.5.",
          "attributes": ["custom_attributes"]}),
        ({"custom_attributes": {"type": {"deep": 1}}}, 422, None),
        ({"custom_attributes": [1]}, 422, None),
        ({"surname": "H"}, 422, {"message": "Object contains unknown field `surname`", "attributes": ["surname"]}),
        ([], 400, None),
        ("Rina", 400, None),
        ({"name": "a\u0000b"}, 400, None),
    ],
)  # fmt: skip
def test_contact_create_refuses(
    api: Api, definitions: Any, body: Any, status: int, said: dict[str, Any] | None
) -> None:
    answer = api("POST", "contacts", body)

    assert answer.status_code == status
    assert answer.json() == said or (said is None and {"message", "error"} & set(answer.json()))
    assert not Persona.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "RINA@example.org"}, "email"),
        ({"phone_number": "+6281200000101", "name": "Another"}, "phone_number"),
        ({"identifier": "crm-17"}, "identifier"),
    ],
)
def test_an_address_belongs_to_one_contact(api: Api, body: dict[str, Any], field: str) -> None:
    taken = {"email": "rina@example.org", "phone_number": "+6281200000101", "identifier": "crm-17"}
    assert api("POST", "contacts", taken).status_code == 200

    answer = api("POST", "contacts", body)

    said = TAKEN.format(field.replace("_", " ").capitalize())
    assert (answer.status_code, answer.json()) == (422, {"message": said, "attributes": [field]})
    assert Persona.objects.count() == 1


def test_a_number_is_taken_whether_for_whatsapp_or_for_calls(api: Api, workspace: Workspace) -> None:
    persona = Persona.objects.create(workspace=workspace, name="Maya")
    Contact.objects.create(
        workspace=workspace, persona=persona, type="phone", key="0812-0000-0103", normalized="+6281200000103"
    )

    shown = api("GET", f"contacts/{persona.pk}").json()["payload"]
    answer = api("POST", "contacts", {"phone_number": "+6281200000103"})

    assert shown["phone_number"] == "+6281200000103"
    assert answer.json() == {"message": TAKEN.format("Phone number"), "attributes": ["phone_number"]}


def test_with_an_inbox_the_contact_has_a_session(api: Api, account: int) -> None:
    """The id as text, as some published clients send it."""
    created = api("POST", "contacts", {"name": "Rina", "inbox_id": str(account), "source_id": "till-4"}).json()

    inbox = {
        "id": account, "avatar_url": "", "channel_id": account, "name": "API", "channel_type": "Channel::Api",
        "provider": "",
    }  # fmt: skip
    session = {"source_id": "till-4", "inbox": inbox}
    assert created["payload"]["contact_inbox"] == session
    assert created["payload"]["contact"]["contact_inboxes"] == [session]


def test_a_source_id_is_one_contacts(api: Api, account: int) -> None:
    api("POST", "contacts", {"name": "Rina", "inbox_id": account, "source_id": "till-4"})

    answer = api("POST", "contacts", {"name": "Joko", "inbox_id": account, "source_id": "till-4"})

    assert (answer.status_code, answer.json()) == (422, {"error": "source_id should be unique"})
    assert Persona.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status", "source_id"),
    [
        ({"inbox_id": "{account}"}, 200, None),
        ({"inbox_id": "{account}", "source_id": "till-5"}, 200, "till-5"),
        ({"inbox_id": "{account}", "source_id": ""}, 422, None),
        ({"inbox_id": "{account}", "source_id": "a\u0007"}, 422, None),
        ({"inbox_id": 7}, 404, None),
        ({}, 422, None),
    ],
)
def test_contact_inbox_create(
    api: Api, contact: dict[str, Any], account: int, body: dict[str, Any], status: int, source_id: str | None
) -> None:
    body = {name: value.format(account=account) if isinstance(value, str) else value for name, value in body.items()}

    answer = api("POST", f"contacts/{contact['contact']['id']}/contact_inboxes", body)

    assert answer.status_code == status
    assert ContactSession.objects.count() == (2 if status == 200 else 1)
    if status == 200:
        assert answer.json()["source_id"] == (source_id or ContactSession.objects.last().source_id)  # type: ignore[union-attr]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_contact_keeps_what_an_update_leaves_out(
    api: Api, contact: dict[str, Any], definitions: Any, method: str
) -> None:
    address = f"contacts/{contact['contact']['id']}"
    api(method, address, {"custom_attributes": {"age": 30, "type": "vip"}})

    answer = api(method, address, {"name": "Rina H.", "identifier": "crm-17", "custom_attributes": {"type": None}})

    shown = answer.json()["payload"]
    assert answer.status_code == 200
    assert [shown[name] for name in ("name", "email", "phone_number", "identifier", "custom_attributes")] == [
        "Rina H.", "rina@example.org", "+6281200000101", "crm-17", {"age": 30},
    ]  # fmt: skip


def test_a_new_number_takes_the_place_of_the_old_one(api: Api, contact: dict[str, Any]) -> None:
    answer = api("PUT", f"contacts/{contact['contact']['id']}", {"phone_number": "+6281200000199"})

    assert answer.json()["payload"]["phone_number"] == "+6281200000199"
    assert _contacts(contact["contact"]["id"]) == {("whatsapp", "+6281200000199"), ("email", "rina@example.org")}
    change = PersonaChange.objects.get(field="contact:whatsapp", old="+6281200000101")
    assert change.new == "+6281200000199"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": ""}, {"message": "Name can't be blank", "attributes": ["name"]}),
        ({"email": "joko@example.org"}, {"message": TAKEN.format("Email"), "attributes": ["email"]}),
        ({"email": "x"}, BAD_EMAIL),
        ({"phone_number": "0812"}, NOT_E164),
        ({"inbox_id": 5}, {"message": "Object contains unknown field `inbox_id`", "attributes": ["inbox_id"]}),
        ({"name": "New", "custom_attributes": {"colour": "red"}},
         {"message": "Custom attributes: There is no attribute “colour” in this workspace. Defined are: none yet.",
          "attributes": ["custom_attributes"]}),
    ],
)  # fmt: skip
def test_contact_update_refuses(api: Api, contact: dict[str, Any], body: dict[str, Any], said: dict[str, Any]) -> None:
    api("POST", "contacts", {"name": "Joko", "email": "joko@example.org"})
    address = f"contacts/{contact['contact']['id']}"
    before = api("GET", address).json()

    answer = api("PUT", address, body)

    assert (answer.status_code, answer.json()) == (422, said)
    assert api("GET", address).json() == before


def test_an_empty_address_is_taken_away(api: Api, contact: dict[str, Any]) -> None:
    body = {"email": "", "phone_number": None, "identifier": None}

    shown = api("PUT", f"contacts/{contact['contact']['id']}", body).json()["payload"]

    assert [shown[name] for name in body] == [None, None, None]
    assert _contacts(contact["contact"]["id"]) == set()
    change = PersonaChange.objects.get(field="contact:email", old="rina@example.org", new="")
    assert change.actor_label == "token Shop backend"


@pytest.mark.parametrize(
    ("body", "ability"),
    [
        ({"email": "new@example.org"}, "contact_add"),
        ({"identifier": "crm-17"}, "contact_add"),
        ({"custom_attributes": {"age": 3}}, "attribute_update"),
    ],
)
def test_an_update_needs_the_ability_of_what_it_changes(
    api: Api, contact: dict[str, Any], definitions: Any, token: Token, body: dict[str, Any], ability: str
) -> None:
    TokenAbility.objects.filter(token=token, key=ability).delete()
    address = f"contacts/{contact['contact']['id']}"

    without = api("PUT", address, body)

    assert (without.status_code, without["Raven-Ability"]) == (401, ability)
    assert api("PUT", address, {"name": "Rina H."}).status_code == 200


@pytest.fixture
def many(workspace: Workspace) -> list[Persona]:
    """Seventeen personas: a page has fifteen."""
    return Persona.objects.bulk_create(
        Persona(workspace=workspace, name=f"Persona {number:02}") for number in range(17)
    )


@pytest.mark.parametrize(
    ("query", "count", "page", "names"),
    [
        ("", 17, 1, [f"Persona {n:02}" for n in range(15)]),
        ("?page=2", 17, 2, ["Persona 15", "Persona 16"]),
        ("?page=3", 17, 3, []),
        ("?page=100000", 17, 100000, []),
        ("?sort=-name&page=2", 17, 2, ["Persona 01", "Persona 00"]),
        ("?sort=name&include_contact_inboxes=true&page=2", 17, 2, ["Persona 15", "Persona 16"]),
        ("?sort=-created_at&page=2&include_contact_inboxes=false", 17, 2, ["Persona 01", "Persona 00"]),
        ("?sort=company&page=2", 17, 2, ["Persona 15", "Persona 16"]),
        ("?labels=vip", 0, 1, []),
        ("?labels[]=vip", 0, 1, []),
    ],
)
def test_contact_list(api: Api, many: list[Persona], query: str, count: int, page: int, names: list[str]) -> None:
    answer = api("GET", f"contacts{query}").json()

    assert answer["meta"] == {"count": count, "current_page": page}
    assert [contact["name"] for contact in answer["payload"]] == names
    assert all(("contact_inboxes" in contact) != ("=false" in query) for contact in answer["payload"])


@pytest.mark.parametrize("sort", ["email", "phone_number"])
def test_contacts_are_sorted_by_an_address_and_those_without_one_come_last(api: Api, sort: str) -> None:
    for name, number in (("B", 102), ("None", None), ("A", 101)):
        address = {} if number is None else {"email": f"{number}@example.org", "phone_number": f"+6281200000{number}"}
        api("POST", "contacts", {"name": name, **address})

    rising, falling = (
        [contact["name"] for contact in api("GET", f"contacts?sort={order}{sort}").json()["payload"]]
        for order in ("", "-")
    )

    assert (rising, falling) == (["A", "B", "None"], ["B", "A", "None"])


@pytest.mark.parametrize(
    "query", ["?page=0", "?page=-1", "?page=x", "?page=9999999", "?sort=shoe", "?colour=red", "?page=1&page=2", "?q=x"]
)
def test_contact_list_refuses(api: Api, query: str) -> None:
    answer = api("GET", f"contacts{query}")

    assert (answer.status_code, set(answer.json())) == (422, {"message", "attributes"})


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("rin", True), ("RINA", True), ("rina@example.org", True), ("example.org", True), ("0812-0000-0101", True),
        ("%2B6281200000101", True), ("0000010", True), ("crm-17", True), ("joko", False), ("%25", False),
    ],
)  # fmt: skip
def test_contact_search(api: Api, q: str, found: bool) -> None:
    body = {"name": "Rina", "email": "rina@example.org", "phone_number": "+6281200000101", "identifier": "crm-17"}
    api("POST", "contacts", body)

    answer = api("GET", f"contacts/search?q={q}").json()

    assert answer["meta"] == {"count": int(found), "current_page": 1, "has_more": False}
    assert [contact["name"] for contact in answer["payload"]] == ["Rina"] * found


def test_a_search_for_nothing_is_refused(api: Api) -> None:
    answers = [api("GET", f"contacts/search{query}") for query in ("", "?q=", "?q=%20")]

    said = {"error": "Specify search string with parameter q"}
    assert [(answer.status_code, answer.json()) for answer in answers] == [(422, said)] * 3


def test_a_search_tells_whether_there_is_more(api: Api, many: list[Persona]) -> None:
    first, second = (api("GET", f"contacts/search?q=persona&page={page}").json()["meta"] for page in (1, 2))

    assert (first["has_more"], second["has_more"]) == (True, False)


def test_a_page_costs_as_many_queries_for_many_as_for_one(
    api: Api, django_assert_max_num_queries: Any, many: list[Persona], account: int
) -> None:
    for number in range(10):
        api("POST", "contacts", {"inbox_id": account, "email": f"{number}@example.org"})

    with django_assert_max_num_queries(14):
        answer = api("GET", "contacts?sort=email")

    assert len(answer.json()["payload"]) == 15
