"""What somebody should look at, for the first page: each with where it is solved, and who may.

Each question is bounded: it reads at most 100 rows by an index, and says "99+" beyond.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext

from accounts.access import may
from accounts.language import retold
from accounts.models import Workspace
from accounts.roles import Action
from delivery import breaker
from personas.models import DuplicatePair, Operation
from platforms.models import Connection, Link
from raven_admin.dashboard import Deliveries, RecentCalls
from tokens.models import Callback, Status, Token

_COUNTED_AT_MOST = 100
_NAMED_AT_MOST = 3
_OPERATIONS_AMONG = 100
_FAILED_SINCE = timedelta(days=7)
_ENDS_WITHIN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that is not as it should be, or waits for somebody."""

    level: str
    """bad: something is lost or stopped; warn: it will be; info: it waits."""
    text: str
    url: str
    action: Action
    """What one must be allowed to do to solve it."""
    detail: str = ""
    at: datetime | None = None
    """When it began, or when it will be too late."""
    is_mine: bool = False
    """Whether the viewer may solve it."""

    @property
    def pill(self) -> str:
        return {"bad": gettext("Now"), "warn": gettext("Soon"), "info": gettext("Waiting")}[self.level]


def needs_of(
    user: Any, workspace: Workspace, *, deliveries: Deliveries | None, recent: RecentCalls, at: datetime
) -> list[Need]:
    """All that needs somebody in `workspace`, the gravest first."""
    found = [
        *_pro(workspace, at=at),
        *(_deliveries(deliveries) if deliveries else ()),
        *_connections(workspace, at=at),
        *_callbacks(workspace),
        *_tokens(workspace, at=at),
        *_refusals(recent),
        *_operations(workspace, at=at),
        *_drift(workspace),
        *_duplicates(workspace),
    ]
    ranked = sorted(found, key=lambda need: ("bad", "warn", "info").index(need.level))
    return [replace(need, is_mine=may(user, need.action, workspace)) for need in ranked]


def _pro(workspace: Workspace, *, at: datetime) -> Iterator[Need]:
    ends_at = workspace.pro_until
    if workspace.is_pro(at=at) and ends_at is not None and ends_at <= at + _ENDS_WITHIN:
        text = gettext("Pro ends, and with it every API call")
        yield Need("warn", text, reverse("admin:index"), Action.WORKSPACE_WRITE, at=ends_at)


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


def _connections(workspace: Workspace, *, at: datetime) -> Iterator[Need]:
    connections = Connection.objects.filter(
        workspace=workspace, destination__removed_at=None, destination__is_on=True
    ).select_related("destination")
    for connection in connections[:_COUNTED_AT_MOST]:
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
    """Those that somebody switched off by hand are as they should be."""
    failing = Callback.objects.filter(workspace=workspace, failing_since__isnull=False, token__revoked_at=None)
    failing = failing.exclude(off_because=Callback.Off.PERSON).select_related("token").order_by("failing_since", "pk")
    found = list(failing[:_COUNTED_AT_MOST])
    for callback in found[:_NAMED_AT_MOST]:
        named = {"token": callback.token.name, "event": callback.get_event_display()}
        url = reverse("admin:tokens_callback_change", args=[callback.pk])
        if callback.is_on:
            text = gettext("A callback of “%(token)s” fails: %(event)s") % named
            yield Need("warn", text, url, Action.TOKEN_WRITE, at=callback.failing_since)
        else:
            text = gettext("A callback of “%(token)s” was switched off: %(event)s") % named
            detail = str(callback.get_off_because_display())
            yield Need("bad", text, url, Action.TOKEN_WRITE, detail, callback.off_at)
    more = len(found[_NAMED_AT_MOST:])
    if more:
        text = ngettext("%(count)s more callback fails", "%(count)s more callbacks fail", more)
        count = f"{more}+" if len(found) == _COUNTED_AT_MOST else more
        yield Need("warn", text % {"count": count}, reverse("admin:tokens_callback_changelist"), Action.TOKEN_WRITE)


