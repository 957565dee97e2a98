"""The index that people are found by, kept by the database itself: whatever changes a persona, search knows of it.

Of each persona there is one `SearchDocument`. Triggers write it when a name, a contact or a value changes, by whatever
way: a service, a bulk insert, a cascade, a merge, SQL by hand. docs/decisions/0006-finding-people.md says why, and why
the triggers are no migration: SQLite can't rebuild a table that a trigger reads, so `drop` takes them away before
migrations and `install` brings them back afterwards.
"""

import logging
from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import DatabaseError, connection, transaction

from personas.folding import OWN_LETTERS, folded_letters
from personas.models import KEY_OF_WORKSPACE, Persona, SearchDocument

_FILLED_AT_ONCE = 5_000
_TRIGGERS = "personas_search_"
_log = logging.getLogger(__name__)


def drop(**_signal: Any) -> None:
    """SQLite has no trigger and no view of ours, so that migrations may rebuild its tables."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, 16) = %s", [_TRIGGERS]
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP TRIGGER "{name}"')
        cursor.execute("DROP VIEW IF EXISTS personas_document")


def install(**_signal: Any) -> None:
    """Every change of a persona reaches its document from now on, and personas without a document have one."""
    if SearchDocument._meta.db_table not in connection.introspection.table_names():
        return  # migrated to a state before there was search
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in _SQLITE if connection.vendor == "sqlite" else _POSTGRESQL:
            cursor.execute(statement)
        if connection.vendor == "sqlite":
            cursor.execute("SELECT count(*) FROM personas_letter")
            if cursor.fetchone() == (0,):
                letters = folded_letters().items()
                cursor.executemany("INSERT INTO personas_letter (letter, plain) VALUES (%s, %s)", list(letters))
    _fill()
    if connection.vendor == "postgresql" and not has_trigrams():
        _install_trigrams()  # last: of many documents at once it is made sooner than of one after another


def has_trigrams() -> bool:
    """Whether PostgreSQL has the index without which search reads every document."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('personas_search_trigrams') IS NOT NULL")
        row = cursor.fetchone()
    return bool(row and row[0])


def check_trigrams(databases: Any = None, **_check: Any) -> list[checks.CheckMessage]:
    if not databases or connection.vendor != "postgresql" or not _is_there() or has_trigrams():
        return []
    hint = "Run CREATE EXTENSION pg_trgm as a superuser of the database, then `manage.py migrate` once more."
    return [checks.Warning("Finding people is slow: PostgreSQL lacks pg_trgm.", hint=hint, id="personas.W001")]


def _is_there() -> bool:
    return SearchDocument._meta.db_table in connection.introspection.table_names()


