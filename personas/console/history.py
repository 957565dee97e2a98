"""The history of one persona and of the workspace, putting a value back, and the receipts of what was deleted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import SimpleListFilter, display
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import truncatechars
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace
from accounts.console import WorkspaceChangeList, WorkspaceModelAdmin, among_newest, whole_number
from accounts.models import Workspace
from personas.console.person import cause_of
from personas.console.words import ShownChange, Words
from personas.models import AttributeDefinition, ContactType, DeletionReceipt, Origin, Persona, PersonaChange
from personas.restoring import ChangeNotFound, NothingToPutBack, Present, Restoration, plan_restoration, restore_value
from personas.services import ContactTaken
from raven_admin.errors import RavenError

CHANGES_A_PAGE = 50
_FIELDS = (("name", _("Name")), ("gender", _("Gender")), ("birthday", _("Birthday")), ("notes", _("Notes")))


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A change of the timeline; `restoration` is None where there is nothing to put back."""

    shown: ShownChange
    restoration: Restoration | None


@dataclass(frozen=True, slots=True)
class Moment:
    """What was changed at once: by the same, at the same time, in the same call."""

    first: PersonaChange
    rows: list[ShownRow]


class PersonaHistory(WorkspaceModelAdmin):
    """The timeline of one persona, and any earlier value put back."""

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<path:object_id>/history/<int:change_id>/",
            self.admin_site.admin_view(self.restore_view),
            name="personas_persona_restore",
        )
        return [own, *super().get_urls()]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        persona: Persona = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, persona):
            raise PermissionDenied
        choices = field_choices(persona.workspace)
        chosen = request.GET.get("field", "")
        changes = persona.changes.all()
        if chosen in dict(choices):
            changes = changes.filter(field=chosen)
        before = whole_number(request.GET.get("before", ""))
        if before is not None:
            changes = changes.filter(pk__lt=before)
        page = list(changes.order_by("-pk")[: CHANGES_A_PAGE + 1])
        shown = page[:CHANGES_A_PAGE]
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("History of %(name)s") % {"name": persona.name},
            "opts": self.opts,
            "persona": persona,
            "moments": _moments(shown, Present(persona)),
            "older_than": shown[-1].pk if len(page) > CHANGES_A_PAGE else None,
            "is_newest": before is None,
            "fields": choices,
            "chosen": chosen if chosen in dict(choices) else "",
            "chosen_label": dict(choices).get(chosen, ""),
            "may_write": self.has_change_permission(request, persona),
        }
        return TemplateResponse(request, "personas/history.html", context)

    def restore_view(self, request: HttpRequest, object_id: str, change_id: int) -> HttpResponse:
        persona: Persona = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, persona):
            raise PermissionDenied
        change = PersonaChange.objects.filter(persona=persona, pk=change_id).first()
        if change is None:
            raise Http404(str(ChangeNotFound()))
        refusal: RavenError | None = None
        if request.method == "POST":
            try:
                restore_value(
                    workspace=persona.workspace,
                    persona_id=persona.pk,
                    change_id=change.pk,
                    version=whole_number(request.POST.get("version", "")),
                    cause=cause_of(request),
                )
            except RavenError as error:
                refusal = error
                persona.refresh_from_db()
            else:
                label = _words(persona.workspace).label(change)
                messages.success(request, gettext("%(label)s was put back.") % {"label": label})
                page = "change" if request.POST.get("back") == "person" else "history"
                return redirect(f"admin:personas_persona_{page}", persona.pk)
        return self._restore_page(request, persona, change, refusal)

    def _restore_page(
        self, request: HttpRequest, persona: Persona, change: PersonaChange, refusal: RavenError | None
    ) -> HttpResponse:
        words, restoration = _words(persona.workspace), None
        try:
            restoration = plan_restoration(change, present=Present(persona))
        except NothingToPutBack as error:
            refusal = refusal or error
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Put back %(label)s") % {"label": words.label(change)},
            "opts": self.opts,
            "persona": persona,
            "change": change,
            "label": words.label(change),
            "restoration": restoration,
            "now": words.shown(change.field, restoration.now) if restoration else "",
            "then": words.shown(change.field, change.old),
            "refusal": refusal,
            "taken": refusal if isinstance(refusal, ContactTaken) else None,
        }
        return TemplateResponse(
            request, "personas/restore.html", context, status=409 if request.method == "POST" else 200
        )


def field_choices(workspace: Workspace) -> list[tuple[str, Any]]:
    """Every field that may have a history, with its label."""
    defined = AttributeDefinition.objects.filter(workspace=workspace)
    return [
        *_FIELDS,
        *((f"attribute:{definition.key}", definition.label) for definition in defined),
        *((f"contact:{type}", label) for type, label in ContactType.choices),
    ]


def _words(workspace: Workspace) -> Words:
    return Words(list(AttributeDefinition.objects.filter(workspace=workspace)))


def _moments(changes: list[PersonaChange], present: Present) -> list[Moment]:
    words = Words(list(present.definitions.values()))
    moments = []
    for _key, group in groupby(changes, key=_made_at_once):
        rows = [ShownRow(shown, _offered(shown.change, present)) for shown in words.changes(list(group))]
        moments.append(Moment(rows[0].shown.change, rows))
    return moments


def _made_at_once(change: PersonaChange) -> tuple[datetime, str, str, int | None]:
    return change.happened_at, change.actor_label, change.request_id, change.operation_id


def _offered(change: PersonaChange, present: Present) -> Restoration | None:
    """None when the old value can't be put back, or is there already."""
    try:
        restoration = plan_restoration(change, present=present)
    except NothingToPutBack:
        return None
    return None if restoration.is_there else restoration


