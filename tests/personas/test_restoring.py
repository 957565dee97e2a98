"""Putting earlier values back: of every kind of field, as a change of its own, and when it can't be done."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Workspace
from delivery.models import Event
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, Contact, Origin, Persona, PersonaChange
from personas.restoring import ChangeNotFound, NothingToPutBack, Present, plan_restoration, restore_value
from personas.services import (
    AttributeValueInvalid,
    ContactTaken,
    PersonaDraft,
    PersonaNotFound,
    VersionConflict,
    add_persona,
    update_persona,
)

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ADDED = Cause(origin=Origin.TOKEN, actor_label="token Shop", at=AT, request_id="req_1")
CHANGED = Cause(origin=Origin.PERSON, actor_label="Ayu", at=AT + timedelta(hours=1))
BACK = Cause(origin=Origin.PERSON, actor_label="Budi", at=AT + timedelta(hours=2))
HOME = ContactDraft("phone", "0812 3456 789", "Home")
NOTHING = PersonaDraft()


@pytest.fixture
def city(workspace: Workspace) -> AttributeDefinition:
    return AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")


@pytest.fixture
def peter(workspace: Workspace, city: AttributeDefinition) -> Persona:
    draft = PersonaDraft("Peter", "male", date(2002, 8, 2), "Notes", {"city": "Bandung"})
    return add_persona(workspace=workspace, draft=draft, contacts=[HOME], cause=ADDED)


def _update(persona: Persona, draft: PersonaDraft = NOTHING, **contacts: Any) -> None:
    update_persona(workspace=persona.workspace, persona_id=persona.pk, draft=draft, cause=CHANGED, **contacts)


def _last(persona: Persona, field: str) -> PersonaChange:
    return PersonaChange.objects.filter(persona=persona, field=field).latest("id")


def _put_back(persona: Persona, field: str, *, version: int | None = None) -> None:
    restore_value(
        workspace=persona.workspace,
        persona_id=persona.pk,
        change_id=_last(persona, field).pk,
        version=version,
        cause=BACK,
    )


@pytest.mark.parametrize(
    ("field", "draft", "old", "new"),
    [
        ("name", PersonaDraft(name="Pete"), "Peter", "Pete"),
        ("gender", PersonaDraft(gender=None), "male", ""),
        ("birthday", PersonaDraft(birthday=date(1990, 1, 1)), "2002-08-02", "1990-01-01"),
        ("birthday", PersonaDraft(birthday=None), "2002-08-02", ""),
        ("notes", PersonaDraft(notes="Others"), "Notes", "Others"),
        ("attribute:city", PersonaDraft(attributes={"city": "Jakarta"}), "Bandung", "Jakarta"),
        ("attribute:city", PersonaDraft(attributes={"city": None}), "Bandung", ""),
    ],
)
def test_an_old_value_is_put_back_as_a_change_of_its_own(
    peter: Persona, field: str, draft: PersonaDraft, old: str, new: str
) -> None:
    _update(peter, draft)

    _put_back(peter, field)

    change = _last(peter, field)
    assert (change.old, change.new, change.actor_label, change.happened_at) == (new, old, "Budi", BACK.at)
    assert Event.objects.latest("id").data["fields"] == [field]
    plan = plan_restoration(change, present=Present(Persona.objects.get(pk=peter.pk)))
    assert (plan.now, plan.then) == (old, new)


def test_a_value_that_was_empty_is_cleared_again(peter: Persona) -> None:
    _put_back(peter, "gender")

    assert Persona.objects.get(pk=peter.pk).gender == ""


def test_a_removed_contact_comes_back_with_its_label(peter: Persona) -> None:
    _update(peter, changed_contacts={peter.contacts.get().pk: None})
    assert not peter.contacts.exists()

    _put_back(peter, "contact:phone")

    assert [(c.type, c.normalized, c.label) for c in peter.contacts.all()] == [("phone", "+628123456789", "Home")]


def test_a_changed_contact_gets_its_old_address_and_keeps_its_id(peter: Persona) -> None:
    contact = peter.contacts.get()
    _update(peter, changed_contacts={contact.pk: "+62 812 999 9999"})

    _put_back(peter, "contact:phone")

    assert [(c.pk, c.normalized, c.label) for c in peter.contacts.all()] == [(contact.pk, "+628123456789", "Home")]


def test_a_label_is_put_back(peter: Persona) -> None:
    contact = peter.contacts.get()
    _update(peter, changed_contacts={contact.pk: ContactDraft("phone", contact.key, "Work")})

    _put_back(peter, "contact_label:phone:+628123456789")

    assert peter.contacts.get().label == "Home"


def test_an_address_that_is_somebody_elses_by_now_names_them(peter: Persona, workspace: Workspace) -> None:
    _update(peter, changed_contacts={peter.contacts.get().pk: None})
    mary = add_persona(workspace=workspace, draft=PersonaDraft(name="Mary"), contacts=[HOME], cause=CHANGED)

    with pytest.raises(ContactTaken) as refused:
        _put_back(peter, "contact:phone")

    assert (refused.value.persona_id, refused.value.persona_name) == (mary.pk, "Mary")
    assert Contact.objects.get().persona == mary


def test_what_is_there_already_leaves_no_trace(peter: Persona) -> None:
    _update(peter, PersonaDraft(gender=None))
    change = _last(peter, "gender")
    _update(peter, PersonaDraft(gender="male"))
    count = PersonaChange.objects.count()

    plan = restore_value(workspace=peter.workspace, persona_id=peter.pk, change_id=change.pk, cause=BACK)

    assert plan.is_there
    assert PersonaChange.objects.count() == count


@pytest.mark.parametrize("field", ["created", "contact:phone"])
def test_a_beginning_has_nothing_before_it(peter: Persona, field: str) -> None:
    with pytest.raises(NothingToPutBack):
        _put_back(peter, field)


def test_a_value_of_an_attribute_that_is_gone_stays_in_the_past(peter: Persona, city: AttributeDefinition) -> None:
    _update(peter, PersonaDraft(attributes={"city": "Jakarta"}))
    city.delete()

    with pytest.raises(NothingToPutBack) as refused:
        _put_back(peter, "attribute:city")

    assert "does not exist any more" in str(refused.value)


def test_a_value_that_the_type_no_longer_takes_is_refused(peter: Persona, city: AttributeDefinition) -> None:
    _update(peter, PersonaDraft(attributes={"city": None}))
    AttributeDefinition.objects.filter(pk=city.pk).update(type="number")

    with pytest.raises(AttributeValueInvalid):
        _put_back(peter, "attribute:city")


def test_another_version_than_the_one_seen_is_a_conflict(peter: Persona) -> None:
    _update(peter, PersonaDraft(name="Pete"))

    with pytest.raises(VersionConflict):
        _put_back(peter, "name", version=1)

    assert Persona.objects.get(pk=peter.pk).name == "Pete"


def test_a_change_of_somebody_else_or_elsewhere_is_not_found(
    peter: Persona, workspace: Workspace, other_workspace: Workspace
) -> None:
    mary = add_persona(workspace=workspace, draft=PersonaDraft(name="Mary"), cause=ADDED)
    change = _last(peter, "gender")

    with pytest.raises(ChangeNotFound):
        restore_value(workspace=workspace, persona_id=mary.pk, change_id=change.pk, cause=BACK)
    with pytest.raises(PersonaNotFound):
        restore_value(workspace=other_workspace, persona_id=peter.pk, change_id=change.pk, cause=BACK)
