"""The same call sent twice happens once: Idempotency-Key, kept 24 hours, each token for itself.

A key is claimed in a transaction of its own, so that a second call sees the first one running; the answer is stored in
the same transaction as what the call wrote. A refused call gives its claim back: nothing was saved, so it may be
corrected and sent again under the same key.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from raven_admin.statements import Statement
from tokens.models import IdempotencyKey
from tokens.refusals import IdempotencyKeyInFlight, IdempotencyKeyInvalid, IdempotencyKeyReused

KEPT = timedelta(hours=24)
MAX_LENGTH = 255
_CLAIM_TEXT = """
    INSERT INTO tokens_idempotencykey (token_id, key, fingerprint, claimed_at, body)
    SELECT %s, %s, %s, {moment}, '' WHERE {condition}
    ON CONFLICT (token_id, key) DO NOTHING RETURNING id
"""
# A claim need not wait for the disk: whatever a crash of the database leaves of the answer, it leaves of the claim.
_CLAIM = Statement(
    sqlite=_CLAIM_TEXT.format(moment="%s", condition="TRUE"),
    postgresql=_CLAIM_TEXT.format(
        moment="%s::timestamptz", condition="set_config('synchronous_commit', 'off', TRUE) = 'off'"
    ),
)
_FINISH = Statement("""
    UPDATE tokens_idempotencykey SET status = %s, body = %s, etag = %s
     WHERE token_id = %s AND key = %s AND claimed_at = %s AND status IS NULL RETURNING id
""")
_ABANDONED_AFTER = timedelta(seconds=60)
"""A claim this old without an answer belongs to a process that died; the next call takes it over."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The answer that a call under a key got."""

    status: int
    body: str
    """JSON."""
    etag: str
    """Empty: it had none."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer under a key; `replay` is the earlier answer when there is one."""

    token_id: int
    key: str
    claimed_at: datetime
    replay: Replay | None = None


def claim(*, token_id: int, key: str, call: bytes, now: datetime) -> Claim:
    """The key is ours to answer, or holds the answer to replay.

    `call` is all that makes the call what it is: method, path and body. Raises IdempotencyKeyInvalid,
    IdempotencyKeyReused and IdempotencyKeyInFlight.
    """
    if not 1 <= len(key) <= MAX_LENGTH or not key.isprintable():
        raise IdempotencyKeyInvalid(max_length=MAX_LENGTH)
    # Stored as digests: a caller may have put anything into a key, even a secret.
    key_digest = hashlib.sha256(key.encode()).hexdigest()
    fingerprint = hashlib.sha256(call).hexdigest()
    if _CLAIM.row(token_id, key_digest, fingerprint, now):
        return Claim(token_id, key_digest, now)
    found = IdempotencyKey.objects.filter(token_id=token_id, key=key_digest).first()
    if found is None:  # the first call was refused and gave the key back a moment ago
        raise IdempotencyKeyInFlight
    return _existing(found, fingerprint=fingerprint, now=now)


def finish(claim: Claim, *, status: int, body: str, etag: str) -> None:
    """The answer is stored, in the caller's transaction. Raises IdempotencyKeyInFlight when the claim was lost."""
    if not _FINISH.row(status, body, etag, claim.token_id, claim.key, claim.claimed_at):
        raise IdempotencyKeyInFlight


def release(claim: Claim) -> None:
    """The key is free again."""
    _held(claim).delete()


def _existing(found: IdempotencyKey, *, fingerprint: str, now: datetime) -> Claim:
    is_over = now - found.claimed_at >= (KEPT if found.status is not None else _ABANDONED_AFTER)
    if is_over:
        taken = IdempotencyKey.objects.filter(pk=found.pk, claimed_at=found.claimed_at, status=found.status).update(
            fingerprint=fingerprint, claimed_at=now, status=None, body="", etag=""
        )
        if not taken:
            raise IdempotencyKeyInFlight
        return Claim(found.token_id, found.key, now)
    if found.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    if found.status is None:
        raise IdempotencyKeyInFlight
    return Claim(found.token_id, found.key, found.claimed_at, Replay(found.status, found.body, found.etag))


def _held(claim: Claim) -> QuerySet[IdempotencyKey]:
    return IdempotencyKey.objects.filter(
        token_id=claim.token_id, key=claim.key, claimed_at=claim.claimed_at, status=None
    )