# ------------------------------------------------------------------------------------------------- the workspace
class OriginFilter(SimpleListFilter):
    title = _("Made by")
    parameter_name = "origin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Origin.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(origin=self.value()) if self.value() else queryset


class FieldFilter(SimpleListFilter):
    title = _("Field")
    parameter_name = "field"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        workspace = current_workspace(request)
        return field_choices(workspace) if workspace else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(field=self.value()) if self.value() else queryset


class SinceFilter(SimpleListFilter):
    title = _("Time")
    parameter_name = "days"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Last 24 hours")), ("7", _("Last 7 days")), ("30", _("Last 30 days"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"1", "7", "30"}:
            return queryset
        return queryset.filter(happened_at__gte=timezone.now() - timedelta(days=int(str(self.value()))))


class ChangesOfWorkspace(WorkspaceChangeList):
    """The changes of a page in words; when narrowed, of the newest 50,000."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        changes = super().get_queryset(request, exclude_parameters)
        if self.is_narrowed:
            return among_newest(changes, self.root_queryset.filter(workspace=current_workspace(request)))
        return changes

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        workspace = current_workspace(request)
        words = _words(workspace) if workspace else Words([])
        self.result_list = list(self.result_list)
        for change, shown in zip(self.result_list, words.changes(self.result_list), strict=True):
            change.shown = shown


class PersonaChangePages(WorkspaceModelAdmin):
    """Every change of every persona of the workspace, newest first."""

    list_display = ("persona_name", "field_label", "old_and_new", "made_by", "changed")
    list_display_links = ("persona_name",)
    list_filter: ClassVar[tuple[Any, ...]] = (OriginFilter, FieldFilter, SinceFilter)
    list_select_related = ("persona",)
    search_fields = ("actor_label",)
    search_help_text = _("Who made the change, or a request id")
    sortable_by = ()
    ordering = ("-id",)
    change_list_template = "personas/changes.html"
    empty_title = _("No changes yet")
    empty_text = _("Whatever is changed about a persona is written down here: old, new, by whom and when.")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="personas_personachange_changelist"),
            path("<path:object_id>/", view(self.change_view), name="personas_personachange_change"),
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ChangesOfWorkspace

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        if text.startswith("req_"):
            return queryset.filter(request_id=text), False
        return queryset.filter(actor_label__icontains=text), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The change in the history of its persona."""
        change: PersonaChange = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, change):
            raise PermissionDenied
        history = reverse("admin:personas_persona_history", args=[change.persona_id])
        return redirect(f"{history}?before={change.pk + 1}#change-{change.pk}")

    @display(description=_("persona"))
    def persona_name(self, change: PersonaChange) -> str:
        return truncatechars(change.persona.name, 60)

    @display(description=_("field"))
    def field_label(self, change: Any) -> str:
        return truncatechars(change.shown.label, 40)

    @display(description=_("old → new"))
    def old_and_new(self, change: Any) -> str:
        return format_html(
            '<span><span class="muted">{}</span> → {}</span>',
            truncatechars(change.shown.old, 60) or gettext("empty"),
            truncatechars(change.shown.new, 60) or gettext("empty"),
        )

    @display(description=_("by"))
    def made_by(self, change: PersonaChange) -> str:
        return _by(change)

    @display(description=_("time"))
    def changed(self, change: PersonaChange) -> datetime:
        return change.happened_at


class DeletionReceiptPages(WorkspaceModelAdmin):
    """That personas were deleted, by whom and when; nothing here says who they were."""

    list_display = ("number", "persona_number", "made_by", "contacts", "messages", "deleted")
    list_display_links = ("number",)
    list_filter: ClassVar[tuple[Any, ...]] = (OriginFilter,)
    sortable_by = ()
    ordering = ("-id",)
    change_list_template = "personas/deleted.html"
    empty_title = _("Nobody was deleted")
    empty_text = _("Deleting a persona leaves a receipt here: when, and by whom, but not who it was.")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="personas_deletionreceipt_changelist"),
            path("<path:object_id>/", view(self.change_view), name="personas_deletionreceipt_change"),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        receipt: DeletionReceipt = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, receipt):
            raise PermissionDenied
        title = gettext("Receipt %(number)s") % {"number": receipt.pk}
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "receipt": receipt}
        return TemplateResponse(request, "personas/receipt.html", context)

    @display(description=_("receipt"))
    def number(self, receipt: DeletionReceipt) -> str:
        return gettext("Receipt %(number)s") % {"number": receipt.pk}

    @display(description=_("persona number"))
    def persona_number(self, receipt: DeletionReceipt) -> str:
        return str(receipt.persona_id)

    @display(description=_("by"))
    def made_by(self, receipt: DeletionReceipt) -> str:
        return _by(receipt)

    @display(description=_("contacts"))
    def contacts(self, receipt: DeletionReceipt) -> int:
        return receipt.contact_count

    contacts.is_number = True  # type: ignore[attr-defined]

    @display(description=_("messages"))
    def messages(self, receipt: DeletionReceipt) -> int:
        return receipt.message_count

    messages.is_number = True  # type: ignore[attr-defined]

    @display(description=_("deleted"))
    def deleted(self, receipt: DeletionReceipt) -> datetime:
        return receipt.deleted_at


def _by(row: PersonaChange | DeletionReceipt) -> str:
    """Who did it, as what, and in which call."""
    call = ""
    if row.request_id:
        address = reverse("admin:tokens_requestlogentry_change", args=[row.request_id])
        call = format_html('<br><a class="mono" href="{}">{}</a>', address, row.request_id)
    return format_html(
        '<div>{}<br><span class="muted">{}</span>{}</div>', row.actor_label, row.get_origin_display(), call
    )
