"""What somebody should look at, for the first page: each with where it is solved, and who may.

Each question is bounded: it reads at most 100 rows by an index, and says "99+" beyond.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext

from accounts.access import may
from accounts.language import retold
from accounts.models import Workspace
from accounts.roles import Action
from delivery import breaker
from personas.models import Operation
from platforms.models import Connection
from raven_admin.dashboard import COUNTED_AT_MOST, Deliveries, EndingToken, Facts, RecentCalls, shown
from raven_admin.statements import Statement, moment_of
from tokens.ability_use import is_still_lacked
from tokens.console.listing import StatusClassFilter
from tokens.models import Callback, CallbackEvent, Status

_NAMED_AT_MOST = 3
_AMONG = 100
_FAILED_SINCE = timedelta(days=7)
_ENDS_WITHIN = timedelta(days=30)
# What `Callback.objects.in_trouble()` finds.
_TROUBLED = Statement("""
    SELECT callback.id, callback.event, token.name, callback.off_because, callback.failing_since, callback.off_at
      FROM tokens_callback callback JOIN tokens_token token ON token.id = callback.token_id
     WHERE callback.workspace_id = %s AND callback.failing_since IS NOT NULL AND callback.off_because <> 'person'
       AND token.revoked_at IS NULL
     ORDER BY callback.failing_since, callback.id LIMIT %s
""")
_OPERATIONS = Statement("""
    SELECT id, state, title, created_at FROM (
        SELECT id, state, title, created_at FROM personas_operation WHERE workspace_id = %s ORDER BY id DESC LIMIT %s
    ) newest WHERE state IN ('preview', 'failed') ORDER BY id DESC
""")
_DRIFTED = Statement("""
    SELECT connection_id, COUNT(*) FROM (
        SELECT link.connection_id
          FROM platforms_connection connection
          JOIN platforms_link link ON link.connection_id = connection.id AND link.drifted_at IS NOT NULL
         WHERE connection.workspace_id = %s LIMIT %s
    ) drifted GROUP BY connection_id
""")
_DUPLICATES = Statement("""
    SELECT COUNT(*) FROM (
        SELECT 1 FROM personas_duplicatepair WHERE workspace_id = %s AND dismissed_at IS NULL LIMIT %s
    ) pairs
""")


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that is not as it should be, or waits for somebody."""

    level: str
    """bad: something is lost or stopped; warn: it will be; info: it waits."""
    text: str
    url: str
    """Where it is solved; empty where the viewer can't go there."""
    action: Action | None
    """What one must be allowed to do to solve it; None: only the operator of the server may, a superuser."""
    detail: str = ""
    at: datetime | None = None
    """When it began, or when it will be too late."""
    is_mine: bool = False
    """Whether the viewer may solve it."""

    @property
    def pill(self) -> str:
        return {"bad": gettext("Now"), "warn": gettext("Soon"), "info": gettext("Waiting")}[self.level]


def needs_of(user: Any, workspace: Workspace, facts: Facts, *, at: datetime) -> list[Need]:
    """All that needs somebody in `workspace`, the gravest first."""
    found = [
        *_pro(user, workspace, at=at),
        *(_deliveries(facts.deliveries) if facts.deliveries else ()),
        *_connections(facts.connections, at=at),
        *_callbacks(workspace),
        *_tokens(facts.ending),
        *_refusals(workspace, facts.recent),
        *_operations(workspace, at=at),
        *_drift(workspace, facts.connections),
        *_duplicates(workspace),
    ]
    ranked = sorted(found, key=lambda need: ("bad", "warn", "info").index(need.level))
    return [replace(need, is_mine=_may(user, need.action, workspace)) for need in ranked]


def _may(user: Any, action: Action | None, workspace: Workspace) -> bool:
    return bool(user.is_superuser) if action is None else may(user, action, workspace)


