"""The Excel listing of tokens beside openpyxl: `python -m benchmarks.excel [--rows 20000] [--many 200000]`.

All writers get the same rows from the same SQLite file, and write each cell as text, number or date. Figures of a busy
machine swing: read the ratios. The goal is 8 times openpyxl's write-only mode.
"""

import argparse
import io
import os
import tempfile
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import django

ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=20_000, help="tokens in the table of speeds")
    parser.add_argument("--many", type=int, default=200_000, help="tokens in the second line of memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DEBUG": "1", "DATABASE_URL": f"sqlite:///{Path(folder) / 'benchmark.sqlite3'}"}
        django.setup()
        from django.conf import settings
        from django.core.management import call_command

        settings.DEBUG = False  # or Django keeps every query
        call_command("migrate", verbosity=0)
        fill(max(arguments.rows, arguments.many))
        print_speeds(arguments.rows)
        print_flatness(arguments.rows, arguments.many)


def fill(count: int) -> None:
    """The database has a workspace with `count` tokens, their abilities and a month of calls for every tenth."""
    from accounts.models import User, Workspace
    from messaging.models import Topic
    from tokens.abilities import ABILITIES
    from tokens.models import Token, TokenAbility, TokenDay

    random = Random(1)
    workspace = Workspace.objects.create(name="Demo", slug="demo", time_zone="Asia/Jakarta")
    people = [
        User.objects.create(username=f"person{n}", first_name=first, last_name=last)
        for n, (first, last) in enumerate([("Ani", "Wijaya"), ("Budi", "Santoso"), ("Citra", "Dewi"), ("", "")])
    ]
    topics = [Topic.objects.create(workspace=workspace, type="mass", name=f"Newsletter {n}") for n in range(5)]
    now = datetime.now(UTC)

    def some_day(days: int) -> datetime:
        return now + timedelta(seconds=random.randrange(days * 86_400))

    def maybe(value: Any) -> Any:
        return random.choice([value, None])

    Token.objects.bulk_create(
        [
            Token(
                workspace=workspace,
                name=f"{random.choice(['Shop', 'CRM', '+62 812', 'Häuser & Söhne', '=SUM(A1)'])} {n}",
                kind="rvn",
                public_id=f"{n:012d}",
                last_four=f"{random.randrange(10_000):04d}",
                digest="0" * 64,
                pepper_number=1,
                is_on=random.random() < 0.9,
                activates_at=maybe(some_day(30) - timedelta(days=60)),
                expires_at=maybe(some_day(400)),
                topic_anchor=maybe(random.choice(topics)),
                user_alias=maybe(random.choice(people)),
                source_networks=random.choice([[], ["203.0.113.0/24"], ["10.0.0.0/8", "2001:db8::/32"]]),
                requests_per_minute=random.choice([None, 60, 6_000]),
                caretaker=maybe(random.choice(people)),
                last_used_at=maybe(some_day(30) - timedelta(days=30)),
                created_at=some_day(365) - timedelta(days=365),
                created_by=random.choice(people),
            )
            for n in range(count)
        ],
        batch_size=2_000,
    )
    ids = list(Token.objects.values_list("pk", flat=True))
    TokenAbility.objects.bulk_create(
        [TokenAbility(token_id=pk, key=ability.key) for pk in ids for ability in ABILITIES if random.random() < 0.5],
        batch_size=5_000,
    )
    TokenDay.objects.bulk_create(
        [
            TokenDay(
                token_id=pk,
                day=(now - timedelta(days=days)).date(),
                ability="message_send",
                status=200,
                calls=random.randrange(1, 500),
                last_at=now,
            )
            for pk in ids[::10]
            for days in range(30)
        ],
        batch_size=5_000,
    )


# --------------------------------------------------------------------------------------------------------- the sides
def rows_only(count: int) -> int:
    return sum(1 for _ in rows(count))


def openpyxl_normal(count: int) -> int:
    from openpyxl import Workbook

    workbook = Workbook()
    sheet: Any = workbook.active
    for row in rows_with_datetimes(count):
        sheet.append(row)
    return saved_size(workbook)


def openpyxl_write_only(count: int) -> int:
    """Not what anybody should send: a name that begins with = is a live formula."""
    from openpyxl import Workbook

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet()
    for row in rows_with_datetimes(count):
        sheet.append(row)
    return saved_size(workbook)


