"""What holds for every operation of every dialect: headers of calls and answers, and the rules in words."""

import inspect
from collections.abc import Iterable

from django.conf import settings

from platforms.docs.document import Schema
from platforms.schemas import HEADER_KEY
from tokens import idempotency

REQUEST_ID = "req_01kagq3v5f8z2m9c7x4b6n1d0t"
_NO_BUCKET_YET = {401, 403, 500, 503}
"""Some refusals of these statuses come before a call is counted, so they may lack the RateLimit headers."""

HEADERS: dict[str, Schema] = {
    "X-Request-Id": {
        "description": "The call's number in the request log; name it when you ask for help.",
        "schema": {"type": "string", "pattern": "^req_[0-9a-z]{26}$"},
        "example": REQUEST_ID,
    },
    "RateLimit-Policy": {
        "description": "The token's rate: `q` calls in `w` seconds.",
        "schema": {"type": "string", "pattern": '^"[a-z]+";q=[0-9]+;w=[0-9]+$'},
        "example": f'"minute";q={settings.DEFAULT_REQUESTS_PER_MINUTE};w=60',
    },
    "RateLimit": {
        "description": "`r` calls are left; in `t` seconds all are back.",
        "schema": {"type": "string", "pattern": '^"[a-z]+";r=[0-9]+;t=[0-9]+$'},
        "example": f'"minute";r={settings.DEFAULT_REQUESTS_PER_MINUTE - 1};t=1',
    },
    "Retry-After": {
        "description": "In so many seconds the next call may go on.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 1,
    },
    "Raven-Token-Expires": {
        "description": "When the token expires; sent from 30 days before, and not once it was rotated.",
        "schema": {"type": "string", "format": "date-time"},
        "example": "2026-12-01T00:00:00+00:00",
    },
    "Idempotent-Replayed": {
        "description": "The answer of an earlier call with the same Idempotency-Key; nothing happened this time.",
        "schema": {"type": "string", "enum": ["true"]},
        "example": "true",
    },
    "ETag": {
        "description": "The version, for If-Match.",
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
        "example": '"4"',
    },
    "WWW-Authenticate": {"description": "How to show a token.", "schema": {"type": "string"}, "example": "Bearer"},
    "Content-Disposition": {
        "description": "The file's name.",
        "schema": {"type": "string"},
        "example": 'attachment; filename="personas-demo-2026-11-21.xlsx"',
    },
    "Raven-Error-Code": {
        "description": "What happened; it never changes.",
        "schema": {"type": "string"},
        "example": "contact_taken",
    },
    "Raven-Ability": {
        "description": "The ability that the token lacks.",
        "schema": {"type": "string"},
        "example": "contact_add",
    },
    "Allow": {"description": "The methods that are possible here.", "schema": {"type": "string"}, "example": "GET"},
}
# Neither has an example: the same key or version in every call would be refused from the second call on.
IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same call under the same key happens once and is answered as the first time; kept 24 hours. "
    "Take a new key for each call, as a UUID.",
    "schema": {"type": "string", "minLength": 1, "maxLength": idempotency.MAX_LENGTH, "pattern": HEADER_KEY},
}
IF_MATCH: Schema = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The version that you read, in quotes, or `*` for whichever there is. Another one there now is 412.",
    "schema": {"type": "string", "pattern": r'^(\*|(W/)?"[0-9]{1,9}"|[0-9]{1,9})$'},
}


def headers_of(names: Iterable[str], *, required: bool) -> Schema:
    """These headers of an answer; the required ones it always has."""
    kind = "" if required else ".optional"
    return {name: {"$ref": f"#/components/headers/{name}{kind}"} for name in names if name in HEADERS}


def header_components() -> Schema:
    always = {name: {"required": True, **header} for name, header in HEADERS.items()}
    return always | {f"{name}.optional": header for name, header in HEADERS.items()}


def headers_of_refusal(status: int) -> Schema:
    counted = headers_of(["RateLimit", "RateLimit-Policy"], required=status not in _NO_BUCKET_YET)
    return headers_of(["X-Request-Id"], required=True) | counted | headers_of(["Raven-Token-Expires"], required=False)


def common_rules() -> str:
    kib = settings.MAX_BODY_BYTES // 1024
    return inspect.cleandoc(f"""
        ## Rules of all operations

        - **Order of the checks**: token, source network, rate, Pro, ability, Idempotency-Key, body, then the rules of
          the operation itself. A refused call has saved nothing.
        - **Rate**: {settings.DEFAULT_REQUESTS_PER_MINUTE} calls a minute for each token, unless its admin chose another
          number. Every answer tells what is left in `RateLimit`; one call too many is 429 with `Retry-After`.
        - **Database**: while the server can't use it, calls are 503 with `Retry-After`.
        - **Idempotency-Key** on calls that write: the same call under the same key is answered as the first time, with
          `Idempotent-Replayed: true`; another call under that key is 422, one that is still running is 409. Keys are
          the token's own and are kept 24 hours. A refused call gives its key back.
        - **Bodies** are JSON in UTF-8 with `Content-Type: application/json`, at most {kib} KiB (413), without unknown
          members and without null characters. Other media types are 415.
        - **Request id**: every answer has one in `X-Request-Id`, refused ones too. It finds the call in the console.
        - **Methods**: GET answers HEAD too. Any other method than the documented ones is 405, with `Allow`.
        - **Moments** are ISO 8601 with an offset, as `2026-11-21T09:30:00Z`, in the years 1900 to 2999.
    """)
