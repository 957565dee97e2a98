from datetime import UTC, datetime, timedelta

import pytest

from raven_admin.errors import RavenError
from tokens.ability_use import (
    LackedAbility,
    NothingToUndo,
    UnusedAbility,
    lacked,
    last_switching,
    switch_abilities,
    undo_switching,
    unused,
)
from tokens.configuration import Configuration
from tokens.models import Token, TokenAbility, TokenEvent, UsageProgress
from tokens.services import COMMAND_LINE, TokenIsRevoked, configure_token, revoke_token
from tokens.usage import Day

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def token(token: Token, now: datetime) -> Token:
    """A year old, with two abilities."""
    TokenAbility.objects.filter(token=token).exclude(key__in=["message_send", "topic_add"]).delete()
    Token.objects.filter(pk=token.pk).update(created_at=now - 365 * DAY)
    token.refresh_from_db()
    return token


def day(ability: str, *, at: datetime, code: str = "", calls: int = 1) -> Day:
    return Day(at.date(), ability, 403 if code else 200, code, calls, at)


def keys(token: Token) -> list[str]:
    return Token.objects.get(pk=token.pk).ability_keys


def test_ability_that_no_call_needed_is_unused_since_the_beginning_of_the_stretch(token: Token, now: datetime) -> None:
    calls = [day("message_send", at=now - DAY), day("topic_add", at=now - DAY, code="ability_missing")]

    found = unused(token, calls, days=30, at=now)

    assert found == [UnusedAbility("topic_add", now - 30 * DAY, is_new=False)]


def test_ability_switched_on_lately_is_known_only_since_then(token: Token, now: datetime) -> None:
    switch_abilities(token=token, off=["topic_add"], version=1, by=COMMAND_LINE)
    switch_abilities(token=token, on=["topic_add"], version=2, by=COMMAND_LINE)
    TokenEvent.objects.filter(token=token).update(happened_at=now - 3 * DAY)

    found = unused(Token.objects.get(), [day("message_send", at=now)], days=30, at=now)

    assert found == [UnusedAbility("topic_add", now - 3 * DAY, is_new=True)]


@pytest.mark.parametrize("known_by", ["token", "figures"])
def test_nothing_is_claimed_of_the_time_before_it_is_known(token: Token, now: datetime, known_by: str) -> None:
    if known_by == "token":
        Token.objects.update(created_at=now - DAY)
    else:
        UsageProgress.objects.create(pk=1, days_known_from=now - DAY)

    found = unused(Token.objects.get(), [day("message_send", at=now)], days=30, at=now)

    assert found == [UnusedAbility("topic_add", now - DAY, is_new=True)]


def test_ability_that_a_call_of_another_needed_too_is_used(token: Token, now: datetime) -> None:
    TokenAbility.objects.filter(key="topic_add").update(used_within_at=now - DAY)

    assert unused(Token.objects.get(), [day("message_send", at=now)], days=30, at=now) == []


def test_lacked_abilities_are_added_up_and_those_that_are_on_by_now_come_last(token: Token, now: datetime) -> None:
    calls = [
        day("data_export", at=now - DAY, code="ability_missing", calls=2),
        day("data_export", at=now - 2 * DAY, code="ability_missing", calls=3),
        day("topic_add", at=now, code="ability_missing", calls=9),
        day("message_send", at=now),
    ]

    assert lacked(token, calls) == [
        LackedAbility("data_export", 5, now - DAY, is_on=False),
        LackedAbility("topic_add", 9, now, is_on=True),
    ]


def test_switching_is_recorded_and_can_be_undone_and_redone(token: Token) -> None:
    seen = []
    switch_abilities(token=token, on=["data_export"], off=["topic_add"], version=1, by=COMMAND_LINE)
    for _time in range(2):
        seen.append(keys(token))
        event = TokenEvent.objects.latest("id")
        undo_switching(token=Token.objects.get(), event_id=event.pk, by=COMMAND_LINE)
    seen.append(keys(token))

    assert seen == [
        ["data_export", "message_send"], ["message_send", "topic_add"], ["data_export", "message_send"],
    ]  # fmt: skip


def test_undoing_leaves_alone_what_was_changed_since(token: Token) -> None:
    switch_abilities(token=token, off=["topic_add"], version=1, by=COMMAND_LINE)
    trimmed = TokenEvent.objects.latest("id")
    switch_abilities(token=Token.objects.get(), on=["persona_read"], version=2, by=COMMAND_LINE)

    undo_switching(token=Token.objects.get(), event_id=trimmed.pk, by=COMMAND_LINE)

    assert keys(token) == ["message_send", "persona_read", "topic_add"]


def test_what_switched_no_ability_is_not_undone(token: Token) -> None:
    renamed = Configuration(name="New name", abilities=frozenset(token.ability_keys))
    configure_token(token=token, configuration=renamed, version=1, by=COMMAND_LINE)
    events = list(TokenEvent.objects.values_list("pk", flat=True))
    assert len(events) == 2

    for event_id in [*events, 0]:
        with pytest.raises(NothingToUndo):
            undo_switching(token=token, event_id=event_id, by=COMMAND_LINE)


def test_abilities_of_a_revoked_token_stay_as_they_are(token: Token) -> None:
    revoke_token(token=token, by=COMMAND_LINE)

    with pytest.raises(TokenIsRevoked):
        switch_abilities(token=token, on=["data_export"], version=2, by=COMMAND_LINE)


def test_last_switching_is_the_newest_change_if_it_is_of_abilities_and_young(token: Token, now: datetime) -> None:
    switch_abilities(token=token, off=["topic_add"], version=1, by=COMMAND_LINE)

    assert last_switching(token, since=now) == token.events.first()
    assert last_switching(token, since=now + DAY) is None
    renamed = Configuration(name="New name", abilities=frozenset(keys(token)))
    configure_token(token=token, configuration=renamed, version=2, by=COMMAND_LINE)
    assert last_switching(token, since=datetime(2020, 1, 1, tzinfo=UTC)) is None


def test_unknown_ability_is_refused(token: Token) -> None:
    with pytest.raises(RavenError, match="nonsense") as refusal:
        switch_abilities(token=token, on=["nonsense"], version=1, by=COMMAND_LINE)

    assert refusal.value.code == "ability_unknown"
