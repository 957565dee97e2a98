from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tokens import rehearsal
from tokens.models import RequestLogEntry, Status, Token, TokenEvent
from tokens.services import COMMAND_LINE, derive_token, revoke_token, switch_token

pytestmark = pytest.mark.django_db


def call(secret: str) -> Any:
    return Client().get("/raven/xapi/v1/token:self", headers={"Authorization": f"Bearer {secret}"})


def test_calls_are_refused_for_five_minutes_and_work_again_by_themselves(token: Token, secret: str) -> None:
    begun = datetime.fromisoformat("2026-11-21T09:30:00Z")
    codes = []
    with time_machine.travel(begun, tick=False) as clock:
        codes.append(call(secret).json().get("code"))
        rehearsal.begin(token=token, by=COMMAND_LINE, at=begun)
        for after in (timedelta(0), timedelta(seconds=299), timedelta(minutes=5)):
            clock.move_to(begun + after)
            codes.append(call(secret).json().get("code"))

    assert codes == [None, "token_paused", "token_paused", None]


def test_refused_call_says_that_it_is_a_rehearsal_in_each_dialect(token: Token, secret: str, now: datetime) -> None:
    rehearsal.begin(token=token, by=COMMAND_LINE, at=now)
    account = token.workspace.account_number

    answers = [
        call(secret),
        Client().get("/chative/v1.0/contacts", headers={"Authorization": f"Bearer {secret}"}),
        Client().get(f"/bevatel/api/v1/accounts/{account}/contacts", headers={"api_access_token": secret}),
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    sentence = "The token is paused until 2026-11-21T09:35:00Z: its admin rehearses revoking it. Ask them."
    assert [sentence in answer.content.decode() for answer in answers] == [True, True, True]


def test_derived_tokens_rehearse_with_their_parent(token: Token, now: datetime) -> None:
    derived = derive_token(parent=token, abilities=(), lifetime=timedelta(minutes=30), at=now)
    rehearsal.begin(token=token, by=COMMAND_LINE, at=now)

    assert call(derived.secret.value).json()["code"] == "token_paused"


def test_a_rehearsal_costs_the_gateway_no_query(
    token: Token, secret: str, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    call(secret)  # which notes the use of this minute
    switch_token(token=token, on=False, by=COMMAND_LINE)
    with django_assert_num_queries(2):
        call(secret)
    switch_token(token=token, on=True, by=COMMAND_LINE)
    rehearsal.begin(token=token, by=COMMAND_LINE, at=now)

    with django_assert_num_queries(2):
        call(secret)


def test_ending_early_makes_the_token_work_at_once(token: Token, secret: str, now: datetime) -> None:
    rehearsal.begin(token=token, by=COMMAND_LINE, at=now)
    assert call(secret).status_code == 401

    ended = rehearsal.end(token=token, by=COMMAND_LINE, at=now)

    assert (ended, call(secret).status_code) == (True, 200)
    assert rehearsal.end(token=token, by=COMMAND_LINE, at=now) is False


def test_history_records_begin_and_early_end(token: Token, now: datetime) -> None:
    rehearsal.begin(token=token, by=COMMAND_LINE, at=now)
    rehearsal.end(token=token, by=COMMAND_LINE, at=now + timedelta(minutes=1))

    events = TokenEvent.objects.filter(token=token, kind__in=["paused", "resumed"]).order_by("id")
    assert [(event.kind, event.changes) for event in events] == [
        ("paused", [{"field": "paused_until", "old": "", "new": "2026-11-21T09:35:00+00:00"}]),
        ("resumed", [
            {"field": "paused_until", "old": "2026-11-21T09:35:00+00:00", "new": "2026-11-21T09:31:00+00:00"}
        ]),
    ]  # fmt: skip


@pytest.mark.parametrize("field", ["revoked_at", "expires_at", "is_on", "activates_at"])
def test_token_that_is_refused_anyway_is_not_rehearsed(token: Token, now: datetime, field: str) -> None:
    refused: dict[str, Any] = {
        "revoked_at": now, "expires_at": now, "is_on": False, "activates_at": now + timedelta(days=1),
    }  # fmt: skip
    Token.objects.filter(pk=token.pk).update(**{field: refused[field]})

    with pytest.raises(rehearsal.RehearsalOfRefused):
        rehearsal.begin(token=token, by=COMMAND_LINE, at=now)


def test_rehearsal_under_way_is_not_begun_again(token: Token, now: datetime) -> None:
    rehearsal.begin(token=token, by=COMMAND_LINE, at=now)

    with pytest.raises(rehearsal.RehearsalUnderWay):
        rehearsal.begin(token=token, by=COMMAND_LINE, at=now + timedelta(minutes=4))


@pytest.mark.parametrize(("zone", "ends"), [("Asia/Jakarta", "16:35:00 WIB"), ("UTC", "09:35:00 UTC")])
def test_rehearsal_under_way_says_when_it_ends_in_the_viewers_zone(
    token: Token, now: datetime, zone: str, ends: str
) -> None:
    rehearsal.begin(token=token, by=COMMAND_LINE, at=now)

    with timezone.override(zone), pytest.raises(rehearsal.RehearsalUnderWay) as refused:
        rehearsal.begin(token=token, by=COMMAND_LINE, at=now)

    assert str(refused.value) == f"A rehearsal is under way; it ends by itself at {ends}."


def test_status_is_paused_while_it_lasts_in_python_and_in_the_database_alike(token: Token, now: datetime) -> None:
    until = rehearsal.begin(token=token, by=COMMAND_LINE, at=now)
    token.refresh_from_db()

    for moment, status in ((now, Status.PAUSED), (until, Status.ACTIVE)):
        assert token.status_at(moment) == status
        assert [s for s in Status if Token.objects.with_status(s, at=moment).exists()] == [status]
    revoke_token(token=token, by=COMMAND_LINE)
    token.refresh_from_db()
    assert token.status_at(now) == Status.REVOKED


def test_refused_calls_of_this_rehearsal_alone_are_counted(token: Token, secret: str) -> None:
    first = datetime.fromisoformat("2026-11-21T09:30:00Z")
    second = first + timedelta(minutes=10)
    for begun, calls in ((first, 3), (second, 2)):
        with time_machine.travel(begun, tick=False):
            rehearsal.begin(token=token, by=COMMAND_LINE, at=begun)
            for _number in range(calls):
                call(secret)
    token.refresh_from_db()

    last = rehearsal.last_of(token, at=second)

    assert last is not None
    assert (last.began_at, last.refused, last.is_under_way, len(last.newest)) == (second, 2, True, 2)
    assert RequestLogEntry.objects.filter(code="token_paused").count() == 5
    assert rehearsal.last_of(token, at=second + timedelta(minutes=5)).is_under_way is False  # type: ignore[union-attr]
