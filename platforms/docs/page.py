"""What the page shows of a document: its operations in groups, their fields in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from platforms.docs.document import Document, Schema
from platforms.docs.openapi import document_of
from platforms.schemas import ANY_VALUE

_FORMATS = {"date": "a date, as 2026-11-21", "date-time": "a moment, as 2026-11-21T09:30:00Z"}
_MOST_CHOICES = 25


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter or a member of a body."""

    name: str
    place: str
    """path, query, header or body."""
    is_required: bool
    words: str
    """What may be in it."""
    description: str
    choices: list[str]
    example: str


@dataclass(frozen=True, slots=True)
class Refusal:
    status: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    paragraphs: list[str]
    parameters: list[Field]
    body: str | None
    """The example, indented; None when the operation takes no body."""
    members: list[Field]
    answer: str
    """The example of the answer, indented; empty when it is a file."""
    media_types: list[str]
    refusals: list[Refusal]


@dataclass(frozen=True, slots=True)
class Shown:
    """How a call shows the token: in which header, and what stands before it."""

    header: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    operations: list[Operation]


def how_shown(document: Document) -> Shown:
    scheme = next(iter(document.security.values()))
    return Shown("Authorization", "Bearer ") if scheme["type"] == "http" else Shown(scheme["name"], "")


@cache
def groups_of(document: Document) -> tuple[Group, ...]:
    """The document's operations, under the titles of their groups."""
    whole = document_of(document)
    groups = {tag["name"]: Group(tag["name"], []) for tag in whole["tags"]}
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]].operations.append(_operation(whole, path, method, operation))
    return tuple(groups.values())


def _operation(whole: Schema, path: str, method: str, operation: Schema) -> Operation:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    status, success = next(iter(operation["responses"].items()))
    example = success["content"].get("application/json", {}).get("example")
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        paragraphs=operation["description"].split("\n\n"),
        parameters=[_parameter(whole, parameter) for parameter in operation.get("parameters", [])],
        body=_indented(body.get("example", {})) if body else None,
        members=list(_members(whole, body["schema"])) if body else [],
        answer=f"{status}\n{_indented(example)}" if example is not None else "",
        media_types=[] if example is not None else list(success["content"]),
        refusals=list(_refusals(whole, operation["responses"])),
    )


def _indented(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _parameter(whole: Schema, parameter: Schema) -> Field:
    schema = _resolved(whole, parameter["schema"])
    return Field(
        name=parameter["name"],
        place=parameter["in"],
        is_required=parameter["required"],
        words=_words(whole, schema),
        description=parameter.get("description", ""),
        choices=[str(value) for value in schema.get("enum", [])],
        example=str(next(iter(schema.get("examples", [])), "")),
    )


def _members(whole: Schema, schema: Schema, prefix: str = "") -> Iterator[Field]:
    """Those of the body and of the objects in it, named as `recipient[].contact[].type`."""
    schema = _resolved(whole, schema)
    for name, given in schema.get("properties", {}).items():
        member = _resolved(whole, _without_null(given))
        yield Field(
            name=prefix + name,
            place="body",
            is_required=name in schema.get("required", []),
            words=_words(whole, member) + (", or null" if _without_null(given) is not given else ""),
            description=given.get("description", member.get("description", "")),
            choices=[],
            example="",
        )
        if member.get("type") == "array":
            yield from _members(whole, member.get("items", {}), f"{prefix}{name}[].")
        else:
            yield from _members(whole, member, f"{prefix}{name}.")


def _refusals(whole: Schema, responses: Schema) -> Iterator[Refusal]:
    for status, response in responses.items():
        content = _resolved(whole, response)["content"].get("application/json", {})
        for code in content.get("examples", {}):
            yield Refusal(status, code, whole["components"]["examples"][code]["summary"])


def _resolved(whole: Schema, schema: Schema) -> Schema:
    """The schema with what its reference names; what stands beside the reference counts more."""
    if "$ref" not in schema:
        return schema
    found = whole
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return {**_resolved(whole, found), **{key: value for key, value in schema.items() if key != "$ref"}}


def _without_null(schema: Schema) -> Schema:
    choices = schema.get("anyOf", [])
    if {"type": "null"} not in choices or len(choices) != 2:
        return schema
    chosen: Schema = next(choice for choice in choices if choice != {"type": "null"})
    return chosen


def _words(whole: Schema, schema: Schema) -> str:
    """What the schema allows, for a person."""
    if schema.get("title") == ANY_VALUE:
        return ANY_VALUE
    if "enum" in schema:
        values = [str(value) for value in schema["enum"]]
        return f"one of {len(values)} names" if len(values) > _MOST_CHOICES else f"one of {', '.join(values)}"
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    kind = schema.get("type")
    if kind == "array":
        of = _words(whole, _resolved(whole, schema.get("items", {})))
        return f"a list{_range(schema, 'minItems', 'maxItems', '')}, each {of}"
    if kind == "integer":
        largest = schema.get("maximum")
        return "a whole number" + ("" if largest == 2**63 - 1 else _range(schema, "minimum", "maximum", ""))
    if kind == "string":
        return "text" + _range(schema, "minLength", "maxLength", " characters")
    names = {"boolean": "true or false", "number": "a number", "object": "an object", "null": "null"}
    if "anyOf" in schema and kind is None:
        return " or ".join(dict.fromkeys(_words(whole, _resolved(whole, choice)) for choice in schema["anyOf"]))
    return names.get(str(kind), "anything")


def _range(schema: Schema, least: str, most: str, unit: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if low == high and low is not None:
        return f", exactly {low:,}{unit}"
    if low is not None and high is not None:
        return f", {low:,} to {high:,}{unit}"
    if high is not None:
        return f", at most {high:,}{unit}"
    return f", at least {low:,}{unit}" if low is not None else ""
