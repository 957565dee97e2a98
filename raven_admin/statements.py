"""SQL for what every call does: written out once and sent as it is.

The ORM composes a query's text anew each time, which takes several times as long as the query itself. Where that counts
(see docs/decisions/0005-gateway-speed.md), a query is a constant of this class instead. Values are always parameters.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from itertools import count
from typing import Any

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections, transaction
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.sqlite3.base import SQLiteCursorWrapper
from django.db.backends.utils import CursorWrapper
from psycopg.errors import DeadlockDetected
from psycopg.pq import TransactionStatus

from raven_admin.errors import RavenError
from raven_admin.journeys import Journey, Prepared
from raven_admin.journeys import Row as Row

_NAMED = re.compile(r"%\((\w+)\)s")
_PARAMETER = re.compile(r"%s|%\(\w+\)s")


def moment_of(stored: Any) -> datetime | None:
    """A moment as a statement gives it: aware from PostgreSQL, without its zone or as text, in UTC, from SQLite."""
    if stored is None:
        return None
    moment: datetime = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Statement:
    """One SQL statement for both databases, planned once a connection by PostgreSQL."""

    def __init__(self, text: str = "", *, sqlite: str = "", postgresql: str = "") -> None:
        """`sqlite` and `postgresql` stand for `text` where the two can't be told the same."""
        for_sqlite = sqlite or text
        self._text_for: dict[type, str] = {
            ServerBindingCursor: postgresql or text,
            SQLiteCursorWrapper: for_sqlite,
            sqlite3.Cursor: _NAMED.sub(r":\1", for_sqlite).replace("%s", "?"),
        }
        self.names = _NAMED.findall(self._text_for[ServerBindingCursor])
        """Of its parameters on PostgreSQL, as often as they stand there."""

    def rows(self, *parameters: Any, **named: Any) -> list[Row]:
        """What the statement gives; its parameters are given by position or by name."""
        cursor = self._execute(named or parameters)
        with cursor.db.wrap_database_errors:
            found: list[Row] = cursor.cursor.fetchall()
        return found

    def row(self, *parameters: Any, **named: Any) -> Row | None:
        """The one row that the statement gives, or None."""
        found = self.rows(*parameters, **named)
        return found[0] if found else None

    def first_row(
        self, *, beside: "Question | None" = None, meanwhile: Callable[[], None] | None = None, **named: Any
    ) -> Row | None:
        """`row` of a statement that begins a call, and does no harm when it is done twice.

        With `beside`, that is asked in the same journey, and its rows stand in the row's last column: the statement
        selects ROOM_BESIDE there. `meanwhile` is called while PostgreSQL works, if it can be.

        Django asks the database whether it is still there before the first query of each request. Here the query itself
        asks: when the connection turns out to be dead, it is sent again over a new one.
        """
        if beside is not None:
            named |= {f"{name}_beside": value for name, value in beside.named.items()}
            return _with_beside(self, beside.statement).first_row(meanwhile=meanwhile, **named)
        database: Any = connections[DEFAULT_DB_ALIAS]
        if database.in_atomic_block or not database.health_check_enabled or database.health_check_done:
            return self.row(**named)
        database.health_check_done = True
        try:
            found = self._rows_alone(database, named, meanwhile)
            return next(iter(found), None)
        except (OperationalError, InterfaceError):
            database.close()
            return self.row(**named)

    def rows_before(self, **named: Any) -> list[Row]:
        """`rows` of a statement that only reads and locks nothing: no transaction has to begin for it."""
        return self._rows_alone(connections[DEFAULT_DB_ALIAS], named)

    def run(self, *parameters: Any, **named: Any) -> None:
        """The statement is done."""
        self._execute(named or parameters)

    def later(self, **named: Any) -> None:
        """The statement is done when the transaction is, and before anything else is asked of the database in it.

        Only for `one_transaction`, in which PostgreSQL is told all that waits as one statement; elsewhere it is done
        at once. What a statement needs of another that waits, it has to be given: it does not see its rows.
        """
        transaction_at_hand = _transaction.get()
        if transaction_at_hand is None:
            self.run(**named)
        else:
            transaction_at_hand.add(self, named)

    def run_each(self, parameters_of_each: Sequence[Sequence[Any] | dict[str, Any]]) -> None:
        """The statement is done once with each of these parameters, in that order."""
        if len(parameters_of_each) == 1:  # or PostgreSQL's driver would set up a pipeline for the one
            self._execute(parameters_of_each[0])
        elif parameters_of_each:
            cursor = self._cursor()
            text = self._text_for[type(cursor.cursor)]
            cursor.executemany(text, [_adapted(each, cursor.db.vendor) for each in parameters_of_each])

    def _rows_alone(
        self, database: Any, named: Mapping[str, Any], meanwhile: Callable[[], None] | None = None
    ) -> list[Row]:
        journey = self._send_alone(database, [named[name] for name in self.names])
        if journey is None:
            return self.rows(**named)
        with database.wrap_database_errors:
            return journey.rows(meanwhile)

    def _send_alone(self, database: Any, values: Sequence[Any]) -> Journey | None:
        """The statement, a transaction by itself, is under way to PostgreSQL with the values of its `names`.

        None, and nothing is done, when it can't be by itself: a transaction has begun, or somebody is to see every
        statement before it is done.
        """
        driver = database.connection
        if database.vendor != "postgresql" or driver is None:
            return None
        if driver.pgconn.transaction_status != TransactionStatus.IDLE or not _is_unwatched(database):
            return None
        if database.queries_logged:  # as Django's cursors do; how long it takes is not known yet
            database.queries_log.append({"sql": self._prepared.text, "time": "0.000"})
        with database.wrap_database_errors:
            return Journey(self._prepared, driver, values)

    @cached_property
    def _prepared(self) -> Prepared:
        numbers = count(1)
        text = _PARAMETER.sub(lambda _: f"${next(numbers)}", self._text_for[ServerBindingCursor])
        return Prepared(text.replace("%%", "%"))

    def _execute(self, parameters: Sequence[Any] | dict[str, Any]) -> CursorWrapper:
        cursor = self._cursor()
        cursor.execute(self._text_for[type(cursor.cursor)], _adapted(parameters, cursor.db.vendor))
        return cursor

    def _cursor(self) -> CursorWrapper:
        """The cursor of this statement on the connection at hand, with what the driver has learned of its types."""
        database: Any = connections[DEFAULT_DB_ALIAS]
        database.close_if_health_check_failed()
        if database.connection is None:
            database.ensure_connection()
        if database.queries_logged:
            return _open(database)
        kept = _cursors_of(database)
        cursor = kept.get(self)
        if cursor is None or cursor.cursor.connection is not database.connection:
            cursor = kept[self] = _open(database)
        return cursor


