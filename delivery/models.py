"""What happened, in an order a reader can trust; and background work that comes back by itself."""

from django.db import models

from accounts.models import Workspace


class Event(models.Model):
    """Something that happened in a workspace, for whoever follows along.

    Written without a number, in the transaction of the change itself; `delivery.events.read` numbers what has been
    committed, in order. So a change that commits late gets a late number, and no reader ever skips it.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    number = models.PositiveBigIntegerField(null=True)
    kind = models.CharField(max_length=40)
    data = models.JSONField(default=dict)
    happened_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "number"], name="event_number_unique")]
        indexes = [
            models.Index(fields=["workspace", "id"], condition=models.Q(number__isnull=True), name="event_not_numbered")
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.kind}"


class EventSequence(models.Model):
    """The highest event number of a workspace; its row is the lock under which events are numbered."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, primary_key=True, related_name="+")
    last_number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.workspace_id}: {self.last_number}"


class ScheduledTask(models.Model):
    """When a task of `settings.SCHEDULED_TASKS` is due next; one row a task, moved forward by whichever worker wins."""

    path = models.CharField(max_length=200, primary_key=True)
    due_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.path
