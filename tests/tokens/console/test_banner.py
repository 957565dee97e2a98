"""The banner of tokens that end and callbacks that fail: who sees it, until when, and at what cost."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, Workspace
from platforms.callbacks.budget import warn_failing
from platforms.callbacks.services import enable_and_recover, save_callbacks
from tokens.configuration import Configuration
from tokens.console.banner import LOOKED_AT
from tokens.models import BannerDismissal, Callback, Token
from tokens.services import COMMAND_LINE, issue_token, revoke_token, rotate_token, switch_token

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def ending(workspace: Workspace, clock: time_machine.Traveller, now: datetime) -> Token:
    """It ends in 40 days."""
    return make(workspace, "Shop backend", now + timedelta(days=40))


def make(workspace: Workspace, name: str, expires_at: datetime) -> Token:
    configuration = Configuration(name=name, expires_at=expires_at)
    return issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).token


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def banner(user: User, page: str = "admin:messaging_topic_changelist") -> str:
    """The banner's text on that page; "" where there is none."""
    text = signed_in(user).get(reverse(page)).content.decode()
    return text.partition('aria-label="Needs attention"')[2].partition("</section>")[0]


def dismiss(user: User, **form: str) -> Any:
    return signed_in(user).post(reverse("admin:dismiss_banner"), form)


def test_banner_stands_on_every_page_from_the_first_moment_on_until_a_week_after_the_end(
    ending: Token, admin_user: User, clock: time_machine.Traveller, now: datetime
) -> None:
    seen = {}
    for days in (9, 10, 33.5, 39.5, 40, 46, 48):
        clock.move_to(now + timedelta(days=days), tick=False)
        seen[days] = next((w for w in ("ends in", "has ended") if w in banner(admin_user)), "")

    assert seen == {9: "", 10: "ends in", 33.5: "ends in", 39.5: "ends in", 40: "has ended", 46: "has ended", 48: ""}


def test_banner_links_to_the_token_and_says_when(
    ending: Token, admin_user: User, clock: time_machine.Traveller, now: datetime
) -> None:
    clock.move_to(now + timedelta(days=34), tick=False)

    text = banner(admin_user)

    assert reverse("admin:tokens_token_change", args=[ending.pk]) in text
    assert "ends in 6 days" in text
    assert "31 Dec 2026, 16:30" in text


def test_dismissed_banner_is_back_at_the_next_moment_for_that_person_only(
    ending: Token, admin_user: User, clock: time_machine.Traveller, now: datetime
) -> None:
    superuser = User.objects.create_superuser("root", password=None)
    clock.move_to(now + timedelta(days=20), tick=False)
    dismiss(admin_user)

    seen = [bool(banner(admin_user)), bool(banner(superuser))]
    for days in (32, 33, 34):
        clock.move_to(now + timedelta(days=days), tick=False)
        seen.append(bool(banner(admin_user)))

    assert seen == [False, True, False, True, True]


def test_news_that_came_after_the_page_was_shown_is_not_dismissed_with_it(
    ending: Token, admin_user: User, clock: time_machine.Traveller, now: datetime
) -> None:
    shown_at = now + timedelta(days=32.9)
    clock.move_to(now + timedelta(days=33.1), tick=False)

    dismiss(admin_user, at=f"{shown_at.timestamp():.0f}")

    assert "ends in 6 days" in banner(admin_user)


def test_moment_that_had_passed_when_the_end_was_decided_shows_nothing(
    workspace: Workspace, admin_user: User, clock: time_machine.Traveller, now: datetime
) -> None:
    make(workspace, "For this week", now + timedelta(days=5))

    seen = [bool(banner(admin_user))]
    clock.move_to(now + timedelta(days=4), tick=False)
    seen.append(bool(banner(admin_user)))

    assert seen == [False, True]


def test_rotated_revoked_and_disabled_tokens_show_nothing(
    workspace: Workspace, admin_user: User, clock: time_machine.Traveller, now: datetime
) -> None:
    rotated, revoked, off = (make(workspace, name, now + timedelta(days=40)) for name in ("A", "B", "C"))
    clock.move_to(now + timedelta(days=20), tick=False)
    assert banner(admin_user).count("ends in") == 3

    rotate_token(token=rotated, overlap=timedelta(days=7), by=COMMAND_LINE)
    revoke_token(token=revoked, by=COMMAND_LINE)
    switch_token(token=off, on=False, by=COMMAND_LINE)

    assert banner(admin_user) == ""


