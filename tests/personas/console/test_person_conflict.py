"""Two people save the page of one person: what each typed survives, or is there to choose from."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from personas.models import AttributeDefinition, Persona, PersonaChange
from tests.personas.console.test_person import address, contact_of, form_on, rina

__all__ = ["rina"]  # a fixture
pytestmark = pytest.mark.django_db


@pytest.fixture
def ayu(admin_user: User) -> Client:
    return _signed_in(admin_user)


@pytest.fixture
def budi(support_user: User) -> Client:
    return _signed_in(support_user)


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def words_of(page: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text.split('id="main"')[1]).split())


def test_different_fields_both_survive_and_the_later_one_hears_of_it(ayu: Client, budi: Client, rina: Persona) -> None:
    form = form_on(ayu.get(address(rina)))
    budi.post(address(rina), form | {"attribute-city": "Bandung"})

    told = ayu.post(address(rina), form | {"name": "Rina H."}, follow=True)

    rina.refresh_from_db()
    assert (rina.name, rina.attributes.get(definition__key="city").value) == ("Rina H.", "Bandung")
    assert "While you were editing, somebody else changed: City. Their changes are kept too." in told.text


def test_same_field_shows_before_theirs_and_yours_and_saves_nothing(ayu: Client, budi: Client, rina: Persona) -> None:
    form = form_on(ayu.get(address(rina)))
    budi.post(address(rina), form | {"attribute-city": "Bandung", "birthday": ""})
    before = PersonaChange.objects.count()

    page = ayu.post(
        address(rina),
        form | {"attribute-city": "Surabaya", "birthday": "1990-05-02", "name": "Rina H.", "new-0-type": "email",
                "new-0-key": "r@example.org"},
    )  # fmt: skip

    assert page.status_code == 409
    words = words_of(page)
    for text in (
        "Before: Jakarta",
        "Bandung",
        "Surabaya",
        "1 May 1990",
        "2 May 1990",
        "Budi",
        "Rina H.",
        "r@example.org",
    ):
        assert text in words
    assert PersonaChange.objects.count() == before


@pytest.mark.parametrize(("keep", "city"), [("theirs", "Bandung"), ("mine", "Surabaya")])
def test_choice_for_a_field_is_saved_together_with_the_other_changes(
    ayu: Client, budi: Client, rina: Persona, keep: str, city: str
) -> None:
    form = form_on(ayu.get(address(rina)))
    budi.post(address(rina), form | {"attribute-city": "Bandung", "gender": "other"})
    email = contact_of(rina, "email")
    page = ayu.post(
        address(rina),
        form | {"attribute-city": "Surabaya", "notes": "Three", "new-0-type": "line", "new-0-key": "Rina",
                f"{email}-remove": "on"},
    )  # fmt: skip

    chosen = form_on(page)
    assert chosen["keep-attribute-city"] == "theirs"
    saved = ayu.post(address(rina), chosen | {"keep-attribute-city": keep})

    rina.refresh_from_db()
    assert saved.status_code == 302
    assert rina.attributes.get(definition__key="city").value == city
    assert (rina.gender, rina.notes, [contact.type for contact in rina.contacts.all()]) == (
        "other", "Three", ["whatsapp", "line"],
    )  # fmt: skip


@pytest.mark.parametrize(("keep", "labels"), [("theirs", []), ("mine", ["Work"])])
def test_contact_that_somebody_removed_may_be_kept(
    ayu: Client, budi: Client, rina: Persona, keep: str, labels: list[str]
) -> None:
    phone = contact_of(rina, "whatsapp")
    form = form_on(ayu.get(address(rina)))
    budi.post(address(rina), form | {f"{phone}-remove": "on"})

    page = ayu.post(address(rina), form | {f"{phone}-label": "Work"})
    ayu.post(address(rina), form_on(page) | {f"keep-{phone}": keep})

    assert "WhatsApp 0812 3456 789 (Work)" in words_of(page)
    assert list(rina.contacts.filter(type="whatsapp").values_list("label", flat=True)) == labels


def test_choice_outlives_an_error_beside_it(ayu: Client, budi: Client, rina: Persona) -> None:
    form, phone = form_on(ayu.get(address(rina))), contact_of(rina, "whatsapp")
    budi.post(address(rina), form | {"attribute-city": "Bandung", f"{phone}-remove": "on"})
    choice = form_on(ayu.post(address(rina), form | {"attribute-city": "Surabaya", f"{phone}-label": "Work"}))

    refused = ayu.post(address(rina), choice | {"new-0-type": "email", "new-0-key": "x"})
    shown = form_on(refused)
    ayu.post(address(rina), shown | {"new-0-key": "x@example.org"})

    assert shown["attribute-city"] == "Bandung"
    assert rina.attributes.get(definition__key="city").value == "Bandung"
    assert sorted(contact.normalized for contact in rina.contacts.all()) == ["rina@example.org", "x@example.org"]


def test_third_change_during_the_choice_is_another_conflict(ayu: Client, budi: Client, rina: Persona) -> None:
    form = form_on(ayu.get(address(rina)))
    budi.post(address(rina), form | {"attribute-city": "Bandung"})
    choice = form_on(ayu.post(address(rina), form | {"attribute-city": "Surabaya"}))
    budi.post(address(rina), form_on(budi.get(address(rina))) | {"attribute-city": "Medan"})

    again = ayu.post(address(rina), choice | {"keep-attribute-city": "mine"})

    assert again.status_code == 409
    assert "Before: Bandung" in words_of(again)
    assert rina.attributes.get(definition__key="city").value == "Medan"


def test_attribute_that_was_removed_meanwhile_keeps_nobody_from_saving(ayu: Client, rina: Persona) -> None:
    form = form_on(ayu.get(address(rina)))
    AttributeDefinition.objects.filter(key="city").delete()

    ayu.post(address(rina), form | {"name": "Rina H."})

    rina.refresh_from_db()
    assert rina.name == "Rina H."


def test_value_written_for_an_attribute_that_was_removed_meanwhile_is_shown_before_the_rest_is_saved(
    ayu: Client, rina: Persona
) -> None:
    form = form_on(ayu.get(address(rina)))
    AttributeDefinition.objects.filter(key="city").delete()

    refused = ayu.post(address(rina), form | {"attribute-city": "Bandung", "name": "Rina H."})
    saved = ayu.post(address(rina), form_on(refused))

    assert "The attribute “city” was removed from this workspace meanwhile. You wrote “Bandung”." in refused.text
    assert saved.status_code == 302
    rina.refresh_from_db()
    assert rina.name == "Rina H."


@pytest.mark.parametrize(("type", "problem"), [("date", "a date, as 2026-11-21."), ("boolean", "true or false.")])
def test_value_written_before_its_type_was_changed_is_named_where_its_control_cannot_show_it(
    ayu: Client, rina: Persona, type: str, problem: str
) -> None:
    form = form_on(ayu.get(address(rina)))
    AttributeDefinition.objects.filter(key="city").update(type=type)

    page = ayu.post(address(rina), form | {"attribute-city": "Bandung"})

    assert f"City takes {problem} You wrote “Bandung”." in page.text


def test_label_of_a_contact_that_somebody_added_meanwhile_is_kept(ayu: Client, budi: Client, rina: Persona) -> None:
    form = form_on(ayu.get(address(rina))) | {"new-0-type": "email", "new-0-key": "r@example.org"}
    budi.post(address(rina), form)

    ayu.post(address(rina), form | {"new-0-label": "Work"})

    assert rina.contacts.get(normalized="r@example.org").label == "Work"


def test_second_label_of_a_contact_that_somebody_added_meanwhile_is_refused_with_theirs(
    ayu: Client, budi: Client, rina: Persona
) -> None:
    form = form_on(ayu.get(address(rina))) | {"new-0-type": "email", "new-0-key": "r@example.org"}
    budi.post(address(rina), form | {"new-0-label": "Home"})

    page = ayu.post(address(rina), form | {"new-0-label": "Work"})

    assert "“r@example.org” is there already, with the label “Home”." in page.text
    assert rina.contacts.get(normalized="r@example.org").label == "Home"


def test_values_with_markup_are_shown_as_text_in_a_conflict(ayu: Client, budi: Client, rina: Persona) -> None:
    form = form_on(ayu.get(address(rina)))
    budi.post(address(rina), form | {"name": "<b>Theirs</b>"})

    page = ayu.post(address(rina), form | {"name": '"><i>Mine'})

    assert "&lt;b&gt;Theirs&lt;/b&gt;" in page.text
    assert "<i>Mine" not in page.text
