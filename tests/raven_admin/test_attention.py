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
from tokens.models import Callback, Token, TokenAbility
from tokens.services import COMMAND_LINE, issue_token, rotate_token
from tokens.usage import roll_up

pytestmark = pytest.mark.django_db

INDEX = reverse("admin:index")
DAY = timedelta(days=1)


@pytest.fixture
def superuser() -> User:
    user: User = User.objects.create_superuser("root")
    return user


def needs(user: User, workspace: Workspace, at: datetime) -> list[attention.Need]:
    return attention.needs_of(user, workspace, dashboard.facts_of(workspace, at=at), at=at)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page_of(user: User) -> str:
    return signed_in(user).get(INDEX).content.decode()


def log_calls(token: Token, at: datetime, *answers: tuple[int, str]) -> None:
    for number, (status, code) in enumerate(answers):
        make_call(
            token.workspace, token=token, request_id=f"req_{number:026d}", received_at=at, status=status, code=code,
            ability="data_export",
        )  # fmt: skip


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


def _one_of_each(token: Token, now: datetime) -> None:
    workspace = token.workspace
    for state, age in (("waiting", 20), ("refused", 0), ("unknown", 0)):
        late(workspace, state, now - timedelta(minutes=age))
    there = connection(workspace, there=destination(workspace, "A", consecutive_failures=9))
    connection(workspace, there=destination(workspace, "B"), test_problem="401")
    connection(workspace, there=destination(workspace, "C"), credential_expires_at=now)
    for event in ("message.received", "message.status", "persona.updated", "token.expiring"):
        callback(token, event, failing_since=now)
    issue_token(workspace=workspace, configuration=Configuration(name="x", expires_at=now + DAY), by=COMMAND_LINE)
    TokenAbility.objects.filter(token=token, key="data_export").delete()
    log_calls(token, now, (403, "ability_missing"), (401, "token_expired"), (500, "internal_error"))
    operation(workspace, "preview", now)
    first, second = (make_persona(workspace, name, number) for name, number in (("A", "+621"), ("B", "+622")))
    DuplicatePair.objects.create(workspace=workspace, first=first, second=second, reason="near_name")
    Link.objects.create(connection=there, persona_id=first.pk, remote_id="1", drifted_at=now)


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
    revoked = issue_token(
        workspace=token.workspace, configuration=Configuration(name="x"), by=COMMAND_LINE
    ).token  # fmt: skip
    Token.objects.filter(pk=revoked.pk).update(revoked_at=now)
    callback(revoked, "message.received", failing_since=now - DAY)
    fails = callback(token, "message.received", failing_since=now - DAY)
    is_off = callback(token, "message.status", failing_since=now - 2 * DAY, off_because="budget", off_at=now)
    callback(token, "persona.updated", failing_since=now - DAY, off_because="person", off_at=now)
    callback(token, "conversation.created")

    assert [(need.level, need.text, need.at) for need in needs(admin_user, token.workspace, now)] == [
        ("bad", "A callback of “Shop backend” was switched off: Message reports", now),
        ("warn", "A callback of “Shop backend” fails: New message", now - DAY),
    ]
    assert set(Callback.objects.in_trouble()) == {fails, is_off}


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
    TokenAbility.objects.filter(token=token, key="data_export").delete()
    log_calls(
        token, now,
        (403, "ability_missing"), (403, "ability_missing"), (401, "token_expired"), (429, "rate_limit_exceeded"),
        (400, "body_invalid"), (404, "user_not_found"), (500, "internal_error"), (200, ""),
    )  # fmt: skip

    page = reverse("admin:tokens_requestlogentry_changelist")
    insight = reverse("admin:tokens_requestlogentry_insight")
    assert [(need.level, need.text, need.url) for need in needs(admin_user, token.workspace, now)] == [
        ("bad", "1 API call failed on our side in 24 hours", f"{page}?answer=5"),
        ("info", "2 calls were refused for lack of an ability in 24 hours", f"{insight}?days=7#lacked"),
        ("info", "2 calls were refused for their token, address or rate in 24 hours", f"{page}?answer=locked_out"),
    ]


def test_calls_that_a_rehearsal_refused_need_nobody(admin_user: User, token: Token, now: datetime) -> None:
    log_calls(token, now, (401, "token_paused"), (401, "token_disabled"))

    [need] = needs(admin_user, token.workspace, now)

    assert need.text == "1 call was refused for its token, address or rate in 24 hours"
    client = signed_in(admin_user)
    assert [call.code for call in client.get(need.url).context["cl"].result_list] == ["token_disabled"]


@pytest.mark.parametrize("is_counted", [False, True])
def test_refused_ability_that_the_token_was_given_since_needs_nobody_any_more(
    admin_user: User, token: Token, now: datetime, is_counted: bool
) -> None:
    held = TokenAbility.objects.get(token=token, key="data_export")
    TokenAbility.objects.filter(pk=held.pk).delete()
    Token.objects.update(last_used_at=now)
    log_calls(token, now - timedelta(hours=1), (403, "ability_missing"))
    if is_counted:
        roll_up(now=now)
    before = needs(admin_user, token.workspace, now)

    held.save(force_insert=True)

    assert [need.text for need in before] == ["1 call was refused for lack of an ability in 24 hours"]
    assert needs(admin_user, token.workspace, now) == []


