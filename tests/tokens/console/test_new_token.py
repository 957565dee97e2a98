"""From a name to the secret, which is shown once and kept nowhere."""

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.sessions.models import Session
from django.core import serializers
from django.db import connection
from django.test import Client

from accounts.models import User, Workspace
from tests.finding import find_secret
from tokens.models import Token, TokenEvent
from tokens.services import IssuedToken

Url = Callable[..., str]
WIB = ZoneInfo("Asia/Jakarta")


def nonce_of(client: Client, address: str) -> str:
    found = re.search(r'name="nonce" value="([^"]+)"', client.get(address).text)
    assert found
    return found.group(1)


def generate(client: Client, url: Url, name: str = "Till") -> str:
    """The page that follows the button."""
    return client.post(url("add"), {"name": name, "nonce": nonce_of(client, url("add"))}).text


def test_name_alone_makes_a_token_and_shows_its_secret(admin_client: Client, url: Url, workspace: Workspace) -> None:
    page = generate(admin_client, url)

    token = Token.objects.get()
    secret = find_secret(page)
    assert secret is not None
    assert (token.name, token.workspace, token.public_id) == ("Till", workspace, secret.public_id)
    assert f"Authorization: Bearer {secret.value}" in page
    assert "/raven/xapi/v1/token:self" in page
    assert "/raven/xapi/v1/message:send" in page
    assert "Hello! This is a message from Raven 🚀" in page
    assert "I already keep it" in page


def test_example_command_sends_as_the_viewer(admin_client: Client, url: Url, admin_user: User) -> None:
    page = generate(admin_client, url)

    assert f"&quot;username&quot;: &quot;{admin_user.username}&quot;" in page


def test_secret_page_is_stored_by_no_browser_and_no_referrer_leaves_it(admin_client: Client, url: Url) -> None:
    data = {"name": "Till", "nonce": nonce_of(admin_client, url("add"))}

    response = admin_client.post(url("add"), data)

    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "no-referrer"


def test_secret_is_in_no_table_nor_session_afterwards(admin_client: Client, url: Url) -> None:
    secret = find_secret(generate(admin_client, url))

    assert secret is not None
    private = secret.value[17:]
    rows = serializers.serialize("json", [*Token.objects.all(), *TokenEvent.objects.all()])
    sessions = " ".join(str(session.get_decoded()) for session in Session.objects.all())
    assert secret.public_id in rows
    assert private not in rows
    assert private not in sessions


def test_same_form_sent_again_makes_nothing_and_shows_nothing(admin_client: Client, url: Url) -> None:
    data = {"name": "Till", "nonce": nonce_of(admin_client, url("add"))}
    first = admin_client.post(url("add"), data)

    again = admin_client.post(url("add"), data, follow=True)

    assert find_secret(first.text) is not None
    assert again.redirect_chain == [(url("changelist"), 302)]
    assert "That secret was already shown; generate another if you lost it." in again.text
    assert find_secret(again.text) is None
    assert Token.objects.count() == 1


def test_form_without_its_nonce_makes_nothing(admin_client: Client, url: Url) -> None:
    admin_client.post(url("add"), {"name": "Till"})

    assert not Token.objects.exists()


def test_two_open_forms_make_a_token_each(admin_client: Client, url: Url) -> None:
    nonces = [nonce_of(admin_client, url("add")) for _ in range(2)]

    for nonce in nonces:
        admin_client.post(url("add"), {"name": "Till", "nonce": nonce})

    assert Token.objects.count() == 2


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", "Give the token a name, so that you recognise it later."),
        ("   ", "Give the token a name, so that you recognise it later."),
        ("x" * 10_000, "at most 100 characters"),
        ("Till\x00", "Null characters are not allowed."),
    ],
)
def test_name_that_cannot_be_is_refused_and_the_form_still_works(
    admin_client: Client, url: Url, name: str, error: str
) -> None:
    refused = admin_client.post(url("add"), {"name": name, "nonce": nonce_of(admin_client, url("add"))})

    assert error in refused.text
    assert not Token.objects.exists()
    fresh = re.search(r'name="nonce" value="([^"]+)"', refused.text)
    assert fresh
    assert find_secret(admin_client.post(url("add"), {"name": "Till", "nonce": fresh.group(1)}).text)


def test_name_with_markup_is_shown_as_text(admin_client: Client, url: Url) -> None:
    page = generate(admin_client, url, name="<script>alert(1)</script>")

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_new_token_stands_on_top_and_is_marked_once(admin_client: Client, url: Url, token: Token) -> None:
    generate(admin_client, url)

    first, second = admin_client.get(url("changelist")).text, admin_client.get(url("changelist")).text

    new = Token.objects.get(name="Till")
    assert first.index(new.public_id) < first.index(token.public_id)
    assert f'id="token-{new.pk}" class="is-new"' in first
    assert "is-new" not in second


