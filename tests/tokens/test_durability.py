"""What was answered is stored, and nothing is stored by halves, whenever the server is killed."""

import http.client
import json
import os
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from benchmarks.gateway import run_fill, server, server_environment
from benchmarks.gateway_site.fill import phone

CALLERS = 8
KILL_AFTER = 200
"""Answers; the calls under way at that moment are cut off."""


@pytest.mark.skipif(connection.vendor != "sqlite", reason="makes a SQLite file of its own, whatever the others run on")
def test_a_killed_server_has_stored_all_that_it_answered_and_nothing_by_halves(tmp_path: Path) -> None:
    file = tmp_path / "killed.sqlite3"
    environment = server_environment(f"sqlite:///{file}")
    token = json.loads(run_fill(environment))["ours"]

    with server(environment, tmp_path) as (port, process):
        answered = _send_until_it_is_killed(port, process.pid, token)

    with sqlite3.connect(file) as database:
        stored = {
            "messages": _ids(database, "SELECT id FROM messaging_message"),
            "recipients": _ids(database, "SELECT message_id FROM messaging_recipient"),
            "events": _ids(database, "SELECT json_extract(data, '$.message') FROM delivery_event"),
            "log": _ids(
                database, "SELECT json_extract(response_body, '$.data') FROM tokens_requestlogentry WHERE status = 200"
            ),
        }
    assert len(answered) >= KILL_AFTER
    assert set(answered) <= set(stored["messages"])
    assert stored["recipients"] == stored["events"] == stored["log"] == stored["messages"]


def _send_until_it_is_killed(port: int, pid: int, token: str) -> list[int]:
    """The ids of the messages that were answered before the server, all its processes, was killed."""
    answered: list[int] = []
    enough = threading.Event()

    def send(caller: int) -> None:
        calls = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = {
            "username": "your_username",
            "topic": {"type": "persona", "name": "Test Message Bot"},
            "recipient": [{"contact": [{"type": "whatsapp", "key": phone(caller)}]}],
            "message": "Hello!",
        }
        try:
            while True:
                calls.request("POST", "/raven/xapi/v1/message:send", json.dumps(body), headers)
                answer = calls.getresponse()
                said = json.loads(answer.read())
                assert answer.status == 200, said
                answered.append(said["data"])
                if len(answered) >= KILL_AFTER:
                    enough.set()
        except (OSError, http.client.HTTPException, ValueError):
            pass  # killed; ValueError: in the middle of an answer
        finally:
            calls.close()

    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(send, caller) for caller in range(CALLERS)]
        enough.wait(timeout=60)
        os.killpg(pid, signal.SIGKILL)
        for caller in callers:
            caller.result()
    return answered


def _ids(database: sqlite3.Connection, query: str) -> list[int]:
    return sorted(number for (number,) in database.execute(query))
