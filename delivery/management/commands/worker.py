"""`manage.py worker`: runs background tasks and empties the outbox until it is told to stop."""

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts import log_context
from delivery.sender import Sender
from delivery.worker import Worker

log = logging.getLogger("delivery.worker")


class Command(BaseCommand):
    help = (
        "Runs background tasks and the schedule, and sends what is in the outbox. SIGTERM or Ctrl-C stops it after the "
        "task and the calls at hand."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", choices=["tasks", "outbox"], help="Do only one of the two.")

    def handle(self, *args: Any, **options: Any) -> None:
        worker, sender = Worker(), Sender()
        log_context.name_process(worker=worker.worker_id)

        def stop(*_: Any) -> None:
            worker.stop()
            sender.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        log.info("Worker %s is ready.", worker.worker_id)
        if options["only"] == "outbox":
            sender.run()
        elif options["only"] == "tasks":
            worker.run()
        else:
            sending = threading.Thread(target=sender.run, name="outbox")
            sending.start()
            worker.run()
            sending.join()
        log.info("Worker %s has stopped.", worker.worker_id)
