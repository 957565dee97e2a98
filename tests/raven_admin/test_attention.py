from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import User, Workspace
from delivery import beats
from delivery.models import Delivery, Destination
from personas.models import DuplicatePair, Operation
from platforms.models import Connection, Link
from raven_admin import attention, dashboard
from tests.console.conftest import make_call, make_persona
from tokens.configuration import Configuration
from tokens.models import Callback, Token
from tokens.services import COMMAND_LINE, issue_token, rotate_token

pytestmark = pytest.mark.django_db

INDEX = reverse("admin:index")
DAY = timedelta(days=1)


def needs(user: User, workspace: Workspace, at: datetime) -> list[attention.Need]:
    return attention.needs_of(
        user, workspace, at=at,
        deliveries=dashboard.deliveries(workspace, at=at), recent=dashboard.recent_calls(workspace, at=at),
    )  # fmt: skip


def page_of(user: User) -> str:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client.get(INDEX).content.decode()


def destination(workspace: Workspace, name: str = "Shop chat", **fields: Any) -> Destination:
    return Destination.objects.create(workspace=workspace, name=name, kind="raven", **fields)


def connection(workspace: Workspace, *, there: Destination | None = None, **fields: Any) -> Connection:
    return Connection.objects.create(
        workspace=workspace, platform="raven", destination=there or destination(workspace), **fields
    )


def callback(token: Token, event: str = "message.received", **fields: Any) -> Callback:
    hook = Destination.objects.create(workspace=token.workspace, name=event, kind=f"callback:{event}")
    return Callback.objects.create(
        workspace=token.workspace, token=token, destination=hook, event=event, url="https://shop.example/in", **fields
    )


def late(workspace: Workspace, state: str, at: datetime) -> Delivery:
    there = destination(workspace, f"to {state}")
    delivery: Delivery = Delivery.objects.create(
        workspace=workspace, destination=there, lane="persona:1", kind="persona.changed", state=state,
        due_at=at, since=at, created_at=at,
    )  # fmt: skip
    return delivery


def operation(workspace: Workspace, state: str, at: datetime) -> Operation:
    return Operation.objects.create(
        workspace=workspace, kind="import", state=state, title="people.xlsx", created_at=at, actor_label="Ayu"
    )


def test_late_refused_and_unknown_deliveries_need_somebody(
    support_user: User, workspace: Workspace, now: datetime
) -> None:
    oldest = late(workspace, "waiting", now - timedelta(minutes=20))
    late(workspace, "refused", now)
    late(workspace, "unknown", now)

    page = reverse("admin:delivery_delivery_changelist")
    assert [(need.level, need.text, need.url, need.is_mine) for need in needs(support_user, workspace, now)] == [
        ("bad", "The oldest undelivered change waits for 20 minutes",
         reverse("admin:delivery_delivery_change", args=[oldest.pk]), True),
        ("bad", "1 delivery was refused", f"{page}?state=refused", True),
        ("bad", "Of 1 delivery nobody knows whether it arrived", f"{page}?state=unknown", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "there", "level", "text"),
    [
        ({}, {"consecutive_failures": 9}, "bad", "The connection “Shop chat” does not answer"),
        ({"test_problem": "401"}, {}, "bad", "The last test of the connection “Shop chat” failed"),
        ({"credential_expires_at": -1}, {}, "bad", "The credential of the connection “Shop chat” has ended"),
        ({"credential_expires_at": 3}, {}, "warn", "The credential of the connection “Shop chat” ends"),
        ({"credential_expires_at": 31}, {}, "", ""),
        ({"test_problem": "401"}, {"is_on": False}, "", ""),
    ],
)
def test_connection_that_fails_or_will_needs_an_admin(
    admin_user: User, support_user: User, workspace: Workspace, now: datetime,
    fields: dict[str, Any], there: dict[str, Any], level: str, text: str,
) -> None:  # fmt: skip
    if "credential_expires_at" in fields:
        fields = {"credential_expires_at": now + fields["credential_expires_at"] * DAY}
    made = connection(workspace, there=destination(workspace, **there), **fields)

    found = needs(admin_user, workspace, now)

    url = reverse("admin:platforms_connection_change", args=[made.pk])
    assert [(n.level, n.text, n.url, n.is_mine) for n in found] == ([(level, text, url, True)] if level else [])
    assert [need.is_mine for need in needs(support_user, workspace, now)] == [False] * len(found)


def test_callback_that_fails_or_was_switched_off_needs_somebody_and_one_switched_off_by_hand_does_not(
    admin_user: User, token: Token, now: datetime
) -> None:
    callback(token, "message.received", failing_since=now - DAY)
    callback(token, "message.status", failing_since=now - 2 * DAY, off_because="budget", off_at=now)
    callback(token, "persona.updated", failing_since=now - DAY, off_because="person", off_at=now)
    callback(token, "conversation.created")

    assert [(need.level, need.text) for need in needs(admin_user, token.workspace, now)] == [
        ("bad", "A callback of “Shop backend” was switched off: Message reports"),
        ("warn", "A callback of “Shop backend” fails: New message"),
    ]


