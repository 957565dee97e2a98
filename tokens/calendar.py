"""When the tokens of a workspace end, as a calendar that programs read at an address of one person's own."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.access import may
from accounts.language import reader_language
from accounts.models import User, Workspace
from accounts.roles import Action
from tokens import icalendar
from tokens.expiry import moments_of
from tokens.models import CalendarFeed, Token
from tokens.notices import page_of

EVENTS_AT_MOST = 1_000
"""Of those to come, the first; calendar programs get slow with more."""
ENDED_AT_MOST = 100
"""Of those that have been, the last."""
READ_EVERY = timedelta(hours=6)
"""What calendar programs are asked to do; many have their own mind."""
_READING_NOTED_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    workspace: Workspace
    content: bytes
    etag: str
    changed_at: datetime
    """When it was first read as it is now."""


def open_feed(*, user: User, workspace: Workspace, at: datetime) -> str:
    """The person's calendar program may read at this address from now on, at no earlier one; it is shown this once."""
    secret = secrets.token_urlsafe(32)
    CalendarFeed.objects.update_or_create(
        user=user,
        workspace=workspace,
        defaults={"digest": _digest(secret), "made_at": at, "last_read_at": None, "content_tag": ""},
    )
    return f"{settings.BASE_URL}{reverse('calendar', args=[secret])}"


def close_feed(*, user: User, workspace: Workspace) -> None:
    """There is nothing at the person's address any more."""
    CalendarFeed.objects.filter(user=user, workspace=workspace).delete()


def read_feed(*, secret: str, at: datetime) -> Calendar | None:
    """The calendar at that address; None when there is none, and when its person may not see the workspace any more."""
    feed = CalendarFeed.objects.filter(digest=_digest(secret)).select_related("user", "workspace").first()
    if feed is None or not may(feed.user, Action.READ, feed.workspace):
        return None
    with translation.override(reader_language(feed.user)):
        content = calendar_of(feed.workspace, at=at)
    etag, changed_at = f'"{hashlib.sha256(content).hexdigest()[:32]}"', feed.content_changed_at
    if changed_at is None or feed.content_tag != etag:
        changed_at = at
        CalendarFeed.objects.filter(pk=feed.pk).update(content_tag=etag, content_changed_at=at, last_read_at=at)
    elif feed.last_read_at is None or at - feed.last_read_at >= _READING_NOTED_EVERY:
        CalendarFeed.objects.filter(pk=feed.pk).update(last_read_at=at)
    return Calendar(feed.workspace, content, etag, changed_at)


def calendar_of(workspace: Workspace, *, at: datetime) -> bytes:
    """The ends of its tokens, those to come and the last ones that came; of which tokens, see `whose_end_is_told`."""
    ending = Token.objects.whose_end_is_told().filter(workspace=workspace)
    to_come = ending.filter(expires_at__gt=at).order_by("expires_at", "pk")[:EVENTS_AT_MOST]
    ended = ending.filter(expires_at__lte=at).order_by("-expires_at", "-pk")[:ENDED_AT_MOST]
    return icalendar.calendar(
        product="-//Raven Admin//Expirations of tokens//EN",
        name=_("Tokens of %(workspace)s") % {"workspace": workspace.name},
        events=[_event(token) for token in (*reversed(ended), *to_come)],
        refreshed_every=READ_EVERY,
    )


def _event(token: Token) -> icalendar.Event:
    assert token.expires_at is not None  # noqa: S101 - one that ends
    page = page_of(token)
    return icalendar.Event(
        uid=f"token-{token.public_id}@{urlsplit(settings.BASE_URL).hostname}",
        at=token.expires_at,
        summary=_("Token “%(name)s” ends") % {"name": token.name},
        description=_("%(masked)s: from then on, every call with it is refused. Its page: %(url)s")
        % {"masked": token.masked, "url": page},
        url=page,
        revised_at=token.expiration_set_at,
        revision=token.version,
        alarms=[timedelta(days=days) for days, _moment in moments_of(token) if days],
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
