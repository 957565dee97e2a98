"""A token that another of our servers issued, and that works here too: by its public id and digest, without its secret.

The digest is worth something only under the pepper that made it, so both servers must hold that one
(docs/decisions/0010).
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from django.conf import settings
from django.db import transaction

from accounts.models import Workspace
from raven_admin.errors import RavenError
from tokens.configuration import Configuration, FieldChange
from tokens.models import Token
from tokens.secrets import fingerprint
from tokens.services import Actor, Identity, add_token, configure_token, note_rotation


@dataclass(eq=False)
class PepperNotHeld(RavenError):
    """This server does not hold the pepper {fingerprint}: set the same TOKEN_PEPPERS on both, restart, and retry."""

    code: ClassVar[str] = "pepper_not_held"
    fingerprint: str


@dataclass(eq=False)
class TokenIdInvalid(RavenError):
    """“{token_id}” is not a token's id: that is the twelve letters and digits between its first two underscores."""

    code: ClassVar[str] = "token_id_invalid"
    token_id: str


@dataclass(eq=False)
class TokenIdTaken(RavenError):
    """This server knows {token_id} already, as a token of another workspace or a temporary one: it can't be two."""

    code: ClassVar[str] = "token_id_taken"
    token_id: str


@dataclass(eq=False)
class TokenDigestDiffers(RavenError):
    """This server knows {token_id} already, with another secret: delete that token, or issue a new one."""

    code: ClassVar[str] = "token_digest_differs"
    token_id: str


def held_pepper(given: str) -> int:
    """The number that the pepper with this fingerprint has here. Raises PepperNotHeld."""
    for number in sorted(settings.TOKEN_PEPPERS, reverse=True):
        if fingerprint(settings.TOKEN_PEPPERS[number]) == given:
            return number
    raise PepperNotHeld(fingerprint=given)


@transaction.atomic
def share_token(
    *,
    workspace: Workspace,
    identity: Identity,
    configuration: Configuration,
    replaces: Token | None = None,
    by: Actor,
) -> Token:
    """The token that `identity` tells of works here, configured so; who is told of it here stays.

    `replaces` was rotated into it where it was issued, so nobody is told here that it ends.

    Raises TokenIdTaken, TokenDigestDiffers, TokenIsRevoked, and what `configure_token` raises.
    """
    token = _share(workspace, identity, configuration, by=by)
    if replaces is not None:
        note_rotation(old=replaces, new=token, by=by)
    return token


def _share(workspace: Workspace, identity: Identity, configuration: Configuration, *, by: Actor) -> Token:
    known = Token.objects.select_for_update().filter(public_id=identity.public_id).first()
    if known is None:
        origin = FieldChange("secret", "", "issued by another server")
        return add_token(workspace=workspace, identity=identity, configuration=configuration, by=by, changes=[origin])
    if known.workspace_id != workspace.pk or known.parent_id is not None:
        raise TokenIdTaken(token_id=identity.public_id)
    if known.pepper_number == identity.pepper_number and known.digest != identity.digest:
        raise TokenDigestDiffers(token_id=identity.public_id)
    configuration = replace(configuration, caretaker=known.caretaker, notice_address=known.notice_address)
    configure_token(token=known, configuration=configuration, version=known.version, by=by)
    # Digests under two peppers can't be compared; the one that comes is of the server that issued the token.
    Token.objects.filter(pk=known.pk).update(digest=identity.digest, pepper_number=identity.pepper_number)
    return known
