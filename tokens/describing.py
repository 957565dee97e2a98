"""What a program may know about the token that it calls with."""

from datetime import UTC, datetime
from typing import Any

from raven_admin.statements import Statement
from tokens.abilities import ABILITIES
from tokens.credentials import Credential
from tokens.models import EXPIRING_WITHIN, masked, status_of
from tokens.refusals import TokenUnknown

_NAMES = Statement("""
    SELECT t.kind, t.public_id, t.last_four, w.name, w.slug, w.account_number, a.name, u.username
      FROM tokens_token t
      JOIN accounts_workspace w ON w.id = t.workspace_id
      LEFT JOIN messaging_topic a ON a.id = %(anchor_id)s
      LEFT JOIN accounts_user u ON u.id = %(alias_id)s
     WHERE t.id = %(token_id)s
""")


def describe(credential: Credential, *, at: datetime) -> dict[str, Any]:
    """The credential as JSON values, by the names that people know; moments as ISO 8601 in UTC or None.

    Of a temporary token it is what counts for its calls, of which its parent says most. Raises TokenUnknown when the
    token was deleted meanwhile.
    """
    names = _NAMES.row(
        token_id=credential.token_id, anchor_id=credential.topic_anchor_id, alias_id=credential.user_alias_id
    )
    if names is None:
        raise TokenUnknown
    kind, public_id, last_four, workspace, slug, account, anchor, alias = names
    own = credential.validities[0]
    status = status_of(
        is_on=own.is_on,
        activates_at=own.activates_at,
        expires_at=own.expires_at,
        revoked_at=own.revoked_at,
        paused_until=own.paused_until,
        at=at,
        soon=at + EXPIRING_WITHIN,
    )
    return {
        "name": credential.name,
        "token": masked(kind, public_id, last_four),
        "status": str(status),
        "workspace": {"name": workspace, "slug": slug, "account": account},
        "abilities": [ability.key for ability in ABILITIES if ability.key in credential.abilities],
        "activates_at": _text(own.activates_at),
        "expires_at": _text(own.expires_at),
        "topic_anchor": anchor,
        "user_alias": alias,
        "source_networks": list(credential.source_networks),
        "requests_per_minute": credential.requests_per_minute,
    }


def _text(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None
