"""The whole database in one file, and back; while the server runs for the one, while it stands still for the other.

SQLite makes the file by its online backup, PostgreSQL by pg_dump; both show one moment, whatever is written meanwhile.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.pq import Conninfo

from raven_admin.errors import RavenError

_BEGINS_WITH = {"sqlite": b"SQLite format 3\x00", "postgresql": b"PGDMP"}
_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_MADE_BY_MIGRATIONS = {"contenttypes.contenttype", "auth.permission"}


@dataclass(eq=False)
class FileExists(RavenError):
    """{path} exists already; a back-up overwrites nothing."""

    code: ClassVar[str] = "file_exists"
    path: Path


@dataclass(eq=False)
class NotABackup(RavenError):
    """{path} is not a back-up of {database}: it has to be a file that `manage.py backup` made on {database}."""

    code: ClassVar[str] = "not_a_backup"
    path: Path
    database: str


@dataclass(eq=False)
class BackupDamaged(RavenError):
    """{path} is damaged: {problem}"""

    code: ClassVar[str] = "backup_damaged"
    path: Path
    problem: str


@dataclass(eq=False)
class DatabaseHasRows(RavenError):
    """There are rows in the database already, in {table}. To replace all of it, add --replace."""

    code: ClassVar[str] = "database_has_rows"
    table: str


@dataclass(eq=False)
class DatabaseInUse(RavenError):
    """Something is connected to the database. Stop every web server and worker first."""

    code: ClassVar[str] = "database_in_use"


@dataclass(eq=False)
class ProgramMissing(RavenError):
    """{program} is needed, and is not installed: on Debian and Ubuntu, apt install postgresql-client."""

    code: ClassVar[str] = "program_missing"
    program: str


@dataclass(eq=False)
class ProgramFailed(RavenError):
    """{program} failed: {problem}"""

    code: ClassVar[str] = "program_failed"
    program: str
    problem: str


def back_up(path: Path) -> int:
    """All of the database, as of one moment, is in the new file `path`, for its owner alone; returns its bytes.

    Until it is complete it has another name, so that nobody takes half a back-up for a whole one.
    """
    if path.exists():
        raise FileExists(path)
    unfinished = path.with_name(f"{path.name}.unfinished")
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        if connections[DEFAULT_DB_ALIAS].vendor == "sqlite":
            _back_up_sqlite(unfinished)
        else:
            _run_program("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={unfinished}")
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path.stat().st_size


def restore(path: Path, *, replace: bool = False) -> None:
    """The database is as it was when the back-up was made; when anything goes wrong, it is as it was before.

    Raises DatabaseHasRows when it is not empty, unless `replace`. Migrations have to be applied afterwards, in case the
    back-up comes from an older version.
    """
    database = connections[DEFAULT_DB_ALIAS]
    _check_kind(path, database.vendor)
    if not replace and (table := _table_with_rows()):
        raise DatabaseHasRows(table)
    if database.vendor == "sqlite":
        database.close()
        _restore_sqlite(path, Path(database.settings_dict["NAME"]))
    else:
        _restore_postgresql(path)


def _check_kind(path: Path, vendor: str) -> None:
    try:
        with path.open("rb") as file:
            beginning = file.read(16)
    except OSError:
        beginning = b""
    if not beginning.startswith(_BEGINS_WITH[vendor]):
        raise NotABackup(path, _NAMES[vendor])


def _table_with_rows() -> str | None:
    """The first that has any, of those that migrations do not fill."""
    tables = set(connections[DEFAULT_DB_ALIAS].introspection.table_names())
    for model in apps.get_models():
        options = model._meta
        is_ours = options.managed and not options.proxy and options.label_lower not in _MADE_BY_MIGRATIONS
        if is_ours and options.db_table in tables and model._base_manager.order_by().values("pk")[:1]:
            return options.db_table
    return None


def _back_up_sqlite(path: Path) -> None:
    name = connections[DEFAULT_DB_ALIAS].settings_dict["NAME"]
    with closing(sqlite3.connect(name)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)  # in one go, which is one moment; writers go on in the write-ahead log
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without the log beside it
        _check_sqlite(copy, path)


def _restore_sqlite(path: Path, target: Path) -> None:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source:
        _check_sqlite(source, path)
        with _alone(target) as database:
            source.backup(database)  # one transaction: a power failure leaves the old database


def _check_sqlite(database: sqlite3.Connection, path: Path) -> None:
    try:
        said = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        raise BackupDamaged(path, said)


@contextmanager
def _alone(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection beside which there is no other.

    Whoever has the file open, in whatever process, keeps it from leaving its write-ahead log.
    """
    with closing(sqlite3.connect(path, timeout=1)) as database:
        try:
            database.execute("PRAGMA locking_mode=EXCLUSIVE")
            database.execute("PRAGMA journal_mode=DELETE")
            database.execute("BEGIN EXCLUSIVE")
            database.execute("COMMIT")
        except sqlite3.OperationalError:
            raise DatabaseInUse from None
        yield database


