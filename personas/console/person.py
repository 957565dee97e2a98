"""The page of a person: what is known of them, to read and to edit; and the page that adds one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from accounts.access import current_workspace
from accounts.console import WorkspaceModelAdmin
from accounts.models import Workspace
from accounts.roles import Action
from personas.console.person_form import ContactForm, PersonForm
from personas.console.recent import recent_messages, recent_topics
from personas.console.words import ShownChange, Words
from personas.editing import Edit, EditConflict, FieldConflict, edit_persona, sheet_of
from personas.history import Cause
from personas.models import AttributeDefinition, Origin, Persona
from personas.restoring import NothingToPutBack, Present, plan_restoration
from personas.services import PersonaNotFound, add_persona, get_persona
from raven_admin.errors import RavenError

_CHANGES_SHOWN = 20
_SAVED = "saved_persona_changes"
_KEEP_EDITING = "edit"
"""In what a page sends back that showed what was typed: it is not to be saved yet."""


@dataclass(frozen=True, slots=True)
class ShownConflict:
    """A field that two people changed, in words."""

    conflict: FieldConflict
    control: str
    label: str
    base: str
    theirs: str
    mine: str


class PersonPage(WorkspaceModelAdmin):
    """One persona, on one page; each view parses, authorises, calls one service and renders."""

    write_action = Action.PERSONA_WRITE

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        workspace = current_workspace(request)
        if workspace is None or not self.has_add_permission(request):
            raise PermissionDenied
        posted = request.POST if request.method == "POST" else None
        form = new_form(workspace, posted)
        if posted is None:
            form.facts.fields["name"].widget.attrs["autofocus"] = True
        if posted is not None and _KEEP_EDITING not in posted and form.is_valid():
            try:
                persona = add_persona(
                    workspace=workspace, draft=form.draft(), contacts=form.added(), cause=cause_of(request)
                )
            except RavenError as error:
                form.add_refusal(error)
            else:
                messages.success(request, gettext("%(name)s was added.") % {"name": persona.name})
                return redirect("admin:personas_persona_change", persona.pk)
        if form.error_count:
            form.name_owners(workspace)
        return self._page(request, "personas/person_add.html", form=form, title=gettext("Add persona"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        persona: Persona = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, persona):
            raise PermissionDenied
        try:
            if request.method == "POST":
                return self._save(request, persona)
            return self._person(request, persona, form_of(persona), saved=self._saved(request, persona))
        except PersonaNotFound as gone:  # since this page was asked for
            raise Http404(str(gone)) from gone

    def _save(self, request: HttpRequest, persona: Persona) -> HttpResponse:
        if not self.has_change_permission(request, persona):
            raise PermissionDenied
        form = form_of(persona, request.POST)
        if _KEEP_EDITING not in request.POST and form.is_valid():
            try:
                edit = edit_persona(
                    workspace=persona.workspace, persona_id=persona.pk, seen=form.seen, wanted=form.wanted(),
                    added=form.added(), cause=cause_of(request),
                )  # fmt: skip
            except EditConflict as conflict:
                return self._conflict(request, persona, form, conflict)
            except PersonaNotFound:
                raise
            except RavenError as error:
                form.add_refusal(error)
            else:
                self._tell(request, persona, edit)
                return redirect("admin:personas_persona_change", persona.pk)
        if form.error_count:
            form.name_owners(persona.workspace, persona_id=persona.pk)
        return self._person(request, persona, form)

    def _tell(self, request: HttpRequest, persona: Persona, edit: Edit) -> None:
        request.session[_SAVED] = [change.pk for change in edit.changes]
        if not edit.changes:
            messages.info(request, gettext("Nothing was changed, so nothing was saved."))
        if edit.changed_by_others:
            words = Words(_definitions(persona.workspace))
            names = ", ".join(dict.fromkeys(words.label_of_field(field) for field in edit.changed_by_others))
            text = gettext("While you were editing, somebody else changed: %(names)s. Their changes are kept too.")
            messages.info(request, text % {"names": names})

    def _saved(self, request: HttpRequest, persona: Persona) -> list[ShownChange]:
        """What the last save changed, told once."""
        ids = request.session.pop(_SAVED, None)
        if not ids:
            return []
        return Words(_definitions(persona.workspace)).changes(list(persona.changes.filter(pk__in=ids).order_by("id")))

    def _conflict(
        self, request: HttpRequest, persona: Persona, form: PersonForm, conflict: EditConflict
    ) -> HttpResponse:
        words = Words(_definitions(persona.workspace))
        disputed = [_in_words(entry, words) for entry in conflict.conflicts]
        kept = [
            (words.label_of_field(field, value, form.seen.get(field)), words.shown(field, value))
            for field, value in form.changes().items()
            if field not in {entry.field for entry in conflict.conflicts}
        ]
        kept += [(gettext("New contact"), words.shown("", draft)) for draft in form.added()]
        return self._page(
            request, "personas/person_conflict.html", status=409, persona=persona, disputed=disputed, kept=kept,
            carried=form.carried(conflict.current), title=gettext("Two people changed the same"),
        )  # fmt: skip

    def _person(self, request: HttpRequest, persona: Persona, form: PersonForm, **context: Any) -> TemplateResponse:
        words = Words(form.definitions)
        topics = recent_topics(persona)
        for contact_form in [*form.contacts, *form.new]:
            _link_owner(contact_form, persona)
        shown = words.changes(list(persona.changes.order_by("-id")[: _CHANGES_SHOWN + 1]))
        may_write = self.has_change_permission(request, persona)
        return self._page(
            request, "personas/person.html" if may_write else "personas/person_read.html",
            title=persona.name, persona=persona, original=persona, form=form, may_write=may_write,
            attributes=[(d, words.shown(f"attribute:{d.key}", form.seen.get(f"attribute:{d.key}")))
                        for d in form.definitions],
            topics=topics, recent=recent_messages(persona, topics), changes=shown[:_CHANGES_SHOWN],
            has_more_changes=len(shown) > _CHANGES_SHOWN, offered=_offered(persona, shown) if may_write else set(),
            **context,
        )  # fmt: skip

    def _page(self, request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> TemplateResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, template, {**shared, **context}, status=status)


def cause_of(request: HttpRequest) -> Cause:
    """The signed-in person, now."""
    return Cause(origin=Origin.PERSON, actor_label=request.user.display_name, at=timezone.now())  # type: ignore[union-attr]


def new_form(workspace: Workspace, data: Any = None) -> PersonForm:
    """The form that adds a person."""
    return PersonForm(data, current={}, definitions=_definitions(workspace), country=workspace.country)


def form_of(persona: Persona, data: Any = None) -> PersonForm:
    """The form of a person; with the values that were typed into it, if there are any."""
    found = get_persona(workspace_id=persona.workspace_id, persona_id=persona.pk)
    return PersonForm(
        data,
        current=sheet_of(found),
        definitions=_definitions(persona.workspace),
        contacts=list(found.contacts.all()),
        country=persona.workspace.country,
    )


def _definitions(workspace: Workspace) -> list[AttributeDefinition]:
    return list(AttributeDefinition.objects.filter(workspace=workspace))


def _in_words(conflict: FieldConflict, words: Words) -> ShownConflict:
    base, theirs, mine = (words.shown(conflict.field, v) for v in (conflict.base, conflict.theirs, conflict.mine))
    label = words.label_of_field(conflict.field, conflict.base, conflict.theirs, conflict.mine)
    return ShownConflict(conflict, conflict.field.replace(":", "-", 1), label, base, theirs, mine)


def _offered(persona: Persona, shown: Sequence[ShownChange]) -> set[int]:
    """The ids of the changes whose old value can be put back, and is not there already."""
    present, offered = Present(persona), set()
    for entry in shown:
        try:
            restoration = plan_restoration(entry.change, present=present)
        except NothingToPutBack:
            continue
        if not restoration.is_there:
            offered.add(entry.change.pk)
    return offered


def _link_owner(form: ContactForm, persona: Persona) -> None:
    """Where the two people of a refused address are made one."""
    if form.taken is not None:
        form.merge_url = reverse("admin:personas_persona_merge", args=[persona.pk, form.taken.persona_id])
