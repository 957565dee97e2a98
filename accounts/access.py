"""Which workspace a signed-in person works in, and what they may do there."""

import zoneinfo
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from accounts import log_context
from accounts.models import Membership, Workspace
from accounts.roles import Action

_SESSION_KEY = "workspace_id"


def may(user: Any, action: Action, workspace: Workspace | None) -> bool:
    """Whether `user` may do `action` in `workspace`; nobody may do anything in None but a superuser."""
    if not user.is_active:
        return False
    if user.is_superuser:
        return True
    if workspace is None:
        return False
    membership = membership_of(user, workspace)
    return membership is not None and membership.may(action)


def membership_of(user: Any, workspace: Workspace) -> Membership | None:
    """None of somebody who does not work there; asked once per request, because a page asks for permissions often."""
    if not hasattr(user, "_membership_of"):
        user._membership_of = {m.workspace_id: m for m in user.memberships.order_by()}
    found: dict[int, Membership] = user._membership_of
    return found.get(workspace.pk)


def current_workspace(request: HttpRequest) -> Workspace | None:
    """The workspace whose lists are shown: the one last chosen, or else the first that the person may see."""
    if not hasattr(request, "_current_workspace"):
        seen = Workspace.objects.of(request.user)
        chosen = request.session.get(_SESSION_KEY)
        workspace = seen.filter(pk=chosen).first() if chosen else None
        workspace = workspace or seen.order_by("id").first()
        request._current_workspace = workspace  # type: ignore[attr-defined]
        log_context.note(user_id=request.user.pk, workspace_id=workspace.pk if workspace else None)
    found: Workspace | None = request._current_workspace  # type: ignore[attr-defined]
    return found


def switch_workspace(request: HttpRequest, workspace: Workspace) -> None:
    """Lists show `workspace` from now on; the caller has checked that the person may see it."""
    if current_workspace(request) != workspace:
        request.session[_SESSION_KEY] = workspace.pk
        request._current_workspace = workspace  # type: ignore[attr-defined]
        timezone.activate(viewer_zone(request))


def viewer_zone(request: HttpRequest) -> zoneinfo.ZoneInfo:
    """The zone that pages show times in: the viewer's own, or else that of their current workspace."""
    if not request.user.is_authenticated:
        return zoneinfo.ZoneInfo("UTC")
    workspace = current_workspace(request)
    return zoneinfo.ZoneInfo(request.user.time_zone or (workspace.time_zone if workspace else "UTC"))
