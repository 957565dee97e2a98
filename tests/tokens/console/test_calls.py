"""API calls: the list of all, a token's Log and Usage, and the page of one call."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from accounts.models import Workspace
from tokens.configuration import Configuration
from tokens.console.words import explanation
from tokens.models import RequestLogEntry, Token
from tokens.services import COMMAND_LINE, delete_token, issue_token

Url = Callable[..., str]
Call = Callable[..., RequestLogEntry]


def page_of(entry: RequestLogEntry) -> str:
    return reverse("admin:tokens_requestlogentry_change", args=[entry.request_id])


ALL_CALLS = "/console/tokens/requestlogentry/"


def test_log_shows_the_tokens_own_calls_newest_first(
    admin_client: Client, url: Url, workspace: Workspace, token: Token, call: Call
) -> None:
    other = issue_token(workspace=workspace, configuration=Configuration(name="Other"), by=COMMAND_LINE).token
    old, new, theirs = call(), call(status=403, code="ability_missing"), call(token=other)

    page = admin_client.get(url("log", token)).text

    assert page.index(new.request_id) < page.index(old.request_id)
    assert theirs.request_id not in page
    assert 'aria-current="page">Log' in page


def test_log_is_filtered_by_answer_code_and_ability(admin_client: Client, url: Url, token: Token, call: Call) -> None:
    fine, refused, failed = call(), call(status=403, code="ability_missing"), call(status=500, ability="topic_add")

    def shown(**filters: str) -> list[bool]:
        page = admin_client.get(url("log", token), filters).text
        return [entry.request_id in page for entry in (fine, refused, failed)]

    assert shown(answer="2") == [True, False, False]
    assert shown(answer="4") == [False, True, False]
    assert shown(answer="5") == [False, False, True]
    assert shown(code="ability_missing") == [False, True, False]
    assert shown(code="token_expired") == [False, False, False]
    assert shown(ability="topic_add") == [False, False, True]
    assert shown(q="203.0.113.7") == [True, True, True]
    assert shown(q="203.0.113.8") == [False, False, False]


@pytest.mark.parametrize("query", [{"answer": "9"}, {"code": "no pe"}, {"request_body__contains": "a"}])
def test_log_filter_that_does_not_exist_shows_the_whole_log_and_says_so(
    admin_client: Client, url: Url, token: Token, call: Call, query: dict[str, str]
) -> None:
    entry = call()

    response = admin_client.get(url("log", token), query, follow=True)

    assert response.redirect_chain[-1] == (url("log", token), 302)
    assert "There is no such filter or page." in response.text
    assert entry.request_id in response.text


def test_filter_looks_no_further_than_the_newest_calls(
    admin_client: Client, url: Url, token: Token, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.console.NARROWED_TO", 5)
    old = call(status=500)
    for _ in range(5):
        call()

    filtered, whole = admin_client.get(url("log", token), {"answer": "5"}), admin_client.get(url("log", token))

    assert old.request_id not in filtered.text
    assert "newest 50,000 calls" in filtered.text
    assert old.request_id in whole.text


def test_lists_of_calls_never_read_bodies_nor_count_the_table(
    admin_client: Client, url: Url, token: Token, call: Call
) -> None:
    for _ in range(3):
        call()

    for address in (url("log", token), ALL_CALLS):
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(address)
        of_log = [query["sql"] for query in queries if "tokens_requestlogentry" in query["sql"]]
        assert of_log
        assert not any("request_body" in sql for sql in of_log)
        assert all("LIMIT 10000" in sql for sql in of_log if "COUNT(" in sql)


def test_list_of_calls_costs_as_many_queries_for_100_rows_as_for_10(
    admin_client: Client, url: Url, token: Token, call: Call
) -> None:
    for _ in range(100):
        call()
    counts = set()

    for size in (10, 100):
        admin_client.get(ALL_CALLS, {"per_page": size})
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(ALL_CALLS)
        counts.add(len(queries))

    assert len(counts) == 1


def test_call_page_tells_all_that_is_known_about_it(admin_client: Client, call: Call, token: Token) -> None:
    entry = call(received_at=datetime(2026, 11, 20, 17, 0, 5, tzinfo=UTC))

    page = admin_client.get(page_of(entry)).text

    for shown in (
        entry.request_id, "21 Nov 2026, 00:00:05", "2026-11-20 17:00:05 UTC", "Send message", "POST",
        "/raven/xapi/v1/message:send", "200", "3.5", "203.0.113.7", "curl/8.5", token.masked, "The call worked.",
        escape('{\n  "message": "Hello"\n}'), escape('"notification": "Chat Sent Successfully"'),
    ):  # fmt: skip
        assert shown in page
    assert 'data-copy="#request-id"' in page


def test_call_refused_for_an_ability_leads_to_its_switch(
    admin_client: Client, call: Call, url: Url, token: Token
) -> None:
    entry = call(
        status=403, code="ability_missing", response_body='{"notification":"This token lacks the ability topic_add."}'
    )

    page = admin_client.get(page_of(entry)).text

    assert escape("The token lacks the ability that this call needs.") in page
    assert f"{url('permissions', token)}?call={entry.request_id}#id_ability_topic_add" in page


def test_body_that_is_no_json_is_shown_as_it_came_and_as_text(admin_client: Client, call: Call) -> None:
    entry = call(request_body="<script>alert(1)</script>", path="/<script>", agent="<b>")

    page = admin_client.get(page_of(entry)).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_call_of_a_deleted_token_can_still_be_read(admin_client: Client, token: Token, call: Call) -> None:
    entry = call()
    delete_token(token=token, by=COMMAND_LINE)

    assert "deleted since" in admin_client.get(page_of(entry)).text
    assert "deleted" in admin_client.get(ALL_CALLS).text


def test_call_of_no_workspace_is_seen_by_superusers_only(
    admin_client: Client, superuser_client: Client, call: Call
) -> None:
    entry = call(workspace=None, token=None, code="token_unknown", status=401)

    refused = admin_client.get(page_of(entry))
    listed = admin_client.get(ALL_CALLS, {"caller": "unknown"}, follow=True)

    assert refused.status_code == 404
    assert entry.request_id not in listed.text
    assert superuser_client.get(page_of(entry)).status_code == 200
    assert entry.request_id in superuser_client.get(ALL_CALLS, {"caller": "unknown"}).text
    assert entry.request_id not in superuser_client.get(ALL_CALLS).text


@pytest.mark.parametrize("object_id", ["0", "req_x", "a%00b", "x" * 400, "..%2F..", "req_%F0%9F%9A%80"])
def test_call_that_does_not_exist_is_not_found(admin_client: Client, call: Call, object_id: str) -> None:
    assert admin_client.get(f"{ALL_CALLS}{object_id}/").status_code == 404


def test_calls_can_be_changed_by_nobody(superuser_client: Client, call: Call) -> None:
    entry = call()

    superuser_client.post(page_of(entry), {"status": "200"})
    added = superuser_client.get(f"{ALL_CALLS}add/")

    assert added.status_code == 404
    assert RequestLogEntry.objects.get().status == entry.status


def test_usage_shows_each_day_ability_address_and_status(
    admin_client: Client, url: Url, token: Token, call: Call
) -> None:
    now = datetime.now(UTC)
    call(received_at=now)
    call(received_at=now, status=403, address="198.51.100.9")
    call(received_at=now - timedelta(days=3), ability="")

    page = admin_client.get(url("usage", token)).text

    assert "3 calls in 30 days" in page
    assert page.count("<g><title>") == 30
    for shown in ("198.51.100.9", "403</th>", "Send message", "No ability needed"):
        assert shown in page


def test_usage_of_an_unused_token_says_so(admin_client: Client, url: Url, token: Token) -> None:
    assert "No calls in the last 30 days" in admin_client.get(url("usage", token)).text


def test_a_code_without_words_of_its_own_is_explained_by_the_answer_itself() -> None:
    answer = '{"errors": [{"path": "persona", "message": "There is no persona 7 here."}]}'

    said = explanation(status=404, code="persona_not_found", answer=answer)
    cut = explanation(status=404, code="persona_not_found", answer=answer[:20])

    assert (said, cut) == ("There is no persona 7 here.", "The call was refused; the answer below says why.")
