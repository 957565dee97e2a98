from dataclasses import replace
from typing import Any

import pytest

from accounts.models import Workspace
from personas.models import AttributeDefinition
from platforms.connections import ConnectionDraft, add_connection
from platforms.models import Link
from platforms.people import Address, Attribute, Person
from platforms.previews import Reach, previews

pytestmark = pytest.mark.django_db
RINA = Person(
    id=17,
    name="Rina Hartono",
    gender="female",
    attributes={"city": Attribute("text", "Bandung")},
    addresses=(Address("whatsapp", "+6281200000101", "Main"),),
)


@pytest.fixture
def reaches(workspace: Workspace) -> Any:
    """Previews of a change, by platform."""
    AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")
    numbers = {"account_id": "7", "inbox_id": "3"}
    for platform in ("raven", "chative", "bevatel"):
        draft = ConnectionDraft(
            platform, platform, f"https://{platform}.example.org", "hush-hush-hush", carries=frozenset({"personas"}),
            settings=numbers if platform == "bevatel" else {},
        )  # fmt: skip
        add_connection(workspace=workspace, draft=draft)

    def showing(person: Person, *fields: str) -> dict[str, Reach]:
        found = previews(workspace=workspace, person=person, fields=fields)
        return {reach.connection.platform: reach for reach in found}

    return showing


def test_change_of_a_linked_person_shows_the_one_call_each_platform_gets(reaches: Any) -> None:
    for reach in reaches(RINA, "name").values():
        Link.objects.create(connection=reach.connection, persona_id=17, remote_id="42")

    found = reaches(RINA, "name")

    assert {key: [(c.method, c.url) for c in reach.calls] for key, reach in found.items()} == {
        "raven": [("POST", "https://raven.example.org/persona:update")],
        "chative": [("PATCH", "https://chative.example.org/contacts/42")],
        "bevatel": [("PUT", "https://bevatel.example.org/api/v1/accounts/7/contacts/42")],
    }
    assert '"firstName": "Rina"' in found["chative"].calls[0].body
    assert "hush" not in str(found)


def test_person_who_is_nowhere_yet_shows_the_search_and_the_adding(reaches: Any) -> None:
    found = reaches(RINA, "name")

    assert [(c.method, c.url.rpartition("/")[2]) for c in found["raven"].calls] == [
        ("GET", "persona?contact=%2B6281200000101"), ("POST", "persona:add"),
    ]  # fmt: skip
    assert [c.method for c in found["bevatel"].calls] == ["GET", "POST"]
    assert found["chative"].calls == []
    assert "can't add people" in found["chative"].reason


def test_field_that_a_platform_lacks_is_named_with_the_reason(reaches: Any) -> None:
    found = reaches(replace(RINA, notes="VIP"), "gender", "notes", "contact:whatsapp")

    assert {key: [u.field for u in reach.unreached] for key, reach in found.items()} == {
        "raven": [],
        "chative": ["notes", "contact:whatsapp"],
        "bevatel": ["gender", "notes"],
    }
