"""Tokens in the console: each view parses, authorises, calls one service and renders."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace, may
from accounts.models import Membership
from accounts.roles import Action
from raven_admin.errors import RavenError
from tokens.abilities import by_group, templates
from tokens.console import listing
from tokens.console.actions import ACTIONS, TokenAction
from tokens.console.calls import CallPages, TokenLog
from tokens.console.conflicts import conflicts_of
from tokens.console.examples import EXAMPLE_USERNAME, self_command, send_command
from tokens.console.figures import old_secret_use, summary_of
from tokens.console.headers import sort_headers
from tokens.console.impact import impact_of
from tokens.console.notices import notices_of
from tokens.console.once import new_nonce, use_nonce
from tokens.console.parts import PARTS, Part
from tokens.console.saved import remember_saved, take_saved
from tokens.console.tabs import TABS_OF_ROOMS_ABOVE, Tab, view_of
from tokens.console.words import changes_of, explanation, status_reason
from tokens.excel import listing_response
from tokens.forms import ConfigurationForm, DetailsForm, NameForm, PermissionsForm, RotateForm, add_refusal
from tokens.models import RequestLogEntry, Status, Token
from tokens.services import Actor, IssuedToken, TokenChangedMeanwhile, configure_token, issue_token, rotate_token

_HIGHLIGHTED = "highlighted_row_id"
_KEEP_EDITING = "edit"
"""Beside a form: it is shown again as it was typed, and nothing is saved."""
_SENDING = ("message_send", "topic_add")
"""What the example beside a new secret needs."""
_HISTORY_AT_MOST = 200
_SHOWN_ALREADY = _("That secret was already shown; generate another if you lost it.")


_TABS = (
    Tab("details", _("Details"), "admin:tokens_token_change"),
    Tab("permissions", _("Permissions"), "admin:tokens_token_permissions"),
    *TABS_OF_ROOMS_ABOVE,
    Tab("log", _("Log"), "admin:tokens_token_log"),
    Tab("usage", _("Usage"), "admin:tokens_token_usage"),
    Tab("impact", _("Impact"), "admin:tokens_token_impact"),
    Tab("history", _("History"), "admin:tokens_token_history"),
)


@admin.register(Token)
class TokenAdmin(listing.ListPages):
    write_action = Action.TOKEN_WRITE
    list_display = ("name", "activates_at", "expires_at", "last_used_at", "created")
    list_filter = (listing.StatusFilter, listing.AbilityFilter, listing.ExpiringFilter, listing.UnusedFilter)
    list_select_related = ("topic_anchor", "user_alias")
    search_fields = ("name",)
    search_help_text = _("Name, public id or last four characters")
    ordering = ("-id",)
    change_list_template = "tokens/list.html"

    @admin.display(description=_("Created"), ordering="id")
    def created(self, token: Token) -> str:
        return str(token.created_at)

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Callable[..., HttpResponseBase], name: str, **kwargs: Any) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), kwargs, name=f"tokens_token_{name}")

        return [
            page("download/", self.download_view, "download", whole=False),
            page("download/all/", self.download_view, "download_all", whole=True),
            page("<path:object_id>/permissions/", self.permissions_view, "permissions"),
            page("<path:object_id>/log/", self.log_view, "log"),
            *(page(f"<path:object_id>/{part.route}", self.part_view, part.name, part=part) for part in PARTS),
            *(page(f"<path:object_id>/{tab.slug}/", self.room_view, tab.slug, tab=tab) for tab in TABS_OF_ROOMS_ABOVE),
            page("<path:object_id>/rotate/", self.rotate_view, "rotate"),
            *(
                page(f"<path:object_id>/{slug}/", self.action_view, slug, action=action)
                for slug, action in ACTIONS.items()
                if slug != "delete"
            ),
            *super().get_urls(),
        ]

    # ------------------------------------------------------------------------------------------------ the list
    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[listing.TokenChangeList]:
        return listing.TokenChangeList

    def get_changelist_instance(self, request: HttpRequest) -> listing.TokenChangeList:
        return cast(listing.TokenChangeList, super().get_changelist_instance(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        return (listing.search_tokens(queryset, text) if text else queryset), False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without temporary tokens: programs make those by the thousand, and they end within the hour."""
        return super().get_queryset(request).filter(parent=None).defer("digest").prefetch_related("abilities")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, {"title": gettext("Tokens"), **(extra_context or {})})
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            changelist = response.context_data["cl"]
            response.context_data |= {
                "headers": sort_headers(changelist),
                "new_token_id": request.session.pop(_HIGHLIGHTED, None),
                "may_write": self.has_add_permission(request),
                "may_download": may(request.user, Action.DOWNLOAD, current_workspace(request)),
            }
        return response

    def download_view(self, request: HttpRequest, *, whole: bool) -> HttpResponseBase:
        workspace = current_workspace(request)
        if workspace is None or not may(request.user, Action.DOWNLOAD, workspace):
            raise PermissionDenied
        if whole:
            tokens = self.get_queryset(request).filter(workspace=workspace).order_by("-id")
            filters: list[tuple[str, str]] = []
        else:
            try:
                changelist = self.get_changelist_instance(request)
            except IncorrectLookupParameters:
                return redirect(f"{reverse('admin:tokens_token_changelist')}?{ERROR_FLAG}=1")
            tokens, filters = changelist.queryset, changelist.chosen_filters
        rows = tokens.select_related(None).prefetch_related(None).defer(None)
        return listing_response(request=request, rows=rows, workspace=workspace, filters=filters)

    # ------------------------------------------------------------------------------------- a new token, its secret
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NameForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            issued = self._once(request, form, lambda: self._issue(request, form))
            if issued is not None:
                return issued
        return self._page(request, "tokens/add.html", form=form, nonce=new_nonce(request), title=gettext("New token"))

    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        token = self._token(request, object_id, to_write=True)
        form = RotateForm(request.POST or None, token=token)
        if request.method == "POST" and form.is_valid():
            rotated = self._once(request, form, lambda: self._rotate(request, token, form))
            if rotated is not None:
                return rotated
        return self._token_page(
            request, "tokens/rotate.html", token, form=form, nonce=new_nonce(request),
            usage=summary_of(token), title=gettext("Rotate “%(name)s”") % {"name": token.name},
        )  # fmt: skip

    def _issue(self, request: HttpRequest, form: NameForm) -> IssuedToken:
        workspace = current_workspace(request)
        assert workspace is not None  # noqa: S101 - the site lets nobody in without one
        return issue_token(workspace=workspace, configuration=form.configuration(), by=_actor(request))

    def _rotate(self, request: HttpRequest, token: Token, form: RotateForm) -> IssuedToken:
        typed = form.cleaned_data
        return rotate_token(
            token=token, overlap=typed["overlap"], expires_at=typed["expires_at"], by=_actor(request)
        )  # fmt: skip

    def _once(
        self, request: HttpRequest, form: NameForm | RotateForm, make: Callable[[], IssuedToken]
    ) -> HttpResponse | None:
        """The page with the new secret; the list, when this very form was sent before; None when it has an error."""
        try:
            with transaction.atomic():
                if not use_nonce(request, form.cleaned_data["nonce"]):
                    messages.warning(request, str(_SHOWN_ALREADY))
                    return redirect("admin:tokens_token_changelist")
                issued = make()
        except RavenError as error:
            add_refusal(form, error)
            return None
        request.session[_HIGHLIGHTED] = issued.token.pk
        return self._secret_page(request, issued)

    def _secret_page(self, request: HttpRequest, issued: IssuedToken) -> HttpResponse:
        secret = issued.secret.value
        replaced = Token.objects.filter(replaced_by=issued.token).first()
        response = self._page(
            request, "tokens/secret.html",
            title=gettext("Your new token"), token=issued.token, secret=secret, replaced=replaced,
            self_command=self_command(secret),
            send_command=send_command(secret, username=_sender(request, issued.token)),
            may_send=issued.token.abilities.filter(key__in=_SENDING).count() == len(_SENDING),
        )  # fmt: skip
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        return response

    # --------------------------------------------------------------------------------------- configuration, tab by tab
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._configuration(request, object_id, DetailsForm, "details", "tokens/details.html")

    def permissions_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._configuration(request, object_id, PermissionsForm, "permissions", "tokens/permissions.html")

    def _configuration(
        self, request: HttpRequest, object_id: str, form_class: type[ConfigurationForm], tab: str, template: str
    ) -> HttpResponse:
        token = self._token(request, object_id)
        may_write = self.has_change_permission(request, token)
        if request.method != "POST":
            form = form_class(token=token, may_write=may_write and token.revoked_at is None)
            return self._tab(
                request, template, token, tab, form=form, saved=take_saved(request, token),
                refused_call=_refused_call(request, token),
            )  # fmt: skip
        if not may_write:
            raise PermissionDenied
        form = form_class(request.POST, token=token, may_write=True)
        if _KEEP_EDITING not in request.POST and form.is_valid():
            try:
                changes = configure_token(
                    token=token,
                    configuration=form.configuration(),
                    version=form.cleaned_data["version"],
                    by=_actor(request),
                )
            except TokenChangedMeanwhile as error:
                fresh = form_class(token=self._token(request, object_id), may_write=True)
                return self._tab(
                    request, template, fresh.token, tab, status=409, form=fresh, conflict=str(error),
                    conflicts=conflicts_of(typed=form, fresh=fresh), changed_by=fresh.token.events.first(),
                )  # fmt: skip
            except RavenError as error:
                add_refusal(form, error)
            else:
                if changes:
                    remember_saved(request, token)
                else:
                    messages.info(request, gettext("Nothing was changed, so nothing was saved."))
                return redirect(_url(tab, token))
        return self._tab(request, template, token, tab, form=form)

    def log_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        token = self._token(request, object_id)
        log = TokenLog(RequestLogEntry, self.admin_site, token=token)
        return log.changelist_view(request, self._context(request, token, "log"))

    def room_view(self, request: HttpRequest, object_id: str, *, tab: Tab) -> HttpResponseBase:
        """A tab of a room above: it has what it is told here, and this site's frame around it."""
        token = self._token(request, object_id)
        may_write = self.has_change_permission(request, token)
        if request.method == "POST" and not may_write:
            raise PermissionDenied
        return view_of(tab)(request, token, may_write, partial(self._tab, request, token=token, tab=tab.slug))

    def part_view(self, request: HttpRequest, object_id: str, *, part: Part) -> HttpResponseBase:
        token = self._token(request, object_id)
        show = partial(self._tab, request, token=token, tab=part.tab)
        return part.view(request, token, self.has_change_permission(request, token), show)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        token = self._token(request, object_id)
        events = [(event, changes_of(event)) for event in token.events.all()[:_HISTORY_AT_MOST]]
        return self._tab(
            request, "tokens/history.html", token, "history", events=events, is_cut=len(events) == _HISTORY_AT_MOST
        )

    # ------------------------------------------------------------------------------------------------------- actions
    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self.action_view(request, object_id, action=ACTIONS["delete"])

    def action_view(self, request: HttpRequest, object_id: str, *, action: TokenAction) -> HttpResponse:
        token = self._token(request, object_id, to_write=True)
        refusal = ""
        if request.method == "POST":
            try:
                action.do(token, _actor(request))
            except RavenError as error:
                refusal = str(error)
            else:
                messages.success(request, action.done % {"name": token.name})
                to_list = action.slug == "delete" or request.POST.get("back") == "list"
                return redirect("admin:tokens_token_changelist") if to_list else redirect(_url("details", token))
        return self._token_page(
            request, "tokens/confirm.html", token, action=action, refusal=refusal,
            title=action.title % {"name": token.name},
            impact=impact_of(request, token) if action.breaks_calls else None,
            can_rehearse=token.status in {Status.ACTIVE, Status.EXPIRING},
            back="list" if request.GET.get("back") == "list" else "",
        )  # fmt: skip

    # -------------------------------------------------------------------------------------------------------- pages
    def _token(self, request: HttpRequest, object_id: str, *, to_write: bool = False) -> Token:
        token: Token = self.get_object(request, unquote(object_id))
        allowed = self.has_change_permission if to_write else self.has_view_permission
        if not allowed(request, token):
            raise PermissionDenied
        return token

    def _page(self, request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> TemplateResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, template, {**shared, **context}, status=status)

    def _token_page(
        self, request: HttpRequest, template: str, token: Token, *, status: int = 200, **context: Any
    ) -> TemplateResponse:
        return self._page(request, template, status=status, **self._context(request, token, "") | context)

    def _tab(
        self, request: HttpRequest, template: str, token: Token, tab: str, *, status: int = 200, **context: Any
    ) -> TemplateResponse:
        shared = self._context(request, token, tab)
        if tab == "details":
            shared["notices"] = notices_of(token)
        if isinstance(form := context.get("form"), PermissionsForm):
            shared |= {"groups": _ability_groups(form), "templates": templates()}
        return self._page(request, template, status=status, **shared | context)

    def _context(self, request: HttpRequest, token: Token, tab: str) -> dict[str, Any]:
        return {
            "title": token.name,
            "token": token,
            "tabs": [(entry.label, _url(entry.slug, token), entry.slug == tab) for entry in _TABS],
            "may_write": self.has_change_permission(request, token),
            "reason": status_reason(token),
            "replaces": Token.objects.filter(replaced_by=token).first(),
            "old_secret": old_secret_use(token),
        }


