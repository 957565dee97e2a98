"""Tokens over Raven's API: temporary ones, and managing those of the workspace without getting more than one has."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from accounts.models import User, Workspace
from messaging.models import Topic
from personas.models import Persona
from tests.platforms.raven.conftest import Api, refused
from tokens.abilities import ABILITY_KEYS
from tokens.configuration import Configuration
from tokens.models import IdempotencyKey, RequestLogEntry, Token, TokenAbility, TokenEvent
from tokens.services import COMMAND_LINE, IssuedToken, delete_token, issue_token, revoke_token, switch_token

pytestmark = pytest.mark.django_db

Derive = Callable[..., str]
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def peter(workspace: Workspace) -> Persona:
    return Persona.objects.create(workspace=workspace, name="Peter")


@pytest.fixture
def other(workspace: Workspace) -> IssuedToken:
    """A token beside the caller's, which may send messages and no more."""
    return _issued(workspace, "Other", {"message_send"})


@pytest.fixture
def theirs(other_workspace: Workspace) -> Token:
    return _issued(other_workspace, "Theirs", set(ABILITY_KEYS)).token


@pytest.fixture
def manager(workspace: Workspace) -> str:
    """The secret of a token that manages tokens, and may send and read nothing itself."""
    return _issued(workspace, "Manager", {"token_write", "persona_read"}).secret.value


def _issued(workspace: Workspace, name: str, abilities: set[str]) -> IssuedToken:
    configuration = Configuration(name=name, abilities=frozenset(abilities))
    return issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE)


# ---------------------------------------- token:self


def test_a_token_reads_what_it_is_and_may_do(
    call: Api, token: Token, sender: User, django_assert_max_num_queries: Any, clock: time_machine.Traveller
) -> None:
    anchor = Topic.objects.create(workspace=token.workspace, type="mass", name="News")
    Token.objects.filter(pk=token.pk).update(
        name="Checkout", topic_anchor=anchor, user_alias=sender, expires_at=NOW + timedelta(days=30),
        source_networks=["127.0.0.0/8"], requests_per_minute=90, last_used_at=NOW,
    )  # fmt: skip
    TokenAbility.objects.filter(token=token).exclude(key__in=["message_send", "topic_add"]).delete()

    with django_assert_max_num_queries(6):  # the token, its bucket, a savepoint's two, what it says, the log
        answer = call("token:self")

    assert answer.json()["data"] == {
        "name": "Checkout",
        "token": token.masked,
        "status": "expiring",
        "workspace": {
            "name": token.workspace.name,
            "slug": token.workspace.slug,
            "account": token.workspace.account_number,
        },
        "abilities": ["message_send", "topic_add"],
        "activates_at": None,
        "expires_at": "2026-12-21T09:30:00+00:00",
        "topic_anchor": "News",
        "user_alias": "your_username",
        "source_networks": ["127.0.0.0/8"],
        "requests_per_minute": 90,
    }


def test_a_temporary_token_reads_what_counts_for_it(call: Api, derive: Derive, token: Token, sender: User) -> None:
    temporary = derive(ability=["persona_read", "message_send"])
    Token.objects.filter(pk=token.pk).update(user_alias=sender, requests_per_minute=90)
    TokenAbility.objects.filter(token=token, key="persona_read").delete()

    data = call("token:self", token=temporary).json()["data"]

    assert (data["abilities"], data["user_alias"], data["requests_per_minute"]) == (
        ["message_send"], "your_username", 90,
    )  # fmt: skip


# ---------------------------------------- token:derive


def test_a_derived_token_may_what_was_asked_for_as_long_as_was_asked_for(
    call: Api, token: Token, clock: time_machine.Traveller
) -> None:
    answer = call("token:derive", {"ability": ["persona_read", "message_send"], "seconds": 60})

    data = answer.json()["data"]
    assert data["secret"].startswith("rvt_")
    assert (data["ability"], data["expires_at"]) == (["message_send", "persona_read"], "2026-11-21T09:31:00Z")
    assert answer.json()["notification"] == "Token Derived Successfully"
    said = [call("persona", token=data["secret"]).status_code]
    said.append(refused(call("location", token=data["secret"]))[1])
    clock.move_to(NOW + timedelta(seconds=60))
    said.append(refused(call("persona", token=data["secret"]))[1])
    assert said == [200, "ability_missing", "token_expired"]


