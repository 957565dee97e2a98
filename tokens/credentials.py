"""From the text a caller shows to the token that it is, with all that the gateway asks about it: one narrow query."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from tokens.models import EXPIRING_WITHIN, Token, TokenAbility
from tokens.refusals import (
    ProInactive,
    SourceRefused,
    TokenDisabled,
    TokenExpired,
    TokenMalformed,
    TokenMissing,
    TokenNotActiveYet,
    TokenRevoked,
    TokenUnknown,
)
from tokens.secrets import Secret, parse_secret

_USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Credential:
    """A token that was shown with its right secret; whether it may be used now is another question."""

    token_id: int
    name: str
    workspace_id: int
    digest: str
    pepper_number: int
    is_on: bool
    activates_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    topic_anchor_id: int | None
    user_alias_id: int | None
    source_networks: list[str]
    requests_per_minute: int | None
    last_used_at: datetime | None
    country: str
    pro_is_on: bool
    pro_until: datetime | None

    def check_usable(self, *, at: datetime) -> None:
        """Raises why the token does not work at the moment `at`; to the second, with no grace."""
        if self.revoked_at is not None:
            raise TokenRevoked
        if not self.is_on:
            raise TokenDisabled
        if self.expires_at is not None and self.expires_at <= at:
            raise TokenExpired(expires_at=self.expires_at)
        if self.activates_at is not None and at < self.activates_at:
            raise TokenNotActiveYet(activates_at=self.activates_at)

    def check_source(self, address: str) -> None:
        """Raises SourceRefused when `address` is in none of the networks the token is bound to; no network: any."""
        if not self.source_networks:
            return
        source = ipaddress.ip_address(address)
        if not any(source in ipaddress.ip_network(network) for network in self.source_networks):
            raise SourceRefused(address=address)

    def check_pro(self, *, at: datetime) -> None:
        """Raises ProInactive when the workspace's Pro is off or over."""
        if not self.pro_is_on or (self.pro_until is not None and self.pro_until <= at):
            raise ProInactive

    def expires_soon(self, *, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at + EXPIRING_WITHIN

    def abilities(self) -> frozenset[str]:
        return frozenset(TokenAbility.objects.filter(token_id=self.token_id).values_list("key", flat=True))

    def note_use(self, *, at: datetime) -> None:
        """The token's last use is `at`; written at most once a minute."""
        if self.last_used_at is None or at - self.last_used_at >= _USE_NOTED_EVERY:
            Token.objects.filter(pk=self.token_id).update(last_used_at=at)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a caller showed: the credential, if its secret was right, and else whose token it claims to be."""

    credential: Credential | None
    refusal: Exception | None
    claimed_token_id: int | None = None
    claimed_workspace_id: int | None = None


_COLUMNS = (
    "pk", "name", "workspace_id", "digest", "pepper_number", "is_on", "activates_at", "expires_at", "revoked_at",
    "topic_anchor_id", "user_alias_id", "source_networks", "requests_per_minute", "last_used_at",
    "workspace__country", "workspace__pro_is_on", "workspace__pro_until",
)  # fmt: skip
_NOBODYS_DIGEST = "0" * 64


def read(text: str | None) -> Shown:
    """The credential that `text` is.

    An unknown id and a wrong secret get the same answer after the same work, so that ids can't be tried out. The log
    still knows whose token was claimed, which helps its admin to see a mistyped or leaked one.
    """
    if not text:
        return Shown(None, TokenMissing())
    secret = parse_secret(text)
    if secret is None:
        return Shown(None, TokenMalformed())
    row = Token.objects.filter(public_id=secret.public_id, kind=text[:3]).values_list(*_COLUMNS).first()
    credential = Credential(*row) if row else None
    digest = credential.digest if credential else _NOBODYS_DIGEST
    newest = max(settings.TOKEN_PEPPERS)
    pepper_number = credential.pepper_number if credential else newest
    pepper = settings.TOKEN_PEPPERS.get(pepper_number, "")
    if not secret.matches(digest, pepper) or credential is None or not pepper:
        claimed = (credential.token_id, credential.workspace_id) if credential else (None, None)
        return Shown(None, TokenUnknown(), *claimed)
    if pepper_number != newest:
        _renew_digest(secret, credential, newest)
    return Shown(credential, None)


def _renew_digest(secret: Secret, credential: Credential, pepper_number: int) -> None:
    """Moves a token to the newest pepper when it is used, so that an old pepper can be retired."""
    digest = secret.digest(settings.TOKEN_PEPPERS[pepper_number])
    Token.objects.filter(pk=credential.token_id, digest=credential.digest).update(
        digest=digest, pepper_number=pepper_number
    )
