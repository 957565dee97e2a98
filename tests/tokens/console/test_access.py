"""Who may see and do what, address by address."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Workspace
from tokens.configuration import Configuration
from tokens.models import RequestLogEntry, Token
from tokens.services import COMMAND_LINE, IssuedToken, issue_token

Url = Callable[..., str]
READABLE = ("change", "permissions", "callbacks", "log", "usage", "impact", "rehearsal_now", "history")
WRITABLE = ("disable", "enable", "revoke", "delete", "rotate", "trim")
SENDABLE = ("grant", "undo", "rehearse", "end_rehearsal")
"""Only by POST."""


@pytest.fixture
def theirs(other_workspace: Workspace) -> IssuedToken:
    return issue_token(workspace=other_workspace, configuration=Configuration(name="Theirs"), by=COMMAND_LINE)


@pytest.mark.parametrize("client_name", ["support_client", "viewer_client"])
def test_readers_see_every_tab_and_can_change_nothing(
    request: pytest.FixtureRequest, client_name: str, url: Url, token: Token
) -> None:
    client: Client = request.getfixturevalue(client_name)

    for page in READABLE:
        shown = client.get(url(page, token))
        assert shown.status_code == 200
        assert ">Send</button>" not in shown.text
        assert "Actions" not in shown.text
    for page in ("change", "permissions", "callbacks", *WRITABLE, *SENDABLE):
        assert client.post(url(page, token), {"version": 1, "name": "Mine"}).status_code == 403
    for page in WRITABLE:
        assert client.get(url(page, token)).status_code == 403
    assert client.get(url("add")).status_code == 403
    assert client.post(url("add"), {"name": "Mine"}).status_code == 403
    assert Token.objects.get().version == 1


def test_readers_see_the_fields_but_cannot_type(viewer_client: Client, url: Url, token: Token) -> None:
    details = viewer_client.get(url("change", token)).text
    permissions = viewer_client.get(url("permissions", token)).text

    assert len(re.findall(r"<(?:input type=\"(?!hidden)|textarea)[^>]* disabled", details)) == 10
    assert len(re.findall(r"<input[^>]* disabled>", permissions)) == permissions.count('role="switch"') > 1


@pytest.mark.parametrize("client_name", ["admin_client", "support_client", "viewer_client"])
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("page", [*READABLE, *WRITABLE, *SENDABLE])
def test_token_of_another_workspace_does_not_exist(
    request: pytest.FixtureRequest, client_name: str, method: str, page: str, url: Url, theirs: IssuedToken
) -> None:
    client: Client = request.getfixturevalue(client_name)

    response = getattr(client, method)(url(page, theirs.token), {"version": 1, "name": "Mine"})

    assert response.status_code == 404
    assert Token.objects.get().version == 1


def test_search_reaches_no_other_workspace(admin_client: Client, url: Url, theirs: IssuedToken) -> None:
    entry = RequestLogEntry.objects.create(
        request_id="req_" + "0" * 26, received_at=theirs.token.created_at, workspace=theirs.token.workspace,
        token=theirs.token, method="GET", path="/", status=200, duration_ms=1, address="192.0.2.1",
    )  # fmt: skip

    for text in ("Theirs", theirs.token.public_id, theirs.secret.value, entry.request_id):
        response = admin_client.get(url("changelist"), {"q": text}, follow=True)
        assert response.request["PATH_INFO"] == url("changelist")
        assert url("change", theirs.token) not in response.text
    address = reverse("admin:tokens_requestlogentry_change", args=[entry.request_id])
    assert admin_client.get(address).status_code == 404


@pytest.mark.parametrize("object_id", ["0", "x", "1%00", "9" * 30, "-1", "1.5", "..", "x" * 3000])
@pytest.mark.parametrize("page", ["change", "permissions", "log", "usage", "history", "disable", "rotate", "delete"])
def test_token_that_does_not_exist_is_not_found(admin_client: Client, object_id: str, page: str) -> None:
    assert admin_client.get(f"/console/tokens/token/{object_id}/{page}/").status_code == 404


@pytest.mark.parametrize("page", ["changelist", "add", "download", "download_all"])
def test_nobody_signed_in_is_sent_to_sign_in(client: Client, url: Url, workspace: Workspace, page: str) -> None:
    assert client.get(url(page))["Location"].startswith("/console/login/")


def test_page_of_a_token_makes_its_workspace_the_current_one(
    superuser_client: Client, url: Url, token: Token, theirs: IssuedToken
) -> None:
    superuser_client.get(url("change", theirs.token))

    page = superuser_client.get(url("changelist")).text

    assert "Theirs" in page
    assert "Shop backend" not in page