ROOM_BESIDE = "NULL AS beside"


@dataclass(frozen=True, slots=True)
class Question:
    """A statement that only reads texts and whole numbers and locks nothing, and what it is asked with."""

    statement: Statement
    named: Mapping[str, Any]
    about: Any
    """What it was made from: of the same, the same would be asked again."""

    def rows(self) -> list[Row]:
        """What it gives, before a transaction begins: see `Statement.rows_before`."""
        return self.statement.rows_before(**self.named)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a question gave that was asked ahead, beside another statement."""

    about: Any
    found: list[Row]


def saves_journeys() -> bool:
    """Whether it is worth asking ahead: SQLite is no journey away."""
    return connections[DEFAULT_DB_ALIAS].vendor == "postgresql"


class _Transaction:
    """What `one_transaction` knows: what waits to be written, and whether anything has been."""

    def __init__(self) -> None:
        self.has_written = False
        self.waiting: list[tuple[Statement, dict[str, Any]]] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Every statement comes by here: what waits is sent before it."""
        self.send_waiting()
        self.has_written = self.has_written or "INSERT" in sql or "UPDATE" in sql or "DELETE" in sql
        return execute(sql, params, many, context)

    def add(self, statement: Statement, named: dict[str, Any]) -> None:
        # The same one twice would make the text longer each time, and the order of the two would be anybody's guess.
        if any(waiting is statement for waiting, _named in self.waiting):
            self.send_waiting()
        self.waiting.append((statement, named))

    def send_waiting(self) -> None:
        if self.waiting:
            statement, values = self._take_waiting()
            statement.run(*values)

    def finish(self, database: Any, meanwhile: Callable[[], None]) -> None:
        """As `send_waiting`, with nothing to come after it; `meanwhile` is called."""
        if not self.waiting:
            meanwhile()
            return
        statement, values = self._take_waiting()
        journey = statement._send_alone(database, values)
        if journey is None:
            statement.run(*values)
            meanwhile()
            return
        with database.wrap_database_errors:
            journey.rows(meanwhile)

    def _take_waiting(self) -> tuple[Statement, list[Any]]:
        """One statement that does what all do that wait, and its values; none waits any longer."""
        waiting, self.waiting = self.waiting, []
        statements = tuple([statement for statement, _named in waiting])
        values = [named[name] for statement, named in waiting for name in statement.names]
        return _all_at_once(statements), values


