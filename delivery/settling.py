"""Writing down what became of deliveries that were claimed, in one transaction for many."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import transaction
from django.utils.translation import gettext as _

from delivery import books, breaker
from delivery.backoff import backoff
from delivery.carriers import Delivered, Outcome, Refused, Temporary, Unknown
from delivery.claims import Claim
from delivery.following import tell
from delivery.models import Attempt, Delivery, Destination
from delivery.outbox import FORGOTTEN
from delivery.states import State
from raven_admin.statements import Statement

GIVE_UP_AFTER = timedelta(days=3)
GIVE_UP_ATTEMPTS = 10
"""One that was tried so often, for so long, waits for a person instead."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one delivery; `outcome` None: it was not tried, and waits again."""

    delivery: Delivery
    outcome: Outcome | None
    calls: Sequence[Attempt] = ()
    steps: dict[str, str] = field(default_factory=dict)


_HELD = Statement(
    sqlite="SELECT id, code FROM delivery_delivery WHERE state = 'sending' AND lease = %s",
    postgresql="SELECT id, code FROM delivery_delivery WHERE state = 'sending' AND lease = %s FOR NO KEY UPDATE",
)
_SETTLE = Statement("""
    UPDATE delivery_delivery
       SET state = %s, attempt_count = %s, due_at = %s, lease = '', leased_until = NULL, calling_at = NULL, steps = %s,
           remote_id = %s, code = %s, problem = %s, settled_at = %s
     WHERE id = %s
""")
_HOLD_LANE = Statement("""
    UPDATE delivery_delivery SET due_at = %(until)s
     WHERE destination_id = %(destination_id)s AND lane = %(lane)s
       AND state IN ('waiting', 'sending', 'refused', 'unknown') AND state = 'waiting' AND due_at < %(until)s
""")
_ATTEMPT_COLUMNS = (
    "delivery_id", "number", "step", "method", "url", "request_headers", "request_body", "status", "response_headers",
    "response_body", "milliseconds", "outcome", "problem", "happened_at",
)  # fmt: skip
_ADD_ATTEMPT = Statement(
    f"INSERT INTO delivery_attempt ({', '.join(_ATTEMPT_COLUMNS)})"  # noqa: S608 - nothing of a caller's is in the text
    f" VALUES ({', '.join(['%s'] * len(_ATTEMPT_COLUMNS))})"
)


@dataclass(slots=True)
class _Row:
    """What a delivery becomes."""

    state: State
    due_at: datetime
    code: str = ""
    problem: str = ""
    remote_id: str = ""
    attempts: int = 1


@transaction.atomic
def settle(claim: Claim, results: Sequence[Result], *, now: datetime) -> int:
    """What became of them is stored; returns how many, fewer when the lease was lost and another carries them now."""
    # The destination's row comes first, as in a claim, or the two could wait for each other.
    pause = _note_health(claim, results, now=now)
    held: dict[int, str] = dict(_HELD.rows(claim.lease))
    forgotten = {pk: code for pk, code in held.items() if code in FORGOTTEN}
    ours = [result for result in results if result.delivery.pk in held]
    rows = [_row(result, pause, forgotten.get(result.delivery.pk), now=now) for result in ours]
    _SETTLE.run_each([_parameters(result, row, now=now) for result, row in zip(ours, rows, strict=True)])
    kept = [result for result in ours if result.delivery.pk not in forgotten]
    _ADD_ATTEMPT.run_each([_attempt(call) for result in kept for call in _calls(result, now=now)])
    tally: books.Tally = Counter()
    for result, row in zip(ours, rows, strict=True):
        books.note_move(tally, claim.destination.pk, State.SENDING, row.state)
        if isinstance(result.outcome, Temporary) and row.state == State.WAITING:
            _HOLD_LANE.run(destination_id=claim.destination.pk, lane=result.delivery.lane, until=row.due_at)
    books.enter(tally)
    tell((result.delivery, row.state, row.problem) for result, row in zip(ours, rows, strict=True))
    return len(ours)


