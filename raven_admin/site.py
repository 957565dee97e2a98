"""The console: Django's admin site with our own pages, navigation and search."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest

from accounts.access import current_workspace


class ConsoleSite(AdminSite):
    site_title = "Raven Admin"
    site_header = "Raven Admin"

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_authenticated and current_workspace(request) is not None

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        if self.has_permission(request):
            context["current_workspace"] = current_workspace(request)
        return context