def test_those_who_cannot_configure_tokens_see_none_and_dismiss_nothing(
    ending: Token, support_user: User, viewer_user: User, clock: time_machine.Traveller, now: datetime
) -> None:
    clock.move_to(now + timedelta(days=20), tick=False)

    assert [banner(user) for user in (support_user, viewer_user)] == ["", ""]
    assert [dismiss(user).status_code for user in (support_user, viewer_user)] == [403, 403]
    assert not BannerDismissal.objects.exists()


def test_token_of_another_workspace_shows_nothing(
    other_workspace: Workspace, admin_user: User, clock: time_machine.Traveller, now: datetime
) -> None:
    make(other_workspace, "Theirs", now + timedelta(days=40))
    clock.move_to(now + timedelta(days=20), tick=False)

    assert banner(admin_user) == ""


@pytest.mark.parametrize(
    ("next_page", "goes_to"),
    [
        ("/console/tokens/token/?q=a", "/console/tokens/token/?q=a"),
        ("https://evil.example.org/", "/console/"),
        ("//evil.example.org/", "/console/"),
        ("/\\evil.example.org", "/console/"),
        ("", "/console/"),
    ],
)
def test_dismissing_leads_back_to_a_page_of_ours(admin_user: User, next_page: str, goes_to: str) -> None:
    answer = dismiss(admin_user, next=next_page, at="99999999999999999999")

    assert (answer.status_code, answer["Location"]) == (302, goes_to)


def test_dismissing_takes_a_post_with_the_right_csrf_value(admin_user: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user, backend=BACKEND)

    answers = [strict.get(reverse("admin:dismiss_banner")), strict.post(reverse("admin:dismiss_banner"))]

    assert [answer.status_code for answer in answers] == [405, 403]


def test_failing_callback_is_told_of_at_each_step_until_it_recovers(
    token: Token, admin_user: User, clock: time_machine.Traveller, now: datetime
) -> None:
    save_callbacks(token=token, urls={"message.received": "https://example.org/hook"}, by=COMMAND_LINE, at=now)
    Callback.objects.update(failing_since=now)
    seen = []
    for hours in (35, 36, 40, 54, 72):
        clock.move_to(now + timedelta(hours=hours), tick=False)
        warn_failing(at=timezone.now())
        seen.append(banner(admin_user))
        dismiss(admin_user)

    assert [bool(each) for each in seen] == [False, True, False, True, True]
    assert "Has used 50 % of the time that it may fail" in seen[1]
    assert "Switched off, because it failed for too long" in seen[4]
    BannerDismissal.objects.all().delete()
    assert banner(admin_user)
    enable_and_recover(callback=Callback.objects.get(), by=COMMAND_LINE, at=timezone.now())
    assert banner(admin_user) == ""


def test_banner_costs_two_queries_or_three_however_many_tokens_end(
    workspace: Workspace, admin_user: User, clock: time_machine.Traveller, now: datetime
) -> None:
    def cost() -> list[str]:
        client = signed_in(admin_user)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(reverse("admin:messaging_topic_changelist"))
        tables = ("tokens_token", "tokens_callback", "tokens_bannerdismissal")
        return [each["sql"] for each in queries if any(f'FROM "{table}"' in each["sql"] for table in tables)]

    clock.move_to(now, tick=False)
    assert len(cost()) == 2
    make(workspace, "One", now + timedelta(days=40))
    many = make(workspace, "Many", now + timedelta(days=41))
    Token.objects.bulk_create(
        [
            Token(workspace=workspace, name=f"{n}", public_id=f"{n:012}", expires_at=many.expires_at, pepper_number=1)
            for n in range(150)
        ]
    )
    clock.move_to(now + timedelta(days=20), tick=False)

    queries = cost()

    assert len(queries) == 3
    assert not [sql for sql in queries if "COUNT(" in sql]
    assert f"and {LOOKED_AT - 3} more that end soon" in banner(admin_user)
