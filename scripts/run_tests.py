"""`make test`: the whole suite on SQLite, and beside it on a throw-away PostgreSQL.

What the tests need of the system (Chromium, PostgreSQL) is installed by apt where that is possible without a question;
where it is not, the tests that need it are left out, and the last line says so.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "var" / "test-results"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
UNSAFE_BUT_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"


def main() -> int:
    install_what_is_missing()
    left_out = []
    if not chromium():
        left_out.append("the browser tests (no Chromium)")
    if not shutil.which("soffice"):
        left_out.append("the LibreOffice test (no LibreOffice)")
    # No server's variables reach the tests, and a .env is not read by them.
    environment = {name: value for name, value in os.environ.items() if name not in settings_variables()}
    runs = [Run("SQLite", [], environment)]
    if programs := postgresql_programs():
        with postgresql(programs) as url:
            runs.append(Run("PostgreSQL", ["-m", "not browser"], environment | {"DATABASE_URL": url}))
            with runs[1].beside():
                runs[0].run()
    else:
        left_out.append("the second run, on PostgreSQL (none here)")
        runs[0].run()
    print("\n" + " · ".join([*map(str, runs), f"left out: {', '.join(left_out) or 'nothing'}"]), flush=True)
    return int(any(run.exit_code for run in runs))


class Run:
    """One run of pytest, and what came of it."""

    def __init__(self, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        self.name, self.arguments, self.environment = name, arguments, environment
        self.report = RESULTS / f"{name.lower()}.xml"
        self.exit_code = 1

    def run(self) -> None:
        print(f"\nTests on {self.name}", flush=True)
        self.exit_code = self._start(output=None).wait()

    @contextmanager
    def beside(self) -> Iterator[None]:
        """It runs while the block does, and says what it has to say when both are through."""
        with tempfile.TemporaryFile(mode="w+") as output:
            process = self._start(output=output)
            try:
                yield
                self.exit_code = process.wait()
            finally:
                process.kill()
                process.wait()
            output.seek(0)
            print(f"\nTests on {self.name}\n{output.read()}", flush=True)

    def _start(self, *, output: IO[str] | None) -> "subprocess.Popen[bytes]":
        RESULTS.mkdir(parents=True, exist_ok=True)
        self.report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={self.report}", *self.arguments]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )

    def __str__(self) -> str:
        if not self.report.exists():
            return f"{self.name}: FAILED, no test ran"
        suite = ElementTree.parse(self.report).getroot()[0].attrib  # noqa: S314 - our own pytest wrote it
        total, skipped = int(suite["tests"]), int(suite["skipped"])
        failed = int(suite["failures"]) + int(suite["errors"])
        return (
            f"{self.name}: {total - failed - skipped} passed, {failed} failed, {skipped} skipped "
            f"in {float(suite['time']):.0f} s{' - FAILED' if self.exit_code else ''}"
        )


def settings_variables() -> set[str]:
    """The variables that .env.example lists, and their `_FILE` forms."""
    names = re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    return {*names, *(f"{name}_FILE" for name in names)}


def install_what_is_missing() -> None:
    packages = [] if chromium() else ["chromium"]
    packages += [] if postgresql_programs() else ["postgresql", "postgresql-contrib"]
    become_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not packages or not shutil.which("apt-get") or not _silently(*become_root, "true"):
        return
    print(f"Installing {', '.join(packages)} by apt …", flush=True)
    apt = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Acquire::Retries=2"]
    _silently(*apt, "update")
    for package in packages:  # one by one: a system may have the one and not the other
        _silently(*apt, "install", "--yes", "--no-install-recommends", package)
    chromium.cache_clear()


def _silently(*command: str | Path, cwd: Path = ROOT, user: str | None = None) -> bool:
    """Whether the program exists and ended well."""
    group = pwd.getpwnam(user).pw_gid if user else None
    groups: list[int] | None = [] if user else None
    try:
        done = subprocess.run(
            command, cwd=cwd, user=user, group=group, extra_groups=groups, stdin=subprocess.DEVNULL, capture_output=True
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0


@cache
def chromium() -> str | None:
    """The path of one that starts: on Ubuntu the command may only tell people to install a snap."""
    paths = filter(None, map(shutil.which, CHROMIUM_NAMES))
    return next(
        (path for path in paths if not subprocess.run([path, "--version"], capture_output=True).returncode), None
    )


def postgresql_programs() -> Path | None:
    """The folder of initdb and pg_ctl, of the newest version; Debian keeps them out of PATH."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True
    )
    on_path = shutil.which("initdb")
    folders += [Path(on_path).resolve().parent] if on_path else []
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


@contextmanager
def postgresql(programs: Path, options: str = UNSAFE_BUT_FAST) -> Iterator[str]:
    """The URL of a new and empty server, reached by a socket in a folder of its own; it is gone afterwards."""
    # PostgreSQL refuses to run as root.
    user = next((name for name in ("postgres", "nobody") if _exists(name)), None) if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="raven-pg-", dir="/tmp"))  # short, because a socket's path may not be long
    if user:
        shutil.chown(folder, user)
    data, socket = ("--pgdata", folder / "data"), f"-k {folder} -h ''"
    initdb: list[str | Path] = [
        programs / "initdb",
        *data,
        "--username=raven",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]
    control: list[str | Path] = [programs / "pg_ctl", *data, "--wait", "--log", folder / "log"]
    try:
        for command in (initdb, [*control, "--options", f"{socket} {options}", "start"]):
            if not _silently(*command, cwd=folder, user=user):
                sys.exit(f"PostgreSQL could not be started: {command[0]} failed.")
        yield f"postgres://raven@/postgres?host={folder}"
    finally:
        _silently(*control, "--mode", "immediate", "stop", cwd=folder, user=user)
        shutil.rmtree(folder, ignore_errors=True)


def _exists(user: str) -> bool:
    try:
        return bool(pwd.getpwnam(user))
    except KeyError:
        return False


if __name__ == "__main__":
    # A stop signal unwinds the stack, so that PostgreSQL does not stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
