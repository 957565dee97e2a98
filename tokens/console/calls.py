"""API calls in the console: their list, one call with what it means, and the calls of one token."""

import json
import re
from typing import Any, ClassVar

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace, switch_workspace
from accounts.console import ListButton
from tokens.console import listing
from tokens.console.controls import control_of
from tokens.console.insight import workspace_insight
from tokens.console.words import ability_label, explanation
from tokens.models import RequestLogEntry, Token

_REQUEST_ID = re.compile(r"[0-9A-Za-z_-]{1,32}")


class CallPages(listing.ListPages):
    """Read-only: every call, refused ones too."""

    list_display = ("request_id",)
    list_filter: ClassVar[tuple[type[listing.Choice], ...]] = (
        listing.StatusClassFilter, listing.CodeFilter, listing.CalledAbilityFilter, listing.CallerFilter,
    )  # fmt: skip
    list_select_related = ("token",)
    search_fields = ("request_id",)
    search_help_text = _("Request id or address")
    ordering = ("-id",)
    change_list_template = "tokens/calls.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="tokens_requestlogentry_changelist"),
            path("insight/", view(self.insight_view), name="tokens_requestlogentry_insight"),
            path("<path:object_id>/control/", view(self.control_view), name="tokens_requestlogentry_control"),
            path("<path:object_id>/", view(self.change_view), name="tokens_requestlogentry_change"),
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[listing.CallChangeList]:
        return listing.CallChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        return (listing.search_calls(queryset, text) if text else queryset), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": gettext("API calls"), **(extra_context or {})})

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """By request id, which people have at hand."""
        calls = self.get_queryset(request).select_related("token", "workspace")
        call = calls.filter(request_id=object_id).first() if _REQUEST_ID.fullmatch(object_id) else None
        if call is None:
            raise Http404
        if call.workspace is not None:
            switch_workspace(request, call.workspace)
        return call

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        call = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, call):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("API call"),
            "opts": self.opts,
            "call": call,
            "token": call.token,
            "ability": ability_label(call.ability) if call.ability else "",
            "explanation": explanation(status=call.status, code=call.code, answer=call.response_body),
            "control": control_of(call),
            "request_body": _pretty(call.request_body),
            "response_body": _pretty(call.response_body),
        }
        return TemplateResponse(request, "tokens/call.html", context)

    def control_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """From a request id straight to what decides such calls; to the call itself where nothing on its token does."""
        call = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, call):
            raise PermissionDenied
        control = control_of(call)
        return redirect(control.url if control else reverse("admin:tokens_requestlogentry_change", args=[object_id]))

    def insight_view(self, request: HttpRequest) -> HttpResponse:
        """The calls of the whole workspace, per day."""
        workspace = current_workspace(request)
        if workspace is None or not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "title": gettext("Insight"), "opts": self.opts}
        return TemplateResponse(request, "tokens/insight.html", context | workspace_insight(request, workspace))

    def list_buttons(self, request: HttpRequest, changelist: Any) -> list[ListButton]:
        return [ListButton(_("Insight"), reverse("admin:tokens_requestlogentry_insight"), "chart-column")]


class TokenLog(CallPages):
    """The calls of one token, on its Log tab."""

    change_list_template = "tokens/log.html"
    list_filter = (listing.StatusClassFilter, listing.CodeFilter, listing.CalledAbilityFilter)

    def __init__(self, model: type[RequestLogEntry], site: AdminSite, *, token: Token) -> None:
        super().__init__(model, site)
        self.token = token

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(token=self.token)


def _pretty(body: str) -> str:
    """JSON with a line for each member; anything else as it is."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return body
