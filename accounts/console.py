"""What every list and page of the console has in common: scoped to the workspace, bounded, fast with a million rows."""

from typing import Any, cast

from django.contrib.admin import ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from accounts.access import current_workspace, may, switch_workspace
from accounts.models import Workspace
from accounts.roles import Action

PAGE_SIZES = (10, 25, 50, 100)
DEFAULT_PAGE_SIZE = 25
COUNTED_AT_MOST = 10_000
_PAGE_SIZE_PARAM = "per_page"


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts and pages no further than 10,000 rows, so that a page costs the same however long the table is.

    Rows beyond are found by search, filter or another order.
    """

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by().values("pk")[:COUNTED_AT_MOST].count()

    @property
    def has_more_than_counted(self) -> bool:
        return self.count >= COUNTED_AT_MOST


class WorkspaceChangeList(ChangeList):
    """A list of one workspace's rows, in pages of a size that the viewer chose."""

    page_sizes = PAGE_SIZES

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        found = dict(super().get_filters_params(params))
        found.pop(_PAGE_SIZE_PARAM, None)
        return found

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        model_admin = cast(WorkspaceModelAdmin, self.model_admin)
        return rows.filter(**{model_admin.workspace_field: current_workspace(request)})

    def get_results(self, request: HttpRequest) -> None:
        self.list_per_page = page_size(request)
        super().get_results(request)


def page_size(request: HttpRequest) -> int:
    """The rows a page of lists: as asked for in the address, else as chosen last, else 25."""
    asked = request.GET.get(_PAGE_SIZE_PARAM, "")
    if asked.isdigit() and int(asked) in PAGE_SIZES:
        request.session[_PAGE_SIZE_PARAM] = int(asked)
    size = request.session.get(_PAGE_SIZE_PARAM, DEFAULT_PAGE_SIZE)
    return size if size in PAGE_SIZES else DEFAULT_PAGE_SIZE


class WorkspaceModelAdmin(ModelAdmin):  # type: ignore[type-arg]
    """A ModelAdmin whose rows belong to workspaces, and whose permissions come from the viewer's role in them.

    Lists show the current workspace. A page of one row opens from any workspace that the viewer may see, and makes
    that one current; of any other it is 404.
    """

    workspace_field = "workspace"
    read_action: Action = Action.READ
    write_action: Action | None = None
    """None: nobody may add, change or delete here."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = DEFAULT_PAGE_SIZE
    list_max_show_all = 0
    actions = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WorkspaceChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.workspace_field}__in": Workspace.objects.of(request.user)})

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            switch_workspace(request, self.workspace_of(found))
        return found

    def workspace_of(self, obj: Model) -> Workspace:
        found: Any = obj
        for step in self.workspace_field.split("__"):
            found = getattr(found, step)
        assert isinstance(found, Workspace)  # noqa: S101 - a programming error, not input
        return found

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.read_action, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.write_action, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.write_action, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.write_action, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def _may(self, request: HttpRequest, action: Action | None, obj: Any) -> bool:
        if action is None:
            return False
        workspace = self.workspace_of(obj) if obj is not None else current_workspace(request)
        return may(request.user, action, workspace)
