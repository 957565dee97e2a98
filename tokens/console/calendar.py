"""The calendar of expirations: the page on which a person gets their address of it, and what stands there."""

from typing import Any, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.access import current_workspace, may
from accounts.models import User
from accounts.roles import Action
from tokens.calendar import EVENTS_AT_MOST, close_feed, open_feed, read_feed
from tokens.console.once import new_nonce, use_nonce
from tokens.models import CalendarFeed


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The person gets an address, a new one in its place, or none any more."""
    user, workspace = cast(User, request.user), current_workspace(request)
    if workspace is None or not may(user, Action.READ, workspace):
        raise PermissionDenied
    address = ""
    if request.method == "POST":
        if "stop" in request.POST:
            close_feed(user=user, workspace=workspace)
            messages.success(request, _("The address is gone. Calendar programs that read it get nothing any more."))
            return redirect("admin:calendar")
        with transaction.atomic():
            if not use_nonce(request, request.POST.get("nonce", "")):
                messages.warning(request, _("That address was already shown; make another if you lost it."))
                return redirect("admin:calendar")
            address = open_feed(user=user, workspace=workspace, at=timezone.now())
    own = {
        "title": _("Calendar of expirations"),
        "workspace": workspace,
        "feed": CalendarFeed.objects.filter(user=user, workspace=workspace).first(),
        "address": address,
        "webcal": address.replace("https://", "webcal://", 1).replace("http://", "webcal://", 1),
        "nonce": new_nonce(request),
        "events_at_most": EVENTS_AT_MOST,
    }
    response = TemplateResponse(request, "tokens/calendar.html", context | own)
    if address:
        response["Referrer-Policy"] = "no-referrer"
    return response


@require_safe
def feed(request: HttpRequest, secret: str) -> HttpResponse:
    """What calendar programs read; the address is all that they show."""
    calendar = read_feed(secret=secret, at=timezone.now())
    if calendar is None:
        raise Http404("no such calendar")
    response = HttpResponse(
        calendar.content,
        content_type="text/calendar; charset=utf-8",
        headers={
            "Cache-Control": "private, no-cache",
            "Content-Disposition": f'inline; filename="tokens-{calendar.workspace.slug}.ics"',
            "ETag": calendar.etag,
            "Last-Modified": http_date(calendar.changed_at.timestamp()),
            "X-Robots-Tag": "noindex",
        },
    )
    changed_at = int(calendar.changed_at.timestamp())
    answer = get_conditional_response(request, etag=calendar.etag, last_modified=changed_at, response=response)
    return cast(HttpResponse, answer)
