"""Every page shows times in its viewer's zone."""

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.access import current_workspace


class ViewerTimeZoneMiddleware:
    """Activates the viewer's own time zone, or else that of their current workspace."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(self._zone(request)):
            return self.get_response(request)

    @staticmethod
    def _zone(request: HttpRequest) -> zoneinfo.ZoneInfo:
        if not request.user.is_authenticated:
            return zoneinfo.ZoneInfo("UTC")
        workspace = current_workspace(request)
        return zoneinfo.ZoneInfo(request.user.time_zone or (workspace.time_zone if workspace else "UTC"))
