"""The rows of an uploaded .xlsx or .csv file. Pure computation; what they mean is not known here."""

import csv
import io
import re
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, repeat
from typing import ClassVar

from django.utils.translation import gettext as _
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, XmlError, ZipError

from accounts.language import grouped
from personas.importing.formulas import FORMULA, Formula, Places, column_number, without_result
from raven_admin.errors import RavenError

MAX_BYTES = 20 * 1024 * 1024
MAX_ROWS = 100_000
MAX_COLUMNS = 200
MAX_CELLS = 4_000_000
"""Of the rectangle around all cells: calamine holds all of it, empty ones too."""
_MAX_UNPACKED_BYTES = 600 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_LONGEST_TAG = 200
_ZIP, _OLE = b"PK", b"\xd0\xcf\x11\xe0"
_OF_WORKBOOKS = (_ZIP, _OLE)
"""How files begin that Excel writes; the second are those with a password, and old ones."""
_FILLED_CELL = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br\s*=\s*["']([A-Z]{1,3})(\d{1,7})["'][^>]*(?<!/)>""")

Cell = str | int | float | bool | date | datetime | Formula | None
Row = tuple[int, list[Cell]]
"""Its number as the program shows it, and its cells."""


@dataclass(eq=False)
class FileTooLarge(RavenError):
    """The file has {size}. A file may have {limit}: split it into several."""

    code: ClassVar[str] = "import_too_large"
    size: str
    limit: str


@dataclass(eq=False)
class FileUnreadable(RavenError):
    """The file can’t be read: {reason}"""

    code: ClassVar[str] = "import_unreadable"
    reason: str


@dataclass(eq=False)
class NoWorkbook(RavenError):
    """“{name}” is no Excel workbook, though named like one. Save it as .xlsx; if it is text, rename it to .csv."""

    code: ClassVar[str] = "import_no_workbook"
    name: str


@dataclass(frozen=True, slots=True)
class Table:
    """The first row that has anything in it, and those below. `total` counts the latter, and is None for text files."""

    header: list[str]
    rows: Iterator[Row]
    total: int | None


def read_table(content: bytes, *, preferred_sheets: Collection[str]) -> Table:
    """What the file holds; of several sheets the first of `preferred_sheets`, else the first that has anything in it.

    Empty rows are left out, though they count in the numbers. Raises FileTooLarge and FileUnreadable, of a text file
    also while its rows are read.
    """
    if len(content) > MAX_BYTES:
        raise FileTooLarge(megabytes(len(content)), megabytes(MAX_BYTES))
    if content.startswith(_ZIP):
        return _table_of_workbook(content, preferred_sheets)
    if content.startswith(_OLE):
        raise FileUnreadable(_("it is protected by a password, or an .xls file of an old Excel. Save it as .xlsx."))
    return _table_of_text(content)


def check_is_as_named(name: str, content: bytes) -> None:
    """Raises NoWorkbook of what is named .xlsx and is text or a picture; its first bytes are enough to tell."""
    if name.lower().endswith((".xlsx", ".xlsm")) and not content.startswith(_OF_WORKBOOKS):
        raise NoWorkbook(name)


def megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:.0f} MB"


# --------------------------------------------------------------------------------------------------- workbooks
def _table_of_workbook(content: bytes, preferred_sheets: Collection[str]) -> Table:
    _check_extent(content)
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheet = _chosen_sheet(workbook, preferred_sheets)
    except PasswordError:
        raise FileUnreadable(_("it is protected by a password. Save it without one.")) from None
    except (CalamineError, XmlError, ZipError, ValueError, OSError) as error:
        raise FileUnreadable(_("it is damaged, or no Excel workbook (%(error)s).") % {"error": error}) from None
    if sheet is None or sheet.start is None or sheet.end is None:
        raise FileUnreadable(_("it is empty."))
    formulas = without_result(content, sheet.name)
    last = max([sheet.end[0] + 1, *formulas])
    rows = _numbered(_cells_of(sheet, formulas, last=last, first_column=sheet.start[1]), first=1)
    try:
        number, header = next(rows)
    except StopIteration:
        raise FileUnreadable(_("it is empty.")) from None
    if number in formulas:
        raise FileUnreadable(
            _("a title in row %(row)d is a formula without its result. Open the file in Excel and save it.")
            % {"row": number}
        )
    return Table([_text(cell) for cell in header], rows, last - number)