def _actor(request: HttpRequest) -> Actor:
    return Actor.person(request.user)  # type: ignore[arg-type]


def _sender(request: HttpRequest, token: Token) -> str:
    """Whose name the example sends under: the vendor's own if the workspace has it, or else the viewer's."""
    members = Membership.objects.filter(workspace=token.workspace)
    if members.filter(user__username=EXAMPLE_USERNAME).exists() or not members.filter(user=request.user.pk).exists():
        return EXAMPLE_USERNAME
    return request.user.get_username()


def _url(tab: str, token: Token) -> str:
    name = next(entry.url_name for entry in _TABS if entry.slug == tab)
    return reverse(name, args=[token.pk])


def _ability_groups(form: PermissionsForm) -> list[tuple[str, list[tuple[Any, bool]]]]:
    """Each group of abilities with whether each is on in the form."""
    chosen = set(form["abilities"].value() or [])
    return [(title, [(ability, ability.key in chosen) for ability in group]) for title, group in by_group().items()]


def _refused_call(request: HttpRequest, token: Token) -> tuple[RequestLogEntry, str] | None:
    """The call that the address says brought the viewer here, with what its answer means."""
    call = RequestLogEntry.objects.filter(token=token, request_id=request.GET.get("call", "")[:40]).first()
    return (call, explanation(status=call.status, code=call.code)) if call else None


admin.site.register(RequestLogEntry, CallPages)
