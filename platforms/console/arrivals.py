"""What arrived, kept up to date, and what people do about it from the page of a person or a token."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext

from accounts.access import may
from accounts.console import WorkspaceModelAdmin
from accounts.roles import Action
from delivery.interventions import check, retry
from delivery.models import Delivery, Intervention
from delivery.states import State
from personas.models import Persona
from platforms.console.showing import persona_context, token_context
from platforms.models import Connection
from platforms.sending_all import send_one
from raven_admin.errors import RavenError
from tokens.models import Token

_DEEDS: dict[str, Callable[..., Delivery]] = {"retry": retry, "check": check}


class ArrivalPages(WorkspaceModelAdmin):
    """Of one person or token: the card that is asked for again and again, and the buttons on it."""

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"platforms_{name}")

        return [
            page("person/<int:persona_id>/arrivals/", self.person_arrivals_view, "person_arrivals"),
            page("person/<int:persona_id>/<int:delivery_id>/<slug:deed>/", self.person_deed_view, "person_deed"),
            page("token/<int:token_id>/arrivals/", self.token_arrivals_view, "token_arrivals"),
            page("token/<int:token_id>/<int:delivery_id>/<slug:deed>/", self.token_deed_view, "token_deed"),
            page("person/<int:persona_id>/to/<int:connection_id>/send/", self.person_send_view, "person_send"),
            page("token/<int:token_id>/to/<int:connection_id>/send/", self.token_send_view, "token_send"),
            *super().get_urls(),
        ]

    def person_arrivals_view(self, request: HttpRequest, persona_id: int) -> HttpResponse:
        context = persona_context(request, self.seen(request, Persona, persona_id))
        return _fresh(render(request, "platforms/_arrivals_now.html", context))

    def token_arrivals_view(self, request: HttpRequest, token_id: int) -> HttpResponse:
        context = token_context(request, self.seen(request, Token, token_id))
        return _fresh(render(request, "platforms/_arrivals_now.html", context))

    def person_deed_view(self, request: HttpRequest, persona_id: int, delivery_id: int, deed: str) -> HttpResponse:
        persona = self.seen(request, Persona, persona_id, to=Action.PERSONA_WRITE)
        found = Delivery.objects.filter(persona_id=persona.pk, workspace=persona.workspace_id, pk=delivery_id)
        return self._do(request, found, deed, back=f"{_page_of(persona)}#arrivals")

    def token_deed_view(self, request: HttpRequest, token_id: int, delivery_id: int, deed: str) -> HttpResponse:
        token = self.seen(request, Token, token_id, to=Action.TOKEN_WRITE)
        found = Delivery.objects.filter(token_id=token.pk, workspace=token.workspace_id, pk=delivery_id)
        return self._do(request, found, deed, back=f"{_page_of(token)}#arrivals")

    def token_send_view(self, request: HttpRequest, token_id: int, connection_id: int) -> HttpResponse:
        token = self.seen(request, Token, token_id, to=Action.TOKEN_WRITE)
        return self._send(request, token, connection_id, Intervention.Action.ALL_TOKENS)

    def person_send_view(self, request: HttpRequest, persona_id: int, connection_id: int) -> HttpResponse:
        persona = self.seen(request, Persona, persona_id, to=Action.PERSONA_WRITE)
        return self._send(request, persona, connection_id, Intervention.Action.EVERYBODY)

    def _send(self, request: HttpRequest, row: Any, connection_id: int, action: Intervention.Action) -> HttpResponse:
        """This one of all that `action` sends."""
        found = Connection.objects.filter(workspace=row.workspace_id, destination__removed_at=None, pk=connection_id)
        connection = found.select_related("destination").first()
        if connection is None:
            raise Http404("no such connection")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            by = request.user.display_name  # type: ignore[union-attr]
            send_one(connection=connection, action=action, subject_id=row.pk, by=by, at=timezone.now())
        except RavenError as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, gettext("It is on its way to %(name)s.") % {"name": connection.name})
        return redirect(f"{_page_of(row)}#arrivals")

    def seen(self, request: HttpRequest, model: type[Any], pk: int, *, to: Action = Action.READ) -> Any:
        """The row that an address names. Raises Http404 when the viewer may not see it, else PermissionDenied."""
        found: Any = self.admin_site.get_model_admin(model).get_object(request, str(pk))
        if not may(request.user, to, found.workspace):
            raise PermissionDenied
        return found

    def _do(self, request: HttpRequest, found: Any, deed: str, *, back: str) -> HttpResponse:
        delivery = found.select_related("destination").first()
        if delivery is None or deed not in _DEEDS:
            raise Http404("no such delivery, or nothing that can be done about it")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            done = _DEEDS[deed](delivery=delivery, by=request.user.display_name, at=timezone.now())  # type: ignore[union-attr]
        except RavenError as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _said(done, name=delivery.destination.shown_name))
        return redirect(back)


def _said(done: Delivery, *, name: str) -> str:
    if done.state == State.DELIVERED:
        return gettext("It arrived at %(name)s.") % {"name": name}
    if done.state == State.SUPERSEDED:
        return gettext("Nothing of it is left to send to %(name)s: a later change carries it.") % {"name": name}
    return gettext("It is sent to %(name)s again.") % {"name": name}


def _page_of(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def _fresh(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
