"""A person beside their record on a platform, in the console; the platform is our own server, over real HTTP."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User, Workspace
from delivery.models import Delivery
from personas.models import AttributeDefinition, Persona, PersonaChange
from personas.services import PersonaDraft, update_persona
from platforms.models import Connection, Link
from tests.accounts.test_scope import signed_in
from tests.platforms.connecting import BY_TEST, Remote, add_rina, carry, connect, waiting

pytestmark = pytest.mark.django_db(transaction=True)
COMPARE = "admin:platforms_person_compare"
SETTLE = "admin:platforms_person_settle"
DRIFT = "admin:platforms_connection_drift"


@pytest.fixture
def rina(workspace: Workspace, other_workspace: Workspace) -> Persona:
    for each in (workspace, other_workspace):
        AttributeDefinition.objects.create(workspace=each, key="city", label="City")
    return add_rina(workspace, attributes={"city": "Bandung"})


@pytest.fixture
def linked(workspace: Workspace, remote: Remote, server: str, rina: Persona) -> Connection:
    """Rina is there as she is here."""
    raven = connect(workspace, remote, server, "raven", name="Shop")
    draft = PersonaDraft(gender="female")
    update_persona(workspace=workspace, persona_id=rina.pk, draft=draft, cause=BY_TEST)
    carry(waiting(raven)[-1])
    Delivery.objects.all().delete()
    return raven


@pytest.fixture
def client(support_user: User) -> Client:
    return signed_in(support_user)


def differ(remote: Remote) -> None:
    draft = PersonaDraft(name="Rina H.", attributes={"city": "Jakarta"})
    update_persona(workspace=remote.workspace, persona_id=remote.person().pk, draft=draft, cause=BY_TEST)


def compared(client: Client, rina: Persona, connection: Connection) -> str:
    return client.post(reverse(COMPARE, args=[rina.pk, connection.pk])).content.decode()


def settle(client: Client, rina: Persona, connection: Connection, page: str, **choices: str) -> Any:
    carried = dict(re.findall(r'type="hidden" name="(seen|version)" value="([^"]*)"', page))
    return client.post(reverse(SETTLE, args=[rina.pk, connection.pk]), carried | choices, follow=True)


def test_same_record_is_said_to_be_the_same_and_the_person_page_remembers(
    client: Client, rina: Persona, linked: Connection
) -> None:
    page = compared(client, rina, linked)

    person = client.get(reverse("admin:personas_persona_change", args=[rina.pk])).content.decode()
    assert "It is the same there." in page
    assert "Read back and found the same:" in person


def test_each_field_can_be_pushed_or_taken(
    client: Client, rina: Persona, linked: Connection, remote: Remote, support_user: User
) -> None:
    differ(remote)
    page = compared(client, rina, linked)
    assert "Rina H." in page
    assert "Jakarta" in page

    answer = settle(client, rina, linked, page, **{"choice-0": "take", "choice-1": "push"})

    assert "1 field was taken from Shop." in answer.content.decode()
    assert "It is on its way to Shop." in answer.content.decode()
    rina.refresh_from_db()
    taken = PersonaChange.objects.filter(persona=rina).latest("id")
    assert (rina.name, taken.origin, taken.actor_label) == (
        "Rina H.", "platform", f"{support_user.display_name} (Shop)",
    )  # fmt: skip
    assert [d.payload for d in waiting(linked)] == [{"attribute.city": "Bandung"}]
    carry(waiting(linked)[0])
    assert "It is the same there." in compared(client, rina, linked)


@pytest.mark.parametrize(("choice", "name"), [("push", "Rina Hartono"), ("take", "Rina H.")])
def test_all_fields_go_one_way_by_one_button(
    client: Client, rina: Persona, linked: Connection, remote: Remote, choice: str, name: str
) -> None:
    differ(remote)
    page = compared(client, rina, linked)

    settle(client, rina, linked, page, all=choice)
    for delivery in waiting(linked):
        carry(delivery)

    rina.refresh_from_db()
    assert (rina.name, remote.person().name) == (name, name)
    assert rina.attributes.get().value == remote.person().attributes.get().value


def test_record_changed_after_it_was_shown_is_not_taken(
    client: Client, rina: Persona, linked: Connection, remote: Remote
) -> None:
    differ(remote)
    page = compared(client, rina, linked)
    draft = PersonaDraft(name="Somebody else")
    update_persona(workspace=remote.workspace, persona_id=remote.person().pk, draft=draft, cause=BY_TEST)

    answer = settle(client, rina, linked, page, all="take")

    assert answer.status_code == 409
    assert "was changed since you looked at it" in answer.content.decode()
    assert Persona.objects.get(pk=rina.pk).name == "Rina Hartono"


def test_person_changed_here_after_it_was_shown_is_not_overwritten(
    client: Client, rina: Persona, linked: Connection, remote: Remote, workspace: Workspace
) -> None:
    differ(remote)
    page = compared(client, rina, linked)
    update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(notes="Newer"), cause=BY_TEST)

    answer = settle(client, rina, linked, page, all="take")

    assert answer.status_code == 409
    assert Persona.objects.get(pk=rina.pk).name == "Rina Hartono"


@pytest.mark.parametrize("version", ["²", "", "-1", pytest.param("9" * 5000, id="long")])
def test_version_that_is_none_overwrites_nothing(
    client: Client, rina: Persona, linked: Connection, remote: Remote, version: str
) -> None:
    differ(remote)
    page = compared(client, rina, linked)

    answer = settle(client, rina, linked, page, version=version, all="take")

    assert answer.status_code == 409
    assert Persona.objects.get(pk=rina.pk).name == "Rina Hartono"


def test_nothing_chosen_changes_nothing(client: Client, rina: Persona, linked: Connection, remote: Remote) -> None:
    differ(remote)
    page = compared(client, rina, linked)

    answer = settle(client, rina, linked, page, **{"choice-0": "", "choice-1": ""})

    assert answer.status_code == 409
    assert waiting(linked) == []


def test_record_that_is_gone_can_be_added_again(
    client: Client, rina: Persona, linked: Connection, remote: Remote
) -> None:
    remote.person().delete()
    page = compared(client, rina, linked)

    settle(client, rina, linked, page, all="push")
    carry(waiting(linked)[0])

    assert "The record is gone there." in page
    assert remote.person().name == "Rina Hartono"


def test_platform_that_cannot_be_read_is_said_honestly(client: Client, rina: Persona, linked: Connection) -> None:
    Connection.objects.filter(pk=linked.pk).update(base_url="http://127.0.0.1:9/raven")

    page = compared(client, rina, linked)

    assert "It can’t be read now, so nobody knows whether it is the same." in page


def test_comparing_is_for_those_who_may_edit_and_by_post(
    viewer_user: User, client: Client, rina: Persona, linked: Connection, other_workspace: Workspace
) -> None:
    viewer, foreign = signed_in(viewer_user), Persona.objects.create(workspace=other_workspace, name="R.")

    answers = {
        name: [
            client.get(reverse(name, args=[rina.pk, linked.pk])).status_code,
            viewer.post(reverse(name, args=[rina.pk, linked.pk])).status_code,
            client.post(reverse(name, args=[foreign.pk, linked.pk])).status_code,
            client.post(reverse(name, args=[rina.pk, 10**6])).status_code,
            Client().post(reverse(name, args=[rina.pk, linked.pk])).status_code,
        ]
        for name in (COMPARE, SETTLE)
    }

    assert answers == {COMPARE: [405, 403, 404, 404, 302], SETTLE: [405, 403, 404, 404, 302]}


def test_connection_lists_those_who_differ_in_as_many_questions_for_one_as_for_many(
    client: Client, viewer_user: User, rina: Persona, linked: Connection, workspace: Workspace
) -> None:
    at = datetime(2026, 11, 21, 1, tzinfo=UTC)
    Link.objects.update(drifted_at=at, drifted_fields=["name", "attribute:city", "contact:email"])
    address = reverse(DRIFT, args=[linked.pk])
    client.get(address)
    with CaptureQueriesContext(database) as one:
        page = client.get(address).content.decode()
    for number in range(60):
        other = Persona.objects.create(workspace=workspace, name=f"Person {number}")
        Link.objects.create(connection=linked, persona_id=other.pk, remote_id=f"x{number}", drifted_at=at)

    with CaptureQueriesContext(database) as many:
        first = client.get(address).content.decode()

    assert "Name, City, E-mail" in page
    assert len(many) == len(one)
    assert (first.count("Compare<"), client.get(address, {"p": "2"}).content.decode().count("Compare<")) == (50, 11)
    connection_page = client.get(reverse("admin:platforms_connection_change", args=[linked.pk])).content.decode()
    assert f'<a href="{address}">61</a>' in connection_page
    assert "Compare<" not in signed_in(viewer_user).get(address).content.decode()
