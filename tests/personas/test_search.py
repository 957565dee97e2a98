"""Whom a text finds, on whichever database the tests run."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Workspace
from personas.folding import fold, folded_letters
from personas.models import AttributeDefinition, AttributeValue, Contact, Persona, SearchDocument
from personas.search import TextQuery, search_personas

pytestmark = pytest.mark.django_db


def person(
    workspace: Workspace, name: str, *, number: str = "", email: str = "", handle: str = "", city: str = ""
) -> Persona:
    made: Persona = Persona.objects.create(workspace=workspace, name=name)
    for type, key in (("whatsapp", number), ("email", email), ("telegram", handle)):
        if key:
            Contact.objects.create(workspace=workspace, persona=made, type=type, key=key, normalized=key)
    if city:
        attribute, _made = AttributeDefinition.objects.get_or_create(workspace=workspace, key="city", label="City")
        AttributeValue.objects.create(persona=made, definition=attribute, value=city)
    return made


def found(text: str, workspace: Workspace) -> list[str]:
    """Names, newest first; both ways of asking must agree."""
    ids = TextQuery.of(text, workspace).newest(100)
    everybody = search_personas(Persona.objects.filter(workspace=workspace), text, workspace=workspace)
    assert sorted(ids, reverse=True) == ids == list(everybody.order_by("-pk").values_list("pk", flat=True))
    names = dict(everybody.values_list("pk", "name"))
    return [names[pk] for pk in ids]


@pytest.fixture
def people(workspace: Workspace, other_workspace: Workspace) -> None:
    person(workspace, "Rina Hartono", number="+6285174314159", email="rina.h@example.org", city="Jakarta Selatan")
    person(workspace, "José Ángel Núñez", number="+34612345678", handle="pepe_n")
    person(workspace, "Øyvind Straße", email="o.s@example.org")
    person(workspace, "王小明", city="東京")
    person(workspace, "محمد الأمين", number="+966501234567")
    person(workspace, "Лев Йогансон")
    person(workspace, 'Ann "100%_" O\'Neil')
    person(workspace, "Li Wei")
    person(other_workspace, "Rina Hartono", number="+6285174314159", email="rina.h@example.org")


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("rina", ["Rina Hartono"]),
        ("RINA", ["Rina Hartono"]),
        ("hartono rina", ["Rina Hartono"]),
        ("arto", ["Rina Hartono"]),
        ("  rina   harto ", ["Rina Hartono"]),
        ("rina joko", []),
        ("jose nunez", ["José Ángel Núñez"]),
        ("JOSÉ", ["José Ángel Núñez"]),
        ("jose\u0301", ["José Ángel Núñez"]),
        ("oyvind", ["Øyvind Straße"]),
        ("strasse", ["Øyvind Straße"]),
        ("王小", ["王小明"]),
        ("小明", ["王小明"]),
        ("王", ["王小明"]),
        ("東京", ["王小明"]),
        ("محمد", ["محمد الأمين"]),
        ("ЛЕВ", ["Лев Йогансон"]),
        ("иогансон", ["Лев Йогансон"]),
        ("100%", ['Ann "100%_" O\'Neil']),
        ("%_", ['Ann "100%_" O\'Neil']),
        ('"100', ['Ann "100%_" O\'Neil']),
        ("o'neil", ['Ann "100%_" O\'Neil']),
        ("li", ["Li Wei"]),
        ("wei li", ["Li Wei"]),
        ("ei", ["Li Wei", 'Ann "100%_" O\'Neil']),
        ("l", ["Li Wei"]),
        ("rina h", ["Rina Hartono"]),
        ("H. Rina", ["Rina Hartono"]),
        ("r hartono", ["Rina Hartono"]),
        ("rina a", []),
        ("l w", ["Li Wei"]),
        ("w l", []),
        ("0851 7431 4159", ["Rina Hartono"]),
        ("+62 851-7431-4159", ["Rina Hartono"]),
        ("+62-851", ["Rina Hartono"]),
        ("62 851 7431", ["Rina Hartono"]),
        ("0062 851 7431 4159", ["Rina Hartono"]),
        ("(0851) 7431.4159", ["Rina Hartono"]),
        ("4159", ["Rina Hartono"]),
        ("7431 4159", ["Rina Hartono"]),
        ("0851 7431 41", ["Rina Hartono"]),
        ("rina 0851 7431", ["Rina Hartono"]),
        ("jose 0851 7431", []),
        ("rina.h@example.org", ["Rina Hartono"]),
        ("RINA.H@", ["Rina Hartono"]),
        ("example.org", ["Øyvind Straße", "Rina Hartono"]),
        ("@pepe_n", ["José Ángel Núñez"]),
        ("selatan", ["Rina Hartono"]),
        ("rina jakarta", ["Rina Hartono"]),
        ("nobody like it", []),
        ("", []),
        ("   ", []),
        ("\x00", []),
        ("ri\x00na", ["Rina Hartono"]),
        ("?*'\"();--", []),
    ],
)
def test_text_finds_people_by_whatever_is_known_of_them(
    people: None, workspace: Workspace, typed: str, names: list[str]
) -> None:
    assert found(typed, workspace) == names


def test_whole_address_finds_just_whom_it_reaches(workspace: Workspace) -> None:
    person(workspace, "Longer", number="+628123456789", email="xrina@example.org")
    person(workspace, "Noted", city="+62812345678")
    person(workspace, "Rina", number="+62812345678", email="rina@example.org")

    assert found("0812-345-678", workspace) == ["Rina"]
    assert found("rina@example.org", workspace) == ["Rina"]
    assert found("0812-345-67", workspace) == ["Rina", "Noted", "Longer"]
    assert found("rina@example", workspace) == ["Rina", "Longer"]


@pytest.mark.parametrize("text", ["AND", "NOT", "NEAR(a b)", "text:", "^rina", "a*", '""', "\\", "{a}", "x" * 5_000])
def test_text_is_never_read_as_a_query_language(people: None, workspace: Workspace, text: str) -> None:
    assert found(text, workspace) == []


def test_newest_are_found_first_and_no_more_than_asked_for(workspace: Workspace) -> None:
    made = [person(workspace, f"Siti {n}").pk for n in range(30)]

    query = TextQuery.of("siti", workspace)

    assert query.newest(5) == made[:-6:-1]
    assert query.newest(5, below=made[10]) == made[9:4:-1]
    assert query.newest(0) == []


# ------------------------------------------------------------------------------------------------ keeping up
def test_person_is_found_by_what_they_are_called_now(workspace: Workspace) -> None:
    rina = person(workspace, "Rina")
    assert found("rina", workspace) == ["Rina"]

    Persona.objects.filter(pk=rina.pk).update(name="Sari")

    assert found("rina", workspace) == []
    assert found("sari", workspace) == ["Sari"]


def test_contact_that_is_added_moved_changed_or_taken_away_counts_at_once(workspace: Workspace) -> None:
    rina, joko = person(workspace, "Rina", number="+6281200000101"), person(workspace, "Joko")
    assert found("0812 0000 0101", workspace) == ["Rina"]

    Contact.objects.filter(persona=rina).update(persona=joko)
    assert found("0812 0000 0101", workspace) == ["Joko"]
    Contact.objects.filter(persona=joko).update(normalized="+6281200000202")
    assert found("0812 0000 0101", workspace) == []
    assert found("0812 0000 0202", workspace) == ["Joko"]
    Contact.objects.filter(persona=joko).delete()
    assert found("0812 0000 0202", workspace) == []


def test_value_that_is_changed_or_goes_with_its_attribute_counts_at_once(workspace: Workspace) -> None:
    person(workspace, "Rina", city="Jakarta")
    AttributeValue.objects.update(value="Bandung")
    assert found("jakarta", workspace) == []
    assert found("bandung", workspace) == ["Rina"]

    AttributeDefinition.objects.all().delete()

    assert found("bandung", workspace) == []


def test_people_made_in_bulk_are_found(workspace: Workspace) -> None:
    made = Persona.objects.bulk_create(Persona(workspace=workspace, name=f"Bulk {n}") for n in range(3))
    Contact.objects.bulk_create(
        Contact(workspace=workspace, persona=one, type="email", key=f"{n}@x.org", normalized=f"bulk{n}@x.org")
        for n, one in enumerate(made)
    )

    assert found("bulk1@x.org", workspace) == ["Bulk 1"]
    assert len(found("bulk", workspace)) == 3


def test_deleted_person_leaves_no_document(workspace: Workspace) -> None:
    rina = person(workspace, "Rina", number="+6281200000101", city="Jakarta")
    assert SearchDocument.objects.count() == 1

    rina.delete()

    assert SearchDocument.objects.count() == 0
    assert found("rina", workspace) == []


def test_databases_fold_as_python_does(workspace: Workspace) -> None:
    letters = [letter for letter in folded_letters() if ord(letter) < 0x2000]
    names = ["x".join(letters[at : at + 100]) for at in range(0, len(letters), 100)]

    made = [person(workspace, name) for name in names]

    stored = {document.text.split("\n")[2] for document in SearchDocument.objects.all()}
    assert stored == {fold(one.name) for one in made}


def test_search_asks_the_index_and_never_counts(people: None, workspace: Workspace) -> None:
    with CaptureQueriesContext(connection) as asked:
        TextQuery.of("hartono", workspace).newest(26)

    assert asked.captured_queries
    for query in asked.captured_queries:
        assert "COUNT(" not in query["sql"].upper()
        assert "personas_persona " not in query["sql"]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="how SQLite does it")
def test_sqlite_reads_trigrams_in_order_without_sorting(people: None, workspace: Workspace) -> None:
    sql, parameters = TextQuery.of("hartono", workspace)._hits_in_order(None, 26)

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
        plan = " ".join(row[3] for row in cursor.fetchall())

    assert "VIRTUAL TABLE" in plan
    assert "TEMP B-TREE" not in plan
