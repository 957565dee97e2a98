"""What breaks when a token is revoked, and the rehearsal of it."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from raven_admin.errors import RavenError
from tokens import rehearsal
from tokens.console.figures import Summary, summary_of
from tokens.console.tabs import Show
from tokens.console.words import Text
from tokens.models import Callback, Status, Token
from tokens.services import Actor

_DERIVED_AT_MOST = 100
_POLL_MS = 3_000


@dataclass(frozen=True, slots=True)
class Dependent:
    """Something that stops, or changes, when the token is revoked."""

    label: Text
    consequence: Text
    url: str = ""


Find = Callable[[HttpRequest, Token], list[Dependent]]
_of_rooms_above: list[Find] = []


def register_dependents(find: Find) -> None:
    """`find` says which rows of a room above depend on a token, as far as the viewer may know of them."""
    _of_rooms_above.append(find)


@dataclass(frozen=True, slots=True)
class Impact:
    usage: Summary
    derived: int
    """Temporary tokens that work now, counted to 100."""
    has_more_derived: bool
    callbacks: list[Callback]
    dependents: list[Dependent]


def impact_of(request: HttpRequest, token: Token) -> Impact:
    """All that revoking `token` would stop, as far as is known here."""
    now = timezone.now()
    live = token.derived.filter(revoked_at=None, is_on=True, expires_at__gt=now).values("pk")
    derived = live[: _DERIVED_AT_MOST + 1].count()
    return Impact(
        usage=summary_of(token),
        derived=min(derived, _DERIVED_AT_MOST),
        has_more_derived=derived > _DERIVED_AT_MOST,
        callbacks=list(Callback.objects.filter(token=token).order_by("event")),
        dependents=[each for find in _of_rooms_above for each in find(request, token)],
    )


def impact(request: HttpRequest, token: Token, may_write: bool, show: Show) -> HttpResponseBase:
    """The tab Impact."""
    return show("tokens/impact.html", impact=impact_of(request, token), **_rehearsal(token))


def rehearsal_now(request: HttpRequest, token: Token, may_write: bool, show: Show) -> HttpResponseBase:
    """How the rehearsal stands, as a part of the page that keeps itself up to date."""
    return render(request, "tokens/_rehearsal_now.html", {"token": token, **_rehearsal(token)})


def rehearse(request: HttpRequest, token: Token, may_write: bool, show: Show) -> HttpResponseBase:
    """The rehearsal has begun."""
    return _done(request, token, may_write, rehearsal.begin, gettext("The rehearsal has begun: every call is refused."))


def end_rehearsal(request: HttpRequest, token: Token, may_write: bool, show: Show) -> HttpResponseBase:
    """The token works again."""
    return _done(request, token, may_write, rehearsal.end, gettext("The rehearsal is over: the token works again."))


def _done(
    request: HttpRequest, token: Token, may_write: bool, act: Callable[..., object], done: str
) -> HttpResponseBase:
    if not may_write:
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        act(token=token, by=Actor.person(request.user), at=timezone.now())  # type: ignore[arg-type]
    except RavenError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, done)
    return redirect("admin:tokens_token_impact", token.pk)


def _rehearsal(token: Token) -> dict[str, object]:
    now = timezone.now()
    last = rehearsal.last_of(token, at=now)
    seconds = max(0, int((last.ends_at - now).total_seconds())) if last else 0
    return {
        "rehearsal": last,
        "minutes_left": -(-seconds // 60),
        "can_rehearse": token.status_at(now) in {Status.ACTIVE, Status.EXPIRING},
        "poll_ms": _POLL_MS if last and last.is_under_way else 0,
        "spoken": _spoken(last) if last else "",
        "fingerprint": f"{last.refused}-{last.is_under_way}-{-(-seconds // 60)}" if last else "",
    }


def _spoken(last: rehearsal.Rehearsal) -> str:
    """What a screen reader says when it has changed."""
    refused = ngettext("%(count)s call refused.", "%(count)s calls refused.", last.refused) % {"count": last.refused}
    return refused if last.is_under_way else f"{gettext('The rehearsal is over.')} {refused}"
