"""The people who are on a platform already: read over real HTTP, shown, linked or added, and undone."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User, Workspace
from delivery.models import Delivery
from messaging.models import Message, Topic
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, Operation, OperationRow, Persona, PersonaChange
from personas.operations import begin_operation, start_operation, undo_operation
from personas.services import PersonaDraft, add_persona, delete_persona
from platforms import importing
from platforms.importing import ListingRefused, begin_import
from platforms.models import Connection, Link
from tests.personas.operating import work_off
from tests.platforms.connecting import BY_TEST, Remote, add_rina, bring_in, connect, waiting

pytestmark = pytest.mark.django_db(transaction=True)
PLATFORMS = ["raven", "chative", "bevatel"]
Rows = list[tuple[str, str, str]]


def add_there(remote: Remote, name: str, *contacts: ContactDraft, **known: Any) -> Persona:
    draft = PersonaDraft(name=name, **known)
    return add_persona(workspace=remote.workspace, draft=draft, contacts=contacts, cause=BY_TEST)


def add_here(workspace: Workspace, name: str, *contacts: ContactDraft) -> Persona:
    return add_persona(workspace=workspace, draft=PersonaDraft(name=name), contacts=contacts, cause=BY_TEST)


def rows_of(operation: Operation) -> Rows:
    return list(operation.rows.values_list("persona_name", "action", "state"))


def previewed(connection: Connection, by: User) -> Operation:
    return work_off(begin_import(connection=connection, by=by, at=timezone.now()))


def carried_out(operation: Operation, by: User) -> Operation:
    return work_off(start_operation(operation_id=operation.pk, by=by, at=timezone.now()))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_people_there_are_linked_or_added_and_the_platform_is_told_nothing(
    platform: str, workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    for of in (workspace, remote.workspace):
        AttributeDefinition.objects.create(workspace=of, key="city", label="City")
    connection = connect(workspace, remote, server, platform)
    rina = add_here(workspace, "Rina Hartono", ContactDraft("email", "rina@example.org"))
    there = add_there(remote, "Rina H.", ContactDraft("email", "Rina@example.org"))
    new = add_there(remote, "Joko Prasetyo", ContactDraft("phone", "+6281200000102"), attributes={"city": "Bandung"})
    before = Delivery.objects.count()

    preview = previewed(connection, admin_user)
    assert rows_of(preview) == [("Rina H.", "link", "planned"), ("Joko Prasetyo", "create", "planned")]
    assert workspace.personas.count() == 1
    operation = carried_out(preview, admin_user)

    joko = workspace.personas.get(name="Joko Prasetyo")
    links = dict(Link.objects.filter(connection=connection).values_list("persona_id", "remote_id"))
    assert operation.state == Operation.State.DONE
    assert [contact.normalized for contact in joko.contacts.all()] == ["+6281200000102"]
    assert [value.value for value in joko.attributes.all()] == ["Bandung"]
    assert set(links) == {rina.pk, joko.pk}
    assert str(new.pk) in links[joko.pk] or platform == "chative"
    assert workspace.personas.get(pk=rina.pk).name == "Rina Hartono"
    assert set(PersonaChange.objects.filter(persona=joko).values_list("origin", flat=True)) == {"platform"}
    assert Delivery.objects.count() == before
    assert Persona.objects.get(pk=there.pk).name == "Rina H."


def test_other_connections_hear_of_who_was_added(workspace: Workspace, remote: Remote, server: str) -> None:
    bevatel, raven = (connect(workspace, remote, server, platform) for platform in ("bevatel", "raven"))
    add_there(remote, "Joko Prasetyo", ContactDraft("whatsapp", "+6281200000102"))

    bring_in(bevatel)

    assert waiting(bevatel) == []
    assert [delivery.kind for delivery in waiting(raven)] == ["persona.changed"]


def test_a_number_is_somebodys_whatsapp_or_phone_whichever_it_is_there(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    connection = connect(workspace, remote, server, "bevatel")
    rina = add_here(workspace, "Rina Hartono", ContactDraft("phone", "+6281200000101"))
    add_there(remote, "Rina H.", ContactDraft("whatsapp", "+6281200000101"))

    operation = previewed(connection, admin_user)

    assert operation.rows.values_list("action", "persona_id").get() == ("link", rina.pk)


def test_who_cannot_be_brought_in_is_left_out_with_the_reason(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    connection = connect(workspace, remote, server, "raven")
    email, whatsapp = ContactDraft("email", "rina@example.org"), ContactDraft("whatsapp", "+6281200000101")
    first, second = add_here(workspace, "Rina", email), add_here(workspace, "R. Hartono", whatsapp)
    taken = add_here(workspace, "Maya", ContactDraft("email", "maya@example.org"))
    Link.objects.create(connection=connection, persona_id=taken.pk, remote_id="another")
    add_there(remote, "Rina Hartono", email, whatsapp)
    add_there(remote, "Maya L.", ContactDraft("email", "maya@example.org"))

    operation = previewed(connection, admin_user)

    assert [row.problems[0][1] for row in operation.rows.all()] == [
        f"It has addresses of several people: Rina (ID {first.pk}), R. Hartono (ID {second.pk}).",
        "Maya is linked to another record there.",
    ]
    assert set(operation.rows.values_list("action", "state")) == {("refuse", "refused")}


def test_who_has_no_address_there_and_the_name_of_somebody_here_is_left_out(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    connection = connect(workspace, remote, server, "chative")
    rina = add_here(workspace, "Rina Hartono", ContactDraft("telegram", "rina_h"))
    add_here(workspace, "Rina Hartono", ContactDraft("telegram", "rina_2"))
    add_there(remote, "Rina Hartono")
    add_there(remote, "Joko Prasetyo")

    operation = previewed(connection, admin_user)

    assert rows_of(operation) == [("Rina Hartono", "refuse", "refused"), ("Joko Prasetyo", "create", "planned")]
    said = f"It has no address, and has the name of Rina Hartono (ID {rina.pk})."
    assert operation.rows.earliest("number").problems == [["", said]]


def test_who_has_no_name_there_is_called_as_their_address(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    connection = connect(workspace, remote, server, "bevatel")
    nameless = add_there(remote, "x", ContactDraft("whatsapp", "+6281200000102"))
    Persona.objects.filter(pk=nameless.pk).update(name="")

    carried_out(previewed(connection, admin_user), admin_user)

    assert workspace.personas.get().name == "+6281200000102"


def test_attribute_that_is_not_defined_here_is_named_and_not_read(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    AttributeDefinition.objects.create(workspace=remote.workspace, key="shoe_size", label="Shoe size")
    connection = connect(workspace, remote, server, "chative")
    add_there(remote, "Joko", ContactDraft("email", "joko@example.org"), attributes={"shoe_size": "43"})

    operation = previewed(connection, admin_user)

    assert operation.plan["unknown"] == ["shoe_size"]
    assert rows_of(operation) == [("Joko", "create", "planned")]


def test_all_pages_are_read_and_a_second_time_nothing_is_left_to_do(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    connection = connect(workspace, remote, server, "bevatel")
    for number in range(32):  # three pages of 15
        add_there(remote, f"Person {number}", ContactDraft("email", f"p{number}@example.org"))

    bring_in(connection)
    again = previewed(connection, admin_user)

    assert workspace.personas.count() == 32
    assert Link.objects.filter(connection=connection).count() == 32
    assert again.counts == {"same": {"done": 32}}


def test_worker_that_takes_over_reads_on_where_the_list_was_left(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    connection = connect(workspace, remote, server, "bevatel")
    for number in range(20):
        add_there(remote, f"Person {number:02}", ContactDraft("email", f"p{number}@example.org"))
    begun = begin_operation(
        workspace=workspace, kind=Operation.Kind.PLATFORM, title="People", at=timezone.now(), by=admin_user,
        plan={"connection": connection.pk, "after": "2"},
    )  # fmt: skip

    operation = work_off(begun)

    assert operation.rows.count() == 5
    assert operation.plan["is_read"] is True


def test_who_came_here_or_was_linked_since_the_preview_is_refused(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    connection = connect(workspace, remote, server, "raven", carries=frozenset({"messages"}))
    linked = add_here(workspace, "Rina", ContactDraft("email", "rina@example.org"))
    deleted = add_here(workspace, "Dewi", ContactDraft("email", "dewi@example.org"))
    for name in ("rina", "dewi", "joko", "maya"):
        add_there(remote, name, ContactDraft("email", f"{name}@example.org"))
    preview = previewed(connection, admin_user)
    Link.objects.create(connection=connection, persona_id=linked.pk, remote_id="another")
    delete_persona(workspace=workspace, persona_id=deleted.pk, cause=BY_TEST)
    add_here(workspace, "Joko", ContactDraft("email", "joko@example.org"))

    operation = carried_out(preview, admin_user)

    assert list(operation.rows.values_list("number", "state")) == [
        (1, "refused"), (2, "refused"), (3, "refused"), (4, "done"),
    ]  # fmt: skip
    assert workspace.personas.filter(name="maya").exists()
    assert operation.counts == {"link": {"planned": 0, "refused": 2}, "create": {"planned": 0, "refused": 1, "done": 1}}


def test_undone_it_leaves_nothing_here_and_touches_nothing_there(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    connection = connect(workspace, remote, server, "raven")
    add_rina(workspace)
    add_there(remote, "Rina H.", ContactDraft("email", "rina@example.org"))
    add_there(remote, "Joko", ContactDraft("email", "joko@example.org"))
    written_to = add_there(remote, "Maya", ContactDraft("email", "maya@example.org"))
    operation = bring_in(connection)
    maya = workspace.personas.get(name="Maya")
    topic = Topic.objects.create(workspace=workspace, type="persona", name="Order", persona=maya)
    Message.objects.create(
        workspace=workspace, topic=topic, direction="incoming", sender_persona=maya, sender_name="Maya", text="Hello?",
        created_at=timezone.now(),
    )  # fmt: skip
    before = Delivery.objects.count()

    undone = work_off(undo_operation(operation_id=operation.pk, by=admin_user, at=timezone.now()))

    assert undone.state == Operation.State.UNDONE
    assert set(workspace.personas.values_list("name", flat=True)) == {"Rina Hartono", "Maya"}
    assert list(Link.objects.values_list("persona_id", "remote_id")) == [(maya.pk, str(written_to.pk))]
    assert Delivery.objects.count() == before
    assert remote.workspace.personas.count() == 3
    kept = OperationRow.objects.get(operation=operation, state="kept")
    assert "There are messages with this person" in kept.problems[0][1]


def test_list_that_cannot_be_read_fails_with_the_reason(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    connection = connect(workspace, remote, server, "chative", credential="wrong")

    operation = previewed(connection, admin_user)

    assert operation.state == Operation.State.FAILED
    assert "could not be read" in operation.problem
    assert "does not accept the credential" in operation.problem


def test_list_of_a_server_that_is_away_is_asked_for_again_and_then_given_up(
    workspace: Workspace, remote: Remote, settings: Any, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "WAITS_S", (0.0, 0.0))
    settings.ALLOWED_PRIVATE_ADDRESSES = ["127.0.0.1:9"]
    connection = connect(workspace, remote, "http://127.0.0.1:9", "chative")

    operation = previewed(connection, admin_user)

    assert (operation.state, operation.counts) == (Operation.State.FAILED, {})
    assert "Nothing listens there" in operation.problem


def test_connection_that_was_removed_meanwhile_ends_it(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    connection = connect(workspace, remote, server, "chative")
    begun = begin_import(connection=connection, by=admin_user, at=timezone.now())
    connection.delete()

    operation = work_off(begun)

    assert (operation.state, operation.problem) == ("failed", "This connection was removed meanwhile.")


def test_platform_without_a_list_is_refused(
    workspace: Workspace, remote: Remote, server: str, admin_user: User
) -> None:
    connection = connect(workspace, remote, server, "raven")
    connection.platform = "webhook"

    with pytest.raises(ListingRefused):
        begin_import(connection=connection, by=admin_user, at=timezone.now())

    assert not Operation.objects.exists()
