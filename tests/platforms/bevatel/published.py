"""Chatwoot's published document: what it says about an operation, and whether a value is as it says.

`chatwoot.json` is the part of it that our server speaks. The check knows the keywords that stand there, and only those.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_DOCUMENT = json.loads((Path(__file__).parent / "chatwoot.json").read_text())
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "null": (type(None),),
    "integer": (int,), "number": (int, float),
}  # fmt: skip


def operation(name: str) -> dict[str, Any]:
    """By method and path, as `GET contacts/{id}`: the schemas of `answer` and `body`, and the names in `query`."""
    found: dict[str, Any] = _DOCUMENT["operations"][name]
    return found


def operations() -> list[str]:
    """The names of all that stand there."""
    return list(_DOCUMENT["operations"])


def component(name: str) -> dict[str, Any]:
    found: dict[str, Any] = _DOCUMENT["schemas"][name]
    return found


def differences(value: Any, schema: dict[str, Any], at: str = "$") -> list[str]:
    """Where `value` is not as `schema` says; none: it is."""
    return list(_differences(value, schema, at))


def names(schema: dict[str, Any]) -> set[str]:
    """The members of an object of this schema."""
    schema = _resolved(schema)
    own = set(schema.get("properties", {}))
    return own.union(*(names(part) for part in schema.get("allOf", [])))


def _differences(value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    schema = _resolved(schema)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{at} is {value!r}, not {' or '.join(kinds)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at} is {value!r}, none of {schema['enum']}"
    for part in schema.get("allOf", []):
        yield from _differences(value, part, at)
    if "oneOf" in schema and sum(not differences(value, part) for part in schema["oneOf"]) != 1:
        yield f"{at} is not just one of {schema['oneOf']}"
    if isinstance(value, dict):
        yield from (f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value)
        for name, member in schema.get("properties", {}).items():
            if name in value:
                yield from _differences(value[name], member, f"{at}.{name}")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _differences(item, schema["items"], f"{at}[{index}]")


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return _resolved(component(schema["$ref"].rsplit("/", 1)[1]))
    return schema
