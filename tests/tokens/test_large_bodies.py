"""What a program gets that sends too much, from the real server: the refusal, not a broken connection."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from benchmarks.gateway import run_fill, server, server_environment

PIECE = b"x" * 8192


@pytest.mark.skipif(connection.vendor != "sqlite", reason="makes a SQLite file of its own, whatever the others run on")
def test_a_body_that_is_too_large_is_refused_in_either_way_of_sending_it(tmp_path: Path) -> None:
    environment = server_environment(f"sqlite:///{tmp_path / 'large.sqlite3'}")
    token = json.loads(run_fill(environment))["ours"]

    with server(environment, tmp_path) as (port, _process):
        said = [_send(port, token, in_chunks=in_chunks) for in_chunks in (True, False) for _time in range(3)]

    assert said == [(413, "body_too_large")] * 6


def _send(port: int, token: str, *, in_chunks: bool) -> tuple[int, str]:
    """Three and a half megabytes; the answer's status and code."""
    calls = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    if in_chunks:
        headers["Transfer-Encoding"] = "chunked"
    pieces: Iterator[bytes] = (PIECE for _number in range(430))
    body = pieces if in_chunks else b"".join(pieces)
    try:
        calls.request("POST", "/raven/xapi/v1/message:send", body, headers, encode_chunked=in_chunks)
        answer = calls.getresponse()
        return answer.status, json.loads(answer.read())["code"]
    finally:
        calls.close()
