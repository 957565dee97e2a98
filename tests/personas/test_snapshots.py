"""A persona deleted and brought back, compared row by row over every table there is."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from accounts.models import User, Workspace
from messaging.models import Message, Recipient, Topic
from personas import snapshots
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import (
    AttributeDefinition,
    AttributeValue,
    Contact,
    DuplicatePair,
    Merge,
    Origin,
    Persona,
    SearchDocument,
)
from personas.services import PersonaDraft, add_persona
from platforms.models import ContactSession
from tokens.models import Token

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, 15, 123457, tzinfo=UTC)
CAUSE = Cause(origin=Origin.PERSON, actor_label="Budi", at=AT)


def every_row(*, but: tuple[type[Model], ...] = ()) -> dict[str, list[Any]]:
    """All rows of all our tables."""
    ours = {"accounts", "tokens", "personas", "messaging", "platforms", "delivery"}
    rows = {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.app_label in ours and model not in but
    }
    for document in rows[SearchDocument._meta.label]:  # PostgreSQL puts its lines in any order
        document["text"] = sorted(document["text"].split("\n"))
    return rows


@pytest.fixture
def city(workspace: Workspace) -> AttributeDefinition:
    return AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")


@pytest.fixture
def persona(workspace: Workspace, city: AttributeDefinition, token: Token, support_user: User) -> Persona:
    """With a row in every table that a persona can have rows in."""
    draft = PersonaDraft("Rina “R” 👩‍🦰 رينا", "f", date(1990, 2, 28), "=1+1\nsecond line", {"city": "Jakarta"})
    contacts = [ContactDraft("whatsapp", "0812 0000 0101"), ContactDraft("email", "Rina@Example.org", "Home")]
    persona = add_persona(workspace=workspace, draft=draft, contacts=contacts, cause=CAUSE)
    other = add_persona(workspace=workspace, draft=PersonaDraft("Sari"), cause=CAUSE)
    own = Topic.objects.create(workspace=workspace, type="persona", name="Order", persona=persona)
    mass = Topic.objects.create(workspace=workspace, type="mass", name="News")
    for topic in (own, mass):
        message = Message.objects.create(
            workspace=workspace, topic=topic, direction="incoming", sender_persona=persona, sender_name="Rina",
            text="Hello", created_at=AT,
        )  # fmt: skip
        Recipient.objects.create(message=message, persona=persona, contact=persona.contacts.all()[0])
    ContactSession.objects.create(workspace=workspace, persona=persona, source_id="abc")
    Token.objects.filter(pk=token.pk).update(bound_persona=persona)
    DuplicatePair.objects.create(workspace=workspace, first=persona, second=other, reason="same_number")
    Merge.objects.create(workspace=workspace, kept=persona, absorbed_id=99, absorbed_name="R", before={"a": [1, None]})
    return persona


def test_a_deleted_persona_comes_back_byte_for_byte_in_every_table(persona: Persona) -> None:
    before = every_row()

    persona_id = persona.pk
    snapshot = json.loads(json.dumps(snapshots.take_all([persona])[persona_id]))
    persona.delete()
    assert every_row() != before
    restored = snapshots.restore_all({persona_id: snapshot})[persona_id]

    assert every_row() == before
    assert (restored.persona.name, restored.left_out) == ("Rina “R” 👩‍🦰 رينا", {})


def test_many_are_taken_and_restored_in_as_many_queries_as_one(workspace: Workspace, persona: Persona) -> None:
    persona_id = persona.pk
    with CaptureQueriesContext(connection) as taking_one:
        snapshots.take_all([persona])
    with CaptureQueriesContext(connection) as taking_two:
        taken = snapshots.take_all(list(Persona.objects.all()))
    assert (len(taken), len(taking_two)) == (2, len(taking_one) + 1)  # who they are is the one more
    before = every_row()
    persona.delete()
    with CaptureQueriesContext(connection) as restoring_one:
        snapshots.restore_all({persona_id: taken[persona_id]})
    Persona.objects.all().delete()

    with CaptureQueriesContext(connection) as restoring_two:
        snapshots.restore_all(taken)

    assert every_row() == before
    assert len(restoring_two) <= len(restoring_one) + 1  # one more pointer


def test_a_persona_that_is_there_is_not_brought_back_over_itself(persona: Persona) -> None:
    taken = snapshots.take_all([persona])
    Persona.objects.filter(pk=persona.pk).update(name="Rina H.")

    assert snapshots.restore_all(taken) == {}
    assert Persona.objects.get(pk=persona.pk).name == "Rina H."


def test_what_is_taken_or_gone_meanwhile_stays_away_and_the_rest_comes_back(
    workspace: Workspace, persona: Persona, city: AttributeDefinition
) -> None:
    persona_id, taken = persona.pk, snapshots.take_all([persona])
    persona.delete()
    add_persona(
        workspace=workspace, draft=PersonaDraft("New owner"), contacts=[ContactDraft("whatsapp", "+6281200000101")],
        cause=CAUSE,
    )  # fmt: skip
    Message.objects.all().delete()
    AttributeDefinition.objects.filter(pk=city.pk).update(type="number")

    restored = snapshots.restore_all(taken)[persona_id]

    left_out = {label: len(ids) for label, ids in restored.left_out.items()}
    assert left_out == {"personas.Contact": 1, "messaging.Recipient": 1, "personas.AttributeValue": 1}
    assert list(Contact.objects.filter(persona=restored.persona).values_list("normalized", flat=True)) == [
        "rina@example.org"
    ]
    assert not AttributeValue.objects.exists()


@pytest.fixture(autouse=True)
def _constraints_hold() -> Iterator[None]:
    """Foreign keys are checked at the end of a transaction, which a test never reaches."""
    yield
    connection.check_constraints()
