"""The lists of tokens and of calls: their filters, their order, what a search finds."""

import ipaddress
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, SEARCH_VAR
from django.contrib.auth.models import AnonymousUser
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.access import current_workspace
from accounts.console import WorkspaceChangeList, WorkspaceModelAdmin, among_newest
from accounts.models import User, Workspace
from raven_admin.masking import mask_tokens
from tokens.abilities import ABILITIES
from tokens.models import RequestLogEntry, Status, Token
from tokens.refusals import LOCKED_OUT
from tokens.usage import calls_of

NAMES_LOOKED_THROUGH = 20_000
"""Tokens whose name is looked into from anywhere else than their list: part of a name is in no index."""

_PUBLIC_ID = re.compile(r"\b(?:rvn|rvt)_([0-9A-Za-z]{12})(?![0-9A-Za-z])")
_REQUEST_ID = re.compile(r"req_[0-9a-z]{26}")
_CODE = re.compile(r"[a-z_]{1,40}")
_LATEST = 1_000
_DAYS = ("7", "30", "90")


class Choice(SimpleListFilter):
    """A filter that knows its values; any other value is an error, not an empty list."""

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        if not self.value():  # a form sends what nobody chose as an empty text
            self.used_parameters.pop(str(self.parameter_name), None)
        if self.value() not in {None, *(value for value, _label in self.lookup_choices)}:
            raise IncorrectLookupParameters

    @property
    def chosen_label(self) -> str:
        """What is chosen, in words; empty when nothing is."""
        return next((str(label) for value, label in self.lookup_choices if value == self.value()), "")


class StatusFilter(Choice):
    title = _("Status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Status.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.with_status(self.value(), at=timezone.now()) if self.value() else queryset


class AbilityFilter(Choice):
    title = _("Ability")
    parameter_name = "ability"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(ability.key, ability.label) for ability in ABILITIES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.with_ability(self.value()) if self.value() else queryset


class ExpiringFilter(Choice):
    title = _("Expires within")
    parameter_name = "expiring"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(days, _("%s days") % days) for days in _DAYS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Token]) -> QuerySet[Token]:
        if not self.value():
            return queryset
        now = timezone.now()
        last = now + timedelta(days=int(str(self.value())))
        return queryset.filter(revoked_at=None, expires_at__gt=now, expires_at__lte=last)


class UnusedFilter(Choice):
    title = _("Unused since")
    parameter_name = "unused"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(days, _("%s days") % days) for days in _DAYS]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        return queryset.unused_since(timezone.now() - timedelta(days=int(str(self.value()))))


class StatusClassFilter(Choice):
    title = _("Answer")
    parameter_name = "answer"
    LOCKED_OUT = "locked_out"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("2", _("2xx: worked")),
            ("4", _("4xx: refused")),
            (self.LOCKED_OUT, _("4xx: refused for the token, its address or its rate")),
            ("5", _("5xx: failed")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        if self.value() == self.LOCKED_OUT:
            return queryset.filter(code__in=LOCKED_OUT)
        first = int(str(self.value())) * 100
        return queryset.filter(status__gte=first, status__lt=first + 100)


class CodeFilter(Choice):
    title = _("Code")
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The codes of the latest calls, and any other that an address asks for and that may be one."""
        latest = model_admin.get_queryset(request).filter(workspace=current_workspace(request)).order_by("-pk")
        codes = set(latest.values_list("code", flat=True)[:_LATEST]) - {""}
        if _CODE.fullmatch(asked := str(self.value() or "")):
            codes.add(asked)
        return [(code, code) for code in sorted(codes)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(code=self.value()) if self.value() else queryset


class CalledAbilityFilter(AbilityFilter):
    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(ability=self.value()) if self.value() else queryset


class CallerFilter(Choice):
    """Calls that showed no token of any workspace; they are nobody's, so that only superusers see them."""

    title = _("Caller")
    parameter_name = "caller"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("unknown", _("Unknown tokens, of no workspace"))] if request.user.is_superuser else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(workspace=None) if self.value() else queryset


class _FixedQuestions(WorkspaceChangeList):
    """A list that answers its own filters and no other look-up that an address might hold."""

    @property
    def chosen_filters(self) -> list[tuple[str, str]]:
        """The filters that are on, by title and value in words; a search is one of them."""
        specs = [spec for spec in self.filter_specs if isinstance(spec, Choice) and spec.value()]
        chosen = [(str(spec.title), spec.chosen_label) for spec in specs]
        return ([(str(_("Search")), mask_tokens(self.query))] if self.query else []) + chosen

    @property
    def is_narrowed(self) -> bool:
        return bool(self.chosen_filters)


