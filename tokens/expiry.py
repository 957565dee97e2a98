"""Telling that a token ends: 30, 7 and 1 days before and at its end, each once, and never after it was rotated.

All that tells of it follows from these moments: mails and callbacks (here), the banner (tokens.console.banner), the
header of answers (tokens.gateway, from the first of them on) and the alarms of the calendar (tokens.calendar). See
docs/notices.md.
"""

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django_tasks import task

from delivery import outbox
from delivery.carriers import Occurrence
from tokens.models import CallbackEvent, ExpiryNotice, Token
from tokens.notices import EXPIRING, expiry_mail, mail_about, speaking_to_readers_of

TOLD_BEFORE = (0, 1, 7, 30)
"""Days; 0: it has ended."""
TOLD_LATE = timedelta(days=1)
"""An end that is longer ago than this is not told any more."""
FIRST_TOLD = timedelta(days=max(TOLD_BEFORE))
_AT_ONCE = 500


def moments_of(token: Token) -> list[tuple[int, datetime]]:
    """The days before its end at which is told, each with its moment, the first of them first; none without an end.

    Those that had passed when the end was decided are left out.
    """
    if token.expires_at is None:
        return []
    all_of_them = [(days, token.expires_at - timedelta(days=days)) for days in sorted(TOLD_BEFORE, reverse=True)]
    return [(days, moment) for days, moment in all_of_them if moment > token.expiration_set_at]


def last_moment(token: Token, *, at: datetime) -> datetime | None:
    """The last of `moments_of` that has come."""
    return max((moment for _days, moment in moments_of(token) if moment <= at), default=None)


@task()
def tell_of_expirations() -> None:
    """Whoever is to know of it knows of every token that ends."""
    while tell_due(at=timezone.now()) == _AT_ONCE:
        pass


def tell_due(*, at: datetime) -> int:
    """The notices that are due are on their way; returns how many.

    When a worker was away for long, only the nearest is: nobody needs to hear of the 30 days when there are six left.
    """
    told, nearer = 0, at - TOLD_LATE
    for days in TOLD_BEFORE:
        left = timedelta(days=days)
        notices = ExpiryNotice.objects.filter(token=OuterRef("pk"), days=days, expires_at=OuterRef("expires_at"))
        due = Token.objects.coming_to_their_end(days=days, after=nearer - left, until=at).filter(~Exists(notices))
        ids = list(due.order_by("expires_at", "pk").values_list("pk", flat=True)[: _AT_ONCE - told])
        told += sum(_tell(pk, days, at=at) for pk in ids)
        nearer = at + left
    return told


@transaction.atomic
def _tell(pk: int, days: int, *, at: datetime) -> bool:
    """Whether it was told now: not when another worker did, or when somebody has just rotated the token."""
    token = (
        Token.objects.coming_to_their_end(days=days, after=at - TOLD_LATE - timedelta(days=30), until=at)
        .select_for_update(of=("self",))
        .select_related("workspace", "caretaker", "created_by")
        .filter(pk=pk)
        .first()
    )
    if token is None or token.expires_at is None:
        return False
    notice, is_new = ExpiryNotice.objects.get_or_create(
        token=token, expires_at=token.expires_at, days=days, defaults={"told_at": at}
    )
    if is_new:
        with speaking_to_readers_of(token):
            subject, paragraphs = expiry_mail(token, at=at)
            mail_about(token, EXPIRING, subject=subject, paragraphs=paragraphs, at=at)
        if token.callbacks.filter(event=CallbackEvent.TOKEN_EXPIRING).exists():
            outbox.announce([end_of(token, notice)], to=outbox.EVENTS)
    return is_new


def end_of(token: Token, notice: ExpiryNotice) -> Occurrence:
    """What `notice` told, as a callback hears of it; a callback that missed it gets the same later."""
    return Occurrence(
        workspace_id=token.workspace_id,
        kind="token.expiring",
        subject_id=token.pk,
        at=notice.told_at,
        data={
            "token": token.masked,
            "name": token.name,
            "expires_at": notice.expires_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "days_left": notice.days,
        },
    )
