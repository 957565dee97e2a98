import csv
import io
import re
import shutil
import subprocess
import tracemalloc
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from raven_admin.spreadsheet import (
    CUT_MARK,
    MAX_CELL_LENGTH,
    WHOLE_NUMBER_FORMAT,
    Column,
    Cover,
    Row,
    Value,
    stream_workbook,
)

BERLIN = ZoneInfo("Europe/Berlin")

AWKWARD = [
    "plain",
    "=cmd|' /C calc'!A0",
    "+62 812 3456 789",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "＝1+1",
    "0812",
    "1e5",
    "TRUE",
    "2026-11-21",
    "🦜" * 3,
    "مرحبا \u202eabc",
    "<b>&amp;]]>'\"",
    "_x000D_",
    "_x0041\x01",
    "two\nlines",
    "Windows\r\nlines",
    " before and after ",
    "   ",
    "null\0byte",
    "bell\x07",
]


def made(rows: Iterable[Row], *columns: Column, **options: Any) -> bytes:
    return b"".join(stream(rows, *columns, **options))


def stream(rows: Iterable[Row], *columns: Column, **options: Any) -> Iterator[bytes]:
    def cover(count: int) -> Cover:
        return Cover(title="=Listing", lines=(("Filter", "+62"), ("Rows", count)), author="Ayu")

    return stream_workbook(
        sheet_name="Data", columns=columns or [Column("Text")], rows=rows, cover_name="About", cover=cover, **options
    )


def read_by_openpyxl(content: bytes, sheet: str = "Data") -> list[list[Any]]:
    """The rows below the header. openpyxl leaves `_xHHHH_` as it stands; Excel, LibreOffice and calamine read it."""
    workbook = openpyxl.load_workbook(io.BytesIO(content))
    return [[unescaped(value) for value in row] for row in workbook[sheet].iter_rows(min_row=2, values_only=True)]


def unescaped(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return re.sub(r"_x([0-9A-F]{4})_", lambda match: chr(int(match.group(1), 16)), value)


def read_by_calamine(content: bytes, sheet: str = "Data") -> list[list[Any]]:
    rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_name(sheet).to_python()
    return [list(row) for row in rows[1:]]


def test_awkward_texts_are_read_back_as_they_were() -> None:
    content = made([(text,) for text in AWKWARD])

    assert read_by_openpyxl(content) == [[text] for text in AWKWARD]
    assert read_by_calamine(content) == [[text] for text in AWKWARD]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(st.characters(codec=None, categories=None)), max_size=5))
def test_any_text_is_read_back_but_for_what_is_no_character(texts: list[str]) -> None:
    content = made([("x", text) for text in texts], Column("First"), Column("Text"))

    expected = [re.sub("[\ud800-\udfff\ufffe\uffff]", "\ufffd", text) for text in texts]
    assert [row[1] or "" for row in read_by_openpyxl(content)] == expected
    assert [[*row, ""][1] for row in read_by_calamine(content)] == expected


@pytest.mark.parametrize("text", ["=1+1", "+62", "-1", "@x", "\tx", "\rx", "＝1"])
def test_text_that_looks_like_a_formula_stays_text_even_after_an_edit(text: str) -> None:
    content = made([(text,)])

    cell: Any = openpyxl.load_workbook(io.BytesIO(content))["Data"]["A2"]
    assert (cell.data_type, cell.quotePrefix) == ("s", True)
    assert "<f>" not in parts(content)["xl/worksheets/sheet2.xml"]


