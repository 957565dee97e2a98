"""What Prometheus reads at /metrics, derived from the database: the same whichever process answers."""

from collections.abc import Iterator

from django.conf import settings
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from delivery import beats
from delivery import measures as outbox
from delivery.states import OPEN_STATES, State
from raven_admin import __version__
from tokens import measures as gateway


def exposition(*, accept: str) -> tuple[bytes, str]:
    """All metrics as of now, and their media type: that of OpenMetrics for those who accept it."""
    registry = CollectorRegistry(auto_describe=False)
    # Everything is measured before the first line is written: a database that is away is an answer, not half of one.
    measured = [*_server(), *_gateway(), *_outbox(), *_tasks()]
    registry.register(_Measured(measured))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Measured(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics

    def describe(self) -> list[Metric]:
        return []


def _server() -> Iterator[Metric]:
    yield InfoMetricFamily("raven", "The version that answers.", {"version": __version__})
    yield GaugeMetricFamily(
        "raven_workers_alive",
        "Workers that empty the outbox, by their heartbeats.",
        beats.workers(now=timezone.now()).alive,
    )


def _gateway() -> Iterator[Metric]:
    calls = gateway.calls_so_far()
    requests = CounterMetricFamily(
        "raven_gateway_requests", "Calls of programs, refused ones too.", labels=["status", "code"]
    )
    for (status, code), number in sorted(calls.by_kind.items()):
        requests.add_metric([str(status), code], number)
    yield requests
    buckets, so_far = [], 0
    for bound in gateway.BOUNDS_MS:
        so_far += calls.by_bound.get(bound, 0)
        buckets.append((str(bound / 1000), so_far))
    buckets.append(("+Inf", so_far + calls.by_bound.get(0, 0)))
    yield HistogramMetricFamily(
        "raven_gateway_request_duration_seconds", "How long calls took here.", buckets=buckets, sum_value=calls.seconds
    )


def _outbox() -> Iterator[Metric]:
    labels = ["workspace", "destination", "name", "kind"]
    created = CounterMetricFamily("raven_outbox_created", "Deliveries that came to be.", labels=labels)
    finished = CounterMetricFamily(
        "raven_outbox_finished", "Deliveries that ended, and how.", labels=[*labels, "state"]
    )
    unfinished = GaugeMetricFamily(
        "raven_outbox_open", "Deliveries that have not arrived, by state.", labels=[*labels, "state"]
    )
    oldest = GaugeMetricFamily(
        "raven_outbox_oldest_undelivered_seconds",
        "Age of the oldest change that has not arrived there; 0 when all has.",
        labels=labels,
    )
    failures = GaugeMetricFamily(
        "raven_outbox_consecutive_failures", "Temporary failures since the last answer.", labels=labels
    )
    paused = GaugeMetricFamily(
        "raven_outbox_paused", "1 while nothing is sent because it failed or asked to wait.", labels=labels
    )
    on = GaugeMetricFamily("raven_outbox_on", "0 when somebody switched it off.", labels=labels)
    for each in outbox.destinations(now=timezone.now()):
        destination = each.destination
        names = [destination.workspace.slug, str(destination.pk), destination.name, destination.kind]
        created.add_metric(names, each.created)
        for state in State:
            (unfinished if state in OPEN_STATES else finished).add_metric([*names, state.value], each.by_state[state])
        oldest.add_metric(names, each.oldest_s)
        failures.add_metric(names, destination.consecutive_failures)
        paused.add_metric(names, int(each.is_left_alone))
        on.add_metric(names, int(destination.is_on))
    yield from (created, finished, unfinished, oldest, failures, paused, on)
    yield GaugeMetricFamily(
        "raven_outbox_age_limit_seconds",
        "How old the oldest undelivered change may be.",
        settings.OUTBOX_AGE_LIMIT.total_seconds(),
    )


def _tasks() -> Iterator[Metric]:
    measured = outbox.tasks(now=timezone.now())
    tasks = GaugeMetricFamily("raven_tasks", "Background tasks, each counted to 10,000.", labels=["status"])
    for status, number in measured.by_status.items():
        tasks.add_metric([status], number)
    yield tasks
    yield GaugeMetricFamily(
        "raven_tasks_oldest_due_seconds", "For how long the first task waits that could run.", measured.oldest_due_s
    )
