"""Sending a connection all that is older than it: how much that is, what leaves, and how far it got."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext

from accounts.console import WorkspaceModelAdmin
from accounts.language import grouped
from delivery.console.words import age, progress_in_words
from delivery.models import Delivery
from delivery.states import State
from platforms.carrying import TOKEN
from platforms.models import Connection
from platforms.registry import platform_of
from platforms.sending_all import (
    COUNTED_AT_MOST,
    CarriesNoTokens,
    last_sending,
    never_sent,
    send_all_tokens,
    tokens_to_send,
)
from raven_admin.errors import RavenError

_AMONG = 1_000
"""The newest refused ones of a connection, among which those of tokens are counted."""


class SendingPages(WorkspaceModelAdmin):
    """Of one connection: the question before all tokens are sent, and what stands on its page about it."""

    def get_urls(self) -> list[URLPattern]:
        def page(name: str, view: Callable[..., HttpResponse]) -> URLPattern:
            route = f"<path:object_id>/{name.replace('_', '-')}/"
            return path(route, self.admin_site.admin_view(view), name=f"platforms_connection_{name}")

        return [page("send_tokens", self.send_tokens_view), *super().get_urls()]

    def send_tokens_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        connection = self.get_object(request, object_id)
        if not self.has_change_permission(request, connection):
            raise PermissionDenied
        if request.method == "POST":
            return self._begin(request, connection)
        if not connection.destination.carries_tokens:
            messages.info(request, str(CarriesNoTokens(name=connection.name)))
            return redirect("admin:platforms_connection_change", connection.pk)
        count = tokens_to_send(connection)
        title = gettext("Send all tokens to %(name)s") % {"name": connection.name}
        context = {
            "title": title, "connection": connection, "platform": platform_of(connection.platform),
            "count": count, "shown": _counted(count), "takes": _takes(connection, count),
        }  # fmt: skip
        return TemplateResponse(
            request, "platforms/send_tokens.html", {**self.admin_site.each_context(request), **context}
        )

    def _begin(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        by = request.user.display_name  # type: ignore[union-attr]
        try:
            begun = send_all_tokens(connection=connection, by=by, at=timezone.now())
        except RavenError as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:platforms_connection_change", connection.pk)
        return redirect("admin:delivery_intervention_change", begun.pk)

    def sending_context(self, connection: Connection) -> dict[str, Any]:
        """For the connection's page, of one that carries tokens."""
        if not connection.destination.carries_tokens:
            return {}
        sending = last_sending(connection)
        is_under_way = sending is not None and sending.finished_at is None
        found = None if is_under_way else never_sent(connection)
        refused = Delivery.objects.filter(destination=connection.destination_id, state=State.REFUSED).order_by("-id")
        kinds = list(refused.values_list("kind", flat=True)[:_AMONG])
        return {
            "sending": sending,
            "sending_progress": progress_in_words(sending) if sending else "",
            "is_sending": is_under_way,
            "is_sent": sending is not None and sending.finished_at is not None and sending.processed == sending.total,
            "never_sent": found,
            "never_sent_shown": f"{grouped(found.count)}{'+' if found.is_more else ''}" if found else "",
            "refused_tokens": kinds.count(TOKEN),
        }


def _counted(count: int) -> str:
    return f"{grouped(count)}{'+' if count >= COUNTED_AT_MOST else ''}"


def _takes(connection: Connection, count: int) -> str:
    """How long it takes at least, at the connection's rate; "" when that is no matter."""
    rate = connection.destination.requests_per_minute
    if rate is None or count <= rate:
        return ""
    named = {"rate": grouped(rate), "time": age(timedelta(minutes=count / rate))}
    return gettext("At %(rate)s calls a minute it takes at least %(time)s.") % named
