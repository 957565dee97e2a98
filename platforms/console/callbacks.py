"""Callbacks in the console: a token's tab, and one callback with its log."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.console import ListButton, WorkspaceModelAdmin, whole_number
from accounts.language import retold
from accounts.roles import Action
from delivery import interventions
from delivery.console import words
from delivery.models import Delivery
from delivery.states import State
from platforms.callbacks.budget import percent_used
from platforms.callbacks.carrying import problem_of
from platforms.callbacks.forms import CallbacksForm, ReplayForm, RotateSecretForm, field_of, seen_of
from platforms.callbacks.services import (
    CallbackChangedMeanwhile,
    enable_and_recover,
    recover_missed,
    retry_failed,
    save_callbacks,
    switch_off,
    try_address,
)
from platforms.callbacks.signing import rotate_secret
from raven_admin.errors import RavenError
from tokens.console.once import new_nonce, use_nonce
from tokens.console.saved import remember_saved, take_saved
from tokens.console.tabs import Show, register_tab
from tokens.models import Callback, CallbackEvent, SigningSecret, Token
from tokens.services import Actor

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """How a callback is doing, as a pill and, when somebody should know, a sentence."""

    level: str
    label: str | Promise
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One event on the tab."""

    field: Any
    event: str
    seen: tuple[str, str]
    """Name and value of the hidden field that says what was saved when the page was made."""
    callback: Callback | None
    standing: Standing


def standing_of(callback: Callback | None) -> Standing:
    if callback is None:
        return Standing("off", _("Not set"))
    if callback.off_because:
        kept = gettext("Events are kept, and go out when it is enabled again.")
        level = "off" if callback.off_because == Callback.Off.PERSON else "bad"
        return Standing(level, callback.get_off_because_display(), kept)
    if callback.failing_since is not None:
        sentence = gettext(
            "It has used %(percent)d %% of the time that it may fail, and is switched off at 100 %%."
            " The last problem: %(problem)s"
        ) % {
            "percent": percent_used(callback, at=timezone.now()),
            "problem": retold(callback.destination.last_problem) or "–",
        }
        return Standing("warn", _("Failing"), sentence)
    if callback.destination.last_delivered_at is None:
        return Standing("info", _("Nothing sent yet"))
    return Standing("good", _("Works"))


# ------------------------------------------------------------------------------------------------ the tab
def callbacks_tab(request: HttpRequest, token: Token, may_write: bool, show: Show) -> HttpResponseBase:
    may_write = may_write and token.revoked_at is None
    found = {callback.event: callback for callback in token.callbacks.select_related("destination")}
    typed = request.POST if request.method == "POST" and "rotate" not in request.POST else None
    form = CallbacksForm(typed, callbacks=found, may_write=may_write)
    context: dict[str, Any] = {} if request.method == "POST" else {"saved": take_saved(request, token)}
    if request.method == "POST":
        if not may_write:
            raise PermissionDenied
        answer = _posted(request, token, form, context)
        if answer is not None:
            return answer
        found = {callback.event: callback for callback in token.callbacks.select_related("destination")}
    rows = [
        Row(
            form[field_of(event)],
            event,
            (seen_of(event), form.seen[event]),
            found.get(event),
            standing_of(found.get(event)),
        )
        for event in CallbackEvent
    ]
    page = show(
        "platforms/callbacks.html", form=form, rows=rows, may_change=may_write,
        troubled=[row for row in rows if row.callback and row.standing.sentence],
        signing=SigningSecret.objects.filter(token=token).first(), now=timezone.now(),
        rotating=RotateSecretForm(initial={"nonce": new_nonce(request)}), **context,
    )  # fmt: skip
    if context.get("secret"):
        page["Cache-Control"] = "no-store"
    return page


