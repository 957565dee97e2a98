"""A listing of any length as an .xlsx file that is sent while it is being made.

openpyxl makes the workbook: styles, cover sheet, and the data sheet without its rows. The rows are then written into
the archive as text, a batch at a time, so memory stays flat and the browser gets its first bytes at once. What depends
on the number of rows (the cover, the workbook's list of sheets, the range of the filter) comes last in the archive.

An exception of `rows` leaves the file without the directory at its end: no program opens it, nobody takes it for whole.
"""

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from itertools import islice
from typing import Any, Self

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

MAX_ROWS = 1_048_576
"""Of one sheet, its header included; Excel's own limit."""
MAX_CELL_LENGTH = 32_767
"""UTF-16 code units, Excel's own limit."""
MAX_SHEET_BYTES = 1_900_000_000
"""A sheet ends before 2 GiB, because Excel calls a streamed file with ZIP64 entries damaged (Apache POI, bug 57342)."""
CUT_MARK = "… [cut]"
MOMENT_FORMAT = "yyyy-mm-dd hh:mm:ss"
DATE_FORMAT = "yyyy-mm-dd"
WHOLE_NUMBER_FORMAT = "#,##0"
CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_BATCH_ROWS = 250
_CHUNK_BYTES = 64 * 1024
_DAY_S = 86_400
_FIRST_PARTS = ("_rels/.rels", "docProps/app.xml", "xl/styles.xml", "xl/theme/theme1.xml")

Value = str | int | float | bool | datetime | date | None
Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A title, a width in characters, and a format for numbers and dates; without one: general, and ISO 8601."""

    title: str
    width: float = 14
    number_format: str = ""
    instants: bool = False
    """Whole numbers in it are seconds since 1970, written as moments; databases give them faster than datetimes."""
    faint: frozenset[str] = frozenset()
    """Texts written in grey, so that the others stand out."""


@dataclass(frozen=True, slots=True)
class Cover:
    """The first sheet: a title, then one line a fact."""

    title: str
    lines: tuple[tuple[str, str | int], ...]
    author: str


def stream_workbook(
    *,
    sheet_name: str,
    columns: Sequence[Column],
    rows: Iterable[Row],
    cover_name: str,
    cover: Callable[[int], Cover],
    zone: tzinfo = UTC,
    max_rows: int = MAX_ROWS,
    max_sheet_bytes: int = MAX_SHEET_BYTES,
    compression: int = 1,
) -> Iterator[bytes]:
    """The bytes of the file, in chunks; `cover` is called at the end, with the number of rows.

    Aware datetimes are written as the wall clock of `zone` shows them, to the second; naive ones as they are. None and
    "" are empty cells. Dates outside 1901 to 9998, whole numbers of more than 15 digits, and floats that are no number
    are written as text, because Excel has no such values. A row that does not have a value for each column is a
    ValueError, a value of another type a TypeError.
    """
    names = _SheetNames(cover=cover_name, data=sheet_name)
    outbox = _Outbox()
    archive = zipfile.ZipFile(outbox, "w", zipfile.ZIP_DEFLATED, compresslevel=compression)
    skeleton = _Skeleton.build(names=names, columns=columns, sheet_rows=[0], cover=cover(0))
    for part in _FIRST_PARTS:
        archive.writestr(part, skeleton.parts[part])
    yield outbox.take()

    render = _RowWriter(columns=columns, skeleton=skeleton, zone=zone)
    remaining, limit = iter(rows), max_rows - 1
    sheet_rows: list[int] = []
    batch = list(islice(remaining, min(_BATCH_ROWS, limit)))
    while batch or not sheet_rows:
        count, size = 0, 0
        with archive.open(skeleton.data_part(len(sheet_rows)), "w") as part_file:
            part_file.write(skeleton.head + render.header().encode())
            while batch and count + len(batch) <= limit and size < max_sheet_bytes:
                text = render.rows(batch, first_number=count + 2).encode()
                part_file.write(text)
                count, size = count + len(batch), size + len(text)
                if outbox.size >= _CHUNK_BYTES:
                    yield outbox.take()
                batch = list(islice(remaining, min(_BATCH_ROWS, limit - count or limit)))
            part_file.write(skeleton.tail(count))
        sheet_rows.append(count)

    whole = _Skeleton.build(names=names, columns=columns, sheet_rows=sheet_rows, cover=cover(sum(sheet_rows)))
    for part, content in whole.parts.items():
        if part not in _FIRST_PARTS and not whole.is_data_part(part):
            archive.writestr(part, content)
    archive.close()
    yield outbox.take()


class _Outbox(io.RawIOBase):
    """Where the archive is written to: kept until it is taken, never sought in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        self.size += len(piece)
        return len(piece)

    def take(self) -> bytes:
        content = b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        return content