def _pro(user: Any, workspace: Workspace, *, at: datetime) -> Iterator[Need]:
    ends_at = workspace.pro_until
    if workspace.is_pro(at=at) and ends_at is not None and ends_at <= at + _ENDS_WITHIN:
        text = gettext("Pro ends, and with it every API call")
        url, detail = "", gettext("The operator of this server can set a later end.")
        if user.is_superuser:
            detail = gettext("Set a later end in the settings of the workspace.")
        if may(user, Action.WORKSPACE_WRITE, workspace):
            url = reverse("admin:accounts_workspace_change", args=[workspace.pk])
        yield Need("warn", text, url, None, detail, ends_at)


def _deliveries(deliveries: Deliveries) -> Iterator[Need]:
    page = reverse("admin:delivery_delivery_changelist")
    oldest = deliveries.headline.oldest
    if oldest is not None and oldest.is_over_limit:
        text = gettext("The oldest undelivered change waits for %(age)s") % {"age": deliveries.headline.figure}
        url = reverse("admin:delivery_delivery_change", args=[oldest.delivery_id])
        yield Need("bad", text, url, Action.PERSONA_WRITE)
    if deliveries.refused:
        text = ngettext("%(count)s delivery was refused", "%(count)s deliveries were refused", deliveries.refused)
        text %= {"count": deliveries.refused_shown}
        yield Need("bad", text, f"{page}?state=refused", Action.PERSONA_WRITE)
    if deliveries.unknown:
        text = ngettext(
            "Of %(count)s delivery nobody knows whether it arrived",
            "Of %(count)s deliveries nobody knows whether they arrived",
            deliveries.unknown,
        )
        yield Need("bad", text % {"count": deliveries.unknown_shown}, f"{page}?state=unknown", Action.PERSONA_WRITE)


def _connections(connections: Iterable[Connection], *, at: datetime) -> Iterator[Need]:
    """One that somebody switched off is as it should be."""
    for connection in (each for each in connections if each.destination.is_on):
        url = reverse("admin:platforms_connection_change", args=[connection.pk])
        name, ends_at = {"name": connection.name}, connection.credential_expires_at
        if breaker.is_probing(connection.destination.consecutive_failures):
            text = gettext("The connection “%(name)s” does not answer") % name
            detail = Truncator(connection.destination.last_problem).chars(120)
            yield Need("bad", text, url, Action.WORKSPACE_WRITE, detail, connection.destination.last_problem_at)
        elif connection.test_problem:
            text = gettext("The last test of the connection “%(name)s” failed") % name
            detail = Truncator(connection.test_problem).chars(120)
            yield Need("bad", text, url, Action.WORKSPACE_WRITE, detail, connection.tested_at)
        if ends_at is not None and ends_at <= at:
            text = gettext("The credential of the connection “%(name)s” has ended") % name
            yield Need("bad", text, url, Action.WORKSPACE_WRITE, at=ends_at)
        elif ends_at is not None and ends_at <= at + _ENDS_WITHIN:
            text = gettext("The credential of the connection “%(name)s” ends") % name
            yield Need("warn", text, url, Action.WORKSPACE_WRITE, at=ends_at)


def _callbacks(workspace: Workspace) -> Iterator[Need]:
    found = _TROUBLED.rows(workspace.pk, COUNTED_AT_MOST)
    for pk, event, token, off_because, failing_since, off_at in found[:_NAMED_AT_MOST]:
        named = {"token": token, "event": CallbackEvent(event).label}
        url = reverse("admin:tokens_callback_change", args=[pk])
        if off_because:
            text = gettext("A callback of “%(token)s” was switched off: %(event)s") % named
            detail = str(Callback.Off(off_because).label)
            yield Need("bad", text, url, Action.TOKEN_WRITE, detail, moment_of(off_at))
        else:
            text = gettext("A callback of “%(token)s” fails: %(event)s") % named
            yield Need("warn", text, url, Action.TOKEN_WRITE, at=moment_of(failing_since))
    more = len(found[_NAMED_AT_MOST:])
    if more:
        text = ngettext("%(count)s more callback fails", "%(count)s more callbacks fail", more)
        count = f"{more}+" if len(found) == COUNTED_AT_MOST else more
        url = reverse("admin:tokens_callback_changelist") + "?state=trouble"
        yield Need("warn", text % {"count": count}, url, Action.TOKEN_WRITE)


