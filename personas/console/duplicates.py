"""The queue of likely duplicates."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace, may
from accounts.console import WorkspaceChangeList, WorkspaceModelAdmin
from accounts.roles import Action
from personas.console.person import cause_of
from personas.duplicates import dismiss_pair, reopen_pair, scan_again
from personas.models import DuplicatePair, DuplicateScan
from raven_admin.errors import RavenError

_STATE = "state"
_DISMISSED = "dismissed"
_LOOKED_AT = "duplicates_looked_at"


class ReasonFilter(admin.SimpleListFilter):
    title = _("Reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(DuplicatePair.Reason.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


class PairChangeList(WorkspaceChangeList):
    """The open pairs, or on the other tab those that are said to be two people."""

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        found = super().get_filters_params(params)
        found.pop(_STATE, None)
        return found

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows = super().get_queryset(request, exclude_parameters)
        return rows.filter(dismissed_at__isnull=not is_dismissed(request))


def queue_address(request: HttpRequest) -> str:
    """The list as it was looked at last, whose next pair is where the keyboard goes on."""
    query = request.session.get(_LOOKED_AT, "")
    return f"{reverse('admin:personas_duplicatepair_changelist')}{query and f'?{query}'}#next"


def is_dismissed(request: HttpRequest) -> bool:
    return request.GET.get(_STATE) == _DISMISSED


class DuplicatePages(WorkspaceModelAdmin):
    """Pairs of personas that may be one person, to be merged or dismissed."""

    write_action = Action.PERSONA_WRITE
    list_filter = (ReasonFilter,)
    list_display = ("reason",)
    list_select_related = ("first", "second", "workspace")
    ordering = ("-id",)
    change_list_template = "personas/duplicates.html"

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"personas_duplicatepair_{name}")

        return [
            page("scan/", self.scan_view, "scan"),
            page("<path:object_id>/dismiss/", self.dismiss_view, "dismiss"),
            page("<path:object_id>/reopen/", self.reopen_view, "reopen"),
            *super().get_urls(),
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PairChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("first__contacts", "second__contacts")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        workspace = current_workspace(request)
        if (query := request.GET.urlencode()) != request.session.get(_LOOKED_AT, ""):
            request.session[_LOOKED_AT] = query
        context = {
            "title": gettext("Duplicates"),
            "tab": _DISMISSED if is_dismissed(request) else "open",
            "scan": DuplicateScan.objects.filter(workspace=workspace).first(),
            "may_write": may(request.user, Action.PERSONA_WRITE, workspace),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A pair has no page but that of its merge."""
        pair = self._pair(request, object_id)
        if request.method == "POST":
            raise PermissionDenied
        return redirect("admin:personas_persona_merge", pair.first_id, pair.second_id)

    def dismiss_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        pair = self._pair(request, object_id)
        told = gettext("%(first)s and %(second)s are two people. They are not proposed again.")
        return self._decide(request, pair, lambda: dismiss_pair(pair=pair, cause=cause_of(request)), told)

    def reopen_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        pair = self._pair(request, object_id)
        told = gettext("%(first)s and %(second)s are proposed again.")
        return self._decide(request, pair, lambda: reopen_pair(pair=pair), told)

    def scan_view(self, request: HttpRequest) -> HttpResponse:
        workspace = current_workspace(request)
        if workspace is None or not may(request.user, Action.PERSONA_WRITE, workspace):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        scan_again(workspace)
        messages.info(request, gettext("Everybody is being looked at once more, in the background."))
        return redirect("admin:personas_duplicatepair_changelist")

    def _pair(self, request: HttpRequest, object_id: str) -> DuplicatePair:
        pair: DuplicatePair = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, pair):
            raise PermissionDenied
        return pair

    def _decide(self, request: HttpRequest, pair: DuplicatePair, decide: Callable[[], None], told: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            decide()
        except RavenError as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, told % {"first": pair.first.name, "second": pair.second.name})
        return redirect(queue_address(request))