# ------------------------------------------------------------------------------------ the workbook around the rows
@dataclass(frozen=True, slots=True)
class _SheetNames:
    cover: str
    data: str

    def data_sheet(self, index: int) -> str:
        return self.data if index == 0 else f"{self.data} {index + 1}"


_EMPTY_ROWS = re.compile(rb"<sheetData\s*(?:/>|>\s*</sheetData>)")
_DIMENSION = re.compile(rb"<dimension [^>]*>")
_QUIET, _FAINT = "FF5F6B7A", "FF7A838F"


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """All parts of the workbook as openpyxl saves it, and which number each style got there."""

    parts: dict[str, bytes]
    header_style: int
    inert_style: int
    faint_style: int
    format_styles: dict[str, int]
    last_column: str

    @classmethod
    def build(cls, *, names: _SheetNames, columns: Sequence[Column], sheet_rows: Sequence[int], cover: Cover) -> Self:
        workbook = Workbook()
        workbook.calculation.fullCalcOnLoad = False  # or Excel asks to save a file that was only looked at
        workbook.properties.creator = _visible(cover.author)
        workbook.properties.title = _visible(cover.title)
        front = workbook.worksheets[0]
        front.title = names.cover
        # Before anything else, so that the styles get the same numbers whatever the cover holds.
        styles = _register_styles(front, columns)
        _fill_cover(front, cover, data_name=names.data)
        last_column = get_column_letter(len(columns))
        for index, count in enumerate(sheet_rows):
            _empty_data_sheet(
                workbook.create_sheet(names.data_sheet(index)), columns, filter_range=f"A1:{last_column}{count + 1}"
            )
        saved = io.BytesIO()
        workbook.save(saved)
        with zipfile.ZipFile(saved) as archive:
            parts = {part: archive.read(part) for part in archive.namelist()}
        return cls(parts, *styles, last_column)

    @staticmethod
    def data_part(index: int) -> str:
        return f"xl/worksheets/sheet{index + 2}.xml"

    def is_data_part(self, part: str) -> bool:
        return part.startswith("xl/worksheets/sheet") and part != "xl/worksheets/sheet1.xml"

    @property
    def head(self) -> bytes:
        """A data sheet up to its rows; no dimension, which nobody knows yet and every program can do without."""
        return _DIMENSION.sub(b"", self._around_rows()[0]) + b"<sheetData>"

    def tail(self, count: int) -> bytes:
        """A data sheet from behind its `count` rows on."""
        empty, filled = (f'<autoFilter ref="A1:{self.last_column}{n + 1}"'.encode() for n in (0, count))
        return b"</sheetData>" + self._around_rows()[1].replace(empty, filled)

    def _around_rows(self) -> list[bytes]:
        return _EMPTY_ROWS.split(self.parts[self.data_part(0)])


def _register_styles(sheet: Worksheet, columns: Sequence[Column]) -> tuple[int, int, int, dict[str, int]]:
    cell: Any = sheet["A1"]
    cell.font = _font(bold=True)
    cell.fill = PatternFill("solid", fgColor="FFEEF1F5")
    cell.border = Border(bottom=Side(style="thin", color="FFB8C0CC"))
    cell.alignment = Alignment(vertical="center", wrap_text=True)
    header_style = cell.style_id
    cell.style = "Normal"
    cell.quotePrefix = True
    inert_style = cell.style_id
    cell.style = "Normal"
    cell.font = _font(color=_FAINT)
    faint_style = cell.style_id
    cell.style = "Normal"
    format_styles = {}
    for number_format in sorted({MOMENT_FORMAT, DATE_FORMAT, *(column.number_format for column in columns)} - {""}):
        cell.number_format = number_format
        is_date = number_format in {MOMENT_FORMAT, DATE_FORMAT}
        cell.alignment = Alignment(horizontal="left") if is_date else Alignment(horizontal="right", indent=1)
        format_styles[number_format] = cell.style_id
        cell.style = "Normal"
    return header_style, inert_style, faint_style, format_styles


