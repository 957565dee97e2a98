"""One console, two gateways: a token that is issued here works on another server, whose database is its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, Workspace
from delivery.interventions import carry_on
from delivery.models import Attempt, Delivery, Intervention
from delivery.sender import Sender
from delivery.states import State
from platforms.connections import ConnectionDraft, add_connection
from platforms.models import Connection
from platforms.sending_all import Action, send_all
from tests.accounts.test_scope import signed_in
from tests.platforms.conftest import running_server
from tokens.configuration import Configuration
from tokens.models import Token
from tokens.secrets import Secret, fingerprint
from tokens.services import (
    COMMAND_LINE,
    Actor,
    configure_token,
    delete_token,
    issue_token,
    revoke_token,
    rotate_token,
    switch_token,
)

pytestmark = pytest.mark.django_db(transaction=True)

SHARED, OWN = (
    "the pepper that both of the servers hold: drawn once",
    "a pepper that this server alone holds: drawn twice",
)
ABILITIES = frozenset({"message_send", "topic_add", "persona_read"})
_PREPARE = """
from accounts.models import Membership, User, Workspace
from tokens.configuration import Configuration
from tokens.services import COMMAND_LINE, issue_token

for slug in ("jakarta", "surabaya"):
    workspace = Workspace.objects.create(name=slug.title(), slug=slug, country="ID", time_zone="Asia/Jakarta")
    bot = User.objects.create_user(f"{slug}_bot")
    Membership.objects.create(workspace=workspace, user=bot, role="support")
    abilities = frozenset({"token_write", "message_send", "topic_add", "persona_read"})
    configuration = Configuration(name="From the console", abilities=abilities)
    print(issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).secret.value)
"""


@dataclass(frozen=True)
class Gateway:
    """Another server, and a token of two of its workspaces that manages tokens."""

    url: str
    jakarta: str
    surabaya: str

    def call(self, operation: str, secret: str, body: Any = None) -> tuple[int, str]:
        """Status and code of the answer."""
        answer = requests.request(
            "GET" if body is None else "POST", f"{self.url}/{operation}", json=body, timeout=30,
            headers={"Authorization": f"Bearer {secret}"},
        )  # fmt: skip
        return answer.status_code, answer.json().get("code", "")

    def header_of_end(self, secret: Secret) -> str | None:
        headers = {"Authorization": f"Bearer {secret.value}"}
        return requests.get(f"{self.url}/token:self", headers=headers, timeout=30).headers.get("Raven-Token-Expires")

    def rotate(self, secret: Secret) -> tuple[int, str]:
        return self.call(f"token/{secret.public_id}:rotate", self.jakarta, {})

    def send(self, secret: str) -> tuple[int, str]:
        to = {"name": "Rina", "contact": [{"type": "whatsapp", "name": "Main", "key": "+6281200000101"}]}
        topic = {"type": "persona", "name": "Order 17"}
        body = {"username": "jakarta_bot", "topic": topic, "recipient": [to], "message": "On its way"}
        return self.call("message:send", secret, body)

    def token(self, public_id: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.jakarta}"}
        known: dict[str, Any] = requests.get(f"{self.url}/token/{public_id}", headers=headers, timeout=30).json()[
            "data"
        ]
        return known


@pytest.fixture(scope="module")
def _gateway(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A process with a database of its own, that holds the shared pepper under another number."""
    folder = tmp_path_factory.mktemp("gateway")
    environment = {"DEBUG": "1", "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}", "TOKEN_PEPPERS": f"7:{SHARED}"}

    def manage(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=project, env=os.environ | environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    manage("migrate", "--verbosity=0")
    secrets = [line for line in manage("shell", "--command", _PREPARE).splitlines() if line.startswith("rvn_")]
    with running_server(project, folder, **environment) as url:
        yield Gateway(f"{url}/raven/xapi/v1", *secrets)


@pytest.fixture
def gateway(_gateway: Gateway, settings: LazySettings) -> Gateway:
    settings.ALLOWED_PRIVATE_ADDRESSES = [urlsplit(_gateway.url).netloc]
    settings.TOKEN_PEPPERS = {1: SHARED}
    return _gateway


@pytest.fixture
def connection(gateway: Gateway, workspace: Workspace) -> Connection:
    return connect(gateway, workspace)


def connect(gateway: Gateway, workspace: Workspace) -> Connection:
    draft = ConnectionDraft(
        platform="raven", name="Jakarta", base_url=gateway.url, credential=gateway.jakarta,
        carries=frozenset({"tokens"}), requests_per_minute=6000,
    )  # fmt: skip
    return add_connection(workspace=workspace, draft=draft)


def issue(workspace: Workspace, **changes: Any) -> Secret:
    configuration = Configuration(**({"name": "Shop", "abilities": ABILITIES} | changes))
    return issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).secret


