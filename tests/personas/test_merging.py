"""Two personas become one and two again, compared row by row over every table there is."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.models import User, Workspace
from delivery import books
from delivery.models import Delivery, Destination, Event
from messaging.models import Message, Recipient, Topic
from personas.history import Cause
from personas.matching import ContactDraft
from personas.merging import (
    NotesTooLong,
    SamePersona,
    Side,
    compare,
    merge_pair,
    merge_personas,
)
from personas.models import (
    AttributeDefinition,
    Contact,
    DuplicatePair,
    Merge,
    Operation,
    OperationRow,
    Origin,
    Persona,
    PersonaChange,
)
from personas.services import (
    PersonaDraft,
    PersonaNotFound,
    VersionConflict,
    add_persona,
    delete_persona,
    get_persona,
    update_persona,
)
from personas.unmerging import MergeNotLatest, MergeUndone, plan_undo, undo_merge
from platforms.models import ContactSession
from tests.delivery.fake import register_fakes
from tests.personas.test_services import _at_once as at_once
from tests.personas.test_snapshots import every_row

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, 15, 123457, tzinfo=UTC)
CAUSE = Cause(origin=Origin.PERSON, actor_label="Budi", at=AT, request_id="req_1")
LATER = Cause(origin=Origin.PERSON, actor_label="Sari", at=AT + timedelta(hours=1))
RECORDS = (Merge, PersonaChange, Event)
"""What a merge and its undoing add to, and never take from."""


@pytest.fixture
def city(workspace: Workspace) -> AttributeDefinition:
    return AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")


@pytest.fixture
def kept(workspace: Workspace, city: AttributeDefinition) -> Persona:
    draft = PersonaDraft("Rina Hartono", notes="Likes tea", attributes={"city": "Jakarta"})
    return _with_rows(workspace, draft, "+6281200000101", topics=("Order 17", "Support"))


@pytest.fixture
def absorbed(workspace: Workspace, kept: Persona) -> Persona:
    """Younger than `kept`, with a topic of the same name, and one of its own."""
    draft = PersonaDraft("R. Hartono", "f", date(1990, 2, 28), "Calls in the evening", {"city": "Bandung"})
    return _with_rows(workspace, draft, "+6281200000102", topics=("Order 17", "Invoice"))


def _with_rows(workspace: Workspace, draft: PersonaDraft, number: str, *, topics: tuple[str, ...]) -> Persona:
    persona = add_persona(workspace=workspace, draft=draft, contacts=[ContactDraft("whatsapp", number)], cause=CAUSE)
    for name in topics:
        topic = Topic.objects.create(workspace=workspace, type="persona", name=name, persona=persona)
        _write(topic, persona)
    mass, _made = Topic.objects.get_or_create(workspace=workspace, type="mass", name="News")
    _write(mass, persona)
    ContactSession.objects.create(workspace=workspace, persona=persona, source_id=f"session-{persona.pk}")
    return persona


def _write(topic: Topic, persona: Persona, text: str = "Hello") -> Message:
    """A message to the persona and one from them."""
    values: dict[str, Any] = {"workspace": topic.workspace, "topic": topic, "created_at": AT, "text": text}
    message = Message.objects.create(**values, direction="outgoing", sender_name="bot")
    Recipient.objects.create(message=message, persona=persona, contact=persona.contacts.order_by("pk")[0])
    return Message.objects.create(**values, direction="incoming", sender_persona=persona, sender_name=persona.name)


def _merge(kept: Persona, absorbed: Persona, **more: Any) -> Merge:
    return merge_personas(
        workspace=kept.workspace, kept_id=kept.pk, absorbed_id=absorbed.pk, **({"cause": CAUSE} | more)
    )


def _fields(persona: Persona) -> tuple[Any, ...]:
    found = get_persona(workspace_id=persona.workspace_id, persona_id=persona.pk)
    attributes = {v.definition.key: v.value for v in found.attributes.all()}
    contacts = sorted(contact.normalized for contact in found.contacts.all())
    return found.name, found.gender, found.birthday, found.notes, attributes, contacts


def test_one_persona_holds_everything_of_both(kept: Persona, absorbed: Persona) -> None:
    _merge(kept, absorbed)

    assert _fields(kept) == (
        "Rina Hartono", "f", date(1990, 2, 28), "Likes tea\n\nCalls in the evening", {"city": "Jakarta"},
        ["+6281200000101", "+6281200000102"],
    )  # fmt: skip
    assert not Persona.objects.filter(pk=absorbed.pk).exists()
    assert sorted(kept.topics.values_list("name", flat=True)) == ["Invoice", "Order 17", "Support"]
    assert Message.objects.filter(topic__in=kept.topics.filter(name="Order 17")).count() == 4
    assert Message.objects.count() == 12
    assert Message.objects.filter(sender_persona=kept).count() == 6
    assert Recipient.objects.filter(persona=kept).count() == 6
    assert kept.contact_sessions.count() == 2


def test_each_field_is_chosen_by_itself(kept: Persona, absorbed: Persona) -> None:
    sides = {"name": "absorbed", "gender": "kept", "notes": "absorbed", "attribute:city": "absorbed"}

    _merge(kept, absorbed, sides=sides)

    name, gender, birthday, notes, attributes, _contacts = _fields(kept)
    assert (name, gender, birthday, notes, attributes) == (
        "R. Hartono", "", date(1990, 2, 28), "Calls in the evening", {"city": "Bandung"},
    )  # fmt: skip


def test_a_side_that_is_none_counts_as_not_chosen(kept: Persona, absorbed: Persona) -> None:
    sides = {"name": "both", "gender": "nonsense", "birthday": "both"}

    choices = {choice.name: choice.side for choice in compare(kept=kept, absorbed=absorbed, sides=sides)}

    assert choices == {
        "name": Side.KEPT, "gender": Side.ABSORBED, "birthday": Side.ABSORBED, "notes": Side.BOTH,
        "attribute:city": Side.KEPT,
    }  # fmt: skip


def test_history_and_events_say_who_was_merged(workspace: Workspace, kept: Persona, absorbed: Persona) -> None:
    absorbed_id = absorbed.pk
    Event.objects.all().delete()

    _merge(kept, absorbed, sides={"notes": "kept"})

    new = PersonaChange.objects.filter(persona=kept, request_id="req_1").order_by("pk")
    recorded = [(change.field, change.old, change.new) for change in new][-4:]
    assert recorded == [
        ("merged", "", f"R. Hartono (persona {absorbed_id})"),
        ("gender", "", "f"),
        ("birthday", "", "1990-02-28"),
        ("contact:whatsapp", "", "+6281200000102"),
    ]
    assert [(event.kind, event.data["persona"]) for event in Event.objects.order_by("pk")] == [
        ("persona.deleted", absorbed_id), ("persona.merged", kept.pk),
    ]  # fmt: skip
    assert Event.objects.earliest("pk").data["merged_into"] == kept.pk


def test_the_absorbed_one_is_not_found_and_the_answer_says_where_it_went(
    workspace: Workspace, kept: Persona, absorbed: Persona
) -> None:
    absorbed_id = absorbed.pk
    _merge(kept, absorbed)

    with pytest.raises(PersonaNotFound) as read:
        get_persona(workspace_id=workspace.pk, persona_id=absorbed_id)
    with pytest.raises(PersonaNotFound) as deleted:
        delete_persona(workspace=workspace, persona_id=absorbed_id, cause=CAUSE)

    sentence = f"There is no persona {absorbed_id} in this workspace. It was merged into persona {kept.pk}."
    assert (str(read.value), str(deleted.value)) == (sentence, sentence)


def test_a_merge_undone_gives_both_back_byte_for_byte(kept: Persona, absorbed: Persona) -> None:
    absorbed_id = absorbed.pk
    DuplicatePair.objects.create(workspace=kept.workspace, first=kept, second=absorbed, reason="same_number")
    third = add_persona(workspace=kept.workspace, draft=PersonaDraft("Third"), cause=CAUSE)
    DuplicatePair.objects.create(workspace=kept.workspace, first=absorbed, second=third, reason="near_name")
    operation = Operation.objects.create(workspace=kept.workspace, kind="import", title="File", actor_label="Budi")
    OperationRow.objects.create(operation=operation, number=2, action="create", persona=absorbed)
    before, history = every_row(but=RECORDS), list(PersonaChange.objects.order_by("pk").values())

    merge = _merge(kept, absorbed, sides={"name": "absorbed", "attribute:city": "absorbed"})
    assert every_row(but=RECORDS) != before
    assert OperationRow.objects.get().persona is None
    assert DuplicatePair.objects.get().second == third
    merge.refresh_from_db()
    undo_merge(merge=merge, cause=LATER)

    connection.check_constraints()
    assert every_row(but=RECORDS) == before
    assert list(PersonaChange.objects.order_by("pk").values())[: len(history)] == history
    assert Merge.objects.get().undone_by == "Sari"
    added = PersonaChange.objects.filter(field="merge_undone").order_by("pk")
    assert [(change.persona_id, change.old) for change in added] == [
        (kept.pk, f"R. Hartono (persona {absorbed_id})"), (absorbed_id, f"Rina Hartono (persona {kept.pk})"),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(25))
def test_any_merges_undone_in_reverse_give_all_tables_back(workspace: Workspace, seed: int) -> None:
    """Personas with any fields, contacts, attributes and topics, merged until one is left, with any choices."""
    chance = random.Random(seed)
    keys = [f"k{seed}-{number}" for number in range(3)]
    for key in keys:
        AttributeDefinition.objects.create(workspace=workspace, key=key, label=key)
    people = [_any_persona(workspace, chance, keys, f"{seed:05}{number}") for number in range(chance.randint(2, 4))]
    before, steps = every_row(but=RECORDS), []

    while len(people) > 1:
        chance.shuffle(people)
        gone = people.pop()
        sides = {
            name: chance.choice(["kept", "absorbed", "both"]) for name in ("name", "notes", f"attribute:{keys[0]}")
        }
        steps.append(_merge(people[0], gone, sides=sides))
    for merge in reversed(steps):
        undo_merge(merge=Merge.objects.get(pk=merge.pk), cause=LATER)

    connection.check_constraints()
    assert every_row(but=RECORDS) == before


def _any_persona(workspace: Workspace, chance: random.Random, keys: list[str], number: str) -> Persona:
    draft = PersonaDraft(
        chance.choice(["Rina", "רינה", "=cmd()", "👩‍🦰"]),
        chance.choice(["", "f"]),
        chance.choice([None, date(1970, 1, 1)]),
        chance.choice(["", "One\nnote", "Another"]),
        {key: chance.choice(["", "x", "y"]) for key in keys},
    )
    kinds = chance.sample(["whatsapp", "phone"], k=chance.randint(1, 2))
    persona = add_persona(
        workspace=workspace,
        draft=draft,
        contacts=[ContactDraft(kind, f"+62812{number}") for kind in kinds],
        cause=CAUSE,
    )
    for name in chance.sample(["Order", "Support", "Invoice"], k=chance.randint(0, 3)):
        _write(Topic.objects.create(workspace=workspace, type="persona", name=name, persona=persona), persona)
    return persona


def test_what_was_edited_since_stays_with_the_kept_one(
    workspace: Workspace, kept: Persona, absorbed: Persona, city: AttributeDefinition
) -> None:
    was = _fields(absorbed)
    merge = _merge(kept, absorbed, sides={"name": "absorbed"})
    update_persona(
        workspace=workspace,
        persona_id=kept.pk,
        draft=PersonaDraft(notes="Edited since", attributes={"city": "Surabaya"}),
        contacts=[ContactDraft("email", "rina@example.org")],
        cause=LATER,
    )
    merge.refresh_from_db()

    plan = plan_undo(merge)
    undo_merge(merge=merge, cause=LATER)

    assert [field.name for field in plan.returns] == ["name", "gender", "birthday"]
    assert [(field.name, field.then) for field in plan.stays] == [
        ("notes", "Edited since"), ("attribute:city", "Surabaya"),
    ]  # fmt: skip
    assert not plan.is_untouched
    assert _fields(kept) == (
        "Rina Hartono", "", None, "Edited since", {"city": "Surabaya"}, ["+6281200000101", "rina@example.org"],
    )  # fmt: skip
    assert _fields(absorbed) == was


def test_contacts_go_back_as_they_are_and_come_back_where_they_were_taken_away(
    workspace: Workspace, kept: Persona, absorbed: Persona
) -> None:
    update_persona(
        workspace=workspace, persona_id=absorbed.pk, cause=CAUSE,
        contacts=[ContactDraft("email", "a@example.org"), ContactDraft("email", "b@example.org"),
                  ContactDraft("email", "c@example.org")],
    )  # fmt: skip
    ids = dict(absorbed.contacts.values_list("normalized", "pk"))
    merge = _merge(kept, absorbed)
    update_persona(
        workspace=workspace, persona_id=kept.pk, cause=LATER,
        changed_contacts={ids["+6281200000102"]: "+6281200000199", ids["a@example.org"]: None,
                          ids["b@example.org"]: None, ids["c@example.org"]: None},
    )  # fmt: skip
    update_persona(
        workspace=workspace, persona_id=kept.pk, contacts=[ContactDraft("email", "b@example.org")], cause=LATER
    )
    new_owner = add_persona(
        workspace=workspace, draft=PersonaDraft("New"), contacts=[ContactDraft("email", "c@example.org")], cause=LATER
    )
    merge.refresh_from_db()

    plan = plan_undo(merge)
    undo_merge(merge=merge, cause=LATER)

    assert _fields(absorbed)[-1] == ["+6281200000199", "a@example.org", "b@example.org"]
    assert _fields(kept)[-1] == ["+6281200000101"]
    assert plan.taken == [("E-mail c@example.org", new_owner)]


def test_messages_since_stay_but_for_those_to_an_address_or_topic_that_goes_back(
    kept: Persona, absorbed: Persona
) -> None:
    their_contact = absorbed.contacts.get()
    merge = _merge(kept, absorbed)
    folded = _write(kept.topics.get(name="Order 17"), kept, "since")
    theirs = _write(kept.topics.get(name="Invoice"), kept, "since")
    news = Message.objects.filter(topic__name="News", direction="outgoing").earliest("pk")
    to_theirs = Recipient.objects.create(
        message=Message.objects.create(workspace=kept.workspace, topic=news.topic, direction="outgoing", text="x",
                                       sender_name="bot", created_at=AT),
        persona=kept, contact=their_contact,
    )  # fmt: skip
    merge.refresh_from_db()

    undo_merge(merge=merge, cause=LATER)

    folded.refresh_from_db()
    theirs.refresh_from_db()
    to_theirs.refresh_from_db()
    assert (folded.sender_persona, folded.topic.persona) == (kept, kept)
    assert (theirs.sender_persona_id, theirs.topic.persona_id) == (absorbed.pk, absorbed.pk)
    assert to_theirs.persona_id == absorbed.pk


def test_merges_are_undone_from_the_latest_on(workspace: Workspace, kept: Persona, absorbed: Persona) -> None:
    third = add_persona(workspace=workspace, draft=PersonaDraft("Third"), cause=CAUSE)
    first = _merge(kept, absorbed)
    second = _merge(third, kept)
    first.refresh_from_db()
    assert first.kept == third

    with pytest.raises(MergeNotLatest):
        undo_merge(merge=first, cause=LATER)
    undo_merge(merge=second, cause=LATER)
    first.refresh_from_db()
    undo_merge(merge=first, cause=LATER)

    assert Persona.objects.count() == 3
    with pytest.raises(MergeUndone):
        undo_merge(merge=Merge.objects.get(pk=first.pk), cause=LATER)


def test_two_that_are_said_to_be_two_are_never_proposed_again(kept: Persona, absorbed: Persona) -> None:
    DuplicatePair.objects.create(workspace=kept.workspace, first=kept, second=absorbed, reason="same_number")
    merge = _merge(kept, absorbed)
    merge.refresh_from_db()

    undo_merge(merge=merge, are_two=True, cause=LATER)

    pair = DuplicatePair.objects.get()
    assert (pair.dismissed_at, pair.dismissed_by, pair.reason) == (LATER.at, "Sari", "same_number")


def test_deleting_the_kept_one_drops_its_merges(workspace: Workspace, kept: Persona, absorbed: Persona) -> None:
    _merge(kept, absorbed)

    delete_persona(workspace=workspace, persona_id=kept.pk, cause=LATER)

    assert not Merge.objects.exists()
    assert not Contact.objects.exists()


def test_deleting_one_whose_merge_was_undone_leaves_nothing_of_them_with_the_kept_one(
    workspace: Workspace, kept: Persona, absorbed: Persona
) -> None:
    register_fakes()
    destination = Destination.objects.create(workspace=workspace, name="X", kind="keyed", carries_personas=True)
    absorbed_id = absorbed.pk
    merge = _merge(kept, absorbed, cause=LATER)
    assert "+6281200000102" in str(list(Delivery.objects.filter(persona_id=kept.pk).values("payload")))
    merge.refresh_from_db()
    undo_merge(merge=merge, cause=Cause(origin=Origin.PERSON, actor_label="Sari", at=LATER.at + timedelta(hours=1)))
    history = PersonaChange.objects.filter(persona=kept, happened_at=AT).count()
    assert Merge.objects.get().before == {}

    delete_persona(workspace=workspace, persona_id=absorbed_id, cause=LATER)

    assert not Merge.objects.exists()
    left = str([*PersonaChange.objects.values(), *Delivery.objects.exclude(kind="persona.deleted").values("payload")])
    assert [said for said in ("R. Hartono", "+6281200000102", "Calls in the evening") if said in left] == []
    assert PersonaChange.objects.filter(persona=kept).count() == history
    assert books.audit(destination.pk) == {}


@pytest.mark.parametrize("edited", ["kept", "absorbed"])
def test_a_persona_edited_since_it_was_seen_is_not_merged(
    workspace: Workspace, kept: Persona, absorbed: Persona, edited: str
) -> None:
    versions = (kept.version, absorbed.version)
    changed = kept if edited == "kept" else absorbed
    update_persona(workspace=workspace, persona_id=changed.pk, draft=PersonaDraft(gender="m"), cause=LATER)

    with pytest.raises(VersionConflict):
        _merge(kept, absorbed, versions=versions)

    assert Persona.objects.count() == 2


def test_a_version_of_the_merged_persona_never_fits_one_after_undoing(
    workspace: Workspace, kept: Persona, absorbed: Persona
) -> None:
    merge = _merge(kept, absorbed)
    seen = get_persona(workspace_id=workspace.pk, persona_id=kept.pk).version
    merge.refresh_from_db()
    undo_merge(merge=merge, cause=LATER)

    for number in range(5):
        with pytest.raises(VersionConflict):
            update_persona(
                workspace=workspace, persona_id=kept.pk, draft=PersonaDraft(name="Stale"), version=seen, cause=LATER
            )
        update_persona(workspace=workspace, persona_id=kept.pk, draft=PersonaDraft(name=f"{number}"), cause=LATER)


def test_what_cannot_be_merged_is_refused(
    workspace: Workspace, other_workspace: Workspace, kept: Persona, absorbed: Persona
) -> None:
    foreign = add_persona(workspace=other_workspace, draft=PersonaDraft("Foreign"), cause=CAUSE)
    Persona.objects.update(notes="x" * 9_000)
    Persona.objects.filter(pk=absorbed.pk).update(notes="y" * 9_000)

    with pytest.raises(SamePersona):
        _merge(kept, kept)
    with pytest.raises(PersonaNotFound):
        _merge(kept, foreign)
    with pytest.raises(NotesTooLong):
        _merge(kept, absorbed, sides={"notes": "both"})
    assert Persona.objects.count() == 3


def test_three_alike_become_one_pair_by_pair_and_a_dismissed_pair_stays_dismissed(
    workspace: Workspace, kept: Persona, absorbed: Persona, support_user: User
) -> None:
    third, fourth, fifth = (
        add_persona(workspace=workspace, draft=PersonaDraft(name), cause=CAUSE) for name in ("3", "4", "5")
    )
    pairs = [(kept, absorbed, None), (absorbed, third, None), (third, fourth, AT)]
    for first, second, dismissed_at in pairs:
        DuplicatePair.objects.create(
            workspace=workspace, first=first, second=second, reason="same_number", dismissed_at=dismissed_at
        )
    DuplicatePair.objects.create(workspace=workspace, first=fourth, second=fifth, reason="near_name")

    merges = []
    while pair := DuplicatePair.objects.filter(reason="same_number", dismissed_at=None).order_by("pk").first():
        merges.append(merge_pair(pair=pair, cause=CAUSE))

    assert [(merge.kept_id, merge.absorbed_name) for merge in merges if merge] == [
        (kept.pk, "R. Hartono"),
        (kept.pk, "3"),
    ]
    assert sorted(Persona.objects.values_list("name", flat=True)) == ["4", "5", "Rina Hartono"]
    assert DuplicatePair.objects.filter(dismissed_at=AT, first=kept, second=fourth).exists()


def test_a_pair_that_somebody_closed_meanwhile_is_passed_over(kept: Persona, absorbed: Persona) -> None:
    pair = DuplicatePair.objects.create(workspace=kept.workspace, first=kept, second=absorbed, reason="same_number")
    DuplicatePair.objects.update(dismissed_at=AT)

    assert merge_pair(pair=pair, cause=CAUSE) is None
    assert Persona.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_merges_and_edits_of_the_same_people_at_once_wait_for_each_other_and_lose_nothing(workspace: Workspace) -> None:
    people = [
        add_persona(
            workspace=workspace, draft=PersonaDraft(f"P{number}"), cause=CAUSE,
            contacts=[ContactDraft("phone", f"+62812000001{number:02}")],
        )
        for number in range(6)
    ]  # fmt: skip
    ids = [persona.pk for persona in people]

    def work(number: int) -> None:
        first, second = (ids[number % 6], ids[(number + 1) % 6]) if number < 6 else (ids[0], ids[number % 6])
        if number % 3 == 2:
            contacts = [ContactDraft("telegram", f"p{number}")]
            update_persona(workspace=workspace, persona_id=first, contacts=contacts, cause=LATER)
        else:
            merge_personas(workspace=workspace, kept_id=first, absorbed_id=second, cause=LATER)

    said = at_once(12, work)

    assert set(said) <= {"", "persona_not_found", "merge_of_one"}
    edits = sum(1 for number in range(12) if number % 3 == 2 and said[number] == "")
    assert Persona.objects.count() == 6 - Merge.objects.count()
    assert Merge.objects.count() == sum(1 for number in range(12) if number % 3 != 2 and said[number] == "") >= 1
    assert Contact.objects.count() == 6 + edits
    assert Contact.objects.exclude(persona__in=Persona.objects.all()).count() == 0


@pytest.mark.django_db(transaction=True)
def test_of_two_who_undo_one_merge_one_does(kept: Persona, absorbed: Persona) -> None:
    merge = _merge(kept, absorbed)

    said = at_once(4, lambda _number: undo_merge(merge=Merge.objects.get(pk=merge.pk), cause=LATER))

    assert sorted(said) == ["", "merge_undone", "merge_undone", "merge_undone"]
    assert Persona.objects.count() == 2
