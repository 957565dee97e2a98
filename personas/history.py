"""Who changed what about a persona: one row a field, and one event for whoever follows along."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from delivery import events, outbox
from delivery.carriers import Occurrence
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
    came_from: int | None = None
    """The id of the destination that told us, which is not told in turn; None: nobody did."""


def label_field(type: str, normalized: str) -> str:
    """The field that the label of a contact is in history; of a very long key, only its beginning."""
    return f"contact_label:{type}:{normalized}"[:100]


def record_changes(changes_of: Sequence[tuple[Persona, Sequence[Change]]], *, cause: Cause, kind: str) -> None:
    """The changes of these personas, all of one workspace, are history and leave for whatever is connected.

    As part of the caller's transaction.
    """
    if not changes_of:
        return
    ids_of: dict[int, list[int]] = {}
    for change in PersonaChange.objects.bulk_create(_rows(changes_of, cause)):
        ids_of.setdefault(change.persona_id, []).append(change.pk)
    events.record_all(
        workspace_id=changes_of[0][0].workspace_id,
        kind=kind,
        data_of_each=[
            {"persona": persona.pk, "version": persona.version, "fields": [change[0] for change in changes]}
            for persona, changes in changes_of
        ],
        at=cause.at,
    )
    outbox.announce(
        [
            _occurrence(persona.workspace_id, persona.pk, kind, cause, changes, ids_of.get(persona.pk, ()))
            for persona, changes in changes_of
        ],
        to=outbox.PERSONAS,
    )


def record_deletions(personas: Sequence[Persona], *, cause: Cause, merged_into: int | None = None) -> None:
    """That these personas, all of one workspace, go is told to whoever follows along and leaves for what is connected.

    To be called while they are still there, as part of the caller's transaction.
    """
    if not personas:
        return
    workspace_id, kind = personas[0].workspace_id, "persona.deleted"
    merged = {} if merged_into is None else {"merged_into": merged_into}
    data_of = {persona.pk: {"persona": persona.pk, **merged} for persona in personas}
    events.record_all(workspace_id=workspace_id, kind=kind, data_of_each=data_of.values(), at=cause.at)
    gone = [_occurrence(workspace_id, pk, kind, cause, data=data) for pk, data in data_of.items()]
    outbox.announce(gone, to=outbox.PERSONAS)


def _rows(changes_of: Sequence[tuple[Persona, Sequence[Change]]], cause: Cause) -> list[PersonaChange]:
    return [
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
    ]


def _occurrence(
    workspace_id: int,
    persona_id: int,
    kind: str,
    cause: Cause,
    changes: Sequence[Change] = (),
    change_ids: Sequence[int] = (),
    data: Mapping[str, Any] | None = None,
) -> Occurrence:
    return Occurrence(
        workspace_id=workspace_id,
        kind=kind,
        subject_id=persona_id,
        at=cause.at,
        actor_label=cause.actor_label,
        request_id=cause.request_id,
        changes=changes,
        change_ids=change_ids,
        data=data or {},
        came_from=cause.came_from,
    )
