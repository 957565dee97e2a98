"""All tokens of a workspace, or all its people, brought to a connection that is younger than they are."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Workspace
from delivery import books
from delivery.interventions import BATCH, AlreadyUnderWay, carry_on, continue_with, stop
from delivery.models import Delivery, Destination, Intervention
from delivery.sender import Sender
from delivery.tasks import continue_interventions
from personas.models import Persona
from personas.privacy import erase
from personas.services import PersonaDraft, get_persona, update_persona
from platforms.connections import ConnectionDraft, add_connection, change_connection, remove_connection
from platforms.models import Connection, Link
from platforms.sending_all import (
    Action,
    NeverSent,
    NotCarried,
    NothingToSend,
    count_to_send,
    never_sent,
    send_one,
)
from platforms.sending_all import send_all as begin_sending
from tests.console.conftest import make_persona
from tests.platforms.connecting import BY_TEST, Remote, add_rina, connect
from tokens.configuration import Configuration
from tokens.models import Token
from tokens.services import (
    COMMAND_LINE,
    configure_token,
    delete_token,
    derive_token,
    issue_token,
    revoke_token,
    switch_token,
)

pytestmark = pytest.mark.django_db
ALL_TOKENS, EVERYBODY = Action.ALL_TOKENS, Action.EVERYBODY


def draft(*carries: str, **changes: Any) -> ConnectionDraft:
    values: dict[str, Any] = {"base_url": "https://raven.example.org", "credential": "hush-hush-hush"}
    return ConnectionDraft("raven", "Surabaya", carries=frozenset(carries), **(values | changes))


def issue(workspace: Workspace, name: str = "Shop", **changes: Any) -> Token:
    return issue_token(workspace=workspace, configuration=Configuration(name=name, **changes), by=COMMAND_LINE).token


def make_many(workspace: Workspace, count: int) -> None:
    """Tokens that were there before anything was connected."""
    rows = [
        Token(workspace=workspace, name=f"Shop {n}", kind="rvn", public_id=f"many{n:08}", last_four="abcd",
              digest="0" * 64, pepper_number=1)
        for n in range(count)
    ]  # fmt: skip
    Token.objects.bulk_create(rows)


def send_all(connection: Connection, action: Intervention.Action = ALL_TOKENS) -> Intervention:
    """All of it has been put into the outbox."""
    begun = begin_sending(connection=connection, action=action, by="Ayu", at=timezone.now())
    carry_on.func(begun.pk)
    begun.refresh_from_db()
    return begun


def send_token(connection: Connection, token: Token) -> Delivery:
    return send_one(connection=connection, action=ALL_TOKENS, subject_id=token.pk, by="Ayu", at=timezone.now())


def sent() -> list[tuple[str, str]]:
    """What waits in the outbox: of which token, and what kind."""
    names = dict(Token.objects.values_list("pk", "name"))
    waiting = Delivery.objects.filter(state="waiting").order_by("id")
    return [(names[token_id or 0], kind) for token_id, kind in waiting.values_list("token_id", "kind")]


@pytest.fixture
def connection(workspace: Workspace) -> Connection:
    """Younger than one token."""
    issue(workspace)
    return add_connection(workspace=workspace, draft=draft("tokens"))


def test_older_token_is_put_into_the_outbox_as_a_change_of_it_would_be(connection: Connection) -> None:
    assert sent() == []

    begun = send_all(connection)

    delivery = Delivery.objects.get()
    token = Token.objects.get()
    assert (delivery.kind, delivery.lane, delivery.merge) == ("token.configured", f"token:{token.pk}", "combine")
    assert (delivery.token_id, delivery.actor_label, delivery.intervention) == (token.pk, "Ayu", begun)
    assert delivery.payload["name"] == "Shop"
    assert token.digest not in str(delivery.payload)
    assert (begun.total, begun.processed, begun.finished_at is not None) == (1, 1, True)
    assert books.audit(connection.destination_id) == {}


def test_each_token_goes_as_it_is_and_temporary_ones_stay(
    connection: Connection, workspace: Workspace, now: datetime
) -> None:
    Token.objects.all().delete()
    Destination.objects.update(carries_tokens=False)
    issue(workspace, "ended", expires_at=now - timedelta(days=1))
    issue(workspace, "later", activates_at=now + timedelta(days=1))
    switch_token(token=issue(workspace, "off"), on=False, by=COMMAND_LINE)
    revoke_token(token=issue(workspace, "revoked"), by=COMMAND_LINE)
    derive_token(parent=Token.objects.get(name="off"), abilities=[], lifetime=timedelta(minutes=5), at=now)
    Destination.objects.update(carries_tokens=True)

    count = count_to_send(connection, ALL_TOKENS)
    connection.destination.refresh_from_db()
    begun = send_all(connection)

    assert sent() == [
        ("ended", "token.configured"), ("later", "token.configured"), ("off", "token.configured"),
        ("revoked", "token.revoked"),
    ]  # fmt: skip
    assert Delivery.objects.get(token_id=Token.objects.get(name="off").pk).payload["is_on"] is False
    assert (count, begun.total) == (4, 4)


def test_tokens_of_another_workspace_are_not_sent(connection: Connection, other_workspace: Workspace) -> None:
    issue(other_workspace, "Foreign")

    send_all(connection)

    assert sent() == [("Shop", "token.configured")]


def test_batch_is_one_transaction_and_a_worker_that_takes_over_doubles_nothing(
    connection: Connection, workspace: Workspace, now: datetime
) -> None:
    make_many(workspace, BATCH + 2)
    begun = begin_sending(connection=connection, action=ALL_TOKENS, by="Ayu", at=now)

    is_more = continue_with(begun.pk, at=now)
    begun.refresh_from_db()
    after_one = (begun.total, begun.processed, Delivery.objects.count())
    continue_interventions.func()  # as when the first worker was killed here

    assert (is_more, after_one) == (True, (BATCH + 3, BATCH, BATCH))
    assert set(Counter(Delivery.objects.values_list("token_id", flat=True)).values()) == {1}
    assert Delivery.objects.count() == BATCH + 3
    assert books.audit(connection.destination_id) == {}


def test_batch_asks_as_many_queries_for_many_tokens_as_for_one(connection: Connection, workspace: Workspace) -> None:
    with CaptureQueriesContext(database) as for_one:
        send_all(connection)
    make_many(workspace, 8)

    with CaptureQueriesContext(database) as for_many:
        send_all(connection)

    assert len(for_many) <= len(for_one)


def test_no_more_waits_than_leaves_in_two_minutes_and_it_goes_on_when_that_has_left(
    connection: Connection, workspace: Workspace, now: datetime
) -> None:
    Destination.objects.update(requests_per_minute=BATCH // 2)
    make_many(workspace, BATCH + 2)
    begun = begin_sending(connection=connection, action=ALL_TOKENS, by="Ayu", at=now)

    carry_on.func(begun.pk)
    ahead = Delivery.objects.count()
    Delivery.objects.update(state="delivered", settled_at=now)
    continue_interventions.func()

    begun.refresh_from_db()
    assert ahead == BATCH
    assert (Delivery.objects.count(), begun.finished_at is None) == (BATCH + 3, False)


def test_slow_connection_is_given_less_at_a_time(connection: Connection, workspace: Workspace, now: datetime) -> None:
    Destination.objects.update(requests_per_minute=2)
    make_many(workspace, 6)
    begun = begin_sending(connection=connection, action=ALL_TOKENS, by="Ayu", at=now)

    carry_on.func(begun.pk)

    begun.refresh_from_db()
    assert (Delivery.objects.count(), begun.processed, begun.total, begun.finished_at) == (4, 4, 7, None)


def test_token_issued_meanwhile_is_not_sent_twice(connection: Connection, workspace: Workspace, now: datetime) -> None:
    begun = begin_sending(connection=connection, action=ALL_TOKENS, by="Ayu", at=now)
    issue(workspace, "New")

    carry_on.func(begun.pk)

    assert sent() == [("New", "token.configured"), ("Shop", "token.configured")]


def test_token_that_is_deleted_before_its_turn_is_left_out(
    connection: Connection, workspace: Workspace, now: datetime
) -> None:
    begun = begin_sending(connection=connection, action=ALL_TOKENS, by="Ayu", at=now)
    delete_token(token=Token.objects.get(), by=COMMAND_LINE)

    carry_on.func(begun.pk)

    begun.refresh_from_db()
    assert list(Delivery.objects.values_list("kind", flat=True)) == ["token.revoked"]
    assert begun.finished_at is not None


def test_all_are_not_sent_twice_at_a_time(connection: Connection, now: datetime) -> None:
    begin_sending(connection=connection, action=ALL_TOKENS, by="Ayu", at=now)

    with pytest.raises(AlreadyUnderWay):
        begin_sending(connection=connection, action=ALL_TOKENS, by="Ayu", at=now)


@pytest.mark.parametrize("end", ["removed", "carries"])
def test_it_ends_when_the_connection_is_removed_or_carries_tokens_no_more(
    connection: Connection, now: datetime, end: str
) -> None:
    begun = begin_sending(connection=connection, action=ALL_TOKENS, by="Ayu", at=now)
    if end == "removed":
        remove_connection(connection=connection, by="Ayu", at=now)
    else:
        change_connection(connection=connection, draft=draft("personas"))

    carry_on.func(begun.pk)

    begun.refresh_from_db()
    assert (begun.finished_at is not None, begun.processed, Delivery.objects.count()) == (True, 0, 0)


def test_connection_that_carries_no_tokens_is_sent_none(workspace: Workspace, now: datetime) -> None:
    connection = add_connection(workspace=workspace, draft=draft("personas"))

    with pytest.raises(NotCarried):
        begin_sending(connection=connection, action=ALL_TOKENS, by="Ayu", at=now)
    with pytest.raises(NotCarried):
        send_token(connection, issue(workspace))

    assert not Delivery.objects.exists()
    assert not Intervention.objects.exists()


# ------------------------------------------------------------------------------------------------ one token
def test_one_token_is_sent_by_itself(connection: Connection, workspace: Workspace, now: datetime) -> None:
    issue(workspace, "Other")
    Delivery.objects.all().delete()

    delivery = send_token(connection, Token.objects.get(name="Shop"))

    assert sent() == [("Shop", "token.configured")]
    assert (delivery.actor_label, delivery.payload["name"]) == ("Ayu", "Shop")


def test_temporary_token_is_not_sent(connection: Connection, now: datetime) -> None:
    temporary = derive_token(parent=Token.objects.get(), abilities=[], lifetime=timedelta(minutes=5), at=now).token

    with pytest.raises(NothingToSend):
        send_token(connection, temporary)


# ------------------------------------------------------------------------------------------------ what was never sent
def count_of(connection: Connection) -> NeverSent:
    return never_sent(Connection.objects.select_related("destination").get(pk=connection.pk))


def test_only_older_tokens_count_as_never_sent_until_they_are(connection: Connection, workspace: Workspace) -> None:
    issue(workspace, "Younger")
    older = Token.objects.get(name="Shop")
    before = count_of(connection)
    configure_token(token=older, configuration=Configuration(name="Shop 2"), version=older.version, by=COMMAND_LINE)

    assert (before, count_of(connection)) == (NeverSent(1, is_more=False), NeverSent(0, is_more=False))


def test_revoked_and_temporary_ones_do_not_count(connection: Connection, workspace: Workspace, now: datetime) -> None:
    parent = Token.objects.get()
    derive_token(parent=parent, abilities=[], lifetime=timedelta(minutes=5), at=now - timedelta(days=1))
    one = count_of(connection)
    Token.objects.filter(pk=parent.pk).update(revoked_at=now)

    assert (one.count, count_of(connection).count) == (1, 0)


def test_sending_that_was_cancelled_counts_for_nothing(connection: Connection) -> None:
    send_token(connection, Token.objects.get())
    sent_one = count_of(connection).count
    Delivery.objects.update(state="cancelled", settled_at=timezone.now())

    assert (sent_one, count_of(connection).count) == (0, 1)


def test_nothing_counts_once_all_were_sent_however_long_that_is_remembered(connection: Connection) -> None:
    send_all(connection)
    Delivery.objects.all().delete()  # as when they are pruned

    assert count_of(connection).count == 0


def test_sending_that_was_stopped_does_not_count_as_all(connection: Connection, workspace: Workspace) -> None:
    make_many(workspace, BATCH + 2)
    Token.objects.update(created_at=timezone.now() - timedelta(days=3))
    begun = begin_sending(connection=connection, action=ALL_TOKENS, by="Ayu", at=timezone.now())
    continue_with(begun.pk, at=timezone.now())
    stop(intervention=begun, at=timezone.now())

    assert count_of(connection).count == 3


@pytest.mark.parametrize("change", ["again", "elsewhere"])
def test_all_have_to_be_sent_anew_to_another_address_or_after_tokens_were_not_carried(
    connection: Connection, change: str
) -> None:
    send_all(connection)
    if change == "again":
        change_connection(connection=connection, draft=draft("personas"))
        change_connection(connection=connection, draft=draft("tokens"))
    else:
        change_connection(connection=connection, draft=draft("tokens", base_url="https://other.example.org"))

    assert count_of(connection).count == 1


def test_change_of_anything_else_changes_nothing_of_it(connection: Connection) -> None:
    send_all(connection)

    change_connection(connection=connection, draft=draft("tokens", "personas", credential="another-one"))

    assert count_of(connection).count == 0


def test_counting_ends_at_the_oldest_thousand(
    connection: Connection, workspace: Workspace, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platforms.sending_all.LOOKED_AT", 3)
    make_many(workspace, 5)
    Token.objects.update(created_at=now - timedelta(days=3))

    assert count_of(connection) == NeverSent(3, is_more=True)


# ------------------------------------------------------------------------------------------------ people
def people_sent() -> list[tuple[int | None, str, str]]:
    waiting = Delivery.objects.filter(state="waiting").order_by("id")
    return list(waiting.values_list("persona_id", "kind", "payload__name"))


def test_everybody_who_is_older_is_put_into_the_outbox_with_all_that_is_known(workspace: Workspace) -> None:
    rina = add_rina(workspace, notes="Likes tea")
    connection = add_connection(workspace=workspace, draft=draft("personas"))

    begun = send_all(connection, EVERYBODY)

    delivery = Delivery.objects.get()
    assert people_sent() == [(rina.pk, "persona.changed", "Rina Hartono")]
    assert delivery.fields == ["name", "notes", "contact:whatsapp", "contact:email"]
    assert (delivery.lane, delivery.actor_label, delivery.intervention) == (f"persona:{rina.pk}", "Ayu", begun)
    assert (begun.total, begun.processed) == (1, 1)


def test_only_who_is_linked_is_sent_to_a_platform_that_can_add_nobody(workspace: Workspace) -> None:
    values: dict[str, Any] = {"base_url": "https://chative.example.org", "credential": "hush-hush-hush"}
    rina, stranger = add_rina(workspace), make_persona(workspace, "Budi", "+6281300000001")
    connection = add_connection(
        workspace=workspace, draft=ConnectionDraft("chative", "Chative", carries=frozenset({"personas"}), **values)
    )
    Link.objects.create(connection=connection, persona_id=rina.pk, remote_id="7")

    count = count_to_send(connection, EVERYBODY)
    send_all(connection, EVERYBODY)

    assert count == 1
    assert [persona_id for persona_id, _kind, _name in people_sent()] == [rina.pk]
    with pytest.raises(NothingToSend):
        send_one(connection=connection, action=EVERYBODY, subject_id=stranger.pk, by="Ayu", at=timezone.now())


def test_people_and_tokens_are_sent_beside_each_other_and_each_only_where_it_is_carried(
    workspace: Workspace, now: datetime
) -> None:
    add_rina(workspace)
    issue(workspace)
    connection = add_connection(workspace=workspace, draft=draft("tokens", "personas"))
    mail = add_connection(
        workspace=workspace,
        draft=ConnectionDraft("email", "Mail", settings={"sender": "a@example.org"}, carries=frozenset({"messages"})),
    )

    send_all(connection)
    send_all(connection, EVERYBODY)

    kinds = Delivery.objects.order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["token.configured", "persona.changed"]
    with pytest.raises(NotCarried):
        begin_sending(connection=mail, action=EVERYBODY, by="Ayu", at=now)


def test_person_of_another_workspace_is_not_sent(workspace: Workspace, other_workspace: Workspace) -> None:
    foreign = add_rina(other_workspace)
    connection = add_connection(workspace=workspace, draft=draft("personas"))

    with pytest.raises(NothingToSend):
        send_one(connection=connection, action=EVERYBODY, subject_id=foreign.pk, by="Ayu", at=timezone.now())
    send_all(connection, EVERYBODY)

    assert not Delivery.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["token", "person"])
def test_what_is_changed_at_this_moment_is_sent_as_it_is_then(workspace: Workspace, what: str) -> None:
    """Whoever sends all waits for the change: else the older value would be put behind the newer one."""
    token, rina = issue(workspace), add_rina(workspace)
    connection = add_connection(workspace=workspace, draft=draft("tokens", "personas"))
    action = ALL_TOKENS if what == "token" else EVERYBODY
    begun = begin_sending(connection=connection, action=action, by="Ayu", at=timezone.now())

    def send() -> None:
        try:
            carry_on.func(begun.pk)
        finally:
            database.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            if what == "token":
                new = Configuration(name="Later")
                configure_token(token=token, configuration=new, version=token.version, by=COMMAND_LINE)
            else:
                later = PersonaDraft(name="Later")
                update_persona(workspace=workspace, persona_id=rina.pk, draft=later, cause=BY_TEST)
            sending = pool.submit(send)
            time.sleep(0.3)  # as long as it would take to send what was
        sending.result(timeout=30)

    names = Delivery.objects.order_by("id").values_list("payload__name", flat=True)
    assert list(names) == ["Later", "Later"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("platform", ["raven", "bevatel"])
def test_everybody_is_there_once_however_often_all_are_sent(
    workspace: Workspace, remote: Remote, server: str, platform: str
) -> None:
    rina = add_rina(workspace)
    connection = connect(workspace, remote, server, platform)
    nobody = Persona.objects.filter(workspace=remote.workspace).count()

    for _time in range(2):
        send_all(connection, EVERYBODY)
        Sender().drain()

    there = remote.person()
    assert (nobody, there.name) == (0, "Rina Hartono")
    assert {contact.normalized for contact in there.contacts.all()} == {"+6281200000101", "rina@example.org"}
    assert Link.objects.get(connection=connection).persona_id == rina.pk
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}


@pytest.mark.django_db(transaction=True)
def test_person_is_erased_while_others_are_being_sent_and_neither_stops_the_other(workspace: Workspace) -> None:
    people = [make_persona(workspace, f"Budi {number}", f"+6281300000{number:03}") for number in range(4)]
    connection = add_connection(workspace=workspace, draft=draft("personas", requests_per_minute=1))
    begun = begin_sending(connection=connection, action=EVERYBODY, by="Ayu", at=timezone.now())
    continue_with(begun.pk, at=timezone.now())
    Destination.objects.update(requests_per_minute=None)

    def send() -> None:
        try:
            carry_on.func(begun.pk)
        finally:
            database.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            erase(get_persona(workspace_id=workspace.pk, persona_id=people[0].pk, lock=True), cause=BY_TEST)
            sending = pool.submit(send)
            time.sleep(0.3)  # as long as it takes to wait for what the erasing holds
        sending.result(timeout=30)

    begun.refresh_from_db()
    states = Counter(Delivery.objects.values_list("kind", "state"))
    assert states == {
        ("persona.changed", "waiting"): 3, ("persona.changed", "cancelled"): 1, ("persona.deleted", "waiting"): 1,
    }  # fmt: skip
    assert begun.finished_at is not None
