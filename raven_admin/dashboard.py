"""The console's first page: is everything all right, and what is there to do?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Membership, Workspace
from delivery import beats, figures
from delivery.console.monitor import Headline, headline_of
from delivery.models import Delivery, Destination
from delivery.states import State
from tokens.models import RequestLogEntry, Status, Token

LOOKS_BACK = timedelta(hours=24)
CALLS_AT_MOST = 10_000
"""So that the page costs the same however busy a workspace is."""
TOKENS_SHOWN = 5
CALLS_SHOWN = 8
REASONS_SHOWN = 5
_COUNTED_AT_MOST = 1_000


@dataclass(frozen=True, slots=True)
class RecentCalls:
    """The calls of the last 24 hours, or the newest 10,000 of them."""

    total: int
    refused: int
    reasons: list[tuple[str, int]]
    """(code, calls), the most frequent first."""
    is_cut: bool
    """There were more than 10,000."""

    @property
    def worked(self) -> int:
        return self.total - self.refused


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Whether all that was to leave has arrived."""

    headline: Headline
    is_worker_missing: bool
    refused: int
    unknown: int
    """Of these two, counted to 1,000."""

    @property
    def refused_shown(self) -> str:
        return _shown(self.refused)

    @property
    def unknown_shown(self) -> str:
        return _shown(self.unknown)


@dataclass(frozen=True, slots=True)
class Step:
    """Something a new workspace needs, and whether it is done."""

    label: Promise
    text: Promise
    url: str
    is_done: bool


def expiring_tokens(workspace: Workspace, *, at: datetime) -> tuple[list[Token], int]:
    """The tokens that end soonest within 30 days, and how many there are (counted to 1,000)."""
    expiring = Token.objects.filter(workspace=workspace).with_status(Status.EXPIRING, at=at)
    shown = list(expiring.order_by("expires_at", "id")[: TOKENS_SHOWN + 1])
    count = len(shown) if len(shown) <= TOKENS_SHOWN else expiring.order_by().values("pk")[:_COUNTED_AT_MOST].count()
    return shown[:TOKENS_SHOWN], count


def recent_calls(workspace: Workspace, *, at: datetime) -> RecentCalls:
    """Counted over at most the newest 10,000 calls of the workspace."""
    calls = RequestLogEntry.objects.filter(workspace=workspace)
    newest = calls.order_by("-pk").values("pk")[:CALLS_AT_MOST]
    rows = list(
        RequestLogEntry.objects.filter(pk__in=newest, received_at__gte=at - LOOKS_BACK)
        .order_by()
        .values_list("status", "code")
        .annotate(calls=Count("pk"))
    )
    total = sum(row[2] for row in rows)
    by_code: dict[str, int] = {}
    for status, code, count in rows:
        if status >= 400:
            by_code[code or str(status)] = by_code.get(code or str(status), 0) + count
    reasons = sorted(by_code.items(), key=lambda reason: -reason[1])[:REASONS_SHOWN]
    return RecentCalls(total, sum(by_code.values()), reasons, is_cut=total >= CALLS_AT_MOST)


def deliveries(workspace: Workspace, *, at: datetime) -> Deliveries | None:
    """None when the workspace is connected to nothing, and nothing is open."""
    oldest = figures.oldest_undelivered(workspace_id=workspace.pk, now=at)
    if oldest is None and not Destination.objects.filter(workspace=workspace, removed_at=None).exists():
        return None
    counts = {State.REFUSED: 0, State.UNKNOWN: 0}
    if oldest is not None:
        for state in counts:
            found = Delivery.objects.filter(workspace=workspace, state=state).order_by()
            counts[state] = found.values("pk")[:_COUNTED_AT_MOST].count()
    is_worker_missing = not beats.workers(now=at).alive
    return Deliveries(headline_of(oldest), is_worker_missing, counts[State.REFUSED], counts[State.UNKNOWN])


def latest_calls(workspace: Workspace) -> list[RequestLogEntry]:
    calls = RequestLogEntry.objects.filter(workspace=workspace).select_related("token")
    return list(calls.defer("request_body", "response_body").order_by("-pk")[:CALLS_SHOWN])


def next_steps(workspace: Workspace, *, has_calls: bool) -> list[Step]:
    """What a new workspace goes through; empty once all of it is done."""
    tokens = Token.objects.filter(workspace=workspace)
    has_colleague = Membership.objects.filter(workspace=workspace).values("pk")[:2].count() > 1
    steps = [
        Step(
            _("Issue your first token"),
            _("A program shows it with every call. You choose what it may do."),
            reverse("admin:tokens_token_add"),
            tokens.exists(),
        ),
        Step(
            _("Make a call with it"),
            _("The page with the new secret has a ready command to copy. The call appears under API calls at once."),
            reverse("admin:tokens_requestlogentry_changelist"),
            has_calls,
        ),
        Step(
            _("Add a colleague"),
            _("An admin sets everything up, support works with messages, a viewer only looks."),
            reverse("admin:accounts_membership_add"),
            has_colleague,
        ),
    ]
    return [] if all(step.is_done for step in steps) else steps


def _shown(count: int) -> str:
    return f"{count:,}{'+' if count >= _COUNTED_AT_MOST else ''}"
