from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import User, Workspace
from delivery import beats
from delivery.models import Delivery, Destination
from platforms.connections import ConnectionDraft, add_connection
from platforms.models import Link
from raven_admin import dashboard
from tests.console.conftest import make_call, make_persona
from tokens import usage
from tokens.configuration import Configuration
from tokens.models import Status, Token
from tokens.services import COMMAND_LINE, issue_token
from tokens.usage import roll_up

pytestmark = pytest.mark.django_db
INDEX = reverse("admin:index")
DAY = timedelta(days=1)
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def the_hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def first_look(workspace: Workspace) -> dashboard.FirstLook | None:
    return dashboard.first_look(workspace, connections=dashboard.facts_of(workspace, at=NOW).connections)


def call(token: Token, number: int, *, at: datetime, status: int, code: str = "") -> None:
    make_call(token.workspace, token=token, request_id=f"req_{number:026d}", received_at=at, status=status, code=code)


def test_calls_of_24_hours_are_counted_and_refusals_named(token: Token, now: datetime) -> None:
    call(token, 1, at=now - timedelta(hours=26), status=401, code="token_expired")
    call(token, 2, at=now - timedelta(hours=23), status=401, code="token_expired")
    call(token, 3, at=now - timedelta(hours=2), status=403, code="ability_missing")
    call(token, 4, at=now - timedelta(hours=1), status=403, code="ability_missing")
    call(token, 5, at=now, status=200)

    recent = dashboard.recent_calls(token.workspace, at=now)

    assert recent == dashboard.RecentCalls(
        total=4, refused=3, reasons=[("ability_missing", 2), ("token_expired", 1)], since=the_hour_of(now - DAY),
        is_cut=False, lacking=2, locked_out=1,
    )  # fmt: skip


def test_calls_are_the_same_before_and_after_the_worker_counted_them(token: Token, now: datetime) -> None:
    moments = [now - timedelta(hours=26), now - DAY, now - timedelta(hours=5), now]
    for number, at in enumerate(moments):
        call(token, number, at=at, status=401 if number % 2 else 200, code="token_expired" if number % 2 else "")
    before = dashboard.recent_calls(token.workspace, at=now)

    counted = roll_up(now=now)

    assert (counted, before.total, before.refused) == (3, 3, 2)
    assert dashboard.recent_calls(token.workspace, at=now) == before


def test_calls_that_no_worker_counted_are_looked_at_up_to_a_bound_and_then_all_is_not_said_to_be_well(
    admin_user: User, token: Token, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        call(token, number, at=datetime.now(UTC), status=200)
    whole = signed_in(admin_user).get(INDEX).content.decode()
    monkeypatch.setattr(usage, "UNCOUNTED_AT_MOST", 3)

    recent = dashboard.recent_calls(token.workspace, at=datetime.now(UTC))

    assert (recent.total, recent.is_cut) == (3, True)
    assert "All is well" in whole
    assert "All is well" not in signed_in(admin_user).get(INDEX).content.decode()


def test_tokens_that_end_soon_are_listed_soonest_first(workspace: Workspace, now: datetime) -> None:
    for days in (40, 20, 3, *range(4, 9)):
        configuration = Configuration(name=f"{days} days", expires_at=now + timedelta(days=days))
        issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE)

    facts = dashboard.facts_of(workspace, at=now)

    assert [token.name for token in facts.ending_shown] == ["3 days", "4 days", "5 days", "6 days", "7 days"]
    assert facts.ending_count == "7"


def test_tokens_that_end_soon_are_those_of_the_list_that_the_page_leads_to(
    token: Token, other_workspace: Workspace, now: datetime
) -> None:
    def issue(workspace: Workspace = token.workspace, **fields: Any) -> Token:
        made = issue_token(workspace=workspace, configuration=Configuration(name="x"), by=COMMAND_LINE).token
        Token.objects.filter(pk=made.pk).update(**{"expires_at": now + DAY} | fields)
        return made

    ending = [issue(), issue(activates_at=now - DAY), issue(paused_until=now), issue(expires_at=now + 30 * DAY)]
    rotated = issue(replaced_by=token)
    issue(expires_at=None), issue(expires_at=now), issue(expires_at=now + 31 * DAY), issue(is_on=False)
    issue(revoked_at=now), issue(activates_at=now + timedelta(hours=1)), issue(paused_until=now + DAY)
    issue(parent=token), issue(other_workspace)

    found = dashboard.ending_tokens(token.workspace, at=now)

    of_the_list = Token.objects.lasting().filter(workspace=token.workspace).with_status(Status.EXPIRING, at=now)
    assert {each.pk for each in found} == set(of_the_list.values_list("pk", flat=True))
    assert {each.pk for each in found} == {each.pk for each in [*ending, rotated]}
    assert [each.pk for each in found if each.is_rotated] == [rotated.pk]


