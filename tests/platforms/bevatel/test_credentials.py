"""What every call of the dialect passes, and how it is refused: Chatwoot's statuses and words."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver

from accounts.models import Workspace
from platforms.bevatel.server import developer as developer_api
from platforms.bevatel.server import endpoints as account_api
from tests.platforms.bevatel.conftest import Api
from tokens.endpoints import Endpoint
from tokens.gateway import GatewayView
from tokens.models import RateBucket, RequestLogEntry, Token, TokenAbility
from tokens.services import COMMAND_LINE, revoke_token, switch_token

pytestmark = pytest.mark.django_db

SIGN_IN = {"errors": ["You need to sign in or sign up before continuing."]}
INVALID = {"error": "Invalid Access Token"}
NOT_ALLOWED = {"error": "You are not authorized to do this action"}
NO_ACCESS = {"error": "You are not authorized to access this account"}
NOT_FOUND = {"error": "Resource could not be found"}
ENDPOINTS = [("bevatel/api/v1/", endpoint) for endpoint in account_api.ENDPOINTS] + [
    ("bevatel/developer/api/v1/", endpoint) for endpoint in developer_api.ENDPOINTS
]


@pytest.mark.parametrize("module", [account_api, developer_api])
def test_every_route_is_an_endpoint_of_the_gateway_with_and_without_a_slash(module: Any) -> None:
    patterns = get_resolver(module.__name__).url_patterns

    assert all(isinstance(p, URLPattern) and p.callback.view_class is GatewayView for p in patterns)  # type: ignore[attr-defined]
    declared = {
        (method, str(pattern.pattern))
        for pattern in patterns
        for method in pattern.callback.view_initkwargs.get("endpoints", {})  # type: ignore[union-attr]
    }
    assert declared == {(e.method, e.path + end) for e in module.ENDPOINTS for end in ("", "/")}


@pytest.mark.parametrize(("base", "endpoint"), ENDPOINTS, ids=lambda value: getattr(value, "summary", value))
def test_every_endpoint_refuses_a_token_without_its_ability(
    client: Client, secret: str, token: Token, account: int, base: str, endpoint: Endpoint
) -> None:
    TokenAbility.objects.filter(token=token, key__in=[endpoint.ability, *endpoint.one_of]).delete()

    answer = client.generic(
        endpoint.method,
        "/" + base + re.sub(r"<\w+:\w+>", "1", endpoint.path.replace("<int:account_id>", str(account))),
        b"{}",
        content_type="application/json",
        headers={"api_access_token": secret, "api_account_id": str(account)},
    )

    if endpoint.ability is None and not endpoint.one_of:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()) == (401, NOT_ALLOWED)
        assert answer["Raven-Error-Code"] == "ability_missing"
        assert answer["Raven-Ability"] == (endpoint.ability or endpoint.one_of[0])
    assert RequestLogEntry.objects.get().request_id == answer["X-Request-Id"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, SIGN_IN),
        ({"api_access_token": ""}, SIGN_IN),
        ({"Authorization": "Bearer {secret}"}, SIGN_IN),
        ({"api_access_token": "1L242MucDr7mnyLvPA3SgywJ"}, INVALID),
        ({"api_access_token": "{secret}x"}, INVALID),
        ({"api_access_token": "Bearer {secret}"}, INVALID),
    ],
)
def test_a_credential_that_is_no_token_is_refused(
    api: Api, secret: str, headers: dict[str, str], body: dict[str, Any]
) -> None:
    answer = api("GET", "contacts", headers={name: value.format(secret=secret) for name, value in headers.items()})

    assert (answer.status_code, answer.json()) == (401, body)


def test_the_header_may_be_written_with_hyphens(api: Api, secret: str) -> None:
    assert api("GET", "contacts", headers={"api-access-token": secret}).status_code == 200


@pytest.mark.parametrize("end", ["switched off", "revoked"])
def test_a_token_that_does_not_work_is_an_invalid_one(api: Api, token: Token, end: str) -> None:
    if end == "revoked":
        revoke_token(token=token, by=COMMAND_LINE)
    else:
        switch_token(token=token, on=False, by=COMMAND_LINE)

    answer = api("GET", "contacts")

    assert (answer.status_code, answer.json()) == (401, INVALID)


def test_without_pro_the_account_is_suspended(api: Api, workspace: Workspace) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(pro_is_on=False)

    answer = api("GET", "contacts")

    assert (answer.status_code, answer.json()) == (401, {"error": "Account is suspended"})


def test_the_account_of_another_workspace_is_refused_as_one_that_does_not_exist(
    client: Client, secret: str, other_workspace: Workspace, account: int
) -> None:
    numbers = [other_workspace.account_number, 999_999_999, 10**30]

    answers = [
        client.get(f"/bevatel/api/v1/accounts/{number}/contacts", headers={"api_access_token": secret})
        for number in numbers
    ]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(401, NO_ACCESS)] * len(numbers)
    assert account not in numbers


@pytest.mark.parametrize("given", [None, "", "abc", "999999999", "1e3"])
def test_the_developer_api_needs_the_account_too(developer: Api, secret: str, given: str | None) -> None:
    headers = {"api_access_token": secret} | ({} if given is None else {"api_account_id": given})

    answer = developer("POST", "contacts", {"name": "Rina"}, headers=headers)

    assert (answer.status_code, answer.json()) == (401, NO_ACCESS)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("GET", "contacts/abc", 404),
        ("GET", "contacts/1/labels", 404),
        ("GET", "contacts/99999999999999999999999", 404),
        ("PUT", "contacts/99999999999999999999999", 404),
        ("GET", "conversations/99999999999999999999999/messages", 404),
        ("DELETE", "contacts", 405),
        ("PATCH", "conversations/1", 405),
    ],
)
def test_what_is_not_there_is_said_so(api: Api, method: str, path: str, status: int) -> None:
    answer = api(method, path, {} if method == "PUT" else None)

    assert answer.status_code == status
    if status == 404:
        assert answer.json() == NOT_FOUND


def test_what_belongs_to_another_workspace_is_not_found(
    api: Api, account: int, other_workspace: Workspace, sender: Any
) -> None:
    persona = other_workspace.personas.create(name="Theirs")
    topic = other_workspace.topics.create(name="Theirs", type="persona", persona=persona)
    calls = [
        ("GET", f"contacts/{persona.pk}", None),
        ("PUT", f"contacts/{persona.pk}", {"name": "Mine"}),
        ("GET", f"contacts/{persona.pk}/conversations", None),
        ("POST", f"contacts/{persona.pk}/contact_inboxes", {"inbox_id": account}),
        ("POST", "conversations", {"contact_id": persona.pk}),
        ("GET", f"conversations/{topic.pk}", None),
        ("GET", f"conversations/{topic.pk}/messages", None),
        ("POST", f"conversations/{topic.pk}/messages", {"content": "Hello"}),
        ("POST", f"conversations/{topic.pk}/messages", {"content": "Hello", "message_type": "incoming"}),
        ("POST", f"conversations/{topic.pk}/toggle_status", {"status": "resolved"}),
    ]

    answers = [api(*call) for call in calls]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(404, NOT_FOUND)] * len(calls)
    assert api("GET", "contacts").json()["payload"] == []
    assert api("GET", "contacts/search?q=Theirs").json()["payload"] == []
    assert api("GET", "conversations?status=all").json()["data"]["payload"] == []


def test_five_contacts_a_second_are_let_through(developer: Api, token: Token, now: Any) -> None:
    said = [developer("POST", "contacts", {"name": f"Rina {number}"}).status_code for number in range(5)]
    refused = developer("PATCH", "contacts/1", {"name": "Rina"})

    assert said == [201] * 5
    assert (refused.status_code, refused.json()) == (429, {"error": "Retry later"})
    assert (refused["Retry-After"], refused["RateLimit-Policy"]) == ("1", '"second";q=5;w=1')
    assert RateBucket.objects.filter(key=f"bevatel-contacts:{token.pk}").exists()


def test_a_call_without_its_account_takes_nothing_from_the_rate(developer: Api, secret: str, now: Any) -> None:
    headers = {"api_access_token": secret}
    refused = [developer("POST", "contacts", {"name": "Rina"}, headers=headers).status_code for _number in range(6)]

    assert developer("POST", "contacts", {"name": "Rina"}).status_code == 201
    assert refused == [401] * 6


def test_ten_messages_a_second_are_let_through_beside_the_contacts(
    developer: Api, account: int, sender: Any, template: Any, now: Any
) -> None:
    body = {
        "inbox_id": account,
        "contact": {"phone_number": "+966555555555"},
        "message": {"template": {"name": "order_ready", "language": "en", "parameters": {"body": ["Rina", "7"]}}},
    }

    said = [developer("POST", "messages", body).status_code for _number in range(11)]

    assert said == [201] * 10 + [429]
    assert developer("POST", "contacts", {"name": "Rina"}).status_code == 201


def test_the_account_api_has_the_tokens_own_rate_only(api: Api, now: Any) -> None:
    said = {api("POST", "contacts", {"name": f"Rina {number}"}).status_code for number in range(12)}

    assert said == {200}


def test_the_same_key_creates_one_contact(api: Api, secret: str) -> None:
    headers = {"api_access_token": secret, "Idempotency-Key": "order-17"}
    body = {"name": "Rina", "email": "rina@example.org"}

    first, second = (api("POST", "contacts", body, headers=headers) for _time in range(2))

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert second["Idempotent-Replayed"] == "true"
