"""What breaks when a token is revoked, and its rehearsal, in the console."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Membership, User, Workspace
from delivery.models import Destination
from platforms.connections import ConnectionDraft, add_connection
from tokens.models import Callback, RequestLogEntry, Token, TokenEvent
from tokens.services import COMMAND_LINE, derive_token, switch_token

Url = Callable[..., str]
Log = Callable[..., RequestLogEntry]


def connect(workspace: Workspace, name: str, *, credential: str = "", url: str = "", carries: str = "personas") -> None:
    draft = ConnectionDraft(
        platform="raven", name=name, base_url=url or f"{settings.BASE_URL}/raven/xapi/v1", credential=credential or "x",
        carries=frozenset({carries}),
    )  # fmt: skip
    add_connection(workspace=workspace, draft=draft)


@pytest.fixture(autouse=True)
def _own_address_is_allowed(settings: object) -> None:
    settings.ALLOWED_PRIVATE_ADDRESSES = [settings.BASE_URL.partition("//")[2]]  # type: ignore[attr-defined]


def test_revoking_names_callers_and_all_that_depends_on_the_token(
    admin_client: Client, admin_user: User, url: Url, token: Token, secret: str, call: Log, now: datetime,
    workspace: Workspace, other_workspace: Workspace,
) -> None:  # fmt: skip
    call(received_at=now - timedelta(days=2), agent="shop/2.4", address="203.0.113.9")
    derive_token(parent=token, abilities=(), lifetime=timedelta(minutes=30), at=now)
    derive_token(parent=token, abilities=(), lifetime=timedelta(minutes=30), at=now - timedelta(days=1))
    destination = Destination.objects.create(workspace=workspace, name="hook", kind="callback")
    Callback.objects.create(
        workspace=workspace,
        token=token,
        destination=destination,
        event="message.received",
        url="https://shop.example/in",
    )
    connect(other_workspace, "Secret name", credential=secret)
    connect(workspace, "Head office", carries="tokens")
    connect(workspace, "Unconcerned")

    pages = [admin_client.get(url(page, token)).text for page in ("impact", "revoke")]
    Membership.objects.create(workspace=other_workspace, user=admin_user, role="viewer")
    seen = admin_client.get(url("impact", token)).text

    for page in pages:
        for said in (
            "Send message", "203.0.113.9", "shop/2.4", "1 temporary token", "https://shop.example/in",
            "A connection of another workspace", "Head office",
        ):  # fmt: skip
            assert said in page, said
        assert "Secret name" not in page
        assert "Unconcerned" not in page
    assert "Sandbox: Secret name" in seen


def test_rehearsal_begins_from_the_page_counts_and_is_ended_early(
    admin_client: Client, client: Client, url: Url, token: Token, secret: str, now: datetime
) -> None:
    begun = admin_client.post(url("rehearse", token), follow=True).text
    client.get("/raven/xapi/v1/token:self", headers={"Authorization": f"Bearer {secret}", "User-Agent": "shop/2.4"})
    live = admin_client.get(url("rehearsal_now", token)).text
    ended = admin_client.post(url("end_rehearsal", token), follow=True).text

    assert "End it now" in begun
    assert "ends by itself within 5 minutes" in begun
    assert "1 call refused" in live
    assert "shop/2.4" in live
    assert 'data-poll="3000"' in live
    assert 'data-poll="0"' in ended
    assert "Refuse every call for five minutes" in ended
    assert list(TokenEvent.objects.filter(token=token).values_list("kind", flat=True))[:2] == ["resumed", "paused"]
    assert "Rehearsal begun" in admin_client.get(url("history", token)).text


def test_token_that_is_off_is_not_rehearsed(admin_client: Client, url: Url, token: Token) -> None:
    switch_token(token=token, on=False, by=COMMAND_LINE)

    page = admin_client.get(url("impact", token)).text
    refused = admin_client.post(url("rehearse", token), follow=True).text

    assert "nothing to rehearse" in page
    assert "Refuse every call for five minutes" not in page
    assert "Every call of this token is refused already" in refused
    assert "Rehearse it first" not in admin_client.get(url("revoke", token)).text


def test_paused_is_a_status_of_its_own_in_the_list(admin_client: Client, url: Url, token: Token, now: datetime) -> None:
    admin_client.post(url("rehearse", token))

    assert 'pill--warn">Paused' in admin_client.get(url("changelist"), {"status": "paused"}).text
    assert "Shop backend" not in admin_client.get(url("changelist"), {"status": "active"}).text


def test_reader_sees_the_impact_and_cannot_rehearse(viewer_client: Client, url: Url, token: Token) -> None:
    page = viewer_client.get(url("impact", token)).text

    assert "What breaks if it is revoked" in page
    assert "Refuse every call for five minutes" not in page


def test_impact_takes_a_handful_of_queries(
    admin_client: Client, url: Url, token: Token, call: Log, workspace: Workspace,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    for number in range(10):
        call(address=f"203.0.113.{number}", agent=f"shop/{number}")
        connect(workspace, f"Office {number}", carries="tokens")

    with django_assert_max_num_queries(30):
        admin_client.get(url("impact", token))
