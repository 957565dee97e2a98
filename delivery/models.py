"""Background work that comes back by itself."""

from django.db import models


class ScheduledTask(models.Model):
    """When a task of `settings.SCHEDULED_TASKS` is due next; one row a task, moved forward by whichever worker wins."""

    path = models.CharField(max_length=200, primary_key=True)
    due_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.path
