"""What leaves for which connection, and what does not."""

from dataclasses import replace
from typing import Any

import pytest

from accounts.models import User, Workspace
from delivery.carriers import Refused
from delivery.models import Delivery
from personas.matching import ContactDraft
from personas.merging import merge_personas
from personas.services import PersonaDraft, add_persona, delete_persona, update_persona
from personas.unmerging import undo_merge
from platforms.carrying import sends_to
from platforms.connections import ConnectionDraft, add_connection, switch_connection
from platforms.models import Connection, Link
from tests.platforms.connecting import BY_TEST, add_rina, carry, send_to, waiting

pytestmark = pytest.mark.django_db


@pytest.fixture
def connecting(workspace: Workspace) -> Any:
    def made(platform: str, *carries: str) -> Connection:
        settings = {"bevatel": {"account_id": "7", "inbox_id": "3"}, "email": {"sender": "shop@example.org"}}
        draft = ConnectionDraft(
            platform, platform, f"https://{platform}.example.org", "hush-hush", carries=frozenset(carries),
            settings=settings.get(platform, {}),
        )  # fmt: skip
        return add_connection(workspace=workspace, draft=draft)

    return made


def test_change_leaves_for_each_connection_in_its_own_words(connecting: Any, workspace: Workspace) -> None:
    raven, bevatel = connecting("raven", "personas"), connecting("bevatel", "personas")

    add_rina(workspace, gender="female")

    assert waiting(raven)[0].payload["gender"] == "female"
    assert waiting(bevatel)[0].payload == {
        "name": "Rina Hartono", "phone_number": "+6281200000101", "email": "rina@example.org",
    }  # fmt: skip


def test_change_of_what_a_platform_lacks_does_not_leave_for_it(connecting: Any, workspace: Workspace) -> None:
    raven, bevatel = connecting("raven", "personas"), connecting("bevatel", "personas")
    rina = add_rina(workspace)

    update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(notes="VIP"), cause=BY_TEST)

    assert (len(waiting(raven)), len(waiting(bevatel))) == (2, 1)


def test_change_that_came_from_a_platform_is_not_sent_back(connecting: Any, workspace: Workspace) -> None:
    raven, bevatel = connecting("raven", "personas"), connecting("bevatel", "personas")
    rina = add_rina(workspace)
    cause = replace(BY_TEST, came_from=bevatel.destination_id)

    update_persona(workspace=workspace, persona_id=rina.pk, draft=PersonaDraft(name="R."), cause=cause)

    assert (len(waiting(raven)), len(waiting(bevatel))) == (2, 1)


def test_deletion_leaves_only_where_people_are_deleted(connecting: Any, workspace: Workspace) -> None:
    raven, bevatel = connecting("raven", "personas"), connecting("bevatel", "personas")
    rina = add_rina(workspace)
    Link.objects.create(connection=bevatel, persona_id=rina.pk, remote_id="7")

    delete_persona(workspace=workspace, persona_id=rina.pk, cause=BY_TEST)

    assert [d.kind for d in waiting(raven)] == ["persona.changed", "persona.deleted"]
    assert [d.kind for d in waiting(bevatel)] == ["persona.changed"]
    assert not Link.objects.exists()


def test_person_who_is_there_again_because_a_merge_was_undone_leaves_whole(
    connecting: Any, workspace: Workspace
) -> None:
    bevatel = connecting("bevatel", "personas")
    kept = add_persona(workspace=workspace, draft=PersonaDraft(name="R. H."), cause=BY_TEST)
    rina = add_rina(workspace)
    merge = merge_personas(workspace=workspace, kept_id=kept.pk, absorbed_id=rina.pk, cause=BY_TEST)
    Delivery.objects.all().delete()

    undo_merge(merge=merge, cause=BY_TEST)

    (again,) = [delivery for delivery in waiting(bevatel) if delivery.persona_id == rina.pk]
    assert again.payload == {
        "name": "Rina Hartono", "phone_number": "+6281200000101", "email": "rina@example.org",
    }  # fmt: skip


def test_each_type_of_contact_belongs_to_one_connection(connecting: Any) -> None:
    webhook = connecting("webhook", "messages")
    bevatel, email = connecting("bevatel", "messages"), connecting("email", "messages")

    assert sends_to(bevatel) == ["phone", "whatsapp"]
    assert sends_to(email) == ["email"]
    assert "telegram" in sends_to(webhook)
    assert {"phone", "whatsapp", "email"}.isdisjoint(sends_to(webhook))


def test_connection_that_is_on_sends_before_one_that_is_off(connecting: Any) -> None:
    first, second = connecting("bevatel", "messages"), connecting("raven", "messages")

    switch_connection(connection=first, on=False)

    assert sends_to(first) == []
    assert "whatsapp" in sends_to(second)


def test_person_deleted_before_sending_is_not_sent(connecting: Any, workspace: Workspace) -> None:
    raven = connecting("raven", "personas")
    rina = add_rina(workspace)
    delivery = waiting(raven)[0]
    delete_persona(workspace=workspace, persona_id=rina.pk, cause=BY_TEST)

    outcome, parcel = carry(delivery)

    assert isinstance(outcome, Refused)
    assert (outcome.code, parcel.calls) == ("persona_deleted", [])


def test_unreadable_credential_refuses_without_a_call(connecting: Any, workspace: Workspace, settings: Any) -> None:
    raven = connecting("raven", "personas")
    add_rina(workspace)
    settings.ENCRYPTION_KEYS = ["another-key-another-key-another-key"]

    outcome, parcel = carry(waiting(raven)[0])

    assert isinstance(outcome, Refused)
    assert (outcome.code, parcel.calls) == ("secret_unreadable", [])


def test_message_is_posted_once_for_its_recipient(connecting: Any, support_user: User) -> None:
    connecting("webhook", "messages")
    bevatel = connecting("bevatel", "messages")

    send_to(bevatel, "Hello", sender=support_user, to=ContactDraft("whatsapp", "+6281200000101"))

    assert [d.destination_id for d in Delivery.objects.filter(kind="message.sent")] == [bevatel.destination_id]
