"""A dialect's OpenAPI 3.1 document, made from its endpoints, its wire types and its refusals: nothing is told twice.

What an endpoint says of itself (`tokens.endpoints.Endpoint`) becomes an operation; msgspec makes the schemas; every
refusal's status, body and headers are those that the dialect itself gives a sample of that error.
"""

import inspect
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec

from accounts.language import as_stored
from platforms.docs.document import Document, Schema
from platforms.docs.rules import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    REQUEST_ID,
    common_rules,
    header_components,
    headers_of,
    headers_of_refusal,
)
from platforms.docs.samples import sample_of
from platforms.schemas import ANY_TEXT
from raven_admin.errors import RavenError
from tokens.abilities import ABILITIES, Ability
from tokens.endpoints import STATUS_OF, Endpoint
from tokens.refusals import (
    AbilityMissing,
    BodyInvalid,
    BodyTooLarge,
    ChangedMeanwhile,
    EndpointUnknown,
    IdempotencyKeyInFlight,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    IfMatchInvalid,
    MediaTypeUnsupported,
    MethodNotAllowed,
    QueryInvalid,
    TokenInBody,
    Unauthorized,
)

_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")
_PATH_SCHEMAS: dict[str, Schema] = {
    "int": {"type": "integer", "minimum": 1, "maximum": 2**63 - 1, "examples": [17]},
    "slug": {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"},
    "str": {"type": "string", "minLength": 1, "pattern": "^[^/]+$"},
}


@cache
def document_of(document: Document) -> Schema:
    """The whole document but for `servers`; English in every language, as the answers it describes are."""
    with as_stored():
        return _Maker(document).made()


def operation_id(endpoint: Endpoint) -> str:
    """The name of its function; of the two methods that mean the same, PUT says so."""
    name: str = endpoint.handle.__name__
    return f"{name}_put" if endpoint.method == "PUT" else name


def path_of(endpoint: Endpoint) -> str:
    """`/persona/{persona_id}` of the route `persona/<int:persona_id>`."""
    return "/" + _PARAMETER.sub(r"{\2}", endpoint.path)


def refusals_of(endpoint: Endpoint) -> list[type[RavenError]]:
    """All that a call of the endpoint may be refused for: by the gateway, and by its own rules."""
    kinds: dict[type[RavenError], None] = {}
    for kind in [*STATUS_OF, *endpoint.refusals]:
        if kind in endpoint.refusals or _can_happen(kind, endpoint):
            kinds.update(dict.fromkeys(Unauthorized.__subclasses__() if kind is Unauthorized else [kind]))
    return list(kinds)


def _can_happen(kind: type[RavenError], endpoint: Endpoint) -> bool:
    writes = endpoint.method != "GET"
    conditions = {
        MethodNotAllowed: False,
        EndpointUnknown: "<" in endpoint.path,
        AbilityMissing: bool(endpoint.ability or endpoint.one_of),
        BodyTooLarge: endpoint.body is not None,
        MediaTypeUnsupported: endpoint.body is not None,
        BodyInvalid: endpoint.body is not None,
        TokenInBody: endpoint.body is not None,
        QueryInvalid: endpoint.query is not None,
        IfMatchInvalid: endpoint.if_match,
        IdempotencyKeyInvalid: writes,
        IdempotencyKeyReused: writes,
        IdempotencyKeyInFlight: writes,
        ChangedMeanwhile: writes,
    }
    return conditions.get(kind, True)


class _Maker:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.abilities = {ability.key: ability for ability in ABILITIES}
        endpoints = document.endpoints
        bodies = list(dict.fromkeys(e.body for e in endpoints if e.body is not None))
        data = list({repr(e.data): e.data for e in endpoints if e.data is not None}.values())
        body_refs, body_schemas = _schemas(bodies)
        data_refs, data_schemas = _schemas(data)
        self.body_refs = dict(zip(bodies, body_refs, strict=True))
        self.data_refs = dict(zip(map(repr, data), data_refs, strict=True))
        self.schemas: dict[str, Schema] = {**data_schemas, **_without_nulls(body_schemas), "Refusal": document.refusal}
        for name, more in document.schemas.items():
            self.schemas[name] = _merged(self.schemas.get(name, {}), more)
        self.examples: dict[str, Schema] = {}

    def made(self) -> Schema:
        document = self.document
        paths: dict[str, Schema] = {}
        for endpoint in document.endpoints:
            paths.setdefault(path_of(endpoint), {})[endpoint.method.lower()] = self._operation(endpoint)
        groups = dict.fromkeys(self._tag(endpoint) for endpoint in document.endpoints)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": document.title,
                "version": "1",
                "description": f"{inspect.cleandoc(document.description)}\n\n{common_rules()}",
            },
            "security": [{name: [] for name in document.security}],
            "tags": [{"name": group} for group in groups],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(self.schemas.items())),
                "responses": _hoist_common_responses(paths),
                "examples": dict(sorted(self.examples.items())),
                "headers": header_components(),
                "securitySchemes": dict(document.security),
            },
        }

    def _operation(self, endpoint: Endpoint) -> Schema:
        operation: Schema = {
            "operationId": operation_id(endpoint),
            "tags": [self._tag(endpoint)],
            "summary": endpoint.summary,
            "description": self._description(endpoint),
            "parameters": self._parameters(endpoint),
        }
        if not operation["parameters"]:
            del operation["parameters"]
        if endpoint.body is not None:
            content: Schema = {"schema": self.body_refs[endpoint.body]}
            if endpoint.body in self.document.examples:
                content["example"] = self.document.examples[endpoint.body]
            operation["requestBody"] = {
                "required": not endpoint.may_lack_body,
                "content": {"application/json": content},
            }
            if form := getattr(endpoint.body, "form", None):
                operation["requestBody"]["content"]["multipart/form-data"] = {"schema": form}
        operation["responses"] = {str(endpoint.status): self._success(endpoint), **self._refused(endpoint)}
        operation["x-abilities"] = [endpoint.ability] if endpoint.ability else list(endpoint.one_of)
        return operation

    def _abilities(self, endpoint: Endpoint) -> list[Ability]:
        return [self.abilities[key] for key in ([endpoint.ability] if endpoint.ability else endpoint.one_of)]

    def _tag(self, endpoint: Endpoint) -> str:
        return next((str(ability.group) for ability in self._abilities(endpoint)), "Tokens")

    def _description(self, endpoint: Endpoint) -> str:
        lines = [inspect.cleandoc(endpoint.handle.__doc__ or ""), self._need(endpoint)]
        if AbilityMissing in endpoint.refusals:
            lines.append("A topic that does not exist yet is made, which needs the ability `topic_add` too.")
        if endpoint.heeds_bounds:
            lines.append("A temporary token that is bound to one persona or topic may call it for that one.")
        else:
            lines.append("A temporary token that is bound to one persona or topic may not call it.")
        if endpoint.if_match:
            lines.append("Send in If-Match the version that you read, and nobody's change is overwritten unseen.")
        if endpoint.is_list:
            lines.append("`next` is the cursor of the next page, null on the last one.")
        if endpoint.rate is not None:
            lines.append(f"At most {endpoint.rate.requests} calls in {endpoint.rate.window_s} s.")
        return "\n\n".join(filter(None, lines))

    def _need(self, endpoint: Endpoint) -> str:
        abilities = self._abilities(endpoint)
        if len(abilities) == 1:
            sentence = str(abilities[0].sentence)
            return f"Needs the ability `{abilities[0].key}`: {sentence[0].lower()}{sentence[1:]}"
        if abilities:
            return f"Needs one of the abilities {', '.join(f'`{one.key}`' for one in abilities)}, as the body says."
        return "Any token may call it."

    def _parameters(self, endpoint: Endpoint) -> list[Schema]:
        parameters = []
        for converter, name in _PARAMETER.findall(endpoint.path):
            schema = self.document.parameters.get(name, _PATH_SCHEMAS[converter or "str"])
            parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
        if endpoint.query is not None:
            required = self.document.required.get(operation_id(endpoint), frozenset())
            parameters += _query_parameters(endpoint.query, required=required)
        parameters += self.document.headers(endpoint)
        if endpoint.method != "GET":
            parameters.append(IDEMPOTENCY_KEY)
        if endpoint.if_match:
            parameters.append(IF_MATCH)
        return parameters

    def _success(self, endpoint: Endpoint) -> Schema:
        headers = headers_of(["X-Request-Id", "RateLimit", "RateLimit-Policy"], required=True)
        if endpoint.files:
            headers |= headers_of(["Content-Disposition"], required=True)
            file: Schema = {"schema": {"type": "string", "format": "binary"}}
            content = {media_type.partition(";")[0]: file for media_type in endpoint.files}
            return {"description": "The file.", "headers": headers, "content": content}
        sometimes = ["Raven-Token-Expires"]
        sometimes += ["Idempotent-Replayed"] if endpoint.method != "GET" else []
        sometimes += ["ETag"] if endpoint.data in self.document.versioned else []
        headers |= headers_of(sometimes, required=False)
        data = self.data_refs[repr(endpoint.data)] if endpoint.data is not None else {"type": "null"}
        answer: Schema = {"schema": self.document.wrap_schema(endpoint, data)}
        example = _example(endpoint.data, self.document.examples)
        if example is not None or endpoint.data is None:
            answer["example"] = self.document.wrap_example(endpoint, example)
        response = {"description": "Done.", "headers": headers, "content": {"application/json": answer}}
        links = self.document.links.get(operation_id(endpoint))
        return response | {"links": dict(links)} if links else response

    def _refused(self, endpoint: Endpoint) -> Schema:
        by_status: dict[int, list[tuple[RavenError, Any]]] = {}
        headers: dict[int, Schema] = {}
        for kind in refusals_of(endpoint):
            error = sample_of(kind)
            answer = self.document.dialect.refusal(error, request_id=REQUEST_ID)
            by_status.setdefault(answer.status, []).append((error, msgspec.to_builtins(answer.value)))
            own = headers_of(answer.headers, required=answer.status == HTTPStatus.TOO_MANY_REQUESTS)
            headers.setdefault(answer.status, headers_of_refusal(answer.status)).update(own)
        return {
            str(status): {
                "description": "\n".join(f"- `{error.code}`: {error}" for error, _body in refused),
                "headers": headers[status],
                "content": {"application/json": self._refusal_content(refused)},
            }
            for status, refused in sorted(by_status.items())
        }

    def _refusal_content(self, refused: Sequence[tuple[RavenError, Any]]) -> Schema:
        schema: Schema = {"$ref": "#/components/schemas/Refusal"}
        codes = sorted({body["code"] for _error, body in refused if "code" in body})
        if codes:
            schema = {"allOf": [schema, {"type": "object", "properties": {"code": {"enum": codes}}}]}
        examples = {}
        for error, body in refused:
            self.examples[error.code] = {"summary": str(error), "value": body}
            examples[error.code] = {"$ref": f"#/components/examples/{error.code}"}
        return {"schema": schema, "examples": examples}


