"""What probes are told: without a session, by any Host, over plain http, and nothing that gives anything away."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from delivery import beats


def fail(*_: Any) -> None:
    raise OperationalError("could not connect to db.internal as raven")


@pytest.fixture
def probe() -> Client:
    return Client(headers={"host": "10.4.0.17:8000"})


@pytest.fixture
def https(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True


def test_a_live_process_says_so_without_its_database(probe: Client, https: None) -> None:
    answer = probe.get("/health/live")  # without the database mark, any query would fail the test

    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": {}})
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_a_server_that_has_all_it_needs_is_ready(
    probe: Client, https: None, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    beats.beat("here:1", now=now)
    probe.get("/health/ready")  # reads the migrations of the code, once in a process

    with django_assert_num_queries(3):
        answer = probe.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": {"database": "ok", "migrations": "ok", "worker": "ok"}}


@pytest.mark.django_db
def test_a_server_without_a_worker_answers_pages_and_is_not_ready(probe: Client, now: datetime) -> None:
    beats.beat("here:1", now=now - timedelta(minutes=2))

    ready, web = probe.get("/health/ready"), probe.get("/health/web")

    assert ready.status_code == 503
    assert ready.json()["checks"] == {"database": "ok", "migrations": "ok", "worker": "missing"}
    assert (web.status_code, web.json()["checks"]) == (200, {"database": "ok", "migrations": "ok"})


@pytest.mark.django_db
def test_a_server_whose_migrations_are_not_applied_is_not_ready(probe: Client) -> None:
    newest = next(name for app, name in MigrationLoader(None).graph.leaf_nodes() if app == "tokens")
    MigrationRecorder(connection).record_unapplied("tokens", newest)

    answer = probe.get("/health/web")

    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "checks": {"database": "ok", "migrations": "pending"}}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/health/web", "/health/ready"])
def test_a_database_that_is_away_is_named_and_nothing_of_it(probe: Client, path: str) -> None:
    with connection.execute_wrapper(fail):
        answer = probe.get(path)

    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "checks": {"database": "unreachable"}}


@pytest.mark.parametrize("call", [Client.post, Client.put, Client.delete], ids=["POST", "PUT", "DELETE"])
def test_only_reading_is_answered(probe: Client, call: Callable[..., Any]) -> None:
    assert call(probe, "/health/live").status_code == 405
