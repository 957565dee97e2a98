"""What the outbox asks of callbacks: what must leave for one, and to carry it there (delivery/carriers.py)."""

from collections.abc import Iterable, Sequence

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from delivery.backoff import parse_retry_after
from delivery.carriers import Delivered, DeliveryDraft, Occurrence, Outcome, Parcel, Refused, Temporary, register
from delivery.models import Delivery, Destination
from platforms.callbacks.payloads import body_of, happening_of
from platforms.callbacks.schedule import DEADLINE_S, wait_after
from platforms.callbacks.services import note_answer, switch_off
from platforms.callbacks.signing import secrets_of, signed_request
from platforms.carrying import exchange_in
from platforms.contract import PlannedCall
from platforms.encryption import SecretUnreadable
from platforms.transport import Exchange, Failure
from tokens.models import Callback, CallbackEvent, Token

GONE = 410


def kind_of(event: str) -> str:
    """Of the destination of a callback for `event`."""
    return f"callback:{event}"


class CallbackCarrier:
    """Carries what happened to the callbacks for one kind of event."""

    def __init__(self, event: CallbackEvent) -> None:
        self.event = event

    def route(self, destination: Destination, occurrences: Sequence[Occurrence]) -> Iterable[DeliveryDraft]:
        """To a token that works, or will: a program whose token was revoked is told nothing any more."""
        found = [(occurrence, happening_of(occurrence)) for occurrence in occurrences]
        news = [(why, what) for why, what in found if what is not None and what.event == self.event]
        if not news:
            return
        now = timezone.now()
        live = Q(expires_at=None) | Q(expires_at__gt=now)
        if self.event == CallbackEvent.TOKEN_EXPIRING:  # which concerns that token alone, and its end too
            live = Q(pk__in=[occurrence.subject_id for occurrence, _what in news])
        told = Token.objects.filter(live, callbacks__destination=destination, is_on=True, revoked_at=None).first()
        if told is None:
            return
        for occurrence, happening in news:
            if self.event != CallbackEvent.TOKEN_EXPIRING or occurrence.subject_id == told.pk:
                yield happening.draft(because_of=occurrence)

    def carry(self, parcel: Parcel) -> Outcome:
        callback = Callback.objects.filter(destination=parcel.destination).first()
        if callback is None:
            return Refused("callback_removed", _("The callback was removed before this was sent."))
        if callback.off_because:  # while others of the same claim were on their way
            wait = wait_after(1)
            return Temporary("callback_off", str(callback.get_off_because_display()), again_after=wait)
        now = timezone.now()
        try:
            secrets = secrets_of(callback.token_id, at=now)
        except SecretUnreadable as problem:
            return Refused(problem.code, str(problem))
        payload = parcel.delivery.payload
        body = body_of(self.event, payload)
        if body is None or not secrets:
            return Refused("deleted_here", _("What it is about was deleted here before this was sent."))
        parcel.hide(*secrets)
        request = signed_request(url=callback.url, id=payload["id"], body=body, secrets=secrets, at=now)
        done = exchange_in(parcel, PlannedCall("event", "POST", ""), request, deadline_s=DEADLINE_S)
        outcome = outcome_of(done, attempt=parcel.delivery.attempt_count + 1)
        note_answer(callback, arrived=isinstance(outcome, Delivered), at=now)
        if done.status == GONE:
            switch_off(callback=callback, because=Callback.Off.GONE, at=now)
        return outcome

    def is_repeatable(self, delivery: Delivery) -> bool:
        """A receiver knows a repetition by its `webhook-id`."""
        return True

    def check(self, parcel: Parcel) -> Delivered | Refused | None:
        """There is nothing to ask."""
        return None


def problem_of(done: Exchange) -> tuple[str, str]:
    """What is wrong with an answer, as a stable code and a sentence; two empty texts when nothing is."""
    if done.status is None or done.failure is not None:
        code = {Failure.ADDRESS: "address_refused", Failure.NOT_SENT: "not_sent"}.get(
            done.failure or Failure.NO_ANSWER, "no_answer"
        )
        return code, done.problem
    if 200 <= done.status < 300:
        return "", ""
    code = f"http_{done.status}"
    if 300 <= done.status < 400:
        return code, _("It answered %(status)d: redirects are not followed. Give its final address.") % {
            "status": done.status
        }
    if done.status == GONE:
        return code, _("It answered 410 Gone, which means: send nothing any more.")
    return code, _("It answered %(status)d; any answer from 200 to 299 means that it arrived.") % {
        "status": done.status
    }


def outcome_of(done: Exchange, *, attempt: int) -> Outcome:
    """What that attempt came to, by the rules of Standard Webhooks."""
    code, reason = problem_of(done)
    if not code:
        return Delivered()
    wait = wait_after(attempt)
    if done.status == GONE or done.failure == Failure.ADDRESS:
        return Refused(code, reason)
    if wait is None:
        return Refused(code, _("Given up after %(count)d attempts. %(reason)s") % {"count": attempt, "reason": reason})
    asked = parse_retry_after(done.headers.get("retry-after"), now=timezone.now())
    return Temporary(code, reason, retry_after=asked, again_after=wait)


def register_callbacks() -> None:
    for event in CallbackEvent:
        register(kind_of(event), CallbackCarrier(event))
