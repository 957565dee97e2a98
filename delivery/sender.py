"""The part of the worker that empties the outbox: several destinations at a time, none of which delays another."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from time import monotonic

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from delivery import beats
from delivery.carrying import Carrying
from delivery.claims import claim, due_destinations, renew, take_over_expired

log = logging.getLogger(__name__)

POLL_EVERY = timedelta(milliseconds=500)
LOOK_AGAIN_AFTER = timedelta(milliseconds=50)
"""When something is being sent, there may be enough for one more thread."""
LONGEST_PAUSE = timedelta(seconds=30)
TURN = timedelta(seconds=5)
"""How long one destination may keep a thread while others wait for one."""
FIRST_BATCH, LARGEST_BATCH = 8, 200
WORTH_A_THREAD = timedelta(milliseconds=4)
"""Where a delivery takes less, it is this process that is busy, not the destination: a second thread would not help."""
BATCH_TIME = timedelta(seconds=1)
"""How long a claim should take; slow destinations get small ones, so that what waits is not held in one worker."""


class Sender:
    """Claims what is due and carries it, until it is stopped."""

    def __init__(self, *, threads: int | None = None) -> None:
        self._threads = threads or settings.OUTBOX_THREADS
        self._running: Counter[int] = Counter()
        self._seconds_per_delivery: dict[int, float] = {}
        self._lease_ends_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._swept_at = 0.0
        self._renewed_at = 0.0

    def stop(self) -> None:
        """No further delivery is begun. Safe to call from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Returns after `stop`, when every call that was out has been answered and its outcome is stored."""
        pause_s = POLL_EVERY.total_seconds()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="outbox") as pool:
            while not self._stopping.is_set():
                try:
                    close_old_connections()
                    self._sweep()
                    self._renew()
                    has_started = self._start_turns(pool)
                    pause_s = (LOOK_AGAIN_AFTER if has_started else POLL_EVERY).total_seconds()
                except Exception:  # the outermost loop: whatever happened is recorded and tried again
                    pause_s = min(max(pause_s * 2, POLL_EVERY.total_seconds()), LONGEST_PAUSE.total_seconds())
                    log.exception("The outbox failed; next attempt in %g s.", pause_s)
                    connection.close()
                self._nap(pause_s)
            while self._running.total():  # leases are kept until the last call is back
                self._renew()
                self._nap(0.1)
        with suppress(DatabaseError):  # it may be away, and the beat ends by itself
            beats.end(beats.THIS_WORKER)
        connection.close()

    def drain(self) -> None:
        """Everything that was due has been tried, in this thread; for tests."""
        while sum(self._batch(destination_id) for destination_id, _most in due_destinations(now=timezone.now())):
            pass

    def _nap(self, seconds: float) -> None:
        """Until a turn ends, or as long; in short naps, so that `stop` is heard soon."""
        until = monotonic() + seconds
        while monotonic() < until and not self._woken.wait(min(0.1, seconds)):
            if self._stopping.is_set():
                break
        self._woken.clear()

    def _start_turns(self, pool: ThreadPoolExecutor) -> bool:
        """Whether there was a thread, and something to do for it."""
        has_started = False
        due = due_destinations(now=timezone.now())
        share = max(1, self._threads // (len(due) + 1))  # of one, so that the next destination still finds a thread
        for destination_id, most in sorted(due, key=lambda each: self._running[each[0]]):
            with self._lock:
                if self._running.total() >= self._threads:
                    break
                if self._running[destination_id] >= min(most, share, self._worth(destination_id)):
                    continue
                self._running[destination_id] += 1
            has_started = True
            pool.submit(self._turn, destination_id).add_done_callback(partial(self._end_turn, destination_id))
        return has_started

    def _worth(self, destination_id: int) -> int:
        """How many threads can be of use to it."""
        seconds = self._seconds_per_delivery.get(destination_id, 0)
        return self._threads if seconds > WORTH_A_THREAD.total_seconds() else 1

    def _end_turn(self, destination_id: int, turn: "Future[bool]") -> None:
        with self._lock:
            self._running[destination_id] -= 1
            if not self._running[destination_id]:
                del self._running[destination_id]
        if turn.result():
            self._woken.set()

    def _turn(self, destination_id: int) -> bool:
        """Whether anything was sent."""
        ends_at = monotonic() + TURN.total_seconds()
        sent = False
        try:
            close_old_connections()
            while not self._stopping.is_set() and monotonic() < ends_at and self._batch(destination_id):
                sent = True
        except Exception:  # the thread's outermost loop
            log.exception("Sending to destination %d failed.", destination_id)
            connection.close()
            return False
        return sent

    def _batch(self, destination_id: int) -> bool:
        """Whether there was anything to claim; it has been carried."""
        claimed = claim(destination_id, limit=self._batch_size(destination_id), now=timezone.now())
        if claimed is None:
            return False
        with self._kept(claimed.lease):
            begun = monotonic()
            tried = Carrying(
                claimed,
                lease_ends_at=partial(self._lease_ends_at.__getitem__, claimed.lease),
                is_stopping=self._stopping.is_set,
            ).run()
            if tried:
                self._seconds_per_delivery[destination_id] = (monotonic() - begun) / tried
        return tried > 0

    def _batch_size(self, destination_id: int) -> int:
        seconds = self._seconds_per_delivery.get(destination_id)
        if not seconds:
            return FIRST_BATCH
        return max(1, min(LARGEST_BATCH, int(BATCH_TIME.total_seconds() / seconds)))

    @contextmanager
    def _kept(self, lease: str) -> Iterator[None]:
        """The lease is renewed for as long as the block lasts."""
        with self._lock:
            self._lease_ends_at[lease] = _end_of_lease(monotonic())
        try:
            yield
        finally:
            with self._lock:
                del self._lease_ends_at[lease]

    def _renew(self) -> None:
        if monotonic() - self._renewed_at < settings.OUTBOX_LEASE.total_seconds() / 4:
            return
        self._renewed_at = monotonic()
        with self._lock:
            leases = list(self._lease_ends_at)
        renew(leases, until=timezone.now() + settings.OUTBOX_LEASE)
        with self._lock:
            self._lease_ends_at |= dict.fromkeys(
                self._lease_ends_at.keys() & set(leases), _end_of_lease(self._renewed_at)
            )

    def _sweep(self) -> None:
        if monotonic() - self._swept_at < settings.OUTBOX_LEASE.total_seconds() / 12:
            return
        self._swept_at = monotonic()
        beats.beat(beats.THIS_WORKER, now=timezone.now())
        taken = take_over_expired(now=timezone.now())
        if taken:
            log.warning("%d deliveries were being sent by a worker that is gone.", taken)


def _end_of_lease(begun: float) -> float:
    """Until when calls may begin under a lease of then; a little before it ends for others, whose clocks differ."""
    return begun + settings.OUTBOX_LEASE.total_seconds() * 0.9
