"""What the worker does for personas by itself."""

import time

from django.utils import timezone
from django_tasks import task

from accounts.models import Workspace
from personas.bulk import deleting
from personas.duplicates import scan_next

GIVES_WAY_AFTER_S = 10.0
"""Other tasks wait meanwhile; the rest is done the next time."""


@task()
def erase_old_copies() -> None:
    """Nothing is left of people who were deleted in bulk more than a week ago."""
    deleting.erase_old_copies(at=timezone.now())


@task()
def find_duplicates() -> None:
    """Personas that were changed since the last time are looked at, a batch of each workspace in turn."""
    ends_at = time.monotonic() + GIVES_WAY_AFTER_S
    workspaces = list(Workspace.objects.order_by("pk"))
    while workspaces and time.monotonic() < ends_at:
        workspaces = [workspace for workspace in workspaces if scan_next(workspace, now=timezone.now())]
