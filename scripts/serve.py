"""`make run`: the console, the API and the worker, on this machine, ready to be looked at.

The first run writes secrets to .env, makes the database and loads the demo; every further one changes no data.
"""

import ctypes
import http.client
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections
from django.urls import reverse

ROOT = Path(__file__).resolve().parent.parent
ENV_FILE = ROOT / ".env"
# Calls handled at a time. granian's `backpressure` stays at its 1,024: it counts open connections, idle ones too.
BLOCKING_THREADS = 8
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


def main() -> int:
    if new := write_missing_secrets(ENV_FILE):
        print(f"Wrote {', '.join(new)} to .env, at random.", flush=True)
    load_settings()
    refuse_a_taken_port()
    prepare()
    return Server().run()


def write_missing_secrets(path: Path) -> list[str]:
    """What must be random and is given neither by the environment nor by `path` stands in `path`; returns the names."""
    text = (
        path.read_text() if path.exists() else "# Written by `make run`; .env.example says what else can stand here.\n"
    )
    random = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "TOKEN_PEPPERS": f"1:{secrets.token_urlsafe(32)}",
        "ENCRYPTION_KEYS": secrets.token_urlsafe(32),
        "DEMO_ADMIN_PASSWORD": readable_password(),
    }
    missing = [name for name in random if not (is_given(name, text) or is_given(f"{name}_FILE", text))]
    if missing:
        # A line `NAME=` without a value would win over a later one.
        kept = [line for line in text.splitlines() if line.strip() not in {f"{name}=" for name in missing}]
        write_private(path, "\n".join([*kept, *(f"{name}={random[name]}" for name in missing)]) + "\n")
    return missing


def is_given(name: str, env_text: str) -> bool:
    return bool(os.environ.get(name) or re.search(rf"^(export )?{name}=.", env_text, re.MULTILINE))


def write_private(path: Path, text: str) -> None:
    """The file holds `text`, readable by its owner only; never half written."""
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def readable_password() -> str:
    """Four groups of two syllables: 50 bits that can be typed from one screen into another."""
    syllables = [consonant + vowel for consonant in "bdfghjklmnprstvz" for vowel in "aeiou"]
    return "-".join("".join(secrets.choice(syllables) for _ in range(2)) for _ in range(4))


def load_settings() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "raven_admin.settings")
    try:
        django.setup()
    except ImproperlyConfigured as error:
        sys.exit(f"Raven Admin can't start: {error}")
    except ValueError as error:
        sys.exit(
            f"Raven Admin can't start: a variable has a wrong value ({error}); docs/configuration.md describes each."
        )


def refuse_a_taken_port() -> None:
    try:
        family = socket.getaddrinfo(settings.BIND_ADDRESS, settings.PORT)[0][0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.BIND_ADDRESS, settings.PORT))
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error).rstrip(".")
        other = settings.PORT + 1 if settings.PORT < 65535 else 8000
        sys.exit(
            f"Raven Admin can't listen on {settings.BIND_ADDRESS}, port {settings.PORT}: {why}. "
            f"Choose another port: PORT={other} make run"
        )


def prepare() -> None:
    """Database, static files and demo are as this version needs them."""
    try:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("load_demo")
    except CommandError as error:
        sys.exit(str(error))
    except DatabaseError as error:
        sys.exit(f"Raven Admin can't use its database: {error}".strip())
    collect_static()
    connections.close_all()


def collect_static() -> None:
    """The static files stand compressed in STATIC_ROOT; done again only when one of them has changed."""
    if settings.DEBUG:
        return  # served from their sources
    state = []
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = os.stat(storage.path(name))
            state.append(f"{name} {status.st_size} {status.st_mtime_ns}")
    stamp = Path(settings.STATIC_ROOT).with_suffix(".stamp")
    if not (stamp.exists() and Path(settings.STATIC_ROOT).exists() and stamp.read_text() == "\n".join(state)):
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text("\n".join(state))


class Server:
    """The web server and the worker, started and stopped together."""

    def __init__(self) -> None:
        self.stop_signals = 0
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    def run(self) -> int:
        """Returns 0 after SIGINT or SIGTERM, and 1 when one of the two ended by itself."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)
        self.children["web server"] = _start(web_command())
        self.children["worker"] = _start([sys.executable, "manage.py", "worker"])
        trouble = self._watch()
        if trouble:
            print(f"{trouble} Stopping.", file=sys.stderr, flush=True)
        self._stop()
        return 1 if trouble else 0

    def _note(self, *_: Any) -> None:
        self.stop_signals += 1

    def _watch(self) -> str | None:
        """Prints the greeting when the server answers; returns what went wrong, or None when asked to stop."""
        greeted, greet_until = False, time.monotonic() + START_TIMEOUT_S
        while not self.stop_signals:
            for name, child in self.children.items():
                if child.poll() is not None:
                    return f"The {name} ended by itself, with exit code {child.returncode}."
            if not greeted and _answers():
                print(_greeting(), flush=True)
                greeted = True
            if not greeted and time.monotonic() > greet_until:
                return f"The web server has not answered for {START_TIMEOUT_S} seconds."
            time.sleep(0.25)
        return None

    def _stop(self) -> None:
        """Calls and tasks at hand are finished first; another Ctrl-C, or 30 seconds, ends them as they are."""
        signals_before, stop_until = self.stop_signals, time.monotonic() + STOP_TIMEOUT_S
        for child in self.children.values():
            child.terminate()
        while any(child.poll() is None for child in self.children.values()):
            if self.stop_signals > signals_before or time.monotonic() > stop_until:
                for child in self.children.values():
                    child.kill()
            time.sleep(0.1)
        print("Raven Admin has stopped.", flush=True)


def web_command() -> list[str]:
    """How the web server is started; the benchmark of the gateway starts it the same way."""
    return [
        sys.executable, "-m", "granian", "raven_admin.wsgi:application", "--interface", "wsgi", "--no-ws",
        "--host", settings.BIND_ADDRESS, "--port", str(settings.PORT), "--log-level", "error",
        "--workers", "1", "--blocking-threads", str(BLOCKING_THREADS), "--blocking-threads-idle-timeout", "600",
        "--workers-kill-timeout", str(STOP_TIMEOUT_S - 5),
    ]  # fmt: skip


def _start(command: list[str]) -> "subprocess.Popen[bytes]":
    # In a session of its own: Ctrl-C reaches this process alone, which then stops both in order.
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_end_with_parent
    )


def _end_with_parent() -> None:
    """On Linux, a child hears SIGTERM when this process is killed without a chance to stop it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _answers() -> bool:
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.BIND_ADDRESS, settings.BIND_ADDRESS)  # noqa: S104
    connection = http.client.HTTPConnection(here, settings.PORT, timeout=5)
    try:
        connection.request("HEAD", reverse("admin:login"), headers={"Host": urlsplit(settings.BASE_URL).netloc})
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _greeting() -> str:
    from accounts.models import User

    admin = User.objects.get(username__iexact=settings.DEMO_ADMIN_USERNAME)
    is_current = check_password(settings.DEMO_ADMIN_PASSWORD, admin.password)
    password = (
        settings.DEMO_ADMIN_PASSWORD
        if is_current
        else "(changed since; the one in DEMO_ADMIN_PASSWORD no longer works)"
    )
    return (
        f"\n  Raven Admin   {settings.BASE_URL}{reverse('admin:index')}"
        f"\n  User          {admin.username}"
        f"\n  Password      {password}"
        f"\n  Stop          Ctrl-C\n"
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped.")
