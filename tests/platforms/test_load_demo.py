import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.hashers import check_password
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Membership, User, Workspace
from delivery.models import Attempt, Delivery
from delivery.sender import Sender
from messaging.models import Message, Topic
from messaging.templates import fill_template
from personas.duplicates import scan_next
from personas.models import Contact, DuplicatePair, Persona
from platforms.bevatel.server.wire import ContactCreate
from platforms.callbacks.signing import secrets_of
from platforms.docs.catalogue import DOCUMENTS
from platforms.encryption import unseal
from platforms.following import follow_calls
from platforms.models import Connection, Link
from platforms.raven.server.wire import TemplateSend
from tokens.ability_use import unused
from tokens.models import Callback, RequestLogEntry, Token
from tokens.usage import days_of_token

PASSWORD = "vako-limu-beda-runi"


@pytest.fixture(autouse=True)
def _login(settings: Any, db: None) -> None:
    settings.DEMO_ADMIN_USERNAME, settings.DEMO_ADMIN_PASSWORD = "admin", PASSWORD


def load(**options: Any) -> str:
    err = StringIO()
    call_command("load_demo", stderr=err, **options)
    return err.getvalue()


def all_rows() -> Any:
    out = StringIO()
    call_command("dumpdata", stdout=out)
    return json.loads(out.getvalue())


def test_the_demo_is_two_workspaces_people_topics_and_personas() -> None:
    load()

    assert list(Workspace.objects.order_by("slug").values_list("slug", "country", "time_zone")) == [
        ("demo", "ID", "Asia/Jakarta"),
        ("sandbox", "ID", "Asia/Jakarta"),
    ]
    assert set(Membership.objects.values_list("workspace__slug", "user__username", "role")) == {
        ("demo", "admin", "admin"),
        ("sandbox", "admin", "admin"),
        ("demo", "your_username", "support"),
        ("demo", "sari", "support"),
        ("demo", "dewi", "viewer"),
        ("sandbox", "demo_bot", "support"),
    }
    assert set(Topic.objects.values_list("workspace__slug", "type")) == {("demo", "mass"), ("sandbox", "persona")}
    assert (Topic.objects.count(), Persona.objects.count(), Contact.objects.count()) == (4, 10, 14)


def test_the_demo_has_two_who_are_likely_one() -> None:
    load()

    scan_next(Workspace.objects.get(slug="demo"), now=timezone.now() + timedelta(hours=1))

    pairs = DuplicatePair.objects.values_list("first__name", "second__name", "reason")
    assert list(pairs) == [("Joko Prasetyo", "Pak Joko", "same_number")]


def test_the_demo_has_what_the_examples_of_the_documents_send() -> None:
    load()
    given = DOCUMENTS["raven"].examples[TemplateSend]

    text = fill_template(
        workspace_id=Workspace.objects.get(slug="demo").pk,
        name=given["template"],
        language=given["language"],
        parameters=given["parameter"],
    )

    assert text == "Hello Rina, your order 1001 is on its way."


def test_nobody_in_the_demo_has_the_addresses_of_the_example_that_makes_a_contact() -> None:
    load()
    given = DOCUMENTS["bevatel"].examples[ContactCreate]

    assert not Contact.objects.filter(normalized__in=[given["email"], given["phone_number"]]).exists()


def test_the_demo_is_connected_to_the_sandbox_in_every_dialect() -> None:
    load()

    connections = Connection.objects.select_related("destination")
    assert [(c.platform, c.workspace.slug, c.carries) for c in connections] == [
        ("raven", "demo", ["personas", "messages"]),
        ("chative", "demo", ["personas"]),
        ("bevatel", "demo", ["personas"]),
    ]
    assert Link.objects.count() == 15


def test_a_server_whose_own_address_is_refused_says_so_and_loads_the_rest(settings: Any) -> None:
    settings.BASE_URL, settings.ALLOWED_PRIVATE_ADDRESSES = "http://10.0.0.5:8000", []

    assert "The demo is not connected to the sandbox: 10.0.0.5:8000 can't be connected to" in load()
    assert Persona.objects.filter(workspace__slug="demo").exists()


