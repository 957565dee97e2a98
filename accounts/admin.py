"""People and workspaces in the console."""

from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from accounts.access import current_workspace, may, switch_workspace
from accounts.console import ConsoleModelAdmin, ListButton, WorkspaceModelAdmin
from accounts.forms import PasswordForm, PersonForm, RoleForm, WorkspaceForm
from accounts.models import Membership, Workspace
from accounts.roles import ROLE_ACTIONS, Action, Role
from accounts.services import (
    add_existing_person,
    add_new_person,
    change_role,
    may_not_reset,
    remove_person,
    reset_password,
)
from accounts.templatetags.console import moment
from raven_admin.errors import RavenError


@admin.register(Membership)
class PeopleAdmin(WorkspaceModelAdmin):
    """Who works in the workspace, and as what."""

    write_action = Action.WORKSPACE_WRITE
    form = RoleForm
    list_display = ("person", "username", "email", "role_pill", "last_sign_in")
    list_display_links = ("person",)
    list_filter = ("role",)
    list_select_related = ("user",)
    search_fields = ("user__username", "user__first_name", "user__last_name", "user__email")
    search_help_text = gettext_lazy("Name, username or e-mail")
    ordering = ("user__username",)
    empty_title = gettext_lazy("Nobody works here yet")
    empty_text = gettext_lazy(
        "An admin sets everything up, support works with personas and messages, a viewer only looks."
    )
    change_form_template = "accounts/person.html"
    delete_confirmation_template = "accounts/person_remove.html"

    @admin.display(description=gettext_lazy("name"), ordering="user__first_name")
    def person(self, membership: Membership) -> str:
        return membership.user.display_name

    @admin.display(description=gettext_lazy("username"), ordering="user__username")
    def username(self, membership: Membership) -> str:
        return membership.user.username

    @admin.display(description=gettext_lazy("e-mail"), ordering="user__email")
    def email(self, membership: Membership) -> str:
        return membership.user.email

    @admin.display(description=gettext_lazy("role"), ordering="role")
    def role_pill(self, membership: Membership) -> str:
        return membership.get_role_display()

    @admin.display(description=gettext_lazy("last sign-in"), ordering="user__last_login")
    def last_sign_in(self, membership: Membership) -> str:
        return moment(membership.user.last_login, _("never"))

    def list_buttons(self, request: HttpRequest, changelist: Any) -> list[ListButton]:
        if not self.has_add_permission(request):
            return []
        url = reverse("admin:accounts_membership_add")
        return [ListButton(gettext_lazy("Add person"), url, "user-plus", "btn--primary")]

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<path:object_id>/password/",
            self.admin_site.admin_view(self.password_view),
            name="accounts_membership_password",
        )
        return [own, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        workspace = current_workspace(request)
        if workspace is None or not self.has_add_permission(request):
            raise PermissionDenied
        form = PersonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                membership = _add(workspace, form.cleaned_data)
            except RavenError as refusal:
                form.add_error(_FIELD_OF.get(refusal.code), str(refusal))
            else:
                self.log_addition(request, membership, [{"added": {}}])
                messages.success(request, _("%(name)s can sign in now.") % {"name": membership.user.display_name})
                return redirect("admin:accounts_membership_changelist")
        context = {**self.admin_site.each_context(request), "title": _("Add person"), "form": form}
        return TemplateResponse(request, "accounts/person_add.html", context)

    def password_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """An admin sets a new password for somebody who works in their workspace only."""
        membership = cast(Membership, self.get_object(request, object_id))
        if not self.has_change_permission(request, membership):
            raise PermissionDenied
        form = PasswordForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                reset_password(membership=membership, password=form.cleaned_data["password"])
            except RavenError as refusal:
                form.add_error("password", str(refusal))
            else:
                self.log_change(request, membership, gettext_noop("Set a new password."))
                messages.success(request, _("%(name)s has a new password.") % {"name": membership.user.display_name})
                return redirect("admin:accounts_membership_change", membership.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("New password for %(name)s") % {"name": membership.user.display_name},
            "form": form,
            "membership": membership,
        }
        return TemplateResponse(request, "accounts/person_password.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False, change: bool = False,
        form_url: str = "", obj: Any = None,
    ) -> Any:  # fmt: skip
        if obj is not None:
            context["may_reset_password"] = self.has_change_permission(request, obj) and not may_not_reset(obj)
            context["roles"] = _roles()
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        change_role(membership=obj, role=Role(obj.role))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        remove_person(membership=obj)


@admin.register(Workspace)
class WorkspaceAdmin(ConsoleModelAdmin):
    """A workspace's settings for its admins; the list of all for superusers."""

    form = WorkspaceForm
    list_display = ("name", "slug", "account", "pro", "time_zone", "country")
    list_display_links = ("name",)
    search_fields = ("name", "slug")
    search_help_text = gettext_lazy("Name or short name")
    ordering = ("name",)
    change_form_template = "accounts/workspace.html"

    @admin.display(description=gettext_lazy("account number"), ordering="account_number")
    def account(self, workspace: Workspace) -> str:
        return str(workspace.account_number)

    @admin.display(description=gettext_lazy("Pro"), ordering="pro_is_on")
    def pro(self, workspace: Workspace) -> str:
        return _("On") if workspace.pro_is_on else _("Off")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        seen: QuerySet[Any] = Workspace.objects.of(request.user)
        return seen

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        switch_workspace(request, found)
        return found

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        shown = ("slug", "account_number")
        return shown if request.user.is_superuser else (*shown, "pro_is_on", "pro_until")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        names = ("name", "slug") if obj is None else ("name", "slug", "account_number")
        return [
            (None, {"fields": names}),
            (_("Time and phone numbers"), {"fields": ("time_zone", "country")}),
            (_("Plan"), {"fields": ("pro_is_on", "pro_until")}),
        ]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is None:
            return bool(request.user.is_superuser)
        return may(request.user, Action.WORKSPACE_WRITE, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> Any:
        return redirect("admin:accounts_workspace_change", obj.pk)


_FIELD_OF = {
    "username_taken": "username",
    "account_not_found": None,
    "already_member": "username",
    "password_too_weak": "password",
}


def _add(workspace: Workspace, given: dict[str, Any]) -> Membership:
    role = Role(given["role"])
    if given["account"] == PersonForm.EXISTING:
        return add_existing_person(workspace=workspace, username=given["username"], email=given["email"], role=role)
    return add_new_person(
        workspace=workspace,
        username=given["username"],
        full_name=given["full_name"],
        email=given["email"],
        password=given["password"],
        role=role,
    )


def _roles() -> list[tuple[Any, list[Any]]]:
    """(role, what it may do) for the explanation beside the form."""
    return [(role.label, [action.label for action in Action if action in ROLE_ACTIONS[role]]) for role in Role]
