"""The people who are on a platform already, as an operation: read page by page, shown, linked or added, and undone.

Whoever shares an address with somebody here is linked, and nothing of either changes; everybody else is added. The
platform is told nothing of it.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import Min
from django.utils.translation import gettext as _

from accounts.language import as_stored
from accounts.models import User, Workspace
from accounts.roles import Action as RoleAction
from delivery.carriers import Temporary
from personas.contacts import ContactKeyInvalid, normalise
from personas.history import Cause
from personas.importing.cells import Address, Value, typed_contacts
from personas.importing.columns import Column, columns_of
from personas.importing.comparing import compare
from personas.importing.kind import Seen, add_new, already_seen, look_at
from personas.importing.undoing import put_back
from personas.models import Contact, Operation, OperationRow, Origin, Persona
from personas.operations import UNDOABLE_FOR, begin_operation
from platforms.contract import Answer, Job, Platform
from platforms.models import Connection, Link
from platforms.people import Person
from platforms.plans import Ended, run, send_plainly
from platforms.registry import platform_of
from platforms.targets import target_of
from raven_admin.errors import RavenError

WAITS_S = (2.0, 4.0, 8.0)
"""Before a page is asked for again, at least."""
LONGEST_WAIT_S = 20.0
UNKNOWN_SHOWN = 20
_RECORD = "record"
_SAME_NUMBER = {"phone": "whatsapp", "whatsapp": "phone"}
Action, State = OperationRow.Action, OperationRow.State
Key = tuple[str, str]


@dataclass(eq=False)
class ListingRefused(RavenError):
    """The list of people there could not be read: {reason}"""

    code: ClassVar[str] = "listing_refused"
    reason: str


@dataclass(eq=False)
class ConnectionGone(RavenError):
    """This connection was removed meanwhile."""

    code: ClassVar[str] = "connection_gone"


@dataclass(eq=False)
class ConnectionMoved(RavenError):
    """The address of this connection was changed since its people were read. Read them again."""

    code: ClassVar[str] = "connection_moved"


def begin_import(*, connection: Connection, by: User, at: datetime) -> Operation:
    """The people there are being read in the background, for a preview. Raises ListingRefused."""
    if not platform_of(connection.platform).lists_people:
        raise ListingRefused(_("this platform has no such list."))
    with as_stored():
        title = _("People on %(connection)s") % {"connection": connection.name}
    return begin_operation(
        workspace=connection.workspace, kind=Operation.Kind.PLATFORM, title=title,
        plan={"connection": connection.pk}, by=by, at=at,
    )  # fmt: skip


class PlatformImportKind:
    origin = Origin.PLATFORM
    write_action = RoleAction.PERSONA_WRITE
    undoable_for = UNDOABLE_FOR

    # --------------------------------------------------------------------------------------------------- reading
    def prepare(self, operation: Operation, *, after: OperationRow | None) -> Iterator[Sequence[OperationRow]]:
        """The plan keeps where the list is to be read on, so a worker that takes over does not begin anew."""
        connection = _connection_of(operation)
        platform, job = platform_of(connection.platform), Job(target_of(connection))
        number, seen, known = after.number if after else 0, already_seen(operation), _records_read(operation)
        while not operation.plan.get("is_read"):
            begun = time.monotonic()
            ended = _read_page(platform, job, after=operation.plan.get("after", ""))
            records = [record for record in _records(platform, ended) if record[0] not in known]
            known |= {remote_id for remote_id, _fields in records}
            operation.plan |= {"after": ended.remote_id, "is_read": not ended.remote_id}
            rows = _planned(operation, connection, records, seen, first_number=number + 1)
            number += len(rows)
            yield rows
            if ended.remote_id:
                _keep_pace(connection, begun)

    # ----------------------------------------------------------------------------------------------- carrying out
    def carry_out(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        """Each row is looked at anew: whoever was linked, deleted or added meanwhile is refused."""
        connection = _connection_of(operation)
        if connection.has_moved(lock=True):
            raise ConnectionMoved
        cause = replace(cause, came_from=connection.destination_id)
        _refuse_linked(connection, rows)
        ids = [row.persona_id for row in rows if row.action == Action.LINK and row.persona_id is not None]
        people = set(Persona.objects.filter(pk__in=ids).order_by("pk").select_for_update().values_list("pk", flat=True))
        for row in rows:
            if row.action == Action.LINK and row.state == State.PLANNED:
                if row.persona_id in people:
                    row.state = State.DONE
                else:
                    _refuse(row, _("This person was deleted after the preview."), keep_action=True)
        _add(operation.workspace, [row for row in rows if row.state == State.PLANNED], cause=cause)
        Link.objects.bulk_create(
            [
                Link(connection=connection, persona_id=row.persona_id, remote_id=row.values[_RECORD])
                for row in rows
                if row.state == State.DONE and row.persona_id is not None
            ],
            ignore_conflicts=True,
        )

    def undo(self, operation: Operation, rows: Sequence[OperationRow], *, cause: Cause) -> None:
        """People whom it added are deleted here, never there; whom it linked is linked no longer."""
        connection = Connection.objects.filter(pk=operation.plan["connection"]).first()
        record_of = {row.pk: row.values.get(_RECORD, "") for row in rows}
        if connection is not None:
            cause = replace(cause, came_from=connection.destination_id)
        put_back(operation.workspace, [row for row in rows if row.action == Action.CREATE], cause=cause)
        for row in rows:
            if row.action == Action.LINK:
                row.state = State.UNDONE
        undone = [record_of[row.pk] for row in rows if row.state == State.UNDONE]
        if connection is not None and not _has_moved(connection, operation):
            Link.objects.filter(connection=connection, remote_id__in=undone).delete()


# ------------------------------------------------------------------------------------------------ the list there
Fields = Mapping[str, Any]
Record = tuple[str, Fields]
"""A record there: its id, and what it says by our fields."""


def _read_page(platform: Platform, job: Job, *, after: str) -> Ended:
    """Raises ListingRefused."""
    for wait_s in (*WAITS_S, None):
        plan = platform.listing(job, after=after)
        ended = run(plan, platform=platform, job=job, idempotency_key="", send=send_plainly)
        if ended.trouble is None and ended.last is not None:
            return ended
        trouble = ended.trouble
        asked = trouble.retry_after.total_seconds() if isinstance(trouble, Temporary) and trouble.retry_after else 0.0
        if not isinstance(trouble, Temporary) or wait_s is None or asked > LONGEST_WAIT_S:
            break
        time.sleep(max(asked, wait_s))
    raise ListingRefused(trouble.reason if trouble else _("there was no answer."))


def _records(platform: Platform, page: Ended) -> list[Record]:
    """The id of each record and what it says, by our fields. Raises ListingRefused."""
    done = page.last
    assert done is not None  # noqa: S101 - a page was read
    nobody = Person(id=0, name="")
    try:
        return [
            (remote_id, platform.in_our_fields(platform.read_values(answer), nobody))
            for remote_id, answer in platform.records(Answer(done.status or 0, done.json(), done.headers))
        ]
    except (LookupError, TypeError, ValueError, AttributeError):
        raise ListingRefused(_("its answer is not the documented JSON.")) from None


def _keep_pace(connection: Connection, begun: float) -> None:
    """Half of the calls that the platform allows are left for what leaves meanwhile."""
    if rate := connection.destination.requests_per_minute:
        time.sleep(max(0.0, 120 / rate - (time.monotonic() - begun)))


def _connection_of(operation: Operation) -> Connection:
    """Raises ConnectionGone and ConnectionMoved."""
    found = Connection.objects.select_related("destination", "workspace").filter(pk=operation.plan["connection"])
    connection = found.filter(destination__removed_at=None).first()
    if connection is None:
        raise ConnectionGone
    if _has_moved(connection, operation):
        raise ConnectionMoved
    return connection


def _has_moved(connection: Connection, operation: Operation) -> bool:
    """Whether it is connected to another server by now, where the records that were read are other people."""
    return connection.moved_at is not None and connection.moved_at > operation.created_at


def _records_read(operation: Operation) -> set[str]:
    """Of rows that an earlier wake-up made."""
    return set(operation.rows.values_list(f"values__{_RECORD}", flat=True).iterator(chunk_size=2_000))


# ---------------------------------------------------------------------------------------------------- the preview
def _planned(
    operation: Operation, connection: Connection, records: Sequence[Record], seen: Seen, *, first_number: int
) -> list[OperationRow]:
    workspace = operation.workspace
    columns = {column.key: column for column in columns_of(workspace)}
    values = [_values(fields, columns) for _id, fields in records]
    _note_unknown(operation, records, columns)
    owners = _owners(workspace, values)
    verdicts = compare(values, workspace=workspace, columns=columns)
    linked_records, linked_people = _linked(connection, records, owners)
    namesakes = _namesakes(workspace, values)
    rows = []
    for index, ((remote_id, _fields), given, verdict, owned) in enumerate(
        zip(records, values, verdicts, owners, strict=True)
    ):
        row = OperationRow(
            operation=operation, number=first_number + index, values={_RECORD: remote_id, **given},
            persona_name=str(given.get("name", ""))[:255],
        )  # fmt: skip
        persona_id = linked_records.get(remote_id)
        if persona_id is not None:
            row.action, row.state, row.persona_id = Action.SAME, State.DONE, persona_id
            row.differences = [["link", "", remote_id]]
        elif len(owned) > 1:
            _refuse(row, _("It has addresses of several people: %(people)s.") % {"people": _in_words(owned)})
        elif owned:
            row.action, row.persona, row.differences = Action.LINK, owned[0], [["link", "", remote_id]]
            if owned[0].pk in linked_people:
                _refuse(row, _("%(name)s is linked to another record there.") % {"name": owned[0].name})
        elif _is_without_address(given) and (same := namesakes.get(str(given.get("name", "")))):
            _refuse(row, _("It has no address, and has the name of %(people)s.") % {"people": _in_words([same])})
        elif verdict.problems:
            _refuse(row, *(f"{title}: {text}" if title else text for title, text in verdict.problems))
        else:
            row.action, row.differences = Action.CREATE, verdict.differences
        _refuse_repeated(row, seen)
        rows.append(row)
    return rows


def _refuse_repeated(row: OperationRow, seen: Seen) -> None:
    if row.action in (Action.LINK, Action.CREATE):
        earlier = look_at(seen, row.number, row.persona_id, row.differences)
        if earlier is not None:
            _refuse(row, _("Row %(row)d is about the same person.") % {"row": earlier})


def _values(fields: Fields, columns: Mapping[str, Column]) -> dict[str, Value]:
    """As a row of a file would have them; who has no name there is called as their first address."""
    values: dict[str, Value] = {}
    addresses: list[Address] = []
    for field, value in fields.items():
        if field not in columns or value in (None, "", []):
            continue
        if field.startswith("contact:"):
            of_type = [Address(str(address.key), "") for address in value]
            addresses += of_type
            values[field] = typed_contacts(of_type)
        else:
            values[field] = value if isinstance(value, str | int | float | bool) else str(value)
    if not str(values.get("name", "")).strip() and addresses:
        values["name"] = addresses[0].key
    return values


def _note_unknown(operation: Operation, records: Iterable[Record], columns: Mapping[str, Column]) -> None:
    """The plan names the attributes that are not defined here, so that the preview can say that they are not read."""
    found = {field.partition(":")[2] for _id, fields in records for field in fields if field not in columns}
    known = {*operation.plan.get("unknown", ()), *found} - {""}
    operation.plan["unknown"] = sorted(known)[:UNKNOWN_SHOWN]


def _owners(workspace: Workspace, people: Sequence[Mapping[str, Value]]) -> list[list[Persona]]:
    """Who here has an address of each; a number may be somebody's phone or WhatsApp, whichever it is there."""
    keys_of = [set(_keys(values, country=workspace.country)) for values in people]
    wanted = set().union(*keys_of)
    contacts = Contact.objects.filter(
        workspace=workspace, type__in={type for type, _key in wanted}, normalized__in={key for _type, key in wanted}
    ).select_related("persona")
    persona_of = {(contact.type, contact.normalized): contact.persona for contact in contacts}
    return [
        list({persona_of[key].pk: persona_of[key] for key in sorted(keys) if key in persona_of}.values())
        for keys in keys_of
    ]


