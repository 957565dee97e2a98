"""The secret of a token: made, checked and digested. Pure computation.

rvn_4fK9aZ31bQxY_<43 random characters><6 of checksum>
└┬┘ └────┬─────┘ └──────────────┬────────────────────┘
kind  public id                known to its holder only
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

from raven_admin.masking import mask_tokens

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
LASTING = "rvn"
TEMPORARY = "rvt"
PUBLIC_ID_LENGTH = 12
RANDOM_LENGTH = 43  # 62^43 > 2^256
CHECKSUM_LENGTH = 6  # 62^6 > 2^32, the range of CRC-32

DIGEST_SCHEME = "hmac-sha256:"
"""A digest that leaves the server is written behind this, so that it is known for one wherever it is kept."""
_FINGERPRINTED = b"Which pepper is this?"
_FINGERPRINT_LENGTH = 16

_EXACT = re.compile(
    rf"({LASTING}|{TEMPORARY})_([0-9A-Za-z]{{{PUBLIC_ID_LENGTH}}})_[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}"
)


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


def new_secret(kind: str = LASTING) -> Secret:
    stem = f"{kind}_{_random(PUBLIC_ID_LENGTH)}_{_random(RANDOM_LENGTH)}"
    return Secret(stem + checksum(stem))


def parse_secret(text: str) -> Secret | None:
    """The secret that `text` is, or None when it is mistyped; decided without a look at the database."""
    if not _EXACT.fullmatch(text):
        return None
    return Secret(text) if checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:] else None


def is_public_id(text: str) -> bool:
    return re.fullmatch(rf"[0-9A-Za-z]{{{PUBLIC_ID_LENGTH}}}", text) is not None


def fingerprint(pepper: str) -> str:
    """16 hex digits by which two servers find out that they hold the same pepper; no token has the text it is made of.

    Whoever has it can try peppers out, which is hopeless with one that was drawn at random, as `settings` demands.
    """
    return hmac.new(pepper.encode(), _FINGERPRINTED, hashlib.sha256).hexdigest()[:_FINGERPRINT_LENGTH]


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def checksum(stem: str) -> str:
    """CRC-32 of all that stands before it, in six characters of the alphabet: finds typing errors, proves nothing."""
    number, digits = zlib.crc32(stem.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
