"""The outbox beside a bare loop: `python -m benchmarks.sending [--count 2000] [--rounds 3] [--delays 0,20]`.

The bare loop is `requests.Session().post(…)` again and again, which keeps nothing. The worker is started as `make run`
starts it: it claims what waits in the database, keeps each call with its answer, masked, and stores each outcome.
PostgreSQL runs with its own defaults, fsync included. Each side's rate is taken by the target, between the first and
the last call, in turn. Figures of a busy machine swing: read the ratios. The goals are 0.8 of the loop with one worker,
and 1.8 of one worker with two (on PostgreSQL; for a target that takes its time, since they share the machine's cores).
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

from benchmarks.gateway import server_environment
from scripts.run_tests import postgresql, postgresql_programs

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 300


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delays", default="0,20", help="of the target's answer, in ms")
    given = parser.parse_args()
    for delay_ms in map(int, given.delays.split(",")):
        count = max(100, given.count // (1 + delay_ms // 20))
        with ExitStack() as stack:
            target = stack.enter_context(running_target(delay_ms))
            sides = {"SQLite, one worker": (stack.enter_context(sqlite()), 1)}
            if programs := postgresql_programs():
                url = stack.enter_context(postgresql(programs, options=""))
                sides |= {"PostgreSQL, one worker": (url, 1), "PostgreSQL, two workers": (url, 2)}
            rates: dict[str, list[float]] = {"a bare loop": [], **{name: [] for name in sides}}
            for url in {url for url, _workers in sides.values()}:
                run("manage.py", "migrate", "--verbosity=0", url=url)
            for _round in range(given.rounds):
                rates["a bare loop"].append(rate_of_loop(target, count))
                for name, (url, workers) in sides.items():
                    rates[name].append(rate_of_workers(target, count, url, workers))
        show(delay_ms, rates)


def show(delay_ms: int, rates: dict[str, list[float]]) -> None:
    print(f"\nA target that answers after {delay_ms} ms      calls a second   × the loop   × one worker")
    median = {name: statistics.median(figures) for name, figures in rates.items()}
    for name, rate in median.items():
        one = median.get(name.replace("two workers", "one worker"), rate)
        ratios = f"{rate / median['a bare loop']:10.2f}" + (f"{rate / one:15.2f}" if "two" in name else "")
        print(f"{name:44} {rate:14,.0f}   {ratios}")


def rate_of_loop(target: str, count: int) -> float:
    requests.get(f"{target}/reset", timeout=10)
    run("-m", "benchmarks.sending_site.work", "loop", target, str(count))
    return rate(target)


def rate_of_workers(target: str, count: int, url: str, workers: int) -> float:
    requests.get(f"{target}/reset", timeout=10)
    running = [start("manage.py", "worker", "--only", "outbox", url=url) for _ in range(workers)]
    time.sleep(4 + 2 * workers)  # until they have read their code: what is measured is sending
    run("-m", "benchmarks.sending_site.work", "fill", target, str(count), url=url)
    give_up_at = time.monotonic() + PATIENCE_S
    while requests.get(f"{target}/stats", timeout=10).json()["count"] < count and time.monotonic() < give_up_at:
        time.sleep(0.2)
    for worker in running:
        worker.terminate()
        worker.wait()
    return rate(target)


def rate(target: str) -> float:
    said: dict[str, Any] = requests.get(f"{target}/stats", timeout=10).json()
    return float((said["count"] - 1) / (said["last"] - said["first"]))


def run(*arguments: str, url: str = "") -> None:
    finished = start(*arguments, url=url).wait()
    if finished:
        sys.exit(f"{' '.join(arguments)} failed.")


def start(*arguments: str, url: str = "") -> "subprocess.Popen[bytes]":
    environment = {
        **server_environment(url),
        "DJANGO_SETTINGS_MODULE": "benchmarks.sending_site.settings",
        "LOG_LEVEL": "WARNING",
    }
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment)


@contextmanager
def sqlite() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="raven-sending-")
    try:
        yield f"sqlite:///{folder}/sending.sqlite3"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_target(delay_ms: int) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "granian", "benchmarks.sending_site.target:application", "--interface", "wsgi",
        "--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--blocking-threads", "16",
    ]  # fmt: skip
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TARGET_DELAY_MS": str(delay_ms)})
    try:
        time.sleep(2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
