"""Connections in the console, as an admin uses them."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User, Workspace
from delivery.models import Destination
from platforms.connections import ConnectionDraft, add_connection
from platforms.models import Connection, Link
from platforms.targets import target_of
from tests.accounts.test_scope import signed_in
from tests.platforms.connecting import Remote, connect

pytestmark = pytest.mark.django_db
LIST = "admin:platforms_connection_changelist"
ADD = "admin:platforms_connection_add"
CHANGE = "admin:platforms_connection_change"
TYPED = {
    "name": "Shop chat",
    "base_url": "https://chat.example.org",
    "credential": "a-secret-of-chatwoot",
    "setting_account_id": "7",
    "setting_inbox_id": "3",
    "carries": ["personas", "messages"],
    "requests_per_minute": "300",
}


@pytest.fixture
def client(admin_user: User) -> Client:
    return signed_in(admin_user)


@pytest.fixture
def connection(workspace: Workspace) -> Connection:
    return make_connection(workspace, "Shop chat")


def make_connection(workspace: Workspace, name: str) -> Connection:
    draft = ConnectionDraft(
        platform="bevatel", name=name, base_url="https://chat.example.org", credential="a-secret-of-chatwoot",
        settings={"account_id": "7", "inbox_id": "3"}, carries=frozenset({"personas"}), requests_per_minute=300,
    )  # fmt: skip
    return add_connection(workspace=workspace, draft=draft)


def test_every_platform_can_be_chosen_and_says_what_it_cannot_take(client: Client) -> None:
    chosen = client.get(reverse(ADD)).content.decode()

    for key in ("raven", "chative", "bevatel", "webhook", "email"):
        assert f"?platform={key}" in chosen
        form = client.get(reverse(ADD), {"platform": key}).content.decode()
        assert "Good to know about" in form


def test_sender_of_mails_is_at_first_that_of_the_servers_own(client: Client, settings: Any) -> None:
    settings.MAIL_FROM = "Shop <raven@shop.example.org>"

    form = client.get(reverse(ADD), {"platform": "email"}).context["form"]

    assert form["setting_sender"].initial == "Shop <raven@shop.example.org>"


@pytest.mark.parametrize("credential", ["a—secret", "a\nsecret", "kunci-rahasia-日本"])
def test_credential_that_cannot_be_sent_is_refused_beside_its_field(
    client: Client, workspace: Workspace, credential: str
) -> None:
    refused = client.post(f"{reverse(ADD)}?platform=bevatel", TYPED | {"credential": credential})

    assert "Copy it anew." in str(refused.context["form"].errors["credential"])
    assert not Connection.objects.exists()


@pytest.mark.parametrize("sender", ["Shop", "shop@", "Shop <shop>"])
def test_sender_of_mails_is_an_address(client: Client, workspace: Workspace, sender: str) -> None:
    values = {"name": "Mail", "setting_sender": sender, "carries": ["messages"], "requests_per_minute": "60"}

    refused = client.post(f"{reverse(ADD)}?platform=email", values)
    added = client.post(f"{reverse(ADD)}?platform=email", values | {"setting_sender": "Shop <shop@example.org>"})

    assert "is not an e-mail address" in refused.content.decode()
    assert added.status_code in {200, 302}
    assert Connection.objects.get(workspace=workspace).settings["sender"] == "Shop <shop@example.org>"


def test_connection_says_whom_its_messages_reach_and_when_another_one_sends_instead(
    client: Client, workspace: Workspace
) -> None:
    first, second = (
        add_connection(
            workspace=workspace,
            draft=ConnectionDraft(
                platform="bevatel", name=name, base_url="https://chat.example.org", credential="a-secret-of-chatwoot",
                settings={"account_id": "7", "inbox_id": "3"}, carries=frozenset({"messages"}),
            ),
        )
        for name in ("Shop chat", "Second chat")
    )  # fmt: skip

    pages = [client.get(reverse(CHANGE, args=[each.pk])).content.decode() for each in (first, second)]

    assert "<dt>Messages go to</dt><dd>Phone, WhatsApp</dd>" in pages[0]
    assert "Another connection, which comes first, sends to all it could reach." in pages[1]


def test_connection_is_added_and_its_credential_is_stored_encrypted(client: Client) -> None:
    answer = client.post(f"{reverse(ADD)}?platform=bevatel", TYPED, follow=True)

    made = Connection.objects.select_related("destination").get()
    assert answer.status_code == 200
    assert (made.name, made.base_url, made.carries) == (
        "Shop chat", "https://chat.example.org", ["personas", "messages"],
    )  # fmt: skip
    assert made.settings == {"account_id": "7", "inbox_id": "3"}
    assert made.destination.requests_per_minute == 300
    assert "a-secret-of-chatwoot" not in made.sealed_credential
    assert target_of(made).credential == "a-secret-of-chatwoot"


def test_credential_is_on_no_page(client: Client, connection: Connection) -> None:
    pages = [reverse(LIST), *(reverse(name, args=[connection.pk]) for name in (CHANGE, f"{CHANGE[:-6]}delete"))]

    for page in pages:
        assert "a-secret-of-chatwoot" not in client.get(page).content.decode()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"name": ""}, "This field is required"),
        ({"base_url": "https://10.0.0.5/"}, "private address"),
        ({"base_url": "http://chat.example.org"}, "plain http"),
        ({"credential": ""}, "needs a credential"),
        ({"setting_account_id": "abc"}, "is a number"),
        ({"setting_inbox_id": ""}, "This field is required"),
        ({"carries": []}, "at least one thing"),
        ({"carries": ["tokens"]}, "not one of the available choices"),
        ({"requests_per_minute": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(client: Client, typed: dict[str, Any], says: str) -> None:
    answer = client.post(f"{reverse(ADD)}?platform=bevatel", TYPED | typed)

    assert says in answer.content.decode()
    assert not Connection.objects.exists()
    assert not Destination.objects.exists()


def test_exception_of_the_settings_is_named_where_it_is_used(
    client: Client, workspace: Workspace, settings: Any
) -> None:
    settings.ALLOWED_PRIVATE_ADDRESSES = ["127.0.0.1:8000"]
    pages = {}
    for url in ("http://127.0.0.1:8000/raven/xapi/v1", "https://raven.example.org"):
        draft = ConnectionDraft("raven", url, url, "a-secret-of-raven", carries=frozenset({"personas"}))
        connection = add_connection(workspace=workspace, draft=draft)
        pages[url] = client.get(reverse(CHANGE, args=[connection.pk])).content.decode()

    named = {url: "ALLOWED_PRIVATE_ADDRESSES allows it by name" in page for url, page in pages.items()}

    assert named == {"http://127.0.0.1:8000/raven/xapi/v1": True, "https://raven.example.org": False}


def test_empty_credential_keeps_the_stored_one(client: Client, connection: Connection) -> None:
    client.post(reverse(CHANGE, args=[connection.pk]), TYPED | {"credential": "", "name": "Renamed"})

    connection = Connection.objects.select_related("destination").get()
    assert connection.name == "Renamed"
    assert target_of(connection).credential == "a-secret-of-chatwoot"


def test_stored_credential_never_goes_to_another_host(client: Client, connection: Connection) -> None:
    answer = client.post(
        reverse(CHANGE, args=[connection.pk]), TYPED | {"credential": "", "base_url": "https://evil.example.org"}
    )

    assert "leads to another host now" in answer.content.decode()
    connection.refresh_from_db()
    assert connection.base_url == "https://chat.example.org"


def test_switch_turns_it_off_and_on(client: Client, connection: Connection) -> None:
    url = reverse("admin:platforms_connection_switch", args=[connection.pk])

    client.post(url, {"on": "0"})
    assert not Destination.objects.get().is_on
    client.post(url, {"on": "1"})
    assert Destination.objects.get().is_on


def test_removed_connection_is_forgotten_and_its_destination_kept(client: Client, connection: Connection) -> None:
    Link.objects.create(connection=connection, persona_id=1, remote_id="7")

    client.post(reverse("admin:platforms_connection_delete", args=[connection.pk]))

    destination = Destination.objects.get()
    assert not Connection.objects.exists()
    assert not Link.objects.exists()
    assert destination.removed_at is not None


def test_webhook_secret_is_shown_once(client: Client) -> None:
    typed = {"name": "CRM", "base_url": "https://crm.example.org/hook", "carries": ["personas"]}

    shown = client.post(f"{reverse(ADD)}?platform=webhook", typed)
    made = Connection.objects.get()
    later = client.get(reverse(CHANGE, args=[made.pk]))

    assert target_of(made).credential in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert target_of(made).credential not in later.content.decode()


@pytest.mark.parametrize("action", ["test", "switch", "secret"])
def test_action_by_get_does_nothing(client: Client, connection: Connection, action: str) -> None:
    assert client.get(reverse(f"admin:platforms_connection_{action}", args=[connection.pk])).status_code == 405


def test_support_sees_connections_and_changes_none(support_user: User, connection: Connection) -> None:
    client = signed_in(support_user)

    assert client.get(reverse(LIST)).status_code == 200
    page = client.get(reverse(CHANGE, args=[connection.pk])).content.decode()
    assert "Test connection" not in page
    assert client.post(reverse(CHANGE, args=[connection.pk]), TYPED).status_code == 403


def test_list_asks_as_many_queries_for_many_as_for_one(client: Client, workspace: Workspace) -> None:
    make_connection(workspace, "One")
    client.get(reverse(LIST))
    with CaptureQueriesContext(
        database,
    ) as for_one:
        client.get(reverse(LIST))
    for number in range(8):
        make_connection(workspace, f"Number {number}")

    with CaptureQueriesContext(database) as for_many:
        client.get(reverse(LIST))

    assert len(for_many) == len(for_one)


@pytest.mark.django_db(transaction=True)
def test_test_shows_the_call_and_the_answer_without_the_credential(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    connection = connect(workspace, remote, server, "bevatel")

    page = signed_in(admin_user).post(reverse("admin:platforms_connection_test", args=[connection.pk]))

    shown = page.content.decode()
    assert "It works" in shown
    assert f"GET {server}/bevatel/api/v1/accounts/{remote.workspace.account_number}/inboxes" in shown
    assert "Channel::Api" in shown
    assert remote.secret not in shown
    connection.refresh_from_db()
    assert (connection.test_problem, connection.tested_at is None) == ("", False)


@pytest.mark.django_db(transaction=True)
def test_test_says_which_abilities_the_token_there_lacks(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    remote.workspace.tokens.get().abilities.filter(key="persona_update").delete()
    connection = connect(workspace, remote, server, "raven", carries=frozenset({"personas"}))

    page = signed_in(admin_user).post(reverse("admin:platforms_connection_test", args=[connection.pk]))

    assert "That token lacks: persona_update." in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_test_of_a_dead_server_says_so(workspace: Workspace, remote: Remote, settings: Any, admin_user: User) -> None:
    settings.ALLOWED_PRIVATE_ADDRESSES = ["127.0.0.1:9"]
    connection = connect(workspace, remote, "http://127.0.0.1:9", "chative")

    page = signed_in(admin_user).post(reverse("admin:platforms_connection_test", args=[connection.pk]))

    assert "Nothing listens there" in page.content.decode()
    assert urlsplit(connection.base_url).port == 9
