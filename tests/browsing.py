"""Looking at pages in a real browser: in every look, watched by axe, the content policy and the page's width."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, Page

from accounts.models import User

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
LOOKS = [("light", 1280), ("dark", 390)]
"""Each theme and each width once: what breaks colours does so at any width, what breaks a width in any colours."""
WATCH = "addEventListener('securitypolicyviolation', e => console.error(`CSP ${e.violatedDirective} ${e.blockedURI}`))"

in_every_look = pytest.mark.parametrize(
    "context", LOOKS, ids=[f"{theme}-{width}" for theme, width in LOOKS], indirect=True
)
"""Runs a test light and dark, wide and narrow; without it, the fixture `context` is light and wide."""


class Watched:
    """A page that remembers what went wrong on it."""

    def __init__(self, context: BrowserContext, root: str) -> None:
        self.page: Page = context.new_page()
        self.root = root
        self.findings: list[str] = []
        self.page.add_init_script(WATCH)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.findings.append(f"{self.page.url}: {error}"))

    def check(self, path: str, *, status: int = 200) -> None:
        """Opens the page and looks for anything wrong with it."""
        response = self.page.goto(self.root + path)
        assert response is not None
        if response.status != status:
            self.findings.append(f"{path}: {response.status}")
        self.look(path)

    def look(self, name: str) -> None:
        # A click that leads to another page returns before that page is whole.
        self.page.wait_for_load_state()
        overflow = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if overflow > 0:
            self.findings.append(f"{name}: {overflow}px too wide")
        self.page.evaluate(AXE)
        for violation in self.page.evaluate("axe.run().then(found => found.violations)"):
            nodes = "; ".join(node["html"][:120] for node in violation["nodes"][:3])
            self.findings.append(f"{name}: {violation['impact']} {violation['id']}: {nodes}")

    def _heard(self, message: Any) -> None:
        is_answer = message.text.startswith("Failed to load resource: the server responded with a status of 4")
        if message.type in {"error", "warning"} and not is_answer:
            self.findings.append(f"{self.page.url}: {message.text}")


def signed_in(context: BrowserContext, root: str, user: User) -> BrowserContext:
    """The context, whose pages are those of `user` from now on."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    context.add_cookies([{"name": "session", "value": client.cookies["session"].value, "url": root}])
    return context
