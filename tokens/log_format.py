"""Log lines in which no token stands, whoever wrote it there: addresses, headers and traces may all carry one."""

import logging
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from tokens.secrets import mask_hidden_tokens


class MaskingFormatter(logging.Formatter):
    """Formats a record, its trace included, with everything of a token's shape masked."""

    def format(self, record: logging.LogRecord) -> str:
        return mask_hidden_tokens(super().format(record))


def attempted_username(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """The name that somebody tries to sign in with, as the sign-in guard keeps it; a token typed there is masked."""
    return mask_hidden_tokens(str((credentials or {}).get("username") or request.POST.get("username", "")))


def drop_what_was_sent(instance: Any, **_signal: Any) -> None:
    """A failed sign-in is kept without the form and the address that it was sent with."""
    instance.get_data = instance.post_data = ""
