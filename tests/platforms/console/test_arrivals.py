"""Where a change has arrived, on the page of the person and on that of a token."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User, Workspace
from delivery.carriers import Occurrence
from delivery.models import Delivery, Destination
from delivery.outbox import TOKENS, announce
from personas.models import Persona
from personas.services import PersonaDraft, update_persona
from platforms.connections import ConnectionDraft, add_connection, switch_connection
from platforms.models import Connection, Link
from tests.accounts.test_scope import signed_in
from tests.platforms.connecting import BY_TEST, add_rina
from tokens.models import Token

pytestmark = pytest.mark.django_db
PAGE = "admin:personas_persona_change"
NOW = "admin:platforms_person_arrivals"
DEED = "admin:platforms_person_deed"


def connected(
    workspace: Workspace, platform: str = "raven", *, name: str = "Shop", carries: str = "personas"
) -> Connection:
    draft = ConnectionDraft(
        platform, name, f"https://{platform}.example.org", "hush-hush-hush", carries=frozenset({carries}),
        settings={"account_id": "7", "inbox_id": "3"} if platform == "bevatel" else {},
    )  # fmt: skip
    return add_connection(workspace=workspace, draft=draft)


@pytest.fixture
def shop(workspace: Workspace) -> Connection:
    return connected(workspace)


@pytest.fixture
def rina(shop: Connection, workspace: Workspace) -> Persona:
    return add_rina(workspace)


@pytest.fixture
def client(support_user: User) -> Client:
    return signed_in(support_user)


def put(rina: Persona, state: str, **values: Any) -> Delivery:
    """The delivery of Rina's adding, in that state."""
    delivery = Delivery.objects.get(persona_id=rina.pk)
    settled = None if state == "waiting" else datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    leased = datetime(2026, 11, 21, 9, 30, tzinfo=UTC) if state == "sending" else None
    Delivery.objects.filter(pk=delivery.pk).update(state=state, settled_at=settled, leased_until=leased, **values)
    delivery.refresh_from_db()
    return delivery


def shown(client: Client, rina: Persona) -> str:
    return " ".join(client.get(reverse(NOW, args=[rina.pk])).content.decode().split())


def test_page_of_a_person_shows_where_it_arrived(client: Client, rina: Persona, shop: Connection) -> None:
    put(rina, "delivered", remote_id="42")

    page = client.get(reverse(PAGE, args=[rina.pk])).content.decode()

    assert f'data-arrivals="{reverse(NOW, args=[rina.pk])}"' in page
    assert "Delivered" in page
    assert '<span class="mono">42</span>' in page


def test_waiting_says_why_and_when_next_and_is_asked_for_again(client: Client, rina: Persona, now: datetime) -> None:
    put(
        rina,
        "waiting",
        due_at=now + timedelta(minutes=3),
        code="http_503",
        problem="It has a problem of its own (503).",
    )

    answer = shown(client, rina)

    assert "next attempt:" in answer
    assert "2026-11-21 09:33:00 UTC" in answer
    assert "It has a problem of its own (503)." in answer
    assert 'data-poll="5000"' in answer


def test_waiting_behind_another_says_so_and_promises_no_moment(
    client: Client, rina: Persona, workspace: Workspace, now: datetime
) -> None:
    put(rina, "waiting", due_at=now + timedelta(minutes=3))
    update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(name="Rina H."), cause=BY_TEST)

    answer = shown(client, rina)

    assert "leaves with the one before it, or after it" in answer
    assert "leaves in a moment" not in answer