def test_overview_says_whether_all_is_delivered_and_whether_anybody_sends(
    viewer_user: User, workspace: Workspace, now: datetime
) -> None:
    client = signed_in(viewer_user)
    assert "Oldest undelivered change" not in client.get(INDEX).content.decode()
    destination = Destination.objects.create(workspace=workspace, name="Shop chat", kind="raven")

    connected = client.get(INDEX).content.decode()
    old = now - timedelta(minutes=20)
    Delivery.objects.create(
        workspace=workspace, destination=destination, lane="persona:1", kind="persona.changed", state="refused",
        due_at=old, since=old, created_at=old,
    )  # fmt: skip
    beats.beat("host:1", now=now)
    late = client.get(INDEX).content.decode()

    assert "All delivered" in connected
    assert "No worker is running" in connected
    assert "20 minutes" in late
    assert "Over the limit of 5 minutes" in late
    assert reverse("admin:delivery_delivery_changelist") + "?state=refused" in late
    assert "No worker is running" not in late


def test_new_admin_is_told_what_to_do_next_and_a_viewer_is_not(admin_user: User) -> None:
    page = signed_in(admin_user).get(INDEX).content.decode()

    assert "Issue your first token" in page
    assert reverse("admin:tokens_token_add") in page


def test_viewer_is_offered_nothing_that_they_may_not_do(viewer_user: User) -> None:
    page = signed_in(viewer_user).get(INDEX).content.decode()

    assert "Issue your first token" not in page
    assert reverse("admin:tokens_token_add") not in page
    assert "Workspace settings" not in page


def test_steps_go_away_when_they_are_done(admin_user: User, viewer_user: User, token: Token, now: datetime) -> None:
    call(token, 1, at=now, status=200)

    page = signed_in(admin_user).get(INDEX).content.decode()

    assert "Getting started" not in page


def test_pro_that_is_off_is_the_first_thing_one_reads(viewer_user: User, workspace: Workspace) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(pro_is_on=False)

    assert "Pro is off" in signed_in(viewer_user).get(INDEX).content.decode()


def test_overview_takes_a_handful_of_queries_however_much_there_is(
    admin_user: User, token: Token, now: datetime, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        call(token, number, at=now, status=200)
    client = signed_in(admin_user)

    with django_assert_max_num_queries(18):
        client.get(INDEX)


def test_newcomer_to_the_demo_is_told_what_to_watch_arrive_until_it_has(
    support_user: User, viewer_user: User, workspace: Workspace, other_workspace: Workspace, settings: Any
) -> None:
    rina = make_persona(workspace, "Rina Hartono", "+6281200000101")
    settings.ALLOWED_PRIVATE_ADDRESSES = [urlsplit(settings.BASE_URL).netloc]
    draft = ConnectionDraft(
        platform="bevatel", name="Sandbox by Bevatel", base_url=f"{settings.BASE_URL}/bevatel", credential="x",
        settings={"account_id": str(other_workspace.account_number), "inbox_id": "1"},
        carries=frozenset({"personas", "messages"}),
    )  # fmt: skip
    client = signed_in(support_user)
    before = client.get(INDEX).content.decode()
    connection = add_connection(workspace=workspace, draft=draft)
    Link.objects.create(connection=connection, persona_id=rina.pk, remote_id="7")

    connected, of_viewer = (signed_in(user).get(INDEX).content.decode() for user in (support_user, viewer_user))
    looks = [first_look(workspace)]
    for kind in ("persona.changed", "message.sent"):
        Delivery.objects.create(
            workspace=workspace, destination=connection.destination, lane="persona:1", kind=kind, state="delivered",
            due_at=NOW, since=NOW, created_at=NOW,
        )  # fmt: skip
        looks.append(first_look(workspace))

    assert "Watch a change arrive" not in before + of_viewer
    assert "This workspace is connected to Sandbox" in connected
    assert reverse("admin:personas_persona_change", args=[rina.pk]) in connected
    assert looks == [
        dashboard.FirstLook(rina, other_workspace, has_arrived=False, was_sent=False),
        dashboard.FirstLook(rina, other_workspace, has_arrived=True, was_sent=False),
        None,
    ]


def test_connection_to_somewhere_else_is_no_demo(workspace: Workspace) -> None:
    draft = ConnectionDraft(
        platform="webhook", name="CRM", base_url="https://crm.example.org/in", carries=frozenset({"personas"})
    )
    add_connection(workspace=workspace, draft=draft)

    assert first_look(workspace) is None
