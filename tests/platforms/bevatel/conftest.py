"""A program that calls Bevatel's API with a token of the demo workspace."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.models import User, Workspace
from messaging.models import Template
from personas.models import AttributeDefinition, AttributeType
from tokens.models import Token

Api = Callable[..., Any]


@pytest.fixture
def account(workspace: Workspace) -> int:
    """The account number, which is the inbox's id too."""
    return workspace.account_number


@pytest.fixture
def sender(token: Token, support_user: User) -> User:
    """The token's User Aliases: outgoing messages are sent as this user."""
    Token.objects.filter(pk=token.pk).update(user_alias=support_user)
    return support_user


@pytest.fixture
def definitions(workspace: Workspace) -> list[AttributeDefinition]:
    """What the workspace knows about its people."""
    types = {"type": AttributeType.TEXT, "age": AttributeType.NUMBER, "vip": AttributeType.BOOLEAN}
    return [
        AttributeDefinition.objects.create(workspace=workspace, key=key, label=key, type=types[key]) for key in types
    ]


@pytest.fixture
def template(workspace: Workspace) -> Template:
    return Template.objects.create(
        workspace=workspace, name="order_ready", language="en", body="Hello {{1}}, order {{2}} is ready."
    )


@pytest.fixture
def api(client: Client, secret: str, account: int) -> Api:
    """Calls the account API: `api("POST", "contacts", {…})`."""

    def calling(method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> HttpResponse:
        headers = {"api_access_token": secret} if headers is None else headers
        return client.generic(  # type: ignore[return-value]
            method,
            f"/bevatel/api/v1/accounts/{account}/{path}",
            b"" if body is None else json.dumps(body),
            content_type="application/json",
            headers=headers,
        )

    return calling


@pytest.fixture
def developer(client: Client, secret: str, account: int) -> Api:
    """Calls the developer API: `developer("POST", "contacts", {…})`."""

    def calling(method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> HttpResponse:
        headers = {"api_access_token": secret, "api_account_id": str(account)} if headers is None else headers
        return client.generic(  # type: ignore[return-value]
            method,
            f"/bevatel/developer/api/v1/{path}",
            b"" if body is None else json.dumps(body),
            content_type="application/json",
            headers=headers,
        )

    return calling


@pytest.fixture
def contact(api: Api, account: int) -> dict[str, Any]:
    """A contact with a session, as the answer shows them."""
    body = {"inbox_id": account, "name": "Rina", "email": "rina@example.org", "phone_number": "+6281200000101"}
    created: dict[str, Any] = api("POST", "contacts", body).json()["payload"]
    return created


@pytest.fixture
def conversation(api: Api, contact: dict[str, Any]) -> int:
    """The id of a conversation with `contact`."""
    number: int = api("POST", "conversations", {"source_id": contact["contact_inbox"]["source_id"]}).json()["id"]
    return number