def _schemas(types: Sequence[Any]) -> tuple[Iterable[Schema], dict[str, Schema]]:
    refs, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    return [_pruned(ref) for ref in refs], {name: _pruned(schema) for name, schema in schemas.items()}


def _pruned(schema: Any) -> Any:
    """Without the empty lists that older JSON Schema forbids."""
    if isinstance(schema, list):
        return [_pruned(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _pruned(value) for key, value in schema.items() if not (key == "required" and value == [])}


def _without_nulls(schema: Any) -> Any:
    """The schema of what is sent to us: no text contains a null character."""
    if isinstance(schema, list):
        return [_without_nulls(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: _without_nulls(value) if key not in {"enum", "default"} else value for key, value in schema.items()}
    if not schema.get("default", True) and schema["default"] is not False:
        del schema["default"]  # an empty one says no more than that the member may be left out
    if schema.get("type") == "string" and not schema.keys() & {"pattern", "enum", "format", "$ref"}:
        schema["pattern"] = ANY_TEXT
    if isinstance(schema.get("additionalProperties"), dict):
        schema["propertyNames"] = {"pattern": ANY_TEXT}
    return schema


def _merged(schema: Schema, more: Mapping[str, Any]) -> Schema:
    """`schema` with `more` in it, objects member by member; None takes a member away."""
    both = dict(schema)
    for key, value in more.items():
        old = both.get(key)
        both[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return {key: value for key, value in both.items() if value is not None}


def _query_parameters(shape: type[msgspec.Struct], *, required: frozenset[str]) -> list[Schema]:
    refs, schemas = msgspec.json.schema_components([shape], ref_template="{name}")
    parameters = []
    for name, given in schemas[refs[0]["$ref"]]["properties"].items():
        choices = [choice for choice in given.get("anyOf", [given]) if choice != {"type": "null"}]
        schema = _without_nulls(dict(choices[0]))
        description = schema.pop("description", given.get("description", ""))
        if "enum" in schema:
            schema["enum"] = [value for value in schema["enum"] if value != ""]
        parameter = {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": description,
            "schema": schema,
        }
        parameters.append({key: value for key, value in parameter.items() if value != ""})
    return parameters


def _example(data: Any, examples: Mapping[Any, Any]) -> Any:
    if typing.get_origin(data) is list:
        one = _example(typing.get_args(data)[0], examples)
        return None if one is None else [one]
    return examples.get(data)


def _hoist_common_responses(paths: Mapping[str, Schema]) -> Schema:
    """Takes the answers that look the same in all operations out of them, and returns them by name."""
    operations = [operation for methods in paths.values() for operation in methods.values()]
    hoisted: Schema = {}
    for status in sorted({status for operation in operations for status in operation["responses"]}):
        users = [operation["responses"] for operation in operations if status in operation["responses"]]
        if len(users) > 1 and status >= "4" and all(responses[status] == users[0][status] for responses in users):
            name = re.sub(r"\W", "", HTTPStatus(int(status)).phrase.title())
            hoisted[name] = users[0][status]
            for responses in users:
                responses[status] = {"$ref": f"#/components/responses/{name}"}
    return hoisted