def token_of(secret: Secret) -> Token:
    return Token.objects.get(public_id=secret.public_id)


def carried() -> Delivery:
    """All that was due has been sent; the last of it."""
    Sender().drain()
    last: Delivery = Delivery.objects.order_by("-id")[0]
    return last


def test_token_issued_in_the_console_here_sends_there_until_it_may_not_and_is_revoked(
    gateway: Gateway, connection: Connection, admin_user: User
) -> None:
    console = signed_in(admin_user)
    secret = _issued_in_the_console(console)
    there = [gateway.send(secret)]
    carried()
    there.append(gateway.send(secret))
    _set_abilities(console, secret, ["message_send", "topic_add"])
    carried()
    there.append(gateway.send(secret))
    _set_abilities(console, secret, ["topic_add"])
    carried()
    there.append(gateway.send(secret))
    console.post(reverse("admin:tokens_token_revoke", args=[token_of(Secret(secret)).pk]))
    carried()
    there.append(gateway.send(secret))

    assert there == [
        (401, "token_unknown"), (403, "ability_missing"), (200, ""), (403, "ability_missing"), (401, "token_revoked"),
    ]  # fmt: skip
    assert set(Delivery.objects.values_list("state", flat=True)) == {State.DELIVERED}


def _issued_in_the_console(console: Client) -> str:
    add = reverse("admin:tokens_token_add")
    nonce = console.get(add).context["nonce"]
    secret: str = console.post(add, {"name": "Shop", "nonce": nonce}).context["secret"]
    return secret


def _set_abilities(console: Client, secret: str, abilities: list[str]) -> None:
    token = token_of(Secret(secret))
    page = reverse("admin:tokens_token_permissions", args=[token.pk])
    console.post(page, {"version": token.version, "abilities": abilities})


def test_tokens_that_are_older_than_the_connection_work_there_once_all_are_sent(
    gateway: Gateway, workspace: Workspace, admin_user: User, settings: LazySettings
) -> None:
    old, off, ended, revoked, unknown = (issue(workspace, name=name) for name in ("A", "B", "C", "D", "E"))
    switch_token(token=token_of(off), on=False, by=COMMAND_LINE)
    Token.objects.filter(public_id=ended.public_id).update(expires_at=timezone.now() - timedelta(days=1))
    revoke_token(token=token_of(revoked), by=COMMAND_LINE)
    Token.objects.filter(public_id=unknown.public_id).update(pepper_number=9)
    settings.TOKEN_PEPPERS = {1: SHARED, 9: OWN}
    console, connection = signed_in(admin_user), connect(gateway, workspace)
    before = gateway.send(old.value)

    console.post(reverse("admin:platforms_connection_send_tokens", args=[connection.pk]))
    carry_on.func(Intervention.objects.get().pk)
    carried()

    assert before == (401, "token_unknown")
    assert [gateway.send(secret.value) for secret in (old, off, ended, revoked, unknown)] == [
        (200, ""), (401, "token_disabled"), (401, "token_expired"), (401, "token_unknown"), (401, "token_unknown"),
    ]  # fmt: skip
    states = Delivery.objects.order_by("id").values_list("kind", "state", "code")
    configured = ("token.configured", State.DELIVERED, "")
    assert list(states) == [
        configured, configured, configured, ("token.revoked", State.DELIVERED, ""),
        ("token.configured", State.REFUSED, "pepper_not_held"),
    ]  # fmt: skip
    page = console.get(reverse("admin:platforms_connection_change", args=[connection.pk])).content.decode()
    assert "One was refused there" in page


def test_sending_all_twice_configures_each_once_more_and_a_later_change_wins(
    gateway: Gateway, workspace: Workspace
) -> None:
    secret = issue(workspace)
    connection = connect(gateway, workspace)

    for _time in range(2):
        begun = send_all(connection=connection, action=Action.ALL_TOKENS, by="Ayu", at=timezone.now())
        carry_on.func(begun.pk)
    token = token_of(secret)
    configure_token(token=token, configuration=Configuration(name="Later"), version=token.version, by=COMMAND_LINE)
    carried()

    assert gateway.token(secret.public_id)["name"] == "Later"
    states = Delivery.objects.order_by("id").values_list("state", flat=True)
    assert list(states) == [State.SUPERSEDED, State.SUPERSEDED, State.DELIVERED]


