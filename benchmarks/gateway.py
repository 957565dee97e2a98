"""The gateway beside an empty view: `python -m benchmarks.gateway [--seconds 3] [--rounds 3] [--connections 1,16,64]`.

Both are views of the same server process, started as `make run` starts it, with the same settings and database; `wrk`
asks them in turn. The empty view is Django REST framework's, behind that framework's own TokenAuthentication, and
does nothing. Our settings keep connections to the database, so it is faster here than with Django's own, which open
one for each request: that is measured too, in a process beside the other. `message:send` passes every check and stores
message, recipient, event and log entry, durably: PostgreSQL runs with its own defaults, fsync included. Figures of a
busy machine swing: read the ratios. The goal is 1.0, then 1.5.
"""

import argparse
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway_site.fill import PEOPLE, RATE
from scripts.run_tests import postgresql, postgresql_programs

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60
BODY = (
    '{"username":"%s","topic":{"type":"persona","name":"Test Message Bot"},"recipient":[{"name":"Somebody",'
    '"contact":[{"type":"whatsapp","name":"Main Contact","key":"\' .. key .. \'"}]}],'
    '"message":"Hello! This is a message from Raven"}'
)


@dataclass(frozen=True)
class Side:
    """What is asked again and again; the first is what the others are compared with."""

    name: str
    method: str
    path: str
    authorization: str
    username: str = "your_username"
    is_refused: bool = False
    connects_each_time: bool = False
    """Of the process that opens a connection to the database for each request, as Django does unless told otherwise."""


