"""What happens to personas, each in one transaction that also writes history and an event."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from accounts.models import Workspace
from personas.attributes import parse_value
from personas.contacts import ContactKeyInvalid, normalise
from personas.history import Cause, Change, label_field, record_changes
from personas.matching import ContactDraft, Key, add_contacts, owners_of
from personas.models import AttributeDefinition, AttributeValue, Contact, ContactType, DeletionReceipt, Merge, Persona
from personas.privacy import erase
from raven_admin.errors import RavenError

MAX_CONTACTS = 50


@dataclass(eq=False)
class PersonaNotFound(RavenError):
    """There is no persona {persona_id} in this workspace."""

    code: ClassVar[str] = "persona_not_found"
    persona_id: int
    merged_into: int | None = None
    """The persona that this one is part of since a merge."""

    def __str__(self) -> str:
        if self.merged_into is None:
            return super().__str__()
        return f"{super().__str__()} " + _("It was merged into persona %(id)d.") % {"id": self.merged_into}


@dataclass(eq=False)
class VersionConflict(RavenError):
    """Somebody else changed it meanwhile: it is at version {current}, not {given}. Read it again first."""

    code: ClassVar[str] = "version_conflict"
    current: int
    given: int


@dataclass(eq=False)
class NameMissing(RavenError):
    """A persona needs a name."""

    code: ClassVar[str] = "name_missing"


@dataclass(eq=False)
class AttributeUnknown(RavenError):
    """There is no attribute “{key}” in this workspace. Defined are: {known}."""

    code: ClassVar[str] = "attribute_unknown"
    key: str
    known: str


@dataclass(eq=False)
class AttributeValueInvalid(RavenError):
    """The attribute “{key}” {problem}"""

    code: ClassVar[str] = "attribute_value_invalid"
    key: str
    problem: str


@dataclass(eq=False)
class ContactRefused(RavenError):
    """Contact {contact_index}: {problem}"""

    code: ClassVar[str] = "contact_refused"
    contact_index: int
    problem: str
    field: str = "key"
    type: str = ""
    contact_id: int | None = None
    """Of a contact that was there before; None of one to be added, whose place among those is the index."""


@dataclass(eq=False)
class ContactTaken(RavenError):
    """{type} {key} already belongs to {persona_name} (persona {persona_id})."""

    code: ClassVar[str] = "contact_taken"
    contact_index: int
    type: str
    key: str
    persona_id: int
    persona_name: str
    contact_id: int | None = None
    """As in ContactRefused."""


class Unset:
    """Marks a field that a change leaves as it is."""


UNSET = Unset()


@dataclass(frozen=True, slots=True)
class PersonaDraft:
    """What is known of a persona; UNSET fields stay as they are, None and empty values clear."""

    name: str | Unset = UNSET
    gender: str | None | Unset = UNSET
    birthday: date | None | Unset = UNSET
    notes: str | None | Unset = UNSET
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """By key: a value of the attribute's type; None and "" clear."""


def add_persona(
    *, workspace: Workspace, draft: PersonaDraft, contacts: Sequence[ContactDraft] = (), cause: Cause
) -> Persona:
    """A new persona with these contacts exists.

    Raises NameMissing, AttributeUnknown, AttributeValueInvalid, ContactRefused, and ContactTaken when a contact is
    somebody's already.
    """
    if not isinstance(draft.name, str) or not draft.name.strip():
        raise NameMissing
    with transaction.atomic():
        persona = Persona.objects.create(
            workspace=workspace, name=draft.name.strip(), created_at=cause.at, updated_at=cause.at
        )
        changes = [("created", "", persona.name)]
        changes += _apply_fields(persona, draft) + _apply_attributes(persona, draft.attributes)
        changes += _add_contacts(persona, contacts, country=workspace.country)
        record_changes([(persona, changes)], cause=cause, kind="persona.created")
    return persona


def update_persona(
    *,
    workspace: Workspace,
    persona_id: int,
    draft: PersonaDraft = PersonaDraft(),
    contacts: Sequence[ContactDraft] = (),
    changed_contacts: Mapping[int, ContactDraft | str | None] | None = None,
    version: int | None = None,
    cause: Cause,
) -> Persona:
    """The persona has these values and, beside its own, these contacts; a call that changes nothing leaves no trace.

    `changed_contacts` has, by the ids of the persona's contacts, what each becomes; a text is a new key alone. The
    messages to them stay with them. None takes the contact away; what was sent to it stays.
    `version` is the one the caller saw, None to change whatever is there. Raises PersonaNotFound, VersionConflict and
    the errors of `add_persona`.
    """
    with transaction.atomic():
        persona = _locked(workspace.pk, persona_id, version)
        change_persona(
            persona, country=workspace.country, draft=draft, contacts=contacts,
            changed_contacts=changed_contacts or {}, cause=cause,
        )  # fmt: skip
    return persona


