"""Whether anything empties the outbox."""

import threading
import time
from datetime import datetime, timedelta

import pytest

from delivery import beats
from delivery.models import WorkerBeat
from delivery.sender import Sender


@pytest.mark.django_db
def test_workers_are_alive_until_they_are_silent_for_too_long(now: datetime) -> None:
    beats.beat("a:1", now=now - timedelta(minutes=9))
    beats.beat("a:1", now=now - timedelta(seconds=29))
    beats.beat("b:2", now=now - timedelta(seconds=31))

    assert beats.workers(now=now) == beats.Workers(1, now - timedelta(seconds=29))


@pytest.mark.django_db
def test_killed_workers_are_forgotten_after_a_day(now: datetime) -> None:
    beats.beat("a:1", now=now - timedelta(hours=25))
    beats.beat("b:2", now=now - timedelta(hours=23))

    beats.forget_gone(now=now)

    assert list(WorkerBeat.objects.values_list("worker", flat=True)) == ["b:2"]


@pytest.mark.django_db(transaction=True)
def test_worker_beats_while_it_runs_and_is_gone_at_once_when_it_is_stopped() -> None:
    sender = Sender(threads=1)
    running = threading.Thread(target=sender.run)
    running.start()
    for _attempt in range(100):
        if WorkerBeat.objects.exists():
            break
        time.sleep(0.05)
    was_alive = WorkerBeat.objects.filter(worker=beats.THIS_WORKER).exists()

    sender.stop()
    running.join()

    assert was_alive
    assert not WorkerBeat.objects.exists()
