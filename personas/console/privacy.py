"""Everything about one persona to download, and deleting one."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext

from accounts.access import may, viewer_zone
from accounts.console import WorkspaceModelAdmin, whole_number
from accounts.language import grouped
from accounts.roles import Action
from personas.console.person import cause_of
from personas.disclosure import stream_disclosure
from personas.models import Persona
from personas.privacy import COUNTED_AT_MOST, count_what_goes
from personas.services import delete_persona
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

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
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
