"""What SQLite has written ahead is moved into its file beside the calls, so that none of them has to wait for the disk.

Whoever makes the log of changes too long moves it (`wal_autocheckpoint` in the settings), which took 40 to 300 ms of
one call in nine hundred; with this there is hardly anything left to move then. SQLite lets others read and write
meanwhile.
"""

import logging
import threading
import time

from django.db import Error, connection

INTERVAL_S = 0.25

logger = logging.getLogger(__name__)


def start_checkpoints() -> None:
    """A thread of this process moves them from now on; on other databases there is nothing to do."""
    if connection.vendor == "sqlite":
        threading.Thread(target=_go_on, name="checkpoints", daemon=True).start()


def checkpoint() -> None:
    """What was written before this is in the file, but for what somebody still reads as it was."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
        cursor.fetchall()


def _go_on() -> None:
    could = True
    while True:
        time.sleep(INTERVAL_S)
        could = _try(could_before=could)


def _try(*, could_before: bool) -> bool:
    """Whether it could be done; what hinders it for long, such as a full disk, is said once."""
    try:
        checkpoint()
    except Error:
        if could_before:
            logger.exception("the write-ahead log could not be moved into the database; a call will do it")
        connection.close()
        return False
    return True
