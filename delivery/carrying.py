"""Carrying one claim: each delivery in turn into its carrier's hands, with no transaction open while a call is out."""

import logging
from collections.abc import Callable
from datetime import timedelta
from time import monotonic, sleep

import msgspec
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import log_context
from delivery import breaker
from delivery.carriers import Outcome, Parcel, Temporary, Unknown, carrier_of
from delivery.claims import Claim
from delivery.models import Delivery
from delivery.settling import Result, settle
from raven_admin.statements import Statement

log = logging.getLogger(__name__)

SETTLE_EVERY = timedelta(milliseconds=250)
"""Outcomes of repeatable deliveries are stored together; nobody on a screen waits longer than this for them."""
STORE_AGAIN_AFTER = timedelta(seconds=1)

_BEFORE_CALL = Statement(
    "UPDATE delivery_delivery SET calling_at = %s WHERE id = %s AND lease = %s AND state = 'sending' RETURNING id"
)
_AFTER_STEP = Statement("""
    UPDATE delivery_delivery SET steps = %s, calling_at = NULL
     WHERE id = %s AND lease = %s AND state = 'sending' RETURNING id
""")


class LeaseLost(Exception):
    """Another worker has taken the delivery over; this one must keep its hands off."""


class Carrying:
    """One claim on its way."""

    def __init__(self, claim: Claim, *, lease_ends_at: Callable[[], float], is_stopping: Callable[[], bool]) -> None:
        """`lease_ends_at` is on the clock of `time.monotonic`."""
        self.claim, self.carrier = claim, carrier_of(claim.destination)
        self._lease_ends_at, self._is_stopping = lease_ends_at, is_stopping
        self._unsettled: list[Result] = []
        self._settled_at = monotonic()
        self._failures = claim.destination.consecutive_failures

    def run(self) -> int:
        """Every delivery of the claim has been tried, or waits again; returns how many were tried."""
        tried = 0
        held_lanes: set[str] = set()
        is_paused = False
        for delivery in self.claim.deliveries:
            if is_paused or delivery.lane in held_lanes or self._is_stopping():
                self._unsettled.append(Result(delivery, None))
                continue
            is_repeatable = self.carrier.is_repeatable(delivery)
            with log_context.noting(**_named(delivery)):
                outcome = self._carry(delivery, is_repeatable=is_repeatable)
            tried += 1
            if isinstance(outcome, Temporary):
                held_lanes.add(delivery.lane)
            is_paused = self._is_paused_by(outcome)
            if not is_repeatable or monotonic() - self._settled_at >= SETTLE_EVERY.total_seconds():
                self._settle()
        self._settle()
        return tried

    def _carry(self, delivery: Delivery, *, is_repeatable: bool) -> Outcome:
        parcel = Parcel(
            delivery,
            self.claim.destination,
            before_call=lambda: self._before_call(delivery, is_repeatable=is_repeatable),
            after_step=lambda steps: self._after_step(delivery, steps),
        )
        try:
            outcome = self.carrier.carry(parcel)
        except LeaseLost:
            outcome = Temporary("lease_lost", _("Another worker has taken this over."))
        except Exception as error:  # a carrier's own fault: recorded, and the other deliveries go on
            log.exception("The carrier of %s failed at delivery %s.", self.claim.destination.kind, delivery.pk)
            outcome = _of_a_fault(error, parcel)
        if isinstance(outcome, Unknown) and is_repeatable:
            outcome = Temporary(outcome.code, outcome.reason)
        self._unsettled.append(Result(delivery, outcome, parcel.calls, parcel.steps))
        return outcome

    def _before_call(self, delivery: Delivery, *, is_repeatable: bool) -> None:
        if monotonic() >= self._lease_ends_at():
            raise LeaseLost
        if not is_repeatable and not _BEFORE_CALL.rows(timezone.now(), delivery.pk, self.claim.lease):
            raise LeaseLost

    def _after_step(self, delivery: Delivery, steps: dict[str, str]) -> None:
        if not _AFTER_STEP.rows(msgspec.json.encode(steps).decode(), delivery.pk, self.claim.lease):
            raise LeaseLost

    def _is_paused_by(self, outcome: Outcome) -> bool:
        """Whether the destination is to be left alone from now on, so that what is left of the claim waits."""
        if not isinstance(outcome, Temporary | Unknown):
            self._failures = 0
            return False
        self._failures += 1
        asked = outcome.retry_after if isinstance(outcome, Temporary) else None
        return bool(asked) or breaker.is_probing(self._failures)

    def _settle(self) -> None:
        results, self._unsettled = self._unsettled, []
        self._settled_at = monotonic()
        if results:
            stored = self._store(results)
            if stored < len(results):
                log.warning("%d deliveries were taken over by another worker.", len(results) - stored)

    def _store(self, results: list[Result]) -> int:
        """What became of them is stored, however long the database is away, as long as they are ours."""
        while True:
            try:
                return settle(self.claim, results, now=timezone.now())
            except (OperationalError, InterfaceError):
                if monotonic() >= self._lease_ends_at():
                    raise
                log.exception("What became of %d deliveries could not be stored yet.", len(results))
                connection.close()
                sleep(STORE_AGAIN_AFTER.total_seconds())


def _named(delivery: Delivery) -> dict[str, str | int | None]:
    """How the log names it: by the call that it came from, if it came from one."""
    return {
        "request_id": delivery.request_id or None,
        "workspace_id": delivery.workspace_id,
        "destination_id": delivery.destination_id,
        "delivery_id": delivery.pk,
    }


def _of_a_fault(error: Exception, parcel: Parcel) -> Outcome:
    reason = _("Raven Admin could not carry it: %(error)s. Its log has the details.") % {"error": type(error).__name__}
    return Unknown("fault", reason) if parcel.is_in_doubt else Temporary("fault", reason)
