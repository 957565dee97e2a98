"""Forms that work once: sending one again, by reload or the back button, must not make a second secret."""

import secrets
from typing import Any

from django.http import HttpRequest

_KEY = "token_nonces"
_OPEN_AT_MOST = 20


def new_nonce(request: HttpRequest) -> str:
    """A word to put into the form; the session remembers it until it is used."""
    nonce = secrets.token_urlsafe(12)
    request.session[_KEY] = [*request.session.get(_KEY, []), nonce][-_OPEN_AT_MOST:]
    return nonce


def use_nonce(request: HttpRequest, nonce: str) -> bool:
    """Whether `nonce` was still unused, which it no longer is. Call it in the transaction of what it allows.

    The session is read again behind a lock on its row: of two sendings at the same time only one may win.
    """
    session: Any = request.session
    if hasattr(session, "model"):
        list(session.model.objects.select_for_update().filter(pk=session.session_key).values_list("pk"))
    unused = session.load().get(_KEY, [])
    if nonce not in unused:
        return False
    session[_KEY] = [other for other in unused if other != nonce]
    session.save()
    return True
