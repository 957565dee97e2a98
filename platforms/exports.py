"""Files of many rows, sent while they are read: Excel for people, CSV and NDJSON for programs."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import msgspec

from raven_admin.spreadsheet import CONTENT_TYPE as XLSX
from raven_admin.spreadsheet import Column, Cover, stream_workbook
from tokens.endpoints import Answer

CSV = "text/csv; charset=utf-8"
NDJSON = "application/x-ndjson"
MEDIA_TYPES = (XLSX, CSV, NDJSON)

Cell = str | int | float | bool | date | datetime | None
_NUMBER = re.compile(r"[+-][\d ().\-/]*")


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported: a name for the file, the columns, and the rows, read when they are sent."""

    name: str
    columns: Sequence[str]
    rows: Callable[[], Iterable[Sequence[Cell]]]
    workspace: str
    made_by: str


def answer_with_file(export: Export, *, format: str, at: datetime) -> Answer:
    """The answer that streams `export` in the format xlsx, csv or ndjson; moments are in UTC."""
    if format == "xlsx":
        media_type, pieces = XLSX, _xlsx(export, at)
    elif format == "csv":
        media_type, pieces = CSV, _csv(export)
    else:
        media_type, pieces = NDJSON, _ndjson(export)
    file_name = f"{export.name}-{export.workspace}-{at:%Y-%m-%d}.{format}"
    headers = {"Content-Type": media_type, "Content-Disposition": f'attachment; filename="{file_name}"'}
    return Answer({"file": file_name}, headers=headers, stream=pieces)


def _xlsx(export: Export, at: datetime) -> Iterator[bytes]:
    def cover(count: int) -> Cover:
        lines = (
            ("Workspace", export.workspace),
            ("Made by", export.made_by),
            ("Time (UTC)", f"{at:%Y-%m-%d %H:%M:%S}"),
        )
        return Cover(title=export.name.title(), lines=(*lines, ("Rows", count)), author=export.made_by)

    columns = [Column(title, width=max(14, len(title) + 4)) for title in export.columns]
    return stream_workbook(
        sheet_name=export.name.title(), columns=columns, rows=map(tuple, export.rows()), cover_name="About", cover=cover
    )


def _csv(export: Export) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(export.columns)
    for row in export.rows():
        writer.writerow([_csv_cell(cell) for cell in row])
        if buffer.tell() > 64 * 1024:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _csv_cell(cell: Cell) -> str:
    """Text as it is, but for what a spreadsheet program would run as a formula: an apostrophe goes before it.

    A phone number keeps its plus: digits and their separators calculate nothing.
    """
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat()
    text = "" if cell is None else str(cell)
    if text[:1] in {"=", "@", "\t", "\r"} or (text[:1] in {"+", "-"} and not _NUMBER.fullmatch(text)):
        return f"'{text}"
    return text


def _ndjson(export: Export) -> Iterator[bytes]:
    lines: list[bytes] = []
    for row in export.rows():
        lines.append(msgspec.json.encode(dict(zip(export.columns, row, strict=True))))
        if len(lines) >= 500:
            yield b"\n".join(lines) + b"\n"
            lines.clear()
    if lines:
        yield b"\n".join(lines) + b"\n"
