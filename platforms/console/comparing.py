"""A person beside their record on a platform, field by field; and the list of those who differ."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from accounts.console import BoundedPaginator, whole_number
from accounts.roles import Action
from personas.console.person import cause_of
from personas.console.words import Words
from personas.history import Cause
from personas.models import AttributeDefinition, ContactType, Origin, Persona, PersonaChange
from personas.services import VersionConflict
from platforms.arrivals import can_read
from platforms.checking import CHECK_EVERY
from platforms.console.arrivals import ArrivalPages
from platforms.drift import Comparison, Difference, Held, RecordChanged, compare, push_ours, take_theirs
from platforms.models import Connection, Link
from platforms.registry import platform_of
from raven_admin.errors import RavenError

_PER_PAGE = 50
_COUNTED_AT_MOST = 1000
PUSH, TAKE = "push", "take"


@dataclass(frozen=True, slots=True)
class ShownDifference:
    difference: Difference
    label: str
    ours: str
    theirs: str


class ComparePages(ArrivalPages):
    """Comparing asks the platform, so it is a POST, as is whatever follows from it."""

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"platforms_{name}")

        return [
            page("person/<int:persona_id>/with/<int:connection_id>/compare/", self.compare_view, "person_compare"),
            page("person/<int:persona_id>/with/<int:connection_id>/settle/", self.settle_view, "person_settle"),
            page("<path:object_id>/drift/", self.drift_view, "connection_drift"),
            *super().get_urls(),
        ]

    def compare_view(self, request: HttpRequest, persona_id: int, connection_id: int) -> HttpResponse:
        found = self._read_back(request, persona_id, connection_id)
        return found if isinstance(found, HttpResponse) else self._comparison(request, found)

    def settle_view(self, request: HttpRequest, persona_id: int, connection_id: int) -> HttpResponse:
        found = self._read_back(request, persona_id, connection_id)
        if isinstance(found, HttpResponse):
            return found
        version = whole_number(request.POST.get("version", "")) or 0
        try:
            if request.POST.get("seen") != found.digest or found.trouble is not None:
                raise RecordChanged(name=found.connection.name)
            if version != found.persona.version:
                raise VersionConflict(current=found.persona.version, given=version)
            pushed, taken = _settle(found, request, cause=cause_of(request))
        except RavenError as refusal:
            return self._comparison(request, found, refusal=str(refusal), status=409)
        _tell(request, found.connection, pushed=pushed, taken=taken)
        return redirect(f"{_page_of(persona_id)}#arrivals")

    def drift_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        connection = self.get_object(request, object_id)
        if not self.has_view_permission(request, connection):
            raise PermissionDenied
        drifted = Link.objects.filter(connection=connection, drifted_at__isnull=False).order_by("-drifted_at", "-pk")
        page = BoundedPaginator(drifted, _PER_PAGE).page(request.GET.get("p", ""))
        links = list(page.object_list)
        names = dict(Persona.objects.filter(pk__in=[link.persona_id for link in links]).values_list("pk", "name"))
        words = Words(list(AttributeDefinition.objects.filter(workspace=connection.workspace_id)))
        rows = [
            (link, names[link.persona_id], [words.label(PersonaChange(field=field)) for field in link.drifted_fields])
            for link in links
            if link.persona_id in names
        ]
        return self._shown(
            request, "platforms/drift.html", title=gettext("What differs"), connection=connection, rows=rows, page=page,
            may_compare=self.may_compare(request, connection),
        )  # fmt: skip

    def may_compare(self, request: HttpRequest, connection: Connection) -> bool:
        return self._may(request, Action.PERSONA_WRITE, connection)

    # ------------------------------------------------------------------------------------------------ in common
    def _read_back(self, request: HttpRequest, persona_id: int, connection_id: int) -> Comparison | HttpResponse:
        """The record beside the person, or the answer of a call that can't have it."""
        connection = self._compared(request, persona_id, connection_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            return compare(connection=connection, persona_id=persona_id, at=timezone.now())
        except RavenError as refusal:
            messages.error(request, str(refusal))
            return redirect(_page_of(persona_id))

    def _compared(self, request: HttpRequest, persona_id: int, connection_id: int) -> Connection:
        persona = self.seen(request, Persona, persona_id, to=Action.PERSONA_WRITE)
        found = Connection.objects.select_related("destination", "workspace")
        connection = found.filter(workspace=persona.workspace_id, pk=connection_id).first()
        if connection is None:
            raise Http404("no such connection")
        return connection

    def _comparison(
        self, request: HttpRequest, found: Comparison, *, refusal: str = "", status: int = 200
    ) -> HttpResponse:
        words = Words(list(AttributeDefinition.objects.filter(workspace=found.connection.workspace_id)))
        differences = [_in_words(difference, words) for difference in found.differences]
        title = gettext("%(name)s on %(connection)s") % {"name": found.persona.name, "connection": found.connection}
        response = self._shown(
            request, "platforms/compare.html", title=title, found=found, differences=differences,
            persona=found.persona, connection=found.connection, platform=platform_of(found.connection.platform),
            can_push=any(not d.cannot_push for d in found.differences),
            can_take=any(not d.cannot_take for d in found.differences),
            refusal=refusal, link=found.link,
        )  # fmt: skip
        response.status_code = status
        return response

    def _shown(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        return TemplateResponse(request, template, {**self.admin_site.each_context(request), **context})


def drift_figures(connection: Connection) -> dict[str, Any]:
    """How far the records there are known to be the same, for the page of a connection."""
    links = Link.objects.filter(connection=connection).order_by()
    since = timezone.now() - CHECK_EVERY * 2
    return {
        "can_read": can_read(platform_of(connection.platform)),
        "drifted": links.filter(drifted_at__isnull=False)[:_COUNTED_AT_MOST].count(),
        "checked": links.filter(checked_at__gte=since, verified_at__isnull=False)[:_COUNTED_AT_MOST].count(),
    }


def _settle(found: Comparison, request: HttpRequest, *, cause: Cause) -> tuple[int, int]:
    """How many fields were pushed, and how many taken."""
    everything = request.POST.get("all", "")
    chosen = {
        d.field: everything or request.POST.get(f"choice-{number}", "") for number, d in enumerate(found.differences)
    }
    to_take = [d.field for d in found.differences if chosen[d.field] == TAKE and not (everything and d.cannot_take)]
    to_push = [d.field for d in found.differences if chosen[d.field] == PUSH and not (everything and d.cannot_push)]
    connection = found.connection
    from_there = replace(
        cause, origin=Origin.PLATFORM, came_from=connection.destination_id,
        actor_label=f"{cause.actor_label} ({connection.name})",
    )  # fmt: skip
    with transaction.atomic():
        if to_take:
            take_theirs(comparison=found, fields=to_take, version=found.persona.version, cause=from_there)
        if to_push or not to_take:
            push_ours(comparison=found, fields=to_push, cause=cause)
    return len(to_push) or int(found.is_gone), len(to_take)


def _tell(request: HttpRequest, connection: Connection, *, pushed: int, taken: int) -> None:
    named = {"name": connection.name}
    if taken:
        text = ngettext("%(count)d field was taken from %(name)s.", "%(count)d fields were taken from %(name)s.", taken)
        messages.success(request, text % {**named, "count": taken})
    if pushed:
        messages.success(request, gettext("It is on its way to %(name)s.") % named)


def _in_words(difference: Difference, words: Words) -> ShownDifference:
    def shown(held: Held) -> str:
        if isinstance(held, str):
            return words.shown(difference.field, held)
        return ", ".join(f"{address.key} ({address.label})" if address.label else address.key for address in held)

    kind, _colon, type = difference.field.partition(":")
    label = str(ContactType(type).label) if kind == "contact" else words.label(PersonaChange(field=difference.field))
    return ShownDifference(difference, label, shown(difference.ours), shown(difference.theirs))


def _page_of(persona_id: int) -> str:
    return reverse("admin:personas_persona_change", args=[persona_id])
