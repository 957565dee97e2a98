"""Two people edit one persona at the same time: nothing that either of them typed is lost."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from django.db import connection

from accounts.models import Workspace
from personas.editing import Edit, EditConflict, FieldConflict, Value, edit_persona, sheet_of
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, AttributeValue, Contact, Origin, Persona, PersonaChange
from personas.services import (
    AttributeUnknown,
    AttributeValueInvalid,
    ContactTaken,
    NameMissing,
    PersonaDraft,
    PersonaNotFound,
    add_persona,
    get_persona,
)

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
AYU = Cause(origin=Origin.PERSON, actor_label="Ayu", at=AT)
BUDI = Cause(origin=Origin.PERSON, actor_label="Budi", at=AT)
PHONE = ContactDraft("phone", "0812 3456 789", "Home")


@pytest.fixture
def rina(workspace: Workspace) -> Persona:
    AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")
    draft = PersonaDraft("Rina", "female", date(2002, 8, 2), "One\r\ntwo", {"city": "Jakarta"})
    return add_persona(workspace=workspace, draft=draft, contacts=[PHONE], cause=AYU)


def seen_of(persona: Persona) -> dict[str, Value]:
    return sheet_of(get_persona(workspace_id=persona.workspace_id, persona_id=persona.pk))


def edit(
    persona: Persona, seen: dict[str, Value], changes: dict[str, Value], *added: ContactDraft, cause: Cause = AYU
) -> Edit:
    return edit_persona(
        workspace=persona.workspace, persona_id=persona.pk, seen=seen, wanted=seen | changes, added=added, cause=cause
    )


def told(edited: Edit) -> list[tuple[str, str, str]]:
    return [(change.field, change.old, change.new) for change in edited.changes]


def contact_of(persona: Persona) -> str:
    return f"contact:{persona.contacts.get().pk}"


def test_edit_changes_what_differs_and_says_so(rina: Persona) -> None:
    seen = seen_of(rina)

    edited = edit(
        rina,
        seen,
        {"name": "Rina H.", "birthday": "", "attribute:city": "Bandung", contact_of(rina): replace(PHONE, label="")},
        ContactDraft("email", "rina@example.org"),
    )

    assert told(edited) == [
        ("name", "Rina", "Rina H."),
        ("birthday", "2002-08-02", ""),
        ("attribute:city", "Jakarta", "Bandung"),
        ("contact_label:phone:+628123456789", "Home", ""),
        ("contact:email", "", "rina@example.org"),
    ]
    rina.refresh_from_db()
    assert (rina.name, rina.birthday, rina.notes, rina.version) == ("Rina H.", None, "One\r\ntwo", 2)


def test_edit_that_changes_nothing_leaves_no_trace(rina: Persona) -> None:
    before = PersonaChange.objects.count()

    edited = edit(rina, seen_of(rina), {"attribute:unknown": ""}, PHONE)

    rina.refresh_from_db()
    assert (edited, rina.version, PersonaChange.objects.count()) == (Edit([], []), 1, before)


def test_different_fields_of_two_people_both_survive(rina: Persona) -> None:
    seen = seen_of(rina)
    edit(rina, seen, {"name": "Rina H.", "attribute:city": ""}, ContactDraft("email", "r@example.org"), cause=BUDI)

    edited = edit(rina, seen, {"notes": "Three", contact_of_phone(rina): replace(PHONE, key="0813 1111 111")})

    found = seen_of(rina)
    contacts = [value for value in found.values() if isinstance(value, ContactDraft)]
    assert (found["name"], found["notes"], found.get("attribute:city")) == ("Rina H.", "Three", None)
    assert contacts == [replace(PHONE, key="0813 1111 111"), ContactDraft("email", "r@example.org")]
    assert edited.changed_by_others == ["name", "attribute:city", contact_of_email(rina)]


def contact_of_phone(persona: Persona) -> str:
    return f"contact:{persona.contacts.get(type='phone').pk}"


def contact_of_email(persona: Persona) -> str:
    return f"contact:{persona.contacts.get(type='email').pk}"


@pytest.mark.parametrize(
    ("field", "base", "theirs", "mine"),
    [
        ("name", "Rina", "Rina A", "Rina B"),
        ("notes", "One\ntwo", "", "Three"),
        ("birthday", "2002-08-02", "2002-08-03", ""),
        ("attribute:city", "Jakarta", "Bandung", "Surabaya"),
    ],
)
def test_same_field_of_two_people_is_a_conflict_and_nothing_is_written(
    rina: Persona, field: str, base: str, theirs: str, mine: str
) -> None:
    seen = seen_of(rina)
    edit(rina, seen, {field: theirs}, cause=BUDI)
    before = seen_of(rina)

    with pytest.raises(EditConflict) as refused:
        edit(rina, seen, {field: mine, "gender": "other"})

    change = PersonaChange.objects.latest("id")
    assert change.actor_label == "Budi"
    assert [(c.field, c.base, c.theirs or "", c.mine, c.change) for c in refused.value.conflicts] == [
        (field, base, theirs, mine, change)
    ]
    assert (refused.value.current, seen_of(rina)) == (before, before)


def test_same_value_by_two_people_is_no_conflict(rina: Persona) -> None:
    seen = seen_of(rina)
    edit(rina, seen, {"name": "Rina H."}, cause=BUDI)

    edited = edit(rina, seen, {"name": "Rina H."})

    assert edited == Edit([], [])


@pytest.mark.parametrize("theirs", [None, replace(PHONE, key="08129999999"), replace(PHONE, label="Office")])
def test_contact_changed_by_two_people_is_a_conflict(rina: Persona, theirs: ContactDraft | None) -> None:
    seen, field, mine = seen_of(rina), contact_of(rina), replace(PHONE, key="08131111111")
    edit(rina, seen, {field: theirs}, cause=BUDI)

    with pytest.raises(EditConflict) as refused:
        edit(rina, seen, {field: mine})

    change = PersonaChange.objects.filter(actor_label="Budi").latest("id")
    assert refused.value.conflicts == [FieldConflict(field, PHONE, theirs, mine, change)]


def test_contact_that_somebody_took_away_comes_back_when_it_is_chosen(rina: Persona) -> None:
    seen, field, mine = seen_of(rina), contact_of(rina), replace(PHONE, label="Office")
    edit(rina, seen, {field: None}, cause=BUDI)

    edit(rina, seen_of(rina), {field: mine})

    assert list(Contact.objects.values_list("type", "key", "label")) == [("phone", "0812 3456 789", "Office")]


def test_contact_that_both_took_away_is_no_conflict(rina: Persona) -> None:
    seen, field = seen_of(rina), contact_of(rina)
    edit(rina, seen, {field: None}, cause=BUDI)

    assert edit(rina, seen, {field: None}) == Edit([], [])


def test_contact_of_somebody_else_is_out_of_reach(workspace: Workspace, rina: Persona) -> None:
    contacts = [ContactDraft("email", "j@example.org")]
    other = add_persona(workspace=workspace, draft=PersonaDraft("Joko"), contacts=contacts, cause=AYU)
    field = contact_of(other)

    edit(rina, seen_of(rina), {field: None})
    with pytest.raises(ContactTaken):
        edit(rina, seen_of(rina), {field: ContactDraft("email", "j@example.org")})

    assert Contact.objects.get(pk=field.removeprefix("contact:")).persona == other


def test_refusals_of_values_come_through(rina: Persona, other_workspace: Workspace) -> None:
    AttributeDefinition.objects.create(workspace=rina.workspace, key="age", label="Age", type="number")
    seen = seen_of(rina)

    for changes, refusal in (
        ({"name": " "}, NameMissing),
        ({"attribute:age": "old"}, AttributeValueInvalid),
        ({"attribute:unknown": "x"}, AttributeUnknown),
    ):
        with pytest.raises(refusal):
            edit(rina, seen, changes)  # type: ignore[arg-type]
    with pytest.raises(PersonaNotFound):
        edit_persona(workspace=other_workspace, persona_id=rina.pk, seen=seen, wanted=seen, cause=AYU)

    assert seen_of(rina) == seen
    assert AttributeValue.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_same_field", [True, False])
def test_two_sessions_at_once_lose_nothing(rina: Persona, is_same_field: bool) -> None:
    seen = seen_of(rina)
    fields = ["name", "name"] if is_same_field else ["name", "notes"]
    gate = threading.Barrier(2)

    def session(number: int) -> str:
        try:
            gate.wait(30)
            edit(rina, seen, {fields[number]: f"Typed {number}"})
        except EditConflict as conflict:
            return f"met {conflict.conflicts[0].theirs}"
        finally:
            connection.close()
        return f"Typed {number}"

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(session, range(2)))

    found = seen_of(rina)
    if is_same_field:
        assert sorted(said) == sorted([f"met {found['name']}", str(found["name"])])
    else:
        assert (said, found["name"], found["notes"]) == (["Typed 0", "Typed 1"], "Typed 0", "Typed 1")
