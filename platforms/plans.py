"""Running a platform's plan: over HTTP, each call written down; or dry, to show what would be called."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from delivery.carriers import Refused, Temporary, Unknown
from platforms.contract import Answer, Job, Plan, PlannedCall, Platform, Trouble, Undeliverable
from platforms.transport import Exchange, Request, exchange

Send = Callable[[PlannedCall, Request], Exchange]
CALLS_SHOWN_AT_MOST = 12


@dataclass(frozen=True, slots=True)
class Ended:
    """How a plan ended: with the remote id of what it did, or with what stopped it and that call's exchange."""

    remote_id: str = ""
    trouble: Trouble | None = None
    last: Exchange | None = None


@dataclass(frozen=True, slots=True)
class PreviewedCall:
    """A call as it would be made, the credential masked."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str


def run(plan: Plan, *, platform: Platform, job: Job, idempotency_key: str, send: Send) -> Ended:
    """The plan has run to its end, or to the first call that went wrong."""
    last = None
    try:
        call = next(plan)
        while True:
            last = send(call, platform.request(call, job.target, idempotency_key=idempotency_key))
            if trouble := platform.trouble(call, last):
                return Ended(trouble=trouble, last=last)
            said = platform.said(last) if last.status in call.bears else ""
            call = plan.send(Answer(last.status or 0, last.json(), last.headers, said))
    except StopIteration as ended:
        return Ended(remote_id=ended.value or "", last=last)
    except Undeliverable as problem:
        return Ended(trouble=Refused(problem.code, problem.reason), last=last)
    except (LookupError, TypeError, ValueError, AttributeError):
        # A plan reads what its platform documents; this answer was a success in another shape.
        return Ended(trouble=_nonsense(platform, call, last), last=last)


def preview(plan: Plan, *, platform: Platform, job: Job) -> list[PreviewedCall]:
    """The calls of the plan when whatever it looks for is not found; values not known yet stand as `‹new›`."""
    calls: list[PreviewedCall] = []
    try:
        call = next(plan)
        while len(calls) < CALLS_SHOWN_AT_MOST:
            request = platform.request(call, job.target, idempotency_key="‹delivery›")
            body = msgspec.json.format(request.shown_body, indent=2) if request.body else ""
            calls.append(PreviewedCall(request.method, request.url, request.shown_headers, body))
            call = plan.send(Answer(200, _NotYetKnown()))
    except (StopIteration, Undeliverable):
        pass
    return calls


def send_plainly(_call: PlannedCall, request: Request) -> Exchange:
    return exchange(request)


def _nonsense(platform: Platform, call: PlannedCall, last: Exchange | None) -> Trouble:
    reason = _("Its answer can't be understood: it is not the documented JSON.")
    if last is not None and not platform.is_repeatable(call):
        return Unknown("nonsense", reason)
    return Temporary("nonsense", reason)


class _NotYetKnown:
    """Stands for any value of an answer in a preview: not found, empty, and `‹new›` when it is written down."""

    def __getitem__(self, _key: object) -> "_NotYetKnown":
        return self

    def get(self, _key: object, _default: Any = None) -> "_NotYetKnown":
        return self

    def __contains__(self, _key: object) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "‹new›"
