"""Telling that a token ends: 30, 7 and 1 days before and at its end, each once, and never after it was rotated."""

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django_tasks import task

from delivery import outbox
from delivery.carriers import Occurrence
from tokens.models import CallbackEvent, ExpiryNotice, Token

TOLD_BEFORE = (0, 1, 7, 30)
"""Days; 0: it has ended."""
TOLD_LATE = timedelta(days=1)
"""An end that is longer ago than this is not told any more."""
_AT_ONCE = 500


@task()
def tell_of_expirations() -> None:
    """Whoever has a callback for it knows of every token that ends."""
    while tell_due(at=timezone.now()) == _AT_ONCE:
        pass


def tell_due(*, at: datetime) -> int:
    """The notices that are due have been announced; returns how many.

    Only the nearest is: whoever makes a token that ends in three days hears of it once, not of the 30 days too.
    """
    told, after = 0, at - TOLD_LATE
    still_meant = Token.objects.lasting().filter(
        is_on=True, revoked_at=None, replaced_by=None, callbacks__event=CallbackEvent.TOKEN_EXPIRING
    )
    for days in TOLD_BEFORE:
        until = at + timedelta(days=days)
        notices = ExpiryNotice.objects.filter(token=OuterRef("pk"), days=days).filter(expires_at=OuterRef("expires_at"))
        ending = still_meant.filter(~Exists(notices), expires_at__gt=after, expires_at__lte=until)
        told += sum(_tell(token, days, at=at) for token in ending.order_by("expires_at", "pk")[: _AT_ONCE - told])
        after = until
    return told


@transaction.atomic
def _tell(token: Token, days: int, *, at: datetime) -> bool:
    """Whether it was not told before."""
    assert token.expires_at is not None  # noqa: S101 - one that ends
    _notice, is_new = ExpiryNotice.objects.get_or_create(
        token=token, expires_at=token.expires_at, days=days, defaults={"told_at": at}
    )
    if is_new:
        news = Occurrence(
            workspace_id=token.workspace_id,
            kind="token.expiring",
            subject_id=token.pk,
            at=at,
            data={
                "token": token.masked,
                "name": token.name,
                "expires_at": token.expires_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
                "days_left": days,
            },
        )
        outbox.announce([news], to=outbox.EVENTS)
    return is_new
