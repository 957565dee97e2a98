"""From the recipients a caller describes to the personas they are, made where nobody knows them yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from personas.contacts import ContactKeyInvalid, normalise
from personas.history import Cause, Change, record_changes
from personas.models import Contact, ContactType, Persona
from raven_admin.errors import RavenError
from raven_admin.statements import Statement

_TYPES = frozenset(ContactType.values)


@dataclass(eq=False)
class ContactTypeInvalid(RavenError):
    """Contact {contact_index} of recipient {recipient_index} has the unknown type “{type}”. Known are: {known}."""

    code: ClassVar[str] = "contact_type_invalid"
    recipient_index: int
    contact_index: int
    type: str
    known: str


@dataclass(eq=False)
class RecipientContactInvalid(RavenError):
    """Contact {contact_index} of recipient {recipient_index}: {reason}"""

    code: ClassVar[str] = "contact_key_invalid"
    recipient_index: int
    contact_index: int
    reason: str


@dataclass(eq=False)
class RecipientAmbiguous(RavenError):
    """The contacts of recipient {recipient_index} belong to two personas: {first} and {second}. Send to one of them."""

    code: ClassVar[str] = "recipient_ambiguous"
    recipient_index: int
    first: str
    second: str


@dataclass(eq=False)
class RecipientRepeated(RavenError):
    """Recipients {first_index} and {recipient_index} are the same persona: {name}. Name each recipient once."""

    code: ClassVar[str] = "recipient_repeated"
    first_index: int
    recipient_index: int
    name: str


@dataclass(frozen=True, slots=True)
class ContactDraft:
    type: str
    key: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class RecipientDraft:
    """A person as a caller describes them: matched by their contacts, made when no contact is known yet."""

    name: str
    contacts: Sequence[ContactDraft]


@dataclass(frozen=True, slots=True)
class Matched:
    """The persona a draft turned out to be, and the contacts it named, in its order."""

    persona_id: int
    contacts: tuple[tuple[int, "Key"], ...]
    """The id of each, and its key."""


Key = tuple[str, str]
"""Type and normalised key of a contact."""


@dataclass(frozen=True, slots=True)
class Known:
    """A contact that exists, and whose it is."""

    contact_id: int
    persona_id: int


_CONTACT_OF_KEY = """
    SELECT contact.type, contact.normalized, contact.id AS contact_id, contact.persona_id FROM personas_contact contact
     WHERE contact.workspace_id = %(workspace_id)s AND contact.type = {type} AND contact.normalized = {normalized}
"""
# There is at most one contact of a key; said so, PostgreSQL asks the index for each, where else it might read all.
_EACH_IN_POSTGRESQL = """
    SELECT known.* FROM jsonb_array_elements(%(keys)s::jsonb) wanted CROSS JOIN LATERAL ({contact} LIMIT 1) known
"""
SELECT_KNOWN = {
    "sqlite": _CONTACT_OF_KEY.format(
        type="json_extract(wanted.value, '$[0]')", normalized="json_extract(wanted.value, '$[1]')"
    ).replace("FROM", "FROM json_each(%(keys)s) wanted CROSS JOIN"),
    "postgresql": _EACH_IN_POSTGRESQL.format(
        contact=_CONTACT_OF_KEY.format(type="wanted.value ->> 0", normalized="wanted.value ->> 1")
    ),
}
"""The query that finds who is known of `keys`, by database; for statements that look for more at the same time."""
_KNOWN = Statement(**SELECT_KNOWN)


def keys_of_people(people: Sequence[RecipientDraft], *, country: str) -> list[list[Key]]:
    """The keys of each draft's contacts. Raises ContactTypeInvalid and RecipientContactInvalid."""
    for index, person in enumerate(people):
        for at, contact in enumerate(person.contacts):
            if contact.type not in _TYPES:
                raise ContactTypeInvalid(index, at, contact.type, ", ".join(ContactType.values))
    keys: list[list[Key]] = []
    for index, person in enumerate(people):
        keys.append([])
        for at, contact in enumerate(person.contacts):
            try:
                key = (contact.type, normalise(contact.type, contact.key, country=country))
            except ContactKeyInvalid as error:
                raise RecipientContactInvalid(index, at, str(error)) from None
            if key in keys[index]:
                raise RecipientContactInvalid(
                    index, at, _("“%(key)s” stands in this recipient twice.") % {"key": contact.key}
                )
            keys[index].append(key)
    return keys


def as_json(keys: Sequence[Sequence[Key]]) -> str:
    """All `keys` as the parameter of SELECT_KNOWN."""
    return msgspec.json.encode([key for of_person in keys for key in of_person]).decode()


def match_or_add_people(
    *,
    workspace_id: int,
    people: Sequence[RecipientDraft],
    keys: Sequence[Sequence[Key]],
    known: dict[Key, Known] | None = None,
    cause: Cause,
) -> list[Matched]:
    """Each draft's persona and contacts exist; what was missing is made, what existed keeps its name.

    `keys` are `keys_of_people`, at least one for each; `known` is given by a caller that has just looked. Runs in the
    caller's transaction. Raises RecipientAmbiguous and RecipientRepeated before anything is written.
    """
    for _attempt in range(3):
        if known is None:
            found = _KNOWN.rows(workspace_id=workspace_id, keys=as_json(keys))
            known = {(type, normalized): Known(*rest) for type, normalized, *rest in found}
        _check_distinct(people, keys, known)
        if any(key not in known for of_person in keys for key in of_person):
            try:
                with transaction.atomic():
                    known = known | _make_missing(workspace_id, people, keys, known, cause)
            except IntegrityError:
                known = None  # another call has just made one of these contacts
                continue
        return [
            Matched(known[of_person[0]].persona_id, tuple((known[key].contact_id, key) for key in of_person))
            for of_person in keys
        ]
    raise IntegrityError("contacts of the same people keep being added and removed")


