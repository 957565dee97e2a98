"""Where something has arrived, in words: what the pages of people and tokens show of it, and keep asking for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext

from accounts.access import may
from accounts.roles import Action
from delivery.console.words import FIELDS_OF_TOKENS
from delivery.models import Delivery
from delivery.states import State
from personas.console.words import Words
from personas.models import AttributeDefinition, AttributeType, Persona, PersonaChange
from platforms.arrivals import Place, arrivals_of_persona, arrivals_of_token
from tokens.models import Token

_POLL_FAST_MS, _POLL_SLOWLY_MS = 700, 5000
_BEHIND_SHOWN = 3
NOT_FOR_ITS_VALUES = frozenset({"http_401", "http_402", "http_403", "address_refused", "secret_unreadable"})


@dataclass(frozen=True, slots=True)
class ShownDelivery:
    delivery: Delivery
    fields: list[tuple[str, str]]
    """Label of each field that it carries, and the id of the control that changes it ("" for none)."""
    url: str
    """Its page in the monitor."""
    leaves: str
    """When, of one that waits; "" when that is its own time."""

    @property
    def is_about_connection(self) -> bool:
        """Whether it was refused for the connection's sake, so that another value would not help."""
        return self.delivery.code in NOT_FOR_ITS_VALUES


@dataclass(frozen=True, slots=True)
class ShownPlace:
    place: Place
    undelivered: list[ShownDelivery]
    behind: int
    """How many more wait behind those; 0 when they are few enough to be shown."""
    arrived: ShownDelivery | None
    given_up: list[ShownDelivery]
    drifted: list[str]
    """Labels of the fields that differed when the record was last read back."""


def persona_context(request: HttpRequest, persona: Persona) -> dict[str, Any]:
    places = arrivals_of_persona(workspace_id=persona.workspace_id, persona_id=persona.pk, at=timezone.now())
    words = _PersonWords(persona) if places else None
    shown = [_shown(place, words.fields, words.label) for place in places] if words else []
    return _context(
        request, shown, workspace=persona.workspace, write_action=Action.PERSONA_WRITE,
        status_url=reverse("admin:platforms_person_arrivals", args=[persona.pk]),
        deed_url="admin:platforms_person_deed", send_url="admin:platforms_person_send", subject=persona,
        page=reverse("admin:personas_persona_change", args=[persona.pk]),
    )  # fmt: skip


def token_context(request: HttpRequest, token: Token) -> dict[str, Any]:
    places = arrivals_of_token(token=token, at=timezone.now())
    return _context(
        request, [_shown(place, _fields_of_token, str) for place in places], workspace=token.workspace,
        write_action=Action.TOKEN_WRITE, status_url=reverse("admin:platforms_token_arrivals", args=[token.pk]),
        deed_url="admin:platforms_token_deed", send_url="admin:platforms_token_send", subject=token,
        page=reverse("admin:tokens_token_change", args=[token.pk]),
    )  # fmt: skip


def _context(
    request: HttpRequest, shown: Sequence[ShownPlace], *, workspace: Any, write_action: Action, **context: Any
) -> dict[str, Any]:
    places = [each.place for each in shown]
    is_moving = any(place.is_moving for place in places)
    is_settled = all(place.is_settled for place in places)
    return {
        "request": request,
        "places": shown,
        "poll_ms": _POLL_FAST_MS if is_moving else "" if is_settled else _POLL_SLOWLY_MS,
        "is_settled": is_settled,
        "fingerprint": ",".join(
            f"{d.pk}:{d.state}:{d.attempt_count}:{d.due_at:%H%M%S}"
            for place in places
            for d in [*place.undelivered, *filter(None, [place.arrived])]
        )
        + "".join(place.waits_because[:12] for place in places),
        "spoken": " ".join(f"{place.connection.name}: {place.label}." for place in places if place.state),
        "may_write": may(request.user, write_action, workspace),
        "may_connect": may(request.user, Action.WORKSPACE_WRITE, workspace),
        "is_token": write_action == Action.TOKEN_WRITE,
        **context,
    }


def _shown(place: Place, fields: Any, label: Any) -> ShownPlace:
    def showing(delivery: Delivery) -> ShownDelivery:
        return ShownDelivery(delivery, fields(delivery), _monitor_url(delivery), _leaves(delivery, place))

    behind = [delivery for delivery in place.undelivered if _is_behind(delivery, place)]
    hidden = behind if len(behind) > _BEHIND_SHOWN else []
    return ShownPlace(
        place,
        [showing(delivery) for delivery in place.undelivered if delivery not in hidden],
        len(hidden),
        showing(place.arrived) if place.arrived else None,
        [showing(delivery) for delivery in place.given_up],
        [label(field) for field in place.link.drifted_fields] if place.link else [],
    )


def _leaves(delivery: Delivery, place: Place) -> str:
    if _is_behind(delivery, place):
        return gettext("leaves with the one before it, or after it")
    if delivery.due_at > place.at:
        return ""
    return gettext("waits") if place.waits_because else gettext("leaves in a moment")


def _is_behind(delivery: Delivery, place: Place) -> bool:
    """Whether it waits for an earlier one, which it leaves with or after."""
    if delivery.state != State.WAITING:
        return False
    is_under_way = {State.WAITING, State.SENDING}
    return any(other.pk < delivery.pk and other.state in is_under_way for other in place.undelivered)


class _PersonWords:
    """What the fields of one person are called, and by which control each is changed."""

    def __init__(self, persona: Persona) -> None:
        definitions = list(AttributeDefinition.objects.filter(workspace=persona.workspace_id))
        self._words = Words(definitions)
        self._booleans = {f"attribute:{d.key}" for d in definitions if d.type == AttributeType.BOOLEAN}
        self._contacts: dict[str, int] = {}
        for contact in persona.contacts.all():
            self._contacts.setdefault(contact.type, contact.pk)

    def label(self, field: str) -> str:
        return self._words.label(PersonaChange(field=field))

    def fields(self, delivery: Delivery) -> list[tuple[str, str]]:
        if delivery.kind == "persona.deleted":
            return [(gettext("Deletion"), "")]
        return [(self.label(field), self._control(field)) for field in delivery.fields if not _is_label(field)]

    def _control(self, field: str) -> str:
        kind, _colon, detail = field.partition(":")
        if kind == "contact":
            return f"id_contact-{self._contacts[detail]}-key" if detail in self._contacts else ""
        return f"id_{field.replace(':', '-', 1)}{'_0' if field in self._booleans else ''}"


def _is_label(field: str) -> bool:
    return field.startswith("contact_label:")


def _fields_of_token(delivery: Delivery) -> list[tuple[str, str]]:
    if delivery.kind == "token.revoked":
        return [(gettext("Revocation"), "")]
    if len(delivery.fields) >= len(FIELDS_OF_TOKENS):
        return [(gettext("The whole configuration"), "")]
    return [(str(FIELDS_OF_TOKENS.get(field, field)), f"id_{field}") for field in delivery.fields]


def _monitor_url(delivery: Delivery) -> str:
    try:
        return reverse("admin:delivery_delivery_change", args=[delivery.pk])
    except NoReverseMatch:  # the monitor shows no page of it
        return ""
