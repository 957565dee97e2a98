"""The list of personas: searched, filtered, in pages, at a cost that does not grow with the workspace."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace
from accounts.console import COUNTED_AT_MOST, ListButton, WorkspaceChangeList, WorkspaceModelAdmin, page_size
from accounts.models import Workspace
from personas.console.importing import excel_buttons
from personas.console.saved import SHOWN_AT_MOST, saved_filters
from personas.filters import OPERATORS_OF_TYPE, FilterInvalid, Operator, PersonaFilter, Problem
from personas.finding import Found, find_newest
from personas.models import AttributeDefinition, AttributeType, AttributeValue, Contact, ContactType, Persona

COUNTED_OF_FOUND = 100
"""Whom a search or a filter finds is counted so far; further pages come as they are asked for."""
SORTED_OF_FOUND = 1_000
"""Of those that are found, the newest that another order than the newest first puts in order."""
COLUMNS_AT_MOST = 4
COLUMNS_AT_FIRST = 2
_CONTACTS_SHOWN = 3
_COLUMNS = "persona_columns"
_OWN_PARAMETERS = ("kind", "problem", "updated", "a", "op", "v")


class FoundPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of the ids that were found so far; `has_more_than_counted`: there are more of them."""

    goes_on = True

    def __init__(self, found: list[int], per_page: int, *, has_more: bool) -> None:
        super().__init__(found, per_page)
        self.has_more_than_counted = has_more

    def nearest_page(self, number: int) -> int:
        return max(1, min(number, self.num_pages))


@dataclass(frozen=True, slots=True)
class Row:
    """One persona of the list, ready to be shown."""

    persona: Persona
    contacts: list[Contact]
    more_contacts: int
    problem: str
    values: list[tuple[str, str]]
    """Label and value of each attribute that has a column."""


