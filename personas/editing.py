"""Several people edit one persona: what each of them changed is kept, and where two changed the same, one chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import Workspace
from personas.contacts import ContactKeyInvalid, normalise
from personas.history import Cause, label_field
from personas.matching import ContactDraft
from personas.models import Persona, PersonaChange
from personas.services import UNSET, ContactRefused, PersonaDraft, Unset, change_persona, get_persona
from raven_admin.errors import RavenError

Value = str | ContactDraft | None
Sheet = Mapping[str, Value]
"""The values of a persona as a form shows them: `name`, `gender`, `birthday` as `2026-11-21`, `notes`,
`attribute:<key>` as it is stored, and `contact:<id>`; what is missing, None and "" all say that there is nothing."""


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """One field that two people changed: what both saw, what is saved now, and what this one wants."""

    field: str
    base: Value
    theirs: Value
    mine: Value
    change: PersonaChange | None
    """The last one of the field, which says by whom and when."""


@dataclass(eq=False)
class EditConflict(RavenError):
    """Somebody else changed the same meanwhile, so nothing was saved yet."""

    code: ClassVar[str] = "edit_conflict"
    conflicts: list[FieldConflict]
    current: Sheet


@dataclass(frozen=True, slots=True)
class Edit:
    """What an edit changed, and the fields that others had changed since it began."""

    changes: list[PersonaChange]
    changed_by_others: list[str]


def sheet_of(persona: Persona) -> dict[str, Value]:
    """The values of `persona`, whose contacts and attributes are at hand."""
    sheet: dict[str, Value] = {
        "name": persona.name,
        "gender": persona.gender,
        "birthday": persona.birthday.isoformat() if persona.birthday else "",
        "notes": one_line_break(persona.notes),
    }
    sheet |= {f"attribute:{v.definition.key}": one_line_break(v.value) for v in persona.attributes.all()}
    return sheet | {f"contact:{c.pk}": ContactDraft(c.type, c.key, c.label) for c in persona.contacts.all()}


def one_line_break(text: str) -> str:
    """`text` with one notation of a line's end; browsers send another than they were given."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def edit_persona(
    *,
    workspace: Workspace,
    persona_id: int,
    seen: Sheet,
    wanted: Sheet,
    added: Sequence[ContactDraft] = (),
    cause: Cause,
) -> Edit:
    """Where `wanted` differs from `seen`, the persona is as wanted; all else stays, whoever changed it meanwhile.

    A contact that is None in `wanted` is taken away. `added` come beside the contacts that there are. Raises
    EditConflict, before anything is written, when a field is changed that somebody else changed to another value since
    it was seen; and the errors of `update_persona`.
    """
    with transaction.atomic():
        persona = get_persona(workspace_id=workspace.pk, persona_id=persona_id, lock=True)
        current = sheet_of(persona)
        mine = {field: value for field, value in wanted.items() if not _same(value, seen.get(field))}
        theirs = [field for field in {**seen, **current} if not _same(current.get(field), seen.get(field))]
        disputed = [f for f in theirs if f in mine and not _same(mine[f], current.get(f))]
        if disputed:
            found = [_conflict(persona, f, seen, current, mine[f], country=workspace.country) for f in disputed]
            raise EditConflict(found, current)
        wanted_contacts = {int(f.removeprefix("contact:")): v for f, v in mine.items() if f.startswith("contact:")}
        known = {pk: _draft_of(v) for pk, v in wanted_contacts.items() if f"contact:{pk}" in current}
        back = [v for pk, v in wanted_contacts.items() if pk not in known and isinstance(v, ContactDraft)]
        changes = change_persona(
            persona,
            country=workspace.country,
            draft=persona_draft(mine),
            contacts=[*added, *back],
            changed_contacts=known | _labels_of_present(persona, added, mine, country=workspace.country),
            cause=cause,
        )
        written = list(persona.changes.order_by("-id")[: len(changes)])[::-1]
    return Edit(written, [field for field in theirs if field not in mine])


def _labels_of_present(
    persona: Persona, added: Sequence[ContactDraft], mine: Sheet, *, country: str
) -> dict[int, ContactDraft | None]:
    """By id, contacts that are to be added but are there already, and get the label that they have not.

    Raises ContactRefused where one has another label: an addition that changes nothing would lose what was typed.
    """
    present = {(contact.type, contact.normalized): contact for contact in persona.contacts.all()}
    labelled: dict[int, ContactDraft | None] = {}
    for index, draft in enumerate(added):
        try:
            contact = present.get((draft.type, normalise(draft.type, draft.key, country=country)))
        except ContactKeyInvalid:
            continue  # refused where it would be added
        if contact is None or f"contact:{contact.pk}" in mine or draft.label in ("", contact.label):
            continue
        if contact.label:
            problem = _("“%(key)s” is there already, with the label “%(label)s”.")
            raise ContactRefused(index, problem % {"key": draft.key, "label": contact.label}, type=draft.type)
        labelled[contact.pk] = ContactDraft(contact.type, contact.key, draft.label)
    return labelled


def _same(one: Value, other: Value) -> bool:
    return (one or None) == (other or None)


def _draft_of(value: Value) -> ContactDraft | None:
    return value if isinstance(value, ContactDraft) else None


def persona_draft(values: Sheet) -> PersonaDraft:
    """What `values` say of the persona itself; its contacts are no part of it."""
    texts = {field: value or "" for field, value in values.items() if not isinstance(value, ContactDraft)}
    birthday: date | None | Unset = UNSET
    if "birthday" in texts:
        birthday = date.fromisoformat(texts["birthday"]) if texts["birthday"] else None
    return PersonaDraft(
        name=texts.get("name", UNSET),
        gender=texts.get("gender", UNSET),
        birthday=birthday,
        notes=texts.get("notes", UNSET),
        attributes={f.removeprefix("attribute:"): text for f, text in texts.items() if f.startswith("attribute:")},
    )


def _conflict(persona: Persona, field: str, seen: Sheet, current: Sheet, mine: Value, *, country: str) -> FieldConflict:
    base = seen.get(field)
    of_field = Q(field=field)
    if isinstance(base, ContactDraft):
        try:
            key = normalise(base.type, base.key, country=country)
        except ContactKeyInvalid:
            key = base.key
        of_field = Q(field__startswith="contact:", old=key) | Q(field=label_field(base.type, key))
    change = persona.changes.filter(of_field).order_by("-id").first()
    return FieldConflict(field, base, current.get(field), mine, change)
