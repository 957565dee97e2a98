"""The secret that a token's callbacks are signed with, and a signed request."""

from datetime import datetime, timedelta

from django.db import transaction

from platforms.encryption import resealed, seal, unseal
from platforms.transport import Request
from platforms.webhook.client import new_secret, signed
from tokens.configuration import FieldChange
from tokens.models import SigningSecret, Token
from tokens.services import Actor, record_configuration


@transaction.atomic
def ensure_secret(*, token: Token, by: Actor, at: datetime) -> str | None:
    """The token has a signing secret; the secret when it is new, to be shown this once, else None."""
    secret = new_secret()
    _row, is_new = SigningSecret.objects.get_or_create(token=token, defaults={"sealed": seal(secret), "made_at": at})
    if not is_new:
        return None
    record_configuration(token=token, changes=[FieldChange("signing_secret", "", "whsec_…")], by=by)
    return secret


@transaction.atomic
def rotate_secret(*, token: Token, overlap: timedelta, by: Actor, at: datetime) -> str:
    """Calls are signed with this new secret, and with the one before as well until `overlap` has passed."""
    secret = new_secret()
    old = SigningSecret.objects.select_for_update().filter(token=token).first()
    keeps = old is not None and overlap > timedelta(0)
    SigningSecret.objects.update_or_create(
        token=token,
        defaults={
            "sealed": seal(secret),
            "sealed_previous": old.sealed if old is not None and keeps else "",
            "previous_ends_at": at + overlap if keeps else None,
            "made_at": at,
        },
    )
    record_configuration(token=token, changes=[FieldChange("signing_secret", "whsec_…", "whsec_…")], by=by)
    return secret


def secrets_of(token_id: int, *, at: datetime) -> list[str]:
    """The secrets to sign with at that moment, the newest first. Raises SecretUnreadable."""
    kept = SigningSecret.objects.filter(token=token_id).first()
    if kept is None:
        return []
    found = [unseal(kept.sealed)]
    if kept.sealed_previous and kept.previous_ends_at is not None and kept.previous_ends_at > at:
        found.append(unseal(kept.sealed_previous))
    return found


def signed_request(*, url: str, id: str, body: bytes, secrets: list[str], at: datetime) -> Request:
    """A signature for each secret, with spaces between, as the standard has it for rotation."""
    each = [signed(secret, id, at, body) for secret in secrets]
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        **each[0],
        "webhook-signature": " ".join(one["webhook-signature"] for one in each),
    }
    return Request("POST", url, headers, body, secrets=tuple(secrets))


def reseal_signing_secrets() -> int:
    """Every signing secret is encrypted with the first key; returns how many. Raises SecretUnreadable.

    Part of the caller's transaction.
    """
    kept = list(SigningSecret.objects.select_for_update().order_by("pk"))
    for each in kept:
        each.sealed = resealed(each.sealed)
        each.sealed_previous = resealed(each.sealed_previous)
    SigningSecret.objects.bulk_update(kept, ["sealed", "sealed_previous"], batch_size=500)
    return len(kept)