@dataclass
class Figures:
    """Requests a second, one figure a round, and how many requests were answered in all."""

    per_second: list[float]
    answered: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each figure")
    parser.add_argument("--connections", default="1,16,64", help="at a time, separated by commas")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("The benchmark asks with wrk, which is not installed: apt install wrk")
    connections = [int(number) for number in arguments.connections.split(",")]
    databases = ["sqlite", "postgresql"] if arguments.database == "both" else [arguments.database]
    notes, lines = [], []
    for database in databases:
        with ExitStack() as cleaning:
            folder = Path(cleaning.enter_context(tempfile.TemporaryDirectory()))
            if database == "sqlite":
                url = f"sqlite:///{folder / 'benchmark.sqlite3'}"
            elif programs := postgresql_programs():
                url = cleaning.enter_context(postgresql(programs, options=""))
            else:
                notes.append("postgresql: left out, it is not installed.")
                continue
            rows, note = measure(database, url, folder, connections, arguments.rounds, arguments.seconds)
            lines += rows
            notes.append(note)
            if database == "postgresql":
                notes.append(f"The disk takes {sync_us(folder):.0f} µs here, which each message:send waits for.")
    print(f"\nRequests a second, median of {arguments.rounds} rounds of {arguments.seconds} s; × is the empty view.\n")
    print("| database | connections | empty view | connecting anew | message:send | token:self | refused | no token |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print("\n".join([*lines, "", *notes]))


def measure(
    database: str, url: str, folder: Path, connections: list[int], rounds: int, seconds: int
) -> tuple[list[str], str]:
    """The lines of the table, and a sentence on whether all that was answered was stored."""
    environment = server_environment(url)
    tokens = json.loads(run_fill(environment))
    sides = [
        Side("empty view", "POST", "/empty/", f"Token {tokens['plain']}"),
        Side("connecting anew", "POST", "/empty/", f"Token {tokens['plain']}", connects_each_time=True),
        Side("message:send", "POST", "/raven/xapi/v1/message:send", f"Bearer {tokens['ours']}"),
        Side("token:self", "GET", "/raven/xapi/v1/token:self", f"Bearer {tokens['ours']}"),
        Side("refused", "POST", "/raven/xapi/v1/message:send", f"Bearer {tokens['ours']}", "nobody", True),
        Side("no token", "POST", "/raven/xapi/v1/message:send", "Bearer nonsense", is_refused=True),
    ]
    lines, sent = [], 0
    connecting = environment | {"CONNECT_EACH_TIME": "1"}
    with server(environment, folder) as (port, _process), server(connecting, folder) as (other_port, _other):
        port_of = {side: other_port if side.connects_each_time else port for side in sides}
        for side in sides:
            ask(side, port_of[side], folder, connections=4, seconds=1)
        run_fill(environment, "analyze")
        already = json.loads(run_fill(environment, "count"))["messages"]
        for count in connections:
            figures = {side: Figures([]) for side in sides}
            for number in range(rounds):
                print(f"{database}, {count} connections, round {number + 1} of {rounds} …", file=sys.stderr, flush=True)
                for side in sides:
                    per_second, answered = ask(side, port_of[side], folder, connections=count, seconds=seconds)
                    figures[side].per_second.append(per_second)
                    figures[side].answered += answered
            sent += figures[sides[2]].answered
            lines.append(line(database, count, list(figures.values())))
    stored = json.loads(run_fill(environment, "count"))
    kept = ", ".join(f"{number - already:,} {name}" for name, number in stored.items())
    return (
        lines,
        f"{database}: {sent:,} messages answered in time; stored {kept} (calls cut off by the clock included).",
    )


def sync_us(folder: Path) -> float:
    """What it takes, in microseconds, until a page of a log is on the disk; the median of many."""
    taken = []
    with (folder / "page").open("wb", buffering=0) as file:
        file.write(bytes(8192))
        for _ in range(200):
            began = time.perf_counter()
            os.pwrite(file.fileno(), bytes(8192), 0)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1_000_000


def line(database: str, connections: int, figures: list[Figures]) -> str:
    medians = [statistics.median(each.per_second) for each in figures]
    cells = [f"{medians[0]:,.0f}", *(f"{median:,.0f} = {median / medians[0]:.2f} ×" for median in medians[1:])]
    return f"| {database} | {connections} | {' | '.join(cells)} |"


def ask(side: Side, port: int, folder: Path, *, connections: int, seconds: int) -> tuple[float, int]:
    """Requests a second and requests in all; every answer has to be what the side should get."""
    script = folder / "ask.lua"
    script.write_text(f"""
        wrk.method = '{side.method}'
        wrk.headers['Content-Type'] = 'application/json'
        wrk.headers['Authorization'] = '{side.authorization}'
        local number = 0
        function request()
            number = (number + 1) % {PEOPLE}
            local key = string.format('+62851743%05d', number)
            return wrk.format(nil, nil, nil, '{BODY % side.username}')
        end
    """)
    command = [
        "wrk",
        "--timeout",
        "30s",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "-s",
        str(script),
        f"http://127.0.0.1:{port}{side.path}",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    answered = int(found(r"(\d+) requests in", said))
    unsuccessful = int(found(r"Non-2xx or 3xx responses: (\d+)", said))
    if "Socket errors" in said or unsuccessful != (answered if side.is_refused else 0):
        sys.exit(f"{side.name}: not the answers that were expected.\n{said}")
    return float(found(r"Requests/sec:\s*([\d.]+)", said)), answered


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else "0"


def server_environment(url: str) -> dict[str, str]:
    """The product's, without DEBUG, with secrets of its own and a limit that is never reached."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "benchmarks.gateway_site.settings",
        "DATABASE_URL": url,
        "DEBUG": "",
        "BASE_URL": "http://127.0.0.1",
        "BIND_ADDRESS": "127.0.0.1",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "TOKEN_PEPPERS": f"1:{secrets.token_urlsafe(32)}",
        "ENCRYPTION_KEYS": secrets.token_urlsafe(32),
        "DEFAULT_REQUESTS_PER_MINUTE": str(RATE),
        "PYTHONWARNINGS": "ignore",  # static files are not collected for it
    }


def run_fill(environment: dict[str, str], what: str = "fill") -> str:
    command = [sys.executable, "-m", "benchmarks.gateway_site.fill", what]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


@contextmanager
def server(environment: dict[str, str], folder: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """The port and the process of a server started as `make run` starts it; both are free afterwards."""
    port = free_port()
    start = "import os, scripts.serve as s; command = s.web_command(); os.execv(command[0], command)"
    with (folder / f"server-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", start],
            cwd=ROOT,
            env=environment | {"PORT": str(port)},
            stdout=log,
            stderr=log,
            start_new_session=True,  # the process leads a group of its own, so that it can be killed with its workers
        )
    try:
        wait_until_it_answers(port, process, folder)
        yield port, process
    finally:
        process.terminate()
        process.wait(timeout=START_TIMEOUT_S)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def wait_until_it_answers(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/raven/xapi/v1/token:self")
            connection.getresponse()
        except OSError:
            time.sleep(0.2)
        else:
            return
        finally:
            connection.close()
    sys.exit(f"The server did not start:\n{(folder / f'server-{port}.log').read_text()}")


if __name__ == "__main__":
    # A stop signal unwinds the stack, so that no server and no PostgreSQL stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
