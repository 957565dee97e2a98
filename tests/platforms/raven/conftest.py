"""A program that calls Raven's API with a token of the demo workspace."""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.models import Membership, User, Workspace
from accounts.roles import Role

BASE = "/raven/xapi/v1/"

Api = Callable[..., Any]


@pytest.fixture
def sender(workspace: Workspace) -> User:
    """The user of the vendor's own example body."""
    user = User.objects.create_user("your_username")
    Membership.objects.create(workspace=workspace, user=user, role=Role.SUPPORT)
    return user


@pytest.fixture
def body(sender: User) -> dict[str, Any]:
    """The example body of the vendor's page "Add Message As-User"."""
    return {
        "username": "your_username",
        "topic": {"type": "persona", "name": "Test Message Bot"},
        "recipient": [
            {
                "name": "Ginalne Official",
                "contact": [{"type": "whatsapp", "name": "Main Contact", "key": "+6285174314159"}],
            }
        ],
        "message": "Hello! This is a message from Raven 🚀",
    }


@pytest.fixture
def call(client: Client, secret: str) -> Api:
    """Calls an operation: `call("message:send", body)` posts JSON, `call("token:self")` gets."""

    def calling(operation: str, body: Any = None, *, token: str | None = None, **headers: str) -> HttpResponse:
        headers = {"Authorization": f"Bearer {token or secret}"} | headers
        if body is None:
            return client.get(BASE + operation, headers=headers)  # type: ignore[return-value]
        return client.post(  # type: ignore[return-value]
            BASE + operation, data=body, content_type="application/json", headers=headers
        )

    return calling
