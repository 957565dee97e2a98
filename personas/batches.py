"""Many personas at once, by the rules of `personas.services`, in a fixed number of statements."""

from collections.abc import Sequence
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
        persona = new.persona
        changes = [("created", "", persona.name)]
        for name in ("gender", "birthday", "notes"):
            if value := getattr(persona, name):
                changes.append((name, "", str(value)))
        for key, given in new.attributes.items():
            if stored := parse_value(defined[key].type, given):
                values.append(AttributeValue(persona=persona, definition=defined[key], value=stored))
                changes.append((f"attribute:{key}", "", stored))
        for draft in new.contacts:
            normalized = normalise(draft.type, draft.key, country=workspace.country)
            contacts.append(
                Contact(
                    workspace=workspace, persona=persona, type=draft.type, label=draft.label, key=draft.key,
                    normalized=normalized,
                )
            )  # fmt: skip
            changes.append((f"contact:{draft.type}", "", normalized))
            if draft.label:
                changes.append((label_field(draft.type, normalized), "", draft.label))
        changes_of.append((persona, changes))
    with transaction.atomic():
        Persona.objects.bulk_create(personas)
        AttributeValue.objects.bulk_create(values)
        add_contacts(contacts)
        record_changes(changes_of, cause=cause, kind="persona.created")
    return personas
