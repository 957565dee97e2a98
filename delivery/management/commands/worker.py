"""`manage.py worker`: runs background tasks until it is told to stop."""

import logging
import signal
from typing import Any

from django.core.management.base import BaseCommand

from delivery.worker import Worker

log = logging.getLogger("delivery.worker")


class Command(BaseCommand):
    help = "Runs background tasks and the schedule. SIGTERM or Ctrl-C stops it after the task at hand."

    def handle(self, *args: Any, **options: Any) -> None:
        worker = Worker()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        log.info("Worker %s is ready.", worker.worker_id)
        worker.run()
        log.info("Worker %s has stopped.", worker.worker_id)