def test_cover_and_header_are_inert_too() -> None:
    content = made([], Column("=1+1"))

    workbook = openpyxl.load_workbook(io.BytesIO(content))
    cells: list[Any] = [workbook["About"]["A1"], workbook["About"]["B3"], workbook["Data"]["A1"]]
    assert [(cell.value, cell.data_type == "f") for cell in cells] == [
        ("=Listing", False),
        ("+62", False),
        ("=1+1", False),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x" * MAX_CELL_LENGTH, "x" * MAX_CELL_LENGTH),
        ("x" * 40_000, "x" * (MAX_CELL_LENGTH - len(CUT_MARK)) + CUT_MARK),
        # A parrot is two UTF-16 units and never cut in half.
        ("🦜" * 20_000, "🦜" * ((MAX_CELL_LENGTH - len(CUT_MARK)) // 2) + CUT_MARK),
        ("\x01" * 40_000, "\x01" * (MAX_CELL_LENGTH - len(CUT_MARK)) + CUT_MARK),
    ],
    ids=["longest", "x", "parrots", "controls"],
)
def test_text_over_the_limit_of_excel_is_cut_with_a_mark(text: str, expected: str) -> None:
    content = made([(text,)])

    assert read_by_openpyxl(content) == [[expected]]
    assert len(expected.encode("utf-16-le")) // 2 <= MAX_CELL_LENGTH


def test_numbers_and_booleans_keep_their_type_and_value_even_in_one_column() -> None:
    values: list[Value] = [0, 1, True, 1.0, False, -5, 0.1, 10**14, "1", None]

    content = made([("row", value) for value in values], Column("Row"), Column("Value"))

    read = [row[1] for row in read_by_openpyxl(content)]
    assert [(type(value), value) for value in read] == [(type(value), value) for value in values]


def test_numbers_that_excel_would_falsify_are_text() -> None:
    values: list[Value] = [10**15, -(10**20), float("nan"), float("inf"), datetime(1850, 1, 2, 3), date(1900, 1, 1)]  # noqa: DTZ001

    content = made([(value,) for value in values])

    assert read_by_openpyxl(content) == [
        ["1000000000000000"],
        ["-100000000000000000000"],
        ["nan"],
        ["inf"],
        ["1850-01-02 03:00:00"],
        ["1900-01-01"],
    ]


def test_moments_are_dates_on_the_wall_clock_of_the_zone_also_when_the_clock_is_changed() -> None:
    autumn, spring = datetime(2026, 10, 25, tzinfo=UTC), datetime(2027, 3, 28, tzinfo=UTC)
    moments = [day + timedelta(minutes=29 * n) for day in (autumn, spring) for n in range(-60, 60)]

    content = made([(moment,) for moment in moments], zone=BERLIN)

    expected = [[moment.astimezone(BERLIN).replace(tzinfo=None)] for moment in moments]
    assert read_by_openpyxl(content) == expected
    assert read_by_calamine(content) == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        # A day less than the years that are written as dates: which of them it is, is asked in UTC.
        st.datetimes(datetime(1901, 1, 2), datetime(9998, 12, 30), timezones=st.timezones()),  # noqa: DTZ001
        min_size=1,
        max_size=20,
    ),
    st.timezones(),
)
def test_any_moment_is_right_to_the_second_as_a_datetime_and_as_an_instant(
    moments: list[datetime], zone: ZoneInfo
) -> None:
    moments = [moment.astimezone(UTC).replace(microsecond=0) for moment in moments]
    rows = [(moment, int(moment.timestamp())) for moment in moments]

    content = made(rows, Column("Moment"), Column("Instant", instants=True), zone=zone)

    expected = [moment.astimezone(zone).replace(tzinfo=None) for moment in moments]
    assert read_by_openpyxl(content) == [[moment, moment] for moment in expected]


def test_naive_moments_dates_and_other_zones_are_written_as_they_read() -> None:
    jakarta = timezone(timedelta(hours=7))
    row = (datetime(2026, 11, 21, 9, 30), date(2026, 11, 21), datetime(2026, 11, 21, 16, 30, tzinfo=jakarta))  # noqa: DTZ001

    content = made([row], Column("Naive"), Column("Date"), Column("Jakarta"))

    sheet = openpyxl.load_workbook(io.BytesIO(content))["Data"]
    assert [(cell.value, cell.number_format) for cell in sheet[2]] == [
        (datetime(2026, 11, 21, 9, 30), "yyyy-mm-dd hh:mm:ss"),  # noqa: DTZ001
        (datetime(2026, 11, 21), "yyyy-mm-dd"),  # noqa: DTZ001
        (datetime(2026, 11, 21, 9, 30), "yyyy-mm-dd hh:mm:ss"),  # noqa: DTZ001
    ]


def test_data_sheet_has_frozen_header_filter_widths_and_formats() -> None:
    content = made([("a", 1), ("b", 2)], Column("Name", width=33), Column("Count", number_format=WHOLE_NUMBER_FORMAT))

    workbook = openpyxl.load_workbook(io.BytesIO(content))
    sheet = workbook["Data"]
    assert workbook.sheetnames == ["About", "Data"]
    assert [cell.value for cell in sheet[1]] == ["Name", "Count"]
    assert all(cell.font.bold for cell in sheet[1])
    assert (sheet.freeze_panes, sheet.auto_filter.ref, sheet.column_dimensions["A"].width) == ("B2", "A1:B3", 33)
    assert sheet["B3"].number_format == WHOLE_NUMBER_FORMAT
    assert defined_names(content) == ["'Data'!$A$1:$B$3", "'Data'!$1:$1,'Data'!$A:$A"]


def test_cover_is_told_the_true_number_of_rows() -> None:
    content = made(("x",) for _ in range(1_234))

    cover = openpyxl.load_workbook(io.BytesIO(content))["About"]
    assert (cover["A4"].value, cover["B4"].value, cover["B4"].number_format) == ("Rows", 1_234, "#,##0")


@pytest.mark.parametrize(("count", "expected"), [(0, [0]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])])
def test_rows_over_the_limit_of_a_sheet_go_on_in_the_next(count: int, expected: list[int]) -> None:
    content = made([(str(n), n) for n in range(count)], Column("Text"), Column("Number"), max_rows=4)

    workbook = openpyxl.load_workbook(io.BytesIO(content))
    names = ["Data", *(f"Data {n}" for n in range(2, len(expected) + 1))]
    assert workbook.sheetnames == ["About", *names]
    assert [sheet.auto_filter.ref for sheet in workbook.worksheets[1:]] == [f"A1:B{size + 1}" for size in expected]
    assert {tuple(cell.value for cell in sheet[1]) for sheet in workbook.worksheets[1:]} == {("Text", "Number")}
    assert [row for name in names for row in read_by_openpyxl(content, name)] == [[str(n), n] for n in range(count)]
    assert [row for name in names for row in read_by_calamine(content, name)] == [[str(n), n] for n in range(count)]


