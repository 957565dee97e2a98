"""People as Excel files: the ones on the screen, a template to fill in, and the rows of an import that were refused.

All have the columns of `personas.importing.columns`, so that each can be uploaded again; `docs/personas.md` describes
them.
"""

import io
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from accounts.language import retold
from accounts.models import User, Workspace
from personas.attributes import parse_value
from personas.importing.cells import Address, typed_contacts
from personas.importing.columns import Column, clear_word, columns_of, written_only
from personas.importing.kind import sheet_name
from personas.models import AttributeType, AttributeValue, Contact, ContactType, Operation, OperationRow, Persona
from raven_admin import spreadsheet
from raven_admin.spreadsheet import CONTENT_TYPE, DATE_FORMAT, Cover, Row, Value, stream_workbook

_PAGE_ROWS = 1_000
_PHONES = frozenset({ContactType.PHONE, ContactType.WHATSAPP})


def people_response(
    *, people: QuerySet[Persona], workspace: Workspace, viewer: User, filters: Sequence[tuple[str, str]]
) -> StreamingHttpResponse:
    """A download of `people`, in their order; the caller has checked that the viewer may have it.

    `filters` says in words what they are filtered by, as (label, value); empty means that it is everybody.
    """
    columns = columns_of(workspace)
    facts = [
        *_facts(workspace, viewer),
        *(filters or [(_("Filters"), _("None: everybody"))]),
        *_how_to_upload(),
    ]
    title, count_label = _("People of %(workspace)s") % {"workspace": workspace.name}, _("People in this file")
    return _streamed(
        f"people-{workspace.slug}",
        columns=columns,
        rows=_rows_of(people, columns),
        cover=lambda count: Cover(title, (*facts, (count_label, count)), viewer.display_name),
    )


def refused_response(*, operation: Operation, viewer: User) -> StreamingHttpResponse:
    """The rows of an import that were refused, as they were, and why; to correct and upload again."""
    row_number, problem = written_only()[1:]
    present = {column["key"] for column in operation.plan.get("columns", [])}
    columns = [problem, *(c for c in columns_of(operation.workspace) if c.key in present and c.is_read), row_number]
    facts = [
        *_facts(operation.workspace, viewer),
        (_("From the file"), retold(operation.title)),
        (_("To do"), _("Correct what the column Problem names, and upload this file. That column is not read.")),
        *_how_to_upload(),
    ]
    refused = OperationRow.objects.filter(operation=operation, state=OperationRow.State.REFUSED).order_by("number")
    title, count_label = _("Rows that were not imported"), _("Rows in this file")
    return _streamed(
        f"not-imported-{operation.workspace.slug}",
        columns=columns,
        rows=(_refused_row(row, columns) for row in refused.iterator(chunk_size=_PAGE_ROWS)),
        cover=lambda count: Cover(title, (*facts, (count_label, count)), viewer.display_name),
    )


def _streamed(name: str, *, columns: Sequence[Column], rows: Iterable[Row], cover: Any) -> StreamingHttpResponse:
    content = stream_workbook(
        sheet_name=sheet_name(),
        columns=[spreadsheet.Column(column.title, width=column.width) for column in columns],
        rows=rows,
        cover_name=_("About"),
        cover=cover,
        zone=timezone.get_current_timezone(),
    )
    return StreamingHttpResponse(content, content_type=CONTENT_TYPE, headers=_headers(name))


def _headers(name: str) -> dict[str, str]:
    name = f"{name}-{timezone.localtime():%Y-%m-%d}.xlsx"
    return {
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name) or "attachment",
        "Cache-Control": "private, no-store",
        "X-Accel-Buffering": "no",
    }


def _facts(workspace: Workspace, viewer: User) -> list[tuple[str, str | int]]:
    now = timezone.now()
    zone = timezone.get_current_timezone_name()
    return [
        (_("Workspace"), workspace.name),
        (_("Downloaded by"), f"{viewer.display_name} ({viewer.username})"),
        (_("Downloaded at (%(zone)s)") % {"zone": zone}, f"{timezone.localtime(now):%Y-%m-%d %H:%M:%S}"),
        (_("Downloaded at (UTC)"), f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S}"),
    ]


