"""Secrets that must be shown to a platform again, so no digest will do: stored encrypted, never readable by accident.

A model keeps what `seal` gives in a text column and has no attribute with the secret itself, so neither a list nor a
form nor a dump of the database shows it. Keys are `settings.ENCRYPTION_KEYS`: the first encrypts, all decrypt.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from raven_admin.errors import RavenError


@dataclass(eq=False)
class SecretUnreadable(RavenError):
    """The stored credential can't be decrypted: its key is no longer in ENCRYPTION_KEYS. Type it in again."""

    code: ClassVar[str] = "secret_unreadable"


def seal(secret: str) -> str:
    """What to store of `secret`; "" of nothing."""
    return _keys(tuple(settings.ENCRYPTION_KEYS)).encrypt(secret.encode()).decode() if secret else ""


def unseal(sealed: str) -> str:
    """The secret that `seal` was given. Raises SecretUnreadable."""
    if not sealed:
        return ""
    try:
        return _keys(tuple(settings.ENCRYPTION_KEYS)).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise SecretUnreadable from None


def resealed(sealed: str) -> str:
    """The same secret, encrypted with the first key. Raises SecretUnreadable."""
    return seal(unseal(sealed))


@lru_cache(maxsize=4)
def _keys(texts: Sequence[str]) -> MultiFernet:
    """A key of settings is any long random text, as a pepper is; Fernet wants 32 bytes."""
    return MultiFernet([Fernet(base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())) for text in texts])
