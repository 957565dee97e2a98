"""What tests of several dialects share."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.db import connection

from accounts.models import Workspace
from tests.platforms.connecting import Remote, make_remote
from tests.platforms.raven.conftest import sender as sender
from tests.platforms.receiver import Receiver, running_receiver

START_TIMEOUT_S = 30


@pytest.fixture(scope="session")
def shipped_server(
    django_db_setup: None, django_db_blocker: Any, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of the web server that we ship, on the tests' database; Django's own test server drops headers whose
    names contain an underscore. A test that uses it needs `transactional_db`, or the server sees nothing of it."""
    with running_server(project, tmp_path_factory.mktemp("server"), DATABASE_URL=_database_url()) as url:
        yield url


@contextmanager
def running_server(project: Path, folder: Path, **environment: str) -> Iterator[str]:
    """The address of a web server of ours, a process of its own in this environment; its log is in `folder`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["--interface", "wsgi", "--port", str(port), "--blocking-threads", "2", "raven_admin.wsgi:application"]
    environment = os.environ | {"DEBUG": "1", "PORT": str(port)} | environment
    log_file = folder / "server.log"
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "granian", *arguments], cwd=project, env=environment, stdout=log, stderr=log
        )
    try:
        _wait_for(port, process, log_file)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=START_TIMEOUT_S)


@pytest.fixture
def server(shipped_server: str, transactional_db: None, settings: Any) -> str:
    """The shipped server, where connections may go."""
    settings.ALLOWED_PRIVATE_ADDRESSES = [urlsplit(shipped_server).netloc]
    return shipped_server


@pytest.fixture
def remote(server: str, other_workspace: Workspace) -> Remote:
    """The workspace that stands for a platform, with a token of all abilities."""
    return make_remote(other_workspace)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """Where webhooks and callbacks may go."""
    with running_receiver() as running:
        settings.ALLOWED_PRIVATE_ADDRESSES = [urlsplit(running.url).netloc]
        yield running


def _database_url() -> str:
    if connection.vendor == "sqlite":
        return f"sqlite:///{connection.settings_dict['NAME']}"
    configured = urlsplit(os.environ["DATABASE_URL"])
    return configured._replace(path=f"/{connection.settings_dict['NAME']}").geturl()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            requests.get(f"http://127.0.0.1:{port}/bevatel/api/v1/", timeout=START_TIMEOUT_S)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the server did not start: {log.read_text()}")