def _how_to_upload() -> list[tuple[str, str | int]]:
    return [
        (_("Uploading this file"), _("Change what you like and upload it under Personas, Import. You see what would "
                                     "change before anything is stored.")),
        (_("Empty cells"), _("Leave a value as it is. Write %(clear)s to take it away.") % {"clear": clear_word()}),
        (_("The column ID"), _("Says whose row it is. Leave it empty to add somebody.")),
        (_("Contacts"), _("Several of a kind stand in one cell with ; between them. In a row with an ID the cell "
                          "has all of that kind: what is not in it is taken away.")),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- people as rows
def _rows_of(people: QuerySet[Persona], columns: Sequence[Column]) -> Iterator[Row]:
    """Read a page at a time, with nothing held open in between; somebody deleted meanwhile is left out."""
    ids = array("q", people.values_list("pk", flat=True).iterator(chunk_size=10_000))
    for start in range(0, len(ids), _PAGE_ROWS):
        yield from _page(ids[start : start + _PAGE_ROWS].tolist(), columns)


def _page(ids: list[int], columns: Sequence[Column]) -> Iterator[Row]:
    fields = ("pk", "name", "gender", "birthday", "notes", "updated_at")
    people = {row[0]: row for row in Persona.objects.filter(pk__in=ids).order_by().values_list(*fields)}
    attributes: dict[int, dict[str, str]] = {}
    values = AttributeValue.objects.filter(persona__in=ids).order_by()
    for pk, key, value in values.values_list("persona_id", "definition__key", "value"):
        attributes.setdefault(pk, {})[f"attribute:{key}"] = value
    contacts: dict[int, dict[str, list[Address]]] = {}
    addresses = Contact.objects.filter(persona__in=ids).order_by("id")
    for pk, type, key, normalized in addresses.values_list("persona_id", "type", "key", "normalized"):
        address = Address(normalized if type in _PHONES else key, normalized)
        contacts.setdefault(pk, {}).setdefault(f"contact:{type}", []).append(address)
    for pk in ids:
        if row := people.get(pk):
            cells: dict[str, Value] = dict(
                zip(("id", "name", "gender", "birthday", "notes", "updated"), row, strict=True)
            )
            for column in columns:
                if stored := attributes.get(pk, {}).get(column.key):
                    cells[column.key] = _attribute_cell(column.type, stored)
            cells |= {key: typed_contacts(found) for key, found in contacts.get(pk, {}).items()}
            yield tuple(cells.get(column.key) for column in columns)


def _attribute_cell(type: str, stored: str) -> Value:
    """As Excel holds such a value, where reading it again gives the same; else as text."""
    if type == AttributeType.BOOLEAN:
        return stored == "true"
    if type == AttributeType.DATE:
        return date.fromisoformat(stored)
    if type == AttributeType.NUMBER:
        number = float(stored) if "." in stored or len(stored) > 15 else int(stored)
        return number if parse_value(type, number) == stored else stored
    return stored


def _refused_row(row: OperationRow, columns: Sequence[Column]) -> Row:
    problem = "\n".join(
        f"{title}: {retold(sentence)}" if title else retold(sentence) for title, sentence in row.problems
    )
    known: Mapping[str, Value] = {**row.values, "row": row.number, "problem": problem}
    return tuple(known.get(column.key) for column in columns)


# ----------------------------------------------------------------------------------------------------- the template
_ROWS_FORMATTED = 2_000


def template_response(*, workspace: Workspace) -> HttpResponse:
    """A workbook to fill in: each column says in a note what belongs there, and addresses are text from the start."""
    columns = [column for column in columns_of(workspace) if column.is_read and column.key != "id"]
    workbook = Workbook()
    guide = workbook.worksheets[0]
    guide.title = _("How to fill in")
    _fill_guide(guide, columns, workspace)
    sheet = workbook.create_sheet(sheet_name())
    sheet.freeze_panes = "B2"
    yes_or_no = DataValidation(type="list", formula1='"yes,no"', allow_blank=True)
    sheet.add_data_validation(yes_or_no)
    for index, column in enumerate(columns, start=1):
        letter = get_column_letter(index)
        head: Any = sheet.cell(1, index, column.title)
        head.font, head.fill = Font(bold=True), PatternFill("solid", fgColor="FFEEF1F5")
        head.alignment = Alignment(vertical="center", wrap_text=True)
        if column.hint:
            head.comment = Comment(column.hint, "Raven Admin", width=260, height=90)
        sheet.column_dimensions[letter].width = column.width
        if column.type == AttributeType.BOOLEAN:
            yes_or_no.add(f"{letter}2:{letter}{_ROWS_FORMATTED}")
        shape = {AttributeType.DATE: DATE_FORMAT, AttributeType.NUMBER: "General"}.get(AttributeType(column.type), "@")
        sheet.column_dimensions[letter].number_format = shape
    sheet.row_dimensions[1].height = 32
    workbook.active = 1
    saved = io.BytesIO()
    workbook.save(saved)
    return HttpResponse(saved.getvalue(), content_type=CONTENT_TYPE, headers=_headers(f"template-{workspace.slug}"))


def _fill_guide(sheet: Any, columns: Sequence[Column], workspace: Workspace) -> None:
    sheet.sheet_view.showGridLines = False
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 26, 90
    sheet["A1"] = _("People to add to %(workspace)s") % {"workspace": workspace.name}
    sheet["A1"].font = Font(bold=True, sz=16)
    what_to_do = _(
        "Write one person a row in the sheet %(sheet)s, and upload the file under Personas, Import. "
        "You see what would happen before anything is stored."
    )
    who_is_there = _(
        "A person with one of these addresses is changed, not added twice. "
        "Empty cells leave a value as it is; %(clear)s takes it away."
    )
    lines = [
        (_("What to do"), what_to_do % {"sheet": sheet_name()}),
        (_("Who is there already"), who_is_there % {"clear": clear_word()}),
        *((column.title, column.hint) for column in columns),
    ]
    for number, (title, text) in enumerate(lines, start=3):
        for letter, content in (("A", title), ("B", text)):
            cell = sheet[f"{letter}{number}"]
            cell.value, cell.data_type = content, "s"
            cell.alignment = Alignment(vertical="top", wrap_text=True)
        sheet[f"A{number}"].font = Font(bold=True)