def _posted(request: HttpRequest, token: Token, form: CallbacksForm, context: dict[str, Any]) -> HttpResponse | None:
    """Does what the button says; None when the tab is to be shown, with what is put into `context`."""
    by, now = _actor(request), timezone.now()
    here = redirect("admin:tokens_token_callbacks", token.pk)
    if "rotate" in request.POST:
        rotating = RotateSecretForm(request.POST)
        with transaction.atomic():
            if not rotating.is_valid() or not use_nonce(request, rotating.cleaned_data["nonce"]):
                messages.warning(request, gettext("That secret was already shown; make another if you lost it."))
                return here
            context["secret"] = rotate_secret(token=token, overlap=rotating.cleaned_data["overlap"], by=by, at=now)
        return None
    if "test" in request.POST:
        _try(request, token, form, context)
        return None
    if not form.is_valid():
        return None
    try:
        saved = save_callbacks(token=token, urls=form.urls(), seen=form.seen, by=by, at=now)
    except CallbackChangedMeanwhile as refusal:
        form.see(refusal.event, token.callbacks.filter(event=refusal.event).first())
        form.add_error(field_of(refusal.event), str(refusal))
        return None
    except RavenError as refusal:
        form.add_error(None, str(refusal))
        return None
    if not saved.changes:
        messages.info(request, gettext("Nothing was changed, so nothing was saved."))
    elif saved.secret is None:
        remember_saved(request, token)
    if saved.secret is None:
        return here
    messages.success(request, gettext("Saved."))
    form.seen |= form.urls()
    context["secret"] = saved.secret
    return None


def _try(request: HttpRequest, token: Token, form: CallbacksForm, context: dict[str, Any]) -> None:
    event = request.POST["test"]
    if event not in CallbackEvent.values:
        raise Http404("no such event")
    form.is_valid()
    for other in CallbackEvent:
        if other != event:
            form.errors.pop(field_of(other), None)
    url = form.cleaned_data.get(field_of(event), "")
    if not url:
        if field_of(event) not in form.errors:
            form.add_error(field_of(event), gettext("Write the address to test."))
        return
    try:
        tried = try_address(token=token, event=event, url=url, by=_actor(request), at=timezone.now())
    except RavenError as refusal:
        form.add_error(field_of(event), str(refusal))
        return
    context |= {
        "tried": tried.exchange,
        "tried_body": words.pretty(tried.exchange.request_body),
        "tried_event": CallbackEvent(event).label,
        "tried_problem": problem_of(tried.exchange)[1],
        "secret": tried.secret,
    }


