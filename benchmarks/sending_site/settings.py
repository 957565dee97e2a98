"""The server's own settings, and a carrier that does no more than post."""

from raven_admin.settings import *  # noqa: F403
from raven_admin.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.sending_site.app.BenchmarkConfig"]
