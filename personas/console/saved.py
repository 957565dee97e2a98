"""Saved filters: a list of people under a name, for oneself or for everybody in the workspace."""

from typing import Any

from django import forms
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace, may
from accounts.console import ListButton, WorkspaceModelAdmin, WorkspaceModelForm
from accounts.models import Workspace
from accounts.roles import Action
from personas.filters import FilterInvalid, PersonaFilter
from personas.models import SavedFilter

PEOPLE = "admin:personas_persona_changelist"
SHOWN_AT_MOST = 100
"""Above the list of people; all are on the page of saved filters."""


def saved_filters(user: Any, workspace: Workspace) -> QuerySet[SavedFilter]:
    """Those that `user` may use in `workspace`: their own, and what colleagues share; their own first."""
    usable = SavedFilter.objects.filter(Q(owner=user) | Q(is_shared=True), workspace=workspace)
    return usable.select_related("owner").order_by("is_shared", "name", "id")


class SavedFilterForm(WorkspaceModelForm):
    """`query` is what the list asked for; it is read again, so that nothing but a filter is ever saved."""

    query = forms.CharField(widget=forms.HiddenInput, max_length=2000)

    class Meta:
        model = SavedFilter
        fields = ("name", "is_shared", "query")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["query"]
        else:
            self.fields["name"].widget.attrs["autofocus"] = True

    def clean_query(self) -> str:
        if self.workspace is None:
            raise forms.ValidationError(gettext("Choose a workspace first."))
        try:
            chosen = PersonaFilter.from_query(QueryDict(self.cleaned_data["query"]), self.workspace)
        except FilterInvalid as refusal:
            raise forms.ValidationError(str(refusal)) from None
        if not chosen:
            raise forms.ValidationError(gettext("Narrow the list first: there is nothing to save of a whole list."))
        return chosen.to_query()

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() - {"owner"}


class SavedFilterPages(WorkspaceModelAdmin):
    """Whoever may read the list may save filters of it; who may edit personas may share theirs with all."""

    form = SavedFilterForm
    list_display = ("name", "asks", "is_for", "owner")
    sortable_by = ()
    ordering = ("is_shared", "name", "id")
    list_select_related = ("owner", "workspace")
    add_form_template = "personas/saved_filter.html"
    change_form_template = "personas/saved_filter.html"
    empty_title = _("No saved filters yet")
    empty_text = _("Search or filter the list of personas, and save that under a name to come back to it.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(Q(owner=request.user) | Q(is_shared=True))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        may_share = may(request.user, Action.PERSONA_WRITE, current_workspace(request))
        return [name for name in ("name", "is_shared", "query") if name != "is_shared" or may_share]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        workspace = current_workspace(request)
        if workspace is None:
            raise PermissionDenied
        return {"query": PersonaFilter.from_query(request.GET, workspace).to_query()}

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        workspace = current_workspace(request)
        query = QueryDict(request.POST["query"]) if request.POST.get("query") else request.GET
        try:
            chosen = PersonaFilter.from_query(query, workspace) if workspace else PersonaFilter()
        except FilterInvalid as refusal:
            self.message_user(request, str(refusal), "ERROR")
            return redirect(PEOPLE)
        if not chosen:
            self.message_user(request, gettext("Search or filter the list first, then save that."), "WARNING")
            return redirect(PEOPLE)
        return super().add_view(request, form_url, {"title": gettext("Save this filter"), "asks": chosen.in_words()})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        saved = self.get_object(request, object_id)
        return super().change_view(request, object_id, form_url, {"asks": self.asks(saved), "list_url": _list(saved)})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.owner = request.user
            obj.query = form.cleaned_data["query"]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponseRedirect:
        self.message_user(request, gettext("“%s” is saved. You find it above the list.") % obj.name, "SUCCESS")
        return HttpResponseRedirect(_list(obj))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        owner = request.user

        class OfOwner(form):  # type: ignore[misc,valid-type]
            """Two filters of one person may not have the same name: that is checked with the rest of the form."""

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                if self.instance.owner_id is None:
                    self.instance.owner = owner

        return OfOwner

    # ------------------------------------------------------------------------------------------------ who may
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request, obj) and (obj is None or obj.owner_id == request.user.pk)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One's own; a shared one also by those who look after the workspace, whose owner may be gone."""
        if obj is None or obj.owner_id == request.user.pk:
            return self.has_view_permission(request, obj)
        return obj.is_shared and may(request.user, Action.WORKSPACE_WRITE, obj.workspace)

    # ------------------------------------------------------------------------------------------------ the list
    def list_buttons(self, request: HttpRequest, changelist: ChangeList) -> list[ListButton]:
        return [ListButton(_("To the list"), reverse(PEOPLE), "users")]

    def asks(self, saved: SavedFilter) -> Any:
        try:
            chosen = PersonaFilter.from_query(QueryDict(saved.query), saved.workspace)
        except FilterInvalid as refusal:
            return str(refusal)
        return format_html('<a href="{}">{}</a>', _list(saved), chosen.in_words())

    asks.short_description = _("finds")  # type: ignore[attr-defined]

    def is_for(self, saved: SavedFilter) -> str:
        return gettext("Everybody") if saved.is_shared else gettext("Only you")

    is_for.short_description = _("for")  # type: ignore[attr-defined]


def _list(saved: SavedFilter) -> str:
    return f"{reverse(PEOPLE)}?{saved.query}"