def test_rotation_copies_the_settings_and_shows_the_new_secret_once(
    admin_client: Client, url: Url, issued: IssuedToken
) -> None:
    data = {"overlap": "3600", "nonce": nonce_of(admin_client, url("rotate", issued.token))}

    page = admin_client.post(url("rotate", issued.token), data)
    again = admin_client.post(url("rotate", issued.token), data, follow=True)

    secret = find_secret(page.text)
    new = Token.objects.exclude(pk=issued.token.pk).get()
    old = Token.objects.get(pk=issued.token.pk)
    assert secret is not None
    assert secret.public_id == new.public_id
    assert (new.name, new.ability_keys) == (old.name, old.ability_keys)
    assert old.replaced_by == new
    assert "That secret was already shown" in again.text
    assert find_secret(again.text) is None


def test_rotated_token_that_may_send_is_not_told_to_be_permitted_first(
    admin_client: Client, url: Url, token: Token
) -> None:
    token.abilities.all().delete()
    for key in ("message_send", "topic_add"):
        token.abilities.create(key=key)
    data = {"overlap": "3600", "nonce": nonce_of(admin_client, url("rotate", token))}

    rotated = admin_client.post(url("rotate", token), data).text
    fresh = generate(admin_client, url)

    assert "in place of the old one" in rotated
    assert "are switched on, under Permissions" not in rotated
    assert "in place of the old one" not in fresh
    assert "are switched on, under Permissions" in fresh


def test_rotation_proposes_that_the_new_token_lives_as_long_again(
    admin_client: Client, url: Url, token: Token, now: datetime
) -> None:
    ends_at = now + timedelta(days=10)
    Token.objects.filter(pk=token.pk).update(expires_at=ends_at, expiration_set_at=now - timedelta(days=80))

    page = admin_client.get(url("rotate", token))

    proposed = page.context["form"]["expires_at"].value()
    assert datetime.fromisoformat(proposed) == (now + timedelta(days=90)).astimezone(WIB).replace(tzinfo=None)
    assert "lives as long again" in page.text


def test_rotation_gives_the_new_token_the_expiration_that_was_typed(
    admin_client: Client, url: Url, token: Token
) -> None:
    data = {
        "overlap": "0", "nonce": nonce_of(admin_client, url("rotate", token)),
        "zone": "Asia/Jakarta", "expires_at": "2031-05-01T09:30:00",
    }  # fmt: skip

    admin_client.post(url("rotate", token), data)

    assert Token.objects.exclude(pk=token.pk).get().expires_at == datetime(2031, 5, 1, 2, 30, tzinfo=UTC)


def test_rotation_to_an_end_that_has_passed_is_refused_at_its_field(
    admin_client: Client, url: Url, token: Token
) -> None:
    data = {
        "overlap": "0", "nonce": nonce_of(admin_client, url("rotate", token)), "expires_at": "2001-05-01T09:30:00",
    }  # fmt: skip

    page = admin_client.post(url("rotate", token), data)

    assert page.context["form"].errors == {
        "expires_at": ["The new token would have ended already. Choose a later expiration, or none."]
    }
    assert Token.objects.count() == 1


def test_rotation_without_overlap_ends_the_old_secret(admin_client: Client, url: Url, token: Token) -> None:
    admin_client.post(url("rotate", token), {"overlap": "0", "nonce": nonce_of(admin_client, url("rotate", token))})

    token.refresh_from_db()
    assert token.revoked_at is not None


def test_rotation_of_a_token_rotated_already_says_which_one_to_rotate(
    admin_client: Client, url: Url, token: Token
) -> None:
    for _ in range(2):
        data = {"overlap": "3600", "nonce": nonce_of(admin_client, url("rotate", token))}
        page = admin_client.post(url("rotate", token), data)

    assert "was already replaced by “Shop backend”" in page.text
    assert Token.objects.count() == 2


def test_rotation_with_an_overlap_that_is_not_offered_is_refused(admin_client: Client, url: Url, token: Token) -> None:
    data = {"overlap": "5", "nonce": nonce_of(admin_client, url("rotate", token))}

    page = admin_client.post(url("rotate", token), data)

    assert "Select a valid choice" in page.text
    assert Token.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_same_form_sent_twice_at_once_makes_one_token(admin_user: User, url: Url) -> None:
    client = Client()
    client.force_login(admin_user)
    data = {"name": "Till", "nonce": nonce_of(client, url("add"))}
    start = threading.Barrier(2)

    def send() -> None:
        other = Client()
        other.cookies = client.cookies
        start.wait()
        other.post(url("add"), data)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Token.objects.count() == 1
