"""What comes in by a connection: the people who are there already, and what the platform tells us by itself."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext

from accounts.access import may
from accounts.console import BoundedPaginator, WorkspaceModelAdmin
from accounts.models import User
from accounts.roles import Action
from messaging.models import Topic
from personas.models import Persona
from platforms.importing import begin_import
from platforms.models import Connection, ReceivedCall
from platforms.receiving import close_address, follow_again, open_address, set_signing_secret
from platforms.registry import platform_of
from raven_admin.errors import RavenError

LATEST_SHOWN = 5
ROWS_A_PAGE = 50
Outcome = ReceivedCall.Outcome
_PILLS = {Outcome.WAITING: "info", Outcome.DONE: "good", Outcome.IGNORED: "off", Outcome.FAILED: "bad"}


class IncomingPages(WorkspaceModelAdmin):
    """Of one connection."""

    def get_urls(self) -> list[URLPattern]:
        def page(name: str, view: Callable[..., HttpResponseBase], route: str = "") -> URLPattern:
            route = f"<path:object_id>/{route or name}/"
            return path(route, self.admin_site.admin_view(view), name=f"platforms_connection_{name}")

        return [
            page("import", self.import_view),
            page("address", self.address_view),
            page("signing", self.signing_view),
            page("again", self.again_view, "received/<int:call_id>/again"),
            page("received", self.received_view),
            *super().get_urls(),
        ]

    def incoming_context(self, request: HttpRequest, connection: Connection) -> dict[str, Any]:
        """What the page of the connection shows of it."""
        platform = platform_of(connection.platform)
        may_edit_people = may(request.user, Action.PERSONA_WRITE, connection.workspace)
        latest = ReceivedCall.objects.filter(connection=connection).order_by("-pk")[:LATEST_SHOWN]
        return {
            "may_import": platform.lists_people and may_edit_people,
            "receives": platform.receives,
            "received": _shown(list(latest)) if platform.receives else [],
            "may_follow_again": may_edit_people,
        }

    # ------------------------------------------------------------------------------------------ people there already
    def import_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        connection = self.incoming_connection(request, object_id, to=Action.PERSONA_WRITE)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            begun = begin_import(connection=connection, by=cast(User, request.user), at=timezone.now())
        except RavenError as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:platforms_connection_change", connection.pk)
        return redirect("admin:personas_operation_change", begun.pk)

    # --------------------------------------------------------------------------------------------- what it tells us
    def address_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        connection = self.incoming_connection(request, object_id, to=Action.WORKSPACE_WRITE)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if "close" in request.POST:
            close_address(connection=connection)
            messages.success(request, gettext("%(name)s can tell nothing any more.") % {"name": connection.name})
            return redirect("admin:platforms_connection_change", connection.pk)
        try:
            address = open_address(connection=connection)
        except RavenError as refusal:
            raise Http404(str(refusal)) from None
        response = self._incoming_page(
            request, "platforms/address.html", connection, title=gettext("The address to call"), address=address
        )
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        return response

    def signing_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        connection = self.incoming_connection(request, object_id, to=Action.WORKSPACE_WRITE)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        secret = "" if "forget" in request.POST else request.POST.get("secret", "").strip()
        try:
            set_signing_secret(connection=connection, secret=secret)
        except RavenError as refusal:
            messages.error(request, str(refusal))
        else:
            text = gettext("Only signed calls are taken now.") if secret else gettext("Unsigned calls are taken now.")
            messages.success(request, text)
        return redirect("admin:platforms_connection_change", connection.pk)

    def received_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        connection = self.incoming_connection(request, object_id, to=Action.READ)
        outcome = request.GET.get("outcome", "")
        calls = ReceivedCall.objects.filter(connection=connection).order_by("-pk")
        if outcome in Outcome.values:
            calls = calls.filter(outcome=outcome)
        page = BoundedPaginator(calls, ROWS_A_PAGE).page(request.GET.get("page", ""))
        return self._incoming_page(
            request, "platforms/received.html", connection,
            title=gettext("What %(name)s told us") % {"name": connection.name}, page=page,
            received=_shown(list(page.object_list)), outcome=outcome, outcomes=Outcome.choices,
            may_follow_again=may(request.user, Action.PERSONA_WRITE, connection.workspace),
        )  # fmt: skip

    def again_view(self, request: HttpRequest, object_id: str, call_id: int) -> HttpResponse:
        connection = self.incoming_connection(request, object_id, to=Action.PERSONA_WRITE)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        call = ReceivedCall.objects.filter(connection=connection, pk=call_id).first()
        if call is None:
            raise Http404("no such call of this connection")
        follow_again(call=call)
        messages.success(request, gettext("It is being tried again."))
        return redirect("admin:platforms_connection_received", connection.pk)

    def incoming_connection(self, request: HttpRequest, object_id: str, *, to: Action) -> Connection:
        """Raises Http404 for one that the viewer may not see, PermissionDenied where they may not do that."""
        connection: Connection = self.get_object(request, object_id)
        if not may(request.user, to, connection.workspace):
            raise PermissionDenied
        return connection

    def _incoming_page(
        self, request: HttpRequest, template: str, connection: Connection, **context: Any
    ) -> HttpResponse:
        context |= {"connection": connection, "platform": platform_of(connection.platform)}
        return TemplateResponse(request, template, {**self.admin_site.each_context(request), **context})


def _shown(calls: list[ReceivedCall]) -> list[dict[str, Any]]:
    """Each call with the looks of its outcome, and whom and which topic it was about if they are still there."""
    people = Persona.objects.in_bulk({call.persona_id for call in calls if call.persona_id})
    topics = set(Topic.objects.filter(pk__in={c.topic_id for c in calls if c.topic_id}).values_list("pk", flat=True))
    return [
        {
            "call": call,
            "pill": _PILLS[Outcome(call.outcome)],
            "persona": people.get(call.persona_id or 0),
            "has_topic": call.topic_id in topics,
            "may_try_again": call.outcome == Outcome.FAILED and bool(call.body),
        }
        for call in calls
    ]
