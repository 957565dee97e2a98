"""What every list and page of the console has in common: scoped to the workspace, bounded, fast with a million rows."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin, ShowFacets
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import Promise, cached_property
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace, may, switch_workspace
from accounts.models import Workspace
from accounts.roles import Action
from raven_admin.errors import RavenError

Text = str | Promise
"""A label, translated now or when it is shown."""

PAGE_SIZES = (10, 25, 50, 100)
DEFAULT_PAGE_SIZE = 25
COUNTED_AT_MOST = 10_000
NARROWED_TO = 50_000
"""The rows, newest first, that a search or a filter looks through which no index answers: a rare find must not read all
of a table."""
_PAGE_SIZE_PARAM = "per_page"
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")


def whole_number(text: str) -> int | None:
    """The id, version or page that an address or a form names; None for what is none, and for one too long for any."""
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None


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

    def nearest_page(self, number: int) -> int:
        """`number`, or the page closest to it that exists: a list may have become shorter since a link was made."""
        return max(1, min(number, self.num_pages))

    def page(self, number: int | str) -> Any:
        """As an address names it; the first where it names none."""
        asked = whole_number(number) or 1 if isinstance(number, str) else number
        return super().page(self.nearest_page(asked))


class ConsoleChangeList(ChangeList):
    """A list in pages of a size that the viewer chose."""

    page_sizes = PAGE_SIZES

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.params.pop(_PAGE_SIZE_PARAM, None)

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        found = dict(super().get_filters_params(params))
        found.pop(_PAGE_SIZE_PARAM, None)
        return found

    def get_results(self, request: HttpRequest) -> None:
        self.list_per_page = page_size(request)
        super().get_results(request)
        self.page_num = self.paginator.nearest_page(self.page_num)


def among_newest(rows: QuerySet[Any], of: QuerySet[Any]) -> QuerySet[Any]:
    """Those of `rows` that are among the newest 50,000 of `of`, whose ids rise with time."""
    edge = of.order_by("-pk").values("pk")[NARROWED_TO - 1 : NARROWED_TO]
    return rows.filter(pk__gte=Coalesce(edge, 0))


class WorkspaceChangeList(ConsoleChangeList):
    """A list of the current workspace's rows."""

    @property
    def is_narrowed(self) -> bool:
        return bool(self.query or self.has_active_filters)

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        model_admin = cast(WorkspaceModelAdmin, self.model_admin)
        return rows.filter(**{model_admin.workspace_field: current_workspace(request)})


def page_to_return_to(request: HttpRequest) -> str:
    """The page that a form asks to lead back to, if it is one of ours; else the overview."""
    back = request.POST.get("next", "")
    is_ours = back.startswith("/") and url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    return back if is_ours else reverse("admin:index")


def page_size(request: HttpRequest) -> int:
    """The rows a page of lists: as asked for in the address, else as chosen last, else 25."""
    asked = whole_number(request.GET.get(_PAGE_SIZE_PARAM, ""))
    if asked in PAGE_SIZES:
        request.session[_PAGE_SIZE_PARAM] = asked
    size = request.session.get(_PAGE_SIZE_PARAM, DEFAULT_PAGE_SIZE)
    return size if size in PAGE_SIZES else DEFAULT_PAGE_SIZE


class ListButton(NamedTuple):
    """A button at the right of a list's title."""

    label: Text
    url: str
    icon: str
    style: str = ""
    """As `btn--primary`."""


class ConsoleModelAdmin(ModelAdmin):  # type: ignore[type-arg]
    """A ModelAdmin with the console's manners: bounded lists, 404 for what isn't there, refusals as messages."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = DEFAULT_PAGE_SIZE
    list_max_show_all = 0
    actions: Any = None
    empty_title: Text = _("Nothing here yet")
    empty_text: Text = ""
    """What a person reads when the list has no row at all, and what they may do about it."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ConsoleChangeList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only the list's own filters: a look-up of any field would let a viewer guess at what is not shown."""
        own = {getattr(entry, "parameter_name", entry) for entry in self.list_filter}
        return any(lookup == name or lookup.startswith(f"{name}__") for name in own)

    def list_buttons(self, request: HttpRequest, changelist: ChangeList) -> list[ListButton]:
        """What stands at the right of the list's title; by default a button that adds a row."""
        if not self.has_add_permission(request):
            return []
        url = reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_add")
        return [ListButton(_("Add %(name)s") % {"name": self.opts.verbose_name}, url, "plus", "btn--primary")]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is None:
            raise Http404(f"no such {self.opts.verbose_name}")
        return found

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Plain widgets: the browser's own, without the stock admin's scripts."""
        return db_field.formfield(**kwargs)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return self._told(request, partial(super().changeform_view, request, object_id, form_url, extra_context))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        return self._told(request, partial(super().delete_view, request, object_id, extra_context))

    def _told(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        """What `view` answers; when a service refuses, the same page again, with the reason."""
        try:
            return view()
        except RavenError as refusal:
            messages.error(request, str(refusal))
            return redirect(request.get_full_path())


class WorkspaceModelForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose new rows belong to the current workspace; what is unique in it is checked like any other rule."""

    workspace: ClassVar[Workspace | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.workspace_id is None:
            self.instance.workspace = self.workspace

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() - {"workspace"}  # type: ignore[misc,no-any-return]


class WorkspaceModelAdmin(ConsoleModelAdmin):
    """A ModelAdmin whose rows belong to workspaces, and whose permissions come from the viewer's role in them.

    Lists show the current workspace. A page of one row opens from any workspace that the viewer may see, and makes
    that one current; of any other it is 404.
    """

    workspace_field = "workspace"
    read_action: Action = Action.READ
    write_action: Action | None = None
    """None: nobody may add, change or delete here."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WorkspaceChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.workspace_field}__in": Workspace.objects.of(request.user)})

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if (workspace := self.workspace_of(found)) is not None:
            switch_workspace(request, workspace)
        return found

    def workspace_of(self, obj: Model) -> Workspace | None:
        """None only for rows that may belong to none, which only a superuser sees."""
        found: Any = obj
        for step in self.workspace_field.split("__"):
            found = getattr(found, step)
        return cast(Workspace | None, found)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if issubclass(form, WorkspaceModelForm):
            form.workspace = current_workspace(request)
        return form

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
