"""Defining what a workspace knows about its people."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.console import WorkspaceModelAdmin, WorkspaceModelForm
from accounts.roles import Action


class AttributeDefinitionPages(WorkspaceModelAdmin):
    """The type is fixed once the attribute exists: the values of people are stored in its notation."""

    form = WorkspaceModelForm
    write_action = Action.WORKSPACE_WRITE
    fields = ("label", "key", "type", "hint", "position")
    list_display = ("label", "key", "type", "hint", "position")
    sortable_by = ()
    ordering = ("position", "id")
    empty_title = _("No attributes yet")
    empty_text = _(
        "Attributes are what you know about people beside their name: a customer number, a city, a birthday."
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("key", "type") if obj else ()
