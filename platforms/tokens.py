"""A token as it goes to another Raven server: all but its secret (docs/decisions/0010)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.conf import settings

from tokens.configuration import Configuration
from tokens.models import Token
from tokens.secrets import DIGEST_SCHEME, fingerprint


@dataclass(frozen=True, slots=True)
class OutgoingToken:
    public_id: str
    values: Mapping[str, Any]
    """How it is configured, as the body of Raven's `PATCH token/{id}`."""
    proof: Mapping[str, str] = field(repr=False)
    """What `PUT token/{id}` asks beside it, for a server that does not know it; {}: its pepper is held here no more."""
    is_revoked: bool
    replaces: str = ""
    """The public id of the token that it took over from when that was rotated."""

    @property
    def pepper(self) -> str:
        """The fingerprint of the pepper that its digest was made with."""
        return self.proof.get("pepper", "")


def outgoing_token(token_id: int) -> OutgoingToken | None:
    """None when the token is gone, or temporary: those end within the hour, where they were made."""
    return outgoing_tokens([token_id]).get(token_id)


def outgoing_tokens(token_ids: Sequence[int], *, lock: bool = False) -> dict[int, OutgoingToken]:
    """Those of them that can go, by id; with `lock`, nobody changes these before the transaction ends."""
    tokens = Token.objects.lasting().filter(pk__in=token_ids).order_by("pk")
    if lock:
        tokens = tokens.select_for_update(of=("self",), no_key=True)
    found = tokens.select_related("topic_anchor", "user_alias", "replaces").prefetch_related("abilities")
    return {token.pk: as_outgoing(token, Configuration.of(token)) for token in found}


def as_outgoing(token: Token, configuration: Configuration) -> OutgoingToken:
    """`token` as it goes out when it is configured so."""
    replaced = getattr(token, "replaces", None)
    return OutgoingToken(
        token.public_id, _values(configuration), _proof(token), token.revoked_at is not None,
        replaces=replaced.public_id if replaced else "",
    )  # fmt: skip


def _values(configuration: Configuration) -> dict[str, Any]:
    anchor, alias = configuration.topic_anchor, configuration.user_alias
    values = {
        "name": configuration.name,
        "ability": sorted(configuration.abilities),
        "is_on": configuration.is_on,
        "activates_at": configuration.activates_at,
        "expires_at": configuration.expires_at,
        "topic_anchor": anchor.name if anchor else None,
        "user_alias": alias.username if alias else None,
        "source_networks": list(configuration.source_networks),
        "requests_per_minute": configuration.requests_per_minute,
    }
    return dict(msgspec.to_builtins(values))


def _proof(token: Token) -> dict[str, str]:
    pepper = settings.TOKEN_PEPPERS.get(token.pepper_number)
    if pepper is None:
        return {}
    return {
        "digest": f"{DIGEST_SCHEME}{token.digest}",
        "pepper": fingerprint(pepper),
        "last_four": token.last_four,
    }
