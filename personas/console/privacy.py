"""Everything about one persona to download, deleting one, and what is left at the address of a deleted one."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext

from accounts.access import may, switch_workspace, viewer_zone
from accounts.console import WorkspaceModelAdmin, whole_number
from accounts.language import grouped
from accounts.models import Workspace
from accounts.roles import Action
from personas.console.person import cause_of, new_form
from personas.console.words import Words
from personas.disclosure import stream_disclosure
from personas.models import DeletionReceipt, Persona
from personas.privacy import COUNTED_AT_MOST, count_what_goes
from personas.services import PersonaNotFound, delete_persona
from raven_admin.errors import RavenError


class PersonaPrivacy(WorkspaceModelAdmin):
    """What a person may ask of whoever keeps their data: to have it, and to have it deleted."""

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<path:object_id>/export/", self.admin_site.admin_view(self.export_view), name="personas_persona_export"
        )
        return [own, *super().get_urls()]

    def export_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        persona: Persona = self.get_object(request, unquote(object_id))
        if not may(request.user, Action.DOWNLOAD, persona.workspace):
            raise PermissionDenied
        pieces = stream_disclosure(persona, cause=cause_of(request), zone=viewer_zone(request))
        response = StreamingHttpResponse(pieces, content_type="application/zip")
        response["Content-Disposition"] = f'attachment; filename="person-{persona.pk}.zip"'
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        parent = super().change_view
        return self._or_deleted(request, object_id, lambda: parent(request, object_id, form_url, extra_context))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._or_deleted(request, object_id, lambda: self._delete(request, object_id))

    def _or_deleted(self, request: HttpRequest, object_id: str, view: Callable[[], HttpResponse]) -> HttpResponse:
        """What `view` answers; where it finds nobody because they were deleted, that, and what was typed."""
        try:
            return view()
        except Http404:
            receipt = (
                DeletionReceipt.objects.filter(
                    persona_id=whole_number(unquote(object_id)) or 0, workspace__in=Workspace.objects.of(request.user)
                )
                .select_related("workspace")
                .first()
            )
            if receipt is None:
                raise
        switch_workspace(request, receipt.workspace)
        return self._deleted(request, receipt)

    def _deleted(self, request: HttpRequest, receipt: DeletionReceipt) -> HttpResponse:
        may_write = self.has_change_permission(request, receipt)
        if not self.has_view_permission(request, receipt) or (request.method == "POST" and not may_write):
            raise PermissionDenied
        form = new_form(receipt.workspace, request.POST)
        words = Words(form.definitions)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("This persona was deleted"),
            "opts": self.opts,
            "receipt": receipt,
            "typed": [(words.label_of_field(f, value), words.shown(f, value)) for f, value in form.typed()],
            "carried": form.carried_anew(),
            "may_write": may_write,
        }
        return TemplateResponse(request, "personas/gone.html", context, status=410)

    def _delete(self, request: HttpRequest, object_id: str) -> HttpResponse:
        persona: Persona = self.get_object(request, unquote(object_id))
        if not self.has_delete_permission(request, persona):
            raise PermissionDenied
        refusal = ""
        if request.method == "POST":
            try:
                receipt = delete_persona(
                    workspace=persona.workspace,
                    persona_id=persona.pk,
                    version=whole_number(request.POST.get("version", "")),
                    cause=cause_of(request),
                )
            except PersonaNotFound as gone:
                raise Http404(str(gone)) from gone
            except RavenError as error:
                refusal = str(error)
                persona.refresh_from_db()
            else:
                text = gettext("The persona was deleted. Receipt %(number)s says so, and not who it was.")
                messages.success(request, text % {"number": receipt.pk})
                return redirect("admin:personas_persona_changelist")
        counts = count_what_goes(persona)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Delete %(name)s?") % {"name": persona.name},
            "opts": self.opts,
            "persona": persona,
            "counts": counts,
            "messages_shown": f"{grouped(counts.messages)}{'+' if counts.messages >= COUNTED_AT_MOST else ''}",
            "refusal": refusal,
            "may_download": may(request.user, Action.DOWNLOAD, persona.workspace),
        }
        return TemplateResponse(request, "personas/delete.html", context, status=409 if refusal else 200)