def test_a_token_that_is_deleted_while_it_mints_is_unknown(
    call: Api, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platforms.raven.server.tokens.get_persona", lambda **_: Token.objects.all().delete())

    answer = call("token:derive", {"ability": ["persona_read"], "persona": 1})

    assert (answer.status_code, answer.json()["code"]) == (401, "token_unknown")


def test_a_derived_token_ends_with_its_parent(call: Api, token: Token, clock: time_machine.Traveller) -> None:
    Token.objects.filter(pk=token.pk).update(expires_at=NOW + timedelta(seconds=30))

    answer = call("token:derive", {"ability": ["persona_read"]})

    assert answer.json()["data"]["expires_at"] == "2026-11-21T09:30:30Z"


@pytest.mark.parametrize(
    ("changes", "status", "code", "path"),
    [
        ({"ability": []}, 400, "body_invalid", "ability"),
        ({"ability": "persona_read"}, 400, "body_invalid", "ability"),
        ({"ability": ["persona_read", "fly"]}, 400, "ability_unknown", "ability"),
        ({"ability": ["persona_read", "location_read"]}, 403, "ability_not_held", "ability"),
        ({"seconds": 0}, 400, "body_invalid", "seconds"),
        ({"seconds": 3601}, 400, "body_invalid", "seconds"),
        ({"seconds": 2**70}, 400, "body_invalid", "seconds"),
        ({"seconds": 1.5}, 400, "body_invalid", "seconds"),
        ({"persona": 10**9}, 404, "persona_not_found", ""),
        ({"persona": 2**63}, 400, "body_invalid", "persona"),
        ({"topic": 10**9}, 404, "topic_not_found", ""),
        ({"name": "x"}, 400, "body_invalid", "name"),
    ],
)
def test_a_wrong_wish_for_a_temporary_token_is_refused(
    call: Api, token: Token, changes: dict[str, Any], status: int, code: str, path: str
) -> None:
    TokenAbility.objects.filter(token=token, key="location_read").delete()

    answer = call("token:derive", {"ability": ["persona_read"]} | changes)

    assert refused(answer) == (status, code, path)
    assert Token.objects.count() == 1


def test_a_temporary_token_is_bound_only_to_what_is_in_its_workspace(call: Api, other_workspace: Workspace) -> None:
    persona = Persona.objects.create(workspace=other_workspace, name="Stranger")
    topic = Topic.objects.create(workspace=other_workspace, type="mass", name="News")

    answers = [call("token:derive", {"ability": ["persona_read"], k: v.pk}) for k, v in
               (("persona", persona), ("topic", topic))]  # fmt: skip

    assert [refused(answer)[:2] for answer in answers] == [(404, "persona_not_found"), (404, "topic_not_found")]


def test_a_temporary_token_leaves_nothing_lasting_behind(call: Api, derive: Derive, other: IssuedToken) -> None:
    temporary = derive()
    path = f"token/{other.token.public_id}"

    answers = [
        call("token:derive", {"ability": ["persona_read"]}, token=temporary),
        call("token", {"name": "New"}, token=temporary),
        call(path, {"name": "New"}, method="PATCH", token=temporary),
        call(f"{path}:rotate", {}, token=temporary),
    ]

    assert [refused(answer)[:2] for answer in answers] == [(403, "token_is_temporary")] * 4
    assert call(path, token=temporary).status_code == 200


def test_a_temporary_token_stops_on_the_very_next_call_after_its_parent(
    call: Api, derive: Derive, token: Token
) -> None:
    temporary = derive()

    said = [call("persona", token=temporary).status_code]
    switch_token(token=token, on=False, by=COMMAND_LINE)
    said.append(refused(call("persona", token=temporary))[1])
    switch_token(token=token, on=True, by=COMMAND_LINE)
    said.append(call("persona", token=temporary).status_code)
    Token.objects.filter(pk=token.pk).update(expires_at=NOW - timedelta(days=500))
    said.append(refused(call("persona", token=temporary))[1])
    Token.objects.filter(pk=token.pk).update(expires_at=None, source_networks=["203.0.113.0/24"])
    said.append(refused(call("persona", token=temporary))[1])
    Token.objects.filter(pk=token.pk).update(source_networks=[])
    TokenAbility.objects.filter(token=token, key="persona_read").delete()
    said.append(refused(call("persona", token=temporary))[1])
    TokenAbility.objects.create(token=token, key="persona_read")
    said.append(call("persona", token=temporary).status_code)
    revoke_token(token=token, by=COMMAND_LINE)
    said.append(refused(call("persona", token=temporary))[1])
    delete_token(token=token, by=COMMAND_LINE)
    said.append(refused(call("persona", token=temporary))[1])

    assert said == [
        200, "token_disabled", 200, "token_expired", "source_refused", "ability_missing", 200, "token_revoked",
        "token_unknown",
    ]  # fmt: skip


def test_a_temporary_token_draws_from_its_parents_rate(
    call: Api, derive: Derive, token: Token, clock: time_machine.Traveller
) -> None:
    Token.objects.filter(pk=token.pk).update(requests_per_minute=3)
    temporary = derive()

    answers = [call("persona", token=temporary), call("persona"), call("persona", token=temporary)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert RequestLogEntry.objects.filter(token=token).count() == 4


def test_a_temporary_token_dies_with_what_it_is_bound_to(call: Api, derive: Derive, peter: Persona) -> None:
    temporary = derive(persona=peter.pk)
    peter.delete()

    assert refused(call("token:self", token=temporary))[1] == "token_unknown"


def test_a_bound_token_is_not_told_whose_an_address_is(
    call: Api, derive: Derive, peter: Persona, workspace: Workspace, sender: User
) -> None:
    theirs = [{"type": "email", "key": f"{name}@example.org"} for name in ("rina", "maya")]
    for contact, name in zip(theirs, ("Rina", "Maya"), strict=True):
        call("persona:add", {"name": name, "contact": [contact]})
    topic = Topic.objects.create(workspace=workspace, type="mass", name="News")
    both = {
        "username": "your_username",
        "message": "Hello!",
        "topic": {"type": "mass", "name": "News"},
        "recipient": [{"contact": theirs}],
    }
    add = {"persona": peter.pk, "contact": theirs[:1]}

    answers = [
        call("contact:add", add, token=derive(persona=peter.pk)),
        call("message:send", both, token=derive(persona=peter.pk)),
        call("message:send", both, token=derive(topic=topic.pk)),
    ]

    assert [refused(answer)[:2] for answer in answers] == [(403, "token_bound")] * 3
    assert not any(name in answer.content.decode() for answer in answers for name in ("Rina", "Maya"))
    assert [refused(call(*given))[1] for given in (("contact:add", add), ("message:send", both))] == [
        "contact_taken",
        "recipient_ambiguous",
    ]


# ---------------------------------------- issuing


def test_an_issued_token_works_and_is_as_it_was_asked_for(
    call: Api, sender: User, workspace: Workspace, clock: time_machine.Traveller
) -> None:
    Topic.objects.create(workspace=workspace, type="mass", name="News")

    answer = call(
        "token",
        {
            "name": "Shop",
            "ability": ["persona_read", "message_send"],
            "activates_at": "2026-11-21T09:00:00Z",
            "expires_at": "2027-11-21T16:00:00+07:00",
            "topic_anchor": "News",
            "user_alias": "your_username",
            "source_networks": ["127.0.0.7/8"],
            "requests_per_minute": 50,
            "caretaker": "your_username",
            "notice_address": "team@example.org",
        },
    )

    data = answer.json()["data"]
    public_id = data["token"]["id"]
    assert answer.json()["notification"] == "Token Issued Successfully"
    assert data["token"] == {
        "id": public_id,
        "name": "Shop",
        "token": f"rvn_{public_id}_…{data['secret'][-4:]}",
        "status": "active",
        "is_on": True,
        "ability": ["message_send", "persona_read"],
        "activates_at": "2026-11-21T09:00:00Z",
        "expires_at": "2027-11-21T09:00:00Z",
        "revoked_at": None,
        "topic_anchor": "News",
        "user_alias": "your_username",
        "source_networks": ["127.0.0.0/8"],
        "requests_per_minute": 50,
        "caretaker": "your_username",
        "notice_address": "team@example.org",
        "last_used_at": None,
        "version": 1,
    }
    assert call("persona", token=data["secret"]).status_code == 200
    event = TokenEvent.objects.get(token__public_id=public_id)
    assert (event.kind, event.actor_label) == ("issued", "token Shop backend")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"name": None}, 400, "body_invalid"),
        ({"name": ""}, 400, "body_invalid"),
        ({"name": "  "}, 400, "token_name_missing"),
        ({"name": "x" * 101}, 400, "body_invalid"),
        ({"ability": ["fly"]}, 400, "ability_unknown"),
        ({"ability": ["persona_read", 5]}, 400, "body_invalid"),
        ({"ability": None}, 400, "body_invalid"),
        ({"is_on": None}, 400, "body_invalid"),
        ({"expires_at": "tomorrow"}, 400, "body_invalid"),
        ({"expires_at": "2026-11-21T09:30:00"}, 400, "body_invalid"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, 400, "body_invalid"),
        ({"activates_at": "0001-01-01T00:00:00+14:00"}, 400, "body_invalid"),
        ({"expires_at": "2026-01-01T00:00:00Z", "activates_at": "2026-01-01T00:00:00Z"}, 400,
         "expiration_before_activation"),
        ({"topic_anchor": "Nothing"}, 404, "anchor_not_usable"),
        ({"topic_anchor": "Theirs"}, 404, "anchor_not_usable"),
        ({"topic_anchor": "Order"}, 404, "anchor_not_usable"),
        ({"user_alias": "nobody"}, 404, "user_not_found"),
        ({"source_networks": ["nonsense"]}, 400, "network_invalid"),
        ({"source_networks": ["1.2.3.4"] * 101}, 400, "body_invalid"),
        ({"notice_address": "team"}, 400, "notice_address_invalid"),
        ({"notice_address": "a@example.org\nBcc: b@example.org"}, 400, "notice_address_invalid"),
        ({"caretaker": "nobody"}, 404, "user_not_found"),
        ({"requests_per_minute": 0}, 400, "body_invalid"),
        ({"requests_per_minute": 1_000_001}, 400, "body_invalid"),
        ({"requests_per_minute": 2**70}, 400, "body_invalid"),
        ({"secret": "mine"}, 400, "body_invalid"),
        ({"workspace": 2}, 400, "body_invalid"),
    ],
)  # fmt: skip
def test_a_wrong_token_is_refused_when_issued_and_when_configured(
    call: Api, other: IssuedToken, other_workspace: Workspace, peter: Persona, changes: dict[str, Any], status: int,
    code: str,
) -> None:  # fmt: skip
    Topic.objects.create(workspace=other_workspace, type="mass", name="Theirs")
    Topic.objects.create(workspace=peter.workspace, type="persona", name="Order", persona=peter)

    issued = call("token", {"name": "New"} | changes)
    configured = call(f"token/{other.token.public_id}", changes, method="PATCH")

    assert refused(issued)[:2] == refused(configured)[:2] == (status, code)
    assert Token.objects.count() == 2
    assert Token.objects.get(pk=other.token.pk).version == other.token.version