_DROP_ALL = """
DO $drop$ DECLARE one record; BEGIN
  FOR one IN SELECT c.oid::regclass AS name FROM pg_class c
      WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('v', 'm')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') LOOP
    EXECUTE format('DROP VIEW IF EXISTS %s CASCADE', one.name);
  END LOOP;
  FOR one IN SELECT c.oid::regclass AS name FROM pg_class c
      WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') LOOP
    EXECUTE format('DROP TABLE IF EXISTS %s CASCADE', one.name);
  END LOOP;
  FOR one IN SELECT p.oid::regprocedure AS name FROM pg_proc p
      WHERE p.pronamespace = current_schema()::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') LOOP
    EXECUTE format('DROP ROUTINE IF EXISTS %s CASCADE', one.name);
  END LOOP;
  FOR one IN SELECT c.oid::regclass AS name FROM pg_class c
      WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'S'
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') LOOP
    EXECUTE format('DROP SEQUENCE IF EXISTS %s CASCADE', one.name);
  END LOOP;
END $drop$;
"""
"""Extensions stay: an administrator may have made them, whom we are not."""


def _restore_postgresql(path: Path) -> None:
    """In one transaction of psql: first everything is dropped, then what pg_restore writes out is run."""
    database = connections[DEFAULT_DB_ALIAS]
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        others = cursor.fetchone()[0]
    database.close()
    if others:
        raise DatabaseInUse
    script = path.with_name(f"{path.name}.sql.unfinished")
    os.close(os.open(script, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        _run_program("pg_restore", "--no-owner", "--no-privileges", "--no-comments", f"--file={script}", str(path))
        quiet = ("--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1", "--single-transaction")
        _run_program("psql", *quiet, f"--command={_DROP_ALL}", f"--file={script}")
    finally:
        script.unlink(missing_ok=True)


def _run_program(program: str, *arguments: str) -> None:
    """It has done its work on our database; who we are it is told by its environment, which other users can't read."""
    if shutil.which(program) is None:
        raise ProgramMissing(program)
    done = subprocess.run(  # noqa: S603 - no shell, and no argument of a stranger's
        [program, *arguments], env=os.environ | _connection_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        _explain(program, done.stderr)


def _explain(program: str, said: str) -> NoReturn:
    lines = [line for line in said.splitlines() if line.strip()]
    raise ProgramFailed(program, " ".join(lines[-3:]) or "it said nothing.")


def _connection_environment() -> dict[str, str]:
    """The settings of our connection, as libpq's variables."""
    database: Any = connections[DEFAULT_DB_ALIAS]
    given = {name: value for name, value in database.get_connection_params().items() if value not in {None, ""}}
    variables = {option.keyword.decode(): option.envvar for option in Conninfo.get_defaults() if option.envvar}
    return {envvar.decode(): str(given[name]) for name, envvar in variables.items() if name in given}
