"""What Raven's endpoints share: from wire to domain and back."""

from collections.abc import Sequence
from typing import Any

from messaging.models import Location, Message, Topic
from messaging.topics import TopicDraft
from personas.attributes import json_value
from personas.matching import ContactDraft, RecipientDraft
from personas.models import Persona
from platforms.raven.server import wire
from tokens.endpoints import Answer


def said(data: Any, notification: str, *, version: int | None = None) -> Answer:
    """The success body; `version` becomes the ETag."""
    headers = {} if version is None else {"ETag": f'"{version}"'}
    return Answer({"data": data, "notification": notification}, headers=headers)


def listed(data: Sequence[Any], notification: str, *, next: str | None) -> Answer:
    """The success body of one page of a list."""
    return Answer({"data": data, "notification": notification, "next": next})


def contact_drafts(contacts: Sequence[wire.Contact]) -> list[ContactDraft]:
    return [ContactDraft(type=contact.type, key=contact.key, label=contact.name) for contact in contacts]


def recipient_drafts(recipients: Sequence[wire.Recipient]) -> list[RecipientDraft]:
    """A recipient without a name is called by their first contact."""
    drafts = []
    for recipient in recipients:
        contacts = contact_drafts(recipient.contact)
        drafts.append(RecipientDraft(recipient.name.strip() or (contacts[0].key if contacts else ""), contacts))
    return drafts


def topic_draft(topic: wire.Topic | None) -> TopicDraft | None:
    return TopicDraft(topic.type, topic.name) if topic else None


def persona_data(persona: Persona) -> wire.PersonaData:
    """`persona` with its contacts and attributes; prefetched where a list needs it."""
    return wire.PersonaData(
        id=persona.pk,
        name=persona.name,
        gender=persona.gender,
        birthday=persona.birthday,
        notes=persona.notes,
        attribute={v.definition.key: json_value(v.definition.type, v.value) for v in persona.attributes.all()},
        contact=[
            wire.ContactData(id=c.pk, type=c.type, name=c.label, key=c.key, normalized=c.normalized)
            for c in persona.contacts.all()
        ],
        version=persona.version,
        created_at=persona.created_at,
        updated_at=persona.updated_at,
    )


def topic_data(topic: Topic) -> wire.TopicData:
    return wire.TopicData(
        id=topic.pk,
        type=topic.type,
        name=topic.name,
        status=topic.status,
        persona=topic.persona_id,
        created_at=topic.created_at,
        updated_at=topic.updated_at,
    )


def message_data(message: Message) -> wire.MessageData:
    return wire.MessageData(
        id=message.pk,
        topic=message.topic_id,
        direction=message.direction,
        sender=message.sender_name,
        persona=message.sender_persona_id,
        message=message.text,
        recipient=[
            wire.RecipientData(persona=r.persona_id, contact=r.contact_id, state=r.state)
            for r in message.recipients.all()
        ],
        created_at=message.created_at,
    )


def location_data(location: Location) -> wire.LocationData:
    return wire.LocationData(
        id=location.pk,
        name=location.name,
        code=location.code,
        address=location.address,
        phone=location.phone,
        time_zone=location.time_zone,
        is_open=location.is_open,
        version=location.version,
    )
