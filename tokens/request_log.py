"""Every call is written down, and nothing secret with it."""

import json
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import unquote

from raven_admin.masking import mask_hidden
from raven_admin.statements import Statement

MAX_BODY_CHARACTERS = 64 * 1024
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_CROCKFORD_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
_WRITE = Statement("""
    INSERT INTO tokens_requestlogentry (
        request_id, received_at, workspace_id, token_id, ability, method, path, status, code, duration_ms, address,
        agent, request_body, response_body
    ) VALUES (
        %(request_id)s, %(received_at)s, %(workspace_id)s, %(token_id)s, %(ability)s, %(method)s, %(path)s, %(status)s,
        %(code)s, %(duration_ms)s, %(address)s, %(agent)s, %(request_body)s, %(response_body)s
    )
""")


@dataclass
class Caller:
    """What a call says about itself, before anything is checked."""

    request_id: str
    received_at: datetime
    method: str
    path: str
    """With its query."""
    address: str
    agent: str
    body: bytes = b""
    """Empty until it is read."""

    @cached_property
    def for_log(self) -> tuple[str, str, str]:
        """Path, agent and body as the log shows them; the body has been read."""
        return _masked(unquote(self.path))[:500], _masked(self.agent)[:300], _body_text(self.body)


def new_request_id() -> str:
    """`req_` and a ULID: 26 characters that sort by time."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "req_" + "".join([_CROCKFORD_PAIRS[number >> bits & 1023] for bits in range(120, -1, -10)])


def write(
    caller: Caller,
    *,
    workspace_id: int | None,
    token_id: int | None,
    ability: str,
    status: int,
    code: str,
    duration_ms: float,
    response_body: bytes,
) -> None:
    """The call is in the log, as part of the caller's transaction if there is one."""
    path, agent, body = caller.for_log
    _WRITE.later(
        request_id=caller.request_id,
        received_at=caller.received_at,
        workspace_id=workspace_id,
        token_id=token_id,
        ability=ability,
        method=caller.method[:10],
        path=path,
        status=status,
        code=code,
        duration_ms=round(duration_ms, 3),
        address=caller.address,
        agent=agent,
        request_body=body,
        response_body=_body_text(response_body),
    )


def plain_text(body: bytes) -> str:
    r"""`body` as text in which nothing hides: JSON escapes such as `\u005f` are undone."""
    text = body.decode("utf-8", "replace")
    if "\\" in text:
        try:
            return json.dumps(json.loads(text), ensure_ascii=False)
        except (ValueError, RecursionError):
            return text
    return text


def _body_text(body: bytes) -> str:
    text = _masked(plain_text(body))
    if len(text) > MAX_BODY_CHARACTERS:
        return f"{text[:MAX_BODY_CHARACTERS]}… (cut: {len(text)} characters in all)"
    return text


def _masked(text: str) -> str:
    # PostgreSQL stores neither NUL nor half of a surrogate pair.
    return mask_hidden(text).replace("\0", "␀").encode("utf-8", "replace").decode()