def test_a_token_without_a_name_is_not_issued(call: Api, workspace: Workspace) -> None:
    assert refused(call("token", {})) == (400, "body_invalid", "name")


# ---------------------------------------- no more than one has


def test_a_manager_gives_no_ability_that_it_lacks(call: Api, manager: str, other: IssuedToken) -> None:
    weak = call("token", {"name": "Weak", "ability": ["persona_read"]}, token=manager).json()["data"]["token"]["id"]
    before = Token.objects.count()

    answers = [
        call("token", {"name": "Strong", "ability": ["persona_read", "message_send"]}, token=manager),
        call(f"token/{weak}", {"ability": ["persona_read", "message_send"]}, method="PATCH", token=manager),
        call(f"token/{other.token.public_id}", {"is_on": True}, method="PATCH", token=manager),
        call(f"token/{other.token.public_id}", {"ability": []}, method="PATCH", token=manager),
        call(f"token/{other.token.public_id}:rotate", {}, token=manager),
    ]

    assert [refused(answer) for answer in answers] == [(403, "ability_not_held", "ability")] * 5
    assert all("message_send" in answer.json()["notification"] for answer in answers)
    assert (Token.objects.count(), Token.objects.get(public_id=weak).ability_keys) == (before, ["persona_read"])
    assert other.token.ability_keys == ["message_send"]


