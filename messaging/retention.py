"""How long a workspace keeps its messages."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import transaction

from accounts.models import Workspace
from delivery import outbox
from messaging.models import Message, Recipient
from raven_admin.errors import RavenError

MIN_DAYS, MAX_DAYS = 1, 36_500
COUNTED_AT_MOST = 10_000
_BATCH = 1_000


@dataclass(eq=False)
class RetentionInvalid(RavenError):
    """Messages are kept for {minimum} to {maximum} days, or for ever."""

    code: ClassVar[str] = "retention_invalid"
    minimum: int = MIN_DAYS
    maximum: int = MAX_DAYS


def set_retention(*, workspace: Workspace, days: int | None) -> None:
    """Messages older than that many days are deleted from the next run on; None: they are kept for ever.

    Raises RetentionInvalid.
    """
    if days is not None and not MIN_DAYS <= days <= MAX_DAYS:
        raise RetentionInvalid
    workspace.message_retention_days = days
    workspace.save(update_fields=["message_retention_days"])


def count_older(*, workspace: Workspace, before: datetime) -> int:
    """How many messages are from before that moment, counted no further than 10,000.

    Ids rise with time, so the oldest are found without an index on time.
    """
    oldest = Message.objects.filter(workspace=workspace).order_by("pk").values_list("created_at", flat=True)
    return sum(created_at < before for created_at in oldest[:COUNTED_AT_MOST])


def prune_messages(*, at: datetime) -> int:
    """Messages that are older than their workspace keeps them are gone, from the outbox too; returns how many."""
    deleted = 0
    for workspace in Workspace.objects.exclude(message_retention_days=None).order_by("pk"):
        deleted += _delete_older(workspace, days=workspace.message_retention_days or MAX_DAYS, at=at)
    return deleted


def _delete_older(workspace: Workspace, *, days: int, at: datetime) -> int:
    """A batch is a transaction of its own: messages go on being sent in between."""
    before, deleted = at - timedelta(days=days), 0
    oldest = Message.objects.filter(workspace=workspace).order_by("pk").values_list("pk", "created_at")
    while old := [pk for pk, created_at in oldest[:_BATCH] if created_at < before]:
        with transaction.atomic():
            recipients = Recipient.objects.filter(message__in=old).order_by().values_list("pk", flat=True)
            outbox.forget_recipients(recipient_ids=recipients, at=at)
            Message.objects.filter(pk__in=old).delete()
        deleted += len(old)
    return deleted
