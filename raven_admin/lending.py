"""The database connection that was used last serves the next request, whichever thread that runs in.

The web server gives requests to its threads by turns. With a connection for each thread, as Django has it, the next
call would get the one whose statements and pages left the caches longest ago, and SQLite would read again what another
connection has written meanwhile. See docs/decisions/0005-gateway-speed.md.
"""

from contextlib import suppress
from typing import Any

from django.core.signals import request_finished, request_started
from django.db import DEFAULT_DB_ALIAS, close_old_connections, connections
from django.db.backends.base.base import BaseDatabaseWrapper

_idle: list[BaseDatabaseWrapper] = []
"""What no request has now, the last one used at the end; taking one and adding one are atomic."""


def lend_connections() -> None:
    """Requests of this process share their connections from now on; for a web server, where each has one thread."""
    request_started.disconnect(close_old_connections)
    request_started.connect(lend)
    request_started.connect(close_old_connections)  # if what was lent is too old
    request_finished.connect(take_back)  # after Django's own, which closes what is broken


def lend(**_: Any) -> None:
    """This thread has the connection that was used last, unless it has one or all are in use."""
    if not connections.all(initialized_only=True):
        with suppress(IndexError):  # asked for beforehand, another thread could take the last one in between
            connections[DEFAULT_DB_ALIAS] = _idle.pop()


def take_back(**_: Any) -> None:
    """This thread has no connection; the one it had may be lent to any, unless a transaction was left open on it."""
    for connection in connections.all(initialized_only=True):
        del connections[DEFAULT_DB_ALIAS]
        if connection.in_atomic_block:  # Django closes no such connection, and the next request would write into it
            connection.close()
            continue
        if not connection.allow_thread_sharing:
            connection.inc_thread_sharing()
        _idle.append(connection)
