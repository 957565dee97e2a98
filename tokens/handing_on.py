"""What a token may give on: nothing that it does not hold itself.

Otherwise a token that manages tokens would be every ability, from everywhere and for ever: it would make itself one.
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from raven_admin.errors import RavenError
from tokens.abilities import ABILITY_KEYS
from tokens.configuration import Configuration
from tokens.credentials import Credential
from tokens.services import AbilityNotHeld


@dataclass(eq=False)
class ExpirationBeyondOwn(RavenError):
    """Your token expires at {expires_at:%Y-%m-%dT%H:%M:%SZ}; what it issues or changes has to end by then too."""

    code: ClassVar[str] = "expiration_beyond_own"
    expires_at: datetime


@dataclass(eq=False)
class NetworksBeyondOwn(RavenError):
    """Your token works from {networks} only, and so must what it issues or changes: name one of these, or a part."""

    code: ClassVar[str] = "networks_beyond_own"
    networks: str


def beginning_for(holder: Credential) -> Configuration:
    """What a new token of `holder` is where it names nothing: bound as `holder` is, without any ability."""
    return Configuration(name="", expires_at=holder.expires_at, source_networks=holder.source_networks)


def no_later_than_own(holder: Credential, expires_at: datetime | None) -> datetime | None:
    """`expires_at`, or when `holder` ends if that is sooner; None when neither ends."""
    return min(filter(None, [expires_at, holder.expires_at]), default=None)


def check_not_beyond(holder: Credential, configuration: Configuration) -> None:
    """Raises AbilityNotHeld, ExpirationBeyondOwn or NetworksBeyondOwn when `configuration` may more than `holder`.

    Abilities and networks that there are not at all are for `issue_token` and `configure_token` to refuse.
    """
    for key in sorted((configuration.abilities & ABILITY_KEYS) - holder.abilities):
        raise AbilityNotHeld(key=key)
    ends_at = holder.expires_at
    if ends_at is not None and (configuration.expires_at is None or configuration.expires_at > ends_at):
        raise ExpirationBeyondOwn(expires_at=ends_at.astimezone(UTC))
    if holder.source_networks and not _are_within(configuration.source_networks, holder.source_networks):
        raise NetworksBeyondOwn(networks=", ".join(holder.source_networks))


def _are_within(given: tuple[str, ...], held: tuple[str, ...]) -> bool:
    if not given:  # from everywhere
        return False
    wide = [ipaddress.ip_network(network) for network in held]
    for text in given:
        try:
            narrow = ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            continue
        if not any(narrow.version == each.version and narrow.subnet_of(each) for each in wide):  # type: ignore[arg-type]
            return False
    return True
