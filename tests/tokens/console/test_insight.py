"""How a token is used, in the console."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import Workspace
from tokens.configuration import Configuration
from tokens.console.chart import Asked, chart_of
from tokens.models import RequestLogEntry, Token, TokenAbility
from tokens.services import COMMAND_LINE, IssuedToken, issue_token, revoke_token
from tokens.usage import Day, roll_up

Url = Callable[..., str]
Log = Callable[..., RequestLogEntry]
INSIGHT = reverse("admin:tokens_requestlogentry_insight")


def day(number: int, *, calls: int, status: int = 200, ability: str = "message_send") -> Day:
    return Day(date(2026, 11, number), ability, status, "", calls, datetime(2026, 11, number, tzinfo=UTC))


def test_chart_has_a_bar_for_each_day_and_a_segment_for_each_kind_of_answer(now: datetime) -> None:
    days = [day(21, calls=6), day(21, calls=2, status=403), day(20, calls=1, status=500), day(14, calls=9)]

    chart = chart_of(days, Asked(7, "answer"))

    assert [bar.day.day for bar in chart.bars] == [15, 16, 17, 18, 19, 20, 21]
    assert [(each.label, each.calls) for each in chart.series] == [("Worked", 15), ("Refused", 2), ("Failed", 1)]
    assert [bar.cells for bar in chart.bars[-2:]] == [[0, 0, 1], [6, 2, 0]]
    assert (chart.highest, chart.top, chart.calls) == (8, 8, 9)
    assert [(each.y, each.height) for each in chart.bars[-1].segments] == [(25.0, 75.0), (0.0, 25.0)]


def test_chart_by_ability_names_the_five_busiest_and_adds_up_the_others(now: datetime) -> None:
    abilities = ["a", "b", "c", "d", "e", "f", ""]
    days = [day(21, calls=10 - number, ability=ability) for number, ability in enumerate(abilities)]

    series = chart_of(days, Asked(7, "ability")).series

    assert [(each.label, each.calls) for each in series] == [
        ("a", 10), ("b", 9), ("c", 8), ("d", 7), ("e", 6), ("Others", 9),
    ]  # fmt: skip


@pytest.mark.parametrize(("highest", "top"), [(1, 2), (3, 4), (9, 10), (11, 20), (21, 30), (101, 200), (999, 1000)])
def test_highest_line_is_round_and_so_is_its_half(now: datetime, highest: int, top: int) -> None:
    assert chart_of([day(21, calls=highest)], Asked(7, "answer")).top == top


def test_usage_shows_the_same_numbers_as_chart_and_as_table(
    admin_client: Client, url: Url, token: Token, call: Log
) -> None:
    call()
    call(status=403, code="ability_missing", ability="data_export")

    page = admin_client.get(url("usage", token), {"days": "7"}).text

    assert page.count('class="series-answer-0"') == page.count('class="series-answer-1"') == 1
    assert re.findall(r'<td class="number">(\d+)</td>', page)[:4] == ["1", "1", "0", "2"]
    assert 'style="' not in page


def test_chart_without_calls_says_so_instead_of_drawing_an_axis(
    admin_client: Client, url: Url, token: Token, call: Log
) -> None:
    call(received_at=datetime.now(UTC) - timedelta(days=10))

    month, week = (admin_client.get(url("usage", token), {"days": days}).text for days in ("30", "7"))
    nobodys = admin_client.get(INSIGHT, {"days": "7"}).text

    assert "plot__mark" in month
    for page in (week, nobodys):
        assert "No calls in the last 7 days" in page
        assert "plot__mark" not in page


def test_usage_costs_the_same_however_many_days_are_shown(
    admin_client: Client, url: Url, token: Token, call: Log, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(80):
        call(received_at=datetime.now(UTC) - timedelta(days=number), address=f"203.0.113.{number}")
    roll_up(now=datetime.now(UTC))

    for days in ("7", "90"):
        with django_assert_max_num_queries(30):
            admin_client.get(url("usage", token), {"days": days})


def test_address_that_asks_for_something_else_shows_thirty_days(admin_client: Client, url: Url, token: Token) -> None:
    page = admin_client.get(url("usage", token), {"days": "9" * 99, "by": "x"})

    assert page.context["chart"].asked == Asked(30, "answer")


def test_unused_abilities_are_trimmed_after_a_question_and_brought_back_by_undo(
    admin_client: Client, url: Url, token: Token, call: Log
) -> None:
    TokenAbility.objects.filter(token=token).exclude(key__in=["message_send", "data_export", "topic_add"]).delete()
    Token.objects.update(created_at=datetime.now(UTC) - timedelta(days=60))
    call()
    question = admin_client.get(url("trim", token))

    trimmed = admin_client.post(
        url("trim", token), {"ability": ["data_export", "topic_add"], "version": 1}, follow=True
    )
    after = Token.objects.get().ability_keys
    undone = admin_client.post(url("undo", token), {"event": trimmed.context["switched"].pk}, follow=True)

    assert re.findall(r'value="(\w+)" id="off_\w+"[^>]* checked', question.text) == ["topic_add", "data_export"]
    assert "2 abilities are off" in trimmed.text
    assert after == ["message_send"]
    assert "Undone" in undone.text
    assert Token.objects.get().ability_keys == ["data_export", "message_send", "topic_add"]


def test_trimming_a_token_that_somebody_changed_meanwhile_changes_nothing(
    admin_client: Client, url: Url, token: Token
) -> None:
    Token.objects.update(version=2)
    before = token.ability_keys

    page = admin_client.post(url("trim", token), {"ability": ["data_export"], "version": 1}, follow=True)

    assert "Somebody else changed this token" in page.text
    assert Token.objects.get().ability_keys == before


def test_ability_that_calls_were_refused_for_is_granted_with_one_click(
    admin_client: Client, url: Url, token: Token, call: Log
) -> None:
    TokenAbility.objects.filter(token=token, key="data_export").delete()
    call(status=403, code="ability_missing", ability="data_export")
    offered = admin_client.get(url("usage", token)).text

    granted = admin_client.post(url("grant", token), {"ability": "data_export"}, follow=True)

    assert 'name="ability" value="data_export"' in offered
    assert "“Export data” is on" in granted.text
    assert "On by now" in granted.text
    assert "data_export" in Token.objects.get().ability_keys


@pytest.mark.parametrize("ability", ["", "nonsense"])
def test_what_is_no_ability_is_not_granted(admin_client: Client, url: Url, token: Token, ability: str) -> None:
    page = admin_client.post(url("grant", token), {"ability": ability}, follow=True)

    assert page.status_code == 200
    assert Token.objects.get().version == 1


@pytest.mark.parametrize("page", ["grant", "undo", "rehearse", "end_rehearsal"])
def test_nothing_changes_by_following_a_link(admin_client: Client, url: Url, token: Token, page: str) -> None:
    assert admin_client.get(url(page, token)).status_code == 405


@pytest.mark.parametrize("event", ["", "x", "9" * 30, "-1", "²"])
def test_undoing_what_there_is_not_says_so(admin_client: Client, url: Url, token: Token, event: str) -> None:
    assert "no such change" in admin_client.post(url("undo", token), {"event": event}, follow=True).text


def test_revoked_token_offers_no_change(admin_client: Client, url: Url, token: Token, call: Log) -> None:
    call(status=403, code="ability_missing", ability="data_export")
    TokenAbility.objects.filter(token=token, key="data_export").delete()
    revoke_token(token=token, by=COMMAND_LINE)

    page = admin_client.get(url("usage", token)).text

    assert "Switch it on" not in page
    assert "Switch off what is not used" not in page


@pytest.mark.parametrize("client_name", ["support_client", "viewer_client"])
def test_reader_sees_the_insight_and_no_button(
    request: pytest.FixtureRequest, client_name: str, url: Url, token: Token, call: Log
) -> None:
    TokenAbility.objects.filter(token=token, key="data_export").delete()
    Token.objects.update(last_used_at=datetime.now(UTC))
    call(status=403, code="ability_missing", ability="data_export")
    client: Client = request.getfixturevalue(client_name)

    page = client.get(url("usage", token)).text

    assert "Refused for lack of an ability" in page
    assert "Switch it on" not in page
    assert "Refused for lack of an ability" in client.get(INSIGHT).text


def test_workspaces_insight_names_who_lacks_what_and_who_is_busiest(
    admin_client: Client, url: Url, token: Token, call: Log, other_workspace: Workspace
) -> None:
    theirs: IssuedToken = issue_token(
        workspace=other_workspace, configuration=Configuration(name="Theirs"), by=COMMAND_LINE
    )
    now = datetime.now(UTC)
    Token.objects.update(last_used_at=now)
    TokenAbility.objects.filter(token=token, key="data_export").delete()
    call(received_at=now - timedelta(hours=2), status=403, code="ability_missing", ability="data_export")
    roll_up(now=now)
    call(status=403, code="ability_missing", ability="data_export")
    call(token=theirs.token, workspace=other_workspace)

    page = admin_client.get(INSIGHT)

    [(lacking, refused)] = page.context["lacking"]
    assert (lacking, refused.ability, refused.calls) == (token, "data_export", 2)
    assert page.context["busiest"] == [(token, 2)]
    assert page.context["chart"].calls == 2
    assert url("usage", token) + "#lacked" in page.text
    assert "Theirs" not in page.text


def test_workspaces_insight_takes_a_handful_of_queries_however_many_tokens(
    admin_client: Client, workspace: Workspace, call: Log, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        token = issue_token(workspace=workspace, configuration=Configuration(name=str(number)), by=COMMAND_LINE).token
        Token.objects.filter(pk=token.pk).update(last_used_at=datetime.now(UTC))
        call(token=token, status=403, code="ability_missing", ability="data_export")

    with django_assert_max_num_queries(25):
        admin_client.get(INSIGHT)


@pytest.mark.parametrize(
    ("code", "page", "control"),
    [
        ("token_disabled", "change", "id_is_on"),
        ("token_not_active_yet", "change", "id_activates_at"),
        ("token_expired", "change", "id_expires_at"),
        ("source_refused", "change", "id_source_networks"),
        ("rate_limit_exceeded", "change", "id_requests_per_minute"),
        ("topic_missing", "change", "id_topic_anchor"),
        ("user_missing", "change", "id_user_alias"),
        ("ability_missing", "permissions", "id_ability_message_send"),
        ("token_paused", "impact", "rehearsal"),
    ],
)
def test_request_id_of_a_refusal_opens_what_decides_it(
    admin_client: Client, url: Url, token: Token, call: Log, code: str, page: str, control: str
) -> None:
    entry = call(status=401, code=code)

    opened = admin_client.get(reverse("admin:tokens_requestlogentry_control", args=[entry.request_id]))

    asked = f"?call={entry.request_id}" if page != "impact" else ""
    assert opened["Location"] == f"{url(page, token)}{asked}#{control}"
    shown = admin_client.get(opened["Location"]).text
    assert f'id="{control}"' in shown
    assert ("The refused call:" in shown) is bool(asked)
    assert (
        opened["Location"]
        in admin_client.get(reverse("admin:tokens_requestlogentry_change", args=[entry.request_id])).text
    )


@pytest.mark.parametrize(
    "changes", [{"status": 200}, {"code": "token_revoked"}, {"token": None, "code": "token_expired"}]
)
def test_request_id_that_no_control_decides_opens_the_call(
    admin_client: Client, call: Log, changes: dict[str, Any]
) -> None:
    entry = call(**changes)

    opened = admin_client.get(reverse("admin:tokens_requestlogentry_control", args=[entry.request_id]))

    assert opened["Location"] == reverse("admin:tokens_requestlogentry_change", args=[entry.request_id])
