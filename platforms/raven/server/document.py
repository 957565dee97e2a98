"""Raven's API, for its OpenAPI document: its bodies around the data, and what its wire types can't say themselves."""

from typing import Any

import msgspec

from messaging.models import TopicType
from messaging.topics import MAX_RECIPIENTS
from platforms import schemas
from platforms.docs.document import Document, Schema
from platforms.raven.server import examples, wire
from platforms.raven.server.dialect import RavenDialect
from platforms.raven.server.endpoints import ENDPOINTS
from tokens.endpoints import Endpoint

_DESCRIPTION = """
    Send messages and manage the people they go to, with a token of your workspace.

    Show the token in each call: `Authorization: Bearer rvn_…`. Keep it on your server; a front end gets a temporary
    token (`token:derive`) that lives an hour at most and may no more than yours.

    `message:send`, its texts and statuses are as Raven publishes them. The other operations are ours, in the same
    style: reads are plain resources, actions are `resource:verb`, and members are named in the singular.

    A success is `{"data": …, "notification": "…"}`; a list has `next` beside them, the cursor of its next page. A
    refusal has the same two members, `data` being null, and says in `code` what happened (it never changes, so programs
    may rely on it), in `errors` where and what to do, and in `request_id` which call it was.
"""
_ONE_RECIPIENT_UNLESS_MASS = [
    {"properties": {"recipient": {"maxItems": 1}}},
    {"properties": {"topic": {"properties": {"type": {"const": TopicType.MASS.value}}}}},
]
_SENT: Schema = {
    "required": ["recipient"],
    "properties": {"recipient": {"minItems": 1, "maxItems": MAX_RECIPIENTS}},
    "anyOf": _ONE_RECIPIENT_UNLESS_MASS,
}
_SCHEMAS: dict[str, Schema] = {
    "Contact": {
        "properties": {"key": {"pattern": None}},
        "anyOf": schemas.contact_kinds(type="type", key="key"),
    },
    "Recipient": {"required": ["contact"], "properties": {"contact": {"minItems": 1}}},
    "Topic": {"required": ["name", "type"]},
    "MessageSend": {**_SENT, "required": ["message", "recipient"]},
    "TemplateSend": {**_SENT, "required": ["template", "recipient"]},
    "TopicAdd": {
        "anyOf": [
            {"properties": {"type": {"const": TopicType.MASS.value}, "recipient": {"maxItems": 0}}},
            {
                "properties": {
                    "type": {"enum": [TopicType.PERSONA.value, TopicType.GROUP.value]},
                    "recipient": {"minItems": 1, "maxItems": 1},
                },
                "required": ["recipient"],
            },
        ]
    },
    "TimeZone": {"description": "A name of the IANA database.", "type": "string", "enum": schemas.time_zones()},
    "Network": {
        "description": "An address, or a network in CIDR notation.",
        "anyOf": [{"pattern": schemas.IPV4_NETWORK}, {"pattern": schemas.IPV6_NETWORK}],
        "type": "string",
    },
}
_REFUSAL: Schema = {
    "title": "Refusal",
    "type": "object",
    "required": ["data", "notification", "code", "request_id", "errors"],
    "additionalProperties": False,
    "properties": {
        "data": {"type": "null"},
        "notification": {"type": "string", "description": "The published message where there is one."},
        "code": {"type": "string", "description": "What happened; it never changes."},
        "request_id": {"type": "string", "description": "Also in the header X-Request-Id."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "additionalProperties": False,
                "properties": {
                    "path": {"type": "string", "description": "Where, as `recipient[1].contact[0].type`."},
                    "message": {"type": "string", "description": "What to do."},
                },
            },
        },
    },
}


def _wrap_schema(endpoint: Endpoint, data: Schema) -> Schema:
    members: dict[str, Schema] = {"data": data, "notification": {"type": "string"}}
    if endpoint.is_list:
        members["next"] = {"type": ["string", "null"], "description": "The cursor of the next page; null: none."}
    return {"type": "object", "required": list(members), "additionalProperties": False, "properties": members}


def _wrap_example(endpoint: Endpoint, data: Any) -> Any:
    body = {"data": data, "notification": examples.NOTIFICATIONS.get(endpoint.handle.__name__, "")}
    return body | {"next": None} if endpoint.is_list else body


def _links(member: str, parameter: str, *operations: str) -> dict[str, Schema]:
    """To operations on what was just made; those that change it name its version."""
    links: dict[str, Schema] = {}
    for operation in operations:
        values = {f"path.{parameter}": f"$response.body#/data/{member}"}
        if operation in _VERSIONED:
            values["header.If-Match"] = "$response.header.ETag"
        links[operation] = {"operationId": operation, "parameters": values}
    return links


_VERSIONED = {endpoint.handle.__name__ for endpoint in ENDPOINTS if endpoint.if_match}
_TOKEN_OPERATIONS = ("token_read", "token_configure", "token_rotate", "token_revoke", "token_delete")

DOCUMENT = Document(
    name="raven",
    title="Raven API",
    description=_DESCRIPTION,
    prefix="/raven/xapi/v1/",
    dialect=RavenDialect(),
    endpoints=ENDPOINTS,
    security={
        "token": {"type": "http", "scheme": "bearer", "description": "A token of the console, as `rvn_…` or `rvt_…`."}
    },
    refusal=_REFUSAL,
    wrap_schema=_wrap_schema,
    wrap_example=_wrap_example,
    examples=examples.BODIES | {type: msgspec.to_builtins(value) for type, value in examples.DATA.items()},
    schemas=_SCHEMAS,
    parameters={"token_id": {"type": "string", "pattern": "^[A-Za-z0-9]{12}$", "examples": ["k3v9q2m7x4b6"]}},
    versioned=frozenset({wire.PersonaData, wire.LocationData, wire.TokenData, wire.TokenSecretData}),
    links={
        "persona_add": _links("id", "persona_id", "persona_read", "persona_delete"),
        "location_add": _links("id", "location_id", "location_read", "location_update"),
        "topic_add": _links("id", "topic_id", "topic_messages"),
        "token_issue": _links("token/id", "token_id", *_TOKEN_OPERATIONS),
    },
)