def change_persona(
    persona: Persona,
    *,
    country: str,
    draft: PersonaDraft,
    contacts: Sequence[ContactDraft],
    changed_contacts: Mapping[int, ContactDraft | str | None],
    cause: Cause,
) -> list[Change]:
    """As `update_persona`, of a persona that the caller's transaction has locked; returns what changed."""
    changes = _apply_fields(persona, draft) + _apply_attributes(persona, draft.attributes)
    changes += _change_contacts(persona, changed_contacts, country=country)
    changes += _add_contacts(persona, contacts, country=country)
    if changes:
        Persona.objects.filter(pk=persona.pk).update(version=F("version") + 1, updated_at=cause.at)
        persona.version += 1
        persona.updated_at = cause.at
        record_changes([(persona, changes)], cause=cause, kind="persona.updated")
    return changes


def delete_persona(
    *, workspace: Workspace, persona_id: int, version: int | None = None, cause: Cause
) -> DeletionReceipt:
    """The persona, its contacts, its own topics and their messages are gone; the receipt says so without its name.

    Raises PersonaNotFound and VersionConflict.
    """
    with transaction.atomic():
        return erase(_locked(workspace.pk, persona_id, version, to_delete=True), cause=cause)


def taken_contacts(
    *, workspace: Workspace, drafts: Sequence[ContactDraft], persona_id: int | None = None
) -> list[ContactTaken]:
    """The refusals that these contacts, whose keys are valid, would get: all of those that are another persona's."""
    keys = [(draft.type, normalise(draft.type, draft.key, country=workspace.country)) for draft in drafts]
    owners = {key: owner for key, owner in owners_of(workspace.pk, keys).items() if owner.pk != persona_id}
    return [
        ContactTaken(index, draft.type, draft.key, owners[key].pk, owners[key].name)
        for index, (draft, key) in enumerate(zip(drafts, keys, strict=True))
        if key in owners
    ]


def persona_missing(*, workspace_id: int, persona_id: int) -> PersonaNotFound:
    """The refusal of a persona that is not there, which says what became of it where a merge took it."""
    merges = Merge.objects.filter(workspace=workspace_id, absorbed_id=persona_id, undone_at=None).order_by("-pk")
    return PersonaNotFound(persona_id, merged_into=merges.values_list("kept_id", flat=True).first())


def get_persona(*, workspace_id: int, persona_id: int, lock: bool = False) -> Persona:
    """The persona with its contacts and attributes at hand; with `lock`, nobody changes it before the transaction ends.

    Raises PersonaNotFound.
    """
    personas = Persona.objects.select_for_update(no_key=True) if lock else Persona.objects.all()
    found = (
        personas.filter(workspace=workspace_id, pk=persona_id)
        .prefetch_related("contacts", "attributes__definition")
        .first()
    )
    if found is None:
        raise persona_missing(workspace_id=workspace_id, persona_id=persona_id)
    return found


def _locked(workspace_id: int, persona_id: int, version: int | None, *, to_delete: bool = False) -> Persona:
    # Messages to somebody who only changes need not wait, and whoever sends one may be waited for.
    personas = Persona.objects.select_for_update(no_key=not to_delete)
    found = personas.filter(workspace=workspace_id, pk=persona_id).first()
    if found is None:
        raise persona_missing(workspace_id=workspace_id, persona_id=persona_id)
    if version is not None and found.version != version:
        raise VersionConflict(current=found.version, given=version)
    return found


def _apply_fields(persona: Persona, draft: PersonaDraft) -> list[Change]:
    changes = []
    for name in (f.name for f in fields(draft) if f.name != "attributes"):
        new = getattr(draft, name)
        if isinstance(new, Unset):
            continue
        if name == "name":
            new = (new or "").strip()
            if not new:
                raise NameMissing
        elif new is None and name != "birthday":
            new = ""
        old = getattr(persona, name)
        if old != new:
            setattr(persona, name, new)
            changes.append((name, str(old or ""), str(new or "")))
    if changes:
        persona.save(update_fields=[name for name, _old, _new in changes])
    return changes


def _apply_attributes(persona: Persona, values: Mapping[str, Any]) -> list[Change]:
    if not values:
        return []
    defined = {d.key: d for d in AttributeDefinition.objects.filter(workspace=persona.workspace_id)}
    present = {v.definition_id: v for v in persona.attributes.all()}
    changes = []
    for key, given in values.items():
        definition = defined.get(key)
        if definition is None:
            raise AttributeUnknown(key=key, known=", ".join(defined) or _("none yet"))
        try:
            new = parse_value(definition.type, given)
        except ValueError as error:
            raise AttributeValueInvalid(key=key, problem=str(error)) from None
        had = present.get(definition.pk)
        old = had.value if had else ""
        if old == new:
            continue
        if new == "":
            AttributeValue.objects.filter(persona=persona, definition=definition).delete()
        else:
            AttributeValue.objects.update_or_create(persona=persona, definition=definition, defaults={"value": new})
        changes.append((f"attribute:{key}", old, new))
    return changes


