"""The settings of the workers that tests start: the real ones, with one scheduled task that can be watched."""

from datetime import timedelta

from raven_admin.settings import *  # noqa: F403
from raven_admin.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.delivery.fake_app.FakeConfig"]
SCHEDULED_TASKS = {"tests.delivery.watched.run": timedelta(seconds=1)}
OUTBOX_LEASE = timedelta(seconds=3)
