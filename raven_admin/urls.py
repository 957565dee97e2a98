"""Every address of the server: the console for people, the dialects for programs."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from platforms.views import receive
from tokens.console.calendar import feed

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("console/", admin.site.urls),
    re_path(r"^in/(?P<secret>[\w-]+)/?$", receive, name="incoming"),
    path("calendar/<str:secret>.ics", feed, name="calendar"),
    path("docs/", include("platforms.docs.urls")),
    path("raven/xapi/v1/", include("platforms.raven.server.endpoints")),
    path("chative/v1.0/", include("platforms.chative.server.endpoints")),
    path("bevatel/developer/api/v1/", include("platforms.bevatel.server.developer")),
    path("bevatel/api/v1/", include("platforms.bevatel.server.endpoints")),
]
