"""What the worker does for messages by itself."""

from django.utils import timezone
from django_tasks import task

from messaging import retention


@task()
def prune_messages() -> None:
    """Messages that are older than their workspace keeps them are gone."""
    retention.prune_messages(at=timezone.now())
