"""The calendar of expirations: what stands in it, and who may read it at which address."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import icalendar
import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.http import http_date

from accounts.models import Membership, User, Workspace
from tokens.calendar import EVENTS_AT_MOST, calendar_of, close_feed, open_feed
from tokens.configuration import Configuration
from tokens.models import CalendarFeed, Token
from tokens.services import COMMAND_LINE, issue_token, revoke_token, rotate_token, switch_token

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def ending(workspace: Workspace, clock: time_machine.Traveller, now: datetime) -> Token:
    return make(workspace, "Shop, backend; “new”", now + timedelta(days=40))


@pytest.fixture
def address(workspace: Workspace, viewer_user: User, clock: time_machine.Traveller, now: datetime) -> str:
    """Of a viewer's own."""
    return urlsplit(open_feed(user=viewer_user, workspace=workspace, at=now)).path


def make(workspace: Workspace, name: str, expires_at: datetime | None) -> Token:
    configuration = Configuration(name=name, expires_at=expires_at)
    return issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).token


def entries(content: bytes) -> list[Any]:
    return list(icalendar.Calendar.from_ical(content).walk("VEVENT"))


# ------------------------------------------------------------------------------------------------ what is in it
def test_token_that_ends_stands_in_the_calendar_with_reminders_at_its_moments(
    ending: Token, address: str, now: datetime
) -> None:
    answer = Client().get(address)

    [entry] = entries(answer.content)
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer["Content-Disposition"] == 'inline; filename="tokens-demo.ics"'
    assert str(entry["summary"]) == "Token “Shop, backend; “new”” ends"
    assert entry["dtstart"].dt == now + timedelta(days=40)
    assert str(entry["uid"]) == f"token-{ending.public_id}@127.0.0.1"
    assert f"/console/tokens/token/{ending.pk}/change/" in str(entry["description"])
    assert [alarm["trigger"].dt.days for alarm in entry.walk("VALARM")] == [-30, -7, -1]


def test_calendar_is_in_the_language_of_its_person(ending: Token, address: str, viewer_user: User) -> None:
    User.objects.filter(pk=viewer_user.pk).update(language="id")

    [entry] = entries(Client().get(address).content)

    assert str(entry["summary"]) == "Token “Shop, backend; “new”” berakhir"


def test_only_tokens_whose_end_is_told_stand_in_it(
    ending: Token, workspace: Workspace, other_workspace: Workspace, address: str, now: datetime
) -> None:
    rotated, revoked, off = (make(workspace, name, now + timedelta(days=50)) for name in ("A", "B", "C"))
    make(workspace, "For ever", None)
    make(other_workspace, "Theirs", now + timedelta(days=50))
    rotate_token(token=rotated, overlap=timedelta(days=7), by=COMMAND_LINE)
    revoke_token(token=revoked, by=COMMAND_LINE)
    switch_token(token=off, on=False, by=COMMAND_LINE)

    names = sorted(str(entry["summary"]) for entry in entries(Client().get(address).content))

    assert names == ["Token “A” ends", "Token “Shop, backend; “new”” ends"]
    assert Token.objects.filter(name="A").count() == 2


def test_first_thousand_to_come_and_the_last_hundred_that_came_stand_in_it(workspace: Workspace, now: datetime) -> None:
    Token.objects.bulk_create(
        [
            Token(
                workspace=workspace, name=f"{n}", public_id=f"{n:012}", pepper_number=1,
                expires_at=now + timedelta(hours=n - 150, minutes=30),
            )
            for n in range(EVENTS_AT_MOST + 200)
        ]
    )  # fmt: skip

    found = [entry["dtstart"].dt for entry in entries(calendar_of(workspace, at=now))]

    assert (len(found), found[0], found[-1]) == (
        EVENTS_AT_MOST + 100,
        now - timedelta(hours=99, minutes=30),
        now + timedelta(hours=999, minutes=30),
    )
    assert found == sorted(found)


# ------------------------------------------------------------------------------------------------ who may read it
def test_unchanged_calendar_is_not_sent_again(ending: Token, address: str, now: datetime) -> None:
    etag = Client().get(address)["ETag"]

    again = Client().get(address, headers={"If-None-Match": etag})
    Token.objects.filter(pk=ending.pk).update(expires_at=now + timedelta(days=90), version=2)
    changed = Client().get(address, headers={"If-None-Match": etag})

    assert (again.status_code, again.content) == (304, b"")
    assert changed.status_code == 200