def test_tokens_that_end_soon_need_somebody_unless_they_were_rotated(
    admin_user: User, workspace: Workspace, now: datetime
) -> None:
    def issue(name: str, days: int) -> Token:
        configuration = Configuration(name=name, expires_at=now + days * DAY)
        return issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).token

    issue("Later", 31)
    rotate_token(token=issue("Rotated", 90), overlap=timedelta(days=7), by=COMMAND_LINE)
    second = issue("Second", 20)
    alone = needs(admin_user, workspace, now)
    issue("First", 10)

    [both] = needs(admin_user, workspace, now)

    assert [(need.text, need.url) for need in alone] == [
        ("The token “Second” ends", reverse("admin:tokens_token_change", args=[second.pk]))
    ]
    assert both.text == "2 tokens end within 30 days, “First” first"
    assert (both.url, both.at) == (reverse("admin:tokens_token_changelist") + "?status=expiring", now + 10 * DAY)


def test_refused_calls_that_somebody_here_can_mend_are_told_and_mistakes_of_programs_are_not(
    admin_user: User, token: Token, now: datetime
) -> None:
    for number, (status, code) in enumerate(
        [(403, "ability_missing"), (403, "ability_missing"), (401, "token_expired"), (429, "rate_limit_exceeded"),
         (400, "body_invalid"), (404, "user_not_found"), (500, "internal_error"), (200, "")]
    ):  # fmt: skip
        make_call(
            token.workspace, token=token, request_id=f"req_{number:026d}", received_at=now, status=status, code=code
        )

    assert [(need.level, need.text) for need in needs(admin_user, token.workspace, now)] == [
        ("bad", "1 API call failed on our side in 24 hours"),
        ("info", "2 calls were refused for lack of an ability in 24 hours"),
        ("info", "2 calls were refused for their token, address or rate in 24 hours"),
    ]


def test_imports_that_wait_duplicates_and_what_differs_there_need_support(
    support_user: User, viewer_user: User, workspace: Workspace, now: datetime
) -> None:
    first, second = (make_persona(workspace, name, number) for name, number in (("A", "+621"), ("B", "+622")))
    DuplicatePair.objects.create(workspace=workspace, first=first, second=second, reason="near_name")
    waiting = operation(workspace, "preview", now)
    operation(workspace, "done", now)
    operation(workspace, "failed", now - 8 * DAY)
    there = connection(workspace)
    Link.objects.create(connection=there, persona_id=first.pk, remote_id="1", drifted_at=now)

    found = needs(support_user, workspace, now)

    assert [(need.level, need.text, need.url) for need in found] == [
        ("info", "Prepared, and waits to be checked: people.xlsx",
         reverse("admin:personas_operation_change", args=[waiting.pk])),
        ("info", "1 person differs on a platform", reverse("admin:platforms_connection_drift", args=[there.pk])),
        ("info", "1 likely duplicate", reverse("admin:personas_duplicatepair_changelist")),
    ]  # fmt: skip
    assert [need.is_mine for need in found] == [True, True, True]
    assert [need.is_mine for need in needs(viewer_user, workspace, now)] == [False, False, False]


def test_pro_that_ends_soon_is_told(admin_user: User, workspace: Workspace, now: datetime) -> None:
    workspace.pro_until = now + 3 * DAY

    assert [(need.level, need.at) for need in needs(admin_user, workspace, now)] == [("warn", now + 3 * DAY)]


def test_another_workspaces_troubles_are_not_told(
    admin_user: User, workspace: Workspace, other_workspace: Workspace, now: datetime
) -> None:
    late(other_workspace, "refused", now - DAY)
    connection(other_workspace, test_problem="401")
    operation(other_workspace, "preview", now)
    token = issue_token(
        workspace=other_workspace, configuration=Configuration(name="x", expires_at=now + DAY), by=COMMAND_LINE
    ).token
    callback(token, failing_since=now)

    assert len(needs(admin_user, other_workspace, now)) >= 4
    assert needs(admin_user, workspace, now) == []


def test_page_says_all_is_well_what_needs_one_and_what_others_look_after(
    admin_user: User, viewer_user: User, workspace: Workspace, now: datetime
) -> None:
    calm = page_of(admin_user)
    operation(workspace, "preview", now)

    mine, others = page_of(admin_user), page_of(viewer_user)

    assert "All is well" in calm
    assert "What needs you" in mine
    assert "All is well" not in mine
    assert "Nothing needs you" in others
    assert "What others look after" in others
    assert "What needs you" not in others


def test_counts_end_at_99_and_queries_stay_the_same_however_much_there_is(
    admin_user: User, workspace: Workspace, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    now = datetime.now(UTC)
    beats.beat("host:1", now=now)
    persona = make_persona(workspace, "A", "+621")
    others = [make_persona(workspace, f"P{number}", f"+62{number + 10}") for number in range(101)]
    DuplicatePair.objects.bulk_create(
        DuplicatePair(workspace=workspace, first=persona, second=other, reason="near_name") for other in others
    )
    for number in range(6):
        configuration = Configuration(name=f"T{number}", expires_at=now + DAY)
        token = issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).token
        callback(token, failing_since=now)
        operation(workspace, "preview", now)
        there = connection(workspace, there=destination(workspace, f"C{number}"), test_problem="401")
        Link.objects.create(connection=there, persona_id=persona.pk, remote_id="1", drifted_at=now)
        late(workspace, "refused", now - DAY)
    client = Client()
    client.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")

    with django_assert_max_num_queries(25):
        page = client.get(INDEX).content.decode()

    assert "99+ likely duplicates" in page
    assert "3 more callbacks fail" in page
    assert "6 tokens end within 30 days" in page
