"""Doing one thing to many people: choosing whom and what, confirming it, and erasing the copies of the deleted."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace, may
from accounts.console import WorkspaceModelAdmin, whole_number
from accounts.language import grouped
from accounts.models import User, Workspace
from accounts.roles import Action
from personas.bulk.choosing import MAX_TICKED, Chosen, NobodyChosen
from personas.bulk.deleting import COPIES_KEPT, MESSAGES_AT_MOST, begin_deleting, erase_copies, start_deleting
from personas.bulk.merging import begin_merging, begin_merging_among
from personas.bulk.setting import begin_setting
from personas.console.importing import ImportPages
from personas.filters import PersonaFilter
from personas.models import AttributeDefinition, AttributeType, DuplicatePair, Operation, OperationRow
from personas.operations import WORK, count_of
from raven_admin.errors import RavenError

EXAMPLES_SHOWN = 5
EXAMPLES_AMONG = 100
"""Rows that different ones are looked for in."""
COUNTED_AT_MOST = 10_000
SET, CLEAR, MERGE, DELETE = "set", "clear", "merge", "delete"


class BulkForm(forms.Form):
    """What is done to the chosen people."""

    what = forms.ChoiceField(label=_("What to do"), widget=forms.RadioSelect)
    attribute = forms.ChoiceField(label=_("Attribute"), required=False)
    value = forms.CharField(label=_("New value"), required=False, max_length=1000)

    def __init__(self, *args: Any, definitions: list[AttributeDefinition], may_delete: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.definitions = {definition.key: definition for definition in definitions}
        choices: list[tuple[str, Any]] = []
        if definitions:
            choices += [(SET, _("Set an attribute to one value")), (CLEAR, _("Clear an attribute"))]
        choices.append((MERGE, _("Merge those of them that are likely duplicates of each other")))
        if may_delete:
            choices.append((DELETE, _("Delete these people")))
        cast(forms.ChoiceField, self.fields["what"]).choices = choices
        if "what" not in self.initial:
            self.initial["what"] = choices[0][0]
        cast(forms.ChoiceField, self.fields["attribute"]).choices = [(d.key, d.label) for d in definitions]
        self.fields["value"].help_text = _("A date as 2026-11-21; yes or no; a number as 12.5.")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("what") in (SET, CLEAR) and not given.get("attribute") and "attribute" not in self.errors:
            self.add_error("attribute", _("Choose an attribute."))
        if given.get("what") == SET and not given.get("value", "").strip():
            self.add_error("value", _("Write the new value, or choose to clear the attribute."))
        return given

    def chosen_definition(self) -> AttributeDefinition:
        return self.definitions[self.cleaned_data["attribute"]]


class PersonaBulk(WorkspaceModelAdmin):
    """From the list of people, or from the queue of duplicates, to the preview of an operation."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("bulk/", view(self.bulk_view), name="personas_persona_bulk"),
            path("bulk/merge/", view(self.bulk_merge_view), name="personas_persona_bulk_merge"),
            *super().get_urls(),
        ]

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        """Whom it is done to stands in the address, as the list has it: its filter, or the ids that were ticked."""
        workspace = _allowed(request)
        try:
            chosen = _chosen(request.GET, workspace)
        except RavenError as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:personas_persona_changelist")
        definitions = list(AttributeDefinition.objects.filter(workspace=workspace))
        may_delete = may(request.user, Action.WORKSPACE_WRITE, workspace)
        conditions = chosen.filter.conditions
        start = {"attribute": conditions[0].attribute.key} if conditions else {}
        form = BulkForm(request.POST or None, definitions=definitions, may_delete=may_delete, initial=start)
        if request.method == "POST" and form.is_valid():
            try:
                operation = _begin(form, workspace, chosen, cast(User, request.user))
            except RavenError as refusal:
                form.add_error("value", str(refusal))
            else:
                return redirect("admin:personas_operation_change", operation.pk)
        count = chosen.people(workspace).order_by().values("pk")[:COUNTED_AT_MOST].count()
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Change many people"),
            "opts": self.opts,
            "form": form,
            "whom": chosen.in_words(),
            "people": ngettext("%(count)s person", "%(count)s people", count)
            % {"count": f"{grouped(count)}{'+' if count >= COUNTED_AT_MOST else ''}"},
            "back": f"?{chosen.filter.to_query()}",
            "two": sorted(chosen.ids) if len(chosen.ids) == count == 2 else None,
            "may_define": may_delete,
            "has_definitions": bool(definitions),
        }
        return TemplateResponse(request, "personas/bulk.html", context)

    def bulk_merge_view(self, request: HttpRequest) -> HttpResponse:
        workspace = _allowed(request)
        reason = request.POST.get("reason", "")
        if request.method == "POST" and reason in DuplicatePair.Reason.values:
            operation = begin_merging(
                workspace=workspace,
                reason=DuplicatePair.Reason(reason),
                by=cast(User, request.user),
                at=timezone.now(),
            )
            return redirect("admin:personas_operation_change", operation.pk)
        pairs = DuplicatePair.objects.filter(workspace=workspace, dismissed_at=None).order_by()
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Merge many duplicates"),
            "opts": self.opts,
            "reasons": [
                (value, label, pairs.filter(reason=value).values("pk")[:COUNTED_AT_MOST].count())
                for value, label in DuplicatePair.Reason.choices
            ],
            "counted_at_most": COUNTED_AT_MOST,
            "refusal": gettext("Choose a reason.") if request.method == "POST" else "",
        }
        return TemplateResponse(request, "personas/bulk_merge.html", context)


