"""A statement that is a transaction by itself, on its way to PostgreSQL and back.

A cursor sends a statement and waits for it in one step. Here they are two, and in between the process does what it can
without the answer. The driver has its connection to libpq for that (`psycopg.Connection.pgconn`).
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import Connection, DataError, abc
from psycopg.adapt import Transformer
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.generators import execute
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

Row = tuple[Any, ...]
_numbers = count(1)


class Prepared:
    """A statement that PostgreSQL plans once a connection."""

    def __init__(self, text: str) -> None:
        """`text` has `$1` for its first parameter, and so on."""
        self.text = text
        self.name = f"statement_{next(_numbers)}".encode()


class Journey:
    """A statement under way, from the moment it is made. Until `rows` has ended, its connection can do nothing else."""

    def __init__(self, statement: Prepared, driver: "Connection[Any]", values: Sequence[Any]) -> None:
        """On `driver` nothing is under way and no transaction has begun."""
        self._statement, self._driver = statement, driver
        self._values = _as_texts(values)
        self._known = _known_to(driver)
        if statement not in self._known:
            self._prepare()
        self._send()

    def rows(self, meanwhile: Callable[[], None] | None = None) -> list[Row]:
        """What the statement gives, once that has arrived; `meanwhile` is called before. Raises the driver's errors."""
        try:
            if meanwhile is not None:
                meanwhile()
        finally:
            result = self._arrived()
        loading = self._known[self._statement]
        if loading is None:
            # Of the connection's adapters, not of the connection, which would never be forgotten with it.
            loading = self._known[self._statement] = Transformer(self._driver.adapters)
            loading.set_pgresult(result)
        else:
            loading.set_pgresult(result, set_loaders=False)
        return list(loading.load_rows(0, result.ntuples, tuple))

    def _arrived(self) -> PGresult:
        try:
            return _answer(self._driver)
        except InvalidSqlStatementName:  # after a ROLLBACK, the driver lets PostgreSQL forget whatever was prepared
            self._prepare()
            self._send()
            return _answer(self._driver)

    def _prepare(self) -> None:
        self._driver.pgconn.send_prepare(self._statement.name, self._statement.text.encode())
        _answer(self._driver)
        self._known[self._statement] = None

    def _send(self) -> None:
        self._driver.pgconn.send_query_prepared(self._statement.name, self._values)


_Known = dict[Prepared, abc.Transformer | None]
"""What was prepared on a connection, and what makes Python's values of its columns, once those are known."""
_known: "WeakKeyDictionary[Connection[Any], _Known]" = WeakKeyDictionary()


def _known_to(driver: "Connection[Any]") -> _Known:
    found = _known.get(driver)
    if found is None:
        found = _known[driver] = {}
    return found


def _answer(driver: "Connection[Any]") -> PGresult:
    results: list[PGresult] = driver.wait(execute(driver.pgconn))
    for result in results:  # a second one when the transaction could not be committed
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result)
    return results[0]


def _as_texts(values: Sequence[Any]) -> list[bytes | None]:
    """As PostgreSQL reads them, which knows what type belongs where."""
    texts = [None if value is None else str(value).encode() for value in values]
    if any(b"\0" in text for text in texts if text):  # which libpq takes for the end
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return texts
