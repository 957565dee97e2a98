"""How a token is used: calls per day, abilities nobody needs, abilities that calls were refused for."""

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from accounts.console import whole_number
from accounts.models import Workspace
from raven_admin.errors import RavenError
from tokens import ability_use
from tokens.ability_use import UnusedAbility
from tokens.among import Among
from tokens.console.chart import Asked, chart_of
from tokens.console.figures import Line, lines_of, summary_of
from tokens.console.tabs import Show
from tokens.console.words import ability_label, changes_of
from tokens.models import Token, TokenAbility
from tokens.refusals import AbilityMissing
from tokens.services import Actor
from tokens.usage import Day, Refused, calls_by_id, days_of_token, days_of_workspace, refused_for

UNUSED_DAYS = (30, 90)
_TOKENS_AMONG, _TOKENS_SHOWN = 200, 10
_UNDO_OFFERED = timedelta(hours=1)


def usage(request: HttpRequest, token: Token, may_write: bool, show: Show) -> HttpResponseBase:
    """The tab Usage."""
    asked = Asked.by(request)
    looked_back = max(asked.days, UNUSED_DAYS[0])
    now = timezone.now()
    days = days_of_token(token, days=looked_back)
    switched = ability_use.last_switching(token, since=now - _UNDO_OFFERED) if may_write else None
    return show(
        "tokens/usage.html",
        chart=chart_of(_of_the_last(days, asked.days), asked),
        by_code=_why_refused(days),
        usage=summary_of(token, days=looked_back, calls=days),
        unused=ability_use.unused(token, days, days=looked_back, at=now),
        lacked=ability_use.lacked(token, days),
        looked_back=looked_back,
        can_switch=may_write and token.revoked_at is None,
        switched=switched,
        changes=changes_of(switched) if switched else [],
    )


def trim(request: HttpRequest, token: Token, may_write: bool, show: Show) -> HttpResponseBase:
    """Switching off what nobody needs: the question on GET, the answer on POST."""
    if not may_write:
        raise PermissionDenied
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, UNUSED_DAYS) else UNUSED_DAYS[0]
    form = _TrimForm(request.POST or None, keys=token.ability_keys)
    if request.method == "POST" and form.is_valid():
        keys, version = form.cleaned_data["ability"], form.cleaned_data["version"]
        return _switched(request, token, off=keys, version=version)
    unused = ability_use.unused(token, days_of_token(token, days=days), days=days, at=timezone.now())
    return show(
        "tokens/trim.html", unused=unused, days=days, form=form, chosen=_chosen(form, unused),
        hands_on=sorted({"token_write", "token_derive"} & set(token.ability_keys)),
        title=gettext("Switch off what “%(name)s” does not use?") % {"name": token.name},
    )  # fmt: skip


def grant(request: HttpRequest, token: Token, may_write: bool, show: Show) -> HttpResponseBase:
    """The ability that calls were refused for is on."""
    if not may_write:
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    return _switched(request, token, on=[request.POST.get("ability", "")], version=token.version)


def undo(request: HttpRequest, token: Token, may_write: bool, show: Show) -> HttpResponseBase:
    """The abilities are as before the change that the form names."""
    if not may_write:
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    event_id = whole_number(request.POST.get("event", "")) or 0
    try:
        ability_use.undo_switching(token=token, event_id=event_id, by=_by(request))
    except RavenError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, gettext("Undone: the abilities are as they were before."))
    back = "permissions" if request.POST.get("back") == "permissions" else "usage"
    return redirect(f"admin:tokens_token_{back}", token.pk)


class _TrimForm(forms.Form):
    version = forms.IntegerField(min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)

    def __init__(self, data: object = None, *, keys: list[str]) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self.fields["ability"] = forms.MultipleChoiceField(
            choices=[(key, key) for key in keys],
            error_messages={"required": gettext("Choose at least one ability, or cancel.")},
        )


def _switched(
    request: HttpRequest, token: Token, *, on: list[str] | None = None, off: list[str] | None = None, version: int
) -> HttpResponseBase:
    try:
        changes = ability_use.switch_abilities(
            token=token, on=on or (), off=off or (), version=version, by=_by(request)
        )
    except RavenError as refusal:
        messages.error(request, str(refusal))
    else:
        if not changes:
            messages.info(request, gettext("Nothing was changed: it was so already."))
        elif on:
            messages.success(
                request, gettext("“%(label)s” is on, from the next call on.") % {"label": ability_label(on[0])}
            )
        else:
            text = ngettext(
                "%(count)s ability is off, from the next call on.",
                "%(count)s abilities are off, from the next call on.",
                len(changes),
            )
            messages.success(request, text % {"count": len(changes)})
    return redirect("admin:tokens_token_usage", token.pk)


def _why_refused(days: list[Day]) -> list[Line]:
    """By code, or by status where an answer has no code."""
    return lines_of([day for day in days if day.status >= 400], lambda day: day.code or str(day.status))


def _chosen(form: _TrimForm, unused: list[UnusedAbility]) -> set[str]:
    """What is ticked: what was sent, or else all that had its whole time to be used."""
    if form.is_bound:
        return set(form.data.getlist("ability"))  # type: ignore[attr-defined]
    return {each.key for each in unused if not each.is_new}


def _of_the_last(days: list[Day], number: int) -> list[Day]:
    first = timezone.now().astimezone(UTC).date() - timedelta(days=number - 1)
    return [day for day in days if day.day >= first]


def _by(request: HttpRequest) -> Actor:
    return Actor.person(request.user)  # type: ignore[arg-type]


def workspace_insight(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    """What the page of the whole workspace shows."""
    asked = Asked.by(request)
    days = days_of_workspace(workspace, days=asked.days)
    recent = Token.objects.lasting().filter(workspace=workspace, last_used_at__isnull=False)
    tokens = {token.pk: token for token in recent.order_by("-last_used_at")[:_TOKENS_AMONG].defer("digest")}
    calls = calls_by_id(list(tokens), days=asked.days)
    busiest = sorted(calls, key=lambda pk: (-calls[pk], pk))[:_TOKENS_SHOWN]
    return {
        "chart": chart_of(days, asked),
        "by_code": _why_refused(days),
        "by_ability": lines_of([day for day in days if day.ability], lambda day: ability_label(day.ability)),
        "busiest": [(tokens[pk], calls[pk]) for pk in busiest if calls[pk]],
        "is_cut": len(tokens) == _TOKENS_AMONG,
        "tokens_among": _TOKENS_AMONG,
        "lacking": _lacking(workspace, tokens, days=asked.days),
        "looked_back": asked.days,
    }


def _lacking(workspace: Workspace, tokens: Mapping[int, Token], *, days: int) -> list[tuple[Token, Refused]]:
    """Which of `tokens` were refused for which ability that they still lack, the most frequent first."""
    refused = refused_for(AbilityMissing.code, workspace=workspace, ids=list(tokens), days=days)
    held = set(TokenAbility.objects.filter(Among("token_id", list(tokens))).values_list("token_id", "key"))
    found = [each for each in refused if each.ability and (each.token_id, each.ability) not in held]
    found.sort(key=lambda each: (-each.calls, each.token_id, each.ability))
    return [(tokens[each.token_id], each) for each in found[:_TOKENS_SHOWN]]
