"""The list of personas with a million people, beside the same list with a thousand: `make bench-lists`.

Every page is asked for as a browser asks, from the session to the last tag, in a process of its own; the two sizes take
turns. The ratio counts, not the milliseconds.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GOAL = 1.5
FIRST_NAMES = (
    "Siti",
    "Budi",
    "Ayu",
    "Rina",
    "Joko",
    "Sari",
    "Dewi",
    "Agus",
    "Putri",
    "Eka",
    "Wahyu",
    "Nur",
    "Tri",
    "Lestari",
)
LAST_NAMES = (
    "Hartono",
    "Santoso",
    "Wijaya",
    "Saputra",
    "Kusuma",
    "Pratama",
    "Halim",
    "Gunawan",
    "Susanto",
    "Tan",
    "Lim",
)
CITIES = ("Jakarta", "Bandung", "Surabaya", "Medan", "Denpasar", "Makassar")
NUMBER = 7  # the person whose number and address are looked for
START = datetime(2026, 1, 1, tzinfo=UTC)


def number_of(n: int) -> str:
    return f"+62812{n * 10_472_947 % 10**8:08}"


def email_of(n: int) -> str:
    chance = random.Random(n)
    return f"{chance.choice(FIRST_NAMES)}.{chance.choice(LAST_NAMES)}{n * 7_919_011 % 10**7}@example.org".lower()


def customer_number_of(n: int) -> str:
    return f"K-{n * 7_919_011 % 10**7:07}"


PAGES = {
    "first page": "",
    "second page": "p=2",
    "hundredth page of 10": "per_page=10&p=100",
    "100 rows": "per_page=100",
    "by name": "o=0",
    "by name, backwards": "o=-0",
    "by update": "o=-1",
    "search: a first name (every 14th)": "q=siti",
    "search: the same, second page": "q=siti&p=2",
    "search: the same, by name": "q=siti&o=0",
    "search: first and last name": "q=hartono+siti",
    "search: two letters": "q=an",
    "search: one letter": "q=s",
    "search: a rare name (40 people)": "q=zubaidah",
    "search: a rare and a common one": "q=zubaidah+siti",
    "search: nobody": "q=xylophon",
    "search: number as dialled at home": f"q=0812+{number_of(NUMBER)[6:10]}+{number_of(NUMBER)[10:]}",
    "search: its last digits": f"q={number_of(NUMBER)[-6:]}",
    "search: e-mail": f"q={email_of(NUMBER)}",
    "search: a value (every 6th)": "q=jakarta",
    "search: a value of one": f"q={customer_number_of(NUMBER)}",
    "filter: WhatsApp (most)": "kind=whatsapp",
    "filter: Telegram (40 people)": "kind=telegram",
    "filter: any problem": "problem=any",
    "filter: doubtful number (40 people)": "problem=invalid_number",
    "filter: updated since (all)": "updated=2025-12-31",
    "filter: updated since (40 people)": "updated=2026-06-01",
    "filter: city is": "a=city&op=is&v=Jakarta",
    "filter: city is (40 people)": "a=city&op=is&v=Ende",
    "filter: city contains": "a=city&op=contains&v=baya",
    "filter: city is filled": "a=city&op=has&v=",
    "filter: city is empty (1 in 20)": "a=city&op=lacks&v=",
    "filter: points at least (half)": "a=points&op=at_least&v=500",
    "filter: points at least (40 people)": "a=points&op=at_least&v=1000",
    "filter: since before (40 people)": "a=since&op=before&v=2020-01-02",
    "filter: city, WhatsApp and a name": "q=siti&kind=whatsapp&a=city&op=is&v=Jakarta",
    "filter: city and points": "a=city&op=is&v=Jakarta&a=points&op=at_least&v=990",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--people", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    arguments.add_argument("--measure", help=argparse.SUPPRESS)
    arguments.add_argument("--fill", type=int, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.fill is not None:
        fill(asked.fill)
    elif asked.measure:
        measure()
    else:
        for name in databases(asked.database):
            compare(name, people=asked.people, rounds=asked.rounds)


def compare(name: str, *, people: int, rounds: int) -> None:
    with ExitStack() as stack:
        urls = {size: stack.enter_context(database(name)) for size in (1_000, people)}
        for size, url in urls.items():
            began = time.monotonic()
            run("lists", url, "--fill", str(size))
            print(f"{name}: {size:,} people made in {time.monotonic() - began:.0f} s", flush=True)
        taken: dict[int, dict[str, list[float]]] = {size: {page: [] for page in PAGES} for size in urls}
        for _round in range(rounds):
            for size, url in urls.items():
                for page, took in json.loads(run("lists", url, "--measure", "yes")).items():
                    taken[size][page].append(took)
    print(f"\n| {name} | 1,000 | {people:,} | ratio |\n| --- | --- | --- | --- |")
    for page in PAGES:
        small, large = (min(taken[size][page]) for size in urls)
        mark = "" if large / small <= GOAL else " !"
        print(f"| {page} | {small:.1f} ms | {large:.1f} ms | {large / small:.2f} ×{mark} |")
    print(flush=True)


def databases(asked: str) -> tuple[str, ...]:
    return ("sqlite", "postgresql") if asked == "both" else (asked,)


def database(name: str) -> Any:
    """A new and empty one while the block runs, which gets its URL."""
    if name == "postgresql":
        from scripts.run_tests import postgresql, postgresql_programs

        programs = postgresql_programs()
        if programs is None:
            sys.exit("PostgreSQL is not installed here; --database sqlite leaves it out.")
        # Nothing is measured that writes; fsync would only make filling longer.
        return postgresql(programs, "-c fsync=off -c full_page_writes=off -c shared_buffers=512MB -c max_wal_size=4GB")
    return _SqliteFile()


class _SqliteFile(tempfile.TemporaryDirectory[str]):
    def __enter__(self) -> str:
        return f"sqlite:///{super().__enter__()}/bench.sqlite3"


def run(benchmark: str, url: str, *arguments: str) -> str:
    """What another process of this benchmark prints, with that database."""
    environment = os.environ | {"DATABASE_URL": url, "DEBUG": "1", "LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{benchmark}", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def set_up() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "raven_admin.settings"
    import django

    django.setup()
    from django.conf import settings

    settings.DEBUG = False  # or Django keeps every query


# ------------------------------------------------------------------------------------------------ the people
def fill(people: int) -> None:
    """A workspace of so many people, and one of ten beside it."""
    set_up()
    from django.core.management import call_command
    from django.db import connection

    from personas import search_index

    call_command("migrate", verbosity=0)
    search_index.drop()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for table in ("persona", "contact", "attributevalue"):
                cursor.execute(f"ALTER TABLE personas_{table} DISABLE TRIGGER USER")
    workspace, definitions = _workspace()
    for table, columns, rows in _tables(workspace, definitions, people):
        insert(table, columns, rows)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for table in ("persona", "contact", "attributevalue"):
                cursor.execute(f"ALTER TABLE personas_{table} ENABLE TRIGGER USER")
    search_index.install()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _workspace() -> tuple[int, dict[str, int]]:
    from accounts.models import User, Workspace
    from personas.models import AttributeDefinition

    workspace = Workspace.objects.create(name="Bench", slug="bench", country="ID", time_zone="Asia/Jakarta")
    User.objects.create_superuser("bench", password="bench")
    types = {"city": "text", "points": "number", "since": "date", "customer": "text"}
    definitions = [
        AttributeDefinition.objects.create(workspace=workspace, key=key, label=key.title(), type=type, position=at)
        for at, (key, type) in enumerate(types.items())
    ]
    return workspace.pk, {definition.key: definition.pk for definition in definitions}


def _tables(workspace: int, definitions: dict[str, int], people: int) -> Iterator[tuple[str, str, Iterator[Any]]]:
    numbers = range(1, people + 1)
    yield (
        "personas_persona",
        "id, workspace_id, name, gender, notes, version, created_at, updated_at",
        ((n, workspace, _name(n, people), "", "", 1, START, _updated(n, people)) for n in numbers),
    )
    yield (
        "personas_contact",
        "workspace_id, persona_id, type, label, key, normalized, is_doubtful, created_at",
        (
            (workspace, n, type, "", key, key, type == "whatsapp" and _is_rare(n, people, 2), START)
            for n in numbers
            for type, key in _contacts(n, people)
        ),
    )
    yield (
        "personas_attributevalue",
        "persona_id, definition_id, value",
        ((n, definitions[key], value) for n in numbers for key, value in _values(n, people)),
    )


def _is_rare(n: int, people: int, which: int) -> bool:
    """Forty people of any age, however many there are: a page is as full with a thousand as with a million."""
    return n % (people // 40) == which


def _name(n: int, people: int) -> str:
    chance = random.Random(n)
    name = f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}"
    return f"{name} Zubaidah" if _is_rare(n, people, 1) else name


def _updated(n: int, people: int) -> datetime:
    """The last changes are of people of any age; each other was changed once, in the order they were made."""
    return START + timedelta(days=200 if _is_rare(n, people, 3) else 0, seconds=n)


def _contacts(n: int, people: int) -> Iterator[tuple[str, str]]:
    if n % 100 == 3:
        return
    yield "whatsapp", number_of(n)
    if n % 2:
        yield "email", email_of(n)
    if _is_rare(n, people, 4):
        yield "telegram", f"person{n}"


def _values(n: int, people: int) -> Iterator[tuple[str, str]]:
    if n % 20:
        yield "city", "Ende" if _is_rare(n, people, 5) else CITIES[n * 7919 % 6]
    yield "points", "1000.5" if _is_rare(n, people, 6) else str(n * 7919 % 1_000)
    days = 0 if _is_rare(n, people, 7) else 1 + n * 104_729 % 1_000
    yield "since", (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=days)).date().isoformat()
    yield "customer", customer_number_of(n)


def insert(table: str, columns: str, rows: Iterator[Any]) -> None:
    """The rows are in the table, whose next id is behind theirs."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            last = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
            cursor.execute(last)
        else:
            marks = ", ".join("?" * (columns.count(",") + 1))
            plain = ([str(value)[:26] if isinstance(value, datetime) else value for value in row] for row in rows)
            connection.connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", plain)


# ------------------------------------------------------------------------------------------------ the pages
def measure() -> None:
    """Prints the milliseconds of each page, the least of a few, after one that nobody counts."""
    set_up()
    from django.test import Client
    from django.urls import reverse

    from accounts.models import User

    client = Client()
    client.force_login(User.objects.get(username="bench"), backend="django.contrib.auth.backends.ModelBackend")
    address = reverse("admin:personas_persona_changelist")
    taken = {}
    for page, query in PAGES.items():
        if "per_page" not in query:
            query = f"{query}&per_page=25".lstrip("&")
        taken[page] = min([milliseconds(client, f"{address}?{query}") for _turn in range(6)][1:])
    print(json.dumps(taken))


def milliseconds(client: Any, address: str) -> float:
    """How long the page took, from the request to the last byte."""
    began = time.perf_counter()
    answer = client.get(address, headers={"host": "127.0.0.1"})
    took = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, (address, answer.status_code)
    return took


if __name__ == "__main__":
    main()