def _install_trigrams() -> None:
    """From PostgreSQL 13 on, the owner of a database may add pg_trgm; where it is not packaged, search does without."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            # A short list of what is not yet sorted in: each search reads all of it.
            cursor.execute(
                "CREATE INDEX personas_search_trigrams ON personas_searchdocument USING gin (text gin_trgm_ops)"
                " WITH (gin_pending_list_limit = 512)"
            )
    except DatabaseError as error:
        _log.warning("Finding people will be slow, PostgreSQL's pg_trgm can't be used: %s", error)


def _fill() -> None:
    """Personas without a document get one, in batches, and those whose document lacks what was added to it."""
    if not Persona.objects.exists():
        return
    documents = "SELECT 1 FROM personas_searchdocument d WHERE d.key = %s AND d.filled IS NOT NULL"
    missing = f"NOT EXISTS ({documents % f'p.workspace_id * {KEY_OF_WORKSPACE} + p.id'})"
    after = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"SELECT p.id FROM personas_persona p WHERE p.id > %s AND {missing} ORDER BY p.id LIMIT %s",  # noqa: S608
                [after, _FILLED_AT_ONCE],
            )
            ids = [pk for (pk,) in cursor.fetchall()]
            if not ids:
                return
            if connection.vendor == "sqlite":
                cursor.execute(_sqlite_refresh("SELECT value FROM json_each(%s)"), [str(ids)])
            else:
                cursor.execute("SELECT personas_search_refresh(%s)", [ids])
            after = ids[-1]


# ------------------------------------------------------------------------------------------------ SQLite
# Written without any function of ours: a program that writes to the file by itself finds the triggers working too.
def _sqlite_fold(text: str) -> str:
    """The rows of personas_letter also serve as numbers, of the places in a text."""
    letters = f"SELECT substr({text}, n.id, 1) AS letter FROM personas_letter n WHERE n.id <= length({text})"  # noqa: S608
    folded = f"SELECT group_concat(coalesce(l.plain, lower(letter)), '') FROM ({letters}) LEFT JOIN personas_letter l USING (letter)"  # noqa: E501, S608
    return (
        f"CASE WHEN length({text}) = length(CAST({text} AS BLOB)) THEN lower({text}) ELSE coalesce(({folded}), '') END"
    )


def _sqlite_letter(place: str) -> str:
    letter = f"substr(p.name, {place}, 1)"
    return f"coalesce((SELECT plain FROM personas_letter l WHERE l.letter = {letter}), lower({letter}))"  # noqa: S608


def _sqlite_refresh(ids: str) -> str:
    return f"""
        INSERT INTO personas_searchdocument (key, text, problem, filled)
        SELECT key, text, problem, filled FROM personas_document WHERE persona_id IN ({ids})
        ON CONFLICT (key) DO UPDATE SET text = excluded.text, problem = excluded.problem, filled = excluded.filled
         WHERE text <> excluded.text OR problem <> excluded.problem OR filled IS NOT excluded.filled
    """  # noqa: S608


def _sqlite_trigger(name: str, when: str, body: str) -> str:
    return f"CREATE TRIGGER IF NOT EXISTS {_TRIGGERS}{name} AFTER {when} BEGIN {body}; END"


_LINE = "char(10)"
_SQLITE = [
    """
    CREATE TABLE IF NOT EXISTS personas_letter (
        id integer PRIMARY KEY, letter text NOT NULL UNIQUE, plain text NOT NULL
    )
    """,
    """
    CREATE VIRTUAL TABLE IF NOT EXISTS personas_trigrams USING fts5 (
        text, content = 'personas_searchdocument', content_rowid = 'key', tokenize = 'trigram', detail = none,
        columnsize = 0
    )
    """,
    f"""
    CREATE VIEW IF NOT EXISTS personas_document AS
    SELECT p.id AS persona_id, p.workspace_id * {KEY_OF_WORKSPACE} + p.id AS key,
           {_LINE} || {_LINE} || {_sqlite_fold("p.name")} || {_LINE}
           || coalesce((SELECT group_concat({_sqlite_fold("c.normalized")}, {_LINE})
                          FROM personas_contact c WHERE c.persona_id = p.id) || {_LINE}, '')
           || coalesce((SELECT group_concat({_sqlite_fold("v.value")}, {_LINE})
                          FROM personas_attributevalue v
                         WHERE v.persona_id = p.id AND v.value NOT IN ('true', 'false')) || {_LINE}, '')
           || coalesce((SELECT group_concat({_sqlite_letter("n.id")} || {_sqlite_letter("n.id + 1")}, {_LINE})
                          FROM personas_letter n
                         WHERE n.id < length(p.name) AND instr(substr(p.name, n.id, 2), ' ') = 0) || {_LINE}, '')
           AS text,
           CASE WHEN NOT EXISTS (SELECT 1 FROM personas_contact c WHERE c.persona_id = p.id) THEN 1
                WHEN EXISTS (SELECT 1 FROM personas_contact c WHERE c.persona_id = p.id AND c.is_doubtful) THEN 2
                ELSE 0 END AS problem,
           ',' || coalesce((SELECT group_concat(definition_id, ',')
                              FROM (SELECT v.definition_id FROM personas_attributevalue v
                                     WHERE v.persona_id = p.id ORDER BY v.definition_id)) || ',', '') AS filled
      FROM personas_persona p
    """,  # noqa: S608
    _sqlite_trigger(
        "document_insert",
        "INSERT ON personas_searchdocument",
        "INSERT INTO personas_trigrams (rowid, text) VALUES (new.key, new.text)",
    ),
    _sqlite_trigger(
        "document_delete",
        "DELETE ON personas_searchdocument",
        "INSERT INTO personas_trigrams (personas_trigrams, rowid, text) VALUES ('delete', old.key, old.text)",
    ),
    _sqlite_trigger(
        "document_update",
        "UPDATE OF text ON personas_searchdocument WHEN old.text <> new.text",
        "INSERT INTO personas_trigrams (personas_trigrams, rowid, text) VALUES ('delete', old.key, old.text);"
        " INSERT INTO personas_trigrams (rowid, text) VALUES (new.key, new.text)",
    ),
    _sqlite_trigger("persona_insert", "INSERT ON personas_persona", _sqlite_refresh("new.id")),
    _sqlite_trigger("persona_update", "UPDATE OF name ON personas_persona", _sqlite_refresh("new.id")),
    _sqlite_trigger(
        "persona_delete",
        "DELETE ON personas_persona",
        f"DELETE FROM personas_searchdocument WHERE key = old.workspace_id * {KEY_OF_WORKSPACE} + old.id",  # noqa: S608
    ),
    *(
        _sqlite_trigger(f"{table}_{event}", f"{when} ON personas_{table}", _sqlite_refresh(ids))
        for table, columns in (
            ("contact", "persona_id, normalized, is_doubtful"),
            ("attributevalue", "persona_id, definition_id, value"),
        )
        for event, when, ids in (
            ("insert", "INSERT", "new.persona_id"),
            ("delete", "DELETE", "old.persona_id"),
            ("update", f"UPDATE OF {columns}", "old.persona_id, new.persona_id"),
        )
    ),
]

# ------------------------------------------------------------------------------------------------ PostgreSQL
_PLAIN = {letter: plain for letter, plain in OWN_LETTERS.items() if len(plain) == 1}
_FOLDED = "normalize(regexp_replace(normalize(t, NFKD), '[\u0300-\u036f]', '', 'g'), NFKC)"
_FOLDED = f"translate(lower({_FOLDED}), '{''.join(_PLAIN)}', '{''.join(_PLAIN.values())}')"
for _letter, _plain in OWN_LETTERS.items():
    if _letter not in _PLAIN:
        _FOLDED = f"replace({_FOLDED}, '{_letter}', '{_plain}')"


def _postgresql_trigger(table: str, event: str, ids: str, *, columns: Sequence[str] = ()) -> list[str]:
    """For each statement, not for each row: an import brings thousands. An update names the columns that matter."""
    name = f"{_TRIGGERS}{table}_{event.lower()}"
    rows = {"INSERT": "NEW TABLE AS changed", "DELETE": "OLD TABLE AS changed"}.get(event, "")
    changed = " OR ".join(f"old.{column} IS DISTINCT FROM new.{column}" for column in columns)
    scope = f"REFERENCING {rows} FOR EACH STATEMENT" if rows else f"FOR EACH ROW WHEN ({changed})"
    of = f" OF {', '.join(columns)}" if columns else ""
    return [
        f"""
        CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN {ids}; RETURN NULL; END $$
        """,
        f"DROP TRIGGER IF EXISTS {name} ON personas_{table}",
        f"CREATE TRIGGER {name} AFTER {event}{of} ON personas_{table} {scope} EXECUTE FUNCTION {name}()",
    ]


_OF_ROW = "PERFORM personas_search_refresh(ARRAY[old.persona_id, new.persona_id])"
_OF_ROWS = "PERFORM personas_search_refresh(ARRAY(SELECT DISTINCT persona_id FROM changed))"
_POSTGRESQL = [
    f"""
    CREATE OR REPLACE FUNCTION personas_fold(t text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT CASE WHEN octet_length(t) = length(t) THEN lower(t) ELSE {_FOLDED} END
    $$
    """,
    rf"""
    CREATE OR REPLACE FUNCTION personas_search_refresh(ids bigint[]) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO personas_searchdocument AS document (key, text, problem, filled)
        SELECT p.workspace_id * {KEY_OF_WORKSPACE} + p.id,
               E'\n\n' || folded.name || E'\n' || coalesce(reached.keys || E'\n', '')
               || coalesce(known.values || E'\n', '')
               || coalesce((SELECT string_agg(substr(folded.name, i, 2), E'\n' ORDER BY i)
                              FROM generate_series(1, length(folded.name) - 1) i
                             WHERE position(' ' IN substr(folded.name, i, 2)) = 0) || E'\n', ''),
               CASE WHEN reached.keys IS NULL THEN 1 WHEN reached.is_doubtful THEN 2 ELSE 0 END,
               ',' || coalesce(known.attributes || ',', '')
          FROM personas_persona p
         CROSS JOIN LATERAL (SELECT personas_fold(p.name) AS name) folded
         CROSS JOIN LATERAL (SELECT string_agg(personas_fold(c.normalized), E'\n') AS keys,
                                    bool_or(c.is_doubtful) AS is_doubtful
                               FROM personas_contact c WHERE c.persona_id = p.id) reached
         CROSS JOIN LATERAL (SELECT string_agg(personas_fold(v.value), E'\n')
                                        FILTER (WHERE v.value NOT IN ('true', 'false')) AS values,
                                    string_agg(v.definition_id::text, ',' ORDER BY v.definition_id) AS attributes
                               FROM personas_attributevalue v WHERE v.persona_id = p.id) known
         WHERE p.id = ANY (ids)
         ORDER BY p.id
        ON CONFLICT (key) DO UPDATE SET text = excluded.text, problem = excluded.problem, filled = excluded.filled
         WHERE document.text <> excluded.text OR document.problem <> excluded.problem
            OR document.filled IS DISTINCT FROM excluded.filled;
    END $$
    """,  # noqa: S608
    *_postgresql_trigger("persona", "INSERT", "PERFORM personas_search_refresh(ARRAY(SELECT id FROM changed))"),
    *_postgresql_trigger("persona", "UPDATE", "PERFORM personas_search_refresh(ARRAY[new.id])", columns=["name"]),
    *_postgresql_trigger(
        "persona",
        "DELETE",
        "DELETE FROM personas_searchdocument WHERE key = ANY"  # noqa: S608
        f" (ARRAY(SELECT workspace_id * {KEY_OF_WORKSPACE} + id FROM changed))",
    ),
    *_postgresql_trigger("contact", "INSERT", _OF_ROWS),
    *_postgresql_trigger("contact", "DELETE", _OF_ROWS),
    *_postgresql_trigger("contact", "UPDATE", _OF_ROW, columns=["persona_id", "normalized", "is_doubtful"]),
    *_postgresql_trigger("attributevalue", "INSERT", _OF_ROWS),
    *_postgresql_trigger("attributevalue", "DELETE", _OF_ROWS),
    *_postgresql_trigger("attributevalue", "UPDATE", _OF_ROW, columns=["persona_id", "definition_id", "value"]),
]