def _cells_of(sheet: CalamineSheet, formulas: Places, *, last: int, first_column: int) -> Iterator[list[Cell]]:
    """Its rows from the first on; calamine's end where values do, and begin at the first column that has any."""
    rows = chain(map(_with_none, sheet.iter_rows()), repeat([]))
    for number, cells in zip(range(1, last + 1), rows, strict=False):
        columns = [column - first_column for column in formulas.get(number, ()) if column >= first_column]
        yield _with_formulas(cells, columns) if columns else cells


def _with_formulas(cells: list[Cell], columns: Sequence[int]) -> list[Cell]:
    filled = cells + [None] * (max(columns) + 1 - len(cells))
    for column in columns:
        filled[column] = FORMULA
    return filled


def _chosen_sheet(workbook: CalamineWorkbook, preferred: Collection[str]) -> CalamineSheet | None:
    for name in preferred:
        if name in workbook.sheet_names:
            return workbook.get_sheet_by_name(name)
    for name in workbook.sheet_names:
        sheet = workbook.get_sheet_by_name(name)
        if sheet.height:
            return sheet
    return None


def _check_extent(content: bytes) -> None:
    """Raises before the workbook is unpacked into memory, however small its file and however far apart its cells."""
    unpacked = 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for part in archive.infolist():
                is_sheet = part.filename.startswith("xl/worksheets/")
                columns: set[bytes] = set()
                last_row, before = 0, b""
                with archive.open(part) as stream:
                    while chunk := stream.read(_CHUNK_BYTES):
                        unpacked += len(chunk)
                        if unpacked > _MAX_UNPACKED_BYTES:
                            raise FileTooLarge(_("too much in it when unpacked"), megabytes(_MAX_UNPACKED_BYTES))
                        if is_sheet:
                            found = _FILLED_CELL.findall(before + chunk)
                            columns.update(letters for letters, _row in found)
                            last_row = max(last_row, *(int(row) for _letters, row in found[-1:]), 0)
                            before = chunk[-_LONGEST_TAG:]
                _check_size(last_row, max(map(column_number, columns), default=0))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise FileUnreadable(_("it is damaged, or no Excel workbook (%(error)s).") % {"error": error}) from None


def _check_size(rows: int, columns: int) -> None:
    if rows > MAX_ROWS + 1:
        raise FileTooLarge(
            _("%(rows)s rows") % {"rows": grouped(rows)},
            _("%(rows)s rows below its header") % {"rows": grouped(MAX_ROWS)},
        )
    if columns > MAX_COLUMNS:
        raise FileTooLarge(
            _("%(columns)s columns") % {"columns": grouped(columns)},
            _("%(columns)s columns") % {"columns": grouped(MAX_COLUMNS)},
        )
    if rows * columns > MAX_CELLS:
        raise FileTooLarge(
            _("%(rows)s rows with %(columns)s columns") % {"rows": grouped(rows), "columns": grouped(columns)},
            _("%(cells)s cells") % {"cells": grouped(MAX_CELLS)},
        )


def _with_none(cells: Sequence[object]) -> list[Cell]:
    """Calamine gives "" for nothing; a time of day or a duration is text."""
    return [None if cell == "" else cell if isinstance(cell, str | int | float | date) else str(cell) for cell in cells]


# -------------------------------------------------------------------------------------------------- text files
def _table_of_text(content: bytes) -> Table:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileUnreadable(
            _("it is neither an .xlsx workbook nor text in UTF-8. In Excel: Save as, “CSV UTF-8”.")
        ) from None
    if "\0" in text:
        raise FileUnreadable(_("it is neither an .xlsx workbook nor text in UTF-8."))
    rows = _numbered(_records(text), first=1)
    try:
        _number, header = next(rows)
    except StopIteration:
        raise FileUnreadable(_("it is empty.")) from None
    return Table([_text(cell) for cell in header], rows, None)


def _records(text: str) -> Iterator[list[Cell]]:
    stream = io.StringIO(text, newline="")
    first = next((line for line in text.splitlines() if line.strip()), "")
    outside_quotes = re.sub(r'"[^"]*"', "", first)
    delimiter = max(";,\t", key=outside_quotes.count)
    try:
        for count, record in enumerate(csv.reader(stream, delimiter=delimiter)):
            _check_size(count + 1, len(record))
            yield [cell or None for cell in record]
    except csv.Error as error:
        raise FileUnreadable(_("a row of it is broken (%(error)s).") % {"error": error}) from None


def _numbered(rows: Iterator[list[Cell]], *, first: int) -> Iterator[Row]:
    for number, cells in enumerate(rows, start=first):
        if any(map(_text, cells)):
            yield number, cells


def _text(cell: Cell) -> str:
    return "" if cell is None else str(cell).replace("\0", "").strip()
