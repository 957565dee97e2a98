"""/metrics as Prometheus reads it: by its own parser, from the real tables."""

import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries

from accounts.models import Workspace
from delivery import beats, books
from delivery.models import Delivery, Destination
from delivery.states import State
from delivery.tasks import compact_books
from raven_admin import __version__
from tokens.models import RequestLogEntry
from tokens.usage import roll_up

TOKEN = "Tn5cQ8wXv2Lz7Rb4Hy1K"
SEND = "/raven/xapi/v1/token:self"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def metrics_token(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN


@pytest.fixture
def destination(workspace: Workspace, now: datetime) -> Destination:
    made: Destination = Destination.objects.create(
        workspace=workspace,
        name='Shop "one"\n',
        kind="raven",
        consecutive_failures=6,
        resumes_at=now + timedelta(minutes=1),
    )
    return made


def put_out(destination: Destination, state: State, *, since: datetime) -> None:
    Delivery.objects.create(
        workspace=destination.workspace, destination=destination, lane="persona:1", kind="persona.changed", state=state,
        due_at=since, since=since, created_at=since,
    )  # fmt: skip
    books.enter({(destination.pk, books.CREATED): 1, (destination.pk, state): 1})


def scrape() -> Samples:
    answer = Client(headers={"host": "10.4.0.17"}).get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def of(samples: Samples, name: str, /, **labels: str) -> float | None:
    """The one sample that has these labels, whatever others it has."""
    found = [value for (named, has), value in samples.items() if named == name and labels.items() <= has]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize("shown", ["", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer ÿ"])
def test_metrics_are_for_those_who_know_the_token(shown: str) -> None:
    answer = Client().get("/metrics", headers={"authorization": shown})

    assert (answer.status_code, answer.content, answer["WWW-Authenticate"]) == (401, b"", "Bearer")


@pytest.mark.django_db
def test_without_a_token_there_are_no_metrics(settings: Any) -> None:
    settings.METRICS_TOKEN = ""

    assert Client().get("/metrics", headers={"authorization": "Bearer "}).status_code == 404


@pytest.mark.django_db
def test_calls_are_counted_by_status_and_code_before_and_after_the_worker_counted_them(secret: str) -> None:
    good = {"authorization": f"Bearer {secret}"}
    answers = [Client().get(SEND, headers=headers).status_code for headers in (good, good, {})]
    before = scrape()
    last = RequestLogEntry.objects.order_by("-received_at").values_list("received_at", flat=True)[0]
    roll_up(now=last + timedelta(hours=1))
    Client().get(SEND, headers=good)

    after = scrape()

    assert answers == [200, 200, 401]
    requests = "raven_gateway_requests_total"
    assert (of(before, requests, status="200", code=""), of(after, requests, status="200", code="")) == (2, 3)
    assert of(before, requests, code="token_missing") == of(after, requests, code="token_missing") == 1
    duration = "raven_gateway_request_duration_seconds"
    assert [of(each, f"{duration}_bucket", le="+Inf") for each in (before, after)] == [3, 4]
    assert [of(each, f"{duration}_count") for each in (before, after)] == [3, 4]
    assert (of(before, f"{duration}_sum") or 0) < (of(after, f"{duration}_sum") or 0)


@pytest.mark.django_db
def test_the_outbox_is_told_by_destination(destination: Destination, now: datetime) -> None:
    put_out(destination, State.WAITING, since=now - timedelta(minutes=7))
    put_out(destination, State.REFUSED, since=now - timedelta(minutes=3))
    put_out(destination, State.DELIVERED, since=now - timedelta(hours=9))
    beats.beat("here:1", now=now)
    before = scrape()
    compact_books.call()

    samples = scrape()

    assert samples == before
    there = {"destination": str(destination.pk), "name": 'Shop "one"\n', "workspace": "demo", "kind": "raven"}
    assert of(samples, "raven_outbox_created_total", **there) == 3
    assert of(samples, "raven_outbox_finished_total", **there, state="delivered") == 1
    assert [of(samples, "raven_outbox_open", **there, state=state) for state in ("waiting", "sending", "refused")] == [
        1, 0, 1,
    ]  # fmt: skip
    assert of(samples, "raven_outbox_oldest_undelivered_seconds", **there) == 420
    assert of(samples, "raven_outbox_consecutive_failures", **there) == 6
    assert of(samples, "raven_outbox_paused", **there) == 1
    assert of(samples, "raven_outbox_on", **there) == 1
    assert of(samples, "raven_workers_alive") == 1


@pytest.mark.django_db
def test_tasks_that_wait_are_counted_and_timed(now: datetime) -> None:
    assert of(scrape(), "raven_tasks", status="waiting") == 0
    compact_books.enqueue()

    samples = scrape()

    assert of(samples, "raven_tasks", status="waiting") == 1
    assert of(samples, "raven_tasks_oldest_due_seconds") == 0


@pytest.mark.django_db
def test_a_hundred_destinations_cost_as_many_queries_as_none(
    workspace: Workspace, now: datetime, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(100):
        put_out(
            Destination.objects.create(workspace=workspace, name=f"Shop {number}", kind="raven"),
            State.WAITING,
            since=now,
        )

    with django_assert_max_num_queries(11):
        samples = scrape()

    assert sum(name == "raven_outbox_created_total" for name, _labels in samples) == 100


@pytest.mark.django_db
def test_a_database_that_is_away_is_an_answer() -> None:
    def fail(*_: Any) -> None:
        raise OperationalError("could not connect to db.internal as raven")

    with connection.execute_wrapper(fail):
        answer = Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})

    assert (answer.status_code, answer.json()["checks"]) == (503, {"database": "unreachable"})


def test_the_version_is_that_of_the_package(project: Path) -> None:
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"] == __version__
