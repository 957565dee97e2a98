"""What tokens, their changes and the answers to their calls are called in plain words."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tokens.abilities import ABILITIES
from tokens.models import CallbackEvent, Status, Token, TokenEvent

Text = str | Promise

STATUS_PILLS = {
    Status.SCHEDULED: "info",
    Status.ACTIVE: "good",
    Status.EXPIRING: "warn",
    Status.EXPIRED: "bad",
    Status.DISABLED: "off",
    Status.PAUSED: "warn",
    Status.REVOKED: "bad",
}

_FIELD_LABELS: dict[str, Text] = {
    "name": _("Name"),
    "is_on": _("Switched on"),
    "activates_at": _("Activation"),
    "expires_at": _("Expiration"),
    "revoked_at": _("Revoked"),
    "paused_until": _("Paused until"),
    "topic_anchor": _("Topic anchor"),
    "user_alias": _("User aliases"),
    "source_networks": _("Source networks"),
    "requests_per_minute": _("Requests per minute"),
    "caretaker": _("Caretaker"),
    "notice_address": _("Second address for notices"),
    "replaced_by": _("Replaced by"),
    "replaces": _("Replaces"),
    "abilities": _("Abilities"),
    "signing_secret": _("Signing secret"),
    "secret": _("Secret"),
    **{f"callback:{event}": format_lazy("{}: {}", _("Callback"), event.label) for event in CallbackEvent},
}
_EMPTY: dict[str, Text] = {
    "activates_at": _("at once"),
    "expires_at": _("never"),
    "revoked_at": _("no"),
    "paused_until": _("not paused"),
    "source_networks": _("anywhere"),
    "caretaker": _("nobody"),
}
_ABILITY_LABELS: dict[str, Text] = {ability.key: ability.label for ability in ABILITIES}
_MOMENTS = frozenset({"activates_at", "expires_at", "revoked_at", "paused_until"})


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as a person reads it; a moment is left to the template, which knows the viewer's zone."""

    text: str
    moment: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    label: str
    old: Shown
    new: Shown


def ability_label(key: str) -> str:
    """The ability's label; of one that the catalogue no longer has, its key."""
    return str(_ABILITY_LABELS.get(key, key))


def ability_labels(keys: Sequence[str]) -> list[str]:
    """In the catalogue's order."""
    return [str(label) for key, label in _ABILITY_LABELS.items() if key in keys]


def ability_summary(keys: Sequence[str]) -> str:
    """The abilities in a few words: none, one or two by name, all, or how many."""
    labels = ability_labels(keys)
    if not labels:
        return gettext("None")
    if len(labels) <= 2:
        return ", ".join(labels)
    if len(labels) == len(ABILITIES):
        return gettext("All %(count)s") % {"count": len(labels)}
    return gettext("%(first)s and %(count)s more") % {"first": labels[0], "count": len(labels) - 1}


def field_label(field: str) -> str:
    if field.startswith("ability:"):
        return ability_label(field.removeprefix("ability:"))
    return str(_FIELD_LABELS.get(field, field))


def changes_of(event: TokenEvent) -> list[Change]:
    """What `event` recorded, each field's old and new value in words."""
    return [
        Change(field_label(c["field"]), shown(c["field"], c["old"]), shown(c["field"], c["new"])) for c in event.changes
    ]


def shown(field: str, text: str) -> Shown:
    """The recorded `text` of `field` as a person reads it."""
    if not text:
        if field == "requests_per_minute":
            return Shown(gettext("the default, %(rate)s") % {"rate": settings.DEFAULT_REQUESTS_PER_MINUTE})
        return Shown(str(_EMPTY.get(field, _("none"))))
    if field in _MOMENTS:
        try:
            return Shown(text, datetime.fromisoformat(text))
        except ValueError:
            return Shown(text)
    if field == "secret":
        return Shown(gettext("issued by another server"))
    if field == "is_on" or field.startswith("ability:"):
        return Shown({"on": gettext("on"), "off": gettext("off")}.get(text, text))
    return Shown(text)


