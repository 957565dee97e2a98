"""One delivery in words: why it stands where it stands, and what may be done about it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.utils.translation import gettext

from accounts.language import retold
from delivery import beats
from delivery.console import words
from delivery.console.mentions import directory
from delivery.models import Attempt, Delivery, Intervention
from delivery.states import MOVES, State

ATTEMPTS_A_PAGE = 20
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the delivery stands, as a callout."""

    level: str
    icon: str
    title: str
    text: str = ""
    moment: datetime | None = None
    """Shown behind the text."""
    link: Delivery | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """A button."""

    name: str
    label: str
    icon: str
    style: str
    help: str
    needs_confirmation: bool = False


def deeds_of(delivery: Delivery) -> list[Deed]:
    """What may be done about it now, the likeliest first."""
    state = State(delivery.state)
    cancel = Deed(
        "cancel", gettext("Cancel"), "ban", "", gettext("It will not be sent, and can't be taken up again."),
        needs_confirmation=True,
    )  # fmt: skip
    if state == State.WAITING:
        return [Deed("retry", gettext("Send now"), "send", "btn--primary", ""), cancel]
    if state == State.REFUSED:
        return [Deed("retry", gettext("Retry now"), "refresh-cw", "btn--primary", ""), cancel]
    if state == State.UNKNOWN:
        again = gettext("If it did arrive after all, it may happen there twice.")
        return [
            Deed("check", gettext("Check it"), "search", "btn--primary", ""),
            Deed("confirm", gettext("Mark as delivered"), "circle-check", "",
                 gettext("You have looked there, and it has arrived."), needs_confirmation=True),
            Deed("retry", gettext("Send again"), "refresh-cw", "", again, needs_confirmation=True),
            cancel,
        ]  # fmt: skip
    return []


def may_become(delivery: Delivery) -> bool:
    """Whether it may still change by itself, so that the page keeps an eye on it."""
    return State(delivery.state) in {State.WAITING, State.SENDING} and bool(MOVES[State(delivery.state)])


def context_of(delivery: Delivery, *, page: str, now: datetime) -> dict[str, Any]:
    """What the page of one delivery shows, in a fixed number of queries."""
    names = directory()
    people = names.people([delivery.persona_id]) if delivery.persona_id else {}
    attempts = Paginator(Attempt.objects.filter(delivery=delivery).order_by("-id"), ATTEMPTS_A_PAGE).get_page(page)
    for call in attempts:
        call.request_body, call.response_body = words.pretty(call.request_body), words.pretty(call.response_body)
    return {
        "delivery": delivery,
        "title": title_of(delivery),
        "pill": words.state_pill(delivery.state),
        "standing": standing_of(delivery, now=now),
        "carried": words.carried(delivery.payload, names.field_labels(delivery.workspace)),
        "person": people.get(delivery.persona_id) if delivery.persona_id else None,
        "connection": names.connections([delivery.destination_id]).get(delivery.destination_id),
        "causes": names.causes(delivery),
        "attempts": attempts,
        "deeds": deeds_of(delivery),
        "done": list(Intervention.objects.filter(delivery=delivery).order_by("-id")[:_SHOWN]),
        "supersedes": list(Delivery.objects.filter(superseded_by=delivery).order_by("-id")[:_SHOWN]),
        "may_become": may_become(delivery),
    }


def title_of(delivery: Delivery) -> str:
    return f"{words.kind_label(delivery.kind)} #{delivery.pk}"


def standing_of(delivery: Delivery, *, now: datetime) -> Standing:
    state = State(delivery.state)
    if state == State.WAITING:
        return _waiting(delivery, now=now)
    if state == State.SENDING:
        return Standing("info", "send", gettext("It is being sent now"))
    if state == State.DELIVERED:
        return Standing("good", "circle-check", gettext("It arrived"), moment=delivery.settled_at)
    if state == State.REFUSED:
        text = retold(delivery.problem) or gettext("The platform did not say why.")
        return Standing("bad", "circle-alert", gettext("It was refused"), text, delivery.settled_at)
    if state == State.UNKNOWN:
        text = gettext("It was sent, and nobody knows whether it arrived. Look there, or let us check.")
        said = f"{retold(delivery.problem)} {text}" if delivery.problem else text
        return Standing("warn", "triangle-alert", gettext("It may have arrived, or not"), said, delivery.settled_at)
    if state == State.SUPERSEDED:
        text = gettext("A newer one carries all that it carried:")
        newer = Delivery.objects.filter(pk=delivery.superseded_by_id).first() if delivery.superseded_by_id else None
        return Standing("info", "layers", gettext("It need not go any more"), text if newer else "", link=newer)
    return Standing("info", "ban", gettext("It was cancelled, and will not be sent"), moment=delivery.settled_at)


def _waiting(delivery: Delivery, *, now: datetime) -> Standing:
    destination = delivery.destination
    waits = gettext("It waits")
    if not destination.is_on:
        text = gettext("The connection is switched off. It leaves when the connection is switched on again.")
        return Standing("warn", "pause", waits, text)
    said = f"{retold(delivery.problem)} " if delivery.problem else ""
    if destination.resumes_at is not None and destination.resumes_at > now:
        text = gettext("%(name)s failed again and again, or asked us to slow down. It is tried again at")
        text = said + text % {"name": destination.shown_name}
        return Standing("warn", "clock", waits, text, max(destination.resumes_at, delivery.due_at))
    if delivery.due_at > now:
        return Standing(
            "warn" if said else "info", "clock", waits, said + gettext("The next attempt is at"), delivery.due_at
        )
    of_lane = Delivery.objects.filter(destination=destination, lane=delivery.lane, pk__lt=delivery.pk)
    earlier = of_lane.filter(state__in=[State.WAITING, State.SENDING]).order_by("id").first()
    if earlier is not None:
        return Standing("info", "clock", waits, gettext("One of the same lane goes first:"), link=earlier)
    if not beats.workers(now=now).alive:
        text = gettext("No worker is running. Start one with: manage.py worker")
        return Standing("bad", "circle-alert", waits, text)
    return Standing("info", "clock", waits, gettext("It leaves within a second or two."))
