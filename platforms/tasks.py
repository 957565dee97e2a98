"""What the worker does for connections by itself."""

from datetime import timedelta

from django.utils import timezone
from django_tasks import task

from platforms import receiving
from platforms.following import follow_calls
from platforms.models import ReceivedCall

LEFT_BEHIND_AFTER = timedelta(seconds=20)


@task()
def follow_left_calls() -> None:
    """What a worker that was killed left behind is through."""
    left = ReceivedCall.objects.filter(
        outcome=ReceivedCall.Outcome.WAITING, received_at__lt=timezone.now() - LEFT_BEHIND_AFTER
    )
    for connection_id in set(left.order_by("pk").values_list("connection", flat=True)[:500]):
        follow_calls.call(connection_id)


@task()
def prune_received() -> None:
    """What came in long ago is gone."""
    receiving.prune_received(at=timezone.now())
