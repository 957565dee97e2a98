"""The commands beside a new secret, ready to be pasted into a terminal."""

import json
import shlex
from typing import Any

from django.conf import settings

_URL = "/raven/xapi/v1/"
EXAMPLE_USERNAME = "your_username"


def self_command(secret: str) -> str:
    """A call that works at once with any token."""
    return _command("token:self", secret)


def send_command(secret: str, *, username: str) -> str:
    """The example of Raven's own page (shared/vendors/raven.md), which leaves `username` to the reader."""
    return _command("message:send", secret, body=_EXAMPLE | {"username": username})


_EXAMPLE: dict[str, Any] = {
    "username": EXAMPLE_USERNAME,
    "topic": {"type": "persona", "name": "Test Message Bot"},
    "recipient": [
        {
            "name": "Ginalne Official",
            "contact": [{"type": "whatsapp", "name": "Main Contact", "key": "+6285174314159"}],
        }
    ],
    "message": "Hello! This is a message from Raven 🚀",
}


def _command(operation: str, secret: str, body: dict[str, Any] | None = None) -> str:
    lines = [f"curl {shlex.quote(settings.BASE_URL + _URL + operation)}", f"-H 'Authorization: Bearer {secret}'"]
    if body is not None:
        text = json.dumps(body, ensure_ascii=False, indent=2)
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(text)}"]
    return " \\\n  ".join(lines)