def _font(**look: Any) -> Font:
    return Font(name="Calibri", family=2, scheme="minor", **{"sz": 11, **look})


def _fill_cover(sheet: Worksheet, cover: Cover, *, data_name: str) -> None:
    sheet.sheet_view.showGridLines = False
    sheet.column_dimensions["A"].width = 30
    sheet.column_dimensions["B"].width = 70
    _write_text(sheet, "A1", cover.title).font = _font(bold=True, sz=16)
    for number, (label, value) in enumerate(cover.lines, start=3):
        name = _write_text(sheet, f"A{number}", label)
        name.font = _font(color=_QUIET)
        name.alignment = Alignment(vertical="top", wrap_text=True)
        fact: Any = sheet[f"B{number}"]
        if isinstance(value, str):
            fact = _write_text(sheet, f"B{number}", value)
        else:
            fact.value = value
            fact.number_format = WHOLE_NUMBER_FORMAT
        fact.alignment = Alignment(horizontal="left", vertical="top", wrap_text=True)
    link = _write_text(sheet, f"A{len(cover.lines) + 4}", f"{data_name} →")
    link.hyperlink = Hyperlink(ref=link.coordinate, location=f"'{data_name}'!A1")
    link.font = _font(color="FF1D5FBF", u="single")
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _write_text(sheet: Worksheet, address: str, text: str) -> Any:
    """The cell holds `text` as text, whatever it begins with."""
    cell: Any = sheet[address]
    cell.value = _visible(text)
    cell.data_type = "s"
    cell.quotePrefix = True
    return cell


def _empty_data_sheet(sheet: Worksheet, columns: Sequence[Column], *, filter_range: str) -> None:
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = filter_range
    for index, column in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(index)].width = column.width
    # On paper: as many columns as fit on a page, header and first column on each.
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.scale = 60
    sheet.print_title_rows, sheet.print_title_cols = "1:1", "A:A"


# ------------------------------------------------------------------------------------------------------ rows as text
# A cell is `<c r="` + its address + what is here called its rest, from the closing quote on. Rests depend on the value
# alone, so a value that repeats within a batch is written out once.
_Rest = Callable[[Any], str]

_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f"
_NO_CHARACTER = "\ud800-\udfff\ufffe\uffff"
_EVALUATED = "=+\\-@\t\r\uff1d\uff0b\uff0d\uff20"
"""What makes a spreadsheet take a text that somebody types for a formula, full-width forms included."""
_PLAIN = re.compile(rf"(?![\s{_EVALUATED}])[^&<>\x00-\x1f{_NO_CHARACTER}]*(?<!\s)")
_LOOKS_ESCAPED = re.compile(rf"_(?=x[0-9A-Fa-f]{{4}}[_{_CONTROL}])")
_ANY_CONTROL = re.compile(rf"[{_CONTROL}]")
_NOT_A_CHARACTER = re.compile(rf"[{_NO_CHARACTER}]")
_STARTS_EVALUATED = re.compile(rf"[{_EVALUATED}]")
_PRESERVING = '<t xml:space="preserve">'
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


