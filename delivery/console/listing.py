"""The list of deliveries: its filters, what a search finds, and how it stays fast with millions of rows."""

import re
from datetime import timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace
from accounts.console import WorkspaceChangeList, among_newest, whole_number
from accounts.models import Workspace
from delivery.console.mentions import directory
from delivery.console.words import KINDS, fields_in_short
from delivery.models import DESTINATIONS_IN_ORDER, Delivery, Destination
from delivery.states import State

PEOPLE_AT_MOST = 100
CHOICES_AT_MOST = 100
SAME_REMOTE_ID = 500
_LATEST = 1_000
_CODE = re.compile(r"[\w.:-]{1,60}")
_NUMBER = re.compile(r"#?([0-9]{1,18})")
_PERSON = re.compile(r"person:(\d{1,18})")
_REQUEST_ID = re.compile(r"req_[0-9a-z]{26}")


class _Choice(SimpleListFilter):
    """A filter that answers its own values; any other narrows nothing."""

    def chosen(self) -> str:
        value = str(self.value() or "")
        return value if value in {choice for choice, _label in self.lookup_choices} else ""


class StateFilter(_Choice):
    title = _("State")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(State.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(state=self.chosen()) if self.chosen() else queryset


class ConnectionFilter(_Choice):
    title = _("Connection")
    parameter_name = "connection"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return choices_of(
            Destination.objects.filter(workspace=current_workspace(request)), asked=str(self.value() or "")
        )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(destination=int(self.chosen())) if self.chosen() else queryset


def choices_of(known: QuerySet[Destination], *, asked: str) -> list[tuple[str, str]]:
    """The first of them to choose from, removed ones last, and the one that an address asks for."""
    in_order = known.only("kind", "name").order_by(F("removed_at").asc(nulls_first=True), *DESTINATIONS_IN_ORDER)
    listed = list(in_order[:CHOICES_AT_MOST])
    if (pk := whole_number(asked)) is not None and pk not in {each.pk for each in listed}:
        listed += in_order.filter(pk=pk)
    return [(str(each.pk), each.shown_name) for each in listed]


class KindFilter(_Choice):
    title = _("Kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(KINDS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.chosen()) if self.chosen() else queryset


class ReasonFilter(_Choice):
    title = _("Reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The reasons of the newest that were refused or wait, and any other that an address asks for."""
        of_workspace = Delivery.objects.filter(workspace=current_workspace(request)).order_by("-id")
        codes: set[str] = set()
        for state in (State.REFUSED, State.UNKNOWN, State.WAITING):
            codes.update(of_workspace.filter(state=state).values_list("code", flat=True)[:_LATEST])
        if _CODE.fullmatch(asked := str(self.value() or "")):
            codes.add(asked)
        return [(code, code) for code in sorted(codes - {""})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(code=self.chosen()) if self.chosen() else queryset


class SinceFilter(_Choice):
    title = _("Since")
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("1", _("Last hour")), ("24", _("Last 24 hours")), ("168", _("Last 7 days")), ("720", _("Last 30 days")),
        ]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.chosen():
            return queryset
        return queryset.filter(created_at__gte=timezone.now() - timedelta(hours=int(self.chosen())))


FILTERS = (StateFilter, ConnectionFilter, KindFilter, ReasonFilter, SinceFilter)


class DeliveryChangeList(WorkspaceChangeList):
    """The deliveries of a page know the names of their people."""

    @property
    def looks_at_newest_only(self) -> bool:
        """Whether something is asked that no index answers; then it is looked for among the newest 50,000."""
        if self.query:
            return bool(_REQUEST_ID.fullmatch(self.query.lower()))
        chosen = {spec.parameter_name for spec in self.filter_specs if isinstance(spec, _Choice) and spec.chosen()}
        return bool(chosen - ({"state", "connection"} if "state" in chosen else set()))

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        found = super().get_queryset(request, exclude_parameters).select_related("destination").defer("payload")
        if self.looks_at_newest_only:
            of_workspace = Delivery.objects.filter(workspace=current_workspace(request))
            return among_newest(found, of_workspace.filter(**self._indexed()))
        return found

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        people = directory().people({d.persona_id for d in self.result_list if d.persona_id})
        workspace = current_workspace(request)
        labels = directory().field_labels(workspace) if workspace and self.result_list else {}
        for delivery in self.result_list:
            delivery.person = people.get(delivery.persona_id)
            delivery.fields_in_short = fields_in_short(delivery, labels)

    def _indexed(self) -> dict[str, Any]:
        """Of what is asked, a state, alone or of one connection: the edge lies among those."""
        chosen = {type(spec): spec.chosen() for spec in self.filter_specs if isinstance(spec, _Choice)}
        state, connection = chosen.get(StateFilter, ""), chosen.get(ConnectionFilter, "")
        if not state:
            return {}
        return {"state": state} | ({"destination": int(connection)} if connection else {})


def find_deliveries(text: str, *, workspace: Workspace, limit: int) -> list[Delivery]:
    """At most `limit`: by number (#17 or 17), or by the id that the platform gave what it made of it."""
    ids = [] if text.startswith("#") else _with_remote_id(text, workspace, limit)
    if match := _NUMBER.fullmatch(text):
        ids = [int(match[1]), *ids]
    found = Delivery.objects.filter(workspace=workspace, pk__in=ids).select_related("destination").defer("payload")
    return sorted(found, key=lambda delivery: ids.index(delivery.pk))[:limit]


def _with_remote_id(text: str, workspace: Workspace, limit: int) -> list[int]:
    there = Delivery.objects.filter(workspace=workspace, remote_id=text).exclude(remote_id="")
    return list(there.order_by("-pk").values_list("pk", flat=True)[:limit])


def search(request: HttpRequest, deliveries: QuerySet[Any], text: str) -> QuerySet[Any]:
    """By number (#17), by the API call that caused it, by person (person:17), by the id that the platform gave what it
    made of it, or by a person's name or number."""
    if text.startswith("#") and (match := _NUMBER.fullmatch(text)):
        return deliveries.filter(pk=int(match[1]))
    if match := _PERSON.fullmatch(text):
        return deliveries.filter(persona_id=int(match[1]))
    if match := _REQUEST_ID.fullmatch(text.lower()):
        return deliveries.filter(request_id=match[0])
    workspace = current_workspace(request)
    if workspace is None:
        return deliveries.none()
    if there := _with_remote_id(text, workspace, SAME_REMOTE_ID):
        return deliveries.filter(pk__in=there)
    return deliveries.filter(persona_id__in=directory().find_people(text, workspace, at_most=PEOPLE_AT_MOST))
