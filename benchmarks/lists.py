"""The list of personas with a million people, beside the same list with a thousand: `make bench-lists`.

Every page is asked for as a browser asks, from the session to the last tag, in a process of its own; the two sizes take
turns. The ratio counts, not the milliseconds. What fits few in a thousand fills the page of a million, and rows cost
time to show: such a page is measured once more with as many rows in both.
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
from typing import Any, NamedTuple

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
    "search: first and last name (1 in 154)": "q=hartono+siti",
    "search: a name and a domain (1 in 28)": "q=siti+example",
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
    "filter: city contains two letters": "a=city&op=contains&v=nd",
    "filter: city is filled": "a=city&op=has&v=",
    "filter: city is empty (1 in 20)": "a=city&op=lacks&v=",
    "filter: points at least (half)": "a=points&op=at_least&v=500",
    "filter: points at least (40 people)": "a=points&op=at_least&v=1000",
    "filter: since before (40 people)": "a=since&op=before&v=2020-01-02",
    "filter: points between (1 in 100)": "a=points&op=at_least&v=500&a=points&op=at_most&v=509",
    "filter: five digits within a value (30 people)": f"a=customer&op=contains&v={customer_number_of(NUMBER)[3:8]}",
    "filter: five digits all alike within a value (30 people)": "a=customer&op=contains&v=77777",
    "two: city and WhatsApp (1 in 6)": "kind=whatsapp&a=city&op=is&v=Jakarta",
    "two: city and points (1 in 12)": "a=city&op=is&v=Jakarta&a=points&op=at_least&v=500",
    "two: city and points (40 people)": "a=city&op=is&v=Jakarta&a=points&op=at_least&v=1000",
    "two: city and points (40 people and 1 in 600)": "a=city&op=is&v=Jakarta&a=points&op=at_least&v=990",
    "two: city (1 in 6) and VIP (1 in 10), 40 together": "a=city&op=is&v=Denpasar&a=vip&op=is&v=true",
    "two: city and Telegram (1 in 6 of 40)": "kind=telegram&a=city&op=is&v=Jakarta",
    "two: city contains, and Telegram": "kind=telegram&a=city&op=contains&v=baya",
    "two: city and any problem": "problem=any&a=city&op=is&v=Jakarta",
    "two: city filled and updated since (40 people)": "updated=2026-06-01&a=city&op=has&v=",
    "two: city empty (1 in 20) and WhatsApp": "kind=whatsapp&a=city&op=lacks&v=",
    "two: a name and e-mail (1 in 28)": "q=siti&kind=email",
    "two: a rare name and points (half of 40)": "q=zubaidah&a=points&op=at_least&v=500",
    "three: city, WhatsApp and points (1 in 12)": "kind=whatsapp&a=city&op=is&v=Jakarta&a=points&op=at_least&v=500",
    "three: city, WhatsApp and a name (1 in 84)": "q=siti&kind=whatsapp&a=city&op=is&v=Jakarta",
    "three: city and since between (1 in 300)": "a=city&op=is&v=Medan"
    "&a=since&op=after&v=2021-03-01&a=since&op=before&v=2021-03-22",
    "four: e-mail, city, points and since (1 in 60)": "kind=email&a=city&op=is&v=Bandung"
    "&a=points&op=at_least&v=800&a=since&op=after&v=2021-05-15",
    "five: the same, and a name (1 in 840)": "q=siti&kind=email&a=city&op=is&v=Bandung"
    "&a=points&op=at_least&v=800&a=since&op=after&v=2021-05-15",
    "nobody: points empty": "a=points&op=lacks&v=",
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
        measure(json.loads(asked.measure))
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
        pages = PAGES | _levelled({size: _measured(url, PAGES) for size, url in urls.items()})
        taken: dict[int, list[dict[str, Shown]]] = {size: [] for size in urls}
        for _round in range(rounds):
            for size, url in urls.items():
                taken[size].append(_measured(url, pages))
    print(f"\n| {name} | rows | 1,000 | {people:,} | ratio |\n| --- | --- | --- | --- | --- |")
    for page in pages:
        small, large = (min(measured[page].milliseconds for measured in taken[size]) for size in urls)
        few, many = (taken[size][0][page].rows for size in urls)
        mark = "" if large / small <= GOAL else " !"
        shown = f"{few}" if few == many else f"{few} → {many}"
        print(f"| {page} | {shown} | {small:.1f} ms | {large:.1f} ms | {large / small:.2f} ×{mark} |")
    print(flush=True)


class Shown(NamedTuple):
    """What a page took, and the people on it."""

    milliseconds: float
    rows: int


def _measured(url: str, pages: dict[str, str]) -> dict[str, Shown]:
    answer = json.loads(run("lists", url, "--measure", json.dumps(pages)))
    return {page: Shown(*shown) for page, shown in answer.items()}


def _levelled(measured: dict[int, dict[str, Shown]]) -> dict[str, str]:
    """The pages that show more rows of many people, with as many rows as there are of few."""
    few, many = measured.values()
    return {
        f"{page}: {few[page].rows} of each": f"{query}&per_page={few[page].rows}"
        for page, query in PAGES.items()
        if 0 < few[page].rows < many[page].rows
    }


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
    types = {"city": "text", "points": "number", "since": "date", "customer": "text", "vip": "boolean"}
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
    city = _city(n, people)
    if city:
        yield "city", city
    yield "points", "1000.5" if _is_rare(n, people, 6) else str(n * 7919 % 1_000)
    if (n % 10 == 9 and city != "Denpasar") or _is_rare(n, people, 8):
        yield "vip", "true"
    days = 0 if _is_rare(n, people, 7) else 1 + n * 104_729 % 1_000
    yield "since", (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=days)).date().isoformat()
    yield "customer", customer_number_of(n)


def _city(n: int, people: int) -> str:
    for which, city in (5, "Ende"), (6, "Jakarta"), (8, "Denpasar"):
        if _is_rare(n, people, which):
            return city
    return CITIES[n * 7919 % 6] if n % 20 else ""


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
def measure(pages: dict[str, str]) -> None:
    """Prints the milliseconds of each page, the least of a few after one that nobody counts, and its rows."""
    set_up()
    from django.http import QueryDict
    from django.test import Client
    from django.urls import reverse

    from accounts import console
    from accounts.models import User

    client = Client()
    client.force_login(User.objects.get(username="bench"), backend="django.contrib.auth.backends.ModelBackend")
    address = reverse("admin:personas_persona_changelist")
    offered = console.PAGE_SIZES
    taken = {}
    for page, query in pages.items():
        if "per_page" not in query:
            query = f"{query}&per_page=25".lstrip("&")
        console.PAGE_SIZES = (*offered, int(QueryDict(query)["per_page"]))  # type: ignore[assignment]
        least = min([milliseconds(client, f"{address}?{query}") for _turn in range(6)][1:])
        answer: Any = client.get(f"{address}?{query}", headers={"host": "127.0.0.1"})
        taken[page] = Shown(least, len(answer.context_data["cl"].rows))
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