def _namesakes(workspace: Workspace, people: Sequence[Mapping[str, Value]]) -> dict[str, Persona]:
    """Who here is called as somebody there of whom no address is known, and may well be the same person: the eldest."""
    names = {str(values.get("name", "")) for values in people if _is_without_address(values)} - {""}
    if not names:
        return {}
    called_so = Persona.objects.filter(workspace=workspace, name__in=names)
    eldest = called_so.order_by().values("name").annotate(eldest=Min("pk")).values("eldest")
    return {persona.name: persona for persona in Persona.objects.filter(pk__in=eldest)}


def _is_without_address(values: Mapping[str, Value]) -> bool:
    return not any(field.startswith("contact:") for field in values)


def _keys(values: Mapping[str, Value], *, country: str) -> Iterator[Key]:
    for field, value in values.items():
        kind, _colon, type = field.partition(":")
        if kind != "contact":
            continue
        text = str(value)
        for part in filter(None, map(str.strip, text.splitlines() if "\n" in text else text.split(";"))):
            try:
                key = normalise(type, part, country=country)
            except ContactKeyInvalid:
                continue
            yield type, key
            if type in _SAME_NUMBER:
                yield _SAME_NUMBER[type], key


def _linked(
    connection: Connection, records: Sequence[Record], owners: Sequence[Sequence[Persona]]
) -> tuple[dict[str, int], set[int]]:
    """Those of the records that are linked, with the person of each; and those of the people who are."""
    of_connection = Link.objects.filter(connection=connection)
    by_record = of_connection.filter(remote_id__in=[remote_id for remote_id, _fields in records])
    people = of_connection.filter(persona_id__in={persona.pk for owned in owners for persona in owned})
    return dict(by_record.values_list("remote_id", "persona_id")), set(people.values_list("persona_id", flat=True))


