"""Defining what a workspace knows about its people."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace
from accounts.console import WorkspaceModelAdmin, page_size
from accounts.language import as_stored, grouped
from accounts.models import User
from accounts.roles import Action
from personas.console.person import cause_of
from personas.conversion import begin_conversion
from personas.definitions import (
    CLEARED_AT_ONCE,
    AttributeKeyInvalid,
    add_attribute,
    count_values,
    delete_attribute,
    move_attribute,
    suggest_key,
)
from personas.models import AttributeDefinition, AttributeType
from raven_admin.errors import RavenError


class NewAttributeForm(forms.ModelForm):  # type: ignore[type-arg]
    """An attribute with its key, which may be left to the label."""

    key = forms.CharField(
        label=_("Key"),
        max_length=50,
        required=False,
        help_text=_("The name that programs use, as customer_since. Empty: made from the label. It stays for ever."),
        widget=forms.TextInput(attrs={"data-key-of": "id_label", "autocapitalize": "none", "spellcheck": "false"}),
    )

    class Meta:
        model = AttributeDefinition
        fields = ["label", "key", "type", "hint"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        given["key"] = given.get("key") or suggest_key(given.get("label", ""))
        if given.get("label") and not given["key"] and "key" not in self.errors:
            self.add_error("key", _("Write a key: the label has no letter that a key can be made of."))
        return given


class AttributeForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = AttributeDefinition
        fields = ["label", "hint"]


class TypeForm(forms.Form):
    type = forms.ChoiceField(label=_("New type"))

    def __init__(self, *args: Any, definition: AttributeDefinition, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.ChoiceField, self.fields["type"])
        field.choices = [choice for choice in AttributeType.choices if choice[0] != definition.type]


class AttributeDefinitionPages(WorkspaceModelAdmin):
    """The list in its order, and each attribute; a change of type is looked at first, value by value."""

    write_action = Action.WORKSPACE_WRITE
    form = AttributeForm
    list_display = ("label", "key", "type", "hint")
    list_display_links = ("label",)
    sortable_by = ()
    ordering = ("position", "id")
    change_list_template = "personas/attributes.html"
    empty_title = _("No attributes yet")
    empty_text = _(
        "Attributes are what you know about people beside their name: a customer number, a city, a birthday."
    )

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"personas_attributedefinition_{name}")

        return [
            page("<path:object_id>/move/", self.move_view, "move"),
            page("<path:object_id>/type/", self.type_view, "type"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        shown = {"may_write": self.has_change_permission(request)}
        return super().changelist_view(request, shown | (extra_context or {}))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        workspace = current_workspace(request)
        if workspace is None or not self.has_add_permission(request):
            raise PermissionDenied
        form = NewAttributeForm(request.POST or None)
        if request.method == "GET":
            form.fields["label"].widget.attrs["autofocus"] = True
        if request.method == "POST" and form.is_valid():
            try:
                definition = add_attribute(workspace=workspace, **form.cleaned_data)
            except RavenError as refusal:
                form.add_error("key" if isinstance(refusal, AttributeKeyInvalid) else None, str(refusal))
            else:
                self.log_addition(request, definition, [{"added": {}}])
                messages.success(request, gettext("%(label)s was added.") % {"label": definition.label})
                return redirect("admin:personas_attributedefinition_changelist")
        return self._page(request, "personas/attribute_add.html", form=form, title=gettext("Add attribute"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        definition = self._definition(request, object_id)
        may_write = self.has_change_permission(request, definition)
        if request.method == "POST" and not may_write:
            raise PermissionDenied
        form = AttributeForm(request.POST or None, instance=definition)
        if request.method == "POST" and form.is_valid():
            form.save()
            with as_stored():
                changed = [str(form.fields[name].label) for name in form.changed_data]
            self.log_change(request, definition, [{"changed": {"fields": changed}}])
            messages.success(request, gettext("%(label)s is saved.") % {"label": definition.label})
            return redirect("admin:personas_attributedefinition_changelist")
        return self._page(
            request, "personas/attribute.html", form=form, definition=definition, may_write=may_write,
            title=definition.label, people=_people(definition),
        )  # fmt: skip

    def move_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        definition = self._definition(request, object_id, to_write=True)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        up = request.POST.get("to") == "up"
        place = move_attribute(definition=definition, up=up)
        page = f"{reverse('admin:personas_attributedefinition_changelist')}?p={place // page_size(request) + 1}"
        return redirect(f"{page}#{'up' if up else 'down'}-{definition.pk}")  # the same button: Enter moves it on

    def type_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Which type it shall have; what that does to the values is shown before anything is done."""
        definition = self._definition(request, object_id, to_write=True)
        form = TypeForm(request.POST or None, definition=definition)
        if request.method == "POST" and form.is_valid():
            operation = begin_conversion(
                definition=definition,
                type=AttributeType(form.cleaned_data["type"]),
                by=cast(User, request.user),
                at=timezone.now(),
            )
            return redirect("admin:personas_operation_change", operation.pk)
        return self._page(
            request, "personas/attribute_type.html", form=form, definition=definition, people=_people(definition),
            title=gettext("Change the type of %(label)s") % {"label": definition.label},
        )  # fmt: skip

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        definition = self._definition(request, object_id, to_write=True)
        refusal = ""
        if request.method == "POST":
            try:
                count = delete_attribute(
                    definition=definition, confirmed_key=request.POST.get("key", ""), cause=cause_of(request)
                )
            except RavenError as error:
                refusal = str(error)
            else:
                messages.success(request, _deleted(definition, count))
                return redirect("admin:personas_attributedefinition_changelist")
        return self._page(
            request, "personas/attribute_delete.html", definition=definition, people=_people(definition),
            is_too_many=count_values(definition) > CLEARED_AT_ONCE, refusal=refusal,
            title=gettext("Delete the attribute %(label)s?") % {"label": definition.label},
        )  # fmt: skip

    def _definition(self, request: HttpRequest, object_id: str, *, to_write: bool = False) -> AttributeDefinition:
        definition: AttributeDefinition = self.get_object(request, unquote(object_id))
        allowed = self.has_change_permission if to_write else self.has_view_permission
        if not allowed(request, definition):
            raise PermissionDenied
        return definition

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request, template, {**self.admin_site.each_context(request), "opts": self.opts, **context}
        )


def _people(definition: AttributeDefinition) -> str:
    """How many people have a value of it, as a person reads it."""
    count = count_values(definition)
    shown = f"{grouped(CLEARED_AT_ONCE)}+" if count > CLEARED_AT_ONCE else grouped(count)
    return ngettext("%(count)s person", "%(count)s people", count) % {"count": shown}


def _deleted(definition: AttributeDefinition, count: int) -> str:
    text = ngettext(
        "%(label)s was deleted. The value of %(count)s person stays in their history.",
        "%(label)s was deleted. The values of %(count)s people stay in their history.",
        count,
    )
    return text % {"label": definition.label, "count": grouped(count)}
