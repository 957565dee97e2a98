"""Cells with a formula whose result is not in the file, as programs write them."""

import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from openpyxl import Workbook

from accounts.models import Workspace
from personas.importing.formulas import FORMULA, without_result
from personas.importing.reading import FileUnreadable, read_table
from personas.models import AttributeDefinition, Operation, Persona
from tests.personas.importing.conftest import Upload, verdicts


def saved(*, name: str = "People", origin: str = "A1", rows: Sequence[Sequence[Any]]) -> bytes:
    """What openpyxl makes of `rows`, the first cell of which is at `origin`; text with an equals sign is a formula."""
    made = Workbook()
    made.create_sheet("Notes & more")["B2"] = "=1+1"
    sheet = made.create_sheet(name, 0)
    start = sheet[origin]
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            sheet.cell(start.row + y, start.column + x).value = value
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def with_cells(content: bytes, *, cells: dict[bytes, bytes]) -> bytes:
    """The workbook with other texts in its sheets."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for part in old.namelist():
            text = old.read(part)
            for before, after in cells.items():
                assert before in text or not part.endswith("sheet1.xml")
                text = text.replace(before, after)
            new.writestr(part, text)
    return file.getvalue()


def test_formula_without_result_is_no_empty_cell_wherever_it_stands() -> None:
    content = saved(origin="B3", rows=[["Name", "City"], ["Rina", "=CONCAT(1)"], ["Budi"], [None, None], [None, "=B4"]])

    table = read_table(content, preferred_sheets=["People"])

    assert (table.header, table.total) == (["Name", "City"], 4)
    assert list(table.rows) == [(4, ["Rina", FORMULA]), (5, ["Budi", None]), (7, [None, FORMULA])]
    assert without_result(content, "Notes & more") == {2: [1]}


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        (b'<c r="A2"><f>1+1</f><v>2</v></c>', 2.0),
        (b'<c r="A2" t="str"><f>A1</f><v>x</v></c>', "x"),
        (b'<c r="A2"><f>1+1</f></c>', FORMULA),
        (b'<c s="1" r="A2"><f t="shared" si="0"/><v></v></c>', FORMULA),
        (b'<c r="A2" t="str"><f>""</f></c>', FORMULA),
    ],
)
def test_formula_is_what_it_came_to_if_the_file_says_so(cell: bytes, read: object) -> None:
    content = with_cells(saved(rows=[["Name"], ["=1+1"]]), cells={b'<c r="A2"><f>1+1</f><v /></c>': cell})

    assert list(read_table(content, preferred_sheets=["People"]).rows) == [(2, [read])]


def test_formula_that_came_to_empty_text_is_an_empty_cell() -> None:
    stored = {b'<c r="B2"><f>1+1</f><v /></c>': b'<c r="B2" t="str"><f>""</f><v></v></c>'}
    content = with_cells(saved(rows=[["Name", "City"], ["Rina", "=1+1"]]), cells=stored)

    assert list(read_table(content, preferred_sheets=["People"]).rows) == [(2, ["Rina", None])]


def test_formula_across_two_pieces_of_what_is_read_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(rows=[["Name", "City"], *[["Rina", f"=CONCAT({n})"] for n in range(200)]])
    monkeypatch.setattr("personas.importing.formulas._CHUNK_BYTES", 100)

    assert sorted(without_result(content, "People")) == list(range(2, 202))


def test_title_that_is_a_formula_without_result_refuses_the_file() -> None:
    with pytest.raises(FileUnreadable, match="a title in row 1 is a formula without its result"):
        read_table(saved(rows=[["Name", "=1+1"], ["Rina", 1]]), preferred_sheets=["People"])


@pytest.mark.django_db
def test_row_with_a_formula_without_result_is_refused_and_says_what_to_do(
    workspace: Workspace, upload: Upload, run: Callable[[Operation], Operation]
) -> None:
    AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")
    rina = Persona.objects.create(workspace=workspace, name="Rina")

    rows: list[list[Any]] = [
        ["ID", "Name", "City"],
        [rina.pk, "Rina H.", "=CONCAT(1)"],
        [None, "Budi", "Solo"],
        [None, "=B2", None],
    ]
    operation = run(upload(saved(rows=rows)))

    sentence = "It is a formula without its result. Open the file in Excel and save it, or paste the values alone."
    assert {row: said for row, said in verdicts(operation).items() if said[0] == "refuse"} == {
        2: ("refuse", [["City", sentence]]), 4: ("refuse", [["Name", sentence]])
    }  # fmt: skip
    assert operation.rows.get(number=2).values == {"id": rina.pk, "name": "Rina H."}
    assert set(Persona.objects.values_list("name", flat=True)) == {"Rina", "Budi"}


@pytest.mark.django_db
def test_row_with_a_character_that_no_database_stores_is_refused_with_it(workspace: Workspace, upload: Upload) -> None:
    rows = [["Name", "E-mail"], ["Rina", "r_x0000_@example.org"], ["Budi", "budi@example.org"]]

    operation = upload(with_cells(saved(rows=rows), cells={b"E-mail": b"E-mail_x0000_"}))

    assert {row: said[0] for row, said in verdicts(operation).items()} == {2: "refuse", 3: "create"}
    assert operation.rows.get(number=2).problems == [["E-mail", "It contains a character that can’t be stored."]]
    assert operation.rows.get(number=2).values == {"name": "Rina"}
