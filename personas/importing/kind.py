"""The import of a file of people, as an operation: read, shown, carried out and undone."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any, TypedDict

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.language import in_every_language
from accounts.models import Workspace
from accounts.roles import Action as RoleAction
from personas.batches import NewPersona, add_personas
from personas.history import Cause
from personas.importing.cells import Value, as_value, storable
from personas.importing.columns import Column, columns_of, matched
from personas.importing.comparing import Action, Verdict, compare
from personas.importing.formulas import Formula
from personas.importing.reading import Table, read_table
from personas.importing.undoing import put_back
from personas.models import Operation, OperationFile, OperationRow, Origin, Persona
from personas.operations import UNDOABLE_FOR
from personas.services import add_persona, change_persona
from raven_admin.errors import RavenError

READ_AT_ONCE = 500
State = OperationRow.State


class FileColumn(TypedDict):
    """A column of the file as an operation's plan keeps it."""

    title: str
    key: str
    """Of our column; empty: it is not read."""


class ImportKind:
    origin = Origin.IMPORT
    write_action = RoleAction.PERSONA_WRITE
    undoable_for = UNDOABLE_FOR

    # --------------------------------------------------------------------------------------------------- reading
    def prepare(self, operation: Operation, *, after: OperationRow | None) -> Iterator[Sequence[OperationRow]]:
        """When no column tells one person from another, there are no rows, and the viewer says which column is what."""
        content = bytes(OperationFile.objects.get(operation=operation).content)
        table = read_table(content, preferred_sheets=in_every_language(sheet_name))
        columns = {column.key: column for column in columns_of(operation.workspace)}
        file_columns = self._file_columns(operation, table, columns)
        keys = [column["key"] for column in file_columns]
        operation.total = table.total
        if not is_enough(keys):
            return
        seen = already_seen(operation)
        rows = (row for row in table.rows if after is None or row[0] > after.number)
        while batch := list(islice(rows, READ_AT_ONCE)):
            given = [
                {
                    key: value
                    for key, cell in zip(keys, cells, strict=False)
                    if key and (value := as_value(cell)) is not None
                }
                for _number, cells in batch
            ]
            verdicts = compare(given, workspace=operation.workspace, columns=columns)
            yield [
                _planned(operation, number, values, verdict, seen, columns)
                for (number, _cells), values, verdict in zip(batch, given, verdicts, strict=True)
                if values
            ]

    @staticmethod
    def _file_columns(operation: Operation, table: Table, columns: Mapping[str, Column]) -> list[FileColumn]:
        if "columns" not in operation.plan:
            keys = matched(table.header, columns.values())
            operation.plan["columns"] = [
                FileColumn(title=title, key=key) for title, key in zip(table.header, keys, strict=True)
            ]
        written_only = {"updated", "row", "problem"}
        return [
            FileColumn(title=column["title"], key="" if column["key"] in written_only else column["key"])
            for column in operation.plan["columns"]
        ]

    # ----------------------------------------------------------------------------------------------- carrying out
    def carry_out(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        """Each row is compared anew: what is no longer as the preview showed it is refused, not overwritten."""
        columns = {column.key: column for column in columns_of(operation.workspace)}
        verdicts = compare([row.values for row in rows], workspace=operation.workspace, columns=columns, lock=True)
        to_create = []
        for row, verdict in zip(rows, verdicts, strict=True):
            if row.action == Action.CHANGE and row.persona_id is None:
                _refuse(row, [("", _("This person was deleted after the preview."))])
                row.values, row.differences, row.persona_name = {}, [], ""
            elif problems := _moved(row, verdict, columns):
                _refuse(row, problems)
            elif row.action == Action.CREATE:
                to_create.append((row, verdict))
            else:
                self._change(operation.workspace, row, verdict, cause)
        add_new(operation.workspace, to_create, cause)

    @staticmethod
    def _change(workspace: Workspace, row: OperationRow, verdict: Verdict, cause: Cause) -> None:
        persona = verdict.persona
        assert persona is not None  # noqa: S101 - the verdict of a change
        touched = [contact for contact in persona.contacts.all() if contact.pk in verdict.changed_contacts]
        try:
            with transaction.atomic():
                change_persona(
                    persona, country=workspace.country, draft=verdict.draft, contacts=verdict.new_contacts,
                    changed_contacts=verdict.changed_contacts, cause=cause,
                )  # fmt: skip
        except RavenError as refusal:
            _refuse(row, [("", str(refusal))])
            return
        row.state, row.differences = State.DONE, verdict.differences
        if not verdict.differences:  # somebody did the same meanwhile
            row.action = Action.SAME
        typed = {f"{contact.type}:{contact.normalized}": [contact.key, contact.label] for contact in touched}
        row.before = {"version": persona.version, "contacts": typed}

    def undo(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        put_back(operation.workspace, rows, cause=cause)


def add_new(workspace: Workspace, rows: Sequence[tuple[OperationRow, Verdict]], cause: Cause) -> None:
    """Each row is DONE with the person whom it added, or REFUSED."""
    people = [_new_persona(workspace, verdict) for _row, verdict in rows]
    try:
        with transaction.atomic():
            made = add_personas(workspace=workspace, people=people, cause=cause)
    except IntegrityError:  # somebody took one of the contacts this very moment: one by one says whose
        for row, verdict in rows:
            try:
                with transaction.atomic():
                    persona = add_persona(
                        workspace=workspace, draft=verdict.draft, contacts=verdict.new_contacts, cause=cause
                    )
            except RavenError as refusal:
                _refuse(row, [("", str(refusal))])
            else:
                _created(row, persona)
        return
    for (row, _verdict), persona in zip(rows, made, strict=True):
        _created(row, persona)


def sheet_name() -> str:
    """Of the sheet with people, in every file of ours."""
    return _("People")


def is_enough(keys: Sequence[str]) -> bool:
    """Whether these columns say who a row is about."""
    return any(key in {"id", "name"} or key.startswith("contact:") for key in keys)


# -------------------------------------------------------------------------------------------------- within the file
Seen = dict[int | str, int]
"""The row in which a person (by id) or an address (by type and normalised key) stood."""


def already_seen(operation: Operation) -> Seen:
    """Of rows that an earlier wake-up read."""
    seen: Seen = {}
    known = operation.rows.exclude(action=Action.REFUSE).values_list("number", "persona_id", "differences")
    for number, persona_id, differences in known.iterator(chunk_size=2_000):
        look_at(seen, number, persona_id, differences)
    return seen


def look_at(seen: Seen, number: int, persona_id: int | None, differences: Sequence[Sequence[str]]) -> int | None:
    """The row that is about the same person or address already; else this one is remembered."""
    marks: list[int | str] = [persona_id] if persona_id is not None else []
    marks += [f"{field}:{new}" for field, _old, new in differences if new and field.startswith("contact:")]
    earlier = next((seen[mark] for mark in marks if mark in seen), None)
    if earlier is None:
        seen.update(dict.fromkeys(marks, number))
    return earlier


def _planned(
    operation: Operation, number: int, values: dict[str, Value | Formula], verdict: Verdict, seen: Seen,
    columns: Mapping[str, Column],
) -> OperationRow:  # fmt: skip
    persona = verdict.persona
    if not verdict.problems:
        earlier = look_at(seen, number, persona.pk if persona else None, verdict.differences)
        if earlier is not None:
            title = columns["id"].title if verdict.said.persona_id is not None else ""
            verdict.problems.append((title, _("Row %(row)d is about the same person.") % {"row": earlier}))
    action = verdict.action
    states = {Action.REFUSE: State.REFUSED, Action.SAME: State.DONE}
    return OperationRow(
        operation=operation,
        number=number,
        action=action,
        state=states.get(action, State.PLANNED),
        persona=persona,
        persona_name=(persona.name if persona else verdict.said.fields.get("name", ""))[:255],
        values=storable(values),
        differences=verdict.differences if action != Action.REFUSE else [],
        problems=[list(problem) for problem in verdict.problems],
    )


# ------------------------------------------------------------------------------------------------- since the preview
def _moved(row: OperationRow, verdict: Verdict, columns: Mapping[str, Column]) -> list[tuple[str, str]]:
    """What is no longer as the preview showed it; nothing when somebody has made the very same change meanwhile."""
    if verdict.problems:
        return verdict.problems
    if row.action == Action.CREATE and verdict.persona is not None:
        sentence = _("Since the preview, %(name)s (ID %(id)d) has an address of this row.")
        return [("", sentence % {"name": verdict.persona.name, "id": verdict.persona.pk})]
    if (verdict.persona.pk if verdict.persona else None) != row.persona_id:
        return [("", _("Since the preview, the addresses of this row belong to somebody else."))]
    shown = {tuple(difference) for difference in row.differences}
    problems = []
    for field, old, _new in verdict.differences:
        if (field, old, _new) not in shown:
            title = columns[field].title if field in columns else field
            problems.append((title, _("It has changed since the preview: it is “%(old)s” now.") % {"old": old}))
    return problems


def _refuse(row: OperationRow, problems: Sequence[tuple[str, str]]) -> None:
    row.state, row.problems = State.REFUSED, [list(problem) for problem in problems]


def _created(row: OperationRow, persona: Persona) -> None:
    row.state, row.persona, row.before = State.DONE, persona, {"version": persona.version}


def _new_persona(workspace: Workspace, verdict: Verdict) -> NewPersona:
    fields: dict[str, Any] = {name: value for name, value in verdict.said.fields.items() if value}
    if "birthday" in fields:
        fields["birthday"] = date.fromisoformat(fields["birthday"])
    return NewPersona(
        persona=Persona(workspace=workspace, **fields),
        attributes=verdict.said.attributes,
        contacts=verdict.new_contacts,
    )
