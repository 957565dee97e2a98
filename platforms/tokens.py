"""A token's configuration as it goes to another Raven server: all but its secret (docs/decisions/0008)."""

from dataclasses import dataclass
from typing import Any

import msgspec

from tokens.models import Token


@dataclass(frozen=True, slots=True)
class TokenConfiguration:
    public_id: str
    values: dict[str, Any]
    """As the body of Raven's `PATCH token/{id}`."""


def configuration_of(token_id: int) -> TokenConfiguration | None:
    """None when the token is gone, or temporary: those end within the hour, where they were made."""
    token = (
        Token.objects.filter(pk=token_id, parent=None)
        .select_related("topic_anchor", "user_alias")
        .prefetch_related("abilities")
        .first()
    )
    if token is None:
        return None
    values = {
        "name": token.name,
        "ability": token.ability_keys,
        "is_on": token.is_on and token.revoked_at is None,
        "activates_at": token.activates_at,
        "expires_at": token.expires_at,
        "topic_anchor": token.topic_anchor.name if token.topic_anchor else None,
        "user_alias": token.user_alias.username if token.user_alias else None,
        "source_networks": token.source_networks,
        "requests_per_minute": token.requests_per_minute,
    }
    return TokenConfiguration(token.public_id, msgspec.to_builtins(values))