class PersonaChangeList(WorkspaceChangeList):
    """People of the current workspace whom the address asks for."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.workspace = cast(Workspace, current_workspace(request))
        self.typed = request.GET
        self.chosen, self.refusal = PersonaFilter(), ""
        self.is_sorted_in_part = False
        try:
            self.chosen = PersonaFilter.from_query(request.GET, self.workspace)
        except FilterInvalid as refusal:
            self.refusal = str(refusal)
        self.attributes = list(AttributeDefinition.objects.filter(workspace=self.workspace))
        self.columns = chosen_columns(request, self.workspace, self.attributes)
        super().__init__(request, *args, **kwargs)
        for name in _OWN_PARAMETERS:
            self.params.pop(name, None)

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        found = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in _OWN_PARAMETERS}

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """With the filter as it was read: Django keeps one value of each parameter, and conditions repeat theirs."""
        rest = super().get_query_string(new_params, [*(remove or []), "q"])
        return "?" + "&".join(filter(None, [self.chosen.to_query(), rest.removeprefix("?")]))

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:  # type: ignore[override]
        """The column, and the id in the same direction, as the indexes have it."""
        terms = map(str, super().get_ordering(request, queryset))
        column = next((term for term in terms if term.lstrip("-") in _SORTED_BY), "")
        if not column:
            return ["-id"]
        return [column, "-id" if column.startswith("-") else "id"]

    def get_results(self, request: HttpRequest) -> None:
        if not self.chosen and not self.refusal:
            super().get_results(request)
            self.rows = self._rows(list(self.result_list))
            return
        self.list_per_page = page_size(request)
        ids = self._found(request)
        self.page_num = self.paginator.nearest_page(self.page_num)
        shown = ids[(self.page_num - 1) * self.list_per_page : self.page_num * self.list_per_page]
        personas = Persona.objects.in_bulk(shown)
        self.show_full_result_count = self.show_admin_actions = self.can_show_all = False
        self.multi_page = len(ids) > self.list_per_page
        self.result_list = [personas[pk] for pk in shown if pk in personas]
        self.rows = self._rows(self.result_list)

    def _found(self, request: HttpRequest) -> list[int]:
        """The ids of as many as are counted, in order, and of one more if there is one; the paginator knows them."""
        order = self.get_ordering(request, self.root_queryset)
        in_found_order = order == ["-id"]
        page_end = min(self.page_num * self.list_per_page, COUNTED_AT_MOST)
        limit = max(COUNTED_OF_FOUND, page_end) if in_found_order else SORTED_OF_FOUND
        if_dear = page_end if in_found_order else SORTED_OF_FOUND
        found = Found([], limit + 1)
        if not self.refusal:
            found = find_newest(self.chosen, self.workspace, limit + 1, if_dear=if_dear + 1)
        ids, limit = found.ids, found.limit - 1
        has_more = len(ids) > limit
        self.is_sorted_in_part = has_more and not in_found_order
        if not in_found_order:
            ids = list(Persona.objects.filter(pk__in=ids[:limit]).order_by(*order).values_list("pk", flat=True))
        self.paginator = FoundPaginator(ids, self.list_per_page, has_more=has_more)
        self.result_count = self.full_result_count = min(len(ids), limit)
        return ids

    def _rows(self, personas: list[Persona]) -> list[Row]:
        """With their contacts and values, in two queries however many they are."""
        pks = [persona.pk for persona in personas]
        contacts: dict[int, list[Contact]] = {}
        for contact in Contact.objects.filter(persona__in=pks).order_by("id"):
            contacts.setdefault(contact.persona_id, []).append(contact)
        values = {}
        if self.columns:
            rows = AttributeValue.objects.filter(persona__in=pks, definition__in=self.columns)
            values = {(value.persona_id, value.definition_id): value.value for value in rows}
        return [
            Row(
                persona,
                contacts.get(persona.pk, [])[:_CONTACTS_SHOWN],
                max(0, len(contacts.get(persona.pk, [])) - _CONTACTS_SHOWN),
                _problem_of(contacts.get(persona.pk, [])),
                [(column.label, _shown(column, values.get((persona.pk, column.pk)))) for column in self.columns],
            )
            for persona in personas
        ]

    # ------------------------------------------------------------------------------------------------ for the page
    @property
    def is_narrowed(self) -> bool:
        return bool(self.chosen or self.refusal)

    @property
    def chips(self) -> list[tuple[str, str]]:
        """What the list is narrowed to, each with the address without it."""
        return [(part.words, f"?{part.rest.to_query()}") for part in self.chosen.parts()]

    @property
    def condition_rows(self) -> list[tuple[str, str, str]]:
        """The conditions as the form shows them: as they were typed where they could not be read, and an empty one."""
        if self.refusal:
            return [*self._typed_conditions(), ("", "", "")]
        written = [(c.attribute.key, str(c.operator), c.value) for c in self.chosen.conditions]
        return [*written, ("", "", "")]

    def _typed_conditions(self) -> list[tuple[str, str, str]]:
        columns = [self.typed.getlist(name) for name in ("a", "op", "v")]
        return [(a, op, v) for a, op, v in zip(*columns, strict=False) if a]


_SORTED_BY = frozenset({"name", "updated_at"})


def chosen_columns(
    request: HttpRequest, workspace: Workspace, attributes: list[AttributeDefinition]
) -> list[AttributeDefinition]:
    """The attributes that have a column: as chosen last, else the first two."""
    keys = request.session.get(_COLUMNS, {}).get(str(workspace.pk))
    if keys is None:
        return attributes[:COLUMNS_AT_FIRST]
    return [attribute for attribute in attributes if attribute.key in keys][:COLUMNS_AT_MOST]


def remember_columns(request: HttpRequest, workspace: Workspace, keys: list[str]) -> None:
    """The lists of `workspace` have these columns from now on, as long as the person is signed in."""
    chosen: dict[str, list[str]] = request.session.get(_COLUMNS, {})
    request.session[_COLUMNS] = {**chosen, str(workspace.pk): keys[:COLUMNS_AT_MOST]}


def _problem_of(contacts: list[Contact]) -> str:
    if not contacts:
        return gettext("No contact")
    return gettext("Check the number") if any(contact.is_doubtful for contact in contacts) else ""


def _shown(attribute: AttributeDefinition, stored: str | None) -> str:
    if stored is None:
        return ""
    if attribute.type == AttributeType.BOOLEAN:
        return gettext("Yes") if stored == "true" else gettext("No")
    if attribute.type == AttributeType.DATE:
        return date_format(date.fromisoformat(stored), "j M Y")
    return stored


class PersonaListing(WorkspaceModelAdmin):
    """The list of personas, and finding some of them."""

    change_list_template = "personas/list.html"
    list_display = ("name", "updated_at")
    list_display_links = ("name",)
    search_fields = ("name",)
    sortable_by = ("name", "updated_at")
    ordering = ("-id",)
    empty_title = _("No personas yet")
    empty_text = _("A persona is made for everybody a program sends a message to, with the address it wrote to.")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PersonaChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """The change list finds people itself."""
        return queryset, False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        workspace = current_workspace(request)
        if "columns" in request.GET and workspace is not None:
            return self._from_form(request, workspace)
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            changelist = cast(PersonaChangeList, response.context_data["cl"])
            saved = list(saved_filters(request.user, changelist.workspace)[:SHOWN_AT_MOST])
            query = changelist.chosen.to_query()
            response.context_data |= {
                "saved_filters": saved,
                "current_filter": next((one for one in saved if query and one.query == query), None),
                "kinds": ContactType.choices,
                "problems": [(problem.value, problem.label) for problem in Problem],
                "operators": [(operator.value, operator.label, _types_of(operator)) for operator in Operator],
            }
        return response

    def _from_form(self, request: HttpRequest, workspace: Workspace) -> HttpResponse:
        """The columns are remembered for this person, and the list has an address that says only what is asked."""
        query = request.GET.copy()
        remember_columns(request, workspace, query.getlist("column"))
        with suppress(FilterInvalid):
            order = query.get("o", "")
            chosen = PersonaFilter.from_query(query, workspace).to_query()
            query = QueryDict(chosen, mutable=True)
            if order:
                query["o"] = order
        for name in ("columns", "column"):
            query.pop(name, None)
        return redirect(f"{request.path}?{query.urlencode()}".rstrip("?"))

    def list_buttons(self, request: HttpRequest, changelist: ChangeList) -> list[ListButton]:
        return [*excel_buttons(request), *super().list_buttons(request, changelist)]


def _types_of(operator: Operator) -> str:
    """The types of attributes it can be asked of, for the script that offers only those."""
    return " ".join(type for type, operators in OPERATORS_OF_TYPE.items() if operator in operators)
