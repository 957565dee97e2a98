"""The vendor's three-step flow as its users write it: `requests`, its headers, and only the base URL is ours.

On the web server that we ship, because Django's own test server drops headers whose names contain an underscore.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from django.db import connection

from messaging.models import Message

START_TIMEOUT_S = 30


@pytest.fixture
def server(transactional_db: None, project: Path, tmp_path: Path) -> Iterator[str]:
    """The address of the shipped web server, on the tests' database."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["--interface", "wsgi", "--port", str(port), "--blocking-threads", "2", "raven_admin.wsgi:application"]
    environment = os.environ | {"DEBUG": "1", "DATABASE_URL": _database_url(), "PORT": str(port)}
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "granian", *arguments], cwd=project, env=environment, stdout=log, stderr=log
        )
    try:
        _wait_for(port, process, tmp_path / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=START_TIMEOUT_S)


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


def test_contact_conversation_message(
    server: str, workspace: object, secret: str, account: int, sender: object
) -> None:
    base = f"{server}/bevatel/api/v1/accounts/{account}"
    headers = {"api_access_token": secret}

    contact = requests.post(
        f"{base}/contacts",
        headers=headers,
        json={"inbox_id": account, "name": "Rina Hartono", "phone_number": "+6281200000101"},
        timeout=30,
    ).json()["payload"]["contact"]
    source_id = contact["contact_inboxes"][0]["source_id"]
    conversation = requests.post(
        f"{base}/conversations", headers=headers, json={"source_id": source_id}, timeout=30
    ).json()
    answers = [
        requests.post(
            f"{base}/conversations/{conversation['id']}/messages",
            headers=headers,
            json={"content": content, "message_type": message_type},
            timeout=30,
        )
        for content, message_type in (("Is my order ready?", "incoming"), ("Come and fetch it.", "outgoing"))
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert list(Message.objects.order_by("pk").values_list("direction", "text", "topic")) == [
        ("incoming", "Is my order ready?", conversation["id"]),
        ("outgoing", "Come and fetch it.", conversation["id"]),
    ]


def test_the_developer_api_reads_both_headers(server: str, workspace: object, secret: str, account: int) -> None:
    answer = requests.post(
        f"{server}/bevatel/developer/api/v1/contacts",
        headers={"api_access_token": secret, "api_account_id": str(account), "Accept": "application/json"},
        json={"name": "New Contact", "email": "new_contact@example.com"},
        timeout=30,
    )

    assert (answer.status_code, answer.json()["message"]) == (201, "contact created successfully")