@pytest.fixture
def bound_manager(workspace: Workspace) -> str:
    """The secret of a token that manages tokens, from the tests' own network and until the end of the year."""
    configuration = Configuration(
        name="Manager",
        abilities=frozenset({"token_write"}),
        expires_at=datetime(2026, 12, 31, tzinfo=UTC),
        source_networks=("127.0.0.0/8", "2001:db8::/32"),
    )
    return issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).secret.value


@pytest.mark.parametrize(
    ("wish", "networks", "ends_at"),
    [
        ({}, ["127.0.0.0/8", "2001:db8::/32"], "2026-12-31T00:00:00Z"),
        ({"source_networks": ["127.1.2.0/24"]}, ["127.1.2.0/24"], "2026-12-31T00:00:00Z"),
        ({"expires_at": "2026-12-01T00:00:00Z"}, ["127.0.0.0/8", "2001:db8::/32"], "2026-12-01T00:00:00Z"),
    ],
)
def test_a_manager_hands_on_its_networks_and_its_end(
    call: Api, bound_manager: str, clock: Any, wish: dict[str, Any], networks: list[str], ends_at: str
) -> None:
    answer = call("token", {"name": "New"} | wish, token=bound_manager)

    made = answer.json()["data"]["token"]
    assert (made["source_networks"], made["expires_at"]) == (networks, ends_at)


