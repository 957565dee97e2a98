"""What the rows of a file would do to the people who are there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Workspace
from personas.importing.cells import MAX_CONTACTS, Address, Problem, Said, Value, understood
from personas.importing.columns import Column
from personas.importing.formulas import Formula
from personas.matching import ContactDraft
from personas.models import Contact, OperationRow, Persona
from personas.services import PersonaDraft

Difference = list[str]
"""Field, old, new, as in history."""
Key = tuple[str, str]
"""Type and normalised key of a contact."""
Action = OperationRow.Action


@dataclass(slots=True)
class Verdict:
    """What one row would do, and what is in its way."""

    said: Said
    persona: Persona | None = None
    differences: list[Difference] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    new_contacts: list[ContactDraft] = field(default_factory=list)
    changed_contacts: dict[int, ContactDraft | None] = field(default_factory=dict)

    @property
    def action(self) -> OperationRow.Action:
        if self.problems:
            return Action.REFUSE
        if self.persona is None:
            return Action.CREATE
        return Action.CHANGE if self.differences else Action.SAME

    @property
    def draft(self) -> PersonaDraft:
        """The fields and attributes that would change."""
        fields: dict[str, Any] = {}
        attributes = {}
        for name, _old, new in self.differences:
            kind, _colon, key = name.partition(":")
            if kind == "attribute":
                attributes[key] = new
            elif kind != "contact":
                fields[name] = new
        if "birthday" in fields:
            fields["birthday"] = date.fromisoformat(fields["birthday"]) if fields["birthday"] else None
        return PersonaDraft(**fields, attributes=attributes)


def compare(
    rows: Sequence[Mapping[str, Value | Formula]],
    *,
    workspace: Workspace,
    columns: Mapping[str, Column],
    lock: bool = False,
) -> list[Verdict]:
    """A verdict on each, in four queries however many they are; with `lock`, nobody changes these people before the
    transaction ends."""
    verdicts = [Verdict(understood(values, columns, country=workspace.country)) for values in rows]
    for verdict in verdicts:
        verdict.problems += verdict.said.problems
    owners = _owners(workspace, {key for verdict in verdicts for key, _address in _addresses(verdict.said)})
    ids = {verdict.said.persona_id for verdict in verdicts} - {None} | {owner.persona_id for owner in owners.values()}
    people = _people(workspace, ids, lock=lock)
    for verdict in verdicts:
        _match(verdict, owners, people, columns)
        if verdict.persona is None:
            _see_new(verdict, columns)
        else:
            _see_changes(verdict)
    return verdicts


def _addresses(said: Said) -> Iterable[tuple[Key, Address]]:
    for type, addresses in said.contacts.items():
        for address in addresses:
            yield (type, address.normalized), address


def _owners(workspace: Workspace, keys: set[Key]) -> dict[Key, Contact]:
    types = {type for type, _normalized in keys}
    found = Contact.objects.filter(
        workspace=workspace, type__in=types, normalized__in={normalized for _type, normalized in keys}
    ).select_related("persona")
    return {(contact.type, contact.normalized): contact for contact in found}


def _people(workspace: Workspace, ids: set[Any], *, lock: bool) -> dict[int, Persona]:
    people = Persona.objects.filter(workspace=workspace, pk__in=ids).order_by("pk")
    if lock:
        people = people.select_for_update()
    return {persona.pk: persona for persona in people.prefetch_related("contacts", "attributes__definition")}


def _match(
    verdict: Verdict, owners: Mapping[Key, Contact], people: Mapping[int, Persona], columns: Mapping[str, Column]
) -> None:
    """By the ID where there is one, else by the contacts."""
    said = verdict.said
    owned = [(key, owners[key]) for key, _address in _addresses(said) if key in owners]
    if said.persona_id is not None:
        verdict.persona = people.get(said.persona_id)
        if verdict.persona is None:
            sentence = _("There is no person %(id)d in this workspace. To add somebody, leave the ID empty.")
            verdict.problems.append((columns["id"].title, sentence % {"id": said.persona_id}))
            return
    elif owned:
        verdict.persona = people.get(owned[0][1].persona_id)
    for (type, normalized), contact in owned:
        if verdict.persona is None or contact.persona_id == verdict.persona.pk:
            continue
        sentence = _("%(key)s belongs to %(name)s (ID %(id)d)") % {
            "key": normalized, "name": contact.persona.name, "id": contact.persona_id
        }  # fmt: skip
        if said.persona_id is None:
            sentence += _(", and another address of this row to %(name)s (ID %(id)d)") % {
                "name": verdict.persona.name, "id": verdict.persona.pk
            }  # fmt: skip
        verdict.problems.append((columns[f"contact:{type}"].title, f"{sentence}."))


def _see_new(verdict: Verdict, columns: Mapping[str, Column]) -> None:
    said = verdict.said
    name_title = columns["name"].title
    if not said.fields.get("name", "") and name_title not in {title for title, _sentence in verdict.problems}:
        verdict.problems.append((name_title, _("A persona needs a name.")))
    verdict.differences += [[name, "", new] for name, new in said.fields.items() if new]
    verdict.differences += [[f"attribute:{key}", "", new] for key, new in said.attributes.items() if new]
    for (type, normalized), address in _addresses(said):
        verdict.differences.append([f"contact:{type}", "", normalized])
        verdict.new_contacts.append(ContactDraft(type, address.key))


def _see_changes(verdict: Verdict) -> None:
    persona, said = verdict.persona, verdict.said
    assert persona is not None  # noqa: S101 - the caller has looked
    for name, new in said.fields.items():
        old = str(getattr(persona, name) or "")
        if not _is_same(old, new):
            verdict.differences.append([name, old, new])
    stored = {value.definition.key: value.value for value in persona.attributes.all()}
    for key, new in said.attributes.items():
        if not _is_same(stored.get(key, ""), new):
            verdict.differences.append([f"attribute:{key}", stored.get(key, ""), new])
    for type, addresses in said.contacts.items():
        _see_contacts(verdict, type, addresses, [c for c in persona.contacts.all() if c.type == type])
    count = len(persona.contacts.all()) + len(verdict.new_contacts)
    if count - list(verdict.changed_contacts.values()).count(None) > MAX_CONTACTS:
        verdict.problems.append(("", _("A person has at most %(limit)d contacts.") % {"limit": MAX_CONTACTS}))


def _see_contacts(verdict: Verdict, type: str, wanted: Sequence[Address], present: Sequence[Contact]) -> None:
    """A row with the person's ID has all contacts of a kind in its cell; one without only adds to them.

    An address that takes another's place keeps the messages that went there.
    """
    known, kept = {contact.normalized for contact in present}, {address.normalized for address in wanted}
    added = [address for address in wanted if address.normalized not in known]
    is_whole = verdict.said.persona_id is not None or not wanted
    gone = [contact for contact in present if contact.normalized not in kept] if is_whole else []
    for contact, address in zip(gone, added, strict=False):
        verdict.changed_contacts[contact.pk] = ContactDraft(type, address.key, contact.label)
        verdict.differences.append([f"contact:{type}", contact.normalized, address.normalized])
    for contact in gone[len(added) :]:
        verdict.changed_contacts[contact.pk] = None
        verdict.differences.append([f"contact:{type}", contact.normalized, ""])
    for address in added[len(gone) :]:
        verdict.new_contacts.append(ContactDraft(type, address.key))
        verdict.differences.append([f"contact:{type}", "", address.normalized])


def _is_same(stored: str, said: str) -> bool:
    """Whatever line ends a spreadsheet makes."""
    return stored == said or stored.replace("\r\n", "\n") == said.replace("\r\n", "\n")
