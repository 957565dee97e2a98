r"""One rule for every text that is kept or shown and in which a secret may stand. Pure computation.

Of a token its public part is left, `rvn_4fK9aZ31bQxY_…`; whatever else is secret becomes `MASK`.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote

MASK = "•••"
_SHORTEST = 6
"""Hiding shorter strings would hide words."""
# Errs on the safe side: anything that begins like a token (tokens.secrets), whole, cut short or mistyped.
_TOKEN = re.compile(r"([rR][vV][nNtT])_([0-9A-Za-z]{12})_[0-9A-Za-z_]{8,}")
# A token's digest, as it goes to another server of ours (tokens.secrets).
_DIGEST = re.compile(r"(hmac-sha256:)[0-9A-Fa-f]{8,}")
_SIGNING_SECRET = re.compile(r"\b(whsec_)[\w+/=]{8,}")
_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|signature|api[-_]?key|password|credential", re.IGNORECASE)
# A signature holds for one body, which stands beside it; whoever writes a receiver compares it with their own.
_NOT_SECRET = frozenset({"idempotency-key", "raven-token-expires", "webhook-signature"})
_UNICODE_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without `secrets`, and without anything that has the shape of a token, a digest or a signing secret."""
    # The longest first, because one may be a part of another.
    for secret in sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _SIGNING_SECRET.sub(rf"\1{MASK}", mask_hidden(text))


def masked_headers(headers: Mapping[str, str], secrets: Iterable[str] = ()) -> dict[str, str]:
    """Nothing is left of those whose names say that they carry a credential; the others as `masked`."""
    secrets = tuple(secrets)
    return {name: MASK if _carries_credential(name) else masked(value, secrets) for name, value in headers.items()}


def mask_tokens(text: str) -> str:
    """`text` with everything of a token's shape cut down to its public part."""
    return _TOKEN.sub(r"\1_\2_…", text)


def mask_hidden_tokens(text: str) -> str:
    """`text` as it is when no token stands in it however written; else with its escapes undone and tokens masked."""
    return _mask_hidden(text, mask_tokens)


def mask_hidden(text: str) -> str:
    """As `mask_hidden_tokens`, and without digests of tokens."""
    return _mask_hidden(text, lambda plain: _DIGEST.sub(rf"\1{MASK}", mask_tokens(plain)))


def _mask_hidden(text: str, mask: Callable[[str], str]) -> str:
    plain = _reveal(text)
    hidden = mask(plain)
    return text if hidden == plain else hidden


def _reveal(text: str) -> str:
    r"""`text` with the usual ways of writing a character otherwise undone, also one within another: `\u005f`, `%5F`,
    full-width letters, and the nulls between the letters of UTF-16."""
    if text.isascii() and "%" not in text and "\\" not in text and "\0" not in text:
        return text
    for _ in range(4):
        undone = _UNICODE_ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)
        undone = unicodedata.normalize("NFKC", unquote(undone).replace("\0", ""))
        if undone == text:
            break
        text = undone
    return text


def _carries_credential(header: str) -> bool:
    return _SECRET_HEADER.search(header) is not None and header.lower() not in _NOT_SECRET