def status_reason(token: Token) -> Text:
    """One sentence on why the token is refused, or will be; empty while it simply works, or ends as it was meant to."""
    if token.status == Status.EXPIRING and token.replaced_by_id:
        return ""
    return {
        Status.REVOKED: _("This token was revoked: every call is refused, and nothing can be changed any more."),
        Status.DISABLED: _("This token is switched off: every call is refused until it is switched on again."),
        Status.PAUSED: _(
            "Revoking this token is being rehearsed: every call is refused, and it works again by itself."
        ),
        Status.EXPIRED: _("This token has expired: every call is refused. A later expiration makes it work again."),
        Status.SCHEDULED: _("This token does not work yet: calls are refused until its activation."),
        Status.EXPIRING: _("This token expires within 30 days. Rotate it, or choose a later expiration."),
    }.get(token.status, "")


_EXPLANATIONS: dict[str, Text] = {
    "unauthorized": _("The call showed no token that works."),
    "token_missing": _("The call carried no token. The program must send the header “Authorization: Bearer …”."),
    "token_malformed": _(
        "What the call carried is no token: it was cut short or mistyped. Copy the secret again, whole."
    ),
    "token_unknown": _("The secret is wrong, or its token was deleted. Check which secret the program uses."),
    "token_not_active_yet": _("The token's activation was still to come."),
    "token_expired": _("The token had expired. Choose a later expiration, or generate a new token."),
    "token_disabled": _("The token was switched off."),
    "token_paused": _("Revoking the token was being rehearsed for five minutes; it works again by itself."),
    "token_revoked": _("The token was revoked, which can't be undone. The program needs a new one."),
    "pro_inactive": _("The workspace's Pro was off or over, so every call is refused."),
    "source_refused": _("The call came from an address outside the token's source networks."),
    "ability_missing": _("The token lacks the ability that this call needs."),
    "rate_limit_exceeded": _("The program called more often a minute than it may. It can try again a little later."),
    "endpoint_unknown": _("There is no such address. The program's base URL or path is mistyped."),
    "method_not_allowed": _("The address exists, but not for this method, such as GET in place of POST."),
    "body_too_large": _("The request was too large. The program must send less at a time."),
    "media_type_unsupported": _(
        "The request was not plain JSON. The program must send “Content-Type: application/json”, and compress nothing."
    ),
    "body_invalid": _("Something in the request was missing or of the wrong kind; the answer below says what."),
    "token_in_body": _("The request's body contained a token's secret, which is never stored or sent on."),
    "idempotency_key_invalid": _("The request's Idempotency-Key was empty, too long, or had unusual characters."),
    "idempotency_key_reused": _("The same Idempotency-Key was sent with a different request. Each needs its own."),
    "idempotency_key_in_flight": _("The first request with this Idempotency-Key was still running."),
    "user_not_found": _("The user that the request names is not a member of this workspace."),
    "user_missing": _("The request names no user, and the token has no user aliases."),
    "topic_missing": _("The request names no topic, and the token has no topic anchor."),
    "topic_type_invalid": _("The request's topic has an unknown type. The types are persona, group and mass."),
    "recipients_missing": _("The request names nobody to send to."),
    "recipients_too_many": _("The request names more recipients than one message may have."),
    "persona_topic_recipients_too_many": _("A topic with one person can have only that one recipient."),
    "group_topic_recipients_too_many": _("A group topic can have only one recipient, the group itself."),
    "recipient_without_contact": _("A recipient has no contact, so there is no address to send to."),
    "recipient_ambiguous": _("One recipient's contacts belong to two different personas."),
    "recipient_repeated": _("The same recipient stands in the request twice."),
    "contact_type_invalid": _("A contact has a type that does not exist."),
    "contact_key_invalid": _("A contact's number or address is not a valid one."),
    "internal_error": _(
        "Something went wrong on our side. The server's own log has the details under this request id."
    ),
}


def explanation(*, status: int, code: str, answer: str = "") -> str:
    """What the answer means, for someone who does not write programs; else the sentence that the answer itself says."""
    if text := _EXPLANATIONS.get(code):
        return str(text)
    if status < 400:
        return gettext("The call worked.")
    if status >= 500:
        return str(_EXPLANATIONS["internal_error"])
    return _sentence_of(answer) or gettext("The call was refused; the answer below says why.")


def _sentence_of(answer: str) -> str:
    """The first error message of an answer in JSON; empty when it has none."""
    try:
        return str(json.loads(answer)["errors"][0]["message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""


def pill_of_http_status(status: int) -> str:
    if status < 400:
        return "good"
    return "warn" if status < 500 else "bad"