def test_many_that_wait_behind_one_are_counted_and_hide_nothing_of_other_connections(
    client: Client, rina: Persona, shop: Connection, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platforms.arrivals.LATEST", 10)
    other = connected(workspace, name="Other")
    for number in range(12):
        draft = PersonaDraft(name=f"Rina {number}")
        update_persona(workspace=workspace, persona_id=rina.pk, draft=draft, cause=BY_TEST)
        Delivery.objects.filter(destination=other.destination_id).update(state="delivered", settled_at=BY_TEST.at)
        if number == 1:
            Destination.objects.filter(pk=other.destination_id).update(carries_personas=False)
    Destination.objects.filter(pk=other.destination_id).update(carries_personas=True)

    answer = shown(client, rina)

    assert "9 later changes leave with it, or after it." in answer
    assert answer.count("leaves with the one before it") == 0
    assert 'data-spoken="Shop: Waiting. Other: Delivered."' in answer


def test_what_leaves_now_is_asked_for_soon_and_what_arrived_never_again(
    client: Client, rina: Persona, now: datetime
) -> None:
    put(rina, "waiting", due_at=now)
    leaving = shown(client, rina)
    put(rina, "delivered")

    arrived = shown(client, rina)

    assert 'data-poll="700"' in leaving
    assert 'data-poll=""' in arrived
    assert 'data-spoken="Shop: Delivered."' in arrived


def test_waiting_for_a_connection_that_pauses_promises_no_moment(
    client: Client, rina: Persona, shop: Connection, now: datetime
) -> None:
    Destination.objects.filter(pk=shop.destination_id).update(resumes_at=now + timedelta(minutes=1))
    put(rina, "waiting", due_at=now - timedelta(seconds=1))

    answer = shown(client, rina)

    assert "The connection pauses" in answer
    assert "leaves in a moment" not in answer


def test_waiting_for_a_connection_that_is_off_says_so(client: Client, rina: Persona, shop: Connection) -> None:
    switch_connection(connection=shop, on=False)

    assert "The connection is off" in shown(client, rina)


def test_due_for_long_asks_whether_the_worker_runs(client: Client, rina: Persona, now: datetime) -> None:
    put(rina, "waiting", due_at=now - timedelta(minutes=1))

    assert "is the worker running" in shown(client, rina)


def test_refused_says_why_and_leads_to_each_field_and_to_another_attempt(client: Client, rina: Persona) -> None:
    delivery = put(
        rina, "refused", code="http_422", problem="It did not accept a value.", fields=["name", "contact:email"]
    )

    answer = shown(client, rina)

    email = rina.contacts.get(type="email")
    assert "It did not accept a value." in answer
    assert 'href="#id_name"' in answer
    assert f'href="#id_contact-{email.pk}-key"' in answer
    assert reverse(DEED, args=[rina.pk, delivery.pk, "retry"]) in answer
    page = client.get(reverse(PAGE, args=[rina.pk])).content.decode()
    assert 'id="id_name"' in page
    assert f'id="id_contact-{email.pk}-key"' in page


def test_refused_for_the_credential_leads_to_the_connection(client: Client, rina: Persona, shop: Connection) -> None:
    put(rina, "refused", code="http_401", problem="It does not accept the credential.")

    answer = shown(client, rina)

    assert (
        f'<a href="{reverse("admin:platforms_connection_change", args=[shop.pk])}">Look at the connection</a>' in answer
    )
    assert "data-edit" not in answer


def test_unknown_can_be_checked_or_sent_again(client: Client, rina: Persona) -> None:
    delivery = put(rina, "unknown", problem="Whether it arrived can't be known.")

    answer = shown(client, rina)

    assert reverse(DEED, args=[rina.pk, delivery.pk, "check"]) in answer
    assert reverse(DEED, args=[rina.pk, delivery.pk, "retry"]) in answer
    assert "may or may not have arrived" in answer


def test_superseded_is_folded_away(client: Client, rina: Persona) -> None:
    put(rina, "superseded")

    answer = shown(client, rina)

    assert "<details>" in answer
    assert "Superseded" in answer.partition("<details>")[2]


def test_refused_is_sent_again_by_a_button(client: Client, rina: Persona, support_user: User) -> None:
    delivery = put(rina, "refused", code="http_422", problem="No.")

    answer = client.post(reverse(DEED, args=[rina.pk, delivery.pk, "retry"]), follow=True)

    retried: Any = Delivery.objects.select_related("intervention").get(pk=delivery.pk)
    assert (retried.state, retried.intervention.actor_label) == ("waiting", support_user.display_name)
    assert "It is sent to Shop again." in answer.content.decode()
    assert answer.redirect_chain[0][0].endswith("#arrivals")


def test_what_has_arrived_meanwhile_is_not_sent_again(client: Client, rina: Persona) -> None:
    delivery = put(rina, "delivered")

    answer = client.post(reverse(DEED, args=[rina.pk, delivery.pk, "retry"]), follow=True)

    delivery.refresh_from_db()
    assert delivery.state == "delivered"
    assert "can&#x27;t be done any more" in answer.content.decode()


def test_viewer_sees_where_it_arrived_and_has_no_buttons(viewer_user: User, rina: Persona) -> None:
    delivery = put(rina, "refused", problem="No.")
    client = signed_in(viewer_user)

    answer = shown(client, rina)

    assert "No." in answer
    assert "<form" not in answer
    assert "data-edit" not in answer
    assert client.post(reverse(DEED, args=[rina.pk, delivery.pk, "retry"])).status_code == 403


def test_nothing_of_another_workspace_is_found(client: Client, rina: Persona, other_workspace: Workspace) -> None:
    connected(other_workspace, name="Foreign")
    foreign = add_rina(other_workspace)
    theirs = Delivery.objects.get(persona_id=foreign.pk)

    answers = [
        client.get(reverse(NOW, args=[foreign.pk])),
        client.post(reverse(DEED, args=[foreign.pk, theirs.pk, "retry"])),
        client.post(reverse(DEED, args=[rina.pk, theirs.pk, "retry"])),
        client.post(reverse(DEED, args=[rina.pk, put(rina, "refused").pk, "destroy"])),
        client.get(reverse(NOW, args=[10**18])),
        client.get(reverse("admin:platforms_token_arrivals", args=[10**18])),
    ]

    assert [answer.status_code for answer in answers] == [404] * 6
    assert "Foreign" not in shown(client, rina)


def test_nobody_sees_it_without_signing_in_and_nothing_changes_by_get(rina: Persona, client: Client) -> None:
    deed = reverse(DEED, args=[rina.pk, put(rina, "refused").pk, "retry"])

    assert Client().get(reverse(NOW, args=[rina.pk])).status_code == 302
    assert Client().post(deed).status_code == 302
    assert client.get(deed).status_code == 405


def test_person_of_a_workspace_without_connections_shows_a_hint_to_admins_only(
    workspace: Workspace, admin_user: User, support_user: User
) -> None:
    rina = add_rina(workspace)

    pages = [signed_in(user).get(reverse(PAGE, args=[rina.pk])).content.decode() for user in (admin_user, support_user)]

    assert ["No platform hears of changes yet." in page for page in pages] == [True, False]
    assert "data-arrivals" not in "".join(pages)


def test_person_whom_a_platform_cannot_add_is_told_so(client: Client, workspace: Workspace) -> None:
    connected(workspace, "chative")
    rina = add_rina(workspace)

    assert "its API can&#x27;t add people" in shown(client, rina)


def test_card_asks_the_same_questions_however_much_was_sent(
    client: Client, rina: Persona, workspace: Workspace
) -> None:
    def queries() -> int:
        client.get(reverse(NOW, args=[rina.pk]))
        with CaptureQueriesContext(
            database,
        ) as captured:
            client.get(reverse(NOW, args=[rina.pk]))
        return len(captured)

    few = queries()
    for number in range(3):
        connected(workspace, name=f"Another {number}")
    for number in range(5):
        draft = PersonaDraft(notes=f"Note {number}")
        update_persona(workspace=workspace, persona_id=rina.pk, draft=draft, cause=BY_TEST)
    Link.objects.create(connection=Connection.objects.all()[0], persona_id=rina.pk, remote_id="1")

    assert queries() == few
    assert Delivery.objects.filter(persona_id=rina.pk).count() == 21


# ------------------------------------------------------------------------------------------------ tokens
@pytest.fixture
def pushed(workspace: Workspace, token: Token) -> Delivery:
    connected(workspace, name="Second gateway", carries="tokens")
    configured = Occurrence(
        workspace_id=workspace.pk, kind="token.configured", subject_id=token.pk, at=datetime.now(UTC)
    )
    found: Delivery = announce([configured], to=TOKENS)[-1]
    return found


def test_token_pages_show_where_the_configuration_arrived(pushed: Delivery, token: Token, admin_user: User) -> None:
    Delivery.objects.filter(pk=pushed.pk).update(
        state="refused", settled_at=datetime.now(UTC), problem="There is no token there."
    )
    client = signed_in(admin_user)

    for name in ("change", "permissions"):
        page = client.get(reverse(f"admin:tokens_token_{name}", args=[token.pk])).content.decode()
        assert "Second gateway" in page
        assert "There is no token there." in page
        assert "The whole configuration" in page
    client.post(reverse("admin:platforms_token_deed", args=[token.pk, pushed.pk, "retry"]))
    pushed.refresh_from_db()
    assert pushed.state == "waiting"


def test_support_reads_where_a_token_arrived_and_cannot_send_it_again(
    pushed: Delivery, token: Token, support_user: User
) -> None:
    client = signed_in(support_user)

    assert client.get(reverse("admin:platforms_token_arrivals", args=[token.pk])).status_code == 200
    answer = client.post(reverse("admin:platforms_token_deed", args=[token.pk, pushed.pk, "retry"]))
    assert answer.status_code == 403


def test_token_that_leaves_nowhere_shows_nothing(token: Token, shop: Connection, admin_user: User) -> None:
    page = signed_in(admin_user).get(reverse("admin:tokens_token_change", args=[token.pk])).content.decode()

    assert "arrive" not in page
    assert Destination.objects.count() == 1
