"""Testing a connection against an address where something else answers, and moving it to another one."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from accounts.models import User, Workspace
from delivery.models import Delivery, Destination
from messaging.models import Topic
from platforms.connections import (
    ConnectionDraft,
    add_connection,
    change_connection,
    switch_connection,
    try_connection,
)
from platforms.encryption import seal, unseal
from platforms.models import Connection, Conversation, Link, SentMessage
from platforms.progress import remember_sent
from platforms.sending_all import Action, send_one
from tests.console.conftest import make_message, make_persona


class _Website(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<html>Welcome</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def website(settings: Any) -> Iterator[str]:
    """The address of a server that answers every call with a page for people."""
    server = HTTPServer(("127.0.0.1", 0), _Website)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    settings.ALLOWED_PRIVATE_ADDRESSES = [urlsplit(url).netloc]
    yield url
    server.shutdown()
    server.server_close()


@pytest.mark.django_db
@pytest.mark.parametrize("platform", ["raven", "chative", "bevatel"])
def test_page_for_people_is_not_taken_for_the_platform(workspace: Workspace, website: str, platform: str) -> None:
    settings = {"account_id": "7", "inbox_id": "3"} if platform == "bevatel" else {}
    draft = ConnectionDraft(platform, "Shop", website, "hush-hush", settings=settings, carries=frozenset({"personas"}))
    connection = add_connection(workspace=workspace, draft=draft)

    try_connection(connection=connection)

    connection.refresh_from_db()
    assert "documented JSON" in connection.test_problem
    assert "lacks" not in connection.test_problem


def at(address: str) -> ConnectionDraft:
    return ConnectionDraft("raven", "Shop", address, "hush-hush-hush", carries=frozenset({"personas", "messages"}))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "is_known"),
    [
        ("https://raven.example.org/raven", True),
        ("https://Raven.example.org/raven/", True),
        ("https://other.example.org/raven", False),
        ("https://raven.example.org/other/raven", False),
    ],
)
def test_at_another_address_nobody_is_known_and_nothing_has_begun(
    workspace: Workspace, support_user: User, address: str, is_known: bool
) -> None:
    """A record's number is somebody else's there."""
    connection = add_connection(workspace=workspace, draft=at("https://raven.example.org/raven"))
    rina = make_persona(workspace, "Rina", "+6281200000101")
    Link.objects.create(connection=connection, persona_id=rina.pk, remote_id="17")
    topic = Topic.objects.create(workspace=workspace, type="persona", name="Order", persona=rina)
    sent = make_message(topic, rina, support_user).recipients.first()
    assert sent is not None
    remember_sent(connection, recipient_id=sent.pk, message_id="43", conversation_id="5")
    send_one(connection=connection, action=Action.EVERYBODY, subject_id=rina.pk, by="Ayu", at=timezone.now())
    Delivery.objects.update(steps={"contact": "17"})

    change_connection(connection=connection, draft=at(address))

    known = [model.objects.exists() for model in (Link, Conversation, SentMessage)]
    assert known == [is_known] * 3
    assert Delivery.objects.get().steps == ({"contact": "17"} if is_known else {})
    assert (Connection.objects.get().moved_at is None) == is_known


@pytest.mark.django_db
def test_saving_takes_back_nothing_that_happened_since_the_page_was_opened(workspace: Workspace) -> None:
    opened = add_connection(workspace=workspace, draft=at("https://one.example.org"))
    switch_connection(connection=opened, on=False)
    Destination.objects.filter(pk=opened.destination_id).update(last_problem="It is full.", consecutive_failures=3)
    Connection.objects.filter(pk=opened.pk).update(sealed_credential=seal("newer"), test_problem="Nobody answers.")

    change_connection(connection=opened, draft=replace(at("https://one.example.org"), name="Other", credential=None))

    stored = Connection.objects.select_related("destination").get()
    destination = stored.destination
    assert (destination.name, destination.is_on) == ("Other", False)
    assert (destination.last_problem, destination.consecutive_failures) == ("It is full.", 3)
    assert (unseal(stored.sealed_credential), stored.test_problem) == ("newer", "Nobody answers.")
