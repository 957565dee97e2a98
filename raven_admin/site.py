"""The console: Django's admin site with our own pages, navigation and search."""

from dataclasses import asdict, dataclass
from functools import partial, wraps
from typing import Any, cast
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import views
from accounts.access import current_workspace, may, membership_of
from accounts.console import ConsoleModelAdmin
from accounts.forms import SignInForm
from accounts.models import User, Workspace
from accounts.roles import Action
from raven_admin import attention, dashboard
from raven_admin.commands import Command
from raven_admin.masking import mask_hidden_tokens
from raven_admin.search import Group, find, summary
from tokens.console import banner, calendar
from tokens.console.listing import exact_page


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the sidebar: the list of a model, shown to those who may see it."""

    model: str
    label: Promise
    icon: str
    parts: tuple[str, ...] = ()
    """What the names of further pages begin with that are reached from here, and have no entry of their own."""


@dataclass(frozen=True, slots=True)
class Link:
    url: str
    label: Promise
    icon: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Section:
    """Places under one heading; the first section has none."""

    label: Promise | str
    places: list[Link]


PLACES = [
    Place("tokens.Token", _("Tokens"), "key-round", ("platforms_token_",)),
    Place("tokens.RequestLogEntry", _("API calls"), "activity"),
    Place("tokens.Callback", _("Callbacks"), "webhook"),
    Place(
        "personas.Persona",
        _("Personas"),
        "users",
        ("personas_savedfilter_", "platforms_person_", "platforms_new_person_"),
    ),
    Place("personas.DuplicatePair", _("Duplicates"), "merge", ("personas_merge_",)),
    Place("personas.PersonaChange", _("Changes"), "history", ("personas_deletionreceipt_",)),
    Place("personas.Operation", _("Imports and bulk changes"), "layers"),
    Place("messaging.Message", _("Messages"), "message-square"),
    Place("delivery.Delivery", _("Deliveries"), "send", ("delivery_intervention_",)),
    Place("messaging.Topic", _("Topics"), "hash"),
    Place("messaging.Template", _("Templates"), "file-text"),
    Place("messaging.Location", _("Locations"), "map-pin"),
    Place("platforms.Connection", _("Connections"), "network"),
]
ATTRIBUTES = Place("personas.AttributeDefinition", _("Attributes"), "tag")
PEOPLE = Place("accounts.Membership", _("People"), "circle-user")
WORKSPACES = Place("accounts.Workspace", _("All workspaces"), "building-2")
SWITCHABLE_AT_MOST = 100
SEARCHED_AT_MOST = 200


class ConsoleSite(AdminSite):
    site_title = "Raven Admin"
    site_header = "Raven Admin"
    login_form = SignInForm

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Only pages made for the console are on it: what other packages bring knows no workspace."""
        if admin_class is not None and issubclass(admin_class, ConsoleModelAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_authenticated and current_workspace(request) is not None

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """No page has a pasted secret in its address: what a search holds of one is cut to its public part."""

        @wraps(view)
        def without_secret(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            text = request.GET.get(SEARCH_VAR, "")
            if (masked := mask_hidden_tokens(text)) != text:
                query = request.GET.copy()
                query[SEARCH_VAR] = masked
                return redirect(f"{request.path}?{query.urlencode()}")
            return view(request, *args, **kwargs)

        page = super().admin_view(without_secret, cacheable)

        @wraps(page)
        def where_one_was(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.method != "POST" or request.user.is_authenticated:
                return page(request, *args, **kwargs)
            messages.warning(request, gettext("You were signed out meanwhile, so nothing was done."))
            return redirect_to_login(_sent_from(request), reverse("admin:login"))

        return where_one_was

    def get_urls(self) -> list[URLResolver | URLPattern]:
        own = [
            # Django's own sends a person without any workspace away before signing them out.
            path("logout/", self.logout, name="logout"),
            # For everybody: the sign-in page has a switch too.
            path("language/", views.switch_language, name="switch_language"),
            path("workspace/", self.admin_view(views.switch), name="switch_workspace"),
            path("calendar/", self.admin_view(self.calendar), name="calendar"),
            path("banner/dismiss/", self.admin_view(banner.dismiss), name="dismiss_banner"),
            path("search/", self.admin_view(self.search), name="search"),
            path("search/found/", self.admin_view(self.found), name="found"),
            path("profile/", self.admin_view(self.profile), name="profile"),
        ]
        return [*own, *super().get_urls()]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The sign-in page; who is signed in but works in no workspace reads that instead of going in circles."""
        if request.method == "GET" and request.user.is_authenticated and not self.has_permission(request):
            return render(request, "accounts/no_workspace.html", status=403)
        for header in ("HTTP_USER_AGENT", "HTTP_ACCEPT"):  # which the sign-in guard keeps of a failed attempt
            request.META[header] = mask_hidden_tokens(request.META.get(header, ""))
        return super().login(request, extra_context)

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """The overview of the current workspace."""
        workspace = current_workspace(request)
        assert workspace is not None  # noqa: S101 - admin_view lets nobody in without one
        now = timezone.now()
        facts = dashboard.facts_of(workspace, at=now)
        latest = dashboard.latest_calls(workspace)
        needs = attention.needs_of(request.user, workspace, facts, at=now)
        context = self.each_context(request) | {
            "title": _("Overview"),
            "expiring": facts.ending_shown,
            "expiring_count": facts.ending_count,
            "has_more_expiring": len(facts.ending) > len(facts.ending_shown),
            "latest": latest,
            "deliveries": facts.deliveries,
            "recent": facts.recent,
            "needs": [need for need in needs if need.is_mine],
            "others_needs": [need for need in needs if not need.is_mine],
            "is_pro": workspace.is_pro(at=now),
            "may_write": may(request.user, Action.WORKSPACE_WRITE, workspace),
            "steps": [],
            "first_look": None,
        }
        if may(request.user, Action.PERSONA_WRITE, workspace):
            context["first_look"] = dashboard.first_look(workspace, connections=facts.connections)
        if context["may_write"]:
            context["steps"] = dashboard.next_steps(workspace, has_calls=bool(latest))
        return TemplateResponse(request, "admin/index.html", context)

    def search(self, request: HttpRequest) -> HttpResponse:
        """What was found, as a page; a text that names one thing leads there at once."""
        text = _searched(request)
        if exact := exact_page(text, user=request.user):
            return redirect(exact.url)
        groups = self._found(request, text)
        context = self.each_context(request) | {
            "title": _("Search"),
            "search_text": text,
            "groups": groups,
            "summary": summary(groups),
            "log_days": settings.REQUEST_LOG_DAYS,
        }
        return TemplateResponse(request, "admin/search.html", context)

    def found(self, request: HttpRequest) -> JsonResponse:
        """What was found, for the palette (static/palette.js)."""
        groups = self._found(request, _searched(request))
        shown = [
            {"label": group.label, "more": group.more_url, "hits": [asdict(hit) for hit in group.hits]}
            for group in groups
        ]
        return JsonResponse({"groups": shown, "summary": summary(groups)})

    def _found(self, request: HttpRequest, text: str) -> list[Group]:
        workspace = current_workspace(request)
        assert workspace is not None  # noqa: S101 - admin_view lets nobody in without one
        links = [link for section in self._navigation(request) for link in section.places]
        pages = [Command(link.label, link.icon, link.url) for link in links]
        return find(text, workspace=workspace, user=cast(User, request.user), pages=pages)

    def calendar(self, request: HttpRequest) -> HttpResponse:
        return calendar.page(request, self.each_context(request))

    def profile(self, request: HttpRequest) -> HttpResponse:
        return views.profile(request, self.each_context(request))

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Any = None) -> Any:
        """There is no page per app: the sidebar is the one index."""
        return redirect("admin:index")

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Of Django's own context what our templates use; its list of all apps is never built."""
        context: dict[str, Any] = {"site_title": self.site_title, "site_header": self.site_header}
        if not self.has_permission(request):
            return context | {"has_permission": False}
        workspaces = list(Workspace.objects.of(request.user).order_by("name", "id")[:SWITCHABLE_AT_MOST])
        return context | {
            "has_permission": True,
            "current_workspace": current_workspace(request),
            "switchable_workspaces": workspaces if len(workspaces) > 1 else [],
            "role_label": self._role_label(request),
            "navigation": self._navigation(request),
            # Asked when a page shows it, not by what only answers with a redirect.
            "banner": partial(banner.banner_of, request),
        }

    def _navigation(self, request: HttpRequest) -> list[Section]:
        here = request.resolver_match.url_name or "" if request.resolver_match else ""
        overview = Link(reverse("admin:index"), _("Overview"), "layout-dashboard", here == "index")
        link = partial(self._link, request, here)
        sections = [
            Section("", [overview, *filter(None, map(link, PLACES))]),
            Section(
                _("Workspace"),
                [*filter(None, [link(ATTRIBUTES), link(PEOPLE), self._settings(request, here), link(WORKSPACES)])],
            ),
        ]
        return [section for section in sections if section.places]

    def _link(self, request: HttpRequest, here: str, place: Place) -> Link | None:
        """None when the model has no pages yet, or the person may not see its list."""
        model = apps.get_model(place.model)
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        if not self.is_registered(model) or not self.get_model_admin(model).has_module_permission(request):
            return None
        is_current = here.startswith((f"{name}_", *place.parts)) and not self._is_settings(request, here)
        return Link(reverse(f"admin:{name}_changelist"), place.label, place.icon, is_current)

    def _settings(self, request: HttpRequest, here: str) -> Link | None:
        workspace = current_workspace(request)
        if workspace is None or not may(request.user, Action.WORKSPACE_WRITE, workspace):
            return None
        url = reverse("admin:accounts_workspace_change", args=[workspace.pk])
        return Link(url, _("Workspace settings"), "settings", self._is_settings(request, here))

    @staticmethod
    def _is_settings(request: HttpRequest, here: str) -> bool:
        return here.startswith("accounts_workspace_") and "object_id" in request.resolver_match.kwargs  # type: ignore[union-attr]

    @staticmethod
    def _role_label(request: HttpRequest) -> str | Promise:
        if request.user.is_superuser:
            return _("Superuser")
        workspace = current_workspace(request)
        membership = membership_of(request.user, workspace) if workspace else None
        return membership.get_role_display() if membership else ""


def _searched(request: HttpRequest) -> str:
    """What is looked for; PostgreSQL knows no text with a null character in it."""
    return request.GET.get(SEARCH_VAR, "").replace("\0", "").strip()[:SEARCHED_AT_MOST]


def _sent_from(request: HttpRequest) -> str:
    """The page that a form was sent from: what it was sent to may be none to come back to."""
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure()):
        return request.get_full_path()
    parts = urlsplit(page)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
