"""Attributes defined, put in order and taken away."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Workspace
from delivery.models import Event
from personas import definitions
from personas.definitions import (
    AttributeInUse,
    AttributeKeyInvalid,
    KeyNotConfirmed,
    TooManyAttributes,
    add_attribute,
    delete_attribute,
    move_attribute,
    suggest_key,
    write_values,
)
from personas.history import Cause
from personas.models import AttributeDefinition, AttributeValue, Origin, Persona, PersonaChange

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
CAUSE = Cause(origin=Origin.PERSON, actor_label="Ayu", at=AT)


def _add(workspace: Workspace, key: str) -> AttributeDefinition:
    return add_attribute(workspace=workspace, key=key, label=key.title(), type="text", hint="")


def _order(workspace: Workspace) -> list[str]:
    return list(AttributeDefinition.objects.filter(workspace=workspace).values_list("key", flat=True))


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("Customer since", "customer_since"),
        ("  Größe (cm) ", "groe_cm"),
        ("Café n° 5", "cafe_n_5"),
        ("2nd phone", "nd_phone"),
        ("客户", ""),
        ("x" * 80, "x" * 50),
    ],
)
def test_a_key_is_suggested_from_the_label(label: str, key: str) -> None:
    assert suggest_key(label) == key


def test_a_new_attribute_is_the_last(workspace: Workspace, other_workspace: Workspace) -> None:
    for key in ("city", "plan", "size"):
        _add(workspace, key)
    _add(other_workspace, "city")

    assert _order(workspace) == ["city", "plan", "size"]


@pytest.mark.parametrize("key", ["", "1st", "a b", "città", "name", "Phone", "birthday", "x" * 51, "CITY"])
def test_a_key_that_is_taken_or_unreadable_is_refused(workspace: Workspace, key: str) -> None:
    _add(workspace, "city")

    with pytest.raises(AttributeKeyInvalid):
        _add(workspace, key)


def test_there_is_an_end_to_attributes(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "MAX_ATTRIBUTES", 1)
    _add(workspace, "city")

    with pytest.raises(TooManyAttributes):
        _add(workspace, "plan")


def test_moving_changes_places_with_the_neighbour_and_stops_at_the_ends(workspace: Workspace) -> None:
    city, plan, _size = (_add(workspace, key) for key in ("city", "plan", "size"))
    AttributeDefinition.objects.update(position=0)  # as attributes of old have it

    moved = [
        move_attribute(definition=city, up=True),
        move_attribute(definition=plan, up=True),
        move_attribute(definition=city, up=False),
        move_attribute(definition=city, up=False),
    ]

    assert moved == [0, 0, 2, 2]
    assert _order(workspace) == ["plan", "size", "city"]


def test_a_deleted_attribute_leaves_its_values_in_history(workspace: Workspace) -> None:
    city = _add(workspace, "city")
    rina, joko = (Persona.objects.create(workspace=workspace, name=name) for name in ("Rina", "Joko"))
    write_values(city, {rina.pk: ("", "Bandung"), joko.pk: ("", "Jakarta")}, cause=CAUSE)

    count = delete_attribute(definition=city, confirmed_key=" city ", cause=CAUSE)

    assert (count, AttributeDefinition.objects.count(), AttributeValue.objects.count()) == (2, 0, 0)
    cleared = PersonaChange.objects.filter(new="").order_by("persona_id").values_list("persona_id", "field", "old")
    assert list(cleared) == [(rina.pk, "attribute:city", "Bandung"), (joko.pk, "attribute:city", "Jakarta")]
    assert list(Persona.objects.values_list("version", flat=True)) == [3, 3]
    assert Event.objects.filter(kind="persona.updated").count() == 4


def test_deleting_asks_for_the_key(workspace: Workspace) -> None:
    city = _add(workspace, "city")

    with pytest.raises(KeyNotConfirmed):
        delete_attribute(definition=city, confirmed_key="City", cause=CAUSE)

    assert AttributeDefinition.objects.filter(pk=city.pk).exists()


def test_an_attribute_that_very_many_have_is_cleared_in_the_background_first(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "CLEARED_AT_ONCE", 1)
    city = _add(workspace, "city")
    for name in ("Rina", "Joko"):
        persona = Persona.objects.create(workspace=workspace, name=name)
        AttributeValue.objects.create(persona=persona, definition=city, value="Bandung")

    with pytest.raises(AttributeInUse):
        delete_attribute(definition=city, confirmed_key="city", cause=CAUSE)

    assert AttributeValue.objects.count() == 2


def test_writing_values_of_many_takes_few_queries(
    workspace: Workspace,
) -> None:
    city = _add(workspace, "city")
    people = Persona.objects.bulk_create(Persona(workspace=workspace, name=f"P{n}") for n in range(300))
    write_values(city, {people[0].pk: ("", "A")}, cause=CAUSE)

    with CaptureQueriesContext(connection) as queries:
        write_values(city, {p.pk: ("", "Bandung") for p in people[1:]}, cause=CAUSE)

    assert len(queries) <= 12  # SQLite takes some 90 rows of history a statement
    assert AttributeValue.objects.filter(value="Bandung").count() == 299
