"""Sending a connection all that is older than it: how much that is, what leaves, and how far it got."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext

from accounts.console import WorkspaceModelAdmin
from accounts.language import grouped
from delivery.console.words import age, progress_in_words
from delivery.models import Delivery, Intervention
from delivery.sending_all import is_taken
from delivery.states import State
from platforms.carrying import PERSONA, TOKEN
from platforms.models import Connection
from platforms.registry import platform_of
from platforms.sending_all import (
    COUNTED_AT_MOST,
    NotCarried,
    count_to_send,
    last_sending,
    never_sent,
    send_all,
)
from raven_admin.errors import RavenError

ALL_TOKENS, EVERYBODY = Intervention.Action.ALL_TOKENS, Intervention.Action.EVERYBODY
_PAGES = {ALL_TOKENS: "send_tokens", EVERYBODY: "send_people"}
_KINDS = {ALL_TOKENS: TOKEN, EVERYBODY: PERSONA}
_AMONG = 1_000
"""The newest refused ones of a connection, among which those of a kind are counted."""


@dataclass(frozen=True, slots=True)
class ShownSending:
    """What a connection's page says of one thing that can be sent there."""

    is_tokens: bool
    url: str
    kind: str
    """Of its deliveries."""
    last: Intervention | None
    progress: str
    refused: int

    @property
    def is_under_way(self) -> bool:
        return self.last is not None and self.last.finished_at is None

    @property
    def is_complete(self) -> bool:
        return self.last is not None and not self.is_under_way and self.last.processed == self.last.total


class SendingPages(WorkspaceModelAdmin):
    """Of one connection: the question before all is sent, and what stands on its page about it."""

    def get_urls(self) -> list[URLPattern]:
        def page(action: Intervention.Action) -> URLPattern:
            view: Callable[..., HttpResponse] = partial(self.send_all_view, action=action)
            name = _PAGES[action]
            route = f"<path:object_id>/{name.replace('_', '-')}/"
            return path(route, self.admin_site.admin_view(view), name=f"platforms_connection_{name}")

        return [page(ALL_TOKENS), page(EVERYBODY), *super().get_urls()]

    def send_all_view(self, request: HttpRequest, object_id: str, *, action: Intervention.Action) -> HttpResponse:
        connection = self.get_object(request, object_id)
        if not self.has_change_permission(request, connection):
            raise PermissionDenied
        if request.method == "POST":
            return self._begin(request, connection, action)
        if not is_taken(action, connection.destination):
            messages.info(request, str(NotCarried(name=connection.name)))
            return redirect("admin:platforms_connection_change", connection.pk)
        count, is_tokens = count_to_send(connection, action), action == ALL_TOKENS
        title = gettext("Send all tokens to %(name)s") if is_tokens else gettext("Send everybody to %(name)s")
        context = {
            "title": title % {"name": connection.name}, "connection": connection, "is_tokens": is_tokens,
            "platform": platform_of(connection.platform), "count": count, "takes": _takes(connection, count),
            "shown": f"{grouped(count)}{'+' if count >= COUNTED_AT_MOST else ''}",
        }  # fmt: skip
        return TemplateResponse(
            request, "platforms/send_all.html", {**self.admin_site.each_context(request), **context}
        )

    def _begin(self, request: HttpRequest, connection: Connection, action: Intervention.Action) -> HttpResponse:
        by = request.user.display_name  # type: ignore[union-attr]
        try:
            begun = send_all(connection=connection, action=action, by=by, at=timezone.now())
        except RavenError as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:platforms_connection_change", connection.pk)
        return redirect("admin:delivery_intervention_change", begun.pk)

    def sending_context(self, connection: Connection) -> dict[str, Any]:
        """For the connection's page."""
        sendings = [_shown(connection, action) for action in _PAGES if is_taken(action, connection.destination)]
        of_tokens = [shown for shown in sendings if shown.is_tokens and not shown.is_under_way]
        found = never_sent(connection) if of_tokens else None
        return {
            "sendings": sendings,
            "never_sent": found,
            "never_sent_shown": f"{grouped(found.count)}{'+' if found.is_more else ''}" if found else "",
        }


def _shown(connection: Connection, action: Intervention.Action) -> ShownSending:
    last = last_sending(connection, action)
    refused = Delivery.objects.filter(destination=connection.destination_id, state=State.REFUSED).order_by("-id")
    return ShownSending(
        is_tokens=action == ALL_TOKENS,
        url=reverse(f"admin:platforms_connection_{_PAGES[action]}", args=[connection.pk]),
        kind=_KINDS[action],
        last=last,
        progress=progress_in_words(last) if last else "",
        refused=list(refused.values_list("kind", flat=True)[:_AMONG]).count(_KINDS[action]),
    )


def _takes(connection: Connection, count: int) -> str:
    """How long it takes at least, at the connection's rate; "" when that is no matter."""
    rate = connection.destination.requests_per_minute
    if rate is None or count <= rate:
        return ""
    named = {"rate": grouped(rate), "time": age(timedelta(minutes=count / rate))}
    return gettext("At %(rate)s calls a minute it takes at least %(time)s.") % named
