"""Signed-in clients, and short ways to the token pages."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User, Workspace
from messaging.models import Topic, TopicType
from tokens.models import RequestLogEntry, Token
from tokens.request_log import new_request_id


@pytest.fixture
def admin_client(admin_user: User) -> Client:
    return _client_of(admin_user)


@pytest.fixture
def support_client(support_user: User) -> Client:
    return _client_of(support_user)


@pytest.fixture
def viewer_client(viewer_user: User) -> Client:
    return _client_of(viewer_user)


@pytest.fixture
def superuser_client(db: None) -> Client:
    return _client_of(User.objects.create_superuser("root", password="correct horse battery"))


@pytest.fixture
def anchor(workspace: Workspace) -> Topic:
    return Topic.objects.create(workspace=workspace, type=TopicType.MASS, name="Announcements")


@pytest.fixture
def url() -> Callable[..., str]:
    """The address of a token page by the last part of its name, as `url("permissions", token)`."""

    def address(page: str, token: Token | None = None) -> str:
        return reverse(f"admin:tokens_token_{page}", args=[token.pk] if token else [])

    return address


@pytest.fixture
def details(token: Token) -> Callable[..., dict[str, Any]]:
    """What the form on the Details tab sends for `token`, with changes."""

    def sent(**changes: Any) -> dict[str, Any]:
        now = {"version": token.version, "zone": "Asia/Jakarta", "name": token.name, "is_on": "on"}
        return {name: value for name, value in (now | changes).items() if value is not None}

    return sent


@pytest.fixture
def call(workspace: Workspace, token: Token) -> Callable[..., RequestLogEntry]:
    """Writes a call of `token` into the log."""

    def written(**changes: Any) -> RequestLogEntry:
        fields: dict[str, Any] = {
            "request_id": new_request_id(),
            "received_at": datetime.now(UTC) - timedelta(minutes=1),
            "workspace": workspace,
            "token": token,
            "ability": "message_send",
            "method": "POST",
            "path": "/raven/xapi/v1/message:send",
            "status": 200,
            "duration_ms": 3.5,
            "address": "203.0.113.7",
            "agent": "curl/8.5",
            "request_body": '{"message":"Hello"}',
            "response_body": '{"data":1,"notification":"Chat Sent Successfully"}',
        }
        return RequestLogEntry.objects.create(**(fields | changes))

    return written


def _client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