@pytest.mark.parametrize(
    ("wish", "code", "path"),
    [
        ({"source_networks": []}, "networks_beyond_own", "source_networks"),
        ({"source_networks": ["127.0.0.1", "203.0.113.0/24"]}, "networks_beyond_own", "source_networks"),
        ({"source_networks": ["126.0.0.0/7"]}, "networks_beyond_own", "source_networks"),
        ({"source_networks": ["2001:db8::/31"]}, "networks_beyond_own", "source_networks"),
        ({"expires_at": None}, "expiration_beyond_own", "expires_at"),
        ({"expires_at": "2026-12-31T00:00:01Z"}, "expiration_beyond_own", "expires_at"),
    ],
)
def test_a_manager_gives_no_network_and_no_time_that_it_lacks(
    call: Api, bound_manager: str, clock: Any, other: IssuedToken, wish: dict[str, Any], code: str, path: str
) -> None:
    weak = call("token", {"name": "Weak"}, token=bound_manager).json()["data"]["token"]["id"]
    TokenAbility.objects.filter(token=other.token).delete()
    before = Token.objects.count()

    answers = [
        call("token", {"name": "Strong"} | wish, token=bound_manager),
        call(f"token/{weak}", wish, method="PATCH", token=bound_manager),
    ]
    stronger = [
        call(f"token/{other.token.public_id}", {"name": "Mine"}, method="PATCH", token=bound_manager),
        call(f"token/{other.token.public_id}:rotate", {}, token=bound_manager),
    ]

    assert [refused(answer) for answer in answers] == [(403, code, path)] * 2
    assert [refused(answer)[:2] for answer in stronger] == [(403, "expiration_beyond_own")] * 2
    assert (Token.objects.count(), Token.objects.get(pk=other.token.pk).name) == (before, "Other")


def test_a_manager_gives_itself_nothing(call: Api, manager: str) -> None:
    public_id = manager.split("_")[1]

    answer = call(f"token/{public_id}", {"ability": sorted(ABILITY_KEYS)}, method="PATCH", token=manager)

    assert refused(answer)[:2] == (403, "ability_not_held")


def test_a_manager_gives_what_it_has_and_takes_it_back(call: Api, manager: str) -> None:
    issued = call("token", {"name": "Reader", "ability": ["persona_read"]}, token=manager).json()["data"]
    path = f"token/{issued['token']['id']}"

    said = [call("persona", token=issued["secret"]).status_code]
    call(path, {"ability": []}, method="PATCH", token=manager)
    said.append(refused(call("persona", token=issued["secret"]))[1])
    call(path, {"ability": ["persona_read"], "is_on": False}, method="PATCH", token=manager)
    said.append(refused(call("persona", token=issued["secret"]))[1])

    assert said == [200, "ability_missing", "token_disabled"]


