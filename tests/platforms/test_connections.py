"""Testing a connection against an address where something else answers."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from accounts.models import Workspace
from platforms.connections import ConnectionDraft, add_connection, try_connection


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
