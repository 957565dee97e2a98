"""What deliveries, their states and what is done about them are called in plain words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.language import grouped
from delivery.models import Delivery, Intervention
from delivery.states import State

Text = str | Promise

PILLS = {
    State.WAITING: "info",
    State.SENDING: "info",
    State.DELIVERED: "good",
    State.REFUSED: "bad",
    State.UNKNOWN: "warn",
    State.SUPERSEDED: "off",
    State.CANCELLED: "off",
}
KINDS: dict[str, Text] = {
    "persona.changed": _("Change of a person"),
    "persona.deleted": _("Deletion of a person"),
    "message.sent": _("Message"),
    "token.configured": _("Configuration of a token"),
    "token.revoked": _("Revocation of a token"),
    "event.conversation.created": _("Callback: new conversation"),
    "event.message.received": _("Callback: new message"),
    "event.message.status": _("Callback: message report"),
    "event.persona.updated": _("Callback: persona updated"),
    "event.token.expiring": _("Callback: token expiring"),
    "notice.token.expiring": _("Notice: a token ends"),
    "notice.callback.failing": _("Notice: a callback fails"),
}
FIELDS_OF_TOKENS: dict[str, Text] = {
    "name": _("Name"), "ability": _("Abilities"), "is_on": _("Switched on"), "activates_at": _("Activation"),
    "expires_at": _("Expiration"), "topic_anchor": _("Topic anchor"), "user_alias": _("User aliases"),
    "source_networks": _("Source networks"), "requests_per_minute": _("Requests per minute"),
}  # fmt: skip
_FIELDS_OF_EVENTS: dict[str, Text] = {
    "id": "webhook-id", "at": _("Happened"), "message": _("Message"), "topic": _("Topic"), "persona": _("Persona"),
    "recipient": _("Recipient"), "old": _("Old"), "new": _("New"), "change": _("What happened"),
    "fields": _("What changed"), "merged_into": _("Merged into"), "token": _("Token"), "days_left": _("Days left"),
}  # fmt: skip
"""Of a callback: the facts that are kept until it is sent."""
_FIELDS: dict[str, Text] = {
    **FIELDS_OF_TOKENS,
    **_FIELDS_OF_EVENTS,
    "created": _("New person"),
    "gender": _("Gender"),
    "birthday": _("Birthday"),
    "notes": _("Notes"),
    "template": _("Template"),
}
_NEXT_WORD = re.compile(r"_+|(?<=[a-z])(?=[A-Z])")
DEEDS: dict[str, Text] = {
    Intervention.Action.RETRY: _("Retry what was refused"),
    Intervention.Action.REPLAY: _("Send again what was delivered"),
    Intervention.Action.CANCEL: _("Cancel what waits"),
    Intervention.Action.CONFIRM: _("Marked as delivered"),
    Intervention.Action.CHECK: _("Checked"),
    Intervention.Action.ALL_TOKENS: _("Send all tokens"),
    Intervention.Action.EVERYBODY: _("Send everybody"),
}


@dataclass(frozen=True, slots=True)
class Carried:
    """One field of what a delivery carries; an empty value clears it."""

    label: str
    value: str
    is_code: bool


def kind_label(kind: str) -> str:
    return str(KINDS.get(kind, kind))


def state_pill(state: str) -> str:
    return format_html('<span class="pill pill--{}">{}</span>', PILLS[State(state)], State(state).label)


def field_label(field: str, labels: Mapping[str, str]) -> str:
    """A field of a persona, as changes name it or as a platform does; what has no word of its own is made readable.

    `labels` are those of the workspace; see `Directory.field_labels`.
    """
    field = field.replace(".", ":", 1)
    _kind, _colon, detail = field.partition(":")
    own = _FIELDS.get(field) or labels.get(field) or labels.get(f"attribute:{detail}")
    return str(own or capfirst(_NEXT_WORD.sub(" ", detail or field).lower()))


def fields_in_short(delivery: Delivery, labels: Mapping[str, str]) -> str:
    """Which fields it carries, the first three by name."""
    names = [field_label(str(field), labels) for field in delivery.fields]
    if len(names) <= 3:
        return ", ".join(names)
    return gettext("%(first)s and %(count)s more") % {"first": ", ".join(names[:2]), "count": len(names) - 2}


def carried(payload: Mapping[str, Any], labels: Mapping[str, str]) -> list[Carried]:
    """What leaves, field by field."""
    # In an order of our own: PostgreSQL does not keep that of a JSON object's members.
    in_order = sorted(payload.items(), key=lambda field: (field[0] != "name", field[0]))
    return [Carried(field_label(name, labels), *_in_words(value)) for name, value in in_order]


def pretty(body: str) -> str:
    """A body in JSON with a line for each member; any other as it is."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return body


def _in_words(value: Any) -> tuple[str, bool]:
    """The value, and whether it is code: contacts and the like stand in lines of their own."""
    if value is None or value in ("", [], {}):
        return "", False
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No"), False
    if isinstance(value, str | int | float):
        return str(value), False
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value), False
    if isinstance(value, list) and all(_is_flat(item) for item in value):
        return "\n".join(_line(item) for item in value), False
    return json.dumps(value, ensure_ascii=False, indent=2), True


def _line(item: Mapping[str, Any]) -> str:
    """The parts of a contact or the like, its name before its key; its type is what the field is called by."""
    parts = sorted(item.items(), reverse=True)
    return " · ".join(str(part) for name, part in parts if part and (name != "type" or len(item) == 1))


def _is_flat(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(part, str | int | float | None) for part in value.values())


def age(span: timedelta) -> str:
    """Rounded down to one unit, as “4 minutes”."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    if seconds < 3600:
        return ngettext("%(count)d minute", "%(count)d minutes", seconds // 60) % {"count": seconds // 60}
    if seconds < 48 * 3600:
        return ngettext("%(count)d hour", "%(count)d hours", seconds // 3600) % {"count": seconds // 3600}
    return ngettext("%(count)d day", "%(count)d days", seconds // 86400) % {"count": seconds // 86400}


def what_it_is(intervention: Intervention) -> str:
    """What was or is being done, in a few words."""
    if intervention.delivery_id is not None or intervention.action in {"confirm", "check"}:
        return str(intervention.get_action_display())
    if intervention.action == Intervention.Action.RETRY and intervention.code:
        return gettext("Retry what was refused with %(code)s") % {"code": intervention.code}
    if intervention.action == Intervention.Action.CANCEL and not intervention.state:
        return gettext("Cancel everything open")
    return str(DEEDS[intervention.action])


def progress_in_words(intervention: Intervention) -> str:
    """As “1,200 of 50,000 deliveries”."""
    total = intervention.total
    if total is None:
        return gettext("waits for a worker")
    if intervention.action == Intervention.Action.ALL_TOKENS:
        text = ngettext("%(count)s of %(total)s token", "%(count)s of %(total)s tokens", total)
    elif intervention.action == Intervention.Action.EVERYBODY:
        text = ngettext("%(count)s of %(total)s person", "%(count)s of %(total)s people", total)
    else:
        text = ngettext("%(count)s of %(total)s delivery", "%(count)s of %(total)s deliveries", total)
    return text % {"count": grouped(intervention.processed), "total": grouped(total)}
