"""A destination over real HTTP that answers as it is told, and a carrier that knows how to reach it."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
from django.utils import timezone

from delivery import carriers
from delivery.backoff import parse_retry_after
from delivery.carriers import (
    Delivered,
    DeliveryDraft,
    Occurrence,
    Outcome,
    Parcel,
    Refused,
    Temporary,
    Unknown,
)  # fmt: skip
from delivery.models import Delivery, Destination

TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"id": "r-1"}'
    after_s: float = 0
    cut_at: int | None = None
    """Close after so many bytes of the body."""
    is_silent: bool = False
    """Close without a word."""


@dataclass(frozen=True, slots=True)
class Received:
    path: str
    key: str
    body: Any


class Fake:
    """What was received, in order, and how it answers: `answer` is asked for each."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[Received], Answer] = lambda _received: Answer()
        self.url = ""

    def bodies(self) -> list[Any]:
        return [each.body for each in self.received]


@contextmanager
def running_fake() -> Iterator[Fake]:
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received = Received(self.path, self.headers.get("Idempotency-Key", ""), json.loads(body))
            fake.received.append(received)
            answer = fake.answer(received)
            time.sleep(answer.after_s)
            if answer.is_silent:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut_at])
            if answer.cut_at is not None:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None:
            pass  # a caller that was killed

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def unused_address() -> str:
    """Where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class FakeCarrier:
    """Posts a delivery's payload to the address that its destination is named by.

    A payload with `steps` makes a call for each of them.
    """

    def __init__(self, *, honours_keys: bool) -> None:
        self.honours_keys = honours_keys
        self._sessions = threading.local()

    def route(self, destination: Destination, occurrences: Sequence[Occurrence]) -> Iterable[DeliveryDraft]:
        for occurrence in occurrences:
            yield DeliveryDraft(
                because_of=occurrence,
                lane=f"persona:{occurrence.subject_id}",
                kind=occurrence.kind,
                payload={name: new for name, _old, new in occurrence.changes},
                merge=Delivery.Merge.COMBINE,
                fields=[name for name, _old, _new in occurrence.changes],
                persona_id=occurrence.subject_id,
            )

    def is_repeatable(self, delivery: Delivery) -> bool:
        return self.honours_keys

    def check(self, parcel: Parcel) -> Delivered | Refused | None:
        answers: dict[str, Delivered | Refused] = {
            "arrived": Delivered("found-1"),
            "missing": Refused("not_there", "It is not there."),
        }
        return answers.get(parcel.delivery.payload.get("check", ""))

    def carry(self, parcel: Parcel) -> Outcome:
        payload = parcel.delivery.payload
        if "fault" in payload:
            raise ZeroDivisionError
        parcel.hide("hidden-credential")
        outcome: Outcome = Delivered()
        for step in payload.get("steps", [""]):
            if step in parcel.steps:
                continue
            outcome = self._post(parcel, step)
            if not isinstance(outcome, Delivered):
                return outcome
            if step:
                parcel.finish_step(step, outcome.remote_id)
        return outcome

    def _post(self, parcel: Parcel, step: str) -> Outcome:
        session = getattr(self._sessions, "session", None) or requests.Session()
        self._sessions.session = session
        url = f"{parcel.destination.name}/{step}"
        body = json.dumps({"id": parcel.delivery.pk, "lane": parcel.delivery.lane, **parcel.delivery.payload})
        headers = {"Idempotency-Key": parcel.idempotency_key, "Authorization": "Bearer hidden-credential"}
        try:
            with parcel.call(method="POST", url=url, headers=headers, body=body, step=step) as call:
                answer = session.post(url, data=body, headers=headers, timeout=TIMEOUT_S)
                call.answered(status=answer.status_code, headers=answer.headers, body=answer.content)
        except requests.ConnectTimeout:
            return Temporary("no_connection", "It does not answer.")
        except requests.ConnectionError as error:
            if "refused" in str(error):
                return Temporary("connection_refused", "Nothing listens there.")
            return Unknown("connection_broken", "The connection broke.")
        except requests.RequestException:
            return Unknown("no_answer", "No complete answer came.")
        return _meaning(answer)


def _meaning(answer: requests.Response) -> Outcome:
    if answer.status_code == 429 or answer.status_code >= 500:
        wait = parse_retry_after(answer.headers.get("Retry-After"), now=timezone.now())
        return Temporary(f"http_{answer.status_code}", f"It answered {answer.status_code}.", wait)
    if answer.status_code >= 400:
        return Refused(f"http_{answer.status_code}", f"It answered {answer.status_code}.")
    try:
        return Delivered(str(answer.json()["id"]))
    except (ValueError, KeyError):
        return Unknown("nonsense", "It answered something else than a record.")


def register_fakes() -> None:
    """Destinations of the kinds `keyed` (honours idempotency keys) and `plain` (does not) can be reached."""
    carriers.register("keyed", FakeCarrier(honours_keys=True))
    carriers.register("plain", FakeCarrier(honours_keys=False))