def openpyxl_write_only_cells(count: int) -> int:
    """What the line above lacks: formulas as inert text, dates and numbers in a format."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet()

    def cell(value: Any) -> Any:
        made: Any = WriteOnlyCell(sheet, value=value)
        if isinstance(value, datetime):
            made.number_format = "yyyy-mm-dd hh:mm:ss"
        elif isinstance(value, int):
            made.number_format = "#,##0"
        elif isinstance(value, str) and value[:1] in "=+-@":
            made.data_type = "s"
            made.quotePrefix = True
        return made

    for row in rows_with_datetimes(count):
        sheet.append([cell(value) for value in row])
    return saved_size(workbook)


def ours(count: int, *, compression: int = 1) -> int:
    return sum(map(len, stream(count, compression=compression)))


def bound(count: int) -> int:
    """The same rows as bare text through zlib 1: no escaping, no styles, no addresses, no archive."""
    compressor = zlib.compressobj(1)
    size, batch = 0, []
    for row in rows(count):
        batch.append("<row>" + "".join([f"<c><v>{value}</v></c>" for value in row]) + "</row>")
        if len(batch) == 500:
            size += len(compressor.compress("".join(batch).encode()))
            batch.clear()
    return size + len(compressor.compress("".join(batch).encode())) + len(compressor.flush())


SIDES: dict[str, Callable[[int], int]] = {
    "openpyxl, normal": openpyxl_normal,
    "openpyxl, write-only, a cell object per cell": openpyxl_write_only_cells,
    "openpyxl, write-only, plain values (formulas live)": openpyxl_write_only,
    "ours, zlib 6": lambda count: ours(count, compression=6),
    "ours, zlib 1": ours,
    "bound: rows, bare text, zlib 1": bound,
    "the rows alone": rows_only,
}


def print_speeds(count: int) -> None:
    best = dict.fromkeys(SIDES, float("inf"))
    for _ in range(ROUNDS):
        for name, side in SIDES.items():
            started = time.perf_counter()
            side(count)
            best[name] = min(best[name], time.perf_counter() - started)
    columns = len(next(rows(1)))
    write_only = best["openpyxl, write-only, a cell object per cell"]
    print(f"{count:,} tokens of {columns} columns, best of {ROUNDS} rounds in turn\n")
    print("| writer | µs/row | µs/row without the rows | x write-only |")
    print("| --- | --- | --- | --- |")
    for name, seconds in best.items():
        alone = (seconds - best["the rows alone"]) / count * 1e6
        print(f"| {name} | {seconds / count * 1e6:.1f} | {alone:.1f} | {write_only / seconds:.1f} |")


def print_flatness(*counts: int) -> None:
    print("\n| tokens | first bytes after | peak of Python's memory | file |")
    print("| --- | --- | --- | --- |")
    for count in counts:
        started = time.perf_counter()
        next(stream(count))
        first_ms = (time.perf_counter() - started) * 1e3
        tracemalloc.start()
        size = ours(count)
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        print(f"| {count:,} | {first_ms:.0f} ms | {peak / 2**20:.1f} MiB | {size / 2**20:.1f} MiB |")


# ------------------------------------------------------------------------------------------------------- what all share
def rows(count: int) -> Any:
    return listing().rows(first_tokens(count))


def stream(count: int, *, compression: int = 1) -> Iterator[bytes]:
    from raven_admin.spreadsheet import Cover, stream_workbook

    return stream_workbook(
        sheet_name="Tokens",
        columns=listing().columns,
        rows=rows(count),
        cover_name="About",
        cover=lambda n: Cover(title="Tokens", lines=(("Tokens", n),), author="benchmark"),
        compression=compression,
    )


def listing() -> Any:
    from tokens.excel import Listing

    return Listing.of_viewer(at=datetime.now(UTC))


def first_tokens(count: int) -> Any:
    from tokens.models import Token

    return Token.objects.order_by("pk")[:count]


def rows_with_datetimes(count: int) -> Iterator[list[Any]]:
    instants = [column.instants for column in listing().columns]
    epoch, second = datetime.fromtimestamp(0, UTC).replace(tzinfo=None), timedelta(seconds=1)
    for row in rows(count):
        yield [
            epoch + value * second if is_instant and value is not None else value
            for value, is_instant in zip(row, instants, strict=True)
        ]


def saved_size(workbook: Any) -> int:
    target = io.BytesIO()
    workbook.save(target)
    return len(target.getvalue())


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "raven_admin.settings")
    main()
