"""A program written for Chative that calls us with a token of the demo workspace."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import Workspace
from personas.models import AttributeDefinition, Contact, Persona
from platforms.chative.server.mapping import uuid_of

BASE = "/chative/v1.0/"

Api = Callable[..., Any]


@pytest.fixture
def peter(workspace: Workspace) -> Persona:
    """The contact of the vendor's examples."""
    persona = Persona.objects.create(workspace=workspace, name="Peter Parker", gender="male")
    for type, key in [("phone", "+628123456789"), ("email", "user@example.com"), ("whatsapp", "+628123456789")]:
        Contact.objects.create(workspace=workspace, persona=persona, type=type, key=key, normalized=key, label="Main")
    return persona


@pytest.fixture
def fields(workspace: Workspace) -> None:
    """A custom field of each type."""
    for type in ("text", "number", "boolean", "date"):
        AttributeDefinition.objects.create(workspace=workspace, key=f"a_{type}", label=type, type=type)


@pytest.fixture
def call(client: Client, secret: str) -> Api:
    """Calls an endpoint: `call("GET", "contacts")`, `call("PATCH", persona, {"firstName": "Peter"})`."""

    def calling(
        method: str, where: str | Persona, body: Any = None, *, token: str | None = None, **headers: str
    ) -> Any:
        path = f"contacts/{uuid_of(where.pk)}" if isinstance(where, Persona) else where
        headers = {"Authorization": f"Bearer {token or secret}"} | headers
        if body is None:
            return client.generic(method, BASE + path, headers=headers)
        send = {"PATCH": client.patch, "POST": client.post, "PUT": client.put}[method]
        return send(BASE + path, data=body, content_type="application/json", headers=headers)

    return calling
