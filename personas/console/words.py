"""What the fields of a person and their values are called in plain words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.formats import date_format
from django.utils.translation import gettext

from personas.editing import Value
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, AttributeType, ContactType, PersonaChange


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A change as a person reads it; an empty text stands for nothing."""

    change: PersonaChange
    label: str
    old: str
    new: str


class Words:
    """The words of one workspace, whose attributes have labels and types."""

    def __init__(self, definitions: Sequence[AttributeDefinition]) -> None:
        self._definitions: Mapping[str, AttributeDefinition] = {d.key: d for d in definitions}

    def changes(self, changes: Sequence[PersonaChange]) -> list[ShownChange]:
        return [
            ShownChange(
                change, self.label(change), self.shown(change.field, change.old), self.shown(change.field, change.new)
            )
            for change in changes
        ]

    def label(self, change: PersonaChange) -> str:
        definition = self._definition(change.field)
        return definition.label if definition else change.label

    def label_of_field(self, field: str, *values: Value) -> str:
        """Of a field of a sheet; a contact is called by the type that it has in the first of `values` that is one."""
        contact = next((value for value in values if isinstance(value, ContactDraft)), None)
        if contact is not None:
            return str(ContactType(contact.type).label)
        if field.startswith("contact:"):
            return gettext("Contact")
        return self.label(PersonaChange(field=field))

    def shown(self, field: str, value: Value) -> str:
        if isinstance(value, ContactDraft):
            address = f"{ContactType(value.type).label} {value.key}"
            return f"{address} ({value.label})" if value.label else address
        if not value:
            return ""
        if field == "type" and value in AttributeType.values:  # of an attribute, which an operation changes
            return str(AttributeType(value).label)
        definition = self._definition(field)
        kind = definition.type if definition else ""
        if kind == AttributeType.BOOLEAN:
            return {"true": gettext("Yes"), "false": gettext("No")}.get(value, value)
        if kind == AttributeType.DATE or field == "birthday":
            return _day(value)
        return value

    def _definition(self, field: str) -> AttributeDefinition | None:
        return self._definitions.get(field.removeprefix("attribute:")) if field.startswith("attribute:") else None


def _day(text: str) -> str:
    try:
        return date_format(date.fromisoformat(text), "j M Y")
    except ValueError:
        return text
