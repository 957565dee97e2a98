"""A program that calls Raven's API with a token of the demo workspace."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from tokens.abilities import ABILITY_KEYS

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
    """Calls an operation: `call("message:send", body)` posts JSON, `call("token:self")` gets; or with a `method`."""

    def calling(operation: str, body: Any = None, *, token: str | None = None, method: str = "", **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {token or secret}"} | headers
        if body is None:
            return client.generic(method or "GET", BASE + operation, headers=headers)
        headers = {"Content-Type": "application/json"} | headers
        raw = body if isinstance(body, bytes) else json.dumps(body)
        return client.generic(method or "POST", BASE + operation, raw, headers=headers)

    return calling


@pytest.fixture
def derive(call: Api) -> Callable[..., str]:
    """Mints a temporary token: `derive(persona=5)`; it has all abilities unless some are named."""

    def deriving(**bounds: Any) -> str:
        body = {"ability": sorted(ABILITY_KEYS)} | bounds
        secret: str = call("token:derive", body).json()["data"]["secret"]
        return secret

    return deriving


def refused(answer: Any) -> tuple[int, str, str]:
    """Status, code and path of a refusal, whose body has all that a refusal has."""
    said = answer.json()
    assert set(said) == {"data", "notification", "code", "request_id", "errors"}
    assert (said["data"], said["request_id"]) == (None, answer["X-Request-Id"])
    return answer.status_code, said["code"], said["errors"][0]["path"]
