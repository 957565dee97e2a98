"""Programs take the short way in, and lose no protection by it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from platforms.middleware import GatewayMiddleware
from tokens.gateway import GatewayView
from tokens.models import RequestLogEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(client: Client, secret: str) -> Callable[..., Any]:
    """Asks token:self with the token."""

    def asking(*, secure: bool = False, **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {secret}"} | headers
        return client.get("/raven/xapi/v1/token:self", headers=headers, secure=secure)

    return asking


def _addresses(resolver: URLResolver, before: str = "/") -> Iterator[tuple[str, Any]]:
    for pattern in resolver.url_patterns:
        address = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield address, getattr(pattern.callback, "view_class", None)
        else:
            yield from _addresses(pattern, address)


def test_every_address_of_the_gateway_and_no_other_takes_the_short_way() -> None:
    prefixes = GatewayMiddleware(lambda request: request)._prefixes  # type: ignore[arg-type, return-value]

    short = {address for address, _view in _addresses(get_resolver()) if address.startswith(prefixes)}
    assert short
    assert short == {address for address, view in _addresses(get_resolver()) if view is GatewayView}


def test_the_short_way_leads_to_the_same_views() -> None:
    views = GatewayMiddleware(lambda request: request)._views  # type: ignore[arg-type, return-value]

    assert "/raven/xapi/v1/message:send" in views
    assert views == {address: get_resolver().resolve(address).func for address in views}


def test_a_call_gets_the_headers_that_make_sense_on_data_and_no_cookie(ask: Callable[..., Any]) -> None:
    answer = ask()

    assert answer.status_code == 200
    assert not answer.cookies
    assert (answer["X-Content-Type-Options"], answer["Cache-Control"]) == ("nosniff", "no-store")
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "Strict-Transport-Security" not in answer


def test_a_page_still_gets_what_the_rest_of_the_stack_does(client: Client) -> None:
    page = client.get(reverse("admin:login"))

    assert page.status_code == 200
    assert "csrf" in page.cookies
    assert (page["X-Frame-Options"], page["X-Content-Type-Options"]) == ("DENY", "nosniff")


def test_a_foreign_host_is_refused_in_the_dialects_form_and_logged(ask: Callable[..., Any]) -> None:
    answer = ask(Host="evil.example")

    assert (answer.status_code, answer.json()["code"]) == (400, "host_unknown")
    assert RequestLogEntry.objects.get().code == "host_unknown"


def test_plain_http_is_refused_where_the_server_has_https(ask: Callable[..., Any], settings: Any) -> None:
    settings.HTTPS, settings.SECURE_HSTS_SECONDS = True, 60

    plain = ask()
    secure = ask(secure=True)

    assert (plain.status_code, plain.json()["code"]) == (403, "https_required")
    assert "Location" not in plain
    assert secure.status_code == 200
    assert secure["Strict-Transport-Security"] == "max-age=60; includeSubDomains"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/raven/xapi/v1/token:self", 401),
        ("POST", "/raven/xapi/v1/message:send", 401),
        ("GET", "/raven/xapi/v1/no-such-thing", 401),
        ("HEAD", "/raven/xapi/v1/token:self", 401),
        ("GET", "/chative/v1.0/contacts", 401),
        ("GET", "", 200),
    ],
)
def test_an_answer_that_is_whole_says_how_long_it_is(server: str, method: str, path: str, status: int) -> None:
    """Whose connection breaks off then knows that something is missing. No path: a page is asked for."""
    answer = requests.request(method, server + (path or reverse("admin:login")), timeout=30)

    assert answer.status_code == status
    assert "Transfer-Encoding" not in answer.headers
    assert int(answer.headers["Content-Length"]) > 0
    assert len(answer.content) == (0 if method == "HEAD" else int(answer.headers["Content-Length"]))
