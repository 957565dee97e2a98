"""The contract between the outbox and whatever carries deliveries to a kind of destination.

A platform registers its carrier when the server starts. The outbox asks it what must leave because of something that
happened, and later hands it one delivery at a time; it never opens a transaction around that.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, Protocol

from django.db.models import QuerySet
from django.utils import timezone

from delivery.models import Attempt, Delivery, Destination
from raven_admin.masking import masked, masked_headers

MAX_BODY_CHARACTERS = 16_000
"""Kept of a request's or an answer's body."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """It arrived."""

    remote_id: str = ""


@dataclass(frozen=True, slots=True)
class Temporary:
    """It did not arrive, and may later: the destination is away, too busy, or asks us to slow down."""

    code: str
    """Stable, as `connection_refused` or `http_503`; deliveries are looked for by it."""
    reason: str
    """A sentence for people."""
    retry_after: timedelta | None = None
    """What the destination asked for; see `delivery.backoff.parse_retry_after`."""
    again_after: timedelta | None = None
    """By the carrier's own schedule, which also knows when to give up; None: by the outbox's."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It did not arrive, and will not unless somebody changes something."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It was sent, and nobody can know whether it arrived.

    The outbox sends it again by itself when the carrier says that it is repeatable, and else leaves it to people.
    """

    code: str
    reason: str


Outcome = Delivered | Temporary | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something happened in a workspace that may have to leave."""

    workspace_id: int
    kind: str
    """As `persona.created`, `persona.changed`, `persona.deleted`, `message.sent`, `token.configured`."""
    subject_id: int
    """Of the persona, message or token."""
    at: datetime
    actor_label: str = ""
    request_id: str = ""
    changes: Sequence[tuple[str, str, str]] = ()
    """Field, old, new; see `PersonaChange.field`."""
    change_ids: Sequence[int] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    came_from: int | None = None
    """The destination that told us; it is not told in turn."""


@dataclass(frozen=True, slots=True)
class DeliveryDraft:
    """What a carrier wants to leave for a destination; see the fields of `Delivery`."""

    because_of: Occurrence
    lane: str
    kind: str
    payload: Mapping[str, Any]
    merge: Delivery.Merge = Delivery.Merge.NONE
    fields: Sequence[str] = ()
    persona_id: int | None = None
    recipient_id: int | None = None
    token_id: int | None = None


class Carrier(Protocol):
    """What knows how to reach one kind of destination."""

    def route(self, destination: Destination, occurrences: Sequence[Occurrence]) -> Iterable[DeliveryDraft]:
        """What must leave for `destination` because of `occurrences`, in their order.

        In the transaction of the change, so no calls; an import announces hundreds of people at once.
        """
        ...

    def carry(self, parcel: "Parcel") -> Outcome:
        """Carries it out. Raises nothing for what a destination may do."""
        ...

    def is_repeatable(self, delivery: Delivery) -> bool:
        """Whether sending it twice does no more than sending it once.

        So it is when the destination honours the delivery's idempotency key, and when the call is one that sets values.
        """
        ...

    def check(self, parcel: "Parcel") -> Delivered | Refused | None:
        """Whether a delivery of unknown outcome arrived (Refused: it did not); None when that can't be found out."""
        ...


Existing = Callable[[Destination], QuerySet[Any]]
"""What the destination's workspace has and is to be known there."""
_carriers: dict[str, Carrier] = {}
_existing: dict[str, Existing] = {}


def register(kind: str, carrier: Carrier) -> None:
    """Destinations of this kind are reached by `carrier`."""
    _carriers[kind] = carrier


def register_existing(what: str, find: Existing) -> None:
    """All of `what` (`outbox.TOKENS` or `outbox.PERSONAS`) can be sent to a destination: `find` says what that is."""
    _existing[what] = find


def existing(what: str, destination: Destination) -> QuerySet[Any]:
    """What there is of it, whether `destination` was ever told or not."""
    return _existing[what](destination)


def carrier_of(destination: Destination) -> Carrier:
    return _carriers[destination.kind]


class NotAnswered(Exception):
    """Leaves a `Parcel.call` without an answer; its text, a sentence for people, is kept as the call's problem."""


class Call:
    """A call under way: say what was answered."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.body: str | bytes = ""

    def answered(self, *, status: int, headers: Mapping[str, str], body: str | bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


class Parcel:
    """One delivery in a carrier's hands."""

    def __init__(
        self,
        delivery: Delivery,
        destination: Destination,
        *,
        before_call: Callable[[], None] = lambda: None,
        after_step: Callable[[dict[str, str]], None] = lambda _steps: None,
    ) -> None:
        """`before_call` and `after_step` store what a worker that takes over must know."""
        self.delivery, self.destination = delivery, destination
        self.calls: list[Attempt] = []
        self._secrets: tuple[str, ...] = ()
        self.steps: dict[str, str] = dict(delivery.steps)
        """What finished steps gave, those of earlier attempts too. Ask it before each step."""
        self.is_in_doubt = False
        """Whether a call went out whose answer has not come."""
        self._before_call, self._after_step = before_call, after_step

    @property
    def idempotency_key(self) -> str:
        """The same in each attempt. For one step of several: append `:` and the step's name."""
        return str(self.delivery.idempotency_key)

    def hide(self, *secrets: str) -> None:
        """Nothing that is kept of the calls shows these; headers that carry credentials are masked anyway."""
        self._secrets += secrets

    def finish_step(self, name: str, remote_id: str) -> None:
        """Every further attempt knows that this step is done, even when this process is killed now."""
        self.steps[name] = remote_id
        self.is_in_doubt = False
        self._after_step(self.steps)

    def forget_steps(self) -> None:
        """A further attempt begins with the first step."""
        self.steps.clear()
        self.delivery.steps = {}

    @contextmanager
    def call(
        self, *, method: str, url: str, headers: Mapping[str, str], body: str | bytes | None = None, step: str = ""
    ) -> Iterator[Call]:
        """Put each call into one of these, so that it is kept with its answer and the time it took.

        An error that leaves the block is kept as its problem, and goes on.
        """
        self._before_call()
        self.is_in_doubt = True
        call, problem, begun = Call(), "", perf_counter()
        happened_at = timezone.now()
        try:
            yield call
        except NotAnswered as reason:
            problem = str(reason)
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            raise
        finally:
            if call.status is not None:
                self.is_in_doubt = False
            self.calls.append(
                Attempt(
                    delivery=self.delivery,
                    number=self.delivery.attempt_count + 1,
                    step=step,
                    method=method,
                    url=masked(url, self._secrets)[:2000],
                    request_headers=masked_headers(_kept(headers), self._secrets),
                    request_body=masked(_shown(body), self._secrets),
                    status=call.status,
                    response_headers=masked_headers(_kept(call.headers), self._secrets),
                    response_body=masked(_shown(call.body), self._secrets),
                    milliseconds=round((perf_counter() - begun) * 1000),
                    outcome=Attempt.Outcome.NO_ANSWER if call.status is None else Attempt.Outcome.ANSWERED,
                    problem=masked(problem, self._secrets)[:500],
                    happened_at=happened_at,
                )
            )


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """As texts, without what PostgreSQL keeps in none."""
    return {name: str(value).replace("\x00", "") for name, value in headers.items()}


def _shown(body: str | bytes | None) -> str:
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    text = text.replace("\x00", "\N{SYMBOL FOR NULL}")  # which PostgreSQL keeps in no text
    return text if len(text) <= MAX_BODY_CHARACTERS else f"{text[:MAX_BODY_CHARACTERS]}…"
