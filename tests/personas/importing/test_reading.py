"""Uploaded files that are larger than they look."""

import io
import zipfile

import pytest
from openpyxl import Workbook

from personas.importing.reading import MAX_COLUMNS, MAX_ROWS, FileTooLarge, FileUnreadable, read_table
from tests.personas.importing.conftest import workbook


def test_cells_far_apart_are_refused_before_the_rectangle_between_them_is_made() -> None:
    with zipfile.ZipFile(io.BytesIO(workbook(["Name"], ["Rina"]))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b'r="A2"', b'r="XFD1048576"')
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)

    with pytest.raises(FileTooLarge, match="1,048,576 rows"):
        read_table(saved.getvalue(), preferred_sheets=["People"])


def test_archive_that_unpacks_to_far_more_than_its_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personas.importing.reading._MAX_UNPACKED_BYTES", 5_000_000)
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"\0" * 6_000_000)
    assert len(saved.getvalue()) < 10_000

    with pytest.raises(FileTooLarge):
        read_table(saved.getvalue(), preferred_sheets=["People"])


def test_text_file_with_too_many_rows_or_columns_is_refused_while_it_is_read() -> None:
    table = read_table(b"Name\n" + b"x\n" * (MAX_ROWS + 1), preferred_sheets=["People"])
    with pytest.raises(FileTooLarge, match="rows below its header"):
        list(table.rows)
    with pytest.raises(FileTooLarge, match="columns"):
        read_table(b"a;" * (MAX_COLUMNS + 1), preferred_sheets=["People"])


def test_rows_keep_the_numbers_that_the_program_shows() -> None:
    table = read_table(workbook([None], ["Name", "City"], [None], ["Rina", "Bandung"]), preferred_sheets=["People"])

    assert (table.header, list(table.rows)) == (["Name", "City"], [(4, ["Rina", "Bandung"])])


def test_sheet_of_ours_is_preferred_and_else_the_first_with_anything_in_it() -> None:
    made = Workbook()
    made.create_sheet("Notes").append(["Something"])
    made.create_sheet("People").append(["Name"])
    saved = io.BytesIO()
    made.save(saved)

    assert read_table(saved.getvalue(), preferred_sheets=["People"]).header == ["Name"]
    assert read_table(saved.getvalue(), preferred_sheets=["Other"]).header == ["Something"]


def test_text_file_with_a_character_that_no_database_stores_is_refused_wherever_it_stands() -> None:
    with pytest.raises(FileUnreadable, match="nor text in UTF-8"):
        read_table(b"Name\n" + b"Rina\n" * 5_000 + b"Bu\0di\n", preferred_sheets=["People"])
