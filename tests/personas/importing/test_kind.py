"""A file of people: what the preview says of it, what is stored, and what undoing leaves."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User, Workspace
from delivery.models import Event
from messaging.models import Message, Recipient, Topic
from personas.definitions import delete_attribute
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import (
    AttributeDefinition,
    AttributeValue,
    Contact,
    Operation,
    OperationFile,
    OperationRow,
    Origin,
    Persona,
    PersonaChange,
)
from personas.operations import count_of, prepare_again, start_operation
from personas.services import PersonaDraft, add_persona, update_persona
from tests.personas.importing.conftest import AT, Upload, verdicts, workbook
from tests.personas.operating import undone, work_off

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("attributes")]

CAUSE = Cause(origin=Origin.TOKEN, actor_label="Shop", at=AT)
Run = Callable[[Operation], Operation]


def add(workspace: Workspace, name: str, *contacts: tuple[str, str], **attributes: Any) -> Persona:
    drafts = [ContactDraft(kind, key) for kind, key in contacts]
    draft = PersonaDraft(name=name, attributes=attributes)
    return add_persona(workspace=workspace, draft=draft, contacts=drafts, cause=CAUSE)


def known_of(persona: Persona) -> dict[str, Any]:
    persona = Persona.objects.get(pk=persona.pk)
    return {
        "name": persona.name,
        **{value.definition.key: value.value for value in persona.attributes.select_related("definition")},
        **{contact.normalized: contact.key for contact in persona.contacts.all()},
    }


def test_preview_tells_new_changed_unchanged_and_refused_rows_apart_and_stores_nothing(
    workspace: Workspace, upload: Upload
) -> None:
    rina = add(workspace, "Rina", ("phone", "0812 3456 789"), city="Bandung")
    budi = add(workspace, "Budi", ("email", "budi@example.org"))
    before = (Persona.objects.count(), PersonaChange.objects.count(), Event.objects.count())

    operation = upload(
        workbook(
            ["ID", "Name", "E-mail", "Phone", "City", "VIP"],
            [None, "Citra", "citra@example.org", None, None, "yes"],
            [rina.pk, "Rina Hartono", None, None, "Jakarta", None],
            [None, "Budi", "BUDI@example.org", None, None, None],
            [None, "", "nobody", "12", None, "perhaps"],
            [99999, "Gone", None, None, None, None],
        )
    )

    assert operation.state == Operation.State.PREVIEW
    assert verdicts(operation) == {
        2: (
            "create",
            [["name", "", "Citra"], ["attribute:vip", "", "true"], ["contact:email", "", "citra@example.org"]],
        ),
        3: ("change", [["name", "Rina", "Rina Hartono"], ["attribute:city", "Bandung", "Jakarta"]]),
        4: ("same", []),
        5: (
            "refuse",
            [
                ["VIP", "Takes true or false."],
                ["Phone", "“12” can't be reached: the number is too short for its country."],
                ["E-mail", "“nobody” can't be reached: write an e-mail address as name@example.org."],
                ["Name", "A persona needs a name."],
            ],
        ),
        6: ("refuse", [["ID", "There is no person 99999 in this workspace. To add somebody, leave the ID empty."]]),
    }  # fmt: skip
    assert operation.counts == {
        "create": {"planned": 1}, "change": {"planned": 1}, "same": {"done": 1}, "refuse": {"refused": 2}
    }  # fmt: skip
    assert OperationRow.objects.get(operation=operation, number=4).persona == budi
    assert (Persona.objects.count(), PersonaChange.objects.count(), Event.objects.count()) == before


def test_import_leaves_the_same_rows_history_and_events_as_the_services_would(
    workspace: Workspace, other_workspace: Workspace, upload: Upload, run: Run
) -> None:
    for definition in AttributeDefinition.objects.filter(workspace=workspace):
        definition.pk = None
        definition.workspace = other_workspace
        definition.save()
    add_persona(
        workspace=other_workspace,
        draft=PersonaDraft(
            name="Rina", gender="f", birthday=date(1990, 12, 31), notes="=1+1",
            attributes={"city": "Bandung", "points": 7},
        ),
        contacts=[ContactDraft("whatsapp", "+62 812 3456 789"), ContactDraft("email", "Rina@Example.org")],
        cause=CAUSE,
    )  # fmt: skip

    operation = run(
        upload(
            workbook(
                ["Name", "Gender", "Birthday", "Notes", "City", "Points", "WhatsApp", "E-mail"],
                ["Rina", "f", date(1990, 12, 31), "=1+1", "Bandung", 7, "+62 812 3456 789", "Rina@Example.org"],
            )
        )
    )

    def all_of(workspace: Workspace) -> Any:
        persona = Persona.objects.get(workspace=workspace)
        return (
            (persona.name, persona.gender, persona.birthday, persona.version),
            list(persona.attributes.order_by("id").values_list("definition__key", "value")),
            list(persona.contacts.order_by("id").values_list("type", "label", "key", "normalized")),
            list(persona.changes.order_by("id").values_list("field", "old", "new")),
            [(event.kind, event.data | {"persona": 0}) for event in Event.objects.filter(workspace=workspace)],
        )

    assert operation.state == Operation.State.DONE
    assert all_of(workspace) == all_of(other_workspace)
    assert set(PersonaChange.objects.filter(workspace=workspace).values_list("origin", "actor_label", "operation")) == {
        ("import", "Budi", operation.pk)
    }


def test_row_that_changed_since_the_preview_is_refused_and_not_overwritten(
    workspace: Workspace, upload: Upload, run: Run
) -> None:
    rina, budi = add(workspace, "Rina", city="Bandung"), add(workspace, "Budi", city="Bandung")
    operation = upload(workbook(["ID", "City"], [rina.pk, "Jakarta"], [budi.pk, "Jakarta"]))
    update_persona(
        workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(attributes={"city": "Medan"}), cause=CAUSE
    )

    operation = run(operation)

    assert (known_of(rina)["city"], known_of(budi)["city"]) == ("Medan", "Jakarta")
    refused = OperationRow.objects.get(operation=operation, state="refused")
    assert (refused.number, refused.problems) == (
        2, [["City", "It has changed since the preview: it is “Medan” now."]]
    )  # fmt: skip
    assert operation.counts == {"change": {"planned": 0, "refused": 1, "done": 1}}


def test_row_that_somebody_did_by_hand_since_the_preview_counts_as_unchanged(
    workspace: Workspace, upload: Upload, run: Run
) -> None:
    rina, budi = add(workspace, "Rina", city="Bandung"), add(workspace, "Budi", city="Bandung")
    operation = upload(workbook(["ID", "City"], [rina.pk, "Jakarta"], [budi.pk, "Jakarta"]))
    draft = PersonaDraft(attributes={"city": "Jakarta"})
    update_persona(workspace=workspace, persona_id=rina.pk, draft=draft, cause=CAUSE)

    operation = run(operation)

    assert verdicts(operation) == {2: ("same", []), 3: ("change", [["attribute:city", "Bandung", "Jakarta"]])}
    assert count_of(operation, actions=[OperationRow.Action.CHANGE]) == 1


def test_new_person_whose_address_somebody_got_since_the_preview_is_refused(
    workspace: Workspace, upload: Upload, run: Run
) -> None:
    operation = upload(workbook(["Name", "E-mail"], ["Rina", "rina@example.org"], ["Budi", "budi@example.org"]))
    other = add(workspace, "Somebody", ("email", "rina@example.org"))

    run(operation)

    assert set(Persona.objects.values_list("name", flat=True)) == {"Somebody", "Budi"}
    refused = OperationRow.objects.get(operation=operation, state="refused")
    assert refused.problems == [["", f"Since the preview, Somebody (ID {other.pk}) has an address of this row."]]


def test_person_deleted_since_the_preview_leaves_nothing_of_them_in_the_operation(
    workspace: Workspace, upload: Upload, run: Run
) -> None:
    rina = add(workspace, "Rina", city="Bandung")
    operation = upload(workbook(["ID", "City"], [rina.pk, "Jakarta"]))
    rina.delete()

    run(operation)

    row = OperationRow.objects.get(operation=operation)
    assert (row.state, row.persona_name, row.values, row.differences) == ("refused", "", {}, [])
    assert row.problems == [["", "This person was deleted after the preview."]]


def test_row_with_an_id_has_all_contacts_of_a_kind_and_one_without_only_adds(
    workspace: Workspace, upload: Upload, run: Run
) -> None:
    rina = add(workspace, "Rina", ("phone", "+62812000001"), ("phone", "+62812000002"))
    kept = Contact.objects.get(normalized="+62812000001")
    budi = add(workspace, "Budi", ("phone", "+62812000003"), ("email", "budi@example.org"))

    run(
        upload(
            workbook(
                ["ID", "Name", "Phone", "E-mail"],
                [rina.pk, None, "+62812000009", None],
                [None, "Budi", "+62812000008", "budi@example.org"],
            )
        )
    )

    assert known_of(rina) == {"name": "Rina", "+62812000009": "+62812000009"}
    assert Contact.objects.get(pk=kept.pk).normalized == "+62812000009"
    assert set(known_of(budi)) == {"name", "+62812000003", "+62812000008", "budi@example.org"}


def test_empty_cell_leaves_a_value_and_the_word_clear_takes_it_away(
    workspace: Workspace, upload: Upload, run: Run
) -> None:
    rina = add(workspace, "Rina", ("phone", "+62812000001"), city="Bandung", points=7)

    run(upload(workbook(["ID", "City", "Points", "Phone"], [rina.pk, " (Clear) ", None, "(clear)"])))

    assert known_of(rina) == {"name": "Rina", "points": "7"}


def test_same_person_or_address_twice_in_a_file_is_refused_the_second_time(
    workspace: Workspace, upload: Upload
) -> None:
    rina = add(workspace, "Rina", ("phone", "+62812000001"))

    operation = upload(
        workbook(
            ["ID", "Name", "Phone"],
            [rina.pk, "Rina H.", None],
            [None, "Rina", "0812 000001"],
            [None, "New", "+62812000002"],
            [None, "Also new", "0812000002"],
        )
    )

    assert {number: found for number, found in verdicts(operation).items() if found[0] == "refuse"} == {
        3: ("refuse", [["", "Row 2 is about the same person."]]),
        5: ("refuse", [["", "Row 4 is about the same person."]]),
    }


def test_addresses_of_two_people_in_one_row_are_refused_with_both_names(workspace: Workspace, upload: Upload) -> None:
    rina, budi = add(workspace, "Rina", ("phone", "+62812000001")), add(workspace, "Budi", ("email", "b@example.org"))

    operation = upload(workbook(["Name", "Phone", "E-mail"], ["R", "+62812000001", "b@example.org"]))

    sentence = f"b@example.org belongs to Budi (ID {budi.pk}), and another address of this row to Rina (ID {rina.pk})."
    assert verdicts(operation)[2] == ("refuse", [["E-mail", sentence]])


def test_people_of_another_workspace_are_neither_found_nor_changed(
    workspace: Workspace, other_workspace: Workspace, upload: Upload
) -> None:
    foreign = add(other_workspace, "Foreign", ("phone", "+62812000001"))

    operation = upload(workbook(["ID", "Name", "Phone"], [foreign.pk, "Mine", None], [None, "New", "+62812000001"]))

    assert {number: action for number, (action, _found) in verdicts(operation).items()} == {2: "refuse", 3: "create"}


def test_unknown_columns_are_named_and_can_be_mapped(workspace: Workspace, upload: Upload) -> None:
    operation = upload(workbook(["Wer", "CITY", "Lieblingstier"], ["Rina", "Bandung", "cat"]))
    assert operation.plan["columns"] == [
        {"title": "Wer", "key": ""}, {"title": "CITY", "key": "attribute:city"}, {"title": "Lieblingstier", "key": ""}
    ]  # fmt: skip
    assert not OperationRow.objects.exists()

    columns = [{"title": "Wer", "key": "name"}, *operation.plan["columns"][1:]]
    operation = work_off(prepare_again(operation_id=operation.pk, plan={"columns": columns}, at=AT))

    assert verdicts(operation) == {2: ("create", [["name", "", "Rina"], ["attribute:city", "", "Bandung"]])}


def test_undone_import_deletes_new_people_and_puts_changed_fields_back(
    workspace: Workspace, support_user: User, upload: Upload, run: Run
) -> None:
    rina = add(workspace, "Rina", ("phone", "0812 000 001"), ("email", "r@example.org"), city="Bandung", points=7)
    before = known_of(rina)
    file = workbook(
        ["ID", "Name", "City", "Points", "Phone", "E-mail"],
        [rina.pk, "Rina H.", "Jakarta", "(clear)", "+62812000009", "(clear)"],
        [None, "New", None, None, "+62812000002", None],
    )
    operation = run(upload(file))
    assert known_of(rina) != before

    operation = undone(operation, support_user)

    assert known_of(rina) == before
    assert list(Persona.objects.values_list("name", flat=True)) == ["Rina"]
    assert operation.counts["change"] == {"planned": 0, "done": 0, "undone": 1}
    assert set(PersonaChange.objects.filter(new="Rina").values_list("origin", flat=True)) == {"token", "import"}


def test_undone_import_leaves_and_lists_what_was_changed_since(
    workspace: Workspace, support_user: User, upload: Upload, run: Run
) -> None:
    rina = add(workspace, "Rina", city="Bandung", points=7)
    file = workbook(
        ["ID", "Name", "City", "Points"], [rina.pk, None, "Jakarta", 8], [None, "Edited"], [None, "Messaged"],
        [None, "Wrote"], [None, "Got news"],
    )  # fmt: skip
    operation = run(upload(file))
    edited, messaged = Persona.objects.get(name="Edited"), Persona.objects.get(name="Messaged")
    for persona, key in ((rina, "city"), (edited, "city")):
        update_persona(
            workspace=workspace, persona_id=persona.pk, draft=PersonaDraft(attributes={key: "Medan"}), cause=CAUSE
        )
    Topic.objects.create(workspace=workspace, type="persona", name="Hello", persona=messaged)
    wrote, got_news = Persona.objects.get(name="Wrote"), Persona.objects.get(name="Got news")
    news = Topic.objects.create(workspace=workspace, type="mass", name="News")
    message = Message.objects.create(
        workspace=workspace, topic=news, direction="incoming", sender_persona=wrote, text="Hi", created_at=AT
    )
    Recipient.objects.create(message=message, persona=got_news)

    operation = undone(operation, support_user)

    messages = "There are messages with this person by now, so it is not deleted."
    assert known_of(rina) == {"name": "Rina", "city": "Medan", "points": "7"}
    assert {row.number: row.problems for row in OperationRow.objects.filter(operation=operation, state="kept")} == {
        2: [["City", "It is “Medan” by now, so it stays."]],
        3: [["", "This person was edited since, so it is not deleted."]],
        4: [["", messages]],
        5: [["", messages]],
        6: [["", messages]],
    }


def test_undone_import_puts_back_all_but_the_values_of_an_attribute_that_was_deleted_since(
    workspace: Workspace, support_user: User, upload: Upload, run: Run
) -> None:
    rina, budi = add(workspace, "Rina", city="Bandung", points=7), add(workspace, "Budi", city="Solo")
    file = workbook(["ID", "Name", "City"], [rina.pk, "Rina H.", "Jakarta"], [budi.pk, "Budi H.", "(clear)"])
    operation = run(upload(file))
    city = AttributeDefinition.objects.get(key="city")
    delete_attribute(definition=city, confirmed_key="city", cause=CAUSE)

    operation = undone(operation, support_user)

    assert set(Persona.objects.values_list("name", flat=True)) == {"Rina", "Budi"}
    assert (
        list(OperationRow.objects.filter(operation=operation).values_list("problems", flat=True))
        == [[["city", "The attribute was deleted since."]]] * 2
    )


def test_undoing_an_import_takes_as_many_statements_for_many_as_for_few(
    support_user: User, upload: Upload, run: Run
) -> None:
    few, many = (
        run(upload(workbook(["Name", "Phone"], *([f"P{number}", f"+62812000{number:04}"] for number in numbers))))
        for numbers in (range(2), range(10, 40))
    )
    with CaptureQueriesContext(connection) as of_few:
        undone(few, support_user)

    with CaptureQueriesContext(connection) as of_many:
        undone(many, support_user)

    assert not Persona.objects.exists()
    assert len(of_many) == len(of_few)


def test_file_is_gone_once_the_import_has_started(workspace: Workspace, support_user: User, upload: Upload) -> None:
    operation = upload(workbook(["Name"], ["Rina"]))
    assert OperationFile.objects.exists()

    start_operation(operation_id=operation.pk, by=support_user, at=AT)

    assert not OperationFile.objects.exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "The file can’t be read: it is empty."),
        (b"PK\x03\x04broken", "The file can’t be read: it is damaged, or no Excel workbook (File is not a zip file)."),
        (
            b"\xff\xfeN\x00",
            "The file can’t be read: it is neither an .xlsx workbook nor text in UTF-8. "
            "In Excel: Save as, “CSV UTF-8”.",
        ),
        (
            b"\xd0\xcf\x11\xe0rest",
            "The file can’t be read: it is protected by a password, or an .xls file of an old Excel. Save it as .xlsx.",
        ),
    ],
)  # fmt: skip
def test_file_that_cannot_be_read_fails_with_the_reason(upload: Upload, content: bytes, problem: str) -> None:
    operation = upload(content)

    assert (operation.state, operation.problem) == (Operation.State.FAILED, problem)


@pytest.mark.parametrize(
    "text", ["Name;City\nRina;Bandung\n", "\ufeffName,City\r\nRina,Bandung\r\n", "Name\tCity\nRina\tBandung"]
)
def test_text_file_is_read_with_any_usual_separator(upload: Upload, text: str) -> None:
    operation = upload(text.encode())

    assert verdicts(operation) == {2: ("create", [["name", "", "Rina"], ["attribute:city", "", "Bandung"]])}


def test_reading_that_gave_way_goes_on_where_it_was_and_still_sees_repetitions(
    workspace: Workspace, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.operations.GIVES_WAY_AFTER_S", 0)
    monkeypatch.setattr("personas.importing.kind.READ_AT_ONCE", 3)
    rows = [[f"Person {number}", f"+6281200{number:04}"] for number in range(10)]

    operation = upload(workbook(["Name", "Phone"], *rows, ["Again", "0812 000001"]))

    assert count_of(operation) == 11
    assert verdicts(operation)[12] == ("refuse", [["", "Row 3 is about the same person."]])


def test_import_that_gave_way_goes_on_and_its_undo_too(
    workspace: Workspace, support_user: User, upload: Upload, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.operations.GIVES_WAY_AFTER_S", 0)
    monkeypatch.setattr("personas.operations.BATCH_ROWS", 2)
    operation = run(upload(workbook(["Name"], *([f"Person {number}"] for number in range(5)))))
    assert Persona.objects.count() == 5

    operation = undone(operation, support_user)

    assert (operation.state, operation.counts) == ("undone", {"create": {"planned": 0, "done": 0, "undone": 5}})
    assert not Persona.objects.exists()


def test_values_left_behind_by_an_undo_are_none(
    workspace: Workspace, support_user: User, upload: Upload, run: Run
) -> None:
    undone(run(upload(workbook(["Name", "City", "Phone"], ["Rina", "Bandung", "+62812000001"]))), support_user)

    assert not AttributeValue.objects.exists()
    assert not Contact.objects.exists()