def test_all_that_is_configured_here_is_so_there(
    gateway: Gateway, connection: Connection, workspace: Workspace
) -> None:
    secret = issue(workspace, is_on=False, source_networks=("203.0.113.0/24",), requests_per_minute=7)

    carried()

    there = gateway.token(secret.public_id)
    assert (there["name"], there["status"], there["source_networks"], there["requests_per_minute"]) == (
        "Shop", "disabled", ["203.0.113.0/24"], 7,
    )  # fmt: skip
    assert there["token"] == token_of(secret).masked


def test_token_whose_digest_moved_there_and_here_is_still_the_same(
    gateway: Gateway, connection: Connection, workspace: Workspace, settings: LazySettings
) -> None:
    secret = issue(workspace)
    carried()
    settings.TOKEN_PEPPERS = {1: "an older pepper, that was the newest then", 2: SHARED}
    Token.objects.update(pepper_number=2)  # the shared pepper is the second one now
    token = token_of(secret)

    configure_token(token=token, configuration=Configuration(name="Shop 2"), version=token.version, by=COMMAND_LINE)

    assert carried().state == State.DELIVERED
    assert gateway.token(secret.public_id)["name"] == "Shop 2"


def test_rotated_token_works_there_beside_the_old_one_until_that_ends(
    gateway: Gateway, connection: Connection, workspace: Workspace
) -> None:
    old = issue(workspace)
    carried()

    new = rotate_token(token=token_of(old), overlap=timedelta(hours=1), by=COMMAND_LINE).secret
    carried()

    assert [gateway.send(secret.value)[0] for secret in (old, new)] == [200, 200]
    assert gateway.token(old.public_id)["expires_at"] is not None


def test_nobody_is_told_there_that_a_rotated_token_ends(
    gateway: Gateway, connection: Connection, workspace: Workspace
) -> None:
    old = issue(workspace, expires_at=timezone.now() + timedelta(days=5))
    carried()
    told_before = gateway.header_of_end(old)

    new = rotate_token(token=token_of(old), overlap=timedelta(days=7), expires_at=None, by=COMMAND_LINE).secret
    carried()

    assert told_before is not None
    assert [gateway.send(secret.value)[0] for secret in (old, new)] == [200, 200]
    assert gateway.header_of_end(old) is None
    assert gateway.rotate(old) == (409, "token_already_rotated")


def test_token_rotated_without_overlap_is_revoked_there(
    gateway: Gateway, connection: Connection, workspace: Workspace
) -> None:
    old = issue(workspace)
    carried()

    new = rotate_token(token=token_of(old), overlap=timedelta(0), by=COMMAND_LINE).secret
    carried()

    assert [gateway.send(secret.value) for secret in (old, new)] == [(401, "token_revoked"), (200, "")]


def test_token_that_is_deleted_here_is_revoked_there(
    gateway: Gateway, connection: Connection, workspace: Workspace
) -> None:
    secret = issue(workspace)
    carried()

    delete_token(token=token_of(secret), by=COMMAND_LINE)

    assert carried().state == State.DELIVERED
    assert gateway.send(secret.value) == (401, "token_revoked")


def test_token_that_ends_before_it_was_sent_never_gets_there(
    gateway: Gateway, connection: Connection, workspace: Workspace
) -> None:
    secret = issue(workspace)

    revoke_token(token=token_of(secret), by=COMMAND_LINE)

    assert carried().state == State.DELIVERED
    assert list(Delivery.objects.order_by("id").values_list("kind", "state")) == [
        ("token.configured", State.SUPERSEDED),
        ("token.revoked", State.DELIVERED),
    ]
    assert gateway.send(secret.value) == (401, "token_unknown")


def test_pepper_that_is_not_held_there_is_refused_on_the_tokens_page_with_what_to_do(
    gateway: Gateway, connection: Connection, workspace: Workspace, admin_user: User, settings: LazySettings
) -> None:
    settings.TOKEN_PEPPERS = {1: OWN}
    secret = issue(workspace)

    refused = carried()

    page = signed_in(admin_user).get(reverse("admin:tokens_token_change", args=[token_of(secret).pk]))
    assert (refused.state, refused.code) == (State.REFUSED, "pepper_not_held")
    assert f"That server does not hold the pepper {fingerprint(OWN)}" in page.content.decode()
    assert "Set the same TOKEN_PEPPERS on both servers, restart them, then retry." in page.content.decode()
    assert gateway.send(secret.value) == (401, "token_unknown")


