"""The statements that are written out fit the models, and say the same on both databases."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from accounts.models import Workspace
from delivery import events
from delivery.models import Event
from messaging import services
from messaging.models import Message, Recipient
from raven_admin.statements import Statement
from tokens import idempotency, rate_limit, request_log
from tokens.models import IdempotencyKey, RateBucket, RequestLogEntry

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("statement", "model", "left_to_null"),
    [
        (services._ADD_MESSAGE_ALONE, Message, set()),
        (services._ADD_EACH_RECIPIENT, Recipient, set()),
        (events._RECORD, Event, {"number"}),
        (request_log._WRITE, RequestLogEntry, set()),
        (idempotency._CLAIM, IdempotencyKey, {"status"}),
        (rate_limit._TAKE, RateBucket, set()),
    ],
)
def test_an_insert_names_every_column_of_its_model(
    statement: Statement, model: type[models.Model], left_to_null: set[str]
) -> None:
    for text in statement._text_for.values():
        found = re.search(rf"INSERT INTO {model._meta.db_table}\b[^(]*\(([^)]*)\)", text)

        assert found is not None
        named = {column.strip() for column in found[1].split(",")}
        columns = {field.column for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)}
        assert named == columns - left_to_null


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
