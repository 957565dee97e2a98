"""What the worker does for accounts by itself."""

from django.contrib.sessions.backends.db import SessionStore
from django_tasks import task


@task()
def clear_sessions() -> None:
    """Sessions that ended are gone."""
    SessionStore.clear_expired()
