"""Merging two people in the browser: finding the other, choosing field by field, a preview, and undoing it later."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.console import Text, WorkspaceModelAdmin, whole_number
from accounts.language import grouped
from accounts.roles import Action
from personas.console.duplicates import queue_address
from personas.console.person import cause_of
from personas.console.words import Words
from personas.merging import Choice, Side, compare, merge_personas
from personas.models import AttributeDefinition, DuplicatePair, Merge, Persona
from personas.moves import COUNTED_AT_MOST, count_following, folded_names
from personas.search import TextQuery
from personas.services import VersionConflict
from personas.unmerging import MergeNotLatest, Plan, Restore, check_undoable, plan_undo, undo_merge
from raven_admin.errors import RavenError

_FOUND_AT_MOST = 20
_MOVING: dict[str, Text] = {
    "messaging.Topic": _("Topics"),
    "messaging.Recipient": _("Messages to them"),
    "messaging.Message": _("Messages from them"),
    "platforms.ContactSession": _("Chat sessions"),
    "personas.PersonaChange": _("Entries of history"),
    "personas.Merge": _("Earlier merges"),
    "tokens.Token": _("Temporary tokens"),
}
"""What follows an absorbed persona and is counted on its pages; contacts are shown one by one."""
_FROM_QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class ShownChoice:
    """A field to choose, in words."""

    choice: Choice
    label: str
    kept: str
    absorbed: str
    result: str

    @property
    def field_id(self) -> str:
        """For ids of controls."""
        return self.choice.name.replace(":", "-")


class MergePages(WorkspaceModelAdmin):
    """The pages that lead from one persona to its merge with another."""

    write_action = Action.PERSONA_WRITE

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"personas_persona_{name}")

        return [
            page("<path:object_id>/merge/<path:other_id>/", self.merge_view, "merge"),
            page("<path:object_id>/merge/", self.merge_with_view, "merge_with"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of the person; an address of one that was merged leads to whom they are part of.

        What was typed on a page from before the merge is saved there, as any other edit of two people.
        """
        try:
            return super().change_view(request, object_id, form_url, extra_context)
        except Http404:
            kept = self._part_of(request, unquote(object_id))
            if kept is None:
                raise
            messages.info(request, gettext("Persona %(id)s was merged into this one.") % {"id": object_id})
            if request.method == "POST":
                return super().change_view(request, str(kept), form_url, extra_context)
            return redirect("admin:personas_persona_change", kept)

    def _part_of(self, request: HttpRequest, object_id: str) -> int | None:
        if not (absorbed_id := whole_number(object_id)):
            return None
        merges = Merge.objects.filter(absorbed_id=absorbed_id, undone_at=None, kept__in=self.get_queryset(request))
        return merges.order_by("-pk").values_list("kept_id", flat=True).first()

    def merge_with_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Whom to merge this persona with: likely duplicates, and anybody one searches for."""
        persona: Persona = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, persona):
            raise PermissionDenied
        text = request.GET.get("q", "").replace("\0", "").strip()[:200]
        found: list[Persona] = []
        if text:
            ids = TextQuery.of(text, persona.workspace).newest(_FOUND_AT_MOST + 2)
            others = self.get_queryset(request).filter(pk__in=ids).exclude(pk=persona.pk)
            found = list(others.order_by("-pk").prefetch_related("contacts")[: _FOUND_AT_MOST + 1])
        context = self._context(request, persona) | {
            "title": gettext("Merge %(name)s with …") % {"name": persona.name},
            "query_text": text,
            "found": found[:_FOUND_AT_MOST],
            "has_more": len(found) > _FOUND_AT_MOST,
            "pairs": _pairs_of(persona),
        }
        return TemplateResponse(request, "personas/merge_with.html", context)

    def merge_view(self, request: HttpRequest, object_id: str, other_id: str) -> HttpResponse:
        try:
            kept: Persona = self.get_object(request, unquote(object_id))
            absorbed: Persona = self.get_object(request, unquote(other_id))
        except Http404:  # the Back button after a merge, or a colleague who was faster
            return self._page_of_who_is_left(request, object_id, other_id)
        if absorbed.workspace_id != kept.workspace_id:
            raise Http404
        if not self.has_change_permission(request, kept):
            raise PermissionDenied
        if absorbed.pk == kept.pk:
            return redirect("admin:personas_persona_merge_with", kept.pk)
        if request.method == "POST":
            return self._merge(request, kept, absorbed)
        sides = _sides(request.GET)
        return self._choose(request, kept, absorbed, sides, is_preview="preview" in request.GET)

    def _page_of_who_is_left(self, request: HttpRequest, *object_ids: str) -> HttpResponse:
        """Raises Http404 where nobody of the two was merged into somebody who is here."""
        for object_id in object_ids:
            if (kept := self._part_of(request, unquote(object_id))) is not None:
                messages.info(request, gettext("Persona %(id)s was merged into this one.") % {"id": object_id})
                return redirect("admin:personas_persona_change", kept)
        raise Http404

    def _merge(self, request: HttpRequest, kept: Persona, absorbed: Persona) -> HttpResponse:
        sides = _sides(request.POST)
        try:
            merge = merge_personas(
                workspace=kept.workspace, kept_id=kept.pk, absorbed_id=absorbed.pk, sides=sides,
                versions=_versions(request.POST), cause=cause_of(request),
            )  # fmt: skip
        except VersionConflict:
            problem = gettext("One of the two was changed meanwhile. Here is what they are now: please choose again.")
            return self._choose(request, kept, absorbed, sides, problem=problem, status=409)
        except RavenError as refusal:
            return self._choose(request, kept, absorbed, sides, problem=str(refusal), status=400)
        told = gettext("%(absorbed)s is part of %(kept)s now.") % {"absorbed": absorbed.name, "kept": merge.kept.name}
        undo = reverse("admin:personas_merge_change", args=[merge.pk])
        messages.success(request, format_html('{} <a href="{}">{}</a>', told, undo, gettext("Undo this merge")))
        if request.POST.get("back") == _FROM_QUEUE:
            return redirect(queue_address(request))
        return redirect("admin:personas_persona_change", kept.pk)

    def _choose(
        self, request: HttpRequest, kept: Persona, absorbed: Persona, sides: Mapping[str, str], *,
        is_preview: bool = False, problem: str = "", status: int = 200,
    ) -> HttpResponse:  # fmt: skip
        shown = _in_words(compare(kept=kept, absorbed=absorbed, sides=sides))
        back = {"back": _FROM_QUEUE} if _FROM_QUEUE in (request.GET.get("back"), request.POST.get("back")) else {}
        chosen = {each.choice.name: str(each.choice.side) for each in shown if each.choice.is_open}
        address = reverse("admin:personas_persona_merge", args=[kept.pk, absorbed.pk])
        swapped = reverse("admin:personas_persona_merge", args=[absorbed.pk, kept.pk])
        context = self._context(request, kept) | {
            "title": gettext("Merge two people"),
            "absorbed": absorbed,
            "problem": problem,
            "back": back.get("back", ""),
            "cancel_url": queue_address(request) if back else reverse("admin:personas_persona_change", args=[kept.pk]),
            "choices": shown,
            "chosen": chosen,
            "different": [each for each in shown if each.choice.is_open],
            "same": [each for each in shown if not each.choice.is_open],
            "contacts": [(each, list(each.contacts.all())) for each in (kept, absorbed)],
            "moving": _moving(absorbed.pk),
            "folded": folded_names(source=absorbed.pk, target=kept.pk),
            "address": address,
            "swap_url": f"{swapped}?{urlencode(_swapped(chosen) | back)}",
            "choose_url": f"{address}?{urlencode(chosen | back)}",
        }
        template = "personas/merge_preview.html" if is_preview else "personas/merge.html"
        return TemplateResponse(request, template, context, status=status)

    def _context(self, request: HttpRequest, persona: Persona) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "persona": persona}


class MergeRecordPages(WorkspaceModelAdmin):
    """The merges of a workspace, and undoing one."""

    write_action = Action.PERSONA_WRITE
    list_display = ("absorbed", "into", "merged", "by", "state")
    list_display_links = ("absorbed",)
    list_select_related = ("kept", "workspace")
    sortable_by = ()
    ordering = ("-id",)
    change_list_template = "personas/merges.html"
    empty_title = _("Nobody was merged yet")
    empty_text = _("When two entries of one person are merged, the merge is listed here, and can be undone.")

    def get_urls(self) -> list[URLPattern]:
        undo = self.admin_site.admin_view(self.undo_view)
        return [path("<path:object_id>/undo/", undo, name="personas_merge_undo"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without what the two were before, which the list has no need of."""
        return super().get_queryset(request).defer("before")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A merge is no form; undoing it asks `may_undo`."""
        return False

    def may_undo(self, request: HttpRequest, merge: Merge) -> bool:
        return self._may(request, self.write_action, merge)

    @admin.display(description=_("person"))
    def absorbed(self, merge: Merge) -> str:
        return merge.absorbed_name

    @admin.display(description=_("became part of"))
    def into(self, merge: Merge) -> str:
        return merge.kept.name

    @admin.display(description=_("when"))
    def merged(self, merge: Merge) -> datetime:
        return merge.merged_at

    @admin.display(description=_("by"))
    def by(self, merge: Merge) -> str:
        return merge.actor_label

    @staticmethod
    @admin.display(description=_("state"))
    def state(merge: Merge) -> str:
        return undone_pill(merge)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": gettext("Merges"), "tab": "merges", **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        merge: Merge = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, merge):
            raise PermissionDenied
        if request.method == "POST":
            raise PermissionDenied
        return self._page(request, merge)

    def undo_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        merge: Merge = self.get_object(request, unquote(object_id))
        if not self.may_undo(request, merge):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            absorbed = undo_merge(merge=merge, are_two="are_two" in request.POST, cause=cause_of(request))
        except RavenError as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:personas_merge_change", merge.pk)
        link = reverse("admin:personas_persona_change", args=[absorbed.pk])
        told = gettext("The merge is undone. They are two again: this is one, the other is")
        messages.success(request, format_html('{} <a href="{}">{}</a>.', told, link, absorbed.name))
        return redirect("admin:personas_persona_change", merge.kept_id)

    def _page(self, request: HttpRequest, merge: Merge) -> HttpResponse:
        plan: Plan | None = None
        later: MergeNotLatest | None = None
        if merge.undone_at is None:
            try:
                check_undoable(merge)
                plan = plan_undo(merge)
            except MergeNotLatest as refusal:
                later = refusal
        words = Words(list(AttributeDefinition.objects.filter(workspace=merge.workspace_id)))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Merge of %(absorbed)s into %(kept)s") % {
                "absorbed": merge.absorbed_name, "kept": merge.kept.name,
            },
            "merge": merge,
            "absorbed_is_there": merge.undone_at and Persona.objects.filter(pk=merge.absorbed_id).exists(),
            "plan": plan,
            "returns": _restored(plan.returns if plan else (), words),
            "stays": _restored(plan.stays if plan else (), words),
            "later": later,
            "may_undo": self.may_undo(request, merge),
        }  # fmt: skip
        return TemplateResponse(request, "personas/merge_record.html", context)


def undone_pill(merge: Merge) -> str:
    if merge.undone_at is None:
        return format_html('<span class="pill pill--good">{}</span>', gettext("Merged"))
    return format_html('<span class="pill pill--off">{}</span>', gettext("Undone"))


def _restored(fields: Any, words: Words) -> list[tuple[str, str, str]]:
    """(label, now, then) of each field."""
    return [_restored_one(field, words) for field in fields]


def _restored_one(field: Restore, words: Words) -> tuple[str, str, str]:
    return capfirst(str(field.label)), words.shown(field.name, field.now), words.shown(field.name, field.then)


def _in_words(choices: list[Choice]) -> list[ShownChoice]:
    words = Words([choice.definition for choice in choices if choice.definition])
    return [
        ShownChoice(
            choice,
            capfirst(str(choice.label)),
            *(words.shown(choice.name, value) for value in (choice.kept, choice.absorbed, choice.result)),
        )
        for choice in choices
    ]


def _pairs_of(persona: Persona) -> list[tuple[Persona, DuplicatePair]]:
    """Those who may be the same person, each with the reason."""
    pairs = DuplicatePair.objects.filter(Q(first=persona) | Q(second=persona), dismissed_at=None)
    pairs = pairs.select_related("first", "second").prefetch_related("first__contacts", "second__contacts")
    return [(p.second if p.first_id == persona.pk else p.first, p) for p in pairs.order_by("-pk")[:_FOUND_AT_MOST]]


def _moving(persona_id: int) -> list[tuple[Text, str]]:
    """What follows the persona, and how much."""
    counts = count_following(persona_id)
    return [
        (label, f"{grouped(COUNTED_AT_MOST)}+" if counts[model] > COUNTED_AT_MOST else grouped(counts[model]))
        for model, label in _MOVING.items()
        if model in counts
    ]


def _sides(data: Mapping[str, str]) -> dict[str, str]:
    """The choices in a form or an address: those of other pages' parameters are none."""
    return {name: side for name, side in data.items() if side in Side.values}


def _swapped(chosen: Mapping[str, str]) -> dict[str, str]:
    """The same result with the two the other way round."""
    other = {Side.KEPT: Side.ABSORBED, Side.ABSORBED: Side.KEPT}
    return {name: str(other.get(Side(side), side)) for name, side in chosen.items()}


def _versions(data: Mapping[str, str]) -> tuple[int, int]:
    """Of the two as they were shown; what is no version fits none."""
    kept, absorbed = (whole_number(data.get(name, "")) or 0 for name in ("kept_version", "absorbed_version"))
    return kept, absorbed
