"""Who changed what about a persona: one row a field, and one event for whoever follows along."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from delivery import events
from personas.models import Origin, Persona, PersonaChange

Change = tuple[str, str, str]
"""Field, old, new; see `PersonaChange.field`."""


@dataclass(frozen=True, slots=True)
class Cause:
    """By whom, when, and in which call or operation (empty, None: in none) something is changed."""

    origin: Origin
    actor_label: str
    at: datetime
    request_id: str = ""
    operation_id: int | None = None


def label_field(type: str, normalized: str) -> str:
    """The field that the label of a contact is in history; of a very long key, only its beginning."""
    return f"contact_label:{type}:{normalized}"[:100]


def record_changes(changes_of: Sequence[tuple[Persona, Sequence[Change]]], *, cause: Cause, kind: str) -> None:
    """The changes of these personas, all of one workspace, are history, as part of the caller's transaction."""
    PersonaChange.objects.bulk_create(
        PersonaChange(
            workspace_id=persona.workspace_id,
            persona=persona,
            field=field,
            old=old,
            new=new,
            origin=cause.origin,
            actor_label=cause.actor_label,
            request_id=cause.request_id,
            operation_id=cause.operation_id,
            happened_at=cause.at,
        )
        for persona, changes in changes_of
        for field, old, new in changes
    )
    if changes_of:
        events.record_all(
            workspace_id=changes_of[0][0].workspace_id,
            kind=kind,
            data_of_each=[
                {"persona": persona.pk, "version": persona.version, "fields": [change[0] for change in changes]}
                for persona, changes in changes_of
            ],
            at=cause.at,
        )