def _tokens(workspace: Workspace, *, at: datetime) -> Iterator[Need]:
    """Those that were rotated end as they were meant to."""
    ending = Token.objects.lasting().filter(workspace=workspace, replaced_by=None)
    ending = ending.with_status(Status.EXPIRING, at=at).order_by("expires_at", "pk")
    found = list(ending.values_list("pk", "name", "expires_at")[:_COUNTED_AT_MOST])
    if len(found) == 1:
        ((pk, name, expires_at),) = found
        url = reverse("admin:tokens_token_change", args=[pk])
        yield Need(
            "warn", gettext("The token “%(name)s” ends") % {"name": name}, url, Action.TOKEN_WRITE, at=expires_at
        )
    elif found:
        text = gettext("%(count)s tokens end within 30 days, “%(name)s” first")
        url = reverse("admin:tokens_token_changelist") + f"?status={Status.EXPIRING}"
        text %= {"count": _shown(len(found)), "name": found[0][1]}
        yield Need("warn", text, url, Action.TOKEN_WRITE, at=found[0][2])


def _refusals(recent: RecentCalls) -> Iterator[Need]:
    """Those that somebody here can mend; what a program sent wrong is its own affair."""
    page = reverse("admin:tokens_requestlogentry_changelist")
    if recent.failed:
        text = ngettext(
            "%(count)s API call failed on our side in 24 hours",
            "%(count)s API calls failed on our side in 24 hours",
            recent.failed,
        )
        yield Need("bad", text % {"count": recent.failed}, f"{page}?answer=5", Action.WORKSPACE_WRITE)
    if recent.lacking:
        text = ngettext(
            "%(count)s call was refused for lack of an ability in 24 hours",
            "%(count)s calls were refused for lack of an ability in 24 hours",
            recent.lacking,
        )
        url = reverse("admin:tokens_requestlogentry_insight") + "?days=7"
        yield Need("info", text % {"count": recent.lacking}, url, Action.TOKEN_WRITE)
    if recent.locked_out:
        text = ngettext(
            "%(count)s call was refused for its token, address or rate in 24 hours",
            "%(count)s calls were refused for their token, address or rate in 24 hours",
            recent.locked_out,
        )
        yield Need("info", text % {"count": recent.locked_out}, f"{page}?answer=4", Action.TOKEN_WRITE)


def _operations(workspace: Workspace, *, at: datetime) -> Iterator[Need]:
    newest = Operation.objects.filter(workspace=workspace).order_by("-id").only("kind", "state", "title", "created_at")
    operations = list(newest[:_OPERATIONS_AMONG])
    waiting = [each for each in operations if each.state == Operation.State.PREVIEW]
    failed = [
        each for each in operations if each.state == Operation.State.FAILED and each.created_at > at - _FAILED_SINCE
    ]
    for level, text, found in (
        ("info", gettext("Prepared, and waits to be checked: %(title)s"), waiting),
        ("warn", gettext("Failed: %(title)s"), failed),
    ):
        for each in found[:_NAMED_AT_MOST]:
            url = reverse("admin:personas_operation_change", args=[each.pk])
            yield Need(
                level,
                text % {"title": Truncator(retold(each.title)).chars(80)},
                url,
                Action.PERSONA_WRITE,
                at=each.created_at,
            )


def _drift(workspace: Workspace) -> Iterator[Need]:
    drifted = Link.objects.filter(connection__workspace=workspace, drifted_at__isnull=False).order_by()
    connections = list(drifted.values_list("connection_id", flat=True)[:_COUNTED_AT_MOST])
    if connections:
        text = ngettext(
            "%(count)s person differs on a platform", "%(count)s people differ on a platform", len(connections)
        )
        url = reverse("admin:platforms_connection_drift", args=[connections[0]])
        yield Need("info", text % {"count": _shown(len(connections))}, url, Action.PERSONA_WRITE)


def _duplicates(workspace: Workspace) -> Iterator[Need]:
    if count := _count(DuplicatePair.objects.filter(workspace=workspace, dismissed_at=None).order_by("-id")):
        text = ngettext("%(count)s likely duplicate", "%(count)s likely duplicates", count)
        url = reverse("admin:personas_duplicatepair_changelist")
        yield Need("info", text % {"count": _shown(count)}, url, Action.PERSONA_WRITE)


def _count(rows: QuerySet[Any]) -> int:
    return len(rows.values_list("pk")[:_COUNTED_AT_MOST])


def _shown(count: int) -> str:
    return "99+" if count >= _COUNTED_AT_MOST else str(count)
