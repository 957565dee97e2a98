"""Records are read back from our own server of each dialect, over real HTTP."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from accounts.models import Workspace
from delivery.models import Delivery, Destination
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, Origin, Persona, PersonaChange
from personas.services import PersonaDraft, VersionConflict, update_persona
from platforms import checking
from platforms.chative.server.mapping import uuid_of
from platforms.checking import Batch, check_batch, check_links, is_night
from platforms.drift import Comparison, NothingChosen, NotLinked, compare, push_ours, take_theirs
from platforms.encryption import seal
from platforms.models import Connection, Link
from tests.platforms.connecting import BY_TEST, Remote, add_rina, carry, connect, waiting

pytestmark = pytest.mark.django_db(transaction=True)
AT = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
READABLE = ("raven", "chative", "bevatel")


@pytest.fixture(autouse=True)
def definitions(workspace: Workspace, other_workspace: Workspace) -> None:
    for each in (workspace, other_workspace):
        AttributeDefinition.objects.create(workspace=each, key="city", label="City")
        AttributeDefinition.objects.create(workspace=each, key="since", label="Customer since", type="date")
        AttributeDefinition.objects.create(workspace=each, key="orders", label="Orders", type="number")
        AttributeDefinition.objects.create(workspace=each, key="vip", label="VIP", type="boolean")


@pytest.fixture
def rina(workspace: Workspace) -> Persona:
    born = datetime(1990, 5, 17, tzinfo=UTC).date()
    attributes = {"city": "Bandung", "since": "2020-01-31", "orders": "12.5", "vip": "true"}
    return add_rina(workspace, gender="female", birthday=born, notes="One\r\ntwo", attributes=attributes)


@pytest.fixture
def linked(workspace: Workspace, remote: Remote, server: str, rina: Persona) -> Any:
    """Connects to a platform where Rina is known as she is here."""

    def connecting(platform: str) -> Connection:
        there = Persona.objects.filter(workspace=remote.workspace).first()
        if there is None:
            raven = connect(workspace, remote, server, "raven", name="First")
            update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(gender="other"), cause=BY_TEST)
            update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(gender="female"), cause=BY_TEST)
            carry(waiting(raven)[-1])
            there = remote.person()
            Delivery.objects.all().delete()
            Link.objects.all().delete()
        connection = connect(workspace, remote, server, platform)
        Link.objects.create(
            connection=connection,
            persona_id=rina.pk,
            remote_id=uuid_of(there.pk) if platform == "chative" else str(there.pk),
            checked_at=AT - timedelta(days=2),
        )
        return connection

    return connecting


def change_there(remote: Remote, **values: Any) -> None:
    update_persona(
        workspace=remote.workspace, persona_id=remote.person().pk, draft=PersonaDraft(**values), cause=BY_TEST
    )


def seen(connection: Connection, rina: Persona) -> Comparison:
    return compare(connection=connection, persona_id=rina.pk, at=AT)


def link_of(connection: Connection) -> Link:
    return Link.objects.get(connection=connection)


@pytest.mark.parametrize("platform", READABLE)
def test_record_that_was_pushed_is_found_to_be_the_same(linked: Any, rina: Persona, platform: str) -> None:
    connection = linked(platform)

    found = seen(connection, rina)

    assert (found.is_same, found.differences, found.trouble) == (True, [], None)
    assert (link_of(connection).verified_at, link_of(connection).drifted_at) == (AT, None)


@pytest.mark.parametrize("platform", READABLE)
def test_fields_changed_there_are_named_with_both_values(
    linked: Any, rina: Persona, remote: Remote, platform: str
) -> None:
    connection = linked(platform)
    change_there(remote, name="Rina H.", attributes={"city": "Jakarta", "since": "2021-02-01", "vip": None})

    found = seen(connection, rina)

    assert {d.field: (d.ours, d.theirs) for d in found.differences} == {
        "name": ("Rina Hartono", "Rina H."),
        "attribute:city": ("Bandung", "Jakarta"),
        "attribute:since": ("2020-01-31", "2021-02-01"),
        "attribute:vip": ("true", ""),
    }
    assert link_of(connection).drifted_fields == ["name", "attribute:city", "attribute:since", "attribute:vip"]
    assert link_of(connection).drifted_at == AT


@pytest.mark.parametrize("platform", READABLE)
def test_ours_pushed_makes_them_the_same_again(linked: Any, rina: Persona, remote: Remote, platform: str) -> None:
    connection = linked(platform)
    change_there(remote, name="Rina H.", attributes={"city": "Jakarta"})

    posted = push_ours(comparison=seen(connection, rina), fields=["name"], cause=BY_TEST)
    carry(posted[0])

    assert remote.person().name == "Rina Hartono"
    assert link_of(connection).drifted_fields == ["attribute:city"]
    posted = push_ours(comparison=seen(connection, rina), fields=["attribute:city"], cause=BY_TEST)
    carry(posted[0])
    assert link_of(connection).drifted_at is None
    Delivery.objects.all().delete()
    assert seen(connection, rina).is_same


@pytest.mark.parametrize("platform", READABLE)
def test_theirs_taken_is_history_and_is_told_to_others_but_not_back(
    linked: Any, rina: Persona, remote: Remote, workspace: Workspace, server: str, platform: str
) -> None:
    connection = linked(platform)
    other = connect(workspace, remote, server, "raven", name="Another")
    change_there(remote, name="Rina H.", attributes={"city": "Jakarta", "orders": "13"})
    found = seen(connection, rina)
    cause = replace(BY_TEST, origin=Origin.PLATFORM, came_from=connection.destination_id)

    taken = take_theirs(
        comparison=found, fields=["name", "attribute:orders"], version=found.persona.version, cause=cause
    )

    assert (taken.name, taken.attributes.get(definition__key="orders").value) == ("Rina H.", "13")
    assert taken.attributes.get(definition__key="city").value == "Bandung"
    assert {c.origin for c in PersonaChange.objects.filter(persona=rina).order_by("-id")[:2]} == {"platform"}
    assert (len(waiting(connection)), len(waiting(other))) == (0, 1)
    assert link_of(connection).drifted_fields == ["attribute:city"]


@pytest.mark.parametrize("platform", READABLE)
def test_address_changed_there_is_taken_in_place_of_ours(
    linked: Any, rina: Persona, remote: Remote, platform: str
) -> None:
    connection = linked(platform)
    there = remote.person()
    email = there.contacts.get(type="email")
    update_persona(
        workspace=remote.workspace, persona_id=there.pk, changed_contacts={email.pk: "new@example.org"}, cause=BY_TEST
    )
    found = seen(connection, rina)

    take_theirs(comparison=found, fields=["contact:email"], version=found.persona.version, cause=BY_TEST)

    assert [d.field for d in found.differences] == ["contact:email"]
    assert list(rina.contacts.filter(type="email").values_list("normalized", flat=True)) == ["new@example.org"]


def test_contact_that_raven_has_besides_can_be_taken_and_not_pushed_away(
    linked: Any, rina: Persona, remote: Remote
) -> None:
    connection = linked("raven")
    update_persona(
        workspace=remote.workspace, persona_id=remote.person().pk, contacts=[ContactDraft("telegram", "@rina")],
        cause=BY_TEST,
    )  # fmt: skip
    found = seen(connection, rina)

    take_theirs(comparison=found, fields=["contact:telegram"], version=found.persona.version, cause=BY_TEST)

    assert [(d.field, bool(d.cannot_push), d.cannot_take) for d in found.differences] == [
        ("contact:telegram", True, "")
    ]
    assert rina.contacts.filter(type="telegram").exists()
    with pytest.raises(NothingChosen):
        push_ours(comparison=found, fields=["contact:telegram"], cause=BY_TEST)


def test_person_changed_meanwhile_is_not_overwritten(linked: Any, rina: Persona, remote: Remote) -> None:
    connection = linked("raven")
    change_there(remote, name="Rina H.")
    found = seen(connection, rina)
    update_persona(workspace=connection.workspace, persona_id=rina.pk, draft=PersonaDraft(notes="Newer"), cause=BY_TEST)

    with pytest.raises(VersionConflict):
        take_theirs(comparison=found, fields=["name"], version=found.persona.version, cause=BY_TEST)

    assert Persona.objects.get(pk=rina.pk).name == "Rina Hartono"


@pytest.mark.parametrize("platform", READABLE)
def test_record_that_is_gone_there_is_said_to_be_gone(
    linked: Any, rina: Persona, remote: Remote, platform: str
) -> None:
    connection = linked(platform)
    remote.person().delete()

    found = seen(connection, rina)

    assert (found.is_gone, found.trouble, found.is_same) == (True, None, False)
    assert (link_of(connection).drifted_at, link_of(connection).verified_at) == (AT, None)


def test_record_that_is_gone_is_added_again_by_pushing(linked: Any, rina: Persona, remote: Remote) -> None:
    connection = linked("raven")
    remote.person().delete()

    posted = push_ours(comparison=seen(connection, rina), fields=[], cause=BY_TEST)
    carry(posted[0])

    assert remote.person().name == "Rina Hartono"
    assert link_of(connection).remote_id == str(remote.person().pk)


def test_platform_that_cannot_be_read_is_neither_verified_nor_drifted(linked: Any, rina: Persona) -> None:
    connection = linked("raven")
    Connection.objects.filter(pk=connection.pk).update(base_url="http://127.0.0.1:9/raven")
    connection.refresh_from_db()

    found = seen(connection, rina)

    assert found.trouble is not None
    assert not found.is_same
    link = link_of(connection)
    assert (link.verified_at, link.drifted_at, link.unread_because) == (None, None, found.trouble.reason)


def test_person_without_a_record_there_has_nothing_to_compare(
    workspace: Workspace, remote: Remote, server: str, rina: Persona
) -> None:
    with pytest.raises(NotLinked):
        compare(connection=connect(workspace, remote, server, "raven"), persona_id=rina.pk, at=AT)


def test_difference_while_changes_are_on_their_way_is_no_drift(linked: Any, rina: Persona) -> None:
    connection = linked("raven")
    update_persona(workspace=connection.workspace, persona_id=rina.pk, draft=PersonaDraft(name="New"), cause=BY_TEST)

    found = seen(connection, rina)

    assert (found.is_on_its_way, [d.field for d in found.differences]) == (True, ["name"])
    assert link_of(connection).drifted_at is None


# ------------------------------------------------------------------------------------------------ the nightly check
def test_records_are_checked_once_a_night(linked: Any, remote: Remote) -> None:
    connection = linked("raven")
    change_there(remote, name="Rina H.")

    first, second = check_batch(connection, now=AT), check_batch(connection, now=AT + timedelta(hours=1))

    assert (first, second) == (Batch(1, is_over=True), Batch(0, is_over=True))
    assert (link_of(connection).checked_at, link_of(connection).drifted_fields) == (AT, ["name"])


def test_check_keeps_within_the_rate_and_leaves_half_of_it_to_deliveries(linked: Any, workspace: Workspace) -> None:
    connection = linked("raven")
    for number in range(2, 12):
        other = add_other(workspace, number)
        Link.objects.create(
            connection=connection, persona_id=other.pk, remote_id=f"{number}", checked_at=AT - timedelta(days=2)
        )
    Destination.objects.filter(pk=connection.destination_id).update(requests_per_minute=80)

    read = check_batch(connection, now=AT)

    destination = Destination.objects.get(pk=connection.destination_id)
    assert (read, destination.level) == (Batch(4, is_over=False), 4.0)
    assert Link.objects.filter(checked_at=AT).count() == 4


def test_nothing_is_read_while_the_connection_is_off(linked: Any) -> None:
    connection = linked("raven")
    Destination.objects.filter(pk=connection.destination_id).update(is_on=False)

    assert check_batch(connection, now=AT) == Batch(0, is_over=False)

    Destination.objects.filter(pk=connection.destination_id).update(is_on=True)
    assert check_batch(connection, now=AT) == Batch(1, is_over=True)


def test_platform_that_lets_nobody_in_is_asked_once(linked: Any, workspace: Workspace) -> None:
    connection = linked("raven")
    Link.objects.create(
        connection=connection, persona_id=add_other(workspace, 2).pk, remote_id="2", checked_at=AT - timedelta(days=1)
    )
    connection.sealed_credential = seal("rvn_wrong")

    read = check_batch(connection, now=AT)

    assert read == Batch(1, is_over=True)
    assert Link.objects.exclude(unread_because="").count() == 1


def test_night_is_that_of_the_workspace(linked: Any) -> None:
    connection = linked("raven")  # in Jakarta, seven hours before Greenwich

    hours = [hour for hour in range(24) if is_night(connection, now=datetime(2026, 11, 21, hour, 30, tzinfo=UTC))]

    assert hours == [18, 19, 20, 21]
    assert len(hours) == len(checking.NIGHT)


@pytest.mark.parametrize(("utc", "is_read"), [(9, False), (19, True)])
def test_task_reads_at_night_all_that_is_due(linked: Any, remote: Remote, utc: int, *, is_read: bool) -> None:
    connection = linked("raven")
    change_there(remote, name="Rina H.")

    with time_machine.travel(datetime(2026, 11, 21, utc, tzinfo=UTC)):
        check_links.func()

    assert (link_of(connection).drifted_fields == ["name"]) is is_read


def add_other(workspace: Workspace, number: int) -> Persona:
    return Persona.objects.create(workspace=workspace, name=f"Person {number}")
