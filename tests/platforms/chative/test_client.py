"""The client of Chative's API, against our own server for it, over real HTTP."""

from datetime import date, timedelta

import pytest

from accounts.models import Workspace
from delivery.carriers import Delivered, Refused, Temporary
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, Persona
from personas.services import PersonaDraft, add_persona, delete_persona, update_persona
from platforms.chative.server.mapping import uuid_of
from platforms.contract import Job, Target
from platforms.models import Connection, Link
from platforms.people import person_of
from platforms.registry import platform_of
from platforms.transport import Exchange
from tests.platforms.connecting import BY_TEST, Remote, add_rina, bring_in, carry, connect, waiting

pytestmark = pytest.mark.django_db(transaction=True)
TYPES = {"city": "text", "age": "number", "vip": "boolean", "since": "date"}


@pytest.fixture
def there(remote: Remote) -> Persona:
    """Rina, as she is on the platform already."""
    for key, type in TYPES.items():
        AttributeDefinition.objects.create(workspace=remote.workspace, key=key, label=key, type=type)
    return add_persona(
        workspace=remote.workspace,
        draft=PersonaDraft(name="R."),
        contacts=[ContactDraft("email", "rina@example.org")],
        cause=BY_TEST,
    )


@pytest.fixture
def connection(workspace: Workspace, remote: Remote, server: str) -> Connection:
    for key, type in TYPES.items():
        AttributeDefinition.objects.create(workspace=workspace, key=key, label=key, type=type)
    return connect(workspace, remote, server, "chative")


def test_people_are_linked_by_the_list(connection: Connection, workspace: Workspace, there: Persona) -> None:
    rina = add_rina(workspace)

    bring_in(connection)

    assert Link.objects.values_list("persona_id", "remote_id").get() == (rina.pk, uuid_of(there.pk))


def test_six_fields_and_four_types_of_custom_fields_arrive(
    connection: Connection, workspace: Workspace, there: Persona
) -> None:
    rina = add_rina(workspace)
    bring_in(connection)
    update_persona(
        workspace=workspace,
        persona_id=rina.pk,
        draft=PersonaDraft(
            name="Rina Ayu Hartono",
            gender="female",
            birthday=date(1990, 5, 17),
            attributes={"city": "Bandung", "age": 36.5, "vip": True, "since": "2023-05-02"},
        ),
        contacts=[ContactDraft("phone", "+6281200000109")],
        cause=BY_TEST,
    )

    outcome, parcel = carry(waiting(connection)[-1])

    found = Persona.objects.get(pk=there.pk)
    assert outcome == Delivered(uuid_of(there.pk))
    assert [call.method for call in parcel.calls] == ["PATCH"]
    assert (found.name, found.gender, found.birthday) == ("Rina Ayu Hartono", "female", date(1990, 5, 17))
    assert {v.definition.key: v.value for v in found.attributes.all()} == {
        "city": "Bandung", "age": "36.5", "vip": "true", "since": "2023-05-02",
    }  # fmt: skip
    assert {c.normalized for c in found.contacts.all()} == {"rina@example.org", "+6281200000109"}


def test_cleared_fields_are_cleared_there(connection: Connection, workspace: Workspace, there: Persona) -> None:
    rina = add_rina(workspace, gender="female", attributes={"city": "Bandung"})
    bring_in(connection)
    update_persona(
        workspace=workspace,
        persona_id=rina.pk,
        draft=PersonaDraft(gender="", attributes={"city": ""}),
        changed_contacts={rina.contacts.get(type="email").pk: None},
        cause=BY_TEST,
    )

    outcome, _parcel = carry(waiting(connection)[-1])

    found = Persona.objects.get(pk=there.pk)
    assert isinstance(outcome, Delivered)
    assert (found.gender, found.attributes.count(), found.contacts.count()) == ("", 0, 0)


def test_person_who_is_not_there_waits_for_nothing(connection: Connection, workspace: Workspace) -> None:
    add_rina(workspace)

    assert waiting(connection) == []


def test_person_deleted_here_is_deleted_there(connection: Connection, workspace: Workspace, there: Persona) -> None:
    rina = add_rina(workspace)
    bring_in(connection)
    delete_persona(workspace=workspace, persona_id=rina.pk, cause=BY_TEST)

    outcome, parcel = carry(waiting(connection)[-1])

    assert isinstance(outcome, Delivered)
    assert [(call.method, call.status) for call in parcel.calls] == [("DELETE", 200)]
    assert not Persona.objects.filter(pk=there.pk).exists()


def test_address_of_somebody_else_is_refused_with_what_the_platform_says(
    connection: Connection, workspace: Workspace, remote: Remote, there: Persona
) -> None:
    add_persona(
        workspace=remote.workspace,
        draft=PersonaDraft(name="Joko"),
        contacts=[ContactDraft("phone", "+6281200000109")],
        cause=BY_TEST,
    )
    rina = add_rina(workspace)
    Link.objects.create(connection=connection, persona_id=rina.pk, remote_id=uuid_of(there.pk))
    update_persona(
        workspace=workspace, persona_id=rina.pk, contacts=[ContactDraft("phone", "+6281200000109")], cause=BY_TEST
    )

    outcome, _parcel = carry(waiting(connection)[-1])

    assert isinstance(outcome, Refused)
    assert outcome.code == "http_409"
    assert "already belongs to Joko" in outcome.reason


def test_what_chative_cannot_take_is_named(workspace: Workspace, remote: Remote) -> None:
    rina = add_rina(workspace, notes="VIP")
    update_persona(
        workspace=workspace, persona_id=rina.pk, contacts=[ContactDraft("email", "second@example.org")], cause=BY_TEST
    )
    person = person_of(rina.pk)
    assert person is not None

    unreached = platform_of("chative").cannot_reach(person, person.known_fields)

    assert {u.field for u in unreached} == {"notes", "contact:whatsapp", "contact:email"}


def test_rate_limit_without_a_header_waits_the_published_minute() -> None:
    chative = platform_of("chative")
    call = next(chative.probe(job_of_nothing()))

    trouble = chative.trouble(call, Exchange("GET", "", {}, "", 429, {}, "", 1.0))

    assert trouble == Temporary("http_429", "Too many calls.", timedelta(minutes=1))


def job_of_nothing() -> Job:

    return Job(Target("https://api.chative.io/v1.0"))