class TokenChangeList(_FixedQuestions):
    """Each token of the page knows its calls in 30 days."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Tokens without the moment that the list is ordered by come last, in either direction."""
        return [self._nulls_last(term) for term in super().get_ordering(request, queryset)]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        tokens = list(self.result_list)
        calls = calls_of(tokens)
        for token in tokens:
            token.calls_in_30_days = calls[token.pk]
        self.result_list = tokens

    @staticmethod
    def _nulls_last(term: Any) -> Any:
        if isinstance(term, str) and term.removeprefix("-") in {"activates_at", "expires_at", "last_used_at"}:
            return OrderBy(F(term.removeprefix("-")), descending=term.startswith("-"), nulls_last=True)
        return term


class CallChangeList(_FixedQuestions):
    """Calls of the current workspace; of no workspace, when a superuser asks for those."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        asks_for_nobodys = request.user.is_superuser and request.GET.get(CallerFilter.parameter_name) == "unknown"
        scope = Q(workspace=None if asks_for_nobodys else current_workspace(request))
        calls = super(WorkspaceChangeList, self).get_queryset(request, exclude_parameters).filter(scope)
        if self.query or self.has_active_filters:
            calls = among_newest(calls, self.root_queryset.filter(scope))
        return calls.defer("request_body", "response_body")


def search_tokens(tokens: QuerySet[Token], text: str) -> QuerySet[Token]:
    """By part of the name, by public id (alone or within a token, masked or not), or by the last four characters."""
    if match := _PUBLIC_ID.search(text):
        return tokens.filter(public_id=match.group(1))
    return tokens.filter(Q(name__icontains=text) | Q(public_id=text) | Q(last_four=text))


def find_tokens(text: str, *, workspace: Workspace, limit: int) -> list[Token]:
    """At most `limit`, at a bounded cost: by public id or the last four characters of the secret, then by part of the
    name among the newest 20,000."""
    tokens = Token.objects.lasting().filter(workspace=workspace).order_by("-pk")
    if match := _PUBLIC_ID.search(text):
        return list(tokens.filter(public_id=match.group(1)))
    found = list(tokens.filter(public_id=text)) + list(tokens.filter(last_four=text)[:limit])
    edge = Coalesce(tokens.values("pk")[NAMES_LOOKED_THROUGH - 1 : NAMES_LOOKED_THROUGH], 0)
    named = tokens.filter(pk__gte=edge, name__icontains=text)[:limit]
    return [*found, *(token for token in named if token not in found)][:limit]


def search_calls(calls: QuerySet[RequestLogEntry], text: str) -> QuerySet[RequestLogEntry]:
    """By request id, or by the caller's address."""
    try:
        return calls.filter(address=str(ipaddress.ip_address(text)))
    except ValueError:
        return calls.filter(request_id=text)


@dataclass(frozen=True, slots=True)
class Exact:
    """The one page that a text names."""

    url: str
    title: str
    kind: Promise
    icon: str


def exact_page(text: str, *, user: User | AnonymousUser) -> Exact | None:
    """The page of the one call or token that `text` holds, in any workspace of `user`; None when there is none.

    A temporary token leads to the one it was derived from. Calls of no workspace are a superuser's.
    """
    seen = Workspace.objects.of(user)
    if match := _REQUEST_ID.search(text.lower()):
        calls = RequestLogEntry.objects.filter(request_id=match.group())
        if (calls if user.is_superuser else calls.filter(workspace__in=seen)).exists():
            url = reverse("admin:tokens_requestlogentry_change", args=[match.group()])
            return Exact(url, match.group(), _("API call"), "activity")
    if match := _PUBLIC_ID.search(text):
        found = Token.objects.filter(public_id=match.group(1), workspace__in=seen).select_related("parent").first()
        if found is not None:
            token = found.parent or found
            return Exact(reverse("admin:tokens_token_change", args=[token.pk]), token.name, _("Token"), "key-round")
    return None


class ListPages(WorkspaceModelAdmin):
    """A list that answers a strange address with the whole list and a word about it."""

    list_filter: ClassVar[tuple[type[Choice], ...]] = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only the list's own filters: a look-up of any field would let a viewer guess at what is not shown."""
        if lookup not in {spec.parameter_name for spec in self.list_filter}:
            raise IncorrectLookupParameters
        return True

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if ERROR_FLAG in request.GET:
            messages.warning(request, gettext("There is no such filter or page. Here is the whole list."))
            return redirect(request.path)
        text = request.GET.get(SEARCH_VAR, "")
        if exact := exact_page(text, user=request.user):
            return redirect(exact.url)
        return super().changelist_view(request, extra_context)
