"""A person and a message as platforms get them: plain values, read once, so that mapping them is pure computation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from messaging.models import Recipient
from personas.attributes import json_value
from personas.models import Persona

FIELDS = ("name", "gender", "birthday", "notes")


@dataclass(frozen=True, slots=True)
class Address:
    """A contact: its type, its key in the one notation, and its label."""

    type: str
    key: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Attribute:
    type: str
    value: str
    """As it is stored; see `AttributeValue.value`."""

    @property
    def json(self) -> str | int | float | bool:
        return json_value(self.type, self.value)


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    name: str
    gender: str = ""
    birthday: date | None = None
    notes: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    addresses: tuple[Address, ...] = ()

    def first(self, *types: str) -> Address | None:
        """The first address of these types, in the order of the types."""
        return next((a for type in types for a in self.addresses if a.type == type), None)

    def of_type(self, type: str) -> list[Address]:
        return [address for address in self.addresses if address.type == type]

    @property
    def known_fields(self) -> list[str]:
        """The fields of which something is known, as `PersonaChange.field` names them."""
        return [
            *(name for name in FIELDS if getattr(self, name)),
            *(f"attribute:{key}" for key in self.attributes),
            *dict.fromkeys(f"contact:{address.type}" for address in self.addresses),
        ]


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message on its way to one address of one person."""

    text: str
    topic_type: str
    topic_name: str
    sender: str
    person: Person
    to: Address
    template: Mapping[str, Any] | None = None
    """`name`, `language` and `parameters` of the template that the text was made from, if it was."""


def person_of(persona_id: int) -> Person | None:
    """The persona as it is now; None when it has been deleted."""
    found = Persona.objects.filter(pk=persona_id).prefetch_related("contacts", "attributes__definition").first()
    return None if found is None else as_person(found)


def as_person(persona: Persona) -> Person:
    return Person(
        id=persona.pk,
        name=persona.name,
        gender=persona.gender,
        birthday=persona.birthday,
        notes=persona.notes,
        attributes={v.definition.key: Attribute(v.definition.type, v.value) for v in persona.attributes.all()},
        addresses=tuple(Address(c.type, c.normalized, c.label) for c in persona.contacts.all()),
    )


def message_to(recipient_id: int, *, template: Mapping[str, Any] | None = None) -> OutgoingMessage | None:
    """What goes to this recipient; None when the message or the contact has been deleted."""
    found = (
        Recipient.objects.filter(pk=recipient_id)
        .select_related("message__topic", "contact", "persona")
        .prefetch_related("persona__contacts", "persona__attributes__definition")
        .first()
    )
    if found is None or found.contact is None:
        return None
    return OutgoingMessage(
        text=found.message.text,
        topic_type=found.message.topic.type,
        topic_name=found.message.topic.name,
        sender=found.message.sender_name,
        person=as_person(found.persona),
        to=Address(found.contact.type, found.contact.normalized, found.contact.label),
        template=template,
    )


def changed_fields(fields: Iterable[str], person: Person) -> list[str]:
    """`fields` of a change without repetition; of a new person, all that is known."""
    given = list(dict.fromkeys(fields))
    return person.known_fields if "created" in given else given