def _tokens(ending: Iterable[EndingToken]) -> Iterator[Need]:
    """Those that were rotated end as they were meant to."""
    found = [token for token in ending if not token.is_rotated]
    if not found:
        return
    first = found[0]
    if len(found) == 1:
        text = gettext("The token “%(name)s” ends") % {"name": first.name}
        url = reverse("admin:tokens_token_change", args=[first.pk])
    else:
        text = gettext("%(count)s tokens end within 30 days, “%(name)s” first")
        text %= {"count": shown(len(found)), "name": first.name}
        url = reverse("admin:tokens_token_changelist") + f"?status={Status.EXPIRING}"
    yield Need("warn", text, url, Action.TOKEN_WRITE, at=first.expires_at)


def _refusals(workspace: Workspace, recent: RecentCalls) -> Iterator[Need]:
    """Those that somebody here can mend; what a program sent wrong is its own affair."""
    page = reverse("admin:tokens_requestlogentry_changelist")
    if recent.failed:
        text = ngettext(
            "%(count)s API call failed on our side in 24 hours",
            "%(count)s API calls failed on our side in 24 hours",
            recent.failed,
        )
        yield Need("bad", text % {"count": recent.failed}, f"{page}?answer=5", Action.WORKSPACE_WRITE)
    if recent.lacking and is_still_lacked(workspace, since=recent.since):
        text = ngettext(
            "%(count)s call was refused for lack of an ability in 24 hours",
            "%(count)s calls were refused for lack of an ability in 24 hours",
            recent.lacking,
        )
        url = reverse("admin:tokens_requestlogentry_insight") + "?days=7#lacked"
        yield Need("info", text % {"count": recent.lacking}, url, Action.TOKEN_WRITE)
    if recent.locked_out:
        text = ngettext(
            "%(count)s call was refused for its token, address or rate in 24 hours",
            "%(count)s calls were refused for their token, address or rate in 24 hours",
            recent.locked_out,
        )
        url = f"{page}?answer={StatusClassFilter.LOCKED_OUT}"
        yield Need("info", text % {"count": recent.locked_out}, url, Action.TOKEN_WRITE)


def _operations(workspace: Workspace, *, at: datetime) -> Iterator[Need]:
    operations = [(*row, moment_of(created_at)) for *row, created_at in _OPERATIONS.rows(workspace.pk, _AMONG)]
    waiting = [each for each in operations if each[1] == Operation.State.PREVIEW]
    failed = [each for each in operations if each[1] == Operation.State.FAILED and each[3] > at - _FAILED_SINCE]
    for level, text, found in (
        ("info", gettext("Prepared, and waits to be checked: %(title)s"), waiting),
        ("warn", gettext("Failed: %(title)s"), failed),
    ):
        for pk, _state, title, created_at in found[:_NAMED_AT_MOST]:
            url = reverse("admin:personas_operation_change", args=[pk])
            named = {"title": Truncator(retold(title)).chars(80)}
            yield Need(level, text % named, url, Action.PERSONA_WRITE, at=created_at)


def _drift(workspace: Workspace, connections: Iterable[Connection]) -> Iterator[Need]:
    counts: dict[int, int] = dict(_DRIFTED.rows(workspace.pk, COUNTED_AT_MOST))
    for connection in [each for each in connections if each.pk in counts][:_NAMED_AT_MOST]:
        count = counts[connection.pk]
        text = ngettext("%(count)s person differs on “%(name)s”", "%(count)s people differ on “%(name)s”", count)
        url = reverse("admin:platforms_connection_drift", args=[connection.pk])
        yield Need("info", text % {"count": shown(count), "name": connection.name}, url, Action.PERSONA_WRITE)


def _duplicates(workspace: Workspace) -> Iterator[Need]:
    [(count,)] = _DUPLICATES.rows(workspace.pk, COUNTED_AT_MOST)
    if count:
        text = ngettext("%(count)s likely duplicate", "%(count)s likely duplicates", count)
        url = reverse("admin:personas_duplicatepair_changelist")
        yield Need("info", text % {"count": shown(count)}, url, Action.PERSONA_WRITE)