def owners_of(workspace_id: int, keys: Sequence[Key]) -> dict[Key, Persona]:
    """Whose each of `keys` is; without those that are nobody's."""
    types, normalized = {type for type, _key in keys}, {key for _type, key in keys}
    found = Contact.objects.filter(workspace=workspace_id, type__in=types, normalized__in=normalized)
    return {(contact.type, contact.normalized): contact.persona for contact in found.select_related("persona")}


_NUMBERS = Statement("SELECT nextval('personas_contact_id_seq') FROM generate_series(1, %(count)s)")


def add_contacts(contacts: Sequence[Contact]) -> None:
    """These contacts exist; a persona's first one stays its first. Raises IntegrityError when one is somebody's.

    PostgreSQL gets them in the same order from everybody. Two calls that add the same addresses, each in an order of
    its own, would otherwise wait for each other until one of them is refused.
    """
    if len(contacts) > 1 and connection.vendor == "postgresql":
        numbers = sorted(number for (number,) in _NUMBERS.rows(count=len(contacts)))
        for contact, number in zip(contacts, numbers, strict=True):
            contact.pk = number
        contacts = sorted(contacts, key=lambda contact: (contact.type, contact.normalized))
    Contact.objects.bulk_create(contacts)


def _check_distinct(
    people: Sequence[RecipientDraft], keys: Sequence[Sequence[Key]], known: Mapping[Key, Known]
) -> None:
    seen_at: dict[int | Key, int] = {}
    for index, person in enumerate(people):
        personas = list(dict.fromkeys(known[key].persona_id for key in keys[index] if key in known))
        if len(personas) > 1:
            names = dict(Persona.objects.filter(pk__in=personas).values_list("pk", "name"))
            first, second, *_more = (f"{names.get(pk, '')} (persona {pk})" for pk in personas)
            raise RecipientAmbiguous(index, first, second)
        identities: list[int | Key] = [*personas, *keys[index]]
        for identity in identities:
            if seen_at.setdefault(identity, index) != index:
                raise RecipientRepeated(seen_at[identity], index, person.name)


def _make_missing(
    workspace_id: int,
    people: Sequence[RecipientDraft],
    keys: Sequence[Sequence[Key]],
    known: Mapping[Key, Known],
    cause: Cause,
) -> dict[Key, Known]:
    """The contacts that were not `known` exist."""
    growing = _lock_those_who_grow(keys, known)
    made: list[Persona] = []
    personas: list[Persona | None] = []
    """Of each recipient; None: somebody who is known with all these contacts."""
    for person, of_person in zip(people, keys, strict=True):
        match = next((known[key] for key in of_person if key in known), None)
        if match is None:
            made.append(Persona(workspace_id=workspace_id, name=person.name, created_at=cause.at, updated_at=cause.at))
        personas.append(growing.get(match.persona_id) if match else made[-1])
    Persona.objects.bulk_create(made)
    contacts = {
        key: Contact(
            workspace_id=workspace_id, persona=persona, type=key[0], label=draft.label, key=draft.key, normalized=key[1]
        )
        for person, of_person, persona in zip(people, keys, personas, strict=True)
        for draft, key in zip(person.contacts, of_person, strict=True)
        if key not in known
    }
    add_contacts(list(contacts.values()))
    grown: dict[Persona, list[Change]] = {}
    for key, contact in contacts.items():
        grown.setdefault(contact.persona, []).append((f"contact:{key[0]}", "", key[1]))
    _record_growth(made, grown, cause)
    return {key: Known(contact.pk, contact.persona.pk) for key, contact in contacts.items()}


def _lock_those_who_grow(keys: Sequence[Sequence[Key]], known: Mapping[Key, Known]) -> dict[int, Persona]:
    """The known personas who get a contact, by their ids; nobody changes them before the transaction ends.

    Raises IntegrityError when one of them is gone.
    """
    growing = {
        known[key].persona_id
        for of_person in keys
        if any(key not in known for key in of_person)
        for key in of_person
        if key in known
    }
    if not growing:
        return {}
    # no_key, because others write to these people too, and may be who a second call has locked, which waits for us.
    locked = Persona.objects.select_for_update(no_key=True).filter(pk__in=growing).order_by("pk")
    found = locked.in_bulk()
    if len(found) < len(growing):
        raise IntegrityError("a persona was deleted meanwhile")
    return found


def _record_growth(made: Sequence[Persona], grown: Mapping[Persona, Sequence[Change]], cause: Cause) -> None:
    """History of new personas, and of known ones that got a contact."""
    created = [(persona, [("created", "", persona.name), *grown[persona]]) for persona in made]
    record_changes(created, cause=cause, kind="persona.created")
    new = set(made)
    known = [(persona, changes) for persona, changes in grown.items() if persona not in new]
    if known:
        Persona.objects.filter(pk__in=[persona.pk for persona, _changes in known]).update(
            version=F("version") + 1, updated_at=cause.at
        )
    for persona, _changes in known:
        persona.version += 1
    record_changes(known, cause=cause, kind="persona.updated")
