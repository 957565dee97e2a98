"""The lists of tokens and of calls: their filters, their order, what a search finds."""

import ipaddress
import re
from datetime import timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.console import WorkspaceChangeList
from tokens.abilities import ABILITIES
from tokens.console.words import CODES
from tokens.models import RequestLogEntry, Status, Token
from tokens.secrets import mask_tokens
from tokens.usage import calls_of

FILTERED_AT_MOST = 50_000
"""The calls that a filter or a search of the log looks through, newest first: a rare code must not read it all."""

_PUBLIC_ID = re.compile(r"\b(?:rvn|rvt)_([0-9A-Za-z]{12})(?![0-9A-Za-z])")
_REQUEST_ID = re.compile(r"req_[0-9a-z]{26}")
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

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("2", _("2xx: worked")), ("4", _("4xx: refused")), ("5", _("5xx: failed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        first = int(str(self.value())) * 100
        return queryset.filter(status__gte=first, status__lt=first + 100)


class CodeFilter(Choice):
    title = _("Code")
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(code, code) for code in CODES]

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
        if request.user.is_superuser and request.GET.get(CallerFilter.parameter_name) == "unknown":
            return super(WorkspaceChangeList, self).get_queryset(request, exclude_parameters)
        return super().get_queryset(request, exclude_parameters)


def newest_calls(calls: QuerySet[RequestLogEntry]) -> QuerySet[RequestLogEntry]:
    """The calls among `calls` from the newest 50,000 of them."""
    edge = calls.order_by("-pk").values("pk")[FILTERED_AT_MOST : FILTERED_AT_MOST + 1]
    return calls.filter(pk__gte=Coalesce(edge, 0))


def search_tokens(tokens: QuerySet[Token], text: str) -> QuerySet[Token]:
    """By part of the name, by public id (alone or within a token, masked or not), or by the last four characters."""
    if match := _PUBLIC_ID.search(text):
        return tokens.filter(public_id=match.group(1))
    return tokens.filter(Q(name__icontains=text) | Q(public_id=text) | Q(last_four=text))


def search_calls(calls: QuerySet[RequestLogEntry], text: str) -> QuerySet[RequestLogEntry]:
    """By request id, or by the caller's address."""
    try:
        return calls.filter(address=str(ipaddress.ip_address(text)))
    except ValueError:
        return calls.filter(request_id=text)


def request_id_in(text: str) -> str | None:
    """The request id that `text` holds, as it may be pasted with words around it."""
    match = _REQUEST_ID.search(text.lower())
    return match.group() if match else None


def public_id_in(text: str) -> str | None:
    """The public id of the token that `text` holds, whole or masked."""
    match = _PUBLIC_ID.search(text)
    return match.group(1) if match else None
