"""What the log says of each call, and that no secret stands in it, in either format."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts import log_context
from accounts.models import User
from tokens.log_format import JsonFormatter, LineFormatter, masked
from tokens.models import Token
from tokens.secrets import new_secret

SEND = "/raven/xapi/v1/token:self"
SECRETS = {
    "a token": new_secret().value,
    "a temporary token": new_secret("rvt").value,
    "a token in an address": new_secret().value.replace("_", "%5F"),
    "a token as JSON has it": new_secret().value.replace("_", "\\u005f"),
    "a webhook's secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "a bearer": "Authorization: Bearer sk-live-4f9a8b7c6d5e4f3a2b1c",
    "a basic": "Basic cmF2ZW46b3Blbi1zZXNhbWU=",
    "a database's address": "postgres://raven:open-sesame@db/raven",
    "a form": "username=ayu&password=open-sesame&next=/",
    "a header of Bevatel's": "{'api_access_token': 'open-sesame-4711'}",
    "an incoming address": "/in/Zk3vN8qL1xT5yW7bR2mC9pD4sF6gH0jK/",
    "the address of a calendar": "/calendar/Zk3vN8qL1xT5yW7bR2mC9pD4sF6gH0jK.ics",
    "the server's own": "key open-sesame-of-this-server",
}
TELLTALES = ("open-sesame", "MfKQ9r8G", "sk-live", "cmF2ZW46", "Zk3vN8qL")


@pytest.fixture
def own_secret(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = ["open-sesame-of-this-server"]


@contextmanager
def log_of(formatter: logging.Formatter) -> Iterator[io.StringIO]:
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    try:
        yield handler.stream
    finally:
        logging.getLogger().removeHandler(handler)


@pytest.fixture(params=[LineFormatter, JsonFormatter])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What a server writes to its log, in one format and in the other."""
    with log_of(request.param()) as stream:
        yield stream


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a server writes to its log with LOG_FORMAT=json."""
    with log_of(JsonFormatter()) as stream:
        yield stream


@pytest.fixture(autouse=True)
def nothing_at_hand() -> Iterator[None]:
    log_context.begin()
    yield
    log_context.begin()


def secret_part(text: str) -> tuple[str, ...]:
    return (text[-44:-8], *(part for part in TELLTALES if part in text))


@pytest.mark.parametrize("what", SECRETS)
def test_no_secret_is_written_in_a_message_or_in_an_exception(
    what: str, written: io.StringIO, own_secret: None
) -> None:
    secret = SECRETS[what]
    log = logging.getLogger("some.library")

    log.warning("asked %s", secret)
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("failed at %r", {"of": secret})

    text = written.getvalue()
    parts = [part for part in secret_part(secret) if part in secret]
    assert "asked" in text
    assert "ValueError" in text
    assert [part for part in parts if part in text] == []


def test_words_are_left_alone() -> None:
    text = "Basic authentication by bearer is on; the password of /in/progress is asked for at https://db:5432/x@y"

    assert masked(text) == text


def test_a_json_line_is_one_object_whatever_the_message(now: datetime, lines: io.StringIO) -> None:
    log_context.begin(request_id="req_1", workspace_id=3)

    logging.getLogger("some.library").warning('two\nlines, "quotes" and \\u0041 \udce4 %s', "ü")

    (line,) = lines.getvalue().splitlines()
    assert json.loads(line) == {
        "time": "2026-11-21T09:30:00.000Z", "level": "WARNING", "logger": "some.library",
        "message": 'two\nlines, "quotes" and \\u0041 \udce4 ü', "request_id": "req_1", "workspace_id": 3,
    }  # fmt: skip


def test_a_line_for_people_ends_with_what_was_at_hand(now: datetime) -> None:
    log_context.begin(request_id="req_1")
    record = logging.LogRecord("some.library", logging.WARNING, "", 1, "It rains in %s.", ("Jakarta",), None)

    assert LineFormatter().format(record) == (
        "2026-11-21T09:30:00.000Z WARNING some.library It rains in Jakarta. request_id=req_1"
    )


@pytest.mark.django_db
def test_a_failed_call_is_logged_under_its_request_id_with_token_and_workspace(
    lines: io.StringIO, token: Token, secret: str
) -> None:
    with connection.execute_wrapper(_fail_at_the_log):
        answer = Client().get(f"{SEND}?again={secret}", headers={"authorization": f"Bearer {secret}"})

    every = [json.loads(line) for line in lines.getvalue().splitlines()]
    (said,) = [each for each in every if each["logger"] == "tokens.gateway"]
    assert answer.status_code == 500
    assert {each["request_id"] for each in every} == {answer["X-Request-Id"]}
    assert (said["workspace_id"], said["token_id"]) == (token.workspace_id, token.pk)
    assert "RuntimeError" in said["exception"]
    assert secret[-44:-8] not in lines.getvalue()


@pytest.mark.django_db
def test_a_failed_page_is_logged_under_the_request_id_of_its_answer(lines: io.StringIO, admin_user: User) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")
    with connection.execute_wrapper(_fail_at_tokens):
        answer = client.get("/console/tokens/token/", headers={"x-request-id": "forged"})

    said = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert answer.status_code == 500
    assert {each["request_id"] for each in said} == {answer["X-Request-Id"]}
    assert answer["X-Request-Id"].startswith("req_")
    assert [each["user_id"] for each in said if each["logger"] == "django.request"] == [admin_user.pk]


@pytest.mark.django_db
def test_every_page_has_a_request_id_of_its_own() -> None:
    ids = {Client().get(path)["X-Request-Id"] for path in ("/console/login/", "/console/login/", "/nowhere")}

    assert len(ids) == 3


def test_what_was_noted_for_a_block_is_forgotten_behind_it() -> None:
    log_context.begin(request_id="req_1")

    with log_context.noting(delivery_id=7, token_id=None):
        inside = dict(log_context.at_hand())

    assert inside == {"request_id": "req_1", "delivery_id": 7}
    assert log_context.at_hand() == {"request_id": "req_1"}


def _fail_at_the_log(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    given = params.values() if isinstance(params, dict) else params
    if "INSERT INTO tokens_requestlogentry" in sql and 200 in given:
        raise RuntimeError(f"the log said {params}")
    return execute(sql, params, many, context)


def _fail_at_tokens(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    if 'FROM "tokens_token"' in sql:
        raise RuntimeError("the table has gone")
    return execute(sql, params, many, context)
