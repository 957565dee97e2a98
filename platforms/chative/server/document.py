"""Chative's API, for its OpenAPI document."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from platforms.chative.server import wire
from platforms.chative.server.dialect import ChativeDialect
from platforms.chative.server.endpoints import ENDPOINTS
from platforms.chative.server.mapping import uuid_of
from platforms.docs.document import Document, Schema

_DESCRIPTION = """
    Chative's contacts, kept by this server: a program written for Chative only changes its base address and its key.

    Show a token of the console as the API key: `Authorization: Bearer rvn_…`. A key that is switched off is an invalid
    token, as at the vendor. Each contact is one of the workspace's personas.

    A refusal says in `message` what the vendor publishes for it, in `code` what happened, in `errors` where and what to
    do, and in `request_id` which call it was.
"""
_REFUSAL: Schema = {
    "title": "Refusal",
    "type": "object",
    "required": ["code", "message", "request_id", "errors"],
    "additionalProperties": False,
    "properties": {
        "code": {"type": "string", "description": "What happened; it never changes."},
        "message": {"type": "string", "description": "The published text where there is one."},
        "request_id": {"type": "string", "description": "Also in the header X-Request-Id."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "additionalProperties": False,
                "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_MADE = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
_CONTACT = wire.Contact(
    id=uuid_of(17), first_name="Peter", last_name="Parker", email="peter@example.org", gender="male",
    birthday=997488000, phone="+6281200000101", custom_fields={"city": "Bandung"},
    channels=[
        wire.Channel(type="whatsapp", name="Main contact", key="0812-0000-0101", normalized="+6281200000101")
    ],
    version=4, created_at=_MADE, updated_at=_MADE,
)  # fmt: skip
_EXAMPLES: dict[Any, Any] = {
    wire.ContactUpdate: {
        "firstName": "Peter",
        "lastName": "Parker",
        "email": "peter@example.org",
        "gender": "male",
        "birthday": 997488000,
        "phone": "+6281200000101",
        "customFields": {"city": "Bandung", "customer_since": "2023-05-02T00:00:00+00:00"},
    },
    wire.Contact: _CONTACT,
    wire.ContactList: wire.ContactList([_CONTACT], page=0, limit=50, has_more=False),
    wire.ContactDeleted: wire.ContactDeleted(id=uuid_of(17)),
}

_NOTHING: Schema = {"anyOf": [{"type": "null"}, {"type": "string", "pattern": r"^\s*$(?!\n)"}]}
_SCHEMAS: dict[str, Schema] = {
    "ContactUpdate": {
        "description": "What is left out stays as it is; null and empty text clear. One of the two names stays.",
        "not": {
            "required": ["firstName", "lastName"],
            "properties": {"firstName": _NOTHING, "lastName": _NOTHING},
        },
    },
}

DOCUMENT = Document(
    name="chative",
    title="Chative API",
    description=_DESCRIPTION,
    prefix="/chative/v1.0/",
    dialect=ChativeDialect(),
    endpoints=ENDPOINTS,
    security={"key": {"type": "http", "scheme": "bearer", "description": "A token of the console, as the API key."}},
    refusal=_REFUSAL,
    examples={type: msgspec.to_builtins(example) for type, example in _EXAMPLES.items()},
    schemas=_SCHEMAS,
    parameters={"contact_id": {"type": "string", "format": "uuid", "examples": [uuid_of(17)]}},
    versioned=frozenset({wire.Contact}),
)
