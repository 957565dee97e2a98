"""From what a call sends to the typed value that its endpoint takes; whatever is not that is refused by its place."""

import io
import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
from django.conf import settings
from django.core.exceptions import SuspiciousOperation, TooManyFieldsSent
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from raven_admin.masking import mask_hidden_tokens
from tokens import request_log
from tokens.refusals import BodyInvalid, BodyTooLarge, MediaTypeUnsupported, QueryInvalid, TokenInBody

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,99})")
_NULL = re.compile(r"\0|(?<!\\)(?:\\\\)*\\u0000")
"""Behind an even number of backslashes: those are text, and an odd one would make text of this one."""
_MAX_REST_BYTES = 4 * 1024 * 1024
"""So much of a body that is too large is read and thrown away before it is refused."""
_FIELD_NAMED = re.compile(r"(?:missing required|contains unknown) field `([^`]*)`|^`(\w+)` must be ")
_BASE64_PART = re.compile(rb"^content-transfer-encoding:\s*base64", re.IGNORECASE | re.MULTILINE)
_MEMBER = re.compile(r"\[\.\.\.\]|[^.\[\]]+")
_HOW_TO_WRITE = {
    "Invalid RFC3339 encoded datetime": "2026-11-21T09:30:00Z",
    "Expected `datetime` with a timezone component": "2026-11-21T09:30:00Z",
    "Invalid RFC3339 encoded date": "2026-11-21",
}
"""What msgspec says of a moment or a day, and what such a one looks like."""


@cache
def decoder_of(shape: type[msgspec.Struct]) -> "msgspec.json.Decoder[msgspec.Struct]":
    """What reads JSON of this shape.

    msgspec 0.22 learns what a shape is at its first use, and when two threads do that at the same moment, the process
    dies of a null pointer. So each is made once where endpoints are (`tokens.gateway.routes`), before there are calls.
    """
    return msgspec.json.Decoder(shape)


def read_body(request: HttpRequest) -> bytes:
    """The body, or of one that is too large a byte more than allowed, which tells it."""
    read: Callable[[int], bytes] = request.read
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower() and not request.META.get("CONTENT_LENGTH"):
        # Django reads as many bytes as the header says and knows no other end; the server does.
        read = request.META["wsgi.input"].read
    body = read(settings.MAX_BODY_BYTES + 1)
    if len(body) > settings.MAX_BODY_BYTES:
        # A program that still sends would find the connection broken instead of the refusal; not so with a flood.
        rest = _MAX_REST_BYTES
        while rest > 0 and (passed_over := read(min(rest, 64 * 1024))):
            rest -= len(passed_over)
    return body


def decode_body(request: HttpRequest, body: bytes, shape: type[msgspec.Struct]) -> msgspec.Struct:
    """The value of `shape` that the body is. Raises BodyTooLarge, MediaTypeUnsupported, BodyInvalid and TokenInBody."""
    decoded = decode_unchecked(request, body, shape)
    check_text(request, body)
    return decoded


def decode_unchecked(request: HttpRequest, body: bytes, shape: type[msgspec.Struct]) -> msgspec.Struct:
    """As `decode_body`, but what `check_text` has to say is not said yet."""
    if len(body) > settings.MAX_BODY_BYTES:
        raise BodyTooLarge(max_bytes=settings.MAX_BODY_BYTES)
    if request.content_type == "multipart/form-data" and getattr(shape, "form", None):
        return _decode_form(request, body, shape)
    charset = (request.content_params or {}).get("charset", "utf-8")
    if request.content_type != "application/json" or charset.lower() not in {"utf-8", "utf8"}:
        raise MediaTypeUnsupported
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() not in {"identity", ""}:
        raise MediaTypeUnsupported
    try:
        decoded = _with_whole_numbers(body, shape)
    except msgspec.ValidationError as error:
        raise _body_invalid(error, shape) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyInvalid(path="", problem=f"The body is not JSON in UTF-8: {error}") from None
    except RecursionError:
        raise BodyInvalid(path="", problem="The body is nested too deeply.") from None
    if has_null_character(request_log.plain_text(body)):
        raise BodyInvalid(path="", problem="The body contains a null character, which no text may.")
    return decoded


def check_text(request: HttpRequest, body: bytes) -> None:
    """Of a body that is JSON, what its values do not tell. Raises BodyInvalid and TokenInBody."""
    if request.content_type == "multipart/form-data":
        return
    _EACH_NAME_ONCE.decode(body.decode())
    text = request_log.plain_text(body)
    if mask_hidden_tokens(text) != text:
        raise TokenInBody


def _decode_form(request: HttpRequest, body: bytes, shape: type[msgspec.Struct]) -> msgspec.Struct:
    """As `decode_body`, of multipart/form-data: JSON where no text is wanted, and of a file its name."""
    if _BASE64_PART.search(body):  # in which the log would not find what it has to mask
        raise MediaTypeUnsupported
    about = {"CONTENT_TYPE": request.META["CONTENT_TYPE"], "CONTENT_LENGTH": str(len(body))}
    try:
        texts, files = MultiPartParser(about, io.BytesIO(body), [MemoryFileUploadHandler()], "utf-8").parse()
        if not files:
            body.decode()
    except (MultiPartParserError, SuspiciousOperation, UnicodeDecodeError):
        raise BodyInvalid(path="", problem="The body is not multipart/form-data in UTF-8.") from None
    given: dict[str, Any] = {
        name.removesuffix("[]"): [file.name for file in of_name] for name, of_name in files.lists()
    }
    for name, values in texts.lists():
        if len(values) > 1 or name in given:
            raise BodyInvalid(path=name, problem=f"The member “{name}” stands twice; send it once.")
        if "\0" in values[0]:
            raise BodyInvalid(path=name, problem="The body contains a null character, which no text may.")
        if mask_hidden_tokens(values[0]) != values[0]:
            raise TokenInBody
        given[name] = _meant(values[0], _schemas_at(f".{name}", shape))
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise _body_invalid(error, shape) from None


