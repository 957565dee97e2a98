"""From a refused call to the control of its token that decides such calls."""

import re
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext

from tokens.abilities import ABILITY_KEYS
from tokens.console.words import ability_label, field_label
from tokens.models import RequestLogEntry

_CONTROLS = {
    "token_disabled": "is_on",
    "token_not_active_yet": "activates_at",
    "token_expired": "expires_at",
    "source_refused": "source_networks",
    "rate_limit_exceeded": "requests_per_minute",
    "topic_missing": "topic_anchor",
    "user_missing": "user_alias",
}
"""By the code of a refusal, the field of the tab Details."""


@dataclass(frozen=True, slots=True)
class Control:
    """Where to go, and what the link says."""

    url: str
    label: str


def control_of(call: RequestLogEntry) -> Control | None:
    """None when the call worked, its token is gone, or nothing on the token would have changed the answer."""
    if call.token is None:
        return None
    asked = f"?call={call.request_id}"
    if key := missing_ability(call):
        page = reverse("admin:tokens_token_permissions", args=[call.token.pk])
        label = gettext("Go to the switch “%(label)s”") % {"label": ability_label(key)}
        return Control(f"{page}{asked}#id_ability_{key}", label)
    if call.code == "token_paused":
        return Control(
            f"{reverse('admin:tokens_token_impact', args=[call.token.pk])}#rehearsal", gettext("Go to the rehearsal")
        )
    field = _CONTROLS.get(call.code)
    if field is None:
        return None
    page = reverse("admin:tokens_token_change", args=[call.token.pk])
    return Control(f"{page}{asked}#id_{field}", gettext("Go to the field “%(label)s”") % {"label": field_label(field)})


def missing_ability(call: RequestLogEntry) -> str:
    """The key that a call was refused for, as its answer names it; empty when it was not for that."""
    if call.code != "ability_missing":
        return ""
    named = re.search(r"ability (\w+)", call.response_body)
    return next((key for key in (named and named.group(1), call.ability) if key in ABILITY_KEYS), "")
