"""What every call passes, whatever the endpoint: token, source, rate, Pro, ability, key, body; and the log of it."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import time_machine
from django.db import connection
from django.test import Client
from django.urls import URLPattern, get_resolver

from accounts.models import User, Workspace
from messaging.models import Message
from personas.models import Persona
from platforms.raven.server.endpoints import ENDPOINTS
from tests.platforms.raven.conftest import BASE, Api
from tokens.abilities import ABILITIES, ABILITY_KEYS
from tokens.configuration import Configuration
from tokens.endpoints import Endpoint
from tokens.gateway import GatewayView
from tokens.models import IdempotencyKey, RequestLogEntry, Token, TokenAbility
from tokens.secrets import checksum, new_secret
from tokens.services import COMMAND_LINE, delete_token, issue_token, revoke_token, rotate_token, switch_token

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def _refusal(answer: Any) -> tuple[int, str, str]:
    said = answer.json()
    return answer.status_code, said["notification"], said["code"]


def test_every_route_but_the_catch_all_is_an_endpoint_of_the_gateway() -> None:
    patterns = get_resolver("platforms.raven.server.endpoints").url_patterns

    assert all(isinstance(p, URLPattern) and p.callback.view_class is GatewayView for p in patterns)  # type: ignore[attr-defined]
    declared = {(method, route) for route, methods in _methods_by_route(patterns).items() for method in methods}
    assert declared == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


def _methods_by_route(patterns: list[Any]) -> dict[str, Any]:
    return {str(p.pattern): p.callback.view_initkwargs.get("endpoints", {}) for p in patterns}


def test_the_catalogue_has_just_the_abilities_that_endpoints_ask_for() -> None:
    assert {endpoint.ability for endpoint in ENDPOINTS} - {None} == ABILITY_KEYS


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_every_endpoint_refuses_a_token_without_its_ability(client: Client, issued: Any, endpoint: Endpoint) -> None:
    TokenAbility.objects.filter(token=issued.token, key=endpoint.ability).delete()

    answer = client.generic(
        endpoint.method,
        BASE + re.sub(r"<\w+:\w+>", "1", endpoint.path),
        b"{}",
        headers={"Authorization": f"Bearer {issued.secret.value}", "Content-Type": "application/json"},
    )

    if endpoint.ability is None:
        assert answer.status_code == 200
    else:
        assert _refusal(answer)[::2] == (403, "ability_missing")
        assert endpoint.ability in answer.json()["notification"]
    assert RequestLogEntry.objects.get().request_id == answer["X-Request-Id"]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "token_missing"),
        ("Basic abc", "token_missing"),
        ("Bearer", "token_missing"),
        ("Bearer ", "token_missing"),
        ("Bearer nonsense", "token_malformed"),
        ("Bearer rvn_short", "token_malformed"),
        ("Bearer " + "é" * 66, "token_malformed"),
    ],
)
def test_a_credential_that_is_no_token_is_unauthorized(client: Client, header: str | None, code: str) -> None:
    headers = {"Authorization": header} if header is not None else {}

    answer = client.get(BASE + "token:self", headers=headers)

    assert _refusal(answer) == (401, "Unauthorized", code)
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_typo_is_told_without_a_look_at_the_tokens(
    call: Api, secret: str, django_assert_num_queries: Any, client: Client
) -> None:
    mistyped = secret[:-1] + ("a" if secret[-1] != "a" else "b")

    with django_assert_num_queries(2) as queries:  # the address's bucket and the log
        answer = call("token:self", token=mistyped)

    assert _refusal(answer) == (401, "Unauthorized", "token_malformed")
    assert not any(
        "tokens_token" in query["sql"].replace("tokens_tokenability", "") for query in queries.captured_queries
    )


def test_a_wrong_secret_gets_the_same_answer_as_an_unknown_id(call: Api, token: Token) -> None:
    unknown = new_secret().value
    stem = f"rvn_{token.public_id}_{unknown[17:-6]}"
    wrong = call("token:self", token=stem + checksum(stem))
    none = call("token:self", token=unknown)

    assert _refusal(wrong) == _refusal(none) == (401, "Unauthorized", "token_unknown")
    assert wrong.json()["errors"] == none.json()["errors"]
    assert RequestLogEntry.objects.get(request_id=wrong["X-Request-Id"]).token_id == token.pk
    assert RequestLogEntry.objects.get(request_id=none["X-Request-Id"]).token_id is None


def test_activation_holds_to_the_second(call: Api, token: Token, clock: time_machine.Traveller) -> None:
    Token.objects.filter(pk=token.pk).update(activates_at=NOW)

    clock.move_to(NOW - timedelta(microseconds=1))
    before = call("token:self")
    clock.move_to(NOW)
    at = call("token:self")

    assert _refusal(before) == (401, "Unauthorized", "token_not_active_yet")
    assert at.status_code == 200


def test_expiration_holds_to_the_second(call: Api, token: Token, clock: time_machine.Traveller) -> None:
    Token.objects.filter(pk=token.pk).update(expires_at=NOW)

    clock.move_to(NOW - timedelta(microseconds=1))
    before = call("token:self")
    clock.move_to(NOW)
    at = call("token:self")

    assert before.status_code == 200
    assert before["Raven-Token-Expires"] == at["Raven-Token-Expires"] == "2026-11-21T09:30:00+00:00"
    assert _refusal(at) == (401, "Unauthorized", "token_expired")


def test_a_rotated_revoked_or_disabled_token_does_not_tell_when_it_expires(call: Api, token: Token) -> None:
    Token.objects.filter(pk=token.pk).update(expires_at=NOW + timedelta(days=3))
    assert "Raven-Token-Expires" in call("token:self")

    rotate_token(token=token, overlap=timedelta(hours=24), by=COMMAND_LINE)
    rotated = call("token:self")
    Token.objects.filter(pk=token.pk).update(replaced_by=None, is_on=False)
    off = call("token:self")
    Token.objects.filter(pk=token.pk).update(is_on=True, revoked_at=NOW)
    revoked = call("token:self")

    assert [each.status_code for each in (rotated, off, revoked)] == [200, 401, 401]
    assert not [each for each in (rotated, off, revoked) if "Raven-Token-Expires" in each]


def test_a_token_that_expires_later_than_in_30_days_does_not_say_so(
    call: Api, token: Token, clock: time_machine.Traveller
) -> None:
    Token.objects.filter(pk=token.pk).update(expires_at=NOW + timedelta(days=31))

    assert "Raven-Token-Expires" not in call("token:self")


def test_switching_revoking_and_deleting_act_on_the_very_next_call(call: Api, token: Token) -> None:
    said = [call("token:self").status_code]
    switch_token(token=token, on=False, by=COMMAND_LINE)
    said.append(call("token:self").json()["code"])
    switch_token(token=token, on=True, by=COMMAND_LINE)
    said.append(call("token:self").status_code)
    revoke_token(token=token, by=COMMAND_LINE)
    said.append(call("token:self").json()["code"])
    delete_token(token=token, by=COMMAND_LINE)
    said.append(call("token:self").json()["code"])

    assert said == [200, "token_disabled", 200, "token_revoked", "token_unknown"]


def test_toggling_an_ability_acts_on_the_very_next_call(call: Api, body: dict[str, Any], token: Token) -> None:
    TokenAbility.objects.filter(token=token, key="message_send").delete()
    without = call("message:send", body)
    TokenAbility.objects.create(token=token, key="message_send")
    with_it = call("message:send", body)

    assert (without.status_code, without.json()["code"]) == (403, "ability_missing")
    assert "message_send" in without.json()["notification"]
    assert with_it.status_code == 200


@pytest.mark.parametrize("change", [{"pro_is_on": False}, {"pro_until": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_without_pro_every_call_says_so(call: Api, workspace: Workspace, change: dict[str, Any]) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(**change)

    assert _refusal(call("token:self")) == (401, "Pro is not active!", "pro_inactive")


def test_an_address_outside_the_networks_is_refused_whatever_a_header_says(call: Api, token: Token) -> None:
    Token.objects.filter(pk=token.pk).update(source_networks=["203.0.113.0/24"])

    answer = call("token:self", **{"X-Forwarded-For": "203.0.113.9"})

    assert _refusal(answer)[::2] == (403, "source_refused")
    assert "127.0.0.1" in answer.json()["notification"]


def test_an_address_inside_the_networks_is_let_in(client: Client, secret: str, token: Token) -> None:
    Token.objects.filter(pk=token.pk).update(source_networks=["203.0.113.0/24", "2001:db8::/32"])
    headers = {"Authorization": f"Bearer {secret}"}

    answers = [
        client.get(BASE + "token:self", headers=headers, REMOTE_ADDR=address).status_code
        for address in ("203.0.113.9", "::ffff:203.0.113.9", "2001:db8::1", "203.0.114.1")
    ]

    assert answers == [200, 200, 200, 403]


def test_checks_come_in_their_order(call: Api, body: dict[str, Any], token: Token, workspace: Workspace) -> None:
    """Everything is wrong at first; each repair uncovers the next refusal."""
    Token.objects.filter(pk=token.pk).update(is_on=False)
    Workspace.objects.filter(pk=workspace.pk).update(pro_is_on=False)
    TokenAbility.objects.filter(token=token).delete()
    wrong = {
        "username": "nobody",
        "topic": {"type": "party", "name": "X"},
        "recipient": [],
        "message": 5,
    }
    codes = [call("message:send", wrong).json()["code"]]
    Token.objects.filter(pk=token.pk).update(is_on=True)
    codes.append(call("message:send", wrong).json()["code"])
    Workspace.objects.filter(pk=workspace.pk).update(pro_is_on=True)
    codes.append(call("message:send", wrong).json()["code"])
    TokenAbility.objects.create(token=token, key="message_send")
    repairs = [
        {"message": "x"},
        {"username": body["username"]},
        {"topic": body["topic"]},
        {"recipient": [{"name": "A", "contact": [{"type": "pigeon", "key": "x"}]}]},
        {"recipient": body["recipient"]},
    ]
    for repair in repairs:
        codes.append(call("message:send", wrong).json()["code"])
        wrong |= repair
    codes.append(call("message:send", wrong).json()["code"])
    TokenAbility.objects.create(token=token, key="topic_add")
    assert call("message:send", wrong).status_code == 200

    assert codes == [
        "token_disabled",
        "pro_inactive",
        "ability_missing",
        "body_invalid",
        "user_not_found",
        "topic_type_invalid",
        "recipients_missing",
        "contact_type_invalid",
        "ability_missing",
    ]


def test_token_self_describes_the_token(call: Api, token: Token, clock: time_machine.Traveller) -> None:
    Token.objects.filter(pk=token.pk).update(expires_at=NOW + timedelta(days=10))

    answer = call("token:self")

    assert answer.json()["data"] == {
        "name": "Shop backend",
        "token": token.masked,
        "status": "expiring",
        "workspace": {"name": "Demo", "slug": "demo", "account": token.workspace.account_number},
        "abilities": [ability.key for ability in ABILITIES],
        "activates_at": None,
        "expires_at": "2026-12-01T09:30:00+00:00",
        "topic_anchor": None,
        "user_alias": None,
        "source_networks": [],
        "requests_per_minute": 600,
    }


def test_token_self_needs_no_ability(call: Api, token: Token) -> None:
    TokenAbility.objects.filter(token=token).delete()

    assert call("token:self").status_code == 200


@pytest.mark.parametrize("operation", ["", "nope", "message:sned", "message:send/"])
def test_an_unknown_address_is_a_refusal_in_the_same_form(call: Api, operation: str) -> None:
    answer = call(operation)

    assert _refusal(answer)[::2] == (404, "endpoint_unknown")
    assert RequestLogEntry.objects.get().code == "endpoint_unknown"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD", "BREW"])
def test_another_method_is_405_and_names_the_right_one(client: Client, secret: str, method: str) -> None:
    answer = client.generic(method, BASE + "message:send", headers={"Authorization": f"Bearer {secret}"})

    assert (answer.status_code, answer["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""]
)
def test_another_media_type_is_415(client: Client, secret: str, media_type: str) -> None:
    answer = client.generic(
        "POST", BASE + "message:send", b"{}", content_type=media_type, headers={"Authorization": f"Bearer {secret}"}
    )

    assert _refusal(answer)[::2] == (415, "media_type_unsupported")


def test_a_compressed_body_is_415(call: Api, body: dict[str, Any]) -> None:
    answer = call("message:send", body, **{"Content-Encoding": "gzip"})

    assert _refusal(answer)[::2] == (415, "media_type_unsupported")
    assert Message.objects.count() == 0


def test_a_body_over_256_kib_is_413(call: Api, body: dict[str, Any]) -> None:
    answer = call("message:send", body | {"message": "x" * 256 * 1024})

    assert _refusal(answer)[::2] == (413, "body_too_large")
    assert Message.objects.count() == 0


def test_a_token_in_the_body_is_refused_and_stands_nowhere(call: Api, body: dict[str, Any], secret: str) -> None:
    escaped = secret.replace("_", "\\u005f")
    plain = call("message:send", body | {"message": f"my token is {secret}"})
    hidden = call("message:send", b'{"message": "%s"}' % escaped.encode())
    in_path = call(f"nope?token={secret}")
    in_quoted_path = call(f"nope/{secret}".replace("_", "%5F"))
    in_agent = call("token:self", **{"User-Agent": f"curl {secret}"})
    in_key = call("message:send", body, **{"Idempotency-Key": secret})

    assert [a.status_code for a in (plain, hidden, in_path, in_quoted_path, in_agent, in_key)] == [
        400, 400, 404, 404, 200, 200,
    ]  # fmt: skip
    assert _refusal(plain)[::2] == (400, "token_in_body")
    assert secret[17:] not in _everything_stored()


def _everything_stored() -> str:
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        stored = []
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')
            stored.append(repr(cursor.fetchall()))
    return "\n".join(stored)


def test_refused_calls_are_in_the_log_with_their_code(call: Api, body: dict[str, Any], token: Token) -> None:
    answer = call("message:send", body | {"recipient": []}, **{"User-Agent": "shop/1.0"})

    entry = RequestLogEntry.objects.get()
    assert (entry.request_id, entry.token_id, entry.ability, entry.status, entry.code, entry.address, entry.agent) == (
        answer["X-Request-Id"],
        token.pk,
        "message_send",
        404,
        "recipients_missing",
        "127.0.0.1",
        "shop/1.0",
    )
    assert entry.duration_ms > 0


def test_last_use_is_written_at_most_once_a_minute(call: Api, token: Token, clock: time_machine.Traveller) -> None:
    noted = []
    for seconds in (0, 59, 60):
        clock.move_to(NOW + timedelta(seconds=seconds))
        call("token:self")
        noted.append(Token.objects.get(pk=token.pk).last_used_at)

    assert noted == [NOW, NOW, NOW + timedelta(seconds=60)]


def test_the_rate_limit_counts_down_refuses_and_refills(call: Api, token: Token, clock: time_machine.Traveller) -> None:
    Token.objects.filter(pk=token.pk).update(requests_per_minute=3)

    answers = [call("token:self") for _ in range(4)]
    clock.move_to(NOW + timedelta(seconds=20))
    after = call("token:self")

    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert [a["RateLimit"] for a in answers[:3]] == ['"minute";r=2;t=20', '"minute";r=1;t=40', '"minute";r=0;t=60']
    assert answers[0]["RateLimit-Policy"] == '"minute";q=3;w=60'
    assert answers[3]["Retry-After"] == "20"
    assert answers[3].json()["code"] == "rate_limit_exceeded"
    assert after.status_code == 200


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one log for all tables")
def test_buckets_are_kept_without_a_write_ahead_log() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'tokens_ratebucket'")
        assert cursor.fetchone() == ("u",)


def test_a_key_sent_again_replays_the_answer(call: Api, body: dict[str, Any]) -> None:
    first = call("message:send", body, **{"Idempotency-Key": "order-17"})
    again = call("message:send", body, **{"Idempotency-Key": "order-17"})

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert first["X-Request-Id"] != again["X-Request-Id"]
    assert Message.objects.count() == 1


def test_a_replay_has_the_version_of_the_first_answer(call: Api) -> None:
    made = call("persona:add", {"name": "Peter"}, **{"Idempotency-Key": "peter"})
    call("persona:update", {"persona": made.json()["data"]["id"], "name": "Peter Parker"})

    again = call("persona:add", {"name": "Peter"}, **{"Idempotency-Key": "peter"})

    assert (again["Idempotent-Replayed"], again.content) == ("true", made.content)
    assert (made["ETag"], again["ETag"]) == ('"1"', '"1"')


def test_a_key_with_another_body_is_422(call: Api, body: dict[str, Any]) -> None:
    call("message:send", body, **{"Idempotency-Key": "order-17"})

    answer = call("message:send", body | {"message": "Other"}, **{"Idempotency-Key": "order-17"})

    assert _refusal(answer)[::2] == (422, "idempotency_key_reused")
    assert Message.objects.count() == 1


def test_a_key_of_a_refused_call_is_free_again(call: Api, body: dict[str, Any]) -> None:
    refused = call("message:send", body | {"recipient": []}, **{"Idempotency-Key": "order-17"})
    corrected = call("message:send", body, **{"Idempotency-Key": "order-17"})

    assert (refused.status_code, corrected.status_code) == (404, 200)


def test_a_key_is_kept_24_hours(call: Api, body: dict[str, Any], clock: time_machine.Traveller) -> None:
    call("message:send", body, **{"Idempotency-Key": "order-17"})

    clock.move_to(NOW + timedelta(hours=24, seconds=-1))
    replayed = call("message:send", body, **{"Idempotency-Key": "order-17"})
    clock.move_to(NOW + timedelta(hours=24))
    anew = call("message:send", body, **{"Idempotency-Key": "order-17"})

    assert replayed.json() == {"data": Message.objects.earliest("id").pk, "notification": "Chat Sent Successfully"}
    assert "Idempotent-Replayed" not in anew
    assert Message.objects.count() == 2


def test_a_key_still_in_flight_is_409_and_taken_over_when_its_call_died(
    call: Api, body: dict[str, Any], clock: time_machine.Traveller
) -> None:
    call("message:send", body, **{"Idempotency-Key": "order-17"})
    IdempotencyKey.objects.update(status=None, body="")

    running = call("message:send", body, **{"Idempotency-Key": "order-17"})
    clock.move_to(NOW + timedelta(seconds=61))
    after_death = call("message:send", body, **{"Idempotency-Key": "order-17"})

    assert _refusal(running)[::2] == (409, "idempotency_key_in_flight")
    assert after_death.status_code == 200


def test_a_key_belongs_to_its_token(call: Api, body: dict[str, Any], token: Token) -> None:
    other = issue_token(
        workspace=token.workspace, configuration=Configuration(name="Other", abilities=ABILITY_KEYS), by=COMMAND_LINE
    )
    call("message:send", body, **{"Idempotency-Key": "order-17"})

    answer = call("message:send", body, token=other.secret.value, **{"Idempotency-Key": "order-17"})

    assert "Idempotent-Replayed" not in answer
    assert Message.objects.count() == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x07b"])
def test_a_wrong_key_is_refused(call: Api, body: dict[str, Any], key: str) -> None:
    answer = call("message:send", body, **{"Idempotency-Key": key})

    assert _refusal(answer)[::2] == (400, "idempotency_key_invalid")


def test_an_unforeseen_failure_is_500_in_the_same_form_and_saves_nothing(
    call: Api, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.services.events.record", _failing)

    answer = call("message:send", body, **{"Idempotency-Key": "order-17"})

    assert _refusal(answer)[::2] == (500, "internal_error")
    assert RequestLogEntry.objects.get().status == 500
    assert (Message.objects.count(), IdempotencyKey.objects.count()) == (0, 0)


def _failing(*args: object, **kwargs: object) -> None:
    raise OSError("disk full")


def test_a_session_cookie_is_no_token(client: Client, admin_user: User) -> None:
    client.force_login(admin_user)

    assert client.get(BASE + "token:self").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_the_same_key_many_times_at_once_sends_once(secret: str, body: dict[str, Any]) -> None:
    gate = threading.Barrier(8)

    def send(_number: int) -> tuple[int, str]:
        try:
            gate.wait()
            answer = Client().post(
                BASE + "message:send",
                data=body,
                content_type="application/json",
                headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": "once"},
            )
            return answer.status_code, answer.json().get("code", "")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))

    assert {answer for answer in answers if answer != (200, "")} <= {(409, "idempotency_key_in_flight")}
    assert (200, "") in answers
    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_many_new_people_at_once_are_each_made_once(secret: str, body: dict[str, Any]) -> None:
    gate = threading.Barrier(6)

    def send(_number: int) -> int:
        try:
            gate.wait()
            answer = Client().post(
                BASE + "message:send",
                data=body,
                content_type="application/json",
                headers={"Authorization": f"Bearer {secret}"},
            )
            return answer.status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(send, range(6)))

    assert statuses == [200] * 6
    assert (Persona.objects.count(), Message.objects.count()) == (1, 6)


@pytest.mark.django_db(transaction=True)
def test_the_rate_limit_is_exact_under_concurrency(secret: str, token: Token) -> None:
    Token.objects.filter(pk=token.pk).update(requests_per_minute=5)

    def ask(_number: int) -> int:
        try:
            return Client().get(BASE + "token:self", headers={"Authorization": f"Bearer {secret}"}).status_code
        finally:
            connection.close()

    with time_machine.travel(NOW, tick=False), ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(ask, range(24)))

    assert sorted(statuses) == [200] * 5 + [429] * 19


def test_a_body_of_a_stranger_is_not_read(client: Client) -> None:
    """A stranger who sends a body slowly would otherwise hold a thread."""
    answer = client.post(BASE + "message:send", data={"message": "x"}, content_type="application/json")

    assert answer.status_code == 401
    assert RequestLogEntry.objects.get().request_body == ""


def test_a_body_cut_short_of_a_tokens_checksum_is_refused_too(call: Api, body: dict[str, Any], secret: str) -> None:
    answer = call("message:send", body | {"message": f"it is {secret[:-6]}"})

    assert _refusal(answer)[::2] == (400, "token_in_body")
    assert secret[17:-6] not in _everything_stored()


@pytest.mark.parametrize(
    "content_type", ["application/json; charset*=no-such-charset''utf-8", "text/plain; charset=zlib"]
)
def test_a_content_type_that_makes_no_sense_is_refused_where_a_body_is_wanted_and_else_ignored(
    server: str, token: Token, secret: str, content_type: str
) -> None:
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": content_type}

    wanted = requests.post(f"{server}{BASE}message:send", data=b"{}", headers=headers, timeout=30)
    ignored = requests.get(f"{server}{BASE}persona?q=%ff", headers=headers, timeout=30)

    assert (wanted.status_code, wanted.json()["code"]) == (415, "media_type_unsupported")
    assert ignored.status_code == 200
