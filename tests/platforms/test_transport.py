"""What leaves: over real sockets, to servers that are slow, silent, endless or forbidden."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from platforms import transport
from platforms.transport import Failure, Request, exchange
from raven_admin.masking import MASK

Answering = Callable[[socket.socket], None]


@pytest.fixture
def serving(settings: Any) -> Callable[[Answering], Any]:
    """A server that treats its one connection as the test says; its address is an exception of the settings."""

    @contextmanager
    def starting(answering: Answering) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            settings.ALLOWED_PRIVATE_ADDRESSES = [f"127.0.0.1:{port}"]

            def serve() -> None:
                connection, _address = listening.accept()
                with connection:
                    connection.recv(65536)
                    answering(connection)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{port}/contacts?key=hush-hush"
            thread.join(10)

    return starting


def ok(connection: socket.socket) -> None:
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=hush-hush\r\nX-Ray: 1\r\nContent-Length: 22\r\n\r\n"
        + b'{"key": "hush-hush!" }'
    )


def test_exchange_shows_what_was_sent_and_answered_without_secrets(serving: Any) -> None:
    with serving(ok) as url:
        done = exchange(
            Request(
                "POST",
                url,
                {"Authorization": "Bearer hush-hush", "X-Note": "is hush-hush"},
                b'{"a": "hush-hush"}',
                ("hush-hush",),
            )
        )

    assert (done.status, done.failure, done.problem) == (200, None, "")
    assert done.url.endswith(f"?key={MASK}")
    assert done.request_headers == {"Authorization": MASK, "X-Note": f"is {MASK}"}
    assert done.request_body == f'{{"a": "{MASK}"}}'
    assert done.json() == {"key": f"{MASK}!"}
    assert done.headers["x-ray"] == "1"
    assert "hush-hush" not in repr(done)


def drip(connection: socket.socket) -> None:
    """A header that never ends, one character at a time: each arrives long before any timeout of a single read."""
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(200):
            connection.sendall(b"a")
            threading.Event().wait(0.02)
    except OSError:
        return


def drip_body(connection: socket.socket) -> None:
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(200):
            connection.sendall(b"a")
            threading.Event().wait(0.02)
    except OSError:
        return


@pytest.mark.parametrize("dripping", [drip, drip_body])
def test_answer_that_drips_in_is_given_up_at_the_deadline(serving: Any, dripping: Answering) -> None:
    with serving(dripping) as url:
        done = exchange(Request("GET", url), deadline_s=0.3)

    assert (done.status, done.failure) == (None, Failure.NO_ANSWER)
    assert done.problem == "No complete answer within 0.3 seconds."


def test_connection_closed_half_way_is_no_answer(serving: Any) -> None:
    with serving(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal")) as url:
        done = exchange(Request("POST", url, body=b"{}"))

    assert (done.status, done.failure) == (None, Failure.NO_ANSWER)
    assert done.problem == "The connection broke before the answer was complete."


def test_answer_without_an_end_is_cut(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 100_000)

    def endless(connection: socket.socket) -> None:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(b"a" * 65536)
        except OSError:
            return

    with serving(endless) as url:
        assert exchange(Request("GET", url)).failure == Failure.TOO_LARGE


@pytest.mark.parametrize("credential", ["tok—en", "tok\nen"])
def test_credential_that_no_header_can_carry_is_not_sent(serving: Any, credential: str) -> None:
    with serving(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as url:
        done = exchange(Request("GET", url, {"Authorization": f"Bearer {credential}"}))

    assert (done.status, done.failure) == (None, Failure.NOT_SENT)
    assert done.problem == "The credential has characters that can't be sent. Type it in anew."


def test_nothing_listening_means_that_nothing_was_sent(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    settings.ALLOWED_PRIVATE_ADDRESSES = [address]

    done = exchange(Request("POST", f"http://{address}/", body=b"{}"))

    assert (done.failure, done.problem) == (
        Failure.NOT_SENT,
        "Nothing listens there: the connection was refused.",
    )
