"""A workspace with something on every page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User, Workspace
from messaging.models import Message, Recipient, Topic
from personas.models import Contact, Persona
from tokens.models import RequestLogEntry, Token

REQUEST_ID = "req_" + "a" * 26


@pytest.fixture
def persona(workspace: Workspace) -> Persona:
    return make_persona(workspace, "Rina Hartono", "+6281200000101")


@pytest.fixture
def topic(workspace: Workspace) -> Topic:
    return Topic.objects.create(workspace=workspace, type="mass", name="Announcements")


@pytest.fixture
def message(topic: Topic, persona: Persona, support_user: User) -> Message:
    return make_message(topic, persona, support_user)


@pytest.fixture
def call(token: Token) -> RequestLogEntry:
    return make_call(token.workspace, token=token)


def make_persona(workspace: Workspace, name: str, number: str) -> Persona:
    persona = Persona.objects.create(workspace=workspace, name=name)
    Contact.objects.create(workspace=workspace, persona=persona, type="whatsapp", key=number, normalized=number)
    return persona


def make_message(topic: Topic, persona: Persona, sender: User, text: str = "Your order is on its way.") -> Message:
    message = Message.objects.create(
        workspace=topic.workspace,
        topic=topic,
        direction="outgoing",
        sender_user=sender,
        sender_name=sender.username,
        text=text,
        request_id=REQUEST_ID,
        created_at=datetime(2026, 11, 21, 9, tzinfo=UTC),
    )
    contact = Contact.objects.get(persona=persona)
    Recipient.objects.create(message=message, persona=persona, contact=contact)
    return message


def make_call(
    workspace: Workspace | None, *, token: Token | None, request_id: str = REQUEST_ID, **changes: Any
) -> RequestLogEntry:
    values: dict[str, Any] = {
        "request_id": request_id,
        "received_at": datetime.now(UTC) - timedelta(minutes=5),
        "workspace": workspace,
        "token": token,
        "ability": "message_send",
        "method": "POST",
        "path": "/raven/xapi/v1/message:send",
        "status": 401,
        "code": "token_expired",
        "duration_ms": 3.25,
        "address": "203.0.113.7",
        "request_body": '{"text": "Hello"}',
        "response_body": '{"message": "Unauthorized"}',
    }
    entry: RequestLogEntry = RequestLogEntry.objects.create(**(values | changes))
    return entry
