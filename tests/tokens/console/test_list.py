"""The list of tokens: what it shows, finds, filters and sorts, and what it costs."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Workspace
from messaging.models import Topic
from tokens.configuration import Configuration
from tokens.models import RequestLogEntry, Token, TokenAbility
from tokens.services import COMMAND_LINE, IssuedToken, derive_token, issue_token, revoke_token, switch_token

Url = Callable[..., str]
Call = Callable[..., RequestLogEntry]


def make_tokens(workspace: Workspace, count: int, **fields: Any) -> list[Token]:
    start = Token.objects.count()
    return Token.objects.bulk_create(
        Token(
            workspace=workspace, name=f"Token {number:06d}", kind="rvn", public_id=f"{number:012d}",
            last_four=f"{number % 10_000:04d}", digest="0" * 64, pepper_number=1, **fields,
        )
        for number in range(start, start + count)
    )  # fmt: skip


def issue(workspace: Workspace, name: str, **configuration: Any) -> Token:
    return issue_token(
        workspace=workspace, configuration=Configuration(name=name, **configuration), by=COMMAND_LINE
    ).token


def names(page: str) -> list[str]:
    """The tokens of the page, from its first row to its last."""
    return re.findall(r'<th scope="row">\s*<a [^>]*>([^<]+)</a>', page)


def test_row_tells_all_about_its_token_but_the_secret(
    admin_client: Client, url: Url, workspace: Workspace, anchor: Topic, support_user: Any, call: Call
) -> None:
    issued = issue_token(
        workspace=workspace,
        configuration=Configuration(
            name="Shop front",
            abilities=frozenset({"message_send"}),
            topic_anchor=anchor,
            user_alias=support_user,
            activates_at=datetime(2026, 1, 1, tzinfo=UTC),
            expires_at=datetime(2099, 1, 1, tzinfo=UTC),
        ),
        by=COMMAND_LINE,
    )
    for _ in range(3):
        call(token=issued.token)

    page = admin_client.get(url("changelist")).text
    row = page[page.index(f'id="token-{issued.token.pk}"') :].split("</tr>")[0]

    for shown in (
        "Shop front", "Active", issued.token.masked, "Send message", "Announcements", "budi", "1 Jan 2026",
        "1 Jan 2099", 'class="number">3<', 'aria-label="Configure Shop front"', "Disable…",
        "Rotate the secret…", "Revoke…", "Delete…",
    ):  # fmt: skip
        assert shown in row
    assert issued.secret.value[17:] not in page


def test_viewer_is_offered_nothing_that_changes_a_token(viewer_client: Client, url: Url, token: Token) -> None:
    page = viewer_client.get(url("changelist")).text

    assert names(page) == ["Shop backend"]
    assert "Generate New Token" not in page
    assert "Disable…" not in page
    assert "Download Excel" in page


def test_empty_list_tells_what_a_token_is_for(admin_client: Client, url: Url) -> None:
    page = admin_client.get(url("changelist")).text

    assert "No tokens yet" in page


def test_newest_token_stands_first(admin_client: Client, url: Url, workspace: Workspace) -> None:
    for name in ("First", "Second", "Third"):
        issue(workspace, name)

    assert names(admin_client.get(url("changelist")).text) == ["Third", "Second", "First"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("0", ["Ant", "Bee", "Cat"]),
        ("-0", ["Cat", "Bee", "Ant"]),
        ("1", ["Bee", "Cat", "Ant"]),
        ("-1", ["Cat", "Bee", "Ant"]),
        ("2", ["Ant", "Cat", "Bee"]),
        ("-2", ["Cat", "Ant", "Bee"]),
        ("3", ["Cat", "Ant", "Bee"]),
        ("-3", ["Ant", "Cat", "Bee"]),
        ("4", ["Cat", "Ant", "Bee"]),
        ("-4", ["Bee", "Ant", "Cat"]),
    ],
)
def test_list_is_sorted_with_empty_moments_last(
    admin_client: Client, url: Url, workspace: Workspace, order: str, expected: list[str]
) -> None:
    now = datetime.now(UTC)
    days = timedelta(days=1)
    issue(workspace, "Cat", activates_at=now - 1 * days, expires_at=now + 90 * days)
    issue(workspace, "Ant", expires_at=now + 60 * days)
    issue(workspace, "Bee", activates_at=now - 2 * days)
    Token.objects.filter(name="Cat").update(last_used_at=now - 2 * days)
    Token.objects.filter(name="Ant").update(last_used_at=now - 1 * days)

    assert names(admin_client.get(url("changelist"), {"o": order}).text) == expected


@pytest.mark.parametrize("text", ["front", "FRONT", "{public_id}", "{masked}", "{last_four}"])
def test_search_finds_by_name_public_id_and_last_four(
    admin_client: Client, url: Url, workspace: Workspace, token: Token, text: str
) -> None:
    wanted = issue(workspace, "Shop front")
    text = text.format(public_id=wanted.public_id, masked=wanted.masked, last_four=wanted.last_four)

    response = admin_client.get(url("changelist"), {"q": text}, follow=True)

    assert "Shop front" in response.text
    assert "Shop backend" not in response.text


def test_pasted_secret_leads_to_its_token_and_is_not_shown(admin_client: Client, url: Url, issued: IssuedToken) -> None:
    response = admin_client.get(url("changelist"), {"q": f"Bearer {issued.secret.value}"}, follow=True)

    assert response.redirect_chain[-1][0] == url("change", issued.token)
    assert issued.secret.value not in response.text


def test_pasted_secret_of_nobody_is_masked_in_address_and_page(
    admin_client: Client, url: Url, issued: IssuedToken
) -> None:
    secret = issued.secret.value
    issued.token.delete()

    redirected = admin_client.get(url("changelist"), {"q": secret, "status": "active"})
    page = admin_client.get(redirected["Location"])

    assert secret[17:] not in redirected["Location"]
    assert "status=active" in redirected["Location"]
    assert secret[17:] not in page.text


def test_pasted_request_id_opens_its_call(admin_client: Client, url: Url, call: Call) -> None:
    entry = call()

    response = admin_client.get(url("changelist"), {"q": f" {entry.request_id}\n"})

    assert response["Location"].endswith(f"/{entry.request_id}/")


@pytest.mark.parametrize("text", ["x" * 10_000, "a\x00b", "%", "'; DROP TABLE", "rvn_", "req_", "🚀", "\\"])
def test_strange_search_finds_nothing_and_breaks_nothing(
    admin_client: Client, url: Url, token: Token, text: str
) -> None:
    response = admin_client.get(url("changelist"), {"q": text}, follow=True)

    assert response.status_code == 200


def test_each_status_filter_shows_the_tokens_of_that_status(
    admin_client: Client, url: Url, workspace: Workspace
) -> None:
    now, days = datetime.now(UTC), timedelta(days=1)
    issue(workspace, "active")
    issue(workspace, "scheduled", activates_at=now + days)
    issue(workspace, "expiring", expires_at=now + 5 * days)
    issue(workspace, "expired", expires_at=now - days)
    switch_token(token=issue(workspace, "disabled"), on=False, by=COMMAND_LINE)
    revoke_token(token=issue(workspace, "revoked"), by=COMMAND_LINE)

    for status in ("active", "scheduled", "expiring", "expired", "disabled", "revoked"):
        assert names(admin_client.get(url("changelist"), {"status": status}).text) == [status]


def test_filters_by_ability_expiry_and_use(admin_client: Client, url: Url, workspace: Workspace) -> None:
    now, days = datetime.now(UTC), timedelta(days=1)
    issue(workspace, "sender", abilities=frozenset({"message_send"}))
    issue(workspace, "soon", expires_at=now + 6 * days)
    issue(workspace, "later", expires_at=now + 80 * days)
    Token.objects.filter(name="sender").update(last_used_at=now - 40 * days)
    Token.objects.filter(name="soon").update(created_at=now - 8 * days)

    def shown(**filters: str) -> list[str]:
        return names(admin_client.get(url("changelist"), filters).text)

    assert shown(ability="message_send") == ["sender"]
    assert shown(expiring="7") == ["soon"]
    assert shown(expiring="90") == ["later", "soon"]
    assert shown(unused="30") == ["sender"]
    assert shown(unused="7") == ["soon", "sender"]
    assert shown(unused="7", ability="message_send") == ["sender"]
    assert shown(unused="", ability="", q="") == ["later", "soon", "sender"]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "broken"},
        {"expiring": "8"},
        {"unused": "-1"},
        {"ability": "fly\x00"},
        {"digest__startswith": "a"},
        {"workspace__id": "1"},
        {"nonsense": "1"},
    ],
)
def test_filter_or_page_that_does_not_exist_shows_the_whole_list_and_says_so(
    admin_client: Client, url: Url, workspace: Workspace, query: dict[str, str]
) -> None:
    make_tokens(workspace, 30)

    response = admin_client.get(url("changelist"), query, follow=True)

    assert response.status_code == 200
    assert "There is no such filter or page." in response.text
    assert len(names(response.text)) == 25


@pytest.mark.parametrize(
    "query", [{"o": "99"}, {"o": "x.-.9"}, {"p": "-1"}, {"p": "x"}, {"per_page": "11"}, {"all": ""}]
)
def test_strange_order_page_and_size_are_ignored(
    admin_client: Client, url: Url, workspace: Workspace, query: dict[str, str]
) -> None:
    make_tokens(workspace, 30)

    assert len(names(admin_client.get(url("changelist"), query).text)) == 25


def test_list_costs_as_many_queries_for_100_rows_as_for_10(
    admin_client: Client, url: Url, workspace: Workspace, anchor: Topic, support_user: Any, call: Call
) -> None:
    tokens = make_tokens(workspace, 100, topic_anchor=anchor, user_alias=support_user)
    TokenAbility.objects.bulk_create(TokenAbility(token=token, key="message_send") for token in tokens)
    for token in tokens[::10]:
        call(token=token)
    counts = {}

    for size in (10, 100):
        admin_client.get(url("changelist"), {"per_page": size})
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page = admin_client.get(url("changelist"))
        counts[size] = len(queries)
        assert len(names(page.text)) == size

    assert counts[10] == counts[100]


def test_list_never_counts_the_whole_table(admin_client: Client, url: Url, workspace: Workspace) -> None:
    make_tokens(workspace, 12_000)

    with CaptureQueriesContext(connection) as queries:
        page = admin_client.get(url("changelist"), {"q": "Token"})

    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"] and "tokens_token" in query["sql"]]
    assert counts
    assert all("LIMIT 10000" in sql for sql in counts)
    assert "of 10000+" in page.text.replace(",", "")


def test_download_as_filtered_holds_what_the_list_shows_and_all_holds_all(
    viewer_client: Client, url: Url, workspace: Workspace, other_workspace: Workspace, tmp_path: Any
) -> None:
    import python_calamine

    for name in ("Alpha", "Beta"):
        issue(workspace, name)
    issue(other_workspace, "Theirs")

    def cells(address: str, query: dict[str, str]) -> str:
        response = viewer_client.get(address, query)
        assert response.status_code == 200
        (tmp_path / "tokens.xlsx").write_bytes(response.getvalue())
        book = python_calamine.CalamineWorkbook.from_path(str(tmp_path / "tokens.xlsx"))
        return str([book.get_sheet_by_name(name).to_python() for name in book.sheet_names])

    filtered = cells(url("download"), {"q": "alph", "status": "active"})
    whole = cells(url("download_all"), {"q": "alph"})

    assert "Alpha" in filtered
    assert "Beta" not in filtered
    assert "alph" in filtered.replace("Alpha", "")
    assert "Alpha" in whole
    assert "Beta" in whole
    assert "Theirs" not in whole


def test_download_with_a_filter_that_does_not_exist_leads_to_the_list(viewer_client: Client, url: Url) -> None:
    response = viewer_client.get(url("download"), {"status": "broken"}, follow=True)

    assert "There is no such filter or page." in response.text


def test_expiration_within_reach_counts_from_now(admin_client: Client, url: Url, workspace: Workspace) -> None:
    token = issue(workspace, "over", expires_at=timezone.now() + timedelta(days=1))
    revoke_token(token=token, by=COMMAND_LINE)

    assert names(admin_client.get(url("changelist"), {"expiring": "7"}).text) == []


def test_temporary_tokens_are_not_listed_and_their_secret_leads_to_the_token_they_come_from(
    admin_client: Client, url: Url, issued: IssuedToken
) -> None:
    derived = derive_token(
        parent=issued.token, abilities={"message_send"}, lifetime=timedelta(minutes=5), at=timezone.now()
    )

    listed = admin_client.get(url("changelist"))
    searched = admin_client.get(url("changelist"), {"q": derived.secret.value}, follow=True)

    assert names(listed.text) == ["Shop backend"]
    assert searched.redirect_chain[-1][0] == url("change", issued.token)
    assert admin_client.get(url("change", derived.token)).status_code == 404
