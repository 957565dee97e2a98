"""A statement under way to PostgreSQL: what it gives, and what is left of it when something goes wrong."""

import gc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection

from accounts.models import Workspace
from delivery import events
from delivery.models import Event
from messaging.models import Recipient
from messaging.services import _ADD_RECIPIENTS
from raven_admin import journeys
from raven_admin.journeys import Journey, Prepared
from raven_admin.statements import Statement, one_transaction

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is no journey away"),
    pytest.mark.django_db(transaction=True),
]
MOMENT = datetime(2026, 11, 21, 16, 30, 0, 5, tzinfo=UTC)
ONE = Statement("SELECT 1")


@pytest.fixture
def driver() -> Iterator[Any]:
    connection.ensure_connection()
    yield connection.connection
    connection.close()


def test_values_arrive_and_come_back_as_they_are(driver: Any) -> None:
    asked = Prepared("SELECT $1::text, $2::bigint, $3::float8, $4::boolean, $5::timestamptz, $6::text")
    values = ["50% “é” 🚀", 2**62, 0.1, True, MOMENT, None]

    for _ in range(2):
        assert Journey(asked, driver, values).rows() == [tuple(values)]


def test_something_else_is_done_once_while_it_is_under_way(driver: Any) -> None:
    states = []

    rows = Journey(Prepared("SELECT 1"), driver, []).rows(lambda: states.append(driver.info.transaction_status.name))

    assert (rows, states) == ([(1,)], ["ACTIVE"])


def test_an_error_of_what_is_done_meanwhile_leaves_the_connection_free(driver: Any) -> None:
    def fail() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Journey(Prepared("SELECT 1"), driver, []).rows(fail)

    assert ONE.rows() == [(1,)]


def test_a_statement_that_the_driver_let_postgresql_forget_is_prepared_again(driver: Any) -> None:
    asked = Prepared("SELECT 'again'")
    Journey(asked, driver, []).rows()
    driver.execute("DEALLOCATE ALL")

    assert Journey(asked, driver, []).rows() == [("again",)]


def test_a_null_character_is_refused_and_nothing_is_sent(driver: Any) -> None:
    with pytest.raises(psycopg.DataError):
        Journey(Prepared("SELECT $1::text"), driver, ["cut\0off"])

    assert driver.info.transaction_status.name == "IDLE"


def test_what_cannot_be_committed_is_an_error_though_it_was_done(workspace: Workspace) -> None:
    """Foreign keys are looked at when the transaction ends, behind the answer to the statement."""

    def add() -> None:
        with one_transaction():
            events.record(workspace_id=workspace.pk, kind="test", data={}, at=MOMENT)
            _ADD_RECIPIENTS.later(message_id=0, recipients='[[0, 0, "phone", "+6281234567890"]]')

    with pytest.raises(IntegrityError):
        add()

    assert not Event.objects.exists()
    assert not Recipient.objects.exists()


def test_what_is_done_meanwhile_comes_before_the_end_of_the_transaction(workspace: Workspace) -> None:
    done: list[str] = []
    with one_transaction(meanwhile=lambda: done.append("meanwhile")):
        events.record(workspace_id=workspace.pk, kind="test", data={}, at=MOMENT)
        done.append("written")
    done.append("over")

    assert done == ["written", "meanwhile", "over"]
    assert Event.objects.count() == 1


def test_a_connection_that_is_closed_is_forgotten(driver: Any) -> None:
    Journey(Prepared("SELECT 1"), driver, []).rows()
    before = len(journeys._known)
    with psycopg.connect(driver.info.dsn, password=driver.info.password) as other:
        Journey(Prepared("SELECT 1"), other, []).rows()
    del other
    gc.collect()

    assert len(journeys._known) == before