class BulkPages(ImportPages):
    """Operations of every kind: what is particular to bulk changes on their pages."""

    def get_urls(self) -> list[URLPattern]:
        return [self.page("<path:object_id>/erase/", self.erase_view, "erase"), *super().get_urls()]

    def operation_context(self, request: HttpRequest, operation: Operation) -> dict[str, Any]:
        context = super().operation_context(request, operation)
        more = _MORE_ABOUT.get(Operation.Kind(operation.kind))
        return context | (more(operation, context) if more else {})

    def start_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Deleting asks for the number of people."""
        operation = self.operation(request, object_id, to_write=True)
        if request.method != "POST" or operation.kind != Operation.Kind.DELETE:
            return super().start_view(request, object_id)
        return self._decided(
            request,
            object_id,
            lambda _pk, by: start_deleting(
                operation=operation,
                confirmed_count=request.POST.get("count", ""),
                count=_planned(operation),
                by=by,
                at=timezone.now(),
            ),
        )

    def erase_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        operation = self.operation(request, object_id, to_write=True)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            erase_copies(operation=operation, at=timezone.now())
        except RavenError as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, gettext("The copies are erased. Nothing is left of these people."))
        return redirect("admin:personas_operation_change", operation.pk)


def _allowed(request: HttpRequest) -> Workspace:
    workspace = current_workspace(request)
    if workspace is None or not may(request.user, Action.PERSONA_WRITE, workspace):
        raise PermissionDenied
    return workspace


def _chosen(query: QueryDict, workspace: Workspace) -> Chosen:
    """Raises FilterInvalid, and NobodyChosen for ticked rows of which none can be read: never somebody else instead."""
    ids = tuple(filter(None, map(whole_number, query.getlist("id")[:MAX_TICKED])))
    if not ids and ("id" in query or "chosen" in query):
        raise NobodyChosen
    return Chosen(PersonaFilter.from_query(query, workspace), ids)


def _begin(form: BulkForm, workspace: Workspace, chosen: Chosen, by: User) -> Operation:
    at, what = timezone.now(), form.cleaned_data["what"]
    if what == DELETE:
        return begin_deleting(workspace=workspace, chosen=chosen, by=by, at=at)
    if what == MERGE:
        return begin_merging_among(workspace=workspace, chosen=chosen, by=by, at=at)
    return begin_setting(
        workspace=workspace,
        chosen=chosen,
        definition=form.chosen_definition(),
        value=form.cleaned_data["value"] if what == SET else "",
        by=by,
        at=at,
    )


def _planned(operation: Operation) -> int:
    return count_of(operation, actions=WORK, states=[OperationRow.State.PLANNED])


def _about_deletion(operation: Operation, context: dict[str, Any]) -> dict[str, Any]:
    began = operation.carried_out_at
    has_copies = began is not None and operation.erased_at is None and not context["is_at_work"]
    return {
        "copies_until": began + COPIES_KEPT if began else None,
        "has_copies": has_copies and count_of(operation, states=[OperationRow.State.DONE]) > 0,
        "copy_days": COPIES_KEPT.days,
        "messages_at_most": grouped(MESSAGES_AT_MOST),
    }


def _about_conversion(operation: Operation, context: dict[str, Any]) -> dict[str, Any]:
    """How many values there are and what becomes of them, with examples; rows of the type itself are no values."""
    cleared = count_of(operation, actions=[OperationRow.Action.DELETE])
    rows = operation.rows.filter(action=OperationRow.Action.CHANGE, persona__isnull=False).order_by("number")
    fits = operation.plan["fits"] + count_of(operation, actions=[OperationRow.Action.SAME])
    types = {operation.plan["old_type"], operation.plan["new_type"]} - {AttributeType.TEXT}
    changed = count_of(operation, actions=[OperationRow.Action.CHANGE]) - len(types)
    examples = dict.fromkeys((row.differences[0][1], row.differences[0][2]) for row in rows[:EXAMPLES_AMONG])
    return {
        "fits": grouped(fits),
        "changed": grouped(max(0, changed)),
        "cleared": cleared,
        "cleared_shown": grouped(cleared),
        "all_values": grouped(fits + max(0, changed) + cleared),
        "examples": list(examples)[:EXAMPLES_SHOWN],
        "new_type": AttributeType(operation.plan["new_type"]).label,
    }


_MORE_ABOUT: dict[Operation.Kind, Callable[[Operation, dict[str, Any]], dict[str, Any]]] = {
    Operation.Kind.DELETE: _about_deletion,
    Operation.Kind.CONVERT: _about_conversion,
}
