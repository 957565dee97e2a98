"""What happens to personas: all or nothing, with its history, and with two who want the same at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection

from accounts.models import Workspace
from delivery.models import Event
from messaging.models import Message, Topic
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import (
    AttributeDefinition,
    AttributeValue,
    Contact,
    DeletionReceipt,
    Origin,
    Persona,
    PersonaChange,
)
from personas.services import (
    AttributeUnknown,
    AttributeValueInvalid,
    ContactRefused,
    ContactTaken,
    NameMissing,
    PersonaDraft,
    PersonaNotFound,
    VersionConflict,
    add_persona,
    delete_persona,
    get_persona,
    update_persona,
)
from raven_admin.errors import RavenError

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
CAUSE = Cause(origin=Origin.TOKEN, actor_label="token Shop", at=AT, request_id="req_1")
PHONE = ContactDraft("phone", "0812 3456 789", "Home")


def _add(workspace: Workspace, name: str = "Peter", *contacts: ContactDraft, **attributes: Any) -> Persona:
    draft = PersonaDraft(name=name, attributes=attributes)
    return add_persona(workspace=workspace, draft=draft, contacts=contacts, cause=CAUSE)


def _changes() -> list[tuple[str, str, str]]:
    return list(PersonaChange.objects.order_by("id").values_list("field", "old", "new"))


@pytest.fixture
def vip(workspace: Workspace) -> AttributeDefinition:
    return AttributeDefinition.objects.create(workspace=workspace, key="vip", label="VIP", type="boolean")


def test_an_added_persona_is_whole(workspace: Workspace, vip: AttributeDefinition) -> None:
    draft = PersonaDraft(" Peter ", "male", date(2002, 8, 2), "Notes", {"vip": True})

    persona = add_persona(workspace=workspace, draft=draft, contacts=[PHONE], cause=CAUSE)

    found = get_persona(workspace_id=workspace.pk, persona_id=persona.pk)
    assert (found.name, found.gender, found.birthday, found.notes, found.version, found.created_at) == (
        "Peter", "male", date(2002, 8, 2), "Notes", 1, AT,
    )  # fmt: skip
    assert [(v.definition, v.value) for v in found.attributes.all()] == [(vip, "true")]
    assert [(c.type, c.key, c.normalized, c.label) for c in found.contacts.all()] == [
        ("phone", "0812 3456 789", "+628123456789", "Home")
    ]
    assert _changes() == [
        ("created", "", "Peter"),
        ("gender", "", "male"),
        ("birthday", "", "2002-08-02"),
        ("notes", "", "Notes"),
        ("attribute:vip", "", "true"),
        ("contact:phone", "", "+628123456789"),
    ]
    change = PersonaChange.objects.latest("id")
    assert (change.actor_label, change.request_id, change.happened_at) == ("token Shop", "req_1", AT)


@pytest.mark.parametrize(
    ("draft", "contacts", "error"),
    [
        (PersonaDraft(), [], NameMissing),
        (PersonaDraft(name="  "), [], NameMissing),
        (PersonaDraft("Peter", attributes={"nope": 1}), [PHONE], AttributeUnknown),
        (PersonaDraft("Peter", attributes={"vip": "perhaps"}), [PHONE], AttributeValueInvalid),
        (PersonaDraft("Peter", attributes={"vip": True}), [PHONE, ContactDraft("pigeon", "x")], ContactRefused),
        (PersonaDraft("Peter", attributes={"vip": True}), [PHONE, ContactDraft("email", "x")], ContactRefused),
        (PersonaDraft("Peter", attributes={"vip": True}), [PHONE] * 51, ContactRefused),
        (PersonaDraft("Peter"), [PHONE, ContactDraft("line", "mary")], ContactTaken),
    ],
)
def test_a_refused_persona_leaves_nothing(
    workspace: Workspace, vip: AttributeDefinition, draft: PersonaDraft, contacts: Any, error: type[RavenError]
) -> None:
    _add(workspace, "Mary", ContactDraft("line", "Mary"))
    before = (Persona.objects.count(), Contact.objects.count(), PersonaChange.objects.count(), Event.objects.count())

    with pytest.raises(error):
        add_persona(workspace=workspace, draft=draft, contacts=contacts, cause=CAUSE)

    after = (Persona.objects.count(), Contact.objects.count(), PersonaChange.objects.count(), Event.objects.count())
    assert before == after
    assert not AttributeValue.objects.exists()


def test_a_taken_contact_names_whose_it_is(workspace: Workspace) -> None:
    mary = _add(workspace, "Mary", PHONE)

    with pytest.raises(ContactTaken) as refused:
        _add(workspace, "Peter", ContactDraft("line", "x"), ContactDraft("phone", "+62 812-3456-789"))

    error = refused.value
    assert (error.contact_index, error.persona_id, error.persona_name) == (1, mary.pk, "Mary")
    assert str(error) == f"phone +62 812-3456-789 already belongs to Mary (persona {mary.pk})."


def test_an_update_is_one_version_one_event_and_a_line_a_field(workspace: Workspace, vip: AttributeDefinition) -> None:
    persona = _add(workspace)
    PersonaChange.objects.all().delete()
    draft = PersonaDraft(name="Mary", gender="female", attributes={"vip": "yes"})

    updated = update_persona(
        workspace=workspace, persona_id=persona.pk, draft=draft, contacts=[PHONE], version=1, cause=CAUSE
    )

    persona.refresh_from_db()
    assert (updated.version, persona.version, persona.updated_at) == (2, 2, AT)
    assert _changes() == [
        ("name", "Peter", "Mary"),
        ("gender", "", "female"),
        ("attribute:vip", "", "true"),
        ("contact:phone", "", "+628123456789"),
    ]
    assert Event.objects.latest("id").data == {
        "persona": persona.pk, "version": 2, "fields": ["name", "gender", "attribute:vip", "contact:phone"],
    }  # fmt: skip


def test_an_update_that_fails_at_its_end_leaves_nothing(workspace: Workspace, vip: AttributeDefinition) -> None:
    _add(workspace, "Mary", PHONE)
    persona = _add(workspace)
    before = _changes()

    with pytest.raises(ContactTaken):
        update_persona(
            workspace=workspace,
            persona_id=persona.pk,
            draft=PersonaDraft(name="New", attributes={"vip": True}),
            contacts=[PHONE],
            cause=CAUSE,
        )

    persona.refresh_from_db()
    assert (persona.name, persona.version, _changes()) == ("Peter", 1, before)
    assert not AttributeValue.objects.exists()


def test_a_changed_contact_keeps_its_label_and_its_messages(workspace: Workspace) -> None:
    persona = _add(workspace, "Peter", PHONE, ContactDraft("email", "p@example.org"))
    phone = persona.contacts.get(type="phone")

    update_persona(workspace=workspace, persona_id=persona.pk, changed_contacts={phone.pk: "08129999999"}, cause=CAUSE)

    changed = Contact.objects.get(pk=phone.pk)
    assert (changed.key, changed.normalized, changed.label) == ("08129999999", "+628129999999", "Home")
    assert _changes()[-1] == ("contact:phone", "+628123456789", "+628129999999")
    assert persona.contacts.count() == 2


def test_a_contact_changed_to_another_notation_of_itself_is_no_change(workspace: Workspace) -> None:
    persona = _add(workspace, "Peter", PHONE)
    phone = persona.contacts.get()

    update_persona(
        workspace=workspace, persona_id=persona.pk, changed_contacts={phone.pk: "+62 812 3456 789"}, cause=CAUSE
    )

    persona.refresh_from_db()
    assert (persona.version, len(_changes())) == (1, 2)


def test_a_contact_changed_to_nothing_is_taken_away(workspace: Workspace) -> None:
    persona = _add(workspace, "Peter", PHONE)
    phone = persona.contacts.get()

    update_persona(workspace=workspace, persona_id=persona.pk, changed_contacts={phone.pk: None}, cause=CAUSE)

    assert (persona.contacts.count(), _changes()[-1]) == (0, ("contact:phone", "+628123456789", ""))


def test_a_contact_is_changed_to_nobody_elses(workspace: Workspace) -> None:
    mary = _add(workspace, "Mary", PHONE)
    peter = _add(workspace, "Peter", ContactDraft("phone", "08129999999"))
    own, hers = peter.contacts.get(), mary.contacts.get()

    with pytest.raises(ContactTaken) as refused:
        update_persona(workspace=workspace, persona_id=peter.pk, changed_contacts={own.pk: PHONE.key}, cause=CAUSE)
    update_persona(workspace=workspace, persona_id=peter.pk, changed_contacts={hers.pk: "08121111111"}, cause=CAUSE)

    assert refused.value.persona_name == "Mary"
    assert Contact.objects.get(pk=own.pk).normalized == "+628129999999"
    assert Contact.objects.get(pk=hers.pk).normalized == "+628123456789"


def test_a_contact_changes_its_type_and_its_label(workspace: Workspace) -> None:
    persona = _add(workspace, "Peter", PHONE)
    contact = persona.contacts.get()

    update_persona(
        workspace=workspace,
        persona_id=persona.pk,
        changed_contacts={contact.pk: ContactDraft("whatsapp", PHONE.key, "Work")},
        cause=CAUSE,
    )

    assert Contact.objects.values_list("pk", "type", "key", "normalized", "label").get() == (
        contact.pk, "whatsapp", "0812 3456 789", "+628123456789", "Work",
    )  # fmt: skip
    assert _changes()[2:] == [
        ("contact:phone", "+628123456789", ""),
        ("contact:whatsapp", "", "+628123456789"),
        ("contact_label:whatsapp:+628123456789", "Home", "Work"),
    ]


def test_a_label_alone_changes_without_the_address_being_read_again(workspace: Workspace) -> None:
    persona = _add(workspace, "Peter", PHONE)
    contact = persona.contacts.get()
    Workspace.objects.filter(pk=workspace.pk).update(country="DE")
    workspace.refresh_from_db()

    update_persona(
        workspace=workspace,
        persona_id=persona.pk,
        changed_contacts={contact.pk: ContactDraft("phone", PHONE.key, "Work")},
        cause=CAUSE,
    )

    assert Contact.objects.values_list("normalized", "label").get() == ("+628123456789", "Work")
    assert _changes()[2:] == [("contact_label:phone:+628123456789", "Home", "Work")]


def test_the_label_of_a_contact_taken_away_is_in_history(workspace: Workspace) -> None:
    persona = _add(workspace, "Peter", PHONE)
    contact = persona.contacts.get()

    update_persona(workspace=workspace, persona_id=persona.pk, changed_contacts={contact.pk: None}, cause=CAUSE)

    assert _changes()[2:] == [
        ("contact_label:phone:+628123456789", "Home", ""),
        ("contact:phone", "+628123456789", ""),
    ]


def test_a_contact_may_take_the_address_that_another_gives_up(workspace: Workspace) -> None:
    persona = _add(workspace, "Peter", ContactDraft("email", "old@example.org"), PHONE)
    email, phone = persona.contacts.order_by("id")

    update_persona(
        workspace=workspace,
        persona_id=persona.pk,
        changed_contacts={email.pk: ContactDraft("phone", PHONE.key), phone.pk: None},
        cause=CAUSE,
    )

    assert list(persona.contacts.values_list("pk", "normalized")) == [(email.pk, "+628123456789")]


def test_a_contact_is_not_changed_to_another_of_the_same_persona(workspace: Workspace) -> None:
    persona = _add(workspace, "Peter", PHONE, ContactDraft("phone", "08129999999"))
    second = persona.contacts.get(normalized="+628129999999")

    with pytest.raises(ContactRefused) as refused:
        update_persona(
            workspace=workspace, persona_id=persona.pk, changed_contacts={second.pk: "+628123456789"}, cause=CAUSE
        )

    assert (refused.value.contact_id, refused.value.problem) == (second.pk, "“+628123456789” is here twice.")


def test_a_persona_has_at_most_fifty_contacts_in_total(workspace: Workspace) -> None:
    drafts = [ContactDraft("other", f"Locker {number}") for number in range(51)]
    persona = _add(workspace, "Peter", *drafts[:49])
    update_persona(workspace=workspace, persona_id=persona.pk, contacts=drafts[:50], cause=CAUSE)

    with pytest.raises(ContactRefused):
        update_persona(workspace=workspace, persona_id=persona.pk, contacts=drafts[50:], cause=CAUSE)
    first = persona.contacts.earliest("id")
    update_persona(
        workspace=workspace, persona_id=persona.pk, changed_contacts={first.pk: None}, contacts=drafts[50:], cause=CAUSE
    )

    assert persona.contacts.count() == 50


def test_a_persona_elsewhere_is_neither_read_nor_changed_nor_deleted(
    workspace: Workspace, other_workspace: Workspace
) -> None:
    persona = _add(other_workspace)
    attempts: list[Callable[[], object]] = [
        lambda: get_persona(workspace_id=workspace.pk, persona_id=persona.pk),
        lambda: update_persona(workspace=workspace, persona_id=persona.pk, cause=CAUSE),
        lambda: delete_persona(workspace=workspace, persona_id=persona.pk, cause=CAUSE),
    ]

    for attempt in attempts:
        with pytest.raises(PersonaNotFound):
            attempt()
    assert Persona.objects.filter(pk=persona.pk).exists()


@pytest.mark.parametrize("version", [0, 2])
def test_another_version_is_a_conflict(workspace: Workspace, version: int) -> None:
    persona = _add(workspace)

    with pytest.raises(VersionConflict) as refused:
        update_persona(
            workspace=workspace, persona_id=persona.pk, draft=PersonaDraft(name="X"), version=version, cause=CAUSE
        )
    with pytest.raises(VersionConflict):
        delete_persona(workspace=workspace, persona_id=persona.pk, version=version, cause=CAUSE)

    assert (refused.value.current, refused.value.given) == (1, version)


def test_a_deleted_persona_takes_its_conversations_and_leaves_an_event(workspace: Workspace) -> None:
    persona = _add(workspace, "Peter", PHONE)
    own = Topic.objects.create(workspace=workspace, type="persona", name="Order", persona=persona)
    news = Topic.objects.create(workspace=workspace, type="mass", name="News")
    for topic in (own, news):
        Message.objects.create(
            workspace=workspace, topic=topic, direction="incoming", sender_persona=persona, sender_name="Peter",
            text="Hi", created_at=AT,
        )  # fmt: skip

    receipt = delete_persona(workspace=workspace, persona_id=persona.pk, version=1, cause=CAUSE)

    assert DeletionReceipt.objects.get() == receipt
    assert (receipt.persona_id, receipt.contact_count, receipt.message_count) == (persona.pk, 1, 1)
    assert (receipt.origin, receipt.actor_label, receipt.request_id) == ("token", "token Shop", "req_1")
    assert not any("Peter" in str(value) or "8123456" in str(value) for value in vars(receipt).values())
    left = Message.objects.get()
    assert (left.topic, left.sender_persona, left.sender_name) == (news, None, "Deleted persona")
    assert (Contact.objects.count(), PersonaChange.objects.count()) == (0, 0)
    event = Event.objects.latest("id")
    assert (event.kind, event.data) == ("persona.deleted", {"persona": persona.pk})


def _at_once(count: int, work: Callable[[int], object]) -> list[str]:
    """What each of `count` threads, started together, gets: "" or the code of its refusal."""
    gate = threading.Barrier(count)

    def working(number: int) -> str:
        try:
            gate.wait(30)
            work(number)
        except RavenError as error:
            return error.code
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(working, range(count)))


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_of_one_version_one_wins(workspace: Workspace) -> None:
    persona = _add(workspace)

    said = _at_once(
        6,
        lambda number: update_persona(
            workspace=workspace,
            persona_id=persona.pk,
            draft=PersonaDraft(name=f"Name {number}"),
            version=1,
            cause=CAUSE,
        ),
    )

    persona.refresh_from_db()
    assert sorted(said) == ["", *["version_conflict"] * 5]
    assert (persona.name, persona.version) == (f"Name {said.index('')}", 2)


@pytest.mark.django_db(transaction=True)
def test_changes_without_a_version_all_count(workspace: Workspace) -> None:
    persona = _add(workspace)

    said = _at_once(
        6,
        lambda number: update_persona(
            workspace=workspace, persona_id=persona.pk, draft=PersonaDraft(notes=f"Note {number}"), cause=CAUSE
        ),
    )

    persona.refresh_from_db()
    notes = [(old, new) for field, old, new in _changes() if field == "notes"]
    assert (said, persona.version) == ([""] * 6, 7)
    assert [old for old, _new in notes] == ["", *[new for _old, new in notes[:-1]]]


@pytest.mark.django_db(transaction=True)
def test_a_contact_that_many_want_at_once_is_ones(workspace: Workspace) -> None:
    said = _at_once(6, lambda number: _add(workspace, f"Name {number}", PHONE))

    assert sorted(said) == ["", *["contact_taken"] * 5]
    assert (Contact.objects.get().persona.name, Persona.objects.count()) == (f"Name {said.index('')}", 1)


@pytest.mark.django_db(transaction=True)
def test_several_contacts_that_many_want_at_once_in_orders_of_their_own_are_ones(workspace: Workspace) -> None:
    wanted = [ContactDraft("email", f"peter{number}@example.org") for number in range(30)]

    said = _at_once(6, lambda number: _add(workspace, f"Name {number}", *wanted[5 * number :], *wanted[: 5 * number]))

    assert sorted(said) == ["", *["contact_taken"] * 5]
    winner = said.index("")
    assert (Persona.objects.get().name, Contact.objects.count()) == (f"Name {winner}", 30)
    assert Contact.objects.order_by("pk")[0].key == wanted[5 * winner].key


def test_contacts_stand_in_the_order_in_which_they_were_given(workspace: Workspace) -> None:
    keys = ["zoe@example.org", "peter@example.org", "anna@example.org"]

    persona = _add(workspace, "Peter", PHONE, *[ContactDraft("email", key) for key in keys])

    assert [contact.key for contact in persona.contacts.all()] == [PHONE.key, *keys]