def _change_contacts(
    persona: Persona, wanted: Mapping[int, ContactDraft | str | None], *, country: str
) -> list[Change]:
    """Those that go first, so that another contact may take the address of one."""
    changes = []
    contacts = persona.contacts.filter(pk__in=wanted) if wanted else []
    for index, contact in enumerate(sorted(contacts, key=lambda contact: wanted[contact.pk] is not None)):
        draft = wanted[contact.pk]
        if draft is None:
            changes += _remove_contact(contact)
        else:
            if isinstance(draft, str):
                draft = ContactDraft(contact.type, draft, contact.label)
            changes += _change_contact(contact, draft, index=index, country=country)
    return changes


def _remove_contact(contact: Contact) -> list[Change]:
    field = label_field(contact.type, contact.normalized)
    contact.delete()
    changes = [(field, contact.label, "")] if contact.label else []
    return [*changes, (f"contact:{contact.type}", contact.normalized, "")]


def _change_contact(contact: Contact, draft: ContactDraft, *, index: int, country: str) -> list[Change]:
    had_type, had, had_label = contact.type, contact.normalized, contact.label
    if (draft.type, draft.key) == (contact.type, contact.key):
        now = had  # the workspace's country may be another since
    else:
        now = _normalised(draft, index=index, country=country, contact_id=contact.pk)
    is_same_address = (had_type, had) == (draft.type, now)
    if is_same_address and draft.label == had_label:
        return []
    contact.type, contact.normalized, contact.label = draft.type, now, draft.label
    contact.key = contact.key if is_same_address else draft.key
    try:
        with transaction.atomic():
            contact.save(update_fields=["type", "key", "normalized", "label"])
    except IntegrityError:
        owner = owners_of(contact.workspace_id, [(draft.type, now)]).get((draft.type, now))
        if owner is None:  # whoever had it has it no more
            raise
        raise _taken(owner, draft, index=index, contact=contact) from None
    changes = []
    if had_type != draft.type:
        changes = [(f"contact:{had_type}", had, ""), (f"contact:{draft.type}", "", now)]
    elif not is_same_address:
        changes = [(f"contact:{draft.type}", had, now)]
    if draft.label != had_label:
        changes.append((label_field(draft.type, now), had_label, draft.label))
    return changes


def _taken(owner: Persona, draft: ContactDraft, *, index: int, contact: Contact) -> ContactTaken | ContactRefused:
    if owner.pk == contact.persona_id:
        problem = _("“%(key)s” is here twice.") % {"key": draft.key}
        return ContactRefused(index, problem, type=draft.type, contact_id=contact.pk)
    return ContactTaken(index, draft.type, draft.key, owner.pk, owner.name, contact.pk)


def _normalised(draft: ContactDraft, *, index: int, country: str, contact_id: int | None = None) -> str:
    if draft.type not in ContactType.values:
        problem = _("“%(type)s” is no type of contact. The types are: %(known)s.") % {
            "type": draft.type, "known": ", ".join(ContactType.values)
        }  # fmt: skip
        raise ContactRefused(index, problem, "type", draft.type, contact_id)
    try:
        return normalise(draft.type, draft.key, country=country)
    except ContactKeyInvalid as error:
        raise ContactRefused(index, str(error), type=draft.type, contact_id=contact_id) from None


def _add_contacts(persona: Persona, drafts: Sequence[ContactDraft], *, country: str) -> list[Change]:
    """Adds the contacts that the persona does not have yet; one that it has is no error."""
    if not drafts:
        return []
    if len(drafts) > MAX_CONTACTS:
        raise ContactRefused(MAX_CONTACTS, _("at most %(limit)d contacts at a time.") % {"limit": MAX_CONTACTS})
    keys = [(draft.type, _normalised(draft, index=index, country=country)) for index, draft in enumerate(drafts)]
    wanted: dict[Key, ContactDraft] = {}
    for key, draft in zip(keys, drafts, strict=True):
        wanted.setdefault(key, draft)
    present = _present(persona, drafts, keys)
    new = [
        Contact(
            workspace_id=persona.workspace_id, persona=persona, type=type, normalized=normalized,
            label=draft.label, key=draft.key,
        )
        for (type, normalized), draft in wanted.items() if (type, normalized) not in present
    ]  # fmt: skip
    try:
        with transaction.atomic():
            add_contacts(new)
    except IntegrityError:
        _present(persona, drafts, keys)  # another call took one a moment ago
        raise
    if new and Contact.objects.filter(persona=persona).count() > MAX_CONTACTS:
        problem = _("a persona has at most %(limit)d contacts.") % {"limit": MAX_CONTACTS}
        raise ContactRefused(len(drafts) - 1, problem)
    return [(f"contact:{contact.type}", "", contact.normalized) for contact in new]


def _present(persona: Persona, drafts: Sequence[ContactDraft], keys: Sequence[Key]) -> Collection[Key]:
    """Those of `keys` that the persona has. Raises ContactTaken for the first that is another's."""
    owners = owners_of(persona.workspace_id, keys)
    for index, (draft, key) in enumerate(zip(drafts, keys, strict=True)):
        owner = owners.get(key, persona)
        if owner.pk != persona.pk:
            raise ContactTaken(index, draft.type, draft.key, owner.pk, owner.name)
    return owners.keys()
