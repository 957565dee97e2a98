"""SQL for what every call does: written out once and sent as it is.

The ORM composes a query's text anew each time, which takes several times as long as the query itself. Where that counts
(see docs/decisions/0005-gateway-speed.md), a query is a constant of this class instead. Values are always parameters.
"""

import re
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.sqlite3.base import SQLiteCursorWrapper
from django.db.backends.utils import CursorWrapper

Row = tuple[Any, ...]
_NAMED = re.compile(r"%\((\w+)\)s")


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

    def rows(self, *parameters: Any, **named: Any) -> list[Row]:
        """What the statement gives; its parameters are given by position or by name."""
        with _open() as cursor:
            self._execute(cursor, named or parameters)
            found: list[Row] = cursor.fetchall()
        return found

    def row(self, *parameters: Any) -> Row | None:
        """The one row that the statement gives, or None."""
        found = self.rows(*parameters)
        return found[0] if found else None

    def run(self, *parameters: Any) -> None:
        """The statement is done."""
        with _open() as cursor:
            self._execute(cursor, parameters)

    def run_each(self, parameters_of_each: Sequence[Sequence[Any]]) -> None:
        """The statement is done once with each of these parameters, in that order."""
        with _open() as cursor:
            if len(parameters_of_each) == 1:  # or PostgreSQL's driver would set up a pipeline for the one
                self._execute(cursor, parameters_of_each[0])
            elif parameters_of_each:
                text = self._text_for[type(cursor.cursor)]
                cursor.executemany(text, [_adapted(each, cursor) for each in parameters_of_each])

    def _execute(self, cursor: CursorWrapper, parameters: Sequence[Any] | dict[str, Any]) -> None:
        cursor.execute(self._text_for[type(cursor.cursor)], _adapted(parameters, cursor))


def _open() -> CursorWrapper:
    """A cursor as Django's, but for what Django's does to the text of each statement, each time."""
    database: Any = connections[DEFAULT_DB_ALIAS]
    database.close_if_health_check_failed()
    database.ensure_connection()
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


def _adapted(parameters: Sequence[Any] | dict[str, Any], cursor: CursorWrapper) -> Sequence[Any] | dict[str, Any]:
    """Moments as Django stores them; the drivers know the rest."""
    if cursor.db.vendor == "postgresql":
        return parameters
    if isinstance(parameters, dict):
        return {name: _for_sqlite(value) for name, value in parameters.items()}
    return [_for_sqlite(value) for value in parameters]


def _for_sqlite(value: Any) -> Any:
    return str(value.astimezone(UTC).replace(tzinfo=None)) if isinstance(value, datetime) else value