def test_a_manager_may_end_any_token(call: Api, manager: str, other: IssuedToken, token: Token) -> None:
    revoked = call(f"token/{other.token.public_id}:revoke", method="POST", token=manager)
    deleted = call(f"token/{token.public_id}", method="DELETE", token=manager)

    assert (revoked.status_code, deleted.status_code) == (200, 200)
    assert refused(call("token:self", token=other.secret.value))[1] == "token_revoked"
    assert refused(call("token:self"))[1] == "token_unknown"


# ---------------------------------------- a secret is shown once


def test_a_secret_is_masked_in_the_log_and_in_a_replay(call: Api, other: IssuedToken) -> None:
    def twice(operation: str, body: dict[str, Any], secret_of: Callable[[Any], str]) -> tuple[str, str]:
        key = {"Idempotency-Key": operation}
        first, again = (call(operation, body, **key) for _ in range(2))
        assert again["Idempotent-Replayed"] == "true"
        return secret_of(first.json()["data"]), secret_of(again.json()["data"])

    shown = [
        twice("token", {"name": "New"}, lambda data: str(data["secret"])),
        twice("token:derive", {"ability": ["persona_read"]}, lambda data: str(data["secret"])),
        twice(f"token/{other.token.public_id}:rotate", {}, lambda data: str(data["secret"])),
    ]

    stored = " ".join([
        *RequestLogEntry.objects.values_list("response_body", flat=True),
        *IdempotencyKey.objects.values_list("body", flat=True),
    ])  # fmt: skip
    for secret, replayed in shown:
        assert call("token:self", token=secret).status_code == 200
        assert replayed == f"{secret[:16]}_…"
        assert secret[17:] not in stored


# ---------------------------------------- rotating, revoking, deleting


def test_a_rotated_token_is_replaced_at_once(call: Api, other: IssuedToken) -> None:
    answer = call(f"token/{other.token.public_id}:rotate", {})

    data = answer.json()["data"]
    assert answer.json()["notification"] == "Token Rotated Successfully"
    assert (data["token"]["name"], data["token"]["ability"]) == ("Other", ["message_send"])
    assert call("token:self", token=data["secret"]).status_code == 200
    assert refused(call("token:self", token=other.secret.value))[1] == "token_revoked"


def test_a_rotated_token_works_on_while_they_overlap(
    call: Api, other: IssuedToken, clock: time_machine.Traveller
) -> None:
    call(f"token/{other.token.public_id}:rotate", {"overlap_seconds": 3600})

    clock.move_to(NOW + timedelta(seconds=3599))
    during = call("token:self", token=other.secret.value)
    clock.move_to(NOW + timedelta(seconds=3600))
    after = call("token:self", token=other.secret.value)

    assert during.status_code == 200
    assert refused(after)[1] == "token_expired"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, NOW + timedelta(days=10)),
        ({"expires_at": None}, None),
        ({"expires_at": "2031-05-01T09:30:00+07:00"}, datetime(2031, 5, 1, 2, 30, tzinfo=UTC)),
    ],
)
def test_a_rotated_token_lives_as_long_again_or_as_it_is_told(
    call: Api, other: IssuedToken, clock: time_machine.Traveller, given: dict[str, Any], expected: datetime | None
) -> None:
    lived = {"expires_at": NOW + timedelta(days=4), "expiration_set_at": NOW - timedelta(days=6)}
    Token.objects.filter(pk=other.token.pk).update(**lived)

    call(f"token/{other.token.public_id}:rotate", given)

    assert Token.objects.get(replaces=other.token).expires_at == expected


def test_a_token_that_ends_gives_no_rotated_one_a_longer_life(
    call: Api, other: IssuedToken, token: Token, clock: time_machine.Traveller
) -> None:
    path, own_end = f"token/{other.token.public_id}:rotate", NOW + timedelta(days=5)
    Token.objects.filter(pk=token.pk).update(expires_at=own_end)
    lived = {"expires_at": NOW + timedelta(days=4), "expiration_set_at": NOW - timedelta(days=6)}
    Token.objects.filter(pk=other.token.pk).update(**lived)

    beyond = [call(path, {"expires_at": end}) for end in (None, "2031-05-01T00:00:00Z")]
    left_out = call(path, {})

    assert [refused(answer)[:2] for answer in beyond] == [(403, "expiration_beyond_own")] * 2
    assert left_out.status_code == 200
    assert Token.objects.get(replaces=other.token).expires_at == own_end


