"""Putting an earlier value back: what the history of a persona shows becomes what is true again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar

from django.utils.translation import gettext as _

from accounts.models import Workspace
from personas.history import Cause, label_field
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, AttributeValue, Contact, ContactType, Persona, PersonaChange
from personas.services import PersonaDraft, PersonaNotFound, update_persona
from raven_admin.errors import RavenError

_TEXTS = ("name", "gender", "notes")


@dataclass(eq=False)
class ChangeNotFound(RavenError):
    """There is no such change in this persona's history."""

    code: ClassVar[str] = "change_not_found"


@dataclass(eq=False)
class NothingToPutBack(RavenError):
    """This change can't be put back: {reason}"""

    code: ClassVar[str] = "nothing_to_put_back"
    reason: str


@dataclass(frozen=True, slots=True)
class Restoration:
    """What putting a value back would do to a persona: `field` is `now` and becomes `then`; "" stands for empty."""

    change: PersonaChange
    now: str
    then: str
    draft: PersonaDraft = field(default_factory=PersonaDraft)
    contacts: tuple[ContactDraft, ...] = ()
    changed_contacts: Mapping[int, ContactDraft] = field(default_factory=dict)

    @property
    def is_there(self) -> bool:
        """Whether the value is the present one already."""
        return self.now == self.then


class Present:
    """What a persona is like now, read once for a whole page of its history."""

    def __init__(self, persona: Persona) -> None:
        self.persona = persona
        self.definitions = {d.key: d for d in AttributeDefinition.objects.filter(workspace=persona.workspace_id)}
        values = AttributeValue.objects.filter(persona=persona)
        self.values = dict(values.values_list("definition_id", "value"))
        self.contacts: dict[tuple[str, str], Contact] = {
            (contact.type, contact.normalized): contact for contact in persona.contacts.all()
        }


def plan_restoration(change: PersonaChange, *, present: Present) -> Restoration:
    """What it takes to have the old value of `change` back. Raises NothingToPutBack."""
    kind, _colon, key = change.field.partition(":")
    if kind in _TEXTS:
        if kind == "name" and not change.old:
            raise NothingToPutBack(_("a persona needs a name."))
        old: dict[str, Any] = {kind: change.old}
        draft = PersonaDraft(**old)
        return Restoration(change, str(getattr(present.persona, kind)), change.old, draft)
    if kind == "birthday":
        born = date.fromisoformat(change.old) if change.old else None
        now = present.persona.birthday
        return Restoration(change, now.isoformat() if now else "", change.old, PersonaDraft(birthday=born))
    if kind == "attribute":
        return _of_attribute(change, key, present)
    if kind == "contact" and key in ContactType.values:
        return _of_contact(change, key, present)
    if kind == "contact_label":
        return _of_contact_label(change, present)
    raise NothingToPutBack(_("it is not the value of a field."))


def restore_value(
    *, workspace: Workspace, persona_id: int, change_id: int, version: int | None = None, cause: Cause
) -> Restoration:
    """The persona has the old value of that change again, which is a change of its own; returns what was done.

    `version` is the one the caller saw. Raises PersonaNotFound, ChangeNotFound, NothingToPutBack, and the errors of
    `update_persona`: ContactTaken when an address is somebody else's by now, AttributeValueInvalid when the attribute
    has another type.
    """
    persona = Persona.objects.filter(workspace=workspace, pk=persona_id).first()
    if persona is None:
        raise PersonaNotFound(persona_id=persona_id)
    change = PersonaChange.objects.filter(persona=persona, pk=change_id).first()
    if change is None:
        raise ChangeNotFound
    plan = plan_restoration(change, present=Present(persona))
    update_persona(
        workspace=workspace,
        persona_id=persona_id,
        draft=plan.draft,
        contacts=plan.contacts,
        changed_contacts=plan.changed_contacts,
        version=version,
        cause=cause,
    )
    return plan


def _of_attribute(change: PersonaChange, key: str, present: Present) -> Restoration:
    definition = present.definitions.get(key)
    if definition is None:
        raise NothingToPutBack(_("the attribute does not exist any more."))
    now = present.values.get(definition.pk, "")
    return Restoration(change, now, change.old, PersonaDraft(attributes={key: change.old}))


def _of_contact(change: PersonaChange, type: str, present: Present) -> Restoration:
    if not change.old:
        raise NothingToPutBack(_("there was no address before it. Take the contact away on the persona’s page."))
    if (type, change.old) in present.contacts:
        return Restoration(change, change.old, change.old)
    replacing = present.contacts.get((type, change.new)) if change.new else None
    if replacing is not None:
        draft = ContactDraft(type, change.old, replacing.label)
        return Restoration(change, change.new, change.old, changed_contacts={replacing.pk: draft})
    return Restoration(change, "", change.old, contacts=(ContactDraft(type, change.old, _old_label(change)),))


def _of_contact_label(change: PersonaChange, present: Present) -> Restoration:
    for contact in present.contacts.values():
        if label_field(contact.type, contact.normalized) == change.field:
            draft = ContactDraft(contact.type, contact.key, change.old)
            return Restoration(change, contact.label, change.old, changed_contacts={contact.pk: draft})
    raise NothingToPutBack(_("the contact is not there any more. Put that back first."))


def _old_label(change: PersonaChange) -> str:
    """The label that a contact lost together with its place."""
    _contact, _colon, type = change.field.partition(":")
    lost = PersonaChange.objects.filter(
        persona=change.persona_id, field=label_field(type, change.old), new="", happened_at=change.happened_at
    )
    return str(lost.values_list("old", flat=True).first() or "")
