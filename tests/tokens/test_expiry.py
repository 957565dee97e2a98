"""Which ends of tokens are told, when, and to whom."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.utils import timezone

from accounts.models import Membership, User, Workspace
from delivery.claims import claim, take_over_expired
from delivery.models import Delivery, Destination
from delivery.sender import Sender
from platforms.callbacks.services import recover_missed, save_callbacks
from tokens.configuration import Configuration, NoticeAddressInvalid
from tokens.expiry import tell_due
from tokens.models import ExpiryNotice, Token, TokenEvent
from tokens.services import COMMAND_LINE, Actor, configure_token, issue_token, revoke_token, rotate_token, switch_token

pytestmark = pytest.mark.django_db
ALL_MOMENTS = [30, 7, 1, 0]


@pytest.fixture
def caretaker(admin_user: User) -> User:
    admin_user.email = "ayu@example.org"
    admin_user.save()
    return admin_user


@pytest.fixture
def ending(workspace: Workspace, caretaker: User, clock: time_machine.Traveller, now: datetime) -> Token:
    """It ends in 40 days, and has a callback that hears of it."""
    configuration = Configuration(
        name="Shop", expires_at=now + timedelta(days=40), caretaker=caretaker, notice_address="team@example.org"
    )
    token = issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).token
    save_callbacks(token=token, urls={"token.expiring": "https://example.org/hook"}, by=COMMAND_LINE, at=now)
    return token


def called_back() -> list[int]:
    return [each.payload["days_left"] for each in Delivery.objects.filter(kind="event.token.expiring").order_by("id")]


def told() -> list[int]:
    return list(ExpiryNotice.objects.order_by("id").values_list("days", flat=True))


def mails() -> list[Delivery]:
    return list(Delivery.objects.filter(kind="notice.token.expiring").order_by("id"))


def pass_days(clock: time_machine.Traveller, since: datetime, *days: float) -> None:
    """The worker looks twice after each of so many days."""
    for each in days:
        clock.move_to(since + timedelta(days=each), tick=False)
        tell_due(at=timezone.now())
        tell_due(at=timezone.now())


def fresh(token: Token) -> Token:
    return Token.objects.select_related("workspace", "caretaker", "created_by").get(pk=token.pk)


# ------------------------------------------------------------------------------------------------ when
def test_end_is_told_30_7_and_1_days_before_and_at_the_end_once_each(
    ending: Token, clock: time_machine.Traveller, now: datetime
) -> None:
    pass_days(clock, now, 1, 9.9, 10, 11, 32, 33, 34, 38, 39, 39.5, 40, 40.5, 45)

    assert told() == called_back() == ALL_MOMENTS
    assert [each.payload["to"] for each in mails()] == ["ayu@example.org", "team@example.org"] * 4


def test_notices_from_before_there_was_a_callback_are_recovered_once(
    ending: Token, clock: time_machine.Traveller, now: datetime
) -> None:
    save_callbacks(token=ending, urls={"token.expiring": ""}, by=COMMAND_LINE, at=now)
    pass_days(clock, now, 10, 33)
    save_callbacks(token=ending, urls={"token.expiring": "https://example.org/new"}, by=COMMAND_LINE, at=timezone.now())
    pass_days(clock, now, 39)

    counts = [
        recover_missed(callback=ending.callbacks.get(), since=since, by=COMMAND_LINE, at=timezone.now())
        for since in (now + timedelta(days=32), now, now)
    ]

    assert counts == [1, 1, 0]
    assert called_back() == [1, 7, 30]


def test_worker_that_was_away_for_long_tells_the_nearest_moment_only(
    ending: Token, clock: time_machine.Traveller, now: datetime
) -> None:
    pass_days(clock, now, 35)

    assert told() == called_back() == [7]


@pytest.mark.parametrize(
    ("days", "expected"), [(29, [7, 1, 0]), (7, [1, 0]), (3, [1, 0]), (0.5, [0]), (31, ALL_MOMENTS)]
)
def test_moment_that_had_passed_when_the_end_was_decided_is_not_told_late(
    workspace: Workspace, clock: time_machine.Traveller, now: datetime, days: float, expected: list[int]
) -> None:
    configuration = Configuration(name="Short", expires_at=now + timedelta(days=days))
    issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE)

    pass_days(clock, now, *(quarter / 4 for quarter in range(4 * 33)))

    assert told() == expected


def test_later_end_is_told_from_its_own_moments_on(
    ending: Token, caretaker: User, clock: time_machine.Traveller, now: datetime
) -> None:
    pass_days(clock, now, 12)
    configure(fresh(ending), expires_at=now + timedelta(days=80))

    pass_days(clock, now, 13, 40, 51, 74, 79.5, 80)

    assert told() == [30, *ALL_MOMENTS]


def test_end_that_is_drawn_near_is_told_from_the_next_moment_on(
    ending: Token, clock: time_machine.Traveller, now: datetime
) -> None:
    configure(fresh(ending), expires_at=now + timedelta(days=5))

    pass_days(clock, now, 0, 1, 4, 5)

    assert told() == [1, 0]


def test_end_long_ago_is_not_told(ending: Token, clock: time_machine.Traveller, now: datetime) -> None:
    pass_days(clock, now, 42)

    assert told() == []


def test_tokens_that_come_to_their_end_are_found_by_their_index(ending: Token, now: datetime) -> None:
    values = {field.attname: getattr(ending, field.attname) for field in Token._meta.concrete_fields}
    endless = values | {"id": None, "expires_at": None}
    Token.objects.bulk_create(Token(**endless | {"public_id": f"{number:012}"}) for number in range(500))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tokens_token")

    plan = Token.objects.coming_to_their_end(days=30, after=now - timedelta(days=1), until=now).explain()

    assert "token_that_ends_soonest" in plan


# ------------------------------------------------------------------------------------------------ of whom
def test_rotated_token_is_not_told_of_and_what_waited_is_withdrawn(
    ending: Token, clock: time_machine.Traveller, now: datetime
) -> None:
    pass_days(clock, now, 33)
    assert [each.state for each in mails()] == ["waiting", "waiting"]

    new = rotate_token(token=ending, overlap=timedelta(days=7), by=COMMAND_LINE).token
    Token.objects.filter(pk=new.pk).update(expires_at=None)
    pass_days(clock, now, 33, 38, 39, 40)

    assert told() == [7]
    assert [(each.state, each.code) for each in mails()] == [("cancelled", "token_changed")] * 2


@pytest.mark.parametrize("silenced", ["off", "revoked"])
def test_token_that_does_not_work_is_not_told_of(
    ending: Token, clock: time_machine.Traveller, now: datetime, silenced: str
) -> None:
    pass_days(clock, now, 12)
    if silenced == "off":
        switch_token(token=ending, on=False, by=COMMAND_LINE)
    else:
        revoke_token(token=ending, by=COMMAND_LINE)

    pass_days(clock, now, 33, 39, 40)

    assert told() == [30]
    assert {each.state for each in mails()} == {"cancelled"}


def test_prolonging_withdraws_the_mail_that_has_not_left(
    ending: Token, clock: time_machine.Traveller, now: datetime
) -> None:
    pass_days(clock, now, 33)

    configure(fresh(ending), expires_at=now + timedelta(days=400))

    assert [each.state for each in mails()] == ["cancelled", "cancelled"]


def test_temporary_token_is_not_told_of(ending: Token, clock: time_machine.Traveller, now: datetime) -> None:
    Token.objects.create(
        workspace=ending.workspace, name="Temporary", parent=ending, public_id="x" * 12, kind="rvt", pepper_number=1,
        expires_at=now + timedelta(minutes=30),
    )  # fmt: skip

    pass_days(clock, now, 1)

    assert told() == []


# ------------------------------------------------------------------------------------------------ to whom
def test_mail_says_what_ends_when_in_the_workspaces_zone_and_what_to_do(
    ending: Token, clock: time_machine.Traveller, now: datetime
) -> None:
    pass_days(clock, now, 33)
    Sender(threads=1).drain()

    [first, second] = mail.outbox
    assert (first.to, second.to) == (["ayu@example.org"], ["team@example.org"])
    assert first.from_email == "Raven Admin <raven@127.0.0.1>"
    assert first.subject == "Token “Shop” ends on 31 December 2026, 16:30 (Asia/Jakarta)"
    assert "From then on, every call with it is refused." in first.body
    assert "choose a later expiration" in first.body
    assert f"http://127.0.0.1:8000/console/tokens/token/{ending.pk}/change/" in first.body
    assert [each.state for each in mails()] == ["delivered", "delivered"]


def test_mail_is_in_the_language_of_its_reader_with_the_months_of_it(
    ending: Token, caretaker: User, clock: time_machine.Traveller, now: datetime
) -> None:
    caretaker.language = "id"
    caretaker.save()

    pass_days(clock, now, 33)
    Sender(threads=1).drain()

    assert [each.to for each in mail.outbox] == [["ayu@example.org"], ["team@example.org"]]
    assert {each.subject for each in mail.outbox} == {
        "Token “Shop” berakhir pada 31 Desember 2026, 16:30 (Asia/Jakarta)"
    }
    assert "Anda menerima ini karena" in mail.outbox[0].body


def test_mail_at_the_end_says_that_it_has_ended(ending: Token, clock: time_machine.Traveller, now: datetime) -> None:
    pass_days(clock, now, 40)
    Sender(threads=1).drain()

    assert {each.subject for each in mail.outbox} == {"Token “Shop” has ended"}
    assert "the same secret works again" in mail.outbox[0].body


def test_token_without_a_caretaker_is_told_to_who_issued_it(
    workspace: Workspace, caretaker: User, clock: time_machine.Traveller, now: datetime
) -> None:
    configuration = Configuration(name="Mine", expires_at=now + timedelta(days=40))
    issue_token(workspace=workspace, configuration=configuration, by=Actor.person(caretaker))

    pass_days(clock, now, 33)

    assert [each.payload["to"] for each in mails()] == ["ayu@example.org"]


def test_one_address_is_told_once_and_somebody_who_left_not_at_all(
    ending: Token, caretaker: User, clock: time_machine.Traveller, now: datetime
) -> None:
    Token.objects.filter(pk=ending.pk).update(notice_address="Ayu@Example.org")
    pass_days(clock, now, 10)
    Membership.objects.filter(user=caretaker).delete()
    pass_days(clock, now, 33)

    assert [each.payload["to"] for each in mails()] == ["ayu@example.org", "Ayu@Example.org"]


def test_nobody_to_mail_to_is_no_mail_and_the_moment_counts_as_told(
    workspace: Workspace, clock: time_machine.Traveller, now: datetime
) -> None:
    configuration = Configuration(name="Quiet", expires_at=now + timedelta(days=40))
    issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE)

    pass_days(clock, now, 33)

    assert (told(), mails(), Destination.objects.count()) == ([7], [], 0)


# ------------------------------------------------------------------------------------------------ durable
def test_mail_that_the_server_does_not_take_is_tried_again(
    ending: Token, clock: time_machine.Traveller, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(EmailBackend, "send_messages", _refuse)
        pass_days(clock, now, 33)
        Sender(threads=1).drain()
    assert {(each.state, each.code) for each in mails()} == {("waiting", "not_sent")}
    assert "can't be reached" in Destination.objects.get(kind="notice").last_problem

    clock.shift(timedelta(hours=1))
    Sender(threads=1).drain()

    assert sorted(each.to[0] for each in mail.outbox) == ["ayu@example.org", "team@example.org"]


def test_worker_killed_before_the_call_loses_no_mail_and_one_killed_within_it_sends_none_twice(
    ending: Token, clock: time_machine.Traveller, now: datetime
) -> None:
    pass_days(clock, now, 33)
    held = claim(Destination.objects.get(kind="notice").pk, limit=10, now=timezone.now())
    assert held is not None
    Delivery.objects.filter(payload__to="ayu@example.org").update(calling_at=timezone.now())

    clock.shift(timedelta(minutes=5))
    take_over_expired(now=timezone.now())
    Sender(threads=1).drain()

    assert [each.to for each in mail.outbox] == [["team@example.org"]]
    assert [each.state for each in mails()] == ["unknown", "delivered"]


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_tell_once(ending: Token, now: datetime) -> None:
    at = now + timedelta(days=33)
    together = threading.Barrier(2)

    def work() -> None:
        together.wait(10)
        tell_due(at=at)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(30)

    assert told() == called_back() == [7]
    assert [each.payload["to"] for each in mails()] == ["ayu@example.org", "team@example.org"]
    assert Destination.objects.filter(kind="notice").count() == 1


def test_notices_of_one_workspace_go_through_one_destination(
    ending: Token, workspace: Workspace, clock: time_machine.Traveller, now: datetime
) -> None:
    pass_days(clock, now, 10, 33)

    [destination] = Destination.objects.filter(kind="notice")
    assert (destination.workspace, destination.carries_events, destination.carries_personas) == (
        workspace,
        False,
        False,
    )


# ------------------------------------------------------------------------------------------------ the second address
def test_second_address_is_configuration_with_a_history(ending: Token) -> None:
    configure(fresh(ending), notice_address=" ops@example.org ")

    assert fresh(ending).notice_address == "ops@example.org"
    event = TokenEvent.objects.filter(token=ending).first()
    assert event is not None
    assert event.changes == [{"field": "notice_address", "old": "team@example.org", "new": "ops@example.org"}]


@pytest.mark.parametrize("address", ["ops", "ops@", "a@b.org, c@d.org", "a@example.org\nBcc: c@example.org"])
def test_second_address_that_is_none_is_refused(ending: Token, address: str) -> None:
    with pytest.raises(NoticeAddressInvalid):
        configure(fresh(ending), notice_address=address)


def configure(token: Token, **changes: Any) -> None:
    configuration = replace(Configuration.of(token), **changes)
    configure_token(token=token, configuration=configuration, version=token.version, by=COMMAND_LINE)


def _refuse(*_args: Any, **_kwargs: Any) -> int:
    raise ConnectionRefusedError