class _RowWriter:
    """Writes batches of rows column by column: one look at a column's types, then one tight loop over its values."""

    def __init__(self, *, columns: Sequence[Column], skeleton: _Skeleton, zone: tzinfo) -> None:
        self._columns = columns
        self._header_style = skeleton.header_style
        self._starts = [f'<c r="{get_column_letter(index)}' for index in range(1, len(columns) + 1)]
        self._rests = [_rests_by_type(column, skeleton=skeleton, clock=_WallClock(zone)) for column in columns]

    def header(self) -> str:
        rest = _text_rest(inert_style=self._header_style, style=self._header_style)
        cells = (f"{start}1{rest(column.title)}" for start, column in zip(self._starts, self._columns, strict=True))
        return f'<row r="1" ht="32" customHeight="1">{"".join(cells)}</row>'

    def rows(self, batch: Sequence[Row], *, first_number: int) -> str:
        numbers = [str(number) for number in range(first_number, first_number + len(batch))]
        parts = [[f'<row r="{number}">' for number in numbers]]
        columns = zip(*batch, strict=True)
        for start, rest_by_type, values in zip(self._starts, self._rests, columns, strict=True):
            parts.append(
                [
                    f"{start}{number}{rest}" if rest else ""
                    for number, rest in zip(numbers, _rests(values, rest_by_type), strict=True)
                ]
            )
        return "</row>".join(map("".join, zip(*parts, strict=True))) + "</row>"


def _rests(values: tuple[Value, ...], rest_by_type: dict[type, _Rest]) -> Iterable[str]:
    types = set(map(type, values)) - {type(None)}
    if len(types) != 1:
        return ["" if value is None else _rest_for(value, rest_by_type)(value) for value in values]
    only = types.pop()
    if only is str or only is int:
        rest = rest_by_type[only]
        known = {value: "" if value is None else rest(value) for value in set(values)}
        return map(known.__getitem__, values)
    # Not by value: two moments of the night when the clock goes back are equal to Python, and so are 0.0 and -0.0.
    rest = _rest_for(next(value for value in values if value is not None), rest_by_type)
    return ["" if value is None else rest(value) for value in values]


def _rest_for(value: Value, rest_by_type: dict[type, _Rest]) -> _Rest:
    found = rest_by_type.get(type(value))
    if found is None:
        for kind in (bool, int, float, str, datetime, date):  # bool is an int, and datetime a date
            if isinstance(value, kind):
                return rest_by_type[kind]
        raise TypeError(f"A cell cannot hold a {type(value).__name__}.")
    return found


def _rests_by_type(column: Column, *, skeleton: _Skeleton, clock: "_WallClock") -> dict[type, _Rest]:
    text = _text_rest(inert_style=skeleton.inert_style)
    faint_text = _text_rest(inert_style=skeleton.inert_style, style=skeleton.faint_style)

    def style(default: str) -> str:
        number_format = column.number_format or default
        return f' s="{skeleton.format_styles[number_format]}"' if number_format else ""

    return {
        str: (lambda value: faint_text(value) if value in column.faint else text(value)) if column.faint else text,
        int: _instant_rest(style=style(MOMENT_FORMAT), clock=clock, text=text)
        if column.instants
        else partial(_int_rest, style=style(""), text=text),
        float: partial(_float_rest, style=style(""), text=text),
        bool: _bool_rest,
        datetime: _moment_rest(style=style(MOMENT_FORMAT), clock=clock, text=text),
        date: partial(_date_rest, style=style(DATE_FORMAT), text=text),
    }


def _text_rest(*, inert_style: int, style: int = 0) -> _Rest:
    attributes = f' s="{style}"' if style else ""
    before, before_odd = f'"{attributes} t="inlineStr"><is><t>', f'"{attributes} t="inlineStr"><is>{_PRESERVING}'
    before_inert = f'" s="{inert_style}" t="inlineStr"><is>{_PRESERVING}'
    after = "</t></is></c>"
    is_plain, safe_length = _PLAIN.fullmatch, MAX_CELL_LENGTH // 2

    def rest(value: str) -> str:
        if is_plain(value) and "_x" not in value and len(value) <= safe_length:
            return f"{before}{value}{after}" if value else ""
        text = _visible(value).translate(_MARKUP)
        return f"{before_inert if _STARTS_EVALUATED.match(value) else before_odd}{text}{after}"

    return rest


def _visible(text: str) -> str:
    """`text` as a cell can hold it: cut at Excel's limit with a mark, what XML cannot hold as Excel's own `_xHHHH_`."""
    if len(text) * 2 > MAX_CELL_LENGTH:
        text = _cut(text)
    text = _LOOKS_ESCAPED.sub("_x005F_", text)
    text = _ANY_CONTROL.sub(lambda match: f"_x{ord(match.group()):04X}_", text)
    return _NOT_A_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text)


