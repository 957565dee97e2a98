"""The background worker's loop."""

import logging
import socket
import time
from datetime import timedelta

from django.db import close_old_connections, connection
from django.utils import timezone
from django.utils.crypto import get_random_string
from django_tasks_db.management.commands import db_worker
from django_tasks_db.models import DBTaskResult
from django_tasks_db.utils import exclusive_transaction

from accounts import log_context
from delivery.schedule import enqueue_due

log = logging.getLogger(__name__)

LONGEST_PAUSE = timedelta(seconds=30)


class Worker(db_worker.Worker):
    """Runs queued tasks one after the other, and enqueues the scheduled ones when they are due.

    Running a task and recording how it ended is django-tasks-db's; its loop is not used, because it has no schedule,
    ends when the database is away for a moment, and may exit between claiming a task and running it.
    """

    def __init__(self, *, poll_every: timedelta = timedelta(seconds=1)) -> None:
        super().__init__(
            queue_names=["*"],
            interval=poll_every.total_seconds(),
            batch=False,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id=f"{socket.gethostname()[:40]}-{get_random_string(12)}",
            excluded_queue_names=[],
        )

    def run(self) -> None:
        """Returns after `stop`, when the task at hand is finished."""
        pause_s = self.interval
        while self.running:
            try:
                close_old_connections()
                enqueue_due(now=timezone.now())
                ran_one = self.run_next()
                pause_s = 0 if ran_one else self.interval
            except Exception:  # the outermost loop: whatever happened is recorded and tried again
                pause_s = min(max(pause_s, self.interval) * 2, LONGEST_PAUSE.total_seconds())
                log.exception("The worker failed between two tasks; next attempt in %g s.", pause_s)
                connection.close()
            self._sleep(pause_s)

    def stop(self) -> None:
        """No further task is started. Safe to call from a signal handler."""
        self.running = False

    def run_next(self) -> bool:
        """Whether a task was waiting; it has ended, and how is recorded."""
        waiting = DBTaskResult.objects.ready().filter(backend_name=self.backend_name)
        with exclusive_transaction(waiting.db):
            row = waiting.get_locked()
            if row is not None:
                row.claim(self.worker_id)
        if row is not None:
            with log_context.noting(task=row.task_path, task_id=str(row.pk)):
                self.run_task(row)
        return row is not None

    def _sleep(self, seconds: float) -> None:
        """In short naps, so that `stop` is heard soon."""
        while seconds > 0 and self.running:
            time.sleep(min(seconds, 0.5))
            seconds -= 0.5
