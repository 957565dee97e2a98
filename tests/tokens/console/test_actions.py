"""Disable, enable, revoke, delete: each asks first, says what it breaks, and holds."""

from collections.abc import Callable

import pytest
from django.test import Client

from tokens.models import RequestLogEntry, Token, TokenEvent
from tokens.services import COMMAND_LINE, revoke_token, switch_token

Url = Callable[..., str]
Call = Callable[..., RequestLogEntry]


@pytest.mark.parametrize("action", ["disable", "enable", "revoke", "delete", "rotate"])
def test_asking_changes_nothing(admin_client: Client, url: Url, token: Token, action: str) -> None:
    response = admin_client.get(url(action, token))

    assert response.status_code == 200
    assert "csrfmiddlewaretoken" in response.text
    assert list(Token.objects.values_list("version", "is_on", "revoked_at")) == [(1, True, None)]


@pytest.mark.parametrize("action", ["disable", "revoke", "delete"])
def test_question_says_which_calls_will_break(
    admin_client: Client, url: Url, token: Token, call: Call, action: str
) -> None:
    for address in ("203.0.113.7", "203.0.113.7", "198.51.100.9"):
        call(address=address)

    page = admin_client.get(url(action, token)).text

    assert "3 calls were made with this token in the last 30 days" in page
    assert "Send message" in page
    assert page.index("203.0.113.7") < page.index("198.51.100.9")


@pytest.mark.parametrize("action", ["disable", "revoke", "delete"])
def test_question_says_when_nobody_would_notice(admin_client: Client, url: Url, token: Token, action: str) -> None:
    assert "Nobody used it in 30 days." in admin_client.get(url(action, token)).text


def test_disable_and_enable_switch_the_token(admin_client: Client, url: Url, token: Token) -> None:
    disabled = admin_client.post(url("disable", token), follow=True)
    was_on = Token.objects.get(pk=token.pk).is_on
    admin_client.post(url("enable", token))

    assert "“Shop backend” is disabled." in disabled.text
    assert disabled.redirect_chain == [(url("change", token), 302)]
    assert not was_on
    assert Token.objects.get(pk=token.pk).is_on


def test_action_from_the_list_returns_to_the_list(admin_client: Client, url: Url, token: Token) -> None:
    asked = admin_client.get(url("disable", token), {"back": "list"})

    done = admin_client.post(url("disable", token), {"back": "list"})

    assert 'name="back" value="list"' in asked.text
    assert done["Location"] == url("changelist")


def test_way_back_never_leads_to_another_site(admin_client: Client, url: Url, token: Token) -> None:
    done = admin_client.post(url("disable", token), {"back": "https://evil.example"})

    assert done["Location"] == url("change", token)


def test_revoke_is_for_ever(admin_client: Client, url: Url, token: Token) -> None:
    admin_client.post(url("revoke", token))

    page = admin_client.post(url("enable", token))

    assert "can&#x27;t be undone" in page.text
    assert Token.objects.get(pk=token.pk).revoked_at is not None


def test_delete_leaves_the_history_and_the_calls(admin_client: Client, url: Url, token: Token, call: Call) -> None:
    entry = call()

    response = admin_client.post(url("delete", token), follow=True)

    assert "“Shop backend” is deleted." in response.text
    assert not Token.objects.exists()
    assert [event.kind for event in TokenEvent.objects.all()] == ["deleted", "issued"]
    assert RequestLogEntry.objects.filter(pk=entry.pk).exists()


@pytest.mark.parametrize("action", ["disable", "enable", "revoke", "delete"])
def test_action_needs_the_page_it_was_asked_on(url: Url, admin_user: object, token: Token, action: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)  # type: ignore[arg-type]

    response = client.post(url(action, token))

    assert response.status_code == 403
    assert Token.objects.filter(pk=token.pk, version=1).exists()


def test_menu_offers_what_can_be_done(admin_client: Client, url: Url, token: Token) -> None:
    on = admin_client.get(url("change", token)).text
    switch_token(token=token, on=False, by=COMMAND_LINE)
    off = admin_client.get(url("change", token)).text
    revoke_token(token=token, by=COMMAND_LINE)
    revoked = admin_client.get(url("change", token)).text

    assert [word in on for word in ("Disable…", "Enable…", "Revoke…", "Delete…")] == [True, False, True, True]
    assert [word in off for word in ("Disable…", "Enable…", "Revoke…", "Delete…")] == [False, True, True, True]
    assert [word in revoked for word in ("Disable…", "Enable…", "Revoke…", "Delete…")] == [False, False, False, True]