def _cut(text: str) -> str:
    units = text.encode("utf-16-le", "surrogatepass")
    if len(units) <= 2 * MAX_CELL_LENGTH:
        return text
    # "ignore" drops the first half of a character whose second half was cut off.
    kept = units[: 2 * (MAX_CELL_LENGTH - len(CUT_MARK))].decode("utf-16-le", "ignore")
    return kept + CUT_MARK


def _int_rest(value: int, *, style: str, text: _Rest) -> str:
    return f'"{style}><v>{value:d}</v></c>' if -(10**15) < value < 10**15 else text(str(int(value)))


def _float_rest(value: float, *, style: str, text: _Rest) -> str:
    return f'"{style}><v>{float(value)!r}</v></c>' if abs(value) < 1e300 else text(str(float(value)))


def _bool_rest(value: bool) -> str:
    return f'" t="b"><v>{value:d}</v></c>'


def _moment_rest(*, style: str, clock: "_WallClock", text: _Rest) -> _Rest:
    before, seconds = f'"{style}><v>', clock.seconds

    def rest(value: datetime) -> str:
        if not 1900 < value.year < 9999:
            return text(value.isoformat(sep=" "))
        return f"{before}{seconds(value) / _DAY_S!r}</v></c>"

    return rest


def _instant_rest(*, style: str, clock: "_WallClock", text: _Rest) -> _Rest:
    # As _moment_rest, without a call in the usual case: a listing has more moments than anything else that differs.
    before, offset_of_day = f'"{style}><v>', clock.offset_of_day.get

    def rest(value: int) -> str:
        offset = offset_of_day(value // _DAY_S + _DAY_OF_1970)
        if offset is None:
            if not _FIRST_INSTANT <= value < _LAST_INSTANT:
                return text(str(value))
            offset = clock.offset(value // _DAY_S + _DAY_OF_1970, value % _DAY_S)
        return f"{before}{(value + _SECONDS_TO_1970 + offset) / _DAY_S!r}</v></c>"

    return rest


def _date_rest(value: date, *, style: str, text: _Rest) -> str:
    if not 1900 < value.year < 9999:
        return text(value.isoformat())
    return f'"{style}><v>{(value - _DAY_ZERO).days}</v></c>'


_DAY_ZERO = date(1899, 12, 30)
_MOMENT_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - a wall clock
_MOMENT_ZERO_UTC = datetime(1899, 12, 30, tzinfo=UTC)
_DAY_OF_1970 = (date(1970, 1, 1) - _DAY_ZERO).days
_SECONDS_TO_1970 = _DAY_OF_1970 * _DAY_S
_FIRST_INSTANT = int(datetime(1901, 1, 1, tzinfo=UTC).timestamp())
_LAST_INSTANT = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())


class _WallClock:
    """What the clock on a wall in `zone` shows, in whole seconds since Excel's day zero."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self.offset_of_day: dict[int, int | None] = {}
        """By day in UTC; None for a day on which the clock is changed."""

    def seconds(self, moment: datetime) -> int:
        if moment.tzinfo is None:
            since = moment - _MOMENT_ZERO
            return since.days * _DAY_S + since.seconds
        since = moment - _MOMENT_ZERO_UTC
        return since.days * _DAY_S + since.seconds + self.offset(since.days, since.seconds)

    def offset(self, day: int, second: int) -> int:
        """Of the zone, at that second of that day in UTC."""
        offset = self.offset_of_day[day] if day in self.offset_of_day else self._learn(day)
        return self._offset_at(day, second) if offset is None else offset

    def _learn(self, day: int) -> int | None:
        first = self._offset_at(day, 0)
        self.offset_of_day[day] = first if first == self._offset_at(day + 1, 0) else None
        return self.offset_of_day[day]

    def _offset_at(self, day: int, second: int) -> int:
        moment = _MOMENT_ZERO_UTC + timedelta(days=day, seconds=second)
        offset = moment.astimezone(self._zone).utcoffset()
        return 0 if offset is None else int(offset.total_seconds())
