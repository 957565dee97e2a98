"""Log lines in which no secret stands, whoever wrote it there: addresses, headers and traces may all carry one."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts import log_context
from raven_admin import masking
from raven_admin.masking import MASK, mask_hidden_tokens

_CREDENTIALS = (
    (re.compile(r"\b(Bearer|Basic)( +)[\w.~+/=-]{16,}", re.IGNORECASE), rf"\1\2{MASK}"),
    # The address that a platform calls is a secret by itself (platforms.receiving), and so is that of a calendar.
    (re.compile(r"(/(?:in|calendar)/)[\w-]{16,}"), rf"\1{MASK}"),
    (re.compile(r"(://[^\s/:@]*:)[^\s/@]+(@)"), rf"\1{MASK}\2"),
    (
        re.compile(
            r"((?:password|passwd|api[-_]?key|access_token|client_secret|authorization|csrftoken|sessionid)"
            r"['\"]?\s*[=:]\s*['\"]?)(?!(?:Bearer|Basic)\b)[^\s'\"&,;)}]{4,}",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)


def masked(text: str) -> str:
    """`text` without this server's own secrets, tokens however written, and what else has a credential's shape."""
    text = masking.masked(text, _own_secrets())
    for pattern, instead in _CREDENTIALS:
        text = pattern.sub(instead, text)
    return text


def _own_secrets() -> Iterator[str]:
    given = (
        settings.SECRET_KEY,
        *settings.TOKEN_PEPPERS.values(),
        *settings.ENCRYPTION_KEYS,
        settings.METRICS_TOKEN,
        settings.DEMO_ADMIN_PASSWORD,
        settings.EMAIL_HOST_PASSWORD,
        *(database.get("PASSWORD") for database in settings.DATABASES.values()),
    )
    return (str(secret) for secret in given if secret)


class LineFormatter(logging.Formatter):
    """One line for people: time in UTC, level, logger, message, and what was at hand; a trace stands below it."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        return _time(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        known = "".join(f" {name}={value}" for name, value in log_context.at_hand().items())
        return f"{record.asctime} {record.levelname} {record.name} {record.getMessage()}{known}"

    def usesTime(self) -> bool:  # noqa: N802 - logging's name
        return True

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line for programs, with the trace in `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            # Masked before it is encoded: the masks undo escapes, which would break the JSON.
            "message": masked(record.getMessage()),
            **log_context.at_hand(),
        }
        if record.exc_info:
            said["exception"] = masked(self.formatException(record.exc_info))
        if record.stack_info:
            said["stack"] = masked(self.formatStack(record.stack_info))
        return json.dumps(said, ensure_ascii=False, default=str)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def attempted_username(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """The name that somebody tries to sign in with, as the sign-in guard keeps it; a token typed there is masked."""
    return mask_hidden_tokens(str((credentials or {}).get("username") or request.POST.get("username", "")))


def drop_what_was_sent(instance: Any, **_signal: Any) -> None:
    """A failed sign-in is kept without the form and the address that it was sent with."""
    instance.get_data = instance.post_data = ""