def _meant(text: str, wanted: Sequence[dict[str, Any]]) -> Any:
    """The JSON value that `text` writes, unless a text is wanted or it is none."""
    if any(schema.get("type") == "string" for schema in wanted):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def has_null_character(json_text: str) -> bool:
    """Whether a text in it contains one, as it is or escaped; PostgreSQL stores none."""
    return _NULL.search(json_text) is not None


def _with_whole_numbers(body: bytes, shape: type[msgspec.Struct]) -> msgspec.Struct:
    """The body's value. 5.0 is a whole number too, as JSON Schema has it: some languages write all numbers so."""
    try:
        return decoder_of(shape).decode(body)
    except msgspec.ValidationError as error:
        if "got `float`" not in str(error):
            raise
        return msgspec.convert(_whole(msgspec.json.decode(body)), shape)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    return value


def _object(members: list[tuple[str, Any]]) -> None:
    """Raises BodyInvalid when a name stands twice: which of its values counts, programs decide differently."""
    seen: set[str] = set()
    for name, _value in members:
        if name in seen:
            raise BodyInvalid(path=name, problem=f"The member “{name}” stands twice in the same object; send it once.")
        seen.add(name)


# Seven microseconds for a body of 300 bytes. It only looks at names, so no number is too long for it.
_EACH_NAME_ONCE = json.JSONDecoder(object_pairs_hook=_object, parse_int=str, parse_float=str)


def decode_query(request: HttpRequest, shape: type[msgspec.Struct]) -> msgspec.Struct:
    """The value of `shape` that the query's parameters are. Raises QueryInvalid."""
    given: dict[str, Any] = {}
    try:
        parameters = request.GET.lists()
    except TooManyFieldsSent:
        raise QueryInvalid(path="", problem="These are too many parameters.") from None
    for name, values in parameters:
        if len(values) > 1:
            raise QueryInvalid(path=name, problem=f"The parameter {name} is given {len(values)} times; give it once.")
        if "\0" in name + values[0]:
            raise QueryInvalid(path="", problem="A parameter contains a null character, which no text may.")
        given[name] = _unquoted(values[0]) if name in _unquoted_parameters(shape) else values[0]
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        refused = _body_invalid(error, shape)
        problem = refused.problem.replace("Object contains unknown field", "There is no parameter")
        if "datetime" in problem and " " in str(given.get(refused.path, "")):
            problem += ", its + as %2B"
        raise QueryInvalid(path=refused.path, problem=problem) from None


@cache
def _unquoted_parameters(shape: type[msgspec.Struct]) -> frozenset[str]:
    """The names of those that are numbers or booleans."""
    fields = _schema_of(shape)[1][shape.__name__]["properties"]
    types = {name: {choice.get("type") for choice in field.get("anyOf", [field])} for name, field in fields.items()}
    return frozenset(name for name, kinds in types.items() if kinds & {"integer", "boolean"})


def _unquoted(text: str) -> int | bool | str:
    """What a parameter's text means; a text that is no number and no boolean stays, and is refused by its type."""
    if _INTEGER.fullmatch(text):
        return int(text)
    return {"true": True, "false": False}.get(text, text)


def _body_invalid(error: msgspec.ValidationError, shape: type[msgspec.Struct]) -> BodyInvalid:
    """From "Object contains unknown field `x` - at `$.topic`" to the path `topic.x`."""
    problem, _at, where = str(error).partition(" - at `$")
    path = where.removesuffix("`")
    wanted = _schemas_at(path, shape)
    if named := _FIELD_NAMED.search(problem):
        path = f"{path}.{named[1] if named[1] is not None else named[2]}"
    return BodyInvalid(path=path.removeprefix("."), problem=_with_what_is_possible(problem, wanted))


def _with_what_is_possible(problem: str, wanted: Sequence[dict[str, Any]]) -> str:
    """What msgspec says, and the way out of it; a program's author knows no regular expressions of ours."""
    if example := _HOW_TO_WRITE.get(problem):
        return f"{problem}: write it as {example}"
    if problem.startswith("Invalid enum value"):
        known = [str(value) for schema in wanted for value in schema.get("enum", ())]
        return f"{problem}. Known are: {', '.join(known)}."
    said, is_of_pattern, _regex = problem.partition(" matching regex ")
    described = [schema["description"] for schema in wanted if "pattern" in schema and "description" in schema]
    return f"{said}: {described[0]}" if is_of_pattern and described else problem


def _schemas_at(path: str, shape: type[msgspec.Struct]) -> Sequence[dict[str, Any]]:
    """The JSON schemas of what may stand at `path`, as msgspec writes it: `.recipient[0].contact[...].type`."""
    schema, components = _schema_of(shape)
    schemas = _choices(schema, components)
    for member in _MEMBER.findall(path):
        within = [
            inner
            for outer in schemas
            for inner in (
                outer.get("properties", {}).get(member),
                outer.get("items"),
                outer.get("additionalProperties"),
            )
            if isinstance(inner, dict)
        ]
        schemas = [choice for inner in within for choice in _choices(inner, components)]
    return schemas


def _choices(schema: dict[str, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    """`schema`, or what it refers to, and all that it may be instead."""
    schema = components.get(schema["$ref"], schema) if "$ref" in schema else schema
    return [schema, *(choice for each in schema.get("anyOf", ()) for choice in _choices(each, components))]


@cache
def _schema_of(shape: type[msgspec.Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    (schema,), components = msgspec.json.schema_components([shape], ref_template="{name}")
    return schema, components