def _in_words(people: Iterable[Persona]) -> str:
    return ", ".join(f"{persona.name} (ID {persona.pk})" for persona in people)


# ------------------------------------------------------------------------------------------------- since the preview
def _refuse_linked(connection: Connection, rows: Sequence[OperationRow]) -> None:
    links = Link.objects.filter(connection=connection)
    told = [row.values.get(_RECORD, "") for row in rows]  # what is known of a person goes when they are erased
    records = set(links.filter(remote_id__in=told).values_list("remote_id", flat=True))
    ids = [row.persona_id for row in rows if row.persona_id is not None]
    people = set(links.filter(persona_id__in=ids).values_list("persona_id", flat=True))
    for row in rows:
        if row.values.get(_RECORD, "") in records or row.persona_id in people:
            _refuse(row, _("Since the preview, this person or record was linked."), keep_action=True)


def _add(workspace: Workspace, rows: Sequence[OperationRow], *, cause: Cause) -> None:
    columns = {column.key: column for column in columns_of(workspace)}
    given = [{key: value for key, value in row.values.items() if key != _RECORD} for row in rows]
    owners = _owners(workspace, given)
    verdicts = compare(given, workspace=workspace, columns=columns, lock=True)
    new = []
    for row, verdict, owned in zip(rows, verdicts, owners, strict=True):
        if owned:
            _refuse(
                row,
                _("Since the preview, an address of it is somebody's: %(people)s.") % {"people": _in_words(owned)},
                keep_action=True,
            )
        elif verdict.problems:
            _refuse(row, *(f"{title}: {text}" if title else text for title, text in verdict.problems), keep_action=True)
        else:
            new.append((row, verdict))
    add_new(workspace, new, cause)


def _refuse(row: OperationRow, *sentences: str, keep_action: bool = False) -> None:
    """`keep_action`: after the preview, rows stay counted as what they were to be."""
    row.state, row.problems = State.REFUSED, [["", sentence] for sentence in sentences]
    if not keep_action:
        row.action, row.persona, row.differences = Action.REFUSE, None, []