def test_a_rotated_token_that_would_have_ended_already_is_refused(call: Api, other: IssuedToken) -> None:
    answer = call(f"token/{other.token.public_id}:rotate", {"expires_at": "2001-05-01T00:00:00Z"})

    assert refused(answer) == (400, "new_token_ended_already", "expires_at")


def test_a_rotated_token_that_would_live_as_long_again_beyond_all_years_is_refused(
    call: Api, other: IssuedToken, clock: time_machine.Traveller
) -> None:
    path = f"token/{other.token.public_id}:rotate"
    lived = {"expires_at": datetime(9998, 5, 1, tzinfo=UTC), "expiration_set_at": NOW - timedelta(days=365)}
    Token.objects.filter(pk=other.token.pk).update(**lived)

    left_out, named = call(path, {}), call(path, {"expires_at": "2031-05-01T00:00:00Z"})

    assert refused(left_out) == (400, "moment_out_of_range", "expires_at")
    assert named.status_code == 200


def test_a_token_is_rotated_once_and_not_after_its_end(call: Api, other: IssuedToken) -> None:
    path = f"token/{other.token.public_id}:rotate"
    call(path, {"overlap_seconds": 3600})
    again = call(path, {})
    revoke_token(token=other.token, by=COMMAND_LINE)
    revoked = call(path, {})

    assert [refused(answer)[:2] for answer in (again, revoked)] == [
        (409, "token_already_rotated"),
        (409, "token_is_revoked"),
    ]


@pytest.mark.parametrize("overlap", [-1, 1, 3601, 604_801, 2**70, "3600", None])
def test_another_overlap_is_refused(call: Api, other: IssuedToken, overlap: Any) -> None:
    answer = call(f"token/{other.token.public_id}:rotate", {"overlap_seconds": overlap})

    assert refused(answer) == (400, "body_invalid", "overlap_seconds")


def test_a_revoked_token_stays_in_the_list_and_is_never_configured(call: Api, other: IssuedToken) -> None:
    path = f"token/{other.token.public_id}"

    revoked = [call(f"{path}:revoke", method="POST"), call(f"{path}:revoke", method="POST")]
    configured = call(path, {"is_on": True}, method="PATCH")

    assert [answer.json()["data"]["status"] for answer in revoked] == ["revoked", "revoked"]
    assert revoked[0].json()["notification"] == "Token Revoked Successfully"
    assert revoked[0].json()["data"] == revoked[1].json()["data"] == call(path).json()["data"]
    assert refused(configured)[:2] == (409, "token_is_revoked")


def test_a_token_may_delete_itself_under_a_key(call: Api, token: Token) -> None:
    answer = call(f"token/{token.public_id}", method="DELETE", **{"Idempotency-Key": "bye"})

    assert answer.json() == {"data": None, "notification": "Token Deleted Successfully"}
    assert not Token.objects.exists()
    assert RequestLogEntry.objects.get().status == 200


# ---------------------------------------- reading and configuring


def test_what_a_change_names_changes_and_null_clears(call: Api, other: IssuedToken, workspace: Workspace) -> None:
    topic = Topic.objects.create(workspace=workspace, type="mass", name="News")
    Token.objects.filter(pk=other.token.pk).update(
        topic_anchor=topic, requests_per_minute=5, source_networks=["203.0.113.0/24"]
    )
    path = f"token/{other.token.public_id}"

    answer = call(path, {"name": "Renamed", "topic_anchor": None, "requests_per_minute": None}, method="PATCH")
    nothing = call(path, {"name": "Renamed"}, method="PATCH")

    data = answer.json()["data"]
    assert (answer.json()["notification"], answer["ETag"]) == ("Token Configured Successfully", '"2"')
    assert (data["name"], data["topic_anchor"], data["requests_per_minute"], data["source_networks"]) == (
        "Renamed", None, None, ["203.0.113.0/24"],
    )  # fmt: skip
    assert nothing["ETag"] == '"2"'


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_version_that_is_gone_is_412(call: Api, other: IssuedToken, method: str) -> None:
    path, body = f"token/{other.token.public_id}", {"name": "New"} if method == "PATCH" else None

    old = call(path, body, method=method, **{"If-Match": '"7"'})
    current = call(path, body, method=method, **{"If-Match": '"1"'})

    assert refused(old) == (412, "version_conflict", "If-Match")
    assert current.status_code == 200


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"name": "Mine"}),
        ("DELETE", "", None),
        ("POST", ":rotate", {}),
        ("POST", ":revoke", None),
    ],
)
def test_a_token_elsewhere_or_a_temporary_one_is_not_found(
    call: Api, derive: Derive, theirs: Token, method: str, suffix: str, body: Any
) -> None:
    temporary = derive().split("_")[1]

    answers = [
        call(f"token/{public_id}{suffix}", body, method=method)
        for public_id in (theirs.public_id, temporary, "nope", str(theirs.pk), "x" * 500)
    ]

    assert [refused(answer)[:2] for answer in answers] == [(404, "token_not_found")] * 5
    assert Token.objects.get(pk=theirs.pk).name == "Theirs"


