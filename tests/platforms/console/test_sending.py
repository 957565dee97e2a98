"""Sending all tokens or everybody to a connection, and one of them, as an admin does it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, Workspace
from delivery.interventions import carry_on, stop
from delivery.models import Delivery, Destination, Intervention
from platforms.connections import add_connection, change_connection
from platforms.models import Connection, Link
from tests.accounts.test_scope import signed_in
from tests.console.conftest import make_persona
from tests.platforms.connecting import add_rina
from tests.platforms.console.test_arrivals import connected
from tests.platforms.test_sending_all import draft, issue, make_many, send_all
from tokens.models import Token

pytestmark = pytest.mark.django_db
SEND = "admin:platforms_connection_send_tokens"
SEND_PEOPLE = "admin:platforms_connection_send_people"
CHANGE = "admin:platforms_connection_change"
OFFER = "1 token may not be known there yet"


@pytest.fixture
def client(admin_user: User) -> Client:
    return signed_in(admin_user)


@pytest.fixture
def connection(workspace: Workspace, token: Token) -> Connection:
    """Younger than one token."""
    return add_connection(workspace=workspace, draft=draft("tokens", requests_per_minute=600))


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def page(client: Client, connection: Connection) -> str:
    return text(client.get(reverse(CHANGE, args=[connection.pk])))


def test_it_is_offered_right_after_connecting_and_when_tokens_are_carried_later(
    client: Client, workspace: Workspace, token: Token
) -> None:
    typed = {
        "name": "Surabaya", "base_url": "https://raven.example.org", "credential": "hush-hush-hush",
        "carries": ["tokens"], "requests_per_minute": "600",
    }  # fmt: skip
    added = client.post(f"{reverse('admin:platforms_connection_add')}?platform=raven", typed, follow=True)
    connection = Connection.objects.get()
    without = client.post(
        reverse(CHANGE, args=[connection.pk]), typed | {"credential": "", "carries": ["personas"]}, follow=True
    )
    later = client.post(reverse(CHANGE, args=[connection.pk]), typed | {"credential": ""}, follow=True)

    assert [OFFER in text(answer) for answer in (added, without, later)] == [True, False, True]
    assert ["Tokens there" in text(answer) for answer in (added, without, later)] == [True, False, True]
    assert reverse(SEND, args=[connection.pk]) in text(added)


def test_nothing_is_offered_where_no_token_is_older(client: Client, workspace: Workspace) -> None:
    connection = add_connection(workspace=workspace, draft=draft("tokens"))
    issue(workspace)

    assert "may not be known there yet" not in page(client, connection)


def test_question_says_how_many_what_travels_and_that_the_pepper_must_be_the_same(
    client: Client, connection: Connection
) -> None:
    asked = text(client.get(reverse(SEND, args=[connection.pk])))

    assert "1 token of this workspace would be sent to Surabaya." in asked
    assert "its public id, its digest" in asked
    assert "Never its secret" in asked
    assert "the same TOKEN_PEPPERS" in asked
    assert not Intervention.objects.exists()


def test_question_counts_no_further_than_ten_thousand_and_says_how_long_it_takes(
    client: Client, connection: Connection, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platforms.sending_all.COUNTED_AT_MOST", 5)
    monkeypatch.setattr("platforms.console.sending.COUNTED_AT_MOST", 5)
    make_many(workspace, 9)
    Destination.objects.update(requests_per_minute=1)

    asked = text(client.get(reverse(SEND, args=[connection.pk])))

    assert "5+ tokens of this workspace would be sent to Surabaya." in asked
    assert "At 1 calls a minute it takes at least 5 minutes." in asked


def test_sending_is_followed_on_its_own_page_on_the_connections_and_in_the_monitor(
    client: Client, connection: Connection
) -> None:
    begun = client.post(reverse(SEND, args=[connection.pk]), follow=True)
    under_way = page(client, connection)
    monitor = text(client.get(reverse("admin:delivery_delivery_changelist")))
    intervention = Intervention.objects.get()
    carry_on.func(intervention.pk)
    done = page(client, connection)

    assert begun.redirect_chain[0][0] == reverse("admin:delivery_intervention_change", args=[intervention.pk])
    assert "Send all tokens" in text(begun)
    assert "Being sent" in under_way
    assert OFFER not in under_way
    assert "Send all tokens</a> · Surabaya: waits for a worker" in monitor
    assert "All were put on their way:" in done
    assert "1 of 1 token" in done
    assert "Send all tokens again" in done
    assert OFFER not in done


def test_second_one_at_a_time_is_refused_in_words(client: Client, connection: Connection) -> None:
    client.post(reverse(SEND, args=[connection.pk]))

    again = client.post(reverse(SEND, args=[connection.pk]), follow=True)

    assert "The same is being done to Surabaya already." in text(again)
    assert Intervention.objects.count() == 1


def test_one_that_was_stopped_says_so_and_the_rest_is_offered_again(client: Client, connection: Connection) -> None:
    client.post(reverse(SEND, args=[connection.pk]))
    stop(intervention=Intervention.objects.get(), at=timezone.now())

    shown = page(client, connection)

    assert "Stopped:" in shown
    assert OFFER in shown


def test_refused_ones_are_counted_and_led_to(client: Client, connection: Connection) -> None:
    send_all(connection)
    Delivery.objects.update(state="refused", settled_at=timezone.now(), code="pepper_not_held", problem="No pepper.")

    shown = page(client, connection)

    listed = f"{reverse('admin:delivery_delivery_changelist')}?connection={connection.destination_id}"
    assert f'href="{listed}&amp;state=refused&amp;kind=token.configured"> One was refused there' in shown.replace(
        '">One', '"> One'
    )


def test_connection_that_is_off_says_that_they_wait(client: Client, connection: Connection) -> None:
    Destination.objects.update(is_on=False)

    assert "they wait until it is switched on" in text(client.get(reverse(SEND, args=[connection.pk])))


def test_workspace_without_tokens_has_nothing_to_send(client: Client, workspace: Workspace) -> None:
    connection = add_connection(workspace=workspace, draft=draft("tokens"))

    asked = client.get(reverse(SEND, args=[connection.pk]))

    assert "There is no token yet" in text(asked)
    assert "Send them" not in text(asked)


def test_connection_that_carries_no_tokens_leads_back(client: Client, connection: Connection) -> None:
    change_connection(connection=connection, draft=draft("personas"))
    url = reverse(SEND, args=[connection.pk])

    answers = [client.get(url, follow=True), client.post(url, follow=True)]

    assert ["Surabaya does not carry that." in text(answer) for answer in answers] == [True, True]
    assert not Intervention.objects.exists()


def test_only_who_may_change_the_connection_may_send(
    connection: Connection, support_user: User, viewer_user: User
) -> None:
    change_connection(connection=connection, draft=draft("tokens", "personas"))
    for user in (support_user, viewer_user):
        client = signed_in(user)
        shown = page(client, connection)
        assert OFFER not in shown
        for name in (SEND, SEND_PEOPLE):
            url = reverse(name, args=[connection.pk])

            assert (client.get(url).status_code, client.post(url).status_code) == (403, 403)
            assert url not in shown
            assert Client().post(url).status_code == 302
    assert not Intervention.objects.exists()


def test_sending_takes_the_token_against_forgery(admin_user: User, connection: Connection) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")
    token = Token.objects.get()

    for url in (
        reverse(SEND, args=[connection.pk]),
        reverse("admin:platforms_token_send", args=[token.pk, connection.pk]),
    ):
        assert client.post(url).status_code == 403
    assert not Delivery.objects.exists()


def test_connection_of_another_workspace_is_not_found(client: Client, other_workspace: Workspace) -> None:
    issue(other_workspace)
    foreign = add_connection(workspace=other_workspace, draft=draft("tokens", "personas"))

    for url in (reverse(SEND, args=[foreign.pk]), reverse(SEND_PEOPLE, args=[foreign.pk])):
        assert (client.get(url).status_code, client.post(url).status_code) == (404, 404)
    assert not Intervention.objects.exists()


def test_page_of_the_connection_asks_as_many_queries_however_many_tokens_there_are(
    client: Client, connection: Connection, workspace: Workspace
) -> None:
    def queries(url: str) -> int:
        client.get(url)
        with CaptureQueriesContext(database) as captured:
            client.get(url)
        return len(captured)

    change_connection(connection=connection, draft=draft("tokens", "personas"))
    urls = [reverse(name, args=[connection.pk]) for name in (CHANGE, SEND, SEND_PEOPLE)]
    few = [queries(url) for url in urls]
    make_many(workspace, 30)
    for number in range(9):
        make_persona(workspace, f"Budi {number}", f"+62813000000{number:02}")

    assert [queries(url) for url in urls] == few


# ------------------------------------------------------------------------------------------------ one token
def card(client: Client, token: Token) -> str:
    return text(client.get(reverse("admin:platforms_token_arrivals", args=[token.pk])))


def test_tokens_page_says_that_it_was_never_sent_and_sends_it(
    client: Client, connection: Connection, token: Token
) -> None:
    url = reverse("admin:platforms_token_send", args=[token.pk, connection.pk])
    before = card(client, token)
    answer = client.post(url, follow=True)

    assert "Never sent" in before
    assert "issued before this connection carried tokens" in before
    assert url in before
    assert "It is on its way to Surabaya." in text(answer)
    assert "Never sent" not in card(client, token)
    assert Delivery.objects.get().token_id == token.pk


def test_token_that_was_sent_long_ago_is_not_called_never_sent(
    client: Client, connection: Connection, token: Token
) -> None:
    send_all(connection)
    Delivery.objects.all().delete()  # as when they are pruned

    shown = card(client, token)

    assert "Nothing sent lately" in shown
    assert "Never sent" not in shown


def test_what_arrived_at_another_address_is_not_called_delivered(
    client: Client, connection: Connection, token: Token
) -> None:
    send_all(connection)
    Delivery.objects.update(state="delivered", settled_at=timezone.now())
    typed = {
        "name": "Surabaya", "base_url": "https://other.example.org", "credential": "hush-hush-hush",
        "carries": ["tokens"], "requests_per_minute": "600",
    }  # fmt: skip
    before = card(client, token)

    saved = client.post(reverse(CHANGE, args=[connection.pk]), typed, follow=True)

    shown = card(client, token)
    assert "Delivered" in before
    assert "who is who there is looked up anew" in text(saved)
    assert "All were put on their way" not in text(saved)
    assert "Delivered" not in shown
    assert "Never sent" in shown
    assert "It was not sent since the address of this connection was changed." in shown


def test_attempt_is_only_called_the_next_one_before_its_time(client: Client, connection: Connection) -> None:
    for hours, is_next in ((1, True), (-1, False)):
        Destination.objects.update(resumes_at=timezone.now() + timedelta(hours=hours))

        assert ("Next attempt" in page(client, connection)) == is_next


def test_what_may_have_been_sent_before_deliveries_were_pruned_is_not_called_never_sent(
    client: Client, connection: Connection, token: Token
) -> None:
    long_ago = timezone.now() - timedelta(days=100)
    Token.objects.update(created_at=long_ago - timedelta(days=1))
    Destination.objects.update(carries_tokens_since=long_ago)

    shown = card(client, token)

    assert "Nothing sent lately" in shown
    assert reverse("admin:platforms_token_send", args=[token.pk, connection.pk]) in shown


def test_what_was_cancelled_can_be_sent_anew(client: Client, connection: Connection, token: Token) -> None:
    send_all(connection)
    Delivery.objects.update(state="cancelled", settled_at=timezone.now())

    assert "Send this token" in card(client, token)


def test_revoked_token_and_one_that_is_there_are_not_offered_to_be_sent(
    client: Client, connection: Connection, workspace: Workspace, token: Token
) -> None:
    there = issue(workspace, "There")
    Token.objects.filter(pk=token.pk).update(revoked_at=timezone.now())

    assert ["Send this token" in card(client, each) for each in (there, token)] == [False, False]


def test_token_is_sent_by_who_may_configure_it_only_to_a_connection_of_its_workspace(
    client: Client, connection: Connection, token: Token, support_user: User, other_workspace: Workspace
) -> None:
    foreign = connected(other_workspace, carries="tokens")
    theirs = issue(other_workspace)
    Delivery.objects.all().delete()

    def send(of: Client, what: Token, to: Connection) -> int:
        return of.post(reverse("admin:platforms_token_send", args=[what.pk, to.pk])).status_code

    support = signed_in(support_user)
    assert send(support, token, connection) == 403
    assert "Send this token" not in card(support, token)
    assert [send(client, token, foreign), send(client, theirs, foreign), send(client, theirs, connection)] == [404] * 3
    assert client.get(reverse("admin:platforms_token_send", args=[token.pk, connection.pk])).status_code == 405
    assert not Delivery.objects.exists()


def test_card_asks_as_many_queries_for_many_connections_that_it_was_never_sent_to(
    client: Client, connection: Connection, workspace: Workspace, token: Token
) -> None:
    def queries() -> int:
        card(client, token)
        with CaptureQueriesContext(database) as captured:
            card(client, token)
        return len(captured)

    few = queries()
    for number in range(4):
        connected(workspace, name=f"Another {number}", carries="tokens")

    assert queries() == few


# ------------------------------------------------------------------------------------------------ people
def test_everybody_is_sent_after_a_question_that_says_what_the_platform_takes(
    client: Client, workspace: Workspace
) -> None:
    rina = add_rina(workspace)
    connection = add_connection(workspace=workspace, draft=draft("personas"))
    url = reverse(SEND_PEOPLE, args=[connection.pk])

    offered = page(client, connection)
    asked = text(client.get(url))
    begun = client.post(url, follow=True)
    carry_on.func(Intervention.objects.get().pk)
    done = page(client, connection)

    assert url in offered
    assert "1 person of this workspace would be sent to Surabaya." in asked
    assert "looked for by their contacts, and added if nobody is found" in asked
    assert "Attributes must be defined there under the same keys." in asked
    assert "Send everybody" in text(begun)
    assert "1 of 1 person" in done
    assert "Send everybody again" in done
    assert Delivery.objects.get().persona_id == rina.pk


def test_platform_that_can_add_nobody_says_that_only_those_who_are_linked_go(
    client: Client, workspace: Workspace
) -> None:
    rina = add_rina(workspace)
    chative = connected(workspace, "chative")
    url = reverse(SEND_PEOPLE, args=[chative.pk])
    nobody = text(client.get(url))
    Link.objects.create(connection=chative, persona_id=rina.pk, remote_id="7")

    linked = text(client.get(url))

    assert "Nobody is linked yet" in nobody
    assert "Send them" not in nobody
    assert "1 person of this workspace would be sent" in linked
    assert "Only those who are linked go" in linked


def test_persons_page_sends_one_who_was_never_sent_and_offers_it_no_more(
    workspace: Workspace, support_user: User, viewer_user: User
) -> None:
    rina = add_rina(workspace)
    shop, chative = connected(workspace), connected(workspace, "chative", name="Chat")
    url, not_added = (reverse("admin:platforms_person_send", args=[rina.pk, each.pk]) for each in (shop, chative))
    support, viewer = signed_in(support_user), signed_in(viewer_user)

    def shown(client: Client) -> str:
        return text(client.get(reverse("admin:platforms_person_arrivals", args=[rina.pk])))

    before = shown(support)
    refused = text(support.post(not_added, follow=True))
    answer = text(support.post(url, follow=True))

    assert [each in before for each in (url, not_added)] == [True, False]
    assert "There is nothing to send: Chat can&#x27;t take this one." in refused
    assert "It is on its way to Shop." in answer
    assert url not in shown(support)
    assert (url in shown(viewer), viewer.post(url).status_code) == (False, 403)
    assert Delivery.objects.get().destination_id == shop.destination_id
