"""What is done to many people at once: how far it is, what it would do, and starting, stopping and undoing it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts.access import may
from accounts.console import BoundedPaginator, WorkspaceModelAdmin
from accounts.language import grouped, retold
from accounts.models import User
from personas.console.words import Words
from personas.importing.columns import columns_of
from personas.models import AttributeDefinition, Operation, OperationRow, PersonaChange
from personas.operations import (
    AT_WORK,
    WORK,
    RowState,
    State,
    can_be_undone,
    cancel_operation,
    count_of,
    kind_of,
    start_operation,
    undo_operation,
)
from raven_admin.errors import RavenError

Action = OperationRow.Action
ROWS_A_PAGE = 50
_PILLS = {
    State.PREPARING: "info",
    State.PREVIEW: "warn",
    State.RUNNING: "info",
    State.DONE: "good",
    State.UNDOING: "info",
    State.UNDONE: "off",
    State.FAILED: "bad",
    State.CANCELLED: "off",
}


@dataclass(frozen=True, slots=True)
class Tab:
    """Rows of one kind: by their actions and states."""

    slug: str
    label: str | Promise
    actions: tuple[OperationRow.Action, ...]
    states: tuple[OperationRow.State, ...]


_LEFT_OUT = (
    Tab("refused", gettext_lazy("Refused"), tuple(Action), (RowState.REFUSED,)),
    Tab("same", gettext_lazy("Unchanged"), (Action.SAME,), (RowState.DONE,)),
)
PREVIEW_TABS = (
    Tab("create", gettext_lazy("To add"), (Action.CREATE,), (RowState.PLANNED,)),
    Tab("change", gettext_lazy("To change"), (Action.CHANGE,), (RowState.PLANNED,)),
    Tab("link", gettext_lazy("To link"), (Action.LINK,), (RowState.PLANNED,)),
    Tab("merge", gettext_lazy("To merge"), (Action.MERGE,), (RowState.PLANNED,)),
    Tab("delete", gettext_lazy("To delete"), (Action.DELETE,), (RowState.PLANNED,)),
    *_LEFT_OUT,
)
"""As long as nothing was carried out."""
TABS = (
    Tab("create", gettext_lazy("Added"), (Action.CREATE,), (RowState.DONE,)),
    Tab("change", gettext_lazy("Changed"), (Action.CHANGE,), (RowState.DONE,)),
    Tab("link", gettext_lazy("Linked"), (Action.LINK,), (RowState.DONE,)),
    Tab("merge", gettext_lazy("Merged"), (Action.MERGE,), (RowState.DONE,)),
    Tab("delete", gettext_lazy("Deleted"), (Action.DELETE,), (RowState.DONE,)),
    Tab("undone", gettext_lazy("Undone"), WORK, (RowState.UNDONE,)),
    Tab("kept", gettext_lazy("Left as it is"), WORK, (RowState.KEPT,)),
    Tab("waiting", gettext_lazy("Not done"), WORK, (RowState.PLANNED,)),
    *_LEFT_OUT,
)


@dataclass(frozen=True, slots=True)
class ShownTab:
    slug: str
    label: str
    count: int
    is_current: bool

    @property
    def count_shown(self) -> str:
        return grouped(self.count)


class OperationPages(WorkspaceModelAdmin):
    """Operations are begun elsewhere; here they are followed, confirmed, stopped and undone."""

    fields = ()
    change_form_template = "personas/operation.html"
    change_list_template = "personas/operations.html"
    list_display = ("what", "kind", "state_pill", "result", "by", "begun")
    list_display_links = ("what",)
    list_filter = ("kind", "state")
    sortable_by = ()
    ordering = ("-id",)
    empty_title = gettext_lazy("Nothing was done to many people yet")
    empty_text = gettext_lazy(
        "Imports and bulk changes are listed here, with what they changed. Each can be undone for a while."
    )

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<path:object_id>/status/", self.status_view, "status"),
            self.page("<path:object_id>/start/", self.start_view, "start"),
            self.page("<path:object_id>/cancel/", self.cancel_view, "cancel"),
            self.page("<path:object_id>/undo/", self.undo_view, "undo"),
            *super().get_urls(),
        ]

    def page(self, route: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
        return path(route, self.admin_site.admin_view(view), name=f"personas_operation_{name}")

    # ------------------------------------------------------------------------------------------------- the list
    @admin.display(description=gettext_lazy("title"))
    def what(self, operation: Operation) -> str:
        return retold(operation.title)

    @admin.display(description=gettext_lazy("state"))
    def state_pill(self, operation: Operation) -> str:
        pill = _PILLS[State(operation.state)]
        return format_html('<span class="pill pill--{}">{}</span>', pill, operation.get_state_display())

    @admin.display(description=gettext_lazy("result"))
    def result(self, operation: Operation) -> str:
        tabs = tabs_of(operation, "")
        return " · ".join(f"{tab.label}: {tab.count_shown}" for tab in tabs if tab.count) or "–"

    @admin.display(description=gettext_lazy("by"))
    def by(self, operation: Operation) -> str:
        return operation.actor_label

    @admin.display(description=gettext_lazy("begun"))
    def begun(self, operation: Operation) -> datetime:
        return operation.created_at

    # ---------------------------------------------------------------------------------------------- one of them
    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False, change: bool = False,
        form_url: str = "", obj: Any = None,
    ) -> Any:  # fmt: skip
        context |= self.operation_context(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def operation_context(self, request: HttpRequest, operation: Operation) -> dict[str, Any]:
        """What the page shows; a kind of operation may add to it."""
        tabs = tabs_of(operation, request.GET.get("rows", ""))
        chosen = {shown.slug for shown in tabs if shown.is_current}
        current = next((tab for tab in _tabs_for(operation) if tab.slug in chosen), None)
        now = timezone.now()
        kind = kind_of(operation)
        work_count = count_of(operation, actions=WORK, states=[RowState.PLANNED])
        return {
            "title": retold(operation.title),
            "is_at_work": operation.state in AT_WORK,
            "is_preview": operation.state == State.PREVIEW,
            "state_pill": self.state_pill(operation),
            "progress": progress_in_words(operation),
            "work_count": work_count,
            "work_shown": grouped(work_count),
            "may_write": may(request.user, kind.write_action, operation.workspace),
            "may_cancel": operation.state in (State.PREPARING, State.PREVIEW, State.RUNNING),
            "may_undo": can_be_undone(operation, at=now),
            "undoable_until": operation.carried_out_at + kind.undoable_for if operation.carried_out_at else None,
            "tabs": tabs,
            "rows": self._rows(request, operation, current) if current else None,
        }

    @staticmethod
    def _rows(request: HttpRequest, operation: Operation, tab: Tab) -> Any:
        rows = operation.rows.filter(state__in=tab.states).order_by("number")
        if tab.actions not in (WORK, tuple(Action)):  # or the index by state serves alone
            rows = rows.filter(action__in=tab.actions)
        page = BoundedPaginator(rows, ROWS_A_PAGE).page(request.GET.get("page", ""))
        titles = {column.key: column.title for column in columns_of(operation.workspace)}
        definitions = AttributeDefinition.objects.filter(workspace=operation.workspace_id)
        # Of another type, it is the notations that are compared.
        words = Words([] if operation.kind == Operation.Kind.CONVERT else list(definitions))
        for row in page.object_list:
            is_named = row.action == Action.CREATE  # beside it already
            row.shown = [
                (_label(field, titles), words.shown(field, old), words.shown(field, new))
                for field, old, new in row.differences
                if not (is_named and field == "name")
            ]
        return page

    def status_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        operation = self.operation(request, object_id)
        return JsonResponse(
            {
                "state": operation.state,
                "processed": operation.processed,
                "total": operation.total,
                "text": progress_in_words(operation),
            }
        )

    def start_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decided(
            request, object_id, lambda pk, by: start_operation(operation_id=pk, by=by, at=timezone.now())
        )

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decided(request, object_id, lambda pk, by: cancel_operation(operation_id=pk))

    def undo_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decided(
            request, object_id, lambda pk, by: undo_operation(operation_id=pk, by=by, at=timezone.now())
        )

    def _decided(self, request: HttpRequest, object_id: str, service: Callable[[int, User], Operation]) -> HttpResponse:
        """The operation's page, after `service`; a refusal is a message there."""
        operation = self.operation(request, object_id, to_write=True)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            service(operation.pk, cast(User, request.user))
        except RavenError as refusal:
            messages.error(request, str(refusal))
        return redirect("admin:personas_operation_change", operation.pk)

    def operation(self, request: HttpRequest, object_id: str, *, to_write: bool = False) -> Operation:
        operation: Operation = self.get_object(request, object_id)
        if not self.has_view_permission(request, operation):
            raise PermissionDenied
        if to_write and not may(request.user, kind_of(operation).write_action, operation.workspace):
            raise PermissionDenied
        return operation


