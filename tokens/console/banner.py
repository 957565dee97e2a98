"""The banner above the console's pages: what has news for whoever can configure tokens, until they have seen it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import current_workspace, may
from accounts.console import page_to_return_to
from accounts.models import User, Workspace
from accounts.roles import Action
from delivery.console.words import age
from tokens.expiry import FIRST_TOLD, last_moment
from tokens.models import BannerDismissal, Callback, Token

SHOWN = 3
LOOKED_AT = 100
"""The tokens that end first; a banner is no list."""
ENDED_SHOWN = timedelta(days=7)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Banner:
    """What came since the person dismissed the last one."""

    tokens: list[tuple[Token, str]]
    """Those that end first, each with when, in words."""
    more: int
    """Tokens that are not shown; up to `LOOKED_AT` are counted."""
    callbacks: list[Callback]
    at: str
    """When this was so, in seconds since 1970: what comes later is not dismissed with it."""


def banner_of(request: HttpRequest) -> Banner | None:
    """None for those who can't configure tokens, and when there is no news."""
    workspace = current_workspace(request)
    if workspace is None or not may(request.user, Action.TOKEN_WRITE, workspace):
        return None
    at = timezone.now()
    ending = _ending(workspace, at=at)
    failing = list(
        Callback.objects.filter(workspace=workspace, warned_percent__gt=0, off_because__in=("", Callback.Off.BUDGET))
        .select_related("token")
        .order_by("-warned_at")[:SHOWN]
    )
    if not ending and not failing:
        return None
    seen = BannerDismissal.objects.filter(user=cast(User, request.user), workspace=workspace)
    seen_at = seen.values_list("dismissed_at", flat=True).first() or _NEVER
    tokens = [token for token, moment in ending if moment > seen_at]
    callbacks = [callback for callback in failing if callback.warned_at is None or callback.warned_at > seen_at]
    if not tokens and not callbacks:
        return None
    shown = [(token, when_in_words(token, at=at)) for token in tokens[:SHOWN]]
    return Banner(shown, len(tokens) - len(shown), callbacks, f"{at.timestamp():.0f}")


@require_POST
def dismiss(request: HttpRequest) -> HttpResponse:
    """The person has seen what the banner told; back to the page they were on."""
    workspace = current_workspace(request)
    if workspace is None or not may(request.user, Action.TOKEN_WRITE, workspace):
        raise PermissionDenied
    now = timezone.now()
    given = request.POST.get("at", "")
    shown_at = datetime.fromtimestamp(int(given), tz=UTC) if given.isdecimal() and len(given) <= 10 else now
    BannerDismissal.objects.update_or_create(
        user=cast(User, request.user), workspace=workspace, defaults={"dismissed_at": min(now, shown_at)}
    )
    return redirect(page_to_return_to(request))


def when_in_words(token: Token, *, at: datetime) -> str:
    """As “ends in 6 days”."""
    assert token.expires_at is not None  # noqa: S101 - one that ends
    if token.expires_at <= at:
        return _("has ended")
    return _("ends in %(span)s") % {"span": age(token.expires_at - at)}


def _ending(workspace: Workspace, *, at: datetime) -> list[tuple[Token, datetime]]:
    """Tokens with the last moment at which their end was told; those whose first is to come are left out."""
    tokens = (
        Token.objects.whose_end_is_told()
        .filter(workspace=workspace, expires_at__gt=at - ENDED_SHOWN, expires_at__lte=at + FIRST_TOLD)
        .only("name", "kind", "public_id", "last_four", "expires_at", "expiration_set_at")
        .order_by("expires_at")[:LOOKED_AT]
    )
    with_moments = [(token, last_moment(token, at=at)) for token in tokens]
    return [(token, moment) for token, moment in with_moments if moment is not None]