def test_imports_that_wait_duplicates_and_what_differs_there_need_support(
    support_user: User, viewer_user: User, workspace: Workspace, now: datetime
) -> None:
    first, second = (make_persona(workspace, name, number) for name, number in (("A", "+621"), ("B", "+622")))
    DuplicatePair.objects.create(workspace=workspace, first=first, second=second, reason="near_name")
    waiting = operation(workspace, "preview", now)
    operation(workspace, "done", now)
    operation(workspace, "failed", now - 8 * DAY)
    failed = operation(workspace, "failed", now - DAY)
    there, elsewhere = connection(workspace), connection(workspace, there=destination(workspace, "CRM"))
    Link.objects.create(connection=there, persona_id=first.pk, remote_id="1", drifted_at=now)
    Link.objects.create(connection=elsewhere, persona_id=first.pk, remote_id="1", drifted_at=now)
    Link.objects.create(connection=elsewhere, persona_id=second.pk, remote_id="2", drifted_at=now)

    found = needs(support_user, workspace, now)

    assert [(need.level, need.text, need.url) for need in found] == [
        ("warn", "Failed: people.xlsx", reverse("admin:personas_operation_change", args=[failed.pk])),
        ("info", "Prepared, and waits to be checked: people.xlsx",
         reverse("admin:personas_operation_change", args=[waiting.pk])),
        ("info", "1 person differs on “Shop chat”", reverse("admin:platforms_connection_drift", args=[there.pk])),
        ("info", "2 people differ on “CRM”", reverse("admin:platforms_connection_drift", args=[elsewhere.pk])),
        ("info", "1 likely duplicate", reverse("admin:personas_duplicatepair_changelist")),
    ]  # fmt: skip
    assert {need.is_mine for need in found} == {True}
    assert {need.is_mine for need in needs(viewer_user, workspace, now)} == {False}


def test_pro_that_ends_soon_leads_whoever_can_open_them_to_the_settings_and_only_the_operator_may_solve_it(
    superuser: User, admin_user: User, support_user: User, workspace: Workspace, now: datetime
) -> None:
    workspace.pro_until = now + 3 * DAY

    found = [need for user in (superuser, admin_user, support_user) for need in needs(user, workspace, now)]

    settings = reverse("admin:accounts_workspace_change", args=[workspace.pk])
    of_the_operator = "The operator of this server can set a later end."
    assert [(need.level, need.at, need.url, need.is_mine, need.detail) for need in found] == [
        ("warn", now + 3 * DAY, settings, True, "Set a later end in the settings of the workspace."),
        ("warn", now + 3 * DAY, settings, False, of_the_operator),
        ("warn", now + 3 * DAY, "", False, of_the_operator),
    ]


@pytest.mark.parametrize("role", ["superuser", "admin_user", "support_user", "viewer_user"])
def test_every_need_leads_to_a_page_that_its_viewer_may_open(
    request: pytest.FixtureRequest, role: str, token: Token, now: datetime
) -> None:
    user, workspace = request.getfixturevalue(role), token.workspace
    Workspace.objects.filter(pk=workspace.pk).update(pro_until=now + DAY)
    workspace.refresh_from_db()
    _one_of_each(token, now)
    client = signed_in(user)

    found = needs(user, workspace, now)

    assert len(found) == 18
    assert {need.url: client.get(need.url).status_code for need in found if need.url} == {
        need.url: 200 for need in found if need.url
    }
    assert [need.text for need in found if not need.url] == (
        ["Pro ends, and with it every API call"] if role in {"support_user", "viewer_user"} else []
    )


@pytest.mark.parametrize(
    ("role", "queries"), [("superuser", 17), ("admin_user", 18), ("support_user", 15), ("viewer_user", 15)]
)
def test_page_with_all_there_is_takes_each_role_so_many_queries(
    request: pytest.FixtureRequest, role: str, queries: int, token: Token, now: datetime,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    client = signed_in(request.getfixturevalue(role))
    _one_of_each(token, now)

    with django_assert_max_num_queries(queries):
        client.get(INDEX)


def test_callbacks_that_are_not_named_are_on_the_list_that_they_lead_to(
    admin_user: User, token: Token, now: datetime
) -> None:
    events = ["message.received", "message.status", "persona.updated", "token.expiring"]
    failing = [callback(token, event, failing_since=now - DAY) for event in events]
    callback(token, "conversation.created")

    more = needs(admin_user, token.workspace, now)[-1]

    assert more.text == "1 more callback fails"
    assert list(signed_in(admin_user).get(more.url).context["cl"].result_list) == failing[::-1]


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


def test_nothing_is_green_for_a_viewer_while_something_is_lost_that_others_look_after(
    viewer_user: User, workspace: Workspace, now: datetime
) -> None:
    beats.beat("host:1", now=now)
    operation(workspace, "preview", now)
    harmless = page_of(viewer_user)
    late(workspace, "refused", now - DAY)

    lost = page_of(viewer_user)

    assert "Nothing needs you" in harmless
    assert "callout--good" in harmless
    assert "Nothing needs you" in lost
    assert "callout--good" not in lost


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
    client = signed_in(admin_user)

    with django_assert_max_num_queries(18):
        page = client.get(INDEX).content.decode()

    assert "99+ likely duplicates" in page
    assert "3 more callbacks fail" in page
    assert "6 tokens end within 30 days" in page
