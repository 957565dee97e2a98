from datetime import UTC, date, datetime

import pytest
from django.db import connection
from django.http import QueryDict

from accounts.models import Workspace
from personas.filters import Condition, FilterInvalid, Operator, PersonaFilter
from personas.models import AttributeDefinition, AttributeValue, Contact, Persona

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(workspace: Workspace, other_workspace: Workspace) -> dict[str, Persona]:
    """Rina of Jakarta with a number and much known of her, Joko of Bandung with an e-mail, Sari with nothing."""
    types = {"city": "text", "points": "number", "since": "date", "vip": "boolean"}
    defined = {
        key: AttributeDefinition.objects.create(workspace=workspace, key=key, label=key.title(), type=type)
        for key, type in types.items()
    }
    made = {
        name: Persona.objects.create(workspace=workspace, name=name, updated_at=datetime(2026, month, 1, tzinfo=UTC))
        for month, name in enumerate(("Rina", "Joko", "Sari"), start=1)
    }
    Persona.objects.create(workspace=other_workspace, name="Rina")
    values = {
        "Rina": {"city": "Jakarta", "points": "9.5", "since": "2024-05-17", "vip": "true"},
        "Joko": {"city": "Bandung", "points": "120", "since": "2026-01-02", "vip": "false"},
    }
    for name, known in values.items():
        for key, value in known.items():
            AttributeValue.objects.create(persona=made[name], definition=defined[key], value=value)
    for name, type, key in (("Rina", "whatsapp", "+6281200000101"), ("Joko", "email", "joko@example.org")):
        Contact.objects.create(workspace=workspace, persona=made[name], type=type, key=key, normalized=key)
    return made


def found(query: str, workspace: Workspace) -> set[str]:
    chosen = PersonaFilter.from_query(QueryDict(query), workspace)
    return set(chosen.apply(workspace).values_list("name", flat=True))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"Rina", "Joko", "Sari"}),
        ("q=rina", {"Rina"}),
        ("q=0812 0000 0101", {"Rina"}),
        ("kind=email", {"Joko"}),
        ("a=city&op=has&v=", {"Rina", "Joko"}),
        ("a=city&op=lacks&v=", {"Sari"}),
        ("a=city&op=is&v=Jakarta", {"Rina"}),
        ("a=city&op=contains&v=AND", {"Joko"}),
        ("a=points&op=at_least&v=10", {"Joko"}),
        ("a=points&op=at_most&v=9.50", {"Rina"}),
        ("a=points&op=is&v=120.0", {"Joko"}),
        ("a=since&op=before&v=2026-01-02", {"Rina"}),
        ("a=since&op=after&v=2025-12-31", {"Joko"}),
        ("a=vip&op=is&v=yes", {"Rina"}),
        ("a=city&op=has&v=&a=points&op=at_most&v=100", {"Rina"}),
        ("a=&op=has&v=&a=city&op=is&v=Bandung", {"Joko"}),
        ("problem=any", {"Sari"}),
        ("problem=no_contact", {"Sari"}),
        ("updated=2026-02-01", {"Joko", "Sari"}),
        ("kind=whatsapp&updated=2026-02-01", set()),
    ],
)
def test_filter_finds_whom_it_fits(people: None, workspace: Workspace, query: str, names: set[str]) -> None:
    assert found(query, workspace) == names


@pytest.mark.parametrize(
    "query",
    [
        "kind=fax", "problem=bad", "updated=yesterday", "a=shoe&op=has&v=",
        "a=city&op=at_least&v=1", "a=points&op=is&v=x",
        "a=city&op=is&v=", "a=since&op=before&v=soon", "a=city", "a=city&op=is", "a=city&op=&v=1",
    ],
)  # fmt: skip
def test_filter_that_can_not_be_read_is_refused_and_never_wider(people: None, workspace: Workspace, query: str) -> None:
    with pytest.raises(FilterInvalid):
        PersonaFilter.from_query(QueryDict(query), workspace)


def test_filter_comes_out_of_an_address_as_it_went_in(people: None, workspace: Workspace) -> None:
    query = "q=Rina&kind=whatsapp&problem=any&updated=2026-02-01&a=city&a=vip&op=is&op=has&v=Jakarta&v="

    chosen = PersonaFilter.from_query(QueryDict(query + "&o=1&p=3&per_page=10"), workspace)

    assert chosen.to_query() == query
    assert PersonaFilter.from_query(QueryDict(chosen.to_query()), workspace) == chosen


def test_filter_says_in_words_what_it_asks(people: None, workspace: Workspace) -> None:
    query = "q=Rina&kind=whatsapp&problem=no_contact&updated=2026-02-01&a=city&op=is&v=Jakarta&a=vip&op=is&v=true"

    chosen = PersonaFilter.from_query(QueryDict(query), workspace)

    assert chosen.in_words() == (
        "Search: Rina · Reached by WhatsApp · City is “Jakarta” · Vip is yes · Has no contact · "
        "Updated since 1 Feb 2026"
    )
    assert PersonaFilter().in_words() == "Everybody"


def test_each_part_of_a_filter_can_be_taken_away(people: None, workspace: Workspace) -> None:
    chosen = PersonaFilter.from_query(QueryDict("q=Rina&updated=2026-02-01&a=city&op=is&v=Jakarta"), workspace)

    rests = [part.rest.to_query() for part in chosen.parts()]

    assert rests == ["updated=2026-02-01&a=city&op=is&v=Jakarta", "q=Rina&updated=2026-02-01",
                     "q=Rina&a=city&op=is&v=Jakarta"]  # fmt: skip
    assert not PersonaFilter()
    assert PersonaFilter(updated_since=date(2026, 2, 1))


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL mistakes a range for a narrow one")
@pytest.mark.parametrize(("key", "operator", "value"), [("since", "after", "2021-03-01"), ("points", "at_least", "9")])
def test_a_range_that_is_asked_of_one_person_is_read_by_no_index_of_values(
    people: dict[str, Persona], key: str, operator: str, value: str
) -> None:
    condition = Condition(AttributeDefinition.objects.get(key=key), Operator(operator), value)

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = condition.matching(one_by_one=True).filter(persona=people["Rina"]).explain()

    assert "(persona_id" in plan.partition("Index Cond:")[2].partition("Filter:")[0]
    assert "value" in plan.partition("Filter:")[2]
