"""The console's first page: is everything all right, and what is there to do?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.language import grouped
from accounts.models import Membership, Workspace
from delivery import beats, figures
from delivery.console.monitor import Headline, headline_of
from delivery.models import Delivery, Destination
from delivery.states import State
from personas.models import Persona
from platforms.models import Connection, Link
from tokens.models import RequestLogEntry, Status, Token
from tokens.refusals import AbilityMissing

LOOKS_BACK = timedelta(hours=24)
CALLS_AT_MOST = 10_000
"""So that the page costs the same however busy a workspace is."""
TOKENS_SHOWN = 5
CALLS_SHOWN = 8
REASONS_SHOWN = 5
_COUNTED_AT_MOST = 1_000
_LOOKED_AT_FOR_KINDS = 200


@dataclass(frozen=True, slots=True)
class RecentCalls:
    """The calls of the last 24 hours, or the newest 10,000 of them."""

    total: int
    refused: int
    reasons: list[tuple[str, int]]
    """(code, calls), the most frequent first."""
    is_cut: bool
    """There were more than 10,000."""
    lacking: int = 0
    """Of the refused ones, those that needed an ability which their token lacks."""
    locked_out: int = 0
    """Those that came from a token that does not work, from elsewhere, or too often."""
    failed: int = 0
    """Those that went wrong on our side."""

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


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What somebody who is new here can watch arrive, and whether they have."""

    person: Persona | None
    """Somebody who is known in both workspaces."""
    other: Workspace | None
    has_arrived: bool
    """A change of a person."""
    was_sent: bool
    """A message."""


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
    lacking = by_code.get(AbilityMissing.code, 0)
    return RecentCalls(
        total,
        sum(by_code.values()),
        reasons,
        is_cut=total >= CALLS_AT_MOST,
        lacking=lacking,
        locked_out=sum(count for status, _code, count in rows if status in {401, 403, 429}) - lacking,
        failed=sum(count for status, _code, count in rows if status >= 500),
    )


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
            _("An admin sets everything up, support works with personas and messages, a viewer only looks."),
            reverse("admin:accounts_membership_add"),
            has_colleague,
        ),
    ]
    return [] if all(step.is_done for step in steps) else steps


def first_look(workspace: Workspace) -> FirstLook | None:
    """What can be tried at once where the demo has connected the workspace to another one of this server.

    None elsewhere, and once both have been done.
    """
    here = Connection.objects.filter(
        workspace=workspace, destination__removed_at=None, base_url__startswith=f"{settings.BASE_URL}/"
    )
    connections = list(here.select_related("destination"))
    if not connections:
        return None
    delivered = Delivery.objects.filter(workspace=workspace, state=State.DELIVERED).order_by("-id")
    kinds = set(delivered.values_list("kind", flat=True)[:_LOOKED_AT_FOR_KINDS])
    has_arrived, was_sent = "persona.changed" in kinds, "message.sent" in kinds
    if has_arrived and was_sent:
        return None
    linked = Link.objects.filter(connection__in=connections).order_by("persona_id").values("persona_id")[:1]
    numbers = [connection.settings.get("account_id", "") for connection in connections]
    other = Workspace.objects.filter(account_number__in=[number for number in numbers if number]).first()
    return FirstLook(
        person=Persona.objects.filter(workspace=workspace, pk__in=linked).first(),
        other=other,
        has_arrived=has_arrived,
        was_sent=was_sent,
    )


def _shown(count: int) -> str:
    return f"{grouped(count)}{'+' if count >= _COUNTED_AT_MOST else ''}"