def _row(result: Result, pause: timedelta, forgotten: str | None, *, now: datetime) -> _Row:
    """`pause` is the breaker's: then the destination fails, and everything goes out as soon as it is back.

    `forgotten` is the code under which it was erased meanwhile.
    """
    delivery, outcome = result.delivery, result.outcome
    if isinstance(outcome, Delivered):
        return _Row(State.DELIVERED, delivery.due_at, remote_id=outcome.remote_id)
    if forgotten is not None:
        attempts = 0 if outcome is None else 1
        return _Row(State.CANCELLED, delivery.due_at, forgotten, remote_id=delivery.remote_id, attempts=attempts)
    if outcome is None:
        return _Row(State.WAITING, delivery.due_at, delivery.code, delivery.problem, delivery.remote_id, attempts=0)
    code, reason = outcome.code[:60], outcome.reason[:500]
    if isinstance(outcome, Temporary):
        attempts = delivery.attempt_count + 1
        is_old = attempts >= GIVE_UP_ATTEMPTS and now - delivery.created_at > GIVE_UP_AFTER
        if is_old and not pause and outcome.again_after is None:
            reason = (
                _("Given up after %(count)d attempts. The last one: %(reason)s") % {"count": attempts, "reason": reason}
            )[:500]
            return _Row(State.REFUSED, delivery.due_at, code, reason, delivery.remote_id)
        own = outcome.again_after if outcome.again_after is not None else pause or backoff(attempts)
        wait = max(own, outcome.retry_after or timedelta(0))
        return _Row(State.WAITING, now + wait, code, reason, delivery.remote_id)
    state = State.REFUSED if isinstance(outcome, Refused) else State.UNKNOWN
    return _Row(state, delivery.due_at, code, reason, delivery.remote_id)


def _parameters(result: Result, row: _Row, *, now: datetime) -> tuple[Any, ...]:
    delivery = result.delivery
    return (
        row.state.value, delivery.attempt_count + row.attempts, row.due_at,
        msgspec.json.encode(result.steps or delivery.steps).decode(), row.remote_id[:255], row.code, row.problem,
        None if row.state == State.WAITING else now, delivery.pk,
    )  # fmt: skip


def _calls(result: Result, *, now: datetime) -> Sequence[Attempt]:
    """An attempt that made no call is kept as well."""
    if result.calls or result.outcome is None or isinstance(result.outcome, Delivered):
        return result.calls
    number, problem = result.delivery.attempt_count + 1, result.outcome.reason[:500]
    return [
        Attempt(
            delivery=result.delivery,
            number=number,
            outcome=Attempt.Outcome.NOT_SENT,
            problem=problem,
            happened_at=now,
        )
    ]


def _attempt(call: Attempt) -> tuple[Any, ...]:
    headers = [msgspec.json.encode(each).decode() for each in (call.request_headers, call.response_headers)]
    return (
        call.delivery_id, call.number, call.step, call.method, call.url, headers[0], call.request_body, call.status,
        headers[1], call.response_body, call.milliseconds, str(call.outcome), call.problem, call.happened_at,
    )  # fmt: skip


def _note_health(claim: Claim, results: Sequence[Result], *, now: datetime) -> timedelta:
    """The destination knows how it answered lately, and is left alone when it asked for it or fails again and again.

    Returns for how long because it fails; nothing while the breaker is closed.
    """
    outcomes = [result.outcome for result in results if result.outcome is not None]
    extra_calls = sum(max(len(result.calls) - 1, 0) for result in results)
    if not outcomes:
        if claim.is_probe:
            Destination.objects.filter(pk=claim.destination.pk).update(resumes_at=None)
        return timedelta(0)
    destination = Destination.objects.select_for_update(no_key=True).get(pk=claim.destination.pk)
    failures, asked = destination.consecutive_failures, timedelta(0)
    for outcome in outcomes:
        if isinstance(outcome, Temporary | Unknown):
            failures += 1
            asked = max(asked, getattr(outcome, "retry_after", None) or timedelta(0))
        else:
            failures = 0
    if claim.is_probe:
        destination.resumes_at = None
    pause = breaker.pause_after(failures)
    if pause or asked:
        destination.resumes_at = max(filter(None, [destination.resumes_at, now + max(pause, asked)]))
    destination.consecutive_failures = failures
    destination.level -= extra_calls
    if any(isinstance(outcome, Delivered) for outcome in outcomes):
        destination.last_delivered_at = now
    problems = [outcome.reason for outcome in outcomes if not isinstance(outcome, Delivered)]
    if problems:
        destination.last_problem_at, destination.last_problem = now, problems[-1][:500]
    destination.save(
        update_fields=[
            "resumes_at", "consecutive_failures", "level", "last_delivered_at", "last_problem_at", "last_problem",
        ]
    )  # fmt: skip
    return pause