def test_calendar_says_since_when_it_is_as_it_is(ending: Token, address: str, now: datetime) -> None:
    with time_machine.travel(now, tick=False):
        first = Client().get(address)["Last-Modified"]
    with time_machine.travel(now + timedelta(hours=2), tick=False):
        same = Client().get(address, headers={"If-Modified-Since": first})
        Token.objects.filter(pk=ending.pk).update(name="Renamed", version=2)
        changed = Client().get(address, headers={"If-Modified-Since": first})

    assert first == http_date(now.timestamp())
    assert (same.status_code, same["Last-Modified"]) == (304, first)
    assert (changed.status_code, changed["Last-Modified"]) == (200, http_date(now.timestamp() + 7200))


def test_address_is_stored_as_a_digest_and_no_guess_finds_it(address: str) -> None:
    [stored] = CalendarFeed.objects.all()
    secret = address.removeprefix("/calendar/").removesuffix(".ics")

    assert len(secret) >= 43
    assert secret not in str(vars(stored))
    assert Client().get(f"/calendar/{stored.digest}.ics").status_code == 404
    assert Client().get(f"/calendar/{secret[:-1]}.ics").status_code == 404
    assert Client().get("/calendar/.ics").status_code == 404


def test_new_address_ends_the_old_one_and_stopping_ends_both(
    address: str, workspace: Workspace, viewer_user: User
) -> None:
    newer = urlsplit(open_feed(user=viewer_user, workspace=workspace, at=timezone.now())).path
    statuses = [Client().get(each).status_code for each in (address, newer)]

    close_feed(user=viewer_user, workspace=workspace)

    assert statuses == [404, 200]
    assert Client().get(newer).status_code == 404


@pytest.mark.parametrize("gone", ["membership", "person", "account"])
def test_who_may_not_see_the_workspace_any_more_reads_nothing(address: str, viewer_user: User, gone: str) -> None:
    assert Client().get(address).status_code == 200
    if gone == "membership":
        Membership.objects.filter(user=viewer_user).delete()
    elif gone == "account":
        User.objects.filter(pk=viewer_user.pk).update(is_active=False)
    else:
        viewer_user.delete()

    assert Client().get(address).status_code == 404


def test_calendar_is_only_read(address: str) -> None:
    answers = [getattr(Client(), method)(address).status_code for method in ("head", "post", "put", "delete")]

    assert answers == [200, 405, 405, 405]


def test_reading_is_noted_once_an_hour(address: str, clock: time_machine.Traveller, now: datetime) -> None:
    noted = []
    for minutes in (0, 30, 61):
        clock.move_to(now + timedelta(minutes=minutes), tick=False)
        Client().get(address)
        noted.append(CalendarFeed.objects.get().last_read_at)

    assert noted == [now, now, now + timedelta(minutes=61)]


# ------------------------------------------------------------------------------------------------ its page
def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def press(client: Client, **form: str) -> str:
    page = client.get(reverse("admin:calendar"))
    answer = client.post(reverse("admin:calendar"), {"nonce": page.context["nonce"], **form}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_page_shows_the_address_once_and_can_stop_it(viewer_user: User, ending: Token) -> None:
    client = signed_in(viewer_user)

    shown = press(client)
    address = shown.partition('id="address" value="')[2].partition('"')[0]

    assert entries(Client().get(urlsplit(address).path).content)
    assert address.replace("http", "webcal") in shown
    assert urlsplit(address).path not in client.get(reverse("admin:calendar")).content.decode()
    assert "You have none yet." in press(client, stop="1")
    assert Client().get(urlsplit(address).path).status_code == 404


def test_form_sent_twice_does_not_end_the_address_that_was_just_shown(viewer_user: User, ending: Token) -> None:
    client = signed_in(viewer_user)
    nonce = client.get(reverse("admin:calendar")).context["nonce"]
    first = client.post(reverse("admin:calendar"), {"nonce": nonce})

    client.post(reverse("admin:calendar"), {"nonce": nonce})

    address = first.content.decode().partition('id="address" value="')[2].partition('"')[0]
    assert "no-store" in first["Cache-Control"]
    assert Client().get(urlsplit(address).path).status_code == 200


def test_page_needs_a_person_and_the_right_csrf_value(viewer_user: User) -> None:
    assert Client().get(reverse("admin:calendar"))["Location"].startswith("/console/login/")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(viewer_user, backend=BACKEND)

    assert strict.post(reverse("admin:calendar"), {}).status_code == 403
    assert not CalendarFeed.objects.exists()


def test_page_is_found_from_the_tokens_and_from_the_profile(viewer_user: User) -> None:
    client = signed_in(viewer_user)

    for name in ("admin:tokens_token_changelist", "admin:profile"):
        assert f'href="{reverse("admin:calendar")}"' in client.get(reverse(name)).content.decode()
