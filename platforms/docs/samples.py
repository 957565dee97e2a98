"""Refusals as they might be, for the examples of the documents."""

import dataclasses
import typing
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from raven_admin.errors import RavenError
from tokens import idempotency

_SAMPLES: dict[str, Any] = {
    "address": "203.0.113.7", "allowed": "POST", "contact_index": 0, "count": 1200, "country": "ID", "current": 4,
    "expected": 2, "expires_at": datetime(2026, 10, 31, 17, tzinfo=UTC), "field": "key",
    "fingerprint": "f89d03d99f0ce147", "first": "Rina Hartono (persona 17)",
    "first_index": 0, "given": 3, "in_language": " in the language id", "key": "customer_since",
    "kind": "persona", "known": "whatsapp, phone, email", "languages": "en, id", "length": 5120,
    "location_code": "JKT-1", "location_id": 3, "max_bytes": settings.MAX_BODY_BYTES,
    "max_length": idempotency.MAX_LENGTH, "maximum": 4096, "method": "GET", "name": "Order updates",
    "path": "message", "persona_id": 17, "persona_name": "Rina Hartono",
    "problem": "Expected `str`, got `int`", "reason": "the number is too short for its country.", "recipient_index": 1,
    "requests_per_minute": settings.DEFAULT_REQUESTS_PER_MINUTE, "retry_after_s": 1,
    "second": "Joko Prasetyo (persona 18)", "status": "closed", "text": "203.0.113", "time_zone": "Jakarta",
    "token_id": "k3v9q2m7x4b6", "topic_id": 5, "type": "party", "username": "your_username",
    "activates_at": datetime(2026, 12, 1, tzinfo=UTC),
    "paused_until": datetime(2026, 12, 1, 9, 5, tzinfo=UTC),
}  # fmt: skip
_SAMPLES_OF_CODE: dict[str, dict[str, Any]] = {
    "query_invalid": {"path": "limit", "problem": "Expected `int` <= 200"},
    "ability_missing": {"key": "message_send"},
    "ability_not_held": {"key": "data_export"},
    "ability_unknown": {"key": "message_sent", "known": "message_send, message_add, …"},
    "attribute_unknown": {"key": "town", "known": "customer_since, city"},
    "attribute_value_invalid": {"problem": "takes a date, as 2026-11-21."},
    "token_id_invalid": {"token_id": "k3v9q2"},
    "token_name_invalid": {"problem": "has at most 100 characters."},
    "recipients_too_many": {"maximum": 1000},
    "database_unavailable": {"retry_after_s": 5},
    "notice_address_invalid": {"text": "team"},
    "networks_beyond_own": {"networks": "203.0.113.0/24"},
    "recipient_repeated": {"name": "Rina Hartono"},
    "contact_refused": {"problem": "“12” can't be reached: the number is too short for its country."},
    "contact_taken": {"type": "whatsapp", "key": "+6285174314159"},
    "location_code_taken": {"name": "Jakarta store"},
    "template_not_found": {"name": "order_shipped"},
    "template_ambiguous": {"name": "order_shipped"},
    "template_parameters_wrong": {"name": "order_shipped"},
    "template_text_too_long": {"name": "order_shipped"},
    "topic_status_invalid": {"known": "open, pending, resolved"},
    "version_conflict": {"given": 3},
}
_PLAIN = {int: 1, str: "…", bool: True, float: 1.0}


def sample_of(kind: type[RavenError]) -> RavenError:
    """A refusal of this kind, with values as they might be."""
    if not dataclasses.is_dataclass(kind):
        return kind()
    special = _SAMPLES_OF_CODE.get(kind.code, {})
    hints = typing.get_type_hints(kind)
    names = [member.name for member in dataclasses.fields(kind)]
    return kind(**{name: special.get(name, _SAMPLES.get(name, _PLAIN.get(hints[name]))) for name in names})