def test_the_demo_has_no_token_of_its_own_and_no_made_up_traffic() -> None:
    load()

    assert not Token.objects.filter(workspace__slug="demo").exists()
    assert not Message.objects.filter(workspace__slug="demo").exists()
    assert not RequestLogEntry.objects.exists()
    assert not Attempt.objects.exists()
    assert [(d.kind, d.state) for d in Delivery.objects.all()] == [("event.message.received", "waiting")]


@pytest.mark.django_db(transaction=True)
def test_what_somebody_writes_in_the_sandbox_comes_back_by_a_callback(server: str, settings: Any) -> None:
    settings.BASE_URL = server
    load()

    Sender(threads=1).drain()
    follow_calls.call(Connection.objects.get(platform="raven").pk)

    callback = Callback.objects.select_related("destination").get(event="message.received")
    assert (callback.token.name, callback.destination.deliveries.get().state) == ("Connections of Demo", "delivered")
    assert Attempt.objects.get().status == 200
    message = Message.objects.select_related("topic__persona").get(workspace__slug="demo")
    assert (message.topic.name, message.sender_name) == ("Order 1001", "Rina Hartono")
    assert message.topic.persona == Persona.objects.get(workspace__slug="demo", name="Rina Hartono")


def test_the_demo_takes_signed_callbacks_alone() -> None:
    load()

    connection = Connection.objects.get(platform="raven")
    assert secrets_of(Token.objects.get().pk, at=timezone.now()) == [unseal(connection.sealed_incoming_secret)]


def test_calls_are_made_up_only_when_asked_for_and_under_a_name_that_says_so() -> None:
    load(calls=True)
    load(calls=True)

    token = Token.objects.get(workspace__slug="demo")
    days = days_of_token(token, days=90)
    assert "made-up" in token.name
    assert len({day.day for day in days}) >= 60
    assert {day.code for day in days} >= {"", "ability_missing"}
    assert [each.key for each in unused(token, days, days=30, at=timezone.now())] != []


def test_only_the_admin_can_sign_in() -> None:
    load()

    admin, *others = User.objects.order_by("-is_superuser")
    assert (admin.username, admin.is_superuser, check_password(PASSWORD, admin.password)) == ("admin", True, True)
    assert [user.has_usable_password() for user in others] == [False] * 4


def test_loading_twice_changes_nothing() -> None:
    load()
    before = all_rows()

    load()

    assert all_rows() == before


def test_what_people_changed_or_deleted_stays_so(settings: Any) -> None:
    load()
    User.objects.get(username="admin").memberships.all().delete()
    Workspace.objects.get(slug="sandbox").delete()
    Topic.objects.all().delete()
    before = all_rows()
    settings.DEMO_ADMIN_PASSWORD = "another-password-since"

    load()

    assert all_rows() == before


def test_another_admin_name_is_another_admin(settings: Any) -> None:
    load()
    settings.DEMO_ADMIN_USERNAME = "second"

    load()

    assert set(Membership.objects.filter(user__username="second").values_list("workspace__slug", "role")) == {
        ("demo", "admin"),
        ("sandbox", "admin"),
    }


def test_the_admin_may_have_the_name_of_somebody_in_the_demo(settings: Any) -> None:
    settings.DEMO_ADMIN_USERNAME = "Sari"

    load()

    assert list(
        Membership.objects.filter(user__username__iexact="sari", workspace__slug="demo").values_list("role")
    ) == [("admin",)]


def test_a_weak_password_is_taken_and_said_to_be_weak(settings: Any) -> None:
    settings.DEMO_ADMIN_PASSWORD = "admin"

    assert load().startswith("DEMO_ADMIN_PASSWORD is weak")

    assert check_password("admin", User.objects.get(username="admin").password)


def test_without_a_password_nothing_is_made(settings: Any) -> None:
    settings.DEMO_ADMIN_PASSWORD = ""

    with pytest.raises(CommandError, match="Set DEMO_ADMIN_PASSWORD"):
        load()

    assert not User.objects.exists()
    assert not Workspace.objects.exists()
