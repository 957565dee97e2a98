"""What a call asks ahead, beside the look for its token, changes nothing but the number of journeys."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from accounts.models import User, Workspace
from messaging.models import Message, Recipient
from personas.models import Contact
from tests.platforms.raven.conftest import Api, refused
from tokens.models import RequestLogEntry, Token, TokenAbility


@pytest.mark.django_db
def test_what_changed_since_the_last_call_counts_at_the_next(
    call: Api, body: dict[str, Any], token: Token, workspace: Workspace
) -> None:
    at_home = body | {
        "recipient": [{"name": "Rina", "contact": [{"type": "phone", "name": "", "key": "0812 3456789"}]}]
    }
    call("message:send", at_home)
    Workspace.objects.filter(pk=workspace.pk).update(country="SG")
    abroad = body | {"recipient": [{"name": "Tan", "contact": [{"type": "phone", "name": "", "key": "8123 4567"}]}]}

    answer = call("message:send", abroad)

    assert answer.status_code == 200
    assert Recipient.objects.latest("pk").contact_key == "+6581234567"


@pytest.mark.django_db
def test_who_was_added_by_the_last_call_is_known_at_the_next(call: Api, body: dict[str, Any]) -> None:
    statuses = [call("message:send", body).status_code for _ in range(3)]

    assert statuses == [200, 200, 200]
    assert Contact.objects.count() == 1
    assert Message.objects.values("topic").distinct().count() == 1


@pytest.mark.django_db
def test_an_alias_that_was_changed_sends_from_the_next_call_on(
    call: Api, body: dict[str, Any], token: Token, sender: User, support_user: User
) -> None:
    del body["username"]
    Token.objects.filter(pk=token.pk).update(user_alias=sender)
    call("message:send", body)
    Token.objects.filter(pk=token.pk).update(user_alias=support_user)

    answer = call("message:send", body)

    assert answer.status_code == 200
    assert Message.objects.latest("pk").sender_user == support_user


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"is_on": False}, 401, "token_disabled"),
        ({"revoked_at": datetime(2026, 1, 1, tzinfo=UTC)}, 401, "token_revoked"),
        ({"source_networks": ["203.0.113.0/24"]}, 403, "source_refused"),
    ],
)
def test_a_token_that_was_good_a_moment_ago_is_refused_when_it_no_longer_is(
    call: Api, body: dict[str, Any], token: Token, change: dict[str, Any], status: int, code: str
) -> None:
    call("message:send", body)
    Token.objects.filter(pk=token.pk).update(**change)

    answer = call("message:send", body)

    assert refused(answer)[:2] == (status, code)
    assert Message.objects.count() == 1
    assert RequestLogEntry.objects.latest("pk").code == code


@pytest.mark.django_db
def test_a_secret_that_was_right_a_moment_ago_leaves_no_body_in_the_log(
    call: Api, body: dict[str, Any], token: Token
) -> None:
    call("message:send", body)
    Token.objects.filter(pk=token.pk).update(digest="0" * 64)

    answer = call("message:send", body)

    assert refused(answer)[:2] == (401, "token_unknown")
    logged = RequestLogEntry.objects.latest("pk")
    assert (logged.code, logged.token_id, logged.request_body) == ("token_unknown", token.pk, "")


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", [b'{"message": 5}', b"[", b'{"a": "\\u0000"}', b"x" * 300_000, b""])
def test_a_lacking_ability_is_told_before_what_is_wrong_with_the_body(
    call: Api, body: dict[str, Any], token: Token, wrong: bytes
) -> None:
    call("message:send", body)
    TokenAbility.objects.filter(token=token, key="message_send").delete()

    answer = call("message:send", wrong)

    assert refused(answer)[:2] == (403, "ability_missing")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"username": "your\0username"}, "body_invalid"),
        ({"message": "rvn_4fK9aZ31bQxY_0123456789abcdef"}, "token_in_body"),
    ],
)
def test_what_only_the_text_of_a_body_tells_is_refused_after_a_good_call(
    call: Api, body: dict[str, Any], wrong: dict[str, str], code: str
) -> None:
    call("message:send", body)

    answer = call("message:send", body | wrong)

    assert refused(answer)[:2] == (400, code)
    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_name_that_stands_twice_is_refused_after_a_good_call(call: Api, body: dict[str, Any]) -> None:
    call("message:send", body)
    twice = json.dumps(body).replace('"message"', '"message": "One of two", "message"').encode()

    answer = call("message:send", twice)

    assert refused(answer)[:2] == (400, "body_invalid")
    assert Message.objects.count() == 1


def _last_number() -> int:
    """The number given last to a message; who looks ahead takes one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM messaging_message_id_seq")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is no journey away")
def test_who_is_let_through_is_looked_ahead_for(call: Api, body: dict[str, Any], token: Token) -> None:
    call("message:send", body)
    before = _last_number()
    TokenAbility.objects.filter(token=token, key="message_send").delete()

    call("message:send", body)

    assert _last_number() == before + 1


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is no journey away")
@pytest.mark.parametrize(
    ("change", "status"),
    [({"requests_per_minute": 1}, 429), ({"is_on": False}, 401), ({"source_networks": ["203.0.113.0/24"]}, 403)],
)
def test_a_call_that_is_refused_again_costs_no_work_before(
    call: Api, body: dict[str, Any], token: Token, change: dict[str, Any], status: int
) -> None:
    call("message:send", body)
    Token.objects.filter(pk=token.pk).update(**change)
    call("message:send", body)
    call("message:send", body)
    before = _last_number()

    answer = call("message:send", body)

    assert answer.status_code == status
    assert _last_number() == before


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is no journey away")
def test_more_recipients_than_a_message_may_have_are_not_looked_for(
    call: Api, body: dict[str, Any], token: Token
) -> None:
    call("message:send", body)
    TokenAbility.objects.filter(token=token, key="message_send").delete()
    before = _last_number()
    mass = body | {"topic": {"type": "mass", "name": "All"}, "recipient": body["recipient"] * 1001}

    answer = call("message:send", mass)

    assert answer.status_code == 403
    assert _last_number() == before
