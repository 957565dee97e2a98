"""The console's first page: is everything all right, and what is there to do?"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.language import grouped
from accounts.models import Workspace
from delivery import figures
from delivery.console.monitor import Headline, headline_of
from delivery.models import Delivery
from delivery.states import State
from personas.models import Persona
from platforms.models import Connection, Link
from raven_admin.statements import Statement, moment_of
from tokens.models import EXPIRING_WITHIN, RequestLogEntry
from tokens.refusals import LOCKED_OUT, AbilityMissing
from tokens.usage import answers_of

LOOKS_BACK = timedelta(hours=24)
TOKENS_SHOWN = 5
CALLS_SHOWN = 5
REASONS_SHOWN = 5
COUNTED_AT_MOST = 100
_LOOKED_AT_FOR_KINDS = 200
_OF_CONNECTIONS = (
    "base_url",
    "settings",
    "credential_expires_at",
    "tested_at",
    "test_problem",
    "destination__name",
    "destination__is_on",
    "destination__consecutive_failures",
    "destination__last_problem",
    "destination__last_problem_at",
)
# What `with_status(Status.EXPIRING)` finds of `lasting()`. SQLite would take a plain “is null” for what few tokens are.
_ENDING = Statement("""
    SELECT id, name, expires_at, replaced_by_id IS NOT NULL FROM tokens_token
     WHERE workspace_id = %(workspace_id)s AND expires_at > %(at)s AND expires_at <= %(soon)s
       AND is_on AND revoked_at IS NULL AND NOT (parent_id IS NOT NULL)
       AND (activates_at IS NULL OR activates_at <= %(at)s) AND (paused_until IS NULL OR paused_until <= %(at)s)
     ORDER BY expires_at, id LIMIT %(at_most)s
""")
_BEGUN = Statement("""
    SELECT EXISTS (SELECT 1 FROM tokens_token WHERE workspace_id = %(workspace_id)s),
        (SELECT COUNT(*) FROM (SELECT 1 FROM accounts_membership WHERE workspace_id = %(workspace_id)s LIMIT 2) people)
""")


@dataclass(frozen=True, slots=True)
class RecentCalls:
    """All calls of the last 24 hours, and of the hour that those began in."""

    total: int
    refused: int
    reasons: list[tuple[str, int]]
    """(code, calls), the most frequent first."""
    since: datetime
    is_cut: bool
    """There were more: no worker counts them."""
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
class EndingToken:
    """One that ends within 30 days."""

    pk: int
    name: str
    expires_at: datetime | None
    is_rotated: bool
    """There is another in its place, so that it ends as it was meant to."""


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
class Facts:
    """What the page is made of, each asked for once."""

    deliveries: Deliveries | None
    """None when the workspace is connected to nothing, and nothing is open."""
    recent: RecentCalls
    ending: list[EndingToken]
    """Those that end first, a hundred at most."""
    connections: list[Connection]
    """A hundred at most, with their destinations."""

    @property
    def ending_shown(self) -> list[EndingToken]:
        return self.ending[:TOKENS_SHOWN]

    @property
    def ending_count(self) -> str:
        return shown(len(self.ending))


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


def facts_of(workspace: Workspace, *, at: datetime) -> Facts:
    connections = Connection.objects.filter(workspace=workspace, destination__removed_at=None)
    return Facts(
        deliveries=deliveries(workspace, at=at),
        recent=recent_calls(workspace, at=at),
        ending=ending_tokens(workspace, at=at),
        connections=list(connections.select_related("destination").only(*_OF_CONNECTIONS)[:COUNTED_AT_MOST]),
    )


def ending_tokens(workspace: Workspace, *, at: datetime) -> list[EndingToken]:
    """The lasting tokens that end within 30 days, the soonest first."""
    rows = _ENDING.rows(workspace_id=workspace.pk, at=at, soon=at + EXPIRING_WITHIN, at_most=COUNTED_AT_MOST)
    return [EndingToken(pk, name, moment_of(expires_at), bool(is_rotated)) for pk, name, expires_at, is_rotated in rows]


def recent_calls(workspace: Workspace, *, at: datetime) -> RecentCalls:
    """From what is counted by the hour, so that the page costs the same however busy a workspace is."""
    since = (at - LOOKS_BACK).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    answers = answers_of(workspace, since=since)
    by_code: dict[str, int] = {}
    for (status, code), count in answers.calls.items():
        if status >= 400:
            by_code[code or str(status)] = by_code.get(code or str(status), 0) + count
    return RecentCalls(
        total=sum(answers.calls.values()),
        refused=sum(by_code.values()),
        reasons=sorted(by_code.items(), key=lambda reason: (-reason[1], reason[0]))[:REASONS_SHOWN],
        since=since,
        is_cut=answers.is_cut,
        lacking=by_code.get(AbilityMissing.code, 0),
        locked_out=sum(count for code, count in by_code.items() if code in LOCKED_OUT),
        failed=sum(count for (status, _code), count in answers.calls.items() if status >= 500),
    )


def deliveries(workspace: Workspace, *, at: datetime) -> Deliveries | None:
    standing = figures.standing_of(workspace_id=workspace.pk, now=at)
    if standing.oldest is None and not standing.has_destinations:
        return None
    return Deliveries(headline_of(standing.oldest), not standing.has_worker, standing.refused, standing.unknown)


def latest_calls(workspace: Workspace) -> list[RequestLogEntry]:
    """With the names of their tokens."""
    calls = RequestLogEntry.objects.filter(workspace=workspace).select_related("token").order_by("-pk")
    fields = ("request_id", "received_at", "method", "path", "status", "code", "token__name")
    return list(calls.only(*fields)[:CALLS_SHOWN])


def next_steps(workspace: Workspace, *, has_calls: bool) -> list[Step]:
    """What a new workspace goes through; empty once all of it is done."""
    begun = _BEGUN.row(workspace_id=workspace.pk)
    assert begun is not None  # noqa: S101 - it counts
    has_token, people = begun
    steps = [
        Step(
            _("Issue your first token"),
            _("A program shows it with every call. You choose what it may do."),
            reverse("admin:tokens_token_add"),
            bool(has_token),
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
            people > 1,
        ),
    ]
    return [] if all(step.is_done for step in steps) else steps


def first_look(workspace: Workspace, *, connections: list[Connection]) -> FirstLook | None:
    """What can be tried at once where the demo has connected the workspace to another one of this server.

    None elsewhere, and once both have been done.
    """
    connections = [each for each in connections if each.base_url.startswith(f"{settings.BASE_URL}/")]
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


def shown(count: int) -> str:
    """A number that was counted to `COUNTED_AT_MOST`."""
    return f"{COUNTED_AT_MOST - 1}+" if count >= COUNTED_AT_MOST else str(count)


def _shown(count: int) -> str:
    return f"{grouped(count)}{'+' if count >= figures.COUNTED_AT_MOST else ''}"