def test_token_known_there_is_configured_although_the_pepper_is_not_held_there(
    gateway: Gateway, connection: Connection, workspace: Workspace, settings: LazySettings
) -> None:
    """While a new pepper has come to one server and not yet to the other, what an admin takes away is taken away."""
    secret = issue(workspace)
    carried()
    settings.TOKEN_PEPPERS = {1: SHARED, 2: OWN}
    Token.objects.update(digest=secret.digest(OWN), pepper_number=2)
    token = token_of(secret)

    configure_token(token=token, configuration=Configuration(name="Shop"), version=token.version, by=COMMAND_LINE)

    assert carried().state == State.DELIVERED
    assert gateway.send(secret.value) == (403, "ability_missing")


def test_pepper_that_is_gone_here_is_said_to_be(
    gateway: Gateway, connection: Connection, workspace: Workspace, settings: LazySettings
) -> None:
    issue(workspace)
    settings.TOKEN_PEPPERS = {2: OWN}

    assert carried().code == "pepper_retired"


def test_token_of_another_workspace_there_is_refused_and_stays_as_it_was(
    gateway: Gateway, connection: Connection, workspace: Workspace
) -> None:
    theirs = Secret(gateway.surabaya)
    issue(workspace)
    Token.objects.update(public_id=theirs.public_id)

    refused = carried()

    assert (refused.state, refused.code) == (State.REFUSED, "token_id_taken")
    assert gateway.call("token:self", gateway.surabaya)[0] == 200


def test_token_with_another_secret_there_is_refused_and_that_one_works_on(
    gateway: Gateway, connection: Connection, workspace: Workspace
) -> None:
    secret = issue(workspace)
    carried()
    Token.objects.update(digest=Secret(gateway.surabaya).digest(SHARED))
    token = token_of(secret)

    configure_token(token=token, configuration=Configuration(name="Other"), version=token.version, by=COMMAND_LINE)

    refused = carried()
    assert (refused.state, refused.code) == (State.REFUSED, "token_digest_differs")
    assert gateway.token(secret.public_id)["name"] == "Shop"
    assert gateway.send(secret.value)[0] == 200


def test_token_that_may_more_than_the_connection_is_refused_in_the_servers_words(
    gateway: Gateway, connection: Connection, workspace: Workspace
) -> None:
    secret = issue(workspace, abilities=ABILITIES | {"data_export"})

    refused = carried()

    assert (refused.state, refused.code) == (State.REFUSED, "http_403")
    assert "lacks the ability data_export itself" in refused.problem
    assert gateway.send(secret.value) == (401, "token_unknown")


def test_token_that_was_revoked_there_is_refused_and_stays_revoked(
    gateway: Gateway, connection: Connection, workspace: Workspace
) -> None:
    secret = issue(workspace)
    carried()
    gateway.call(f"token/{secret.public_id}:revoke", gateway.jakarta, {})
    token = token_of(secret)

    configure_token(token=token, configuration=Configuration(name="Other"), version=token.version, by=COMMAND_LINE)

    assert carried().code == "token_is_revoked"
    assert gateway.send(secret.value) == (401, "token_revoked")


def test_digest_and_secret_stand_in_nothing_that_is_kept(
    gateway: Gateway, connection: Connection, workspace: Workspace, admin_user: User
) -> None:
    person = Actor.person(admin_user)
    configuration = Configuration(name="Shop", abilities=ABILITIES)
    secret = issue_token(workspace=workspace, configuration=configuration, by=person).secret

    delivery = carried()

    console = signed_in(admin_user)
    pages = [
        console.get(reverse("admin:tokens_token_change", args=[token_of(secret).pk])),
        console.get(reverse("admin:delivery_delivery_change", args=[delivery.pk])),
    ]
    bodies = list(Attempt.objects.values_list("request_body", flat=True))
    kept = json.dumps(delivery.payload) + "".join(bodies) + "".join(page.content.decode() for page in pages)
    assert '"digest":"•••"' in bodies[0]
    assert token_of(secret).digest not in kept
    assert secret.value[17:] not in kept