def tabs_of(operation: Operation, chosen: str) -> list[ShownTab]:
    """The tabs that have rows; `chosen` is the current one, or else the first; of another type, what it would clear."""
    counts = {tab.slug: count_of(operation, actions=tab.actions, states=tab.states) for tab in _tabs_for(operation)}
    shown = [tab for tab in _tabs_for(operation) if counts[tab.slug]]
    if not chosen and operation.kind == Operation.Kind.CONVERT:
        chosen = "delete"
    current = chosen if counts.get(chosen) else shown[0].slug if shown else ""
    is_begun = operation.carried_out_at is not None
    labels = {tab.slug: str(tab.label) for tab in shown}
    if operation.kind == Operation.Kind.CONVERT:  # it deletes values, and nobody
        labels["delete"] = gettext("Cleared") if is_begun else gettext("To clear")
    return [ShownTab(tab.slug, labels[tab.slug], counts[tab.slug], tab.slug == current) for tab in shown]


def _tabs_for(operation: Operation) -> tuple[Tab, ...]:
    return PREVIEW_TABS if operation.carried_out_at is None else TABS


def progress_in_words(operation: Operation) -> str:
    """How far it is, as “1,200 of 50,000 rows”."""
    if operation.total is None:
        return ngettext("%(count)s row", "%(count)s rows", operation.processed) % {
            "count": grouped(operation.processed)
        }
    return ngettext("%(count)s of %(total)s row", "%(count)s of %(total)s rows", operation.total) % {
        "count": grouped(operation.processed), "total": grouped(operation.total)
    }  # fmt: skip


def _label(field: str, titles: Mapping[str, str]) -> str:
    return titles.get(field) or PersonaChange(field=field).label
