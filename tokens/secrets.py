"""The secret of a token: made, checked, digested and masked. Pure computation.

rvn_4fK9aZ31bQxY_<43 random characters><6 of checksum>
└┬┘ └────┬─────┘ └──────────────┬────────────────────┘
kind  public id                known to its holder only
"""

import hashlib
import hmac
import re
import secrets
import string
import unicodedata
import zlib
from dataclasses import dataclass
from urllib.parse import unquote

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
LASTING = "rvn"
TEMPORARY = "rvt"
PUBLIC_ID_LENGTH = 12
RANDOM_LENGTH = 43  # 62^43 > 2^256
CHECKSUM_LENGTH = 6  # 62^6 > 2^32, the range of CRC-32

_EXACT = re.compile(
    rf"({LASTING}|{TEMPORARY})_([0-9A-Za-z]{{{PUBLIC_ID_LENGTH}}})_[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}"
)
# Masking errs on the safe side: anything that begins like a token, whole, cut short or mistyped.
_LOOKS_LIKE = re.compile(
    rf"({LASTING}|{TEMPORARY})_([0-9A-Za-z]{{{PUBLIC_ID_LENGTH}}})_[0-9A-Za-z_]{{8,}}", re.IGNORECASE
)

_ESCAPES = frozenset("%\\\0")
_UNICODE_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class Secret:
    """A token as its holder writes it; `repr` never shows it."""

    value: str

    def __repr__(self) -> str:
        return f"Secret({mask_tokens(self.value)!r})"

    @property
    def kind(self) -> str:
        return self.value[:3]

    @property
    def public_id(self) -> str:
        return self.value[4 : 4 + PUBLIC_ID_LENGTH]

    @property
    def last_four(self) -> str:
        return self.value[-4:]

    def digest(self, pepper: str) -> str:
        """HMAC-SHA-256, 64 hex digits. 256 random bits need no slow hash; the pepper makes a stolen table useless."""
        return hmac.new(pepper.encode(), self.value.encode(), hashlib.sha256).hexdigest()

    def matches(self, digest: str, pepper: str) -> bool:
        return hmac.compare_digest(self.digest(pepper), digest)


def new_secret(kind: str = LASTING) -> Secret:
    stem = f"{kind}_{_random(PUBLIC_ID_LENGTH)}_{_random(RANDOM_LENGTH)}"
    return Secret(stem + checksum(stem))


def parse_secret(text: str) -> Secret | None:
    """The secret that `text` is, or None when it is mistyped; decided without a look at the database."""
    if not _EXACT.fullmatch(text):
        return None
    return Secret(text) if checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:] else None


def mask_tokens(text: str) -> str:
    """`text` with everything of a token's shape cut down to its public part."""
    return _LOOKS_LIKE.sub(r"\1_\2_…", text)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def reveal(text: str) -> str:
    r"""`text` with the usual ways of writing a character otherwise undone, also one within another: `\u005f`, `%5F`,
    full-width letters, and the nulls between the letters of UTF-16."""
    if text.isascii() and not _ESCAPES & set(text):
        return text
    for _ in range(4):
        undone = _UNICODE_ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)
        undone = unicodedata.normalize("NFKC", unquote(undone).replace("\0", ""))
        if undone == text:
            break
        text = undone
    return text


def mask_hidden_tokens(text: str) -> str:
    """`text` as it is when no token stands in it however written; else with its escapes undone and tokens masked."""
    plain = reveal(text)
    masked = mask_tokens(plain)
    return text if masked == plain else masked


def checksum(stem: str) -> str:
    """CRC-32 of all that stands before it, in six characters of the alphabet: finds typing errors, proves nothing."""
    number, digits = zlib.crc32(stem.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
