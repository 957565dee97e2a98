"""Whatever a program sends: a clear refusal in the dialect's shape, and nothing half saved."""

from typing import Any

import msgspec
import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messaging.models import Message, Topic
from personas.models import Contact, Persona
from platforms.bevatel.server import wire
from platforms.models import ContactSession
from tests.platforms.bevatel.conftest import Api

pytestmark = pytest.mark.django_db

_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20)
    | st.sampled_from(["", "open", "incoming", "+6281200000101", "rina@example.org", "1001"])
    | st.sampled_from(["a\u0000b", "\ud7ff\U0010ffff", "\x1b[0m", "\u202e"])
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
_BODIES: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "contacts": ("POST", wire.ContactCreate),
    "contacts/{contact}": ("PUT", wire.ContactUpdate),
    "contacts/{contact}/contact_inboxes": ("POST", wire.ContactInboxCreate),
    "conversations": ("POST", wire.ConversationCreate),
    "conversations/{conversation}/toggle_status": ("POST", wire.ToggleStatus),
    "conversations/{conversation}/messages": ("POST", wire.MessageCreate),
    "messages": ("POST", wire.TemplateMessage),
}


def _kept() -> list[int]:
    return [model.objects.count() for model in (Persona, Contact, ContactSession, Topic, Message)]


@pytest.mark.parametrize("path", _BODIES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_body_breaks_anything(
    api: Api, developer: Api, contact: dict[str, Any], conversation: int, sender: Any, path: str, data: st.DataObject
) -> None:
    method, shape = _BODIES[path]
    names = [f.encode_name for f in msgspec.structs.fields(shape)]
    body = data.draw(st.dictionaries(st.sampled_from([*names, "colour"]), _VALUES, max_size=4) | _VALUES)
    before = _kept()

    calling = developer if path == "messages" else api
    answer = calling(method, path.format(contact=contact["contact"]["id"], conversation=conversation), body)

    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        assert {"error", "errors", "message"} & set(answer.json())
        assert _kept() == before


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b" ", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"name": "R', "application/json", 400),
        (b'{"name": "\xff"}', "application/json", 400),
        (b'{"name": "\\ud800"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"additional_attributes": ' + b'{"a":' * 50_000, "application/json", 400),
        (b'{"name": "a", "name": "b"}', "application/json", 422),
        (b'{"inbox_id": 1e400}', "application/json", 422),
        (b'{"inbox_id": ' + b"9" * 5000 + b"}", "application/json", 422),
        (b'{"inbox_id": NaN}', "application/json", 400),
        (b'{"name": "' + b"x" * 300_000 + b'"}', "application/json", 413),
        (b"name=Rina", "application/x-www-form-urlencoded", 415),
        (b"<name/>", "text/xml", 415),
        (b'{"name": "Rina"}', "application/json; charset=latin-1", 415),
    ],
)
def test_what_is_no_json_is_refused(
    client: Client, secret: str, account: int, body: bytes, content_type: str, status: int
) -> None:
    answer = client.generic(
        "POST", f"/bevatel/api/v1/accounts/{account}/contacts", body, content_type=content_type,
        headers={"api_access_token": secret},
    )  # fmt: skip

    assert answer.status_code == status
    assert {"error", "message"} & set(answer.json())
    assert not Persona.objects.exists()


def test_a_token_in_a_body_is_refused(api: Api, secret: str) -> None:
    answer = api("POST", "contacts", {"name": secret})

    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert not Persona.objects.exists()
