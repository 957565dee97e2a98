"""Chative's six errors to the letter, and that this dialect passes the one gateway."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from accounts.models import Workspace
from messaging.models import Topic
from personas.models import Persona
from platforms.chative.server.endpoints import ENDPOINTS
from tests.platforms.chative.conftest import BASE, Api
from tokens.abilities import ABILITY_KEYS
from tokens.gateway import GatewayView
from tokens.models import RequestLogEntry, Token
from tokens.secrets import new_secret
from tokens.services import IssuedToken, derive_token

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def _refusal(answer: Any) -> tuple[int, str, str]:
    said = answer.json()
    assert set(said) == {"code", "message", "request_id", "errors"}
    return answer.status_code, said["message"], said["code"]


def test_every_route_is_the_gateways() -> None:
    patterns: list[Any] = get_resolver("platforms.chative.server.endpoints").url_patterns

    assert all(pattern.callback.view_class is GatewayView for pattern in patterns)
    declared = {
        (method, str(p.pattern)) for p in patterns for method in p.callback.view_initkwargs.get("endpoints", {})
    }
    assert declared == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    assert {endpoint.ability for endpoint in ENDPOINTS} <= ABILITY_KEYS


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "Token abc"])
def test_no_key_is_a_missing_token(client: Client, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}

    answer = client.get(BASE + "contacts", headers=headers)

    assert _refusal(answer) == (401, "Missing token", "token_missing")
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("key", ["nonsense", "rvn_short", new_secret().value, "é" * 66])
def test_a_wrong_key_is_an_invalid_token(call: Api, key: str) -> None:
    assert _refusal(call("GET", "contacts", token=key))[:2] == (401, "Invalid token")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_on": False}, "token_disabled"),
        ({"revoked_at": NOW}, "token_revoked"),
        ({"expires_at": NOW}, "token_expired"),
        ({"activates_at": NOW + timedelta(seconds=1)}, "token_not_active_yet"),
        ({"paused_until": NOW + timedelta(seconds=1)}, "token_paused"),
    ],
)
def test_a_key_that_is_not_active_is_an_invalid_token(
    call: Api, token: Token, now: datetime, change: dict[str, Any], code: str
) -> None:
    Token.objects.filter(pk=token.pk).update(**change)

    assert _refusal(call("GET", "contacts")) == (401, "Invalid token", code)


def test_too_many_calls_are_told_to_wait_a_minute(call: Api, token: Token, now: datetime) -> None:
    Token.objects.filter(pk=token.pk).update(requests_per_minute=1)
    call("GET", "contacts")

    answer = call("GET", "contacts")

    assert _refusal(answer) == (429, "Rate limit exceeded. Retry in 1 minute.", "rate_limited")
    assert answer["Retry-After"] == "60"


def test_what_nobody_foresaw_is_chatives_sentence(call: Api, peter: Persona, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platforms.chative.server.endpoints.get_persona", _failing)

    answer = call("GET", peter)

    assert _refusal(answer) == (500, "Something went wrong on Chative’s end.", "internal_error")
    assert RequestLogEntry.objects.get().status == 500


def _failing(**kwargs: object) -> None:
    raise OSError("disk full")


@pytest.mark.parametrize("path", ["", "nope", "contacts/", "contacts/1/2", "messages", "contacts%0Ax"])
def test_an_address_that_is_none_is_not_found(call: Api, path: str) -> None:
    assert _refusal(call("GET", path)) == (404, "Endpoint not found", "endpoint_unknown")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "contacts", "GET"), ("PUT", "contacts/x", "GET, PATCH, DELETE"), ("OPTIONS", "contacts", "GET")],
)
def test_another_method_is_405(call: Api, method: str, path: str, allowed: str) -> None:
    answer = call(method, path)

    assert _refusal(answer)[::2] == (405, "method_not_allowed")
    assert answer["Allow"] == allowed


def test_without_pro_the_key_is_right_and_the_call_refused(call: Api, workspace: Workspace) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(pro_is_on=False)

    assert _refusal(call("GET", "contacts"))[::2] == (403, "pro_inactive")


def test_an_address_outside_the_networks_is_refused(call: Api, token: Token) -> None:
    Token.objects.filter(pk=token.pk).update(source_networks=["203.0.113.0/24"])

    assert _refusal(call("GET", "contacts"))[::2] == (403, "source_refused")


def test_a_token_bound_to_a_contact_touches_only_that(call: Api, issued: IssuedToken, peter: Persona) -> None:
    mary = Persona.objects.create(workspace=peter.workspace, name="Mary")
    bound = _derived(issued, bound_persona_id=peter.pk)

    own = [call("GET", peter, token=bound), call("PATCH", peter, {"firstName": "P"}, token=bound)]
    others = [
        call("GET", mary, token=bound),
        call("PATCH", mary, {"firstName": "M"}, token=bound),
        call("DELETE", mary, token=bound),
    ]

    assert [answer.status_code for answer in own] == [200, 200]
    assert [_refusal(answer)[::2] for answer in others] == [(403, "token_bound")] * 3
    assert [c["firstName"] for c in call("GET", "contacts", token=bound).json()["list"]] == ["P"]


def test_a_token_bound_to_a_contact_is_not_told_whose_an_address_is(
    call: Api, issued: IssuedToken, peter: Persona
) -> None:
    mary = Persona.objects.create(workspace=peter.workspace, name="Mary")
    call("PATCH", mary, {"email": "mary@example.org"})

    answer = call("PATCH", peter, {"email": "mary@example.org"}, token=_derived(issued, bound_persona_id=peter.pk))

    assert _refusal(answer)[::2] == (403, "token_bound")
    assert "Mary" not in answer.content.decode()


def test_a_token_bound_to_a_topic_touches_no_contact(call: Api, issued: IssuedToken, peter: Persona) -> None:
    topic = Topic.objects.create(workspace=peter.workspace, type="mass", name="News")
    bound = _derived(issued, bound_topic_id=topic.pk)

    answers = [
        call("GET", "contacts", token=bound),
        call("GET", peter, token=bound),
        call("PATCH", peter, {"firstName": "P"}, token=bound),
        call("DELETE", peter, token=bound),
    ]

    assert [_refusal(answer)[::2] for answer in answers] == [(403, "token_bound")] * 4


def _derived(issued: IssuedToken, **bounds: int) -> str:
    derived = derive_token(
        parent=issued.token, abilities=ABILITY_KEYS, lifetime=timedelta(minutes=5), at=timezone.now(), **bounds
    )
    return derived.secret.value
