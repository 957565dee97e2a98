"""`make screenshots`: the pictures in docs/screenshots, of a workspace made for them in a folder of its own."""

import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import django
from playwright.sync_api import Browser, sync_playwright

from scripts.run_tests import chromium

if TYPE_CHECKING:
    from accounts.models import Workspace
    from tokens.models import Token

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "screenshots"
PASSWORD = "only-for-the-pictures"  # noqa: S105 - the database is thrown away
PAGES = {
    "tokens": "tokens/token/",
    "permissions": "tokens/token/{token}/permissions/",
    "usage": "tokens/token/{token}/usage/",
    "overview": "",
    "personas": "personas/persona/",
    "persona": "personas/persona/{persona}/change/",
    "deliveries": "delivery/delivery/",
    "connections": "platforms/connection/",
}
WINDOWS = {"light": ("light", 1280, 800), "dark": ("dark", 1280, 800), "phone": ("light", 390, 844)}


def main() -> None:
    with running() as (console, shown):
        take_pictures(console, shown)


@contextmanager
def running() -> Iterator[tuple[str, dict[str, int]]]:
    """A server and a worker with a workspace made to be looked at: the console's address, and which rows to show."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        os.environ |= {
            "DEBUG": "1",
            "DATABASE_URL": f"sqlite:///{folder}/pictures.sqlite3",
            "PORT": str(port),
            "DEMO_ADMIN_PASSWORD": PASSWORD,
            "DJANGO_SETTINGS_MODULE": "raven_admin.settings",
        }
        django.setup()
        shown = fill()
        probe.close()
        granian = [sys.executable, "-m", "granian", "raven_admin.wsgi:application", "--interface", "wsgi"]
        server = subprocess.Popen([*granian, "--port", str(port), "--log-level", "error"], cwd=ROOT)
        worker = subprocess.Popen([sys.executable, "manage.py", "worker"], cwd=ROOT)
        try:
            wait_for(f"http://127.0.0.1:{port}/console/login/")
            wait_until_delivered()
            yield f"http://127.0.0.1:{port}/console/", shown
        finally:
            for process in (worker, server):
                process.terminate()
                process.wait()


def fill() -> dict[str, int]:
    """A few tokens in every state, calls of the last weeks, and an edited person; which of them the pictures show."""
    from django.core.management import call_command
    from django.utils import timezone

    from accounts.models import Workspace
    from personas.history import Cause
    from personas.models import Origin, Persona
    from personas.services import PersonaDraft, update_persona

    call_command("migrate", verbosity=0)
    call_command("load_demo", verbosity=0)
    demo = Workspace.objects.get(slug="demo")
    tokens = issue_tokens(demo)
    log_calls(demo, tokens)
    rina = Persona.objects.get(workspace=demo, name="Rina Hartono")
    update_persona(
        workspace=demo, persona_id=rina.pk, draft=PersonaDraft(name="Rina Hartono-Putri"),
        cause=Cause(origin=Origin.PERSON, actor_label="admin", at=timezone.now()),
    )  # fmt: skip
    return {"token": tokens["Shop backend"].pk, "persona": rina.pk}


def issue_tokens(demo: "Workspace") -> dict[str, "Token"]:
    """Tokens in every state, by their names."""
    from django.utils import timezone

    from accounts.models import User
    from messaging.models import Topic
    from tokens.abilities import ABILITY_KEYS
    from tokens.configuration import Configuration
    from tokens.services import COMMAND_LINE, issue_token, revoke_token, switch_token

    now = timezone.now()
    bot, anchor = User.objects.get(username="your_username"), Topic.objects.filter(type="mass").first()
    sending = frozenset({"message_send", "topic_add", "template_send"})
    wanted = [
        ("Old integration", {"expires_at": now - timedelta(days=3)}, frozenset({"message_send"})),
        ("Shop backend", {"user_alias": bot, "topic_anchor": anchor}, sending),
        ("Newsletter", {"expires_at": now + timedelta(days=12), "topic_anchor": anchor}, sending),
        ("Reporting", {}, frozenset({"persona_read", "conversation_read", "stats_read", "data_export"})),
        ("Support desk", {"activates_at": now + timedelta(days=4)}, ABILITY_KEYS - {"token_write"}),
        ("Trial of a partner", {}, frozenset({"persona_read"})),
        ("Lost laptop", {}, frozenset({"message_send"})),
    ]
    tokens: dict[str, Token] = {}
    for name, fields, abilities in wanted:
        configuration = Configuration(name=name, abilities=abilities, **fields)  # type: ignore[arg-type]
        tokens[name] = issue_token(workspace=demo, configuration=configuration, by=COMMAND_LINE).token
    switch_token(token=tokens["Trial of a partner"], on=False, by=COMMAND_LINE)
    revoke_token(token=tokens["Lost laptop"], by=COMMAND_LINE)
    return tokens


def log_calls(demo: "Workspace", tokens: dict[str, "Token"]) -> None:
    """The log has calls of the last four weeks, a few of them refused."""
    from django.utils import timezone

    from tokens.models import RequestLogEntry, Token

    now = timezone.now()
    dice = random.Random(7)  # noqa: S311 - the same pictures every time
    entries = []
    for name, calls in {"Shop backend": 900, "Newsletter": 240, "Reporting": 60}.items():
        ability = "persona_read" if name == "Reporting" else "message_send"
        for number in range(calls):
            refused = dice.random() < 0.04
            entries.append(
                RequestLogEntry(
                    request_id=f"req_{tokens[name].pk}_{number}", token=tokens[name], workspace=demo, ability=ability,
                    received_at=now - timedelta(days=28 * dice.random() ** 1.3), method="POST",
                    path="/raven/xapi/v1/message:send", status=404 if refused else 200,
                    code="user_not_found" if refused else "", duration_ms=2.0,
                    address=dice.choice(["203.0.113.7", "203.0.113.7", "198.51.100.20"]),
                )
            )  # fmt: skip
        Token.objects.filter(pk=tokens[name].pk).update(last_used_at=now - timedelta(minutes=calls % 50))
    RequestLogEntry.objects.bulk_create(sorted(entries, key=lambda entry: entry.received_at))


def wait_until_delivered() -> None:
    from delivery.models import Delivery

    for _attempt in range(120):
        if not Delivery.objects.open().exists():
            return
        time.sleep(0.25)
    sys.exit("The worker did not deliver.")


def wait_for(url: str) -> None:
    for _attempt in range(120):
        try:
            urllib.request.urlopen(url, timeout=5)  # noqa: S310 - our own server
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.25)
        else:
            return
    sys.exit("The server did not start.")


def take_pictures(console: str, shown: dict[str, int]) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        for name, (scheme, width, height) in WINDOWS.items():
            photograph(browser, console, shown, name, scheme, width, height)
        browser.close()


def photograph(
    browser: Browser, console: str, shown: dict[str, int], name: str, scheme: str, width: int, height: int
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(console)
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url(console)
    for picture, address in PAGES.items():
        page.goto(console + address.format(**shown))
        page.screenshot(path=PICTURES / f"{picture}-{name}.png")
    context.close()


if __name__ == "__main__":
    main()
