"""The statements that are written out fit the models, and say the same on both databases."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from accounts.models import Workspace
from delivery import events
from delivery.models import Event
from messaging import services
from messaging.models import Message, Recipient
from raven_admin.errors import RavenError
from raven_admin.statements import Statement, one_transaction
from tokens import idempotency, rate_limit, request_log
from tokens.models import IdempotencyKey, RateBucket, RequestLogEntry
from tokens.refusals import ProInactive

pytestmark = pytest.mark.django_db
ONE = Statement("SELECT 1")


@pytest.mark.parametrize(
    ("statement", "model", "left_out"),
    [
        (services._ADD_MESSAGE, Message, set()),
        (services._ADD_RECIPIENTS, Recipient, {"problem"}),
        (events._RECORD, Event, {"number"}),
        (request_log._WRITE, RequestLogEntry, set()),
        (idempotency._CLAIM, IdempotencyKey, {"status", "etag"}),
        (rate_limit._TAKE, RateBucket, set()),
    ],
)
def test_an_insert_names_every_column_of_its_model(
    statement: Statement, model: type[models.Model], left_out: set[str]
) -> None:
    for text in statement._text_for.values():
        found = re.search(rf"INSERT INTO {model._meta.db_table}\b[^(]*\(([^)]*)\)", text)

        assert found is not None
        named = {column.strip() for column in found[1].split(",")}
        columns = {field.column for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)}
        assert named == columns - left_out


def test_a_moment_is_stored_as_the_orm_stores_it(workspace: Workspace) -> None:
    moment = datetime(2026, 11, 21, 16, 30, 0, 5, tzinfo=timezone(timedelta(hours=7)))

    events.record(workspace_id=workspace.pk, kind="test", data={"text": 'a "b" é'}, at=moment)

    event = Event.objects.get()
    assert event.happened_at == moment.astimezone(UTC)
    assert event.data == {"text": 'a "b" é'}
    assert Event.objects.filter(happened_at=moment).exists()


def test_parameters_are_given_by_position_or_by_name() -> None:
    by_position = Statement("SELECT name FROM accounts_workspace WHERE slug = %s")
    by_name = Statement("SELECT name FROM accounts_workspace WHERE slug = %(slug)s AND slug = %(slug)s")
    Workspace.objects.create(name="50%", slug="it's")

    assert by_position.row("it's") == ("50%",)
    assert by_position.row("nobody's") is None
    assert by_name.rows(slug="it's") == [("50%",)]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_statement_runs_once_for_each(workspace: Workspace, count: int) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)

    events.record_all(workspace_id=workspace.pk, kind="test", data_of_each=[{"n": n} for n in range(count)], at=now)

    assert [event.data for event in Event.objects.order_by("pk")] == [{"n": n} for n in range(count)]


def test_a_broken_constraint_is_djangos_error(workspace: Workspace) -> None:
    add = Statement("INSERT INTO delivery_eventsequence (workspace_id, last_number) VALUES (%s, 0)")
    add.run(workspace.pk)

    with pytest.raises(IntegrityError), transaction.atomic():
        add.run(workspace.pk)


def test_a_statement_is_seen_by_whoever_counts_queries(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1) as queries:
        Statement("SELECT name FROM accounts_workspace WHERE slug = %s").rows("x")

    assert "accounts_workspace" in queries.captured_queries[0]["sql"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL prepares")
def test_a_statement_is_prepared_once_used_again(transactional_db: None) -> None:
    asked = Statement("SELECT name FROM accounts_workspace WHERE slug = %s AND 'asked twice' <> ''")
    for _ in range(4):
        asked.rows("x")

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%asked twice%%'")
        assert cursor.fetchone() == (1,)


_COUNT = Statement("SELECT count(*) FROM delivery_event")
MOMENT = datetime(2026, 11, 21, tzinfo=UTC)


def _record(workspace: Workspace, kind: str = "test") -> None:
    """By `Statement.later`."""
    events.record(workspace_id=workspace.pk, kind=kind, data={}, at=MOMENT)


@pytest.mark.django_db(transaction=True)
def test_what_waits_is_written_at_the_end_of_the_transaction(workspace: Workspace) -> None:
    with one_transaction():
        _record(workspace)
        request_log.write(
            request_log.Caller("req_1", MOMENT, "GET", "/", "127.0.0.1", "", b""),
            workspace_id=workspace.pk, token_id=None, ability="", status=200, code="", duration_ms=1, response_body=b"",
        )  # fmt: skip

    assert (Event.objects.count(), RequestLogEntry.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_what_waits_is_written_before_anything_else_is_asked(workspace: Workspace) -> None:
    seen = []
    with one_transaction():
        _record(workspace)
        seen.append(_COUNT.rows()[0][0])
        _record(workspace)
        seen.append(Event.objects.count())

    assert seen == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_the_same_statement_twice_is_written_in_that_order(workspace: Workspace) -> None:
    with one_transaction():
        for kind in ("first", "second", "third"):
            _record(workspace, kind)

    assert [event.kind for event in Event.objects.order_by("pk")] == ["first", "second", "third"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_asked", [True, False])
def test_nothing_of_a_refused_transaction_is_left(workspace: Workspace, is_asked: bool) -> None:
    def refused() -> None:
        with one_transaction():
            _record(workspace)
            if is_asked:
                assert _COUNT.rows() == [(1,)]
            raise ProInactive

    with pytest.raises(RavenError):
        refused()

    assert Event.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_of_what_waits_all_is_written_or_nothing(workspace: Workspace) -> None:
    add = Statement("INSERT INTO delivery_eventsequence (workspace_id, last_number) VALUES (%(workspace_id)s, 0)")
    add.run(workspace_id=workspace.pk)

    def broken() -> None:
        with one_transaction():
            _record(workspace)
            add.later(workspace_id=workspace.pk)

    with pytest.raises(IntegrityError):
        broken()

    assert Event.objects.count() == 0
    assert connection.get_autocommit()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is no journey away")
@pytest.mark.django_db(transaction=True)
def test_no_transaction_begins_for_a_first_reading(workspace: Workspace) -> None:
    with one_transaction():
        _COUNT.rows_before()

        assert connection.connection.info.transaction_status.name == "IDLE"
        assert not connection.connection.autocommit


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL can cut a connection")
@pytest.mark.django_db(transaction=True)
def test_a_first_statement_is_sent_again_when_the_connection_was_cut(workspace: Workspace) -> None:
    pid = connection.connection.info.backend_pid
    wrapper: Any = connection
    wrapper.health_check_enabled, wrapper.health_check_done = True, False
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()

    found = Statement("SELECT name FROM accounts_workspace WHERE slug = %(slug)s").first_row(slug=workspace.slug)

    assert found == (workspace.name,)
    assert connection.connection.info.backend_pid != pid


@pytest.mark.django_db(transaction=True)
def test_connection_that_is_closed_within_a_transaction_leaves_no_lock() -> None:
    def close_within() -> None:
        with transaction.atomic():
            Workspace.objects.create(name="Undone", slug="undone")
            ONE.run()
            connection.close()

    with ThreadPoolExecutor(1) as elsewhere:  # whose connection is still known while the next statement writes
        elsewhere.submit(close_within).result()
        Workspace.objects.create(name="Stored", slug="stored")

    assert [workspace.slug for workspace in Workspace.objects.all()] == ["stored"]
