"""Many personas at once, by the rules of `personas.services`, in a fixed number of statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from accounts.models import Workspace
from personas.attributes import parse_value
from personas.contacts import normalise
from personas.history import Cause, Change, label_field, record_changes
from personas.matching import ContactDraft, add_contacts
from personas.models import AttributeDefinition, AttributeValue, Contact, Persona


@dataclass(frozen=True, slots=True)
class NewPersona:
    """All that is known of somebody to add."""

    persona: Persona
    """Not stored yet; its name and fields are checked already."""
    attributes: dict[str, str]
    contacts: Sequence[ContactDraft]


def add_personas(*, workspace: Workspace, people: Sequence[NewPersona], cause: Cause) -> list[Persona]:
    """These personas exist, with history and events as if `add_persona` had added each.

    The caller has found nothing wrong with any of them. When somebody else takes one of their contacts at the same
    moment it is an IntegrityError, and none of them exists; `add_persona` then says for each what is the matter.
    """
    defined = {definition.key: definition for definition in AttributeDefinition.objects.filter(workspace=workspace)}
    personas = [new.persona for new in people]
    for persona in personas:
        persona.workspace, persona.created_at, persona.updated_at = workspace, cause.at, cause.at
    contacts: list[Contact] = []
    values: list[AttributeValue] = []
    changes_of: list[tuple[Persona, list[Change]]] = []
    for new in people:
        own_values, own_contacts = _values_of(new, defined), _contacts_of(new, workspace)
        values += own_values
        contacts += own_contacts
        changes_of.append((new.persona, _history_of(new.persona, own_values, own_contacts)))
    with transaction.atomic():
        Persona.objects.bulk_create(personas)
        AttributeValue.objects.bulk_create(values)
        add_contacts(contacts)
        record_changes(changes_of, cause=cause, kind="persona.created")
    return personas


def _values_of(new: NewPersona, defined: Mapping[str, AttributeDefinition]) -> list[AttributeValue]:
    stored = {key: parse_value(defined[key].type, given) for key, given in new.attributes.items()}
    return [
        AttributeValue(persona=new.persona, definition=defined[key], value=value)
        for key, value in stored.items()
        if value
    ]


def _contacts_of(new: NewPersona, workspace: Workspace) -> list[Contact]:
    return [
        Contact(
            workspace=workspace, persona=new.persona, type=draft.type, label=draft.label, key=draft.key,
            normalized=normalise(draft.type, draft.key, country=workspace.country),
        )
        for draft in new.contacts
    ]  # fmt: skip


def _history_of(persona: Persona, values: Sequence[AttributeValue], contacts: Sequence[Contact]) -> list[Change]:
    changes = [("created", "", persona.name)]
    for name in ("gender", "birthday", "notes"):
        if value := getattr(persona, name):
            changes.append((name, "", str(value)))
    changes += [(f"attribute:{value.definition.key}", "", value.value) for value in values]
    for contact in contacts:
        changes.append((f"contact:{contact.type}", "", contact.normalized))
        if contact.label:
            changes.append((label_field(contact.type, contact.normalized), "", contact.label))
    return changes
