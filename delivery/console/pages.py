"""The monitor's pages: each view parses, authorises, calls one service and renders."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import display
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect
from django.template.defaultfilters import truncatechars
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace, may
from accounts.console import WorkspaceModelAdmin
from accounts.language import retold
from accounts.models import Workspace
from accounts.roles import Action
from delivery import interventions
from delivery.console import bulk, detail, monitor, words
from delivery.console.listing import FILTERS, DeliveryChangeList, search
from delivery.models import Delivery, Intervention
from delivery.states import State
from raven_admin.errors import RavenError

Deed = Callable[..., Delivery]


class DeliveryPages(WorkspaceModelAdmin):
    """Everything that left or is to leave, newest first, and what people do about it."""

    list_display = ("what", "connection", "state_pill", "why", "attempts_made", "made")
    list_display_links = ("what",)
    list_filter: ClassVar[tuple[Any, ...]] = FILTERS
    search_fields = ("pk",)
    search_help_text = _("Person, #number, request id, or id on the platform")
    sortable_by = ()
    ordering = ("-id",)
    change_list_template = "delivery/list.html"
    empty_title = _("Nothing has left yet")
    empty_text = _(
        "Once a platform is connected, under Connections, every change of a person and every message for it is listed "
        "here."
    )

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"delivery_delivery_{name}")

        return [
            page("", self.changelist_view, "changelist"),
            page("many/<slug:action>/", self.many_view, "many"),
            page("<path:object_id>/status/", self.status_view, "status"),
            page("<path:object_id>/retry/", self.retry_view, "retry"),
            page("<path:object_id>/cancel/", self.cancel_view, "cancel"),
            page("<path:object_id>/check/", self.check_view, "check"),
            page("<path:object_id>/confirm/", self.confirm_view, "confirm"),
            page("<path:object_id>/", self.change_view, "change"),
        ]

    # ------------------------------------------------------------------------------------------------ the list
    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return DeliveryChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.replace("\0", "").strip()
        return (search(request, queryset, text) if text else queryset), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        workspace = current_workspace(request)
        context = monitor.context_of(workspace, now=timezone.now()) | {
            "may_act": may(request.user, Action.PERSONA_WRITE, workspace)
        }
        return super().changelist_view(request, context | (extra_context or {}))

    @display(description=_("delivery"))
    def what(self, delivery: Any) -> str:
        name = delivery.person.label if delivery.person else ""
        if delivery.persona_id and not name:
            name = gettext("a deleted person")
        about = " · ".join(filter(None, [truncatechars(name, 60), truncatechars(delivery.fields_in_short, 60)]))
        label = f"{words.kind_label(delivery.kind)} #{delivery.pk}"
        return format_html('{}<br><span class="muted">{}</span>', label, about) if about else label

    @display(description=_("connection"))
    def connection(self, delivery: Delivery) -> str:
        return truncatechars(delivery.destination.shown_name, 40)

    @display(description=_("state"))
    def state_pill(self, delivery: Delivery) -> str:
        return words.state_pill(delivery.state)

    @display(description=_("reason"), empty_value="")
    def why(self, delivery: Delivery) -> str:
        return truncatechars(retold(delivery.problem) or delivery.code, 80)

    @display(description=_("attempts"))
    def attempts_made(self, delivery: Delivery) -> int:
        return delivery.attempt_count

    attempts_made.is_number = True  # type: ignore[attr-defined]

    @display(description=_("since"))
    def made(self, delivery: Delivery) -> datetime:
        return delivery.since

    # ---------------------------------------------------------------------------------------------- one of them
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        delivery = self._delivery(request, object_id)
        context = detail.context_of(delivery, page=request.GET.get("page", ""), now=timezone.now())
        return self._page(
            request, "delivery/delivery.html",
            may_act=may(request.user, Action.PERSONA_WRITE, delivery.workspace), **context,
        )  # fmt: skip

    def status_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        delivery = self._delivery(request, object_id)
        state = f"{delivery.state}:{delivery.attempt_count}"
        return JsonResponse({"state": state, "processed": 0, "total": None, "text": ""})

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        delivery = self._delivery(request, object_id, to_act=True)
        is_waiting = delivery.state == State.WAITING
        return self._do(request, delivery, interventions.send_now if is_waiting else interventions.retry)

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._do(request, self._delivery(request, object_id, to_act=True), interventions.cancel)

    def check_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._do(request, self._delivery(request, object_id, to_act=True), interventions.check)

    def confirm_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._do(request, self._delivery(request, object_id, to_act=True), interventions.confirm)

    def _do(self, request: HttpRequest, delivery: Delivery, service: Deed) -> HttpResponse:
        """The delivery's page, which says what became of it; a refusal is said there too."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            done = service(delivery=delivery, by=name_of(request), at=timezone.now())
        except RavenError as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _outcome(done, is_checked=service is interventions.check))
        return redirect("admin:delivery_delivery_change", delivery.pk)

    # ---------------------------------------------------------------------------------------------- many at once
    def many_view(self, request: HttpRequest, action: str) -> HttpResponse:
        """A form in the address, and how many it means; posted, it begins."""
        if action not in bulk.MANY:
            raise Http404("nothing of this name is done to many")
        workspace = self._workspace_to_act_in(request)
        asked = request.POST if request.method == "POST" else request.GET
        form = bulk.ManyForm(
            asked if "connection" in asked else None,
            action=Intervention.Action(action), workspace=workspace,
            initial={"since": timezone.localtime() - bulk.SUGGESTED},
        )  # fmt: skip
        preview = None
        if "connection" in asked and form.is_valid():
            if request.method == "POST":
                try:
                    begun = bulk.begin(form, by=name_of(request), at=timezone.now())
                except RavenError as refusal:
                    messages.error(request, str(refusal))
                else:
                    return redirect("admin:delivery_intervention_change", begun.pk)
            preview = bulk.preview(form)
        return self._page(
            request, "delivery/many.html", title=words.DEEDS[action], action=action, form=form, preview=preview,
            limit=interventions.SENT_AGAIN_AT_MOST,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------ in common
    def _delivery(self, request: HttpRequest, object_id: str, *, to_act: bool = False) -> Delivery:
        """Raises Http404 for one that the viewer may not see, PermissionDenied for one that they may do nothing to."""
        delivery: Delivery = self.get_object(request, object_id)
        if not self.has_view_permission(request, delivery):
            raise PermissionDenied
        if to_act and not may(request.user, Action.PERSONA_WRITE, delivery.workspace):
            raise PermissionDenied
        return delivery

    def _workspace_to_act_in(self, request: HttpRequest) -> Workspace:
        workspace = current_workspace(request)
        if workspace is None or not may(request.user, Action.PERSONA_WRITE, workspace):
            raise PermissionDenied
        return workspace

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(request, template, {**self.admin_site.each_context(request), **context})


class InterventionPages(WorkspaceModelAdmin):
    """What people did about deliveries, and how far that is."""

    list_display = ("what", "connection", "result", "by", "begun")
    list_display_links = ("what",)
    list_select_related = ("destination",)
    sortable_by = ()
    ordering = ("-id",)
    change_list_template = "delivery/interventions.html"
    empty_title = _("Nobody had to do anything yet")
    empty_text = _("Whatever is retried, cancelled or sent again is listed here: by whom, when, and how far it is.")

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"delivery_intervention_{name}")

        return [
            page("", self.changelist_view, "changelist"),
            page("<path:object_id>/status/", self.status_view, "status"),
            page("<path:object_id>/stop/", self.stop_view, "stop"),
            page("<path:object_id>/", self.change_view, "change"),
        ]

    @display(description=_("what was done"))
    def what(self, intervention: Intervention) -> str:
        about = f" #{intervention.delivery_id}" if intervention.delivery_id else ""
        return f"{words.what_it_is(intervention)}{about}"

    @display(description=_("connection"))
    def connection(self, intervention: Intervention) -> str:
        return truncatechars(intervention.destination.shown_name, 40)

    @display(description=_("result"))
    def result(self, intervention: Intervention) -> str:
        style, label = _progress_of(intervention)
        pill = format_html('<span class="pill pill--{}">{}</span>', style, label)
        if intervention.delivery_id:
            return pill
        return format_html('{} <span class="muted">{}</span>', pill, words.progress_in_words(intervention))

    @display(description=_("by"))
    def by(self, intervention: Intervention) -> str:
        return intervention.actor_label

    @display(description=_("time"))
    def begun(self, intervention: Intervention) -> datetime:
        return intervention.created_at

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        intervention = self._intervention(request, object_id)
        style, label = _progress_of(intervention)
        context = {
            "title": words.what_it_is(intervention), "intervention": intervention, "pill": style, "pill_label": label,
            "progress": words.progress_in_words(intervention), "is_many": intervention.delivery_id is None,
            "may_act": may(request.user, Action.PERSONA_WRITE, intervention.workspace),
        }  # fmt: skip
        template = "delivery/intervention.html"
        return TemplateResponse(request, template, {**self.admin_site.each_context(request), **context})

    def status_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        intervention = self._intervention(request, object_id)
        return JsonResponse(
            {
                "state": "done" if intervention.finished_at else "running",
                "processed": intervention.processed,
                "total": intervention.total,
                "text": words.progress_in_words(intervention),
            }
        )

    def stop_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        intervention = self._intervention(request, object_id)
        if not may(request.user, Action.PERSONA_WRITE, intervention.workspace):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if interventions.stop(intervention=intervention, at=timezone.now()):
            messages.success(request, gettext("Stopped. What was done already stays as it is."))
        else:
            messages.info(request, gettext("It was finished already."))
        return redirect("admin:delivery_intervention_change", intervention.pk)

    def _intervention(self, request: HttpRequest, object_id: str) -> Intervention:
        intervention: Intervention = self.get_object(request, object_id)
        if not self.has_view_permission(request, intervention):
            raise PermissionDenied
        return intervention


def name_of(request: HttpRequest) -> str:
    """Of the signed-in person, as what they do is noted."""
    return str(request.user.display_name)  # type: ignore[union-attr]


def _progress_of(intervention: Intervention) -> tuple[str, str]:
    """A pill's style and label."""
    if intervention.finished_at is None:
        return "info", gettext("Under way")
    if intervention.total is None or intervention.processed < intervention.total:
        return "off", gettext("Stopped")
    return "good", gettext("Done")


def _outcome(delivery: Delivery, *, is_checked: bool) -> str:
    """What became of it, for whoever just did something about it."""
    if is_checked and delivery.state == State.DELIVERED:
        return gettext("It has arrived: the platform has it.")
    if is_checked and delivery.state == State.WAITING:
        return gettext("It has not arrived, so it is sent again.")
    if delivery.state == State.WAITING:
        if not delivery.destination.is_on:
            return gettext("It is sent as soon as the connection is switched on again.")
        return gettext("It is sent now. This page shows what became of it.")
    if delivery.state == State.SUPERSEDED:
        return gettext("It was not sent: a newer change carries all of it.")
    if delivery.state == State.DELIVERED:
        return gettext("It counts as delivered.")
    return gettext("It was cancelled and will not be sent.")
