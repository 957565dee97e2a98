"""A receiver over real HTTP, and what happens in the workspace."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from delivery.models import Delivery
from messaging.models import Message
from messaging.services import TopicDraft, receive_message
from personas.history import Cause
from personas.models import Origin, Persona
from platforms.callbacks.services import save_callbacks
from tests.platforms.connecting import add_rina
from tokens.models import Callback, Token
from tokens.services import COMMAND_LINE


@dataclass
class Receiver:
    url: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[dict[str, str], str]] = field(default_factory=list)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found.calls.append((dict(self.headers), body))
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"okay")

        def log_message(self, *args: Any) -> None:
            """Nothing is printed."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
    settings.ALLOWED_PRIVATE_ADDRESSES = [f"127.0.0.1:{server.server_port}"]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join(10)


@dataclass
class Subscribed:
    callback: Callback
    secret: str

    def fresh(self) -> Callback:
        return Callback.objects.select_related("token", "destination").get(pk=self.callback.pk)

    @property
    def deliveries(self) -> list[Delivery]:
        return list(Delivery.objects.filter(destination=self.callback.destination_id).order_by("id"))


@pytest.fixture
def subscribe(token: Token, receiver: Receiver) -> Callable[[str], Subscribed]:
    """A callback of `token` for one event, at the receiver."""

    def made(event: str) -> Subscribed:
        saved = save_callbacks(token=token, urls={event: receiver.url}, by=COMMAND_LINE, at=timezone.now())
        return Subscribed(token.callbacks.select_related("destination").get(event=event), saved.secret or "")

    return made


@pytest.fixture
def rina(workspace: Workspace) -> Persona:
    return add_rina(workspace)


def receive(workspace: Workspace, persona: Persona, text: str = "Is it ready?") -> Message:
    return receive_message(
        workspace_id=workspace.pk,
        persona=persona,
        topic=TopicDraft("persona", "Order 17"),
        anchor_id=None,
        text=text,
        check_may_add_topic=lambda: None,
        cause=Cause(origin=Origin.TOKEN, actor_label="Shop backend", at=timezone.now()),
    )