# ------------------------------------------------------------------------------------------------ one callback
class TroubleFilter(SimpleListFilter):
    title = _("State")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("trouble", _("Failing, or switched off for it"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> "QuerySet[Callback]":
        found: QuerySet[Callback] = queryset.in_trouble() if self.value() == "trouble" else queryset
        return found


class CallbackPages(WorkspaceModelAdmin):
    write_action = Action.TOKEN_WRITE
    list_filter = (TroubleFilter,)
    list_display = ("event_there", "of_token", "standing", "last_delivered")
    list_display_links = ("event_there",)
    list_select_related = ("token", "destination")
    ordering = ("-id",)
    empty_title = _("No callbacks yet")
    empty_text = _(
        "Open a token, and its tab Callbacks: give an address for each event that your system should hear of."
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="tokens_callback_changelist"),
            path("<path:object_id>/switch/", view(self.switch_view), name="tokens_callback_switch"),
            path("<path:object_id>/again/", view(self.again_view), name="tokens_callback_again"),
            path("<path:object_id>/replay/", view(self.replay_view), name="tokens_callback_replay"),
            path("<path:object_id>/", view(self.change_view), name="tokens_callback_change"),
        ]

    def list_buttons(self, request: HttpRequest, changelist: Any) -> list[ListButton]:
        """None: a callback is added on its token's tab."""
        return []

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": gettext("Callbacks"), **(extra_context or {})})

    @admin.display(description=_("Event"), ordering="event")
    def event_there(self, callback: Callback) -> str:
        return format_html('{}<br><span class="muted">{}</span>', callback.get_event_display(), callback.url[:100])

    @admin.display(description=_("Token"))
    def of_token(self, callback: Callback) -> str:
        return callback.token.name

    @admin.display(description=_("State"))
    def standing(self, callback: Callback) -> str:
        found = standing_of(callback)
        return format_html('<span class="pill pill--{}">{}</span>', found.level, found.label)

    @admin.display(description=_("Last arrived"))
    def last_delivered(self, callback: Callback) -> Any:
        return callback.destination.last_delivered_at

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        callback = self._callback(request, object_id)
        if request.method == "POST":
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": callback.get_event_display(),
            "opts": self.opts,
            "callback": callback,
            "token": callback.token,
            "standing": standing_of(callback),
            "percent": percent_used(callback, at=timezone.now()),
            "may_write": self.has_change_permission(request, callback) and callback.token.revoked_at is None,
            "rows": [(each, words.state_pill(each.state), words.kind_label(each.kind)) for each in _newest(callback)],
            "replaying": ReplayForm(),
        }
        return TemplateResponse(request, "platforms/callback.html", context)

    def switch_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        callback = self._callback(request, object_id, to_write=True)

        def switch(now: datetime) -> str:
            if request.POST.get("on") == "1":
                enable_and_recover(callback=callback, by=_actor(request), at=now)
                return gettext("It is on. What waited leaves now, and what failed is tried again.")
            switch_off(callback=callback, because=Callback.Off.PERSON, at=now)
            return gettext("It is off. What happens from now on is kept, and waits.")

        return self._do(request, callback, switch)

    def again_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        callback = self._callback(request, object_id, to_write=True)

        def send_again(now: datetime) -> str:
            delivery = _delivery_of(callback, request.POST.get("delivery", ""))
            act = {State.DELIVERED: interventions.resend, State.WAITING: interventions.send_now}.get(
                State(delivery.state), interventions.retry
            )
            act(delivery=delivery, by=_actor(request).label, at=now)
            return gettext("It is sent again now.")

        return self._do(request, callback, send_again)

    def replay_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        callback = self._callback(request, object_id, to_write=True)

        def replay(now: datetime) -> str:
            form = ReplayForm(request.POST)
            if not form.is_valid():
                raise Http404("no such choice")
            since = now - form.cleaned_data["hours"]
            if form.cleaned_data["what"] == "failed":
                retry_failed(callback=callback, since=since, by=_actor(request), at=now)
                return gettext("What failed since then is being sent again.")
            count = recover_missed(callback=callback, since=since, by=_actor(request), at=now)
            text = ngettext(
                "%(count)d event was missed, and is sent now.", "%(count)d events were missed, and are sent now.", count
            )
            return text % {"count": count}

        return self._do(request, callback, replay)

    def _do(self, request: HttpRequest, callback: Callback, deed: Callable[[datetime], str]) -> HttpResponse:
        """The callback's page, which tells what was done, or why it was not."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            messages.success(request, deed(timezone.now()))
        except RavenError as refusal:
            messages.error(request, str(refusal))
        return redirect("admin:tokens_callback_change", callback.pk)

    def _callback(self, request: HttpRequest, object_id: str, *, to_write: bool = False) -> Callback:
        callback: Callback = self.get_object(request, object_id)
        allowed = self.has_change_permission if to_write else self.has_view_permission
        if not allowed(request, callback):
            raise PermissionDenied
        return callback


def _delivery_of(callback: Callback, number: str) -> Delivery:
    """Raises Http404."""
    found = Delivery.objects.filter(destination=callback.destination_id)
    delivery: Delivery | None = found.filter(pk=whole_number(number) or 0).first()
    if delivery is None:
        raise Http404("no such delivery")
    return delivery


def _newest(callback: Callback) -> list[Delivery]:
    """The newest of each state by its index, and of those the newest."""
    found = [
        delivery
        for state in State
        for delivery in Delivery.objects.filter(destination=callback.destination_id, state=state).order_by("-id")[
            :SHOWN
        ]
    ]
    return sorted(found, key=lambda delivery: -delivery.pk)[:SHOWN]


def _actor(request: HttpRequest) -> Actor:
    return Actor.person(request.user)  # type: ignore[arg-type]


def register_callbacks_tab() -> None:
    register_tab("callbacks", callbacks_tab)
