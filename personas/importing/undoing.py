"""An import taken back, but for what was changed since."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Workspace
from personas.history import Cause
from personas.importing.cells import Said
from personas.importing.columns import columns_of
from personas.importing.comparing import Action, Verdict
from personas.matching import ContactDraft
from personas.models import Contact, OperationRow, Persona
from personas.privacy import conversations, erase_all
from personas.services import change_persona
from raven_admin.errors import RavenError

State = OperationRow.State


def put_back(workspace: Workspace, rows: Sequence[OperationRow], *, cause: Cause) -> None:
    """People whom the import added are deleted unless somebody did something with them since; of the others, each field
    that is still as imported is as it was before."""
    titles = {column.key: column.title for column in columns_of(workspace)}
    ids = [row.persona_id for row in rows if row.persona_id is not None]
    people = Persona.objects.select_for_update().filter(workspace=workspace, pk__in=ids).order_by("pk")
    by_id = {persona.pk: persona for persona in people.prefetch_related("contacts", "attributes__definition")}
    added = [by_id[pk] for row in rows if row.action == Action.CREATE and (pk := row.persona_id or 0) in by_id]
    used = conversations().with_conversations(added)
    unused: list[Persona] = []
    for row in rows:
        persona = by_id.get(row.persona_id or 0)
        if persona is None:
            problems = [("", _("This person was deleted since."))]
            row.persona, row.values, row.differences, row.persona_name = None, {}, [], ""
        elif row.action == Action.CREATE:
            problems = _why_it_stays(row, persona, is_used=persona.pk in used)
            if not problems:
                unused.append(persona)
                row.persona = None
        else:
            problems = _change_back(row, persona, workspace, titles, cause=cause)
        row.state = State.KEPT if problems else State.UNDONE
        row.problems = [list(problem) for problem in problems]
    erase_all(unused, cause=cause)


def _why_it_stays(row: OperationRow, persona: Persona, *, is_used: bool) -> list[tuple[str, str]]:
    if persona.version != (row.before or {}).get("version"):
        return [("", _("This person was edited since, so it is not deleted."))]
    if is_used:
        return [("", _("There are messages with this person by now, so it is not deleted."))]
    return []


def _change_back(
    row: OperationRow, persona: Persona, workspace: Workspace, titles: dict[str, str], *, cause: Cause
) -> list[tuple[str, str]]:
    back = Verdict(Said())
    problems = []
    typed: dict[str, list[str]] = (row.before or {}).get("contacts", {})
    for field, old, new in row.differences:
        if field.startswith("attribute:") and field not in titles:
            problems.append((field.removeprefix("attribute:"), _("The attribute was deleted since.")))
            continue
        now = _current(persona, field, new)
        if isinstance(now, Contact) or (field.startswith("contact:") and new == ""):
            _contact_back(back, now, field.partition(":")[2], old, typed)
        elif now == new:
            back.differences.append([field, new, old])
        else:
            sentence = _("It is “%(now)s” by now, so it stays.") if now else _("It was taken away since.")
            problems.append((titles.get(field, field), sentence % {"now": now} if now else sentence))
    try:
        with transaction.atomic():
            change_persona(
                persona, country=workspace.country, draft=back.draft, contacts=back.new_contacts,
                changed_contacts=back.changed_contacts, cause=cause,
            )  # fmt: skip
    except RavenError as refusal:
        return [("", str(refusal))]
    return problems


def _current(persona: Persona, field: str, imported: str) -> Any:
    """The text there is now; of a contact the row that has the imported address, or ""."""
    kind, _colon, detail = field.partition(":")
    if kind == "contact":
        present = (c for c in persona.contacts.all() if (c.type, c.normalized) == (detail, imported))
        return next(present, "")
    if kind == "attribute":
        return next((value.value for value in persona.attributes.all() if value.definition.key == detail), "")
    return str(getattr(persona, field) or "")


def _contact_back(back: Verdict, now: Contact | str, type: str, old: str, typed: dict[str, list[str]]) -> None:
    key, label = typed.get(f"{type}:{old}", [old, ""])
    if isinstance(now, Contact):
        back.changed_contacts[now.pk] = ContactDraft(type, key, label) if old else None
    else:
        back.new_contacts.append(ContactDraft(type, key, label))