def test_the_list_has_the_lasting_tokens_of_the_workspace(
    call: Api, derive: Derive, token: Token, other: IssuedToken, theirs: Token
) -> None:
    derive()
    switch_token(token=other.token, on=False, by=COMMAND_LINE)

    everything = call("token").json()["data"]
    active, disabled = (call(f"token?status={status}").json()["data"] for status in ("active", "disabled"))

    assert [t["name"] for t in everything] == ["Shop backend", "Other"]
    assert ([t["name"] for t in active], [t["name"] for t in disabled]) == (["Shop backend"], ["Other"])
    assert everything[0]["token"] == token.masked


def test_pages_of_tokens_stay_while_tokens_are_added(call: Api, token: Token, workspace: Workspace) -> None:
    for name in "ab":
        _issued(workspace, name, set())

    first = call("token?limit=2").json()
    _issued(workspace, "c", set())
    second = call(f"token?limit=2&cursor={first['next']}").json()

    assert [[t["name"] for t in page["data"]] for page in (first, second)] == [["Shop backend", "a"], ["b", "c"]]


def test_a_page_of_tokens_costs_the_same_however_long_it_is(
    call: Api, workspace: Workspace, django_assert_max_num_queries: Any
) -> None:
    for n in range(30):
        _issued(workspace, str(n), {"message_send"})

    with django_assert_max_num_queries(12):
        answer = call("token?limit=200")

    assert len(answer.json()["data"]) == 31


@pytest.mark.parametrize(
    ("query", "path"),
    [("limit=0", "limit"), ("limit=201", "limit"), ("cursor=x", "cursor"), ("status=x", "status"), ("q=a", "q")],
)
def test_a_wrong_parameter_is_refused_by_its_name(call: Api, query: str, path: str) -> None:
    assert refused(call(f"token?{query}")) == (400, "query_invalid", path)


def test_a_bound_token_manages_no_tokens(call: Api, derive: Derive, peter: Persona, other: IssuedToken) -> None:
    bound = derive(persona=peter.pk)
    path = f"token/{other.token.public_id}"

    answers = [
        call("token", token=bound),
        call("token", {"name": "New"}, token=bound),
        call(path, token=bound),
        call(path, {"name": "New"}, method="PATCH", token=bound),
        call(path, method="DELETE", token=bound),
        call(f"{path}:rotate", {}, token=bound),
        call(f"{path}:revoke", method="POST", token=bound),
        call("token:derive", {"ability": ["persona_read"]}, token=bound),
    ]

    assert [refused(answer)[:2] for answer in answers] == [(403, "token_bound")] * 8


@pytest.mark.parametrize("operation", ["token", "token:derive", "token/{id}", "token/{id}:rotate"])
@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"null", b'{"name": "a", "name": "b"}', b'{"name": "\\ud800"}', b'{"seconds": 1e400}',
        b'{"ability": ' + b"[" * 100_000, b'{"requests_per_minute": ' + b"9" * 5000 + b"}",
    ],
    ids=range(8),
)  # fmt: skip
def test_garbage_is_refused_and_nothing_is_saved(call: Api, other: IssuedToken, operation: str, raw: bytes) -> None:
    method = "PATCH" if operation.endswith("}") else "POST"

    answer = call(operation.format(id=other.token.public_id), raw, method=method)

    assert refused(answer)[:2] == (400, "body_invalid")
    assert (Token.objects.count(), Token.objects.get(pk=other.token.pk).version) == (2, 1)