def test_sheet_ends_before_its_size_would_need_zip64() -> None:
    content = made((("x" * 100,) for _ in range(1_000)), max_sheet_bytes=1)

    workbook = openpyxl.load_workbook(io.BytesIO(content))
    assert [sheet.max_row for sheet in workbook.worksheets[1:]] == [251, 251, 251, 251]


def test_archive_is_sound_and_without_zip64_which_excel_rejects_in_a_streamed_file() -> None:
    content = made(("x",) for _ in range(1_000))

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        assert len(names) == len(set(names))
        assert {info.extract_version for info in archive.infolist()} == {20}


def test_first_bytes_come_before_the_first_row_is_asked_for() -> None:
    def rows() -> Iterator[Row]:
        asked.append(True)
        yield ("x",)

    asked: list[bool] = []
    chunks = stream(rows())

    first = next(chunks)

    assert (first[:4], asked) == (b"PK\x03\x04", [])
    assert zipfile.is_zipfile(io.BytesIO(first + b"".join(chunks)))


def test_failure_of_the_rows_leaves_no_valid_file() -> None:
    def rows() -> Iterator[Row]:
        yield from [("x",)] * 5_000
        raise ConnectionError

    received: list[bytes] = []
    with pytest.raises(ConnectionError):
        received.extend(stream(rows()))

    assert not zipfile.is_zipfile(io.BytesIO(b"".join(received)))


def test_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        made([("a",), ("b", "c")])
    with pytest.raises(ValueError, match="is longer than"):
        made([("a", "b")])


def test_value_that_no_cell_can_hold_is_refused() -> None:
    rows: Any = [(b"bytes",)]

    with pytest.raises(TypeError, match="cannot hold a bytes"):
        made(rows)


def test_memory_does_not_grow_with_the_rows() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        size = sum(map(len, stream(((f"name {n}", n, now) for n in range(count)), *columns)))
        _current, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size > count
        return peak

    now, columns = datetime(2026, 11, 21, tzinfo=UTC), [Column("Name"), Column("Number"), Column("Moment")]
    peak(100)  # fills the caches of openpyxl and of the XML parser

    assert peak(50_000) < 2 * peak(5_000)


@pytest.mark.skipif(shutil.which("soffice") is None, reason="no LibreOffice on this machine")
def test_libreoffice_shows_what_was_written(tmp_path: Path) -> None:
    moment = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    shown = [text for text in AWKWARD if "\r" not in text and "\0" not in text]  # a line of CSV has neither
    rows: list[Row] = [(text, 567, moment + timedelta(seconds=n)) for n, text in enumerate(shown)]
    columns = [Column("Text"), Column("Number", number_format=WHOLE_NUMBER_FORMAT), Column("Moment (Europe/Berlin)")]
    shown_rows = shown_by_libreoffice(tmp_path, made(rows, *columns, zone=BERLIN))

    assert shown_rows["Data"] == [
        ["Text", "Number", "Moment (Europe/Berlin)"],
        *([text, "567", f"2026-10-25 02:30:{n:02d}"] for n, text in enumerate(shown)),
    ]
    assert ["Rows", str(len(rows))] in shown_rows["About"]


@pytest.mark.skipif(shutil.which("soffice") is None, reason="no LibreOffice on this machine")
def test_libreoffice_shows_the_right_second_of_any_moment(tmp_path: Path) -> None:
    # It cuts fractions of a second off, so a date written with nine decimals is a second early every other time.
    instants = list(range(1_000_000_000, 1_100_000_000, 99_991))

    shown = shown_by_libreoffice(tmp_path, made([(n,) for n in instants], Column("Moment", instants=True)))

    assert shown["Data"][1:] == [[f"{datetime.fromtimestamp(n, UTC):%Y-%m-%d %H:%M:%S}"] for n in instants]


def shown_by_libreoffice(folder: Path, content: bytes) -> dict[str, list[list[str]]]:
    """Its rows by sheet, as CSV of what a person sees."""
    all_sheets_as_shown = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    (folder / "listing.xlsx").write_bytes(content)
    subprocess.run(
        ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to",
         all_sheets_as_shown, "--outdir", str(folder), str(folder / "listing.xlsx")],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    sheets = {}
    for path in folder.glob("listing-*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            sheets[path.stem.removeprefix("listing-")] = list(csv.reader(file))
    return sheets


def parts(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def defined_names(content: bytes) -> list[str]:
    return re.findall(r"<definedName [^>]*>([^<]*)<", parts(content)["xl/workbook.xml"])
