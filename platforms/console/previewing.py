"""Before saving: the exact calls that what was typed would make, and which field cannot reach which platform.

A form of a person or a token is posted here instead of being saved; as a page, or as the part that the form shows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext

from accounts.access import current_workspace, may
from accounts.models import Workspace
from accounts.roles import Action
from personas.console.person import form_of, new_form
from personas.console.person_form import PersonForm
from personas.console.words import Words
from personas.contacts import normalise
from personas.matching import ContactDraft
from personas.models import Persona, PersonaChange
from platforms.console.arrivals import ArrivalPages
from platforms.people import Address, Attribute, Person, changed_fields
from platforms.previews import Reach, previews, token_previews
from raven_admin.errors import RavenError
from tokens.forms import ConfigurationForm, DetailsForm, PermissionsForm
from tokens.models import Token

TOKEN_FORMS: dict[str, tuple[type[ConfigurationForm], str]] = {
    "details": (DetailsForm, "admin:tokens_token_change"),
    "permissions": (PermissionsForm, "admin:tokens_token_permissions"),
}
"""By its tab: a form of a token, and its page."""


@dataclass(frozen=True, slots=True)
class ShownReach:
    reach: Reach
    unreached: list[tuple[str, str, str]]
    """Label of a field, its name, and why it stays here."""


class PreviewPages(ArrivalPages):
    """Previews of persons and tokens."""

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"platforms_{name}")

        return [
            page("person/<int:persona_id>/preview/", self.preview_view, "person_preview"),
            page("person/preview/", self.preview_of_new_view, "new_person_preview"),
            page("token/<int:token_id>/preview/<slug:tab>/", self.token_preview_view, "token_preview"),
            *super().get_urls(),
        ]

    def preview_view(self, request: HttpRequest, persona_id: int) -> HttpResponse:
        persona = self.seen(request, Persona, persona_id, to=Action.PERSONA_WRITE)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = form_of(persona, request.POST)
        back = reverse("admin:personas_persona_change", args=[persona.pk])
        return self._preview(request, form, workspace=persona.workspace, persona_id=persona.pk, back=back)

    def preview_of_new_view(self, request: HttpRequest) -> HttpResponse:
        workspace = current_workspace(request)
        if workspace is None or not may(request.user, Action.PERSONA_WRITE, workspace):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = new_form(workspace, request.POST)
        back = reverse("admin:personas_persona_add")
        return self._preview(request, form, workspace=workspace, persona_id=0, back=back)

    def _preview(
        self, request: HttpRequest, form: PersonForm, *, workspace: Workspace, persona_id: int, back: str
    ) -> HttpResponse:
        name = form.facts["name"].value() or gettext("New persona")
        if not form.is_valid():
            errors = [error for part in form.forms for field in part for error in field.errors]
            return self._show_preview(request, name=name, back=back, errors=errors)
        person, fields = planned(form, persona_id=persona_id, country=workspace.country)
        words = Words(form.definitions)

        def find() -> list[ShownReach]:
            found = previews(workspace=workspace, person=person, fields=fields) if fields else []
            return [_in_words(reach, words) for reach in found]

        return self._show_preview(request, name=name, back=back, find=find, has_changes=bool(fields))

    def token_preview_view(self, request: HttpRequest, token_id: int, tab: str) -> HttpResponse:
        token: Token = self.seen(request, Token, token_id, to=Action.TOKEN_WRITE)
        if tab not in TOKEN_FORMS:
            raise Http404("a token has no such form")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form_class, page = TOKEN_FORMS[tab]
        form, back = form_class(request.POST, token=token, may_write=True), reverse(page, args=[token.pk])
        if not form.is_valid():
            errors = [error for of_field in form.errors.values() for error in of_field]
            return self._show_preview(request, name=token.name, back=back, errors=errors, is_token=True)
        configuration = form.configuration()
        changes = configuration != form.saved

        def find() -> list[ShownReach]:
            found = token_previews(token=token, configuration=configuration) if changes else []
            return [ShownReach(reach, []) for reach in found]

        return self._show_preview(request, name=token.name, back=back, find=find, has_changes=changes, is_token=True)

    def _show_preview(
        self,
        request: HttpRequest,
        *,
        name: str,
        back: str,
        errors: Sequence[Any] = (),
        find: Callable[[], list[ShownReach]] = list,
        **context: Any,
    ) -> HttpResponse:
        context |= {"errors": errors, "back": back, "name": name}
        try:
            context["reaches"] = find()
        except RavenError as refusal:
            context["refusal"] = str(refusal)
        if "part" in request.GET:
            return render(request, "platforms/_preview.html", context)
        context |= self.admin_site.each_context(request) | {
            "title": gettext("What will be sent"),
            "carried": [(name, text) for name, texts in _without_csrf(request).items() for text in texts],
        }
        return render(request, "platforms/preview.html", context)


def planned(form: PersonForm, *, persona_id: int, country: str) -> tuple[Person, list[str]]:
    """The person as a valid form wants them, and the fields that saving it would change."""
    wanted, added = form.wanted(), form.added()
    drafts = [value for value in wanted.values() if isinstance(value, ContactDraft)] + added
    types = {definition.key: definition.type for definition in form.definitions}
    texts = {field: value for field, value in wanted.items() if isinstance(value, str)}
    person = Person(
        id=persona_id,
        name=texts["name"],
        gender=texts["gender"],
        birthday=date.fromisoformat(texts["birthday"]) if texts["birthday"] else None,
        notes=texts["notes"],
        attributes={
            key: Attribute(type, texts[f"attribute:{key}"])
            for key, type in types.items()
            if texts.get(f"attribute:{key}")
        },
        addresses=tuple(Address(d.type, normalise(d.type, d.key, country=country), d.label) for d in drafts),
    )
    if not persona_id:
        return person, changed_fields(["created"], person)
    changed: list[str] = []
    for field, value in form.changes().items():
        contacts = [each for each in (form.seen.get(field), value) if isinstance(each, ContactDraft)]
        changed += [f"contact:{contact.type}" for contact in contacts] or [field]
    return person, changed_fields([*changed, *(f"contact:{draft.type}" for draft in added)], person)


def _in_words(reach: Reach, words: Words) -> ShownReach:
    unreached = [(words.label(PersonaChange(field=each.field)), each.field, each.reason) for each in reach.unreached]
    return ShownReach(reach, unreached)


def _without_csrf(request: HttpRequest) -> dict[str, list[str]]:
    return {name: request.POST.getlist(name) for name in request.POST if name != "csrfmiddlewaretoken"}
