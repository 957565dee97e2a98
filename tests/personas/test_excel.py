"""People as Excel files: what goes out comes back the same, whatever it is, and formulas stay text."""

import io
import subprocess
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import phonenumbers
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from python_calamine import CalamineWorkbook

from accounts.models import User, Workspace
from personas.excel import people_response, refused_response, template_response
from personas.history import Cause
from personas.importing.columns import columns_of, matched
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, Operation, OperationRow, Origin, Persona
from personas.services import PersonaDraft, add_persona
from tests.personas.importing.conftest import AT, Upload, attributes, run, upload, verdicts, workbook
from tests.personas.importing.test_cells import COUNTRIES

__all__ = ["attributes", "run", "upload"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("attributes")]

CAUSE = Cause(origin=Origin.TOKEN, actor_label="Shop", at=AT)
AWKWARD = [
    "=1+1", "+62 812", "-5", "@SUM(A1)", "0812", "1E5", "TRUE", "12.50", "1990-01-02", "مرحبا بالعالم", "שלום",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 family", "\u202eevil\u202c", "e\u0301\u0323", "a\nb", "tab\there",
    "<b>&amp;", "_x0041_", '"quoted"; semi, comma', "'apostrophe",
]  # fmt: skip


def content(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def download(workspace: Workspace, viewer: User) -> bytes:
    people = Persona.objects.filter(workspace=workspace).order_by("pk")
    return content(people_response(people=people, workspace=workspace, viewer=viewer, filters=[]))


def sheet(file: bytes, name: str = "People") -> list[dict[str, Any]]:
    header, *rows = openpyxl.load_workbook(io.BytesIO(file))[name].iter_rows(values_only=True)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


@pytest.fixture
def awkward(workspace: Workspace) -> list[Persona]:
    """Somebody of every awkward name, and somebody of every country."""
    made = []
    for number, text in enumerate(AWKWARD):
        visible = " ".join(text.split())  # addresses have no control characters
        draft = PersonaDraft(
            name=text, gender=text[:30], notes=text, birthday=date(1900 + number, 1, 2),
            attributes={"city": text, "points": ["0", "-12.5", "0.1", "123456789012345678901234567890"][number % 4],
                        "since": "2024-02-29", "vip": number % 2 == 0},
        )  # fmt: skip
        contacts = [ContactDraft("other", f"{visible} {number}"), ContactDraft("other", f"second {number}")]
        made.append(add_persona(workspace=workspace, draft=draft, contacts=contacts, cause=CAUSE))
    for country in COUNTRIES:
        example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
        assert example is not None
        e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        drafts = [ContactDraft("phone", e164), ContactDraft("email", f"{country}@Example.org")]
        made.append(add_persona(workspace=workspace, draft=PersonaDraft(name=country), contacts=drafts, cause=CAUSE))
    return made


def test_file_uploaded_as_it_was_downloaded_changes_nothing(
    workspace: Workspace, viewer_user: User, awkward: list[Persona], upload: Upload
) -> None:
    operation = upload(download(workspace, viewer_user))

    assert operation.state == Operation.State.PREVIEW
    assert {number: found for number, found in verdicts(operation).items() if found != ("same", [])} == {}
    assert operation.counts == {"same": {"done": len(awkward)}}


def test_people_of_one_workspace_are_the_same_people_in_another(
    workspace: Workspace, other_workspace: Workspace, viewer_user: User, support_user: User, awkward: list[Persona],
    upload: Upload, run: Callable[[Operation], Operation],
) -> None:  # fmt: skip
    book = openpyxl.load_workbook(io.BytesIO(download(workspace, viewer_user)))
    book["People"].delete_cols(1)  # the ID
    saved = io.BytesIO()
    book.save(saved)
    before = known(workspace)
    Persona.objects.filter(workspace=workspace).delete()

    run(upload(saved.getvalue()))

    assert known(workspace) == before


def known(workspace: Workspace) -> list[Any]:
    people = Persona.objects.filter(workspace=workspace).order_by("pk")
    return [
        (
            persona.name, persona.gender, persona.birthday, persona.notes,
            sorted(persona.attributes.values_list("definition__key", "value")),
            sorted(persona.contacts.values_list("type", "normalized")),
        )
        for persona in people
    ]  # fmt: skip


def test_texts_are_no_formulas_for_any_reader(
    workspace: Workspace, viewer_user: User, awkward: list[Persona], tmp_path: Path
) -> None:
    file = download(workspace, viewer_user)
    names = [persona.name for persona in awkward]

    cells = [row[1] for row in openpyxl.load_workbook(io.BytesIO(file))["People"].iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr"}
    assert [row["Phone"] for row in sheet(file) if row["Name"] == "DE"] == ["+4915123456789"]
    read = CalamineWorkbook.from_filelike(io.BytesIO(file)).get_sheet_by_name("People").to_python()
    assert [row[1] for row in read[1:]] == names
    (tmp_path / "people.xlsx").write_bytes(file)
    as_csv = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,2"
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = ["soffice", profile, "--headless", "--convert-to", as_csv, "people.xlsx"]
    try:
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    except FileNotFoundError:
        pytest.skip("no LibreOffice on this machine")
    text = next(tmp_path.glob("*.csv")).read_text()
    assert "=1+1" in text
    assert "+4915123456789" in text
    assert "#NAME?" not in text


def test_download_takes_the_same_queries_however_many_people_there_are(
    workspace: Workspace, viewer_user: User, awkward: list[Persona]
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            download(workspace, viewer_user)
        return len(captured)

    many = queries()
    Persona.objects.filter(pk__in=[persona.pk for persona in awkward[1:]]).delete()

    assert queries() == many == 5


def test_refused_rows_come_back_as_they_were_with_the_reason_and_can_be_uploaded_again(
    workspace: Workspace, viewer_user: User, upload: Upload
) -> None:
    operation = upload(
        workbook(
            ["Name", "Phone", "Birthday", "City", "Ignored"],
            ["Rina", "12", datetime(1990, 12, 31), "=1+1", "x"],  # noqa: DTZ001 - as Excel has them
            ["Budi", "+62812000001", None, None, None],
        )
    )

    file = content(refused_response(operation=operation, viewer=viewer_user))

    assert sheet(file) == [
        {
            "Problem": "Phone: “12” can't be reached: the number is too short for its country.",
            "Name": "Rina", "Birthday": "1990-12-31", "City": "=1+1", "Phone": "12", "Row in the file": 2,
        }
    ]  # fmt: skip
    again = upload(file)
    assert verdicts(again) == {2: ("refuse", OperationRow.objects.get(operation=operation, number=2).problems)}
    assert [column["title"] for column in again.plan["columns"] if not column["key"]] == []


def test_template_has_every_column_with_its_hint_and_is_read_as_empty(workspace: Workspace, upload: Upload) -> None:
    AttributeDefinition.objects.filter(key="city").update(hint="Where they live")
    file = content(template_response(workspace=workspace))

    header = openpyxl.load_workbook(io.BytesIO(file))["People"][1]

    assert [cell.value for cell in header][:8] == [
        "Name", "Gender", "Birthday", "Notes", "City", "Points", "Since", "VIP"
    ]  # fmt: skip
    assert {cell.value: cell.comment.text for cell in header if cell.comment}["City"] == "Where they live"
    operation = upload(file)
    assert (operation.state, operation.total) == (Operation.State.PREVIEW, 0)
    assert "" not in [column["key"] for column in operation.plan["columns"]]


def test_columns_are_known_by_title_key_and_usual_names_in_any_case(workspace: Workspace) -> None:
    AttributeDefinition.objects.create(workspace=workspace, key="nickname", label="Name", position=9)
    columns = columns_of(workspace)

    header = [
        "FULL NAME",
        "Name (nickname)",
        " e-mail ",
        "Mobile Number",
        "attribute:city",
        "points",
        "Birth_Date",
        "?",
    ]
    found = matched(header, columns)

    assert found == [
        "name", "attribute:nickname", "contact:email", "contact:phone", "attribute:city", "attribute:points",
        "birthday", "",
    ]  # fmt: skip
    assert matched(["Name", "name"], columns) == ["name", ""]
