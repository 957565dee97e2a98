"""The list of personas."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace
from accounts.console import ListButton, WorkspaceModelAdmin
from personas.console.importing import excel_buttons
from personas.models import Contact, ContactType, Persona
from personas.search import search_personas

_CONTACTS_SHOWN = 3


class ContactTypeFilter(admin.SimpleListFilter):
    title = _("Reached by")
    parameter_name = "contact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(ContactType.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Persona]) -> QuerySet[Persona]:
        if self.value() is None:
            return queryset
        contacts = Contact.objects.filter(workspace=current_workspace(request), type=self.value())
        return queryset.filter(pk__in=contacts.values("persona"))


class PersonaListing(WorkspaceModelAdmin):
    """The list of personas, and finding some of them."""

    list_display = ("name", "contact_keys", "created_at", "updated_at")
    list_display_links = ("name",)
    list_filter = (ContactTypeFilter,)
    search_fields = ("name",)
    search_help_text = _("Name, phone number or address")
    sortable_by = ("name", "updated_at")
    ordering = ("-id",)
    empty_title = _("No personas yet")
    empty_text = _("A persona is made for everybody a program sends a message to, with the address it wrote to.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("contacts")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        workspace = current_workspace(request)
        if not search_term.strip() or workspace is None:
            return queryset, False
        return search_personas(queryset, search_term, workspace=workspace), False

    def list_buttons(self, request: HttpRequest, changelist: ChangeList) -> list[ListButton]:
        return [*excel_buttons(request), *super().list_buttons(request, changelist)]

    @admin.display(description=_("contacts"))
    def contact_keys(self, persona: Persona) -> str:
        contacts = list(persona.contacts.all())
        shown = format_html_join(
            "", "<div>{} <span class='muted'>{}</span></div>",
            ((contact.normalized, contact.get_type_display()) for contact in contacts[:_CONTACTS_SHOWN]),
        )  # fmt: skip
        more = len(contacts) - _CONTACTS_SHOWN
        return format_html("<div>{}{}</div>", shown, _("and %d more") % more if more > 0 else "")
