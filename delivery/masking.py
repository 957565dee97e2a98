"""What is kept of a call shows no credential."""

import re
from collections.abc import Mapping

MASKED = "•••"
_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|signature|api[-_]?key|password|credential", re.IGNORECASE)
_NOT_SECRET = frozenset({"idempotency-key", "raven-token-expires"})
_TOKEN = re.compile(r"\b(rv[nt]_\w{12})_\w{20,}|\b(whsec_)[\w+/=]{8,}")
_SHORTEST = 6
"""Hiding shorter strings would hide words."""


class Masking:
    """Hides headers that carry credentials, everything of a token's shape, and the secrets it was told."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()

    def hide(self, *secrets: str) -> None:
        """These are not shown; the longest first, because one may be a part of another."""
        self._secrets = tuple(
            sorted({*self._secrets, *(s for s in secrets if len(s) >= _SHORTEST)}, key=len, reverse=True)
        )

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASKED)
        return _TOKEN.sub(lambda found: f"{found[1] or found[2]}{MASKED}", text)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {
            name: MASKED
            if _SECRET_HEADER.search(name) and name.lower() not in _NOT_SECRET
            else self.text(str(value).replace("\x00", ""))
            for name, value in headers.items()
        }