_transaction: ContextVar[_Transaction | None] = ContextVar("transaction", default=None)


@contextmanager
def one_transaction(*, meanwhile: Callable[[], None] = lambda: None) -> Iterator[None]:
    """One transaction, undone by an error if there is anything to undo.

    `meanwhile` is called at the end, while the database works where that is possible, and asks it nothing.

    For PostgreSQL, journeys are saved: what the transaction writes by `Statement.later` goes as one statement, which
    is a transaction by itself when nothing else was written, without BEGIN and COMMIT. After every ROLLBACK its driver
    forgets the statements that it has prepared, and the next calls pay for it; so a refusal that has only read ends
    with COMMIT.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "postgresql":
        with transaction.atomic():
            yield
            meanwhile()
        return
    refusal = None
    ours = _Transaction()
    with transaction.atomic():
        before = _transaction.set(ours)
        database.execute_wrappers.append(ours)
        try:
            yield
            ours.finish(database, meanwhile)
        except RavenError as error:
            if ours.has_written:
                raise
            refusal = error
        finally:
            database.execute_wrappers.remove(ours)
            _transaction.reset(before)
    if refusal is not None:
        raise refusal


def is_deadlock(error: BaseException) -> bool:
    """Whether PostgreSQL has undone a transaction because it and another one waited for each other."""
    return isinstance(error.__cause__, DeadlockDetected)


def _is_unwatched(database: Any) -> bool:
    """Whether nobody but `one_transaction`, with nothing that waits, is to see a statement before it is done."""
    return all(isinstance(wrapper, _Transaction) and not wrapper.waiting for wrapper in database.execute_wrappers)


@cache
def _all_at_once(statements: tuple[Statement, ...]) -> Statement:
    """One statement for PostgreSQL that writes what each of `statements` does, with the values of their names."""
    *before, last = (_NAMED.sub("%s", statement._text_for[ServerBindingCursor]) for statement in statements)
    parts = ", ".join(f"part_{at} AS ({text})" for at, text in enumerate(before))
    return Statement(f"WITH {parts} {last}" if parts else last)


@cache
def _with_beside(first: Statement, beside: Statement) -> Statement:
    """`first`, for PostgreSQL, with the rows of `beside` as JSON, a list of objects, in its last column."""
    asked = _NAMED.sub(r"%(\1_beside)s", beside._text_for[ServerBindingCursor])
    room = f"(SELECT json_agg(asked)::text FROM ({asked}) asked) AS beside"  # noqa: S608 - nothing of a caller's is in it
    return Statement(first._text_for[ServerBindingCursor].replace(ROOM_BESIDE, room))


def _cursors_of(database: Any) -> dict[Statement, CursorWrapper]:
    """The cursors that are kept of a connection, for as long as it is open."""
    kept: dict[Statement, CursorWrapper] | None = database.__dict__.get("cursors_of_statements")
    if kept is None:
        kept = database.cursors_of_statements = {}
        close = database._close

        # SQLite keeps a connection that is closed, with its transaction and its lock, while a cursor of it is left.
        def close_without_cursors() -> None:
            kept.clear()
            close()

        database._close = close_without_cursors
    return kept


def _open(database: Any) -> CursorWrapper:
    """A cursor as Django's, but for what Django's does to the text of each statement, each time."""
    cursor: Any
    if database.vendor == "postgresql":
        # Django's writes the values into the text, which the database then would have to plan every time.
        cursor = ServerBindingCursor(database.connection)  # type: ignore[call-arg]
    elif database.queries_logged:
        cursor = database.create_cursor()
    else:
        # Django's puts other signs into the text for its parameters; only its log of queries needs them as they were.
        cursor = sqlite3.Cursor(database.connection)
    wrapped: CursorWrapper = (
        database.make_debug_cursor(cursor) if database.queries_logged else database.make_cursor(cursor)
    )
    return wrapped


def _adapted(parameters: Sequence[Any] | dict[str, Any], vendor: str) -> Sequence[Any] | dict[str, Any]:
    """Moments as Django stores them; the drivers know the rest."""
    if vendor == "postgresql":
        return parameters
    if isinstance(parameters, dict):
        return {
            name: _for_sqlite(value) if isinstance(value, datetime) else value for name, value in parameters.items()
        }
    return [_for_sqlite(value) if isinstance(value, datetime) else value for value in parameters]


def _for_sqlite(moment: datetime) -> str:
    return str(moment.astimezone(UTC).replace(tzinfo=None))
