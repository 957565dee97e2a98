"""Our client through a proxy that knows Chatwoot's published document: every request, and every answer of our server.

What the document and Chatwoot's own source say differently is named here, with which of the two we follow.
"""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from accounts.models import User, Workspace
from delivery.carriers import Delivered
from messaging.models import Template
from personas.matching import ContactDraft
from personas.models import AttributeDefinition
from personas.services import PersonaDraft, update_persona
from platforms.carrying import PlatformCarrier
from platforms.connections import try_connection
from platforms.drift import compare
from platforms.models import Connection
from platforms.registry import platform_of
from tests.platforms.bevatel.published import component, differences, names, operation, operations
from tests.platforms.connecting import BY_TEST, Remote, add_rina, bring_in, carry, connect, send_to, waiting

pytestmark = pytest.mark.django_db(transaction=True)
WHATSAPP = ContactDraft("whatsapp", "+6281200000101")
_ACCOUNT = re.compile(r"/bevatel/api/v1/accounts/\d+/(?P<path>.*)")
_DEVELOPER = "/bevatel/developer/api/v1/"
"""Bevatel's own, of which there is no document to validate by: see test_developer.py."""
_AS_THE_SOURCE = {"POST contacts": None, "PUT contacts/{id}": "contact_show_response"}
"""Answers that Chatwoot's source, and every published client, have otherwise (test_published.py)."""
_TIMEOUT_S = 30


@dataclass
class Seen:
    """What went through."""

    operations: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@pytest.fixture
def proxy(server: str, settings: Any) -> Iterator[tuple[str, Seen]]:
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            own = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
            answer = requests.request(self.command, f"{server}{self.path}", data=body, headers=own, timeout=_TIMEOUT_S)
            if not self.path.startswith(_DEVELOPER):
                _validate(seen, self.command, self.path, dict(self.headers), body, answer)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = _pass_on  # noqa: N815 - so called by the library

        def log_message(self, *_: Any) -> None:
            """Not into the tests' output."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    address = f"127.0.0.1:{listening.server_port}"
    settings.ALLOWED_PRIVATE_ADDRESSES = [*settings.ALLOWED_PRIVATE_ADDRESSES, address]
    yield f"http://{address}", seen
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def connection(workspace: Workspace, remote: Remote, proxy: tuple[str, Seen]) -> Connection:
    for of in (workspace, remote.workspace):
        AttributeDefinition.objects.create(workspace=of, key="city", label="City")
    return connect(workspace, remote, proxy[0], "bevatel")


def test_every_call_of_our_client_and_every_answer_is_as_published(
    connection: Connection, workspace: Workspace, remote: Remote, support_user: User, proxy: tuple[str, Seen]
) -> None:
    _url, seen = proxy
    assert try_connection(connection=connection).trouble is None
    bring_in(connection)
    rina = add_rina(workspace, attributes={"city": "Bandung"})
    assert isinstance(carry(waiting(connection)[0])[0], Delivered)
    update_persona(
        workspace=workspace, persona_id=rina.pk, cause=BY_TEST,
        draft=PersonaDraft(name="Rina H.", attributes={"city": None}),
        changed_contacts={rina.contacts.get(type="email").pk: None},
    )  # fmt: skip
    assert isinstance(carry(waiting(connection)[1])[0], Delivered)
    assert compare(connection=connection, persona_id=rina.pk, at=BY_TEST.at).is_same
    for text in ("Your order is ready.", "And paid."):
        outcome, parcel = carry(send_to(connection, text, sender=support_user, to=WHATSAPP))
        assert isinstance(outcome, Delivered)
    assert isinstance(PlatformCarrier(platform_of("bevatel")).check(parcel), Delivered)
    Template.objects.create(workspace=remote.workspace, name="ready", language="en", body="Hello {{1}}!")
    template = {"template": {"name": "ready", "language": "en", "parameters": ["Rina"]}}
    assert isinstance(
        carry(send_to(connection, "Hello!", sender=support_user, to=WHATSAPP, data=template))[0], Delivered
    )

    assert seen.problems == []
    assert set(seen.operations) == {
        "GET inboxes", "GET contacts", "GET contacts/search", "POST contacts", "PUT contacts/{id}", "GET contacts/{id}",
        "GET contacts/{id}/conversations", "POST contacts/{id}/contact_inboxes", "POST conversations",
        "GET conversations/{conversation_id}/messages", "POST conversations/{conversation_id}/messages",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("GET", "contact", None, "GET contact is not published"),
        ("GET", "contacts?pages=2", None, "pages is no parameter"),
        ("POST", "contacts", {"inbox_id": "1", "name": 7}, "$.name is 7, not string"),
        ("POST", "contacts", {"inbox_id": 1, "full_name": "Rina"}, "full_name is no member"),
    ],
)
def test_proxy_finds_what_is_not_as_published(
    proxy: tuple[str, Seen], remote: Remote, method: str, path: str, body: Any, problem: str
) -> None:
    url, seen = proxy
    address = f"{url}/bevatel/api/v1/accounts/{remote.workspace.account_number}/{path}"

    requests.request(method, address, json=body, headers={"api_access_token": remote.secret}, timeout=_TIMEOUT_S)

    assert any(problem in found for found in seen.problems)


def _validate(
    seen: Seen, method: str, target: str, headers: dict[str, str], body: bytes, answer: requests.Response
) -> None:
    parts = urlsplit(target)
    found = _ACCOUNT.fullmatch(parts.path)
    name = _operation_of(method, found["path"]) if found else None
    if name is None:
        seen.problems.append(f"{method} {found['path'] if found else target} is not published")
        return
    seen.operations.append(name)
    published = operation(name)
    problems = [f"{key} is no parameter" for key in parse_qs(parts.query) if key not in published.get("query", ())]
    if "api_access_token" not in {header.lower() for header in headers}:
        problems.append("api_access_token is missing")
    if body:
        given = json.loads(body)
        problems += [f"{key} is no member" for key in given.keys() - names(published["body"])]
        problems += differences(given, published["body"])
    schema = published["answer"]
    if name in _AS_THE_SOURCE:
        instead = _AS_THE_SOURCE[name]
        schema = component(instead) if instead else None
    if answer.ok and schema is not None:
        problems += differences(answer.json(), schema)
    elif answer.ok:
        problems += differences(answer.json()["payload"]["contact"], component("contact_list_item"))
    seen.problems += [f"{name}: {problem}" for problem in problems]


def _operation_of(method: str, path: str) -> str | None:
    """A path without parameters comes before one with, as `contacts/search` before `contacts/{id}`."""
    for name in sorted(operations(), key=lambda name: name.count("{")):
        pattern = re.sub(r"\{\w+\}", r"\\d+", name.partition(" ")[2])
        if name.startswith(f"{method} ") and re.fullmatch(pattern, path):
            return name
    return None
