"""Every snippet of the quick start is run, as it stands, against a server."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.platforms.test_openapi import prepared as prepared

QUICK_START: Path = settings.BASE_DIR / "docs" / "api" / "quick-start.md"
# What the test needs beside the snippet: an exit code for refusals, and no progress bar.
_CURL = 'curl() { command curl --silent --show-error --fail-with-body "$@"; echo; }\nset -eu\n'


def _snippets(language: str) -> list[Any]:
    """Each with the heading that it stands under as its id."""
    heading, found = "", []
    for part in re.finditer(r"^#+ ([^\n]+)$|^```(\w+)\n(.*?)^```$", QUICK_START.read_text(), re.MULTILINE | re.DOTALL):
        heading = part[1] or heading
        if part[2] == language:
            found.append(pytest.param(part[3], id=heading))
    return found


PREAMBLE, *PYTHON = _snippets("python")
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("prepared")]


@pytest.fixture
def _environment(monkeypatch: pytest.MonkeyPatch, live_server: Any, secret: str, tmp_path: Path) -> None:
    monkeypatch.setenv("RAVEN_URL", f"{live_server.url}/raven/xapi/v1")
    monkeypatch.setenv("RAVEN_TOKEN", secret)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_environment")
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
@pytest.mark.parametrize("snippet", _snippets("sh"))
def test_a_curl_snippet_works(snippet: str) -> None:
    done = subprocess.run(["bash", "-c", _CURL + snippet], env=os.environ, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            assert json.loads(line)["notification"].endswith("Successfully")


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("snippet", PYTHON)
def test_a_python_snippet_works(snippet: str) -> None:
    program: dict[str, Any] = {}
    exec(PREAMBLE.values[0], program)
    try:
        exec(snippet, program)
    finally:
        program["raven"].close()
