"""What may be set on a token: its fields, what is refused in them, and what one differs from another in."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from accounts.models import Membership, User, Workspace
from raven_admin.errors import RavenError
from raven_admin.masking import mask_hidden_tokens
from tokens.abilities import ABILITIES, ABILITY_KEYS
from tokens.models import Token

MAX_NAME_LENGTH = 100
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of writing round."""
PLAIN_FIELDS = (
    "name", "is_on", "activates_at", "expires_at", "topic_anchor", "user_alias", "requests_per_minute", "caretaker",
    "notice_address",
)  # fmt: skip
"""The fields of a configuration that a token has in the same form."""


@dataclass(eq=False)
class TokenNameMissing(RavenError):
    """Give the token a name, so that you recognise it later."""

    code: ClassVar[str] = "token_name_missing"


@dataclass(eq=False)
class TokenNameInvalid(RavenError):
    """The name of a token {problem}"""

    code: ClassVar[str] = "token_name_invalid"
    problem: str


@dataclass(eq=False)
class MomentOutOfRange(RavenError):
    """Write a moment between the years 1900 and 9998, or leave it empty for none."""

    code: ClassVar[str] = "moment_out_of_range"
    field: str


@dataclass(eq=False)
class AnchorNotUsable(RavenError):
    """The topic “{name}” can't be an anchor: only a topic of type mass of the same workspace can."""

    code: ClassVar[str] = "anchor_not_usable"
    name: str


@dataclass(eq=False)
class PersonNotInWorkspace(RavenError):
    """“{username}” is not a member of this workspace. Add them under People first, or choose somebody else."""

    code: ClassVar[str] = "person_not_in_workspace"
    username: str
    field: str


@dataclass(eq=False)
class ExpirationBeforeActivation(RavenError):
    """The expiration must be later than the activation."""

    code: ClassVar[str] = "expiration_before_activation"


@dataclass(eq=False)
class NetworkInvalid(RavenError):
    """“{text}” is not a network. Write one as 203.0.113.0/24, 203.0.113.7 or 2001:db8::/32."""

    code: ClassVar[str] = "network_invalid"
    text: str


@dataclass(eq=False)
class NoticeAddressInvalid(RavenError):
    """“{text}” is not an e-mail address. Write one as team@example.org, or leave it empty."""

    code: ClassVar[str] = "notice_address_invalid"
    text: str


@dataclass(eq=False)
class AbilityUnknown(RavenError):
    """There is no ability “{key}”. The abilities are: {known}."""

    code: ClassVar[str] = "ability_unknown"
    key: str
    known: str


@dataclass(eq=False)
class RateOutOfRange(RavenError):
    """Requests per minute must be between 1 and 1,000,000, or empty for the default."""

    code: ClassVar[str] = "rate_out_of_range"


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that an admin may set on a token."""

    name: str
    is_on: bool = True
    activates_at: datetime | None = None
    expires_at: datetime | None = None
    topic_anchor: Any = None
    """A messaging.Topic of type mass, or None."""
    user_alias: User | None = None
    source_networks: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    caretaker: User | None = None
    notice_address: str = ""
    """Is told by mail what the caretaker is told."""
    abilities: frozenset[str] = frozenset()

    @classmethod
    def of(cls, token: Token) -> "Configuration":
        """How `token` is configured now."""
        return cls(
            name=token.name,
            is_on=token.is_on,
            activates_at=token.activates_at,
            expires_at=token.expires_at,
            topic_anchor=token.topic_anchor,
            user_alias=token.user_alias,
            source_networks=tuple(token.source_networks),
            requests_per_minute=token.requests_per_minute,
            caretaker=token.caretaker,
            notice_address=token.notice_address,
            abilities=frozenset(token.ability_keys),
        )


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field's old and new value, as text; moments as ISO 8601 in UTC, an ability as `ability:<key>` on or off."""

    field: str
    old: str
    new: str


def check_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """The networks in their usual notation, each once, in order. Raises NetworkInvalid."""
    networks: dict[str, None] = {}
    for text in texts:
        try:
            networks[str(ipaddress.ip_network(text.strip(), strict=False))] = None
        except ValueError:
            raise NetworkInvalid(text=text) from None
    return tuple(networks)


def check_configuration(configuration: Configuration, *, workspace: Workspace) -> Configuration:
    """`configuration` with its networks in usual notation; raises the first error in it."""
    given = configuration
    _check_name(given.name.strip())
    check_moments(given)
    if given.requests_per_minute is not None and not 1 <= given.requests_per_minute <= 1_000_000:
        raise RateOutOfRange
    anchor = given.topic_anchor
    if anchor is not None and (anchor.type != "mass" or anchor.workspace_id != workspace.pk):
        raise AnchorNotUsable(name=anchor.name)
    for name, user in (("user_alias", given.user_alias), ("caretaker", given.caretaker)):
        if user is not None and not Membership.objects.filter(workspace=workspace, user=user).exists():
            raise PersonNotInWorkspace(username=user.username, field=name)
    _check_notice_address(given.notice_address.strip())
    check_abilities(given.abilities)
    return replace(
        given,
        name=given.name.strip(),
        source_networks=check_networks(given.source_networks),
        notice_address=given.notice_address.strip(),
    )


def check_abilities(keys: Iterable[str]) -> None:
    """Raises AbilityUnknown."""
    for key in sorted(set(keys) - ABILITY_KEYS):
        raise AbilityUnknown(key=key, known=", ".join(ability.key for ability in ABILITIES))


def check_moments(given: Configuration) -> None:
    """Raises MomentOutOfRange and ExpirationBeforeActivation."""
    for field_name in ("activates_at", "expires_at"):
        moment = getattr(given, field_name)
        # Beyond, some time zone can't show it any more.
        if moment is not None and not 1899 <= moment.year <= 9998:
            raise MomentOutOfRange(field=field_name)
    if given.activates_at and given.expires_at and given.activates_at >= given.expires_at:
        raise ExpirationBeforeActivation


def _check_notice_address(address: str) -> None:
    try:
        if address:
            validate_email(address)
    except ValidationError:
        raise NoticeAddressInvalid(text=address) from None


def _check_name(name: str) -> None:
    if not name:
        raise TokenNameMissing
    if len(name) > MAX_NAME_LENGTH:
        raise TokenNameInvalid(problem=_("has at most %(limit)d characters.") % {"limit": MAX_NAME_LENGTH})
    if _UNSEEN.search(name):
        raise TokenNameInvalid(problem=_("is one line of plain text: take out what can't be seen."))
    if mask_hidden_tokens(name) != name:
        raise TokenNameInvalid(problem=_("is shown to everybody, and this one contains a token. Take it out."))


def differences(before: Configuration, after: Configuration) -> list[FieldChange]:
    """What is another in `after`, field by field and ability by ability."""
    changes = [
        FieldChange(name, text_of(getattr(before, name)), text_of(getattr(after, name)))
        for name in (*PLAIN_FIELDS, "source_networks")
        if getattr(before, name) != getattr(after, name)
    ]
    for ability in ABILITIES:
        had, has = ability.key in before.abilities, ability.key in after.abilities
        if had != has:
            changes.append(FieldChange(f"ability:{ability.key}", text_of(had), text_of(has)))
    return changes


def text_of(value: Any) -> str:
    """A field's value as history keeps it."""
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)
