"""Connections in the console: each view parses, authorises, calls one service and renders."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace
from accounts.roles import Action
from personas.models import ContactType
from platforms.carrying import sends_to
from platforms.connections import (
    add_connection,
    change_connection,
    new_webhook_secret,
    remove_connection,
    switch_connection,
    try_connection,
    waiting_count,
)
from platforms.console.comparing import ComparePages, drift_figures
from platforms.console.forms import ConnectionForm
from platforms.console.incoming import IncomingPages
from platforms.console.previewing import PreviewPages
from platforms.console.sending import SendingPages
from platforms.health import health_of
from platforms.models import Connection, Link
from platforms.registry import PLATFORMS, platform_of
from platforms.targets import target_of
from raven_admin.errors import RavenError

_COUNTED_AT_MOST = 1000


@admin.register(Connection)
class ConnectionAdmin(IncomingPages, PreviewPages, ComparePages, SendingPages):
    """The platforms that the workspace is connected to."""

    write_action = Action.WORKSPACE_WRITE
    list_select_related = ("destination",)
    ordering = ("destination_id",)
    change_list_template = "platforms/list.html"
    empty_title = _("Not connected yet")

    def get_urls(self) -> list[URLPattern]:
        def page(name: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
            route = f"<path:object_id>/{name}/"
            return path(route, self.admin_site.admin_view(view), name=f"platforms_connection_{name}")

        return [
            page("test", self.test_view),
            page("switch", self.switch_view),
            page("secret", self.secret_view),
            *super().get_urls(),
        ]

    # ------------------------------------------------------------------------------------------------ the list
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"title": gettext("Connections"), "may_write": self.has_add_permission(request)}
        response = super().changelist_view(request, context | (extra_context or {}))
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            now = timezone.now()
            response.context_data["rows"] = [
                (connection, platform_of(connection.platform), health_of(connection, at=now))
                for connection in response.context_data["cl"].result_list
            ]
        return response

    # ------------------------------------------------------------------------------------------------ a new one
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        workspace = current_workspace(request)
        if workspace is None or not self.has_add_permission(request):
            raise PermissionDenied
        chosen = request.GET.get("platform", "")
        if not chosen:
            return self._page(request, "platforms/choose.html", title=gettext("Connect"), platforms=PLATFORMS.values())
        if chosen not in PLATFORMS:
            raise Http404("no such platform")
        platform = PLATFORMS[chosen]
        form = ConnectionForm(request.POST or None, platform=platform)
        if request.method == "POST" and form.is_valid():
            try:
                connection = add_connection(workspace=workspace, draft=form.draft())
            except RavenError as refusal:
                form.add_refusal(refusal)
            else:
                return self._added(request, connection)
        title = gettext("Connect %(platform)s") % {"platform": platform.label}
        return self._page(request, "platforms/add.html", title=title, platform=platform, form=form)

    def _added(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        if connection.platform == "webhook":
            return self._secret_page(request, connection, target_of(connection).credential)
        messages.success(request, gettext("%(name)s is connected. Test it now.") % {"name": connection.name})
        return redirect("admin:platforms_connection_change", connection.pk)

    # ------------------------------------------------------------------------------------------------ one of them
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        connection = self._connection(request, object_id)
        may_write = self.has_change_permission(request, connection)
        platform = platform_of(connection.platform)
        if request.method != "POST":
            form = ConnectionForm(platform=platform, connection=connection, may_write=may_write)
            return self._connection_page(request, connection, form)
        if not may_write:
            raise PermissionDenied
        form = ConnectionForm(request.POST, platform=platform, connection=connection)
        if form.is_valid():
            moved_at = connection.moved_at
            try:
                change_connection(connection=connection, draft=form.draft())
            except RavenError as refusal:
                form.add_refusal(refusal)
            else:
                messages.success(request, gettext("Saved."))
                if connection.moved_at != moved_at:
                    moved = gettext("The address is another one: who is who there is looked up anew.")
                    messages.info(request, moved)
                return redirect("admin:platforms_connection_change", connection.pk)
        return self._connection_page(request, connection, form)

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        connection = self._connection(request, object_id, to_write=True)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            tried = try_connection(connection=connection)
        except RavenError as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:platforms_connection_change", connection.pk)
        form = ConnectionForm(platform=platform_of(connection.platform), connection=connection)
        return self._connection_page(request, connection, form, tried=tried)

    def switch_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        connection = self._connection(request, object_id, to_write=True)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        on = request.POST.get("on") == "1"
        switch_connection(connection=connection, on=on)
        text = gettext("%(name)s is on: what waited leaves now.") if on else gettext("%(name)s is off: changes wait.")
        messages.success(request, text % {"name": connection.name})
        return redirect("admin:platforms_connection_change", connection.pk)

    def secret_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        connection = self._connection(request, object_id, to_write=True)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if connection.platform != "webhook":
            raise Http404("only webhooks have a secret of ours")
        return self._secret_page(request, connection, new_webhook_secret(connection=connection))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        connection = self._connection(request, object_id, to_write=True)
        if request.method == "POST":
            name = connection.name
            remove_connection(connection=connection, by=request.user.display_name, at=timezone.now())  # type: ignore[union-attr]
            messages.success(request, gettext("%(name)s is no longer connected.") % {"name": name})
            return redirect("admin:platforms_connection_changelist")
        title = gettext("Remove “%(name)s”?") % {"name": connection.name}
        return self._page(
            request, "platforms/remove.html", title=title, connection=connection, waiting=waiting_count(connection)
        )

    # ------------------------------------------------------------------------------------------------ in common
    def _connection(self, request: HttpRequest, object_id: str, *, to_write: bool = False) -> Connection:
        """Raises Http404 for one that the viewer may not see, PermissionDenied for one that they may not change."""
        connection: Connection = self.get_object(request, object_id)
        allowed = self.has_change_permission if to_write else self.has_view_permission
        if not allowed(request, connection):
            raise PermissionDenied
        return connection

    def _connection_page(
        self, request: HttpRequest, connection: Connection, form: ConnectionForm, **context: Any
    ) -> HttpResponse:
        linked = Link.objects.filter(connection=connection).order_by()[:_COUNTED_AT_MOST].count()
        now = timezone.now()
        return self._page(
            request, "platforms/connection.html",
            title=connection.name, connection=connection, platform=platform_of(connection.platform), form=form,
            health=health_of(connection, at=now), now=now, may_write=self.has_change_permission(request, connection),
            waiting=waiting_count(connection), linked=linked, counted_at_most=_COUNTED_AT_MOST,
            sends_to=[ContactType(type).label for type in sends_to(connection)], drift=drift_figures(connection),
            **self.sending_context(connection), **self.incoming_context(request, connection), **context,
        )  # fmt: skip

    def _secret_page(self, request: HttpRequest, connection: Connection, secret: str) -> HttpResponse:
        title = gettext("The signing secret")
        response = self._page(request, "platforms/secret.html", title=title, connection=connection, secret=secret)
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        return response

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        return TemplateResponse(request, template, {**self.admin_site.each_context(request), **context})
