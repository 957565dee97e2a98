"""Whether a record on a platform still says what we know: read back, compared field by field, and brought together.

Everything is compared in our own words: what a platform was told and what it says now go the same way back to our
fields (`Platform.in_our_fields`), so that what it can't hold anyway is no difference.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, ClassVar

import msgspec
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.language import as_stored
from accounts.models import Workspace
from delivery import outbox
from delivery.carriers import Occurrence, Temporary, carrier_of
from delivery.models import Delivery
from delivery.states import State
from personas.attributes import parse_value
from personas.contacts import ContactKeyInvalid, normalise
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, ContactType, Persona
from personas.services import PersonaDraft, get_persona, update_persona
from platforms.contract import Answer, Job, Platform, Trouble
from platforms.models import Connection, Link
from platforms.people import FIELDS, Address, Person, as_person
from platforms.plans import run, send_plainly
from platforms.registry import platform_of
from platforms.targets import target_of
from platforms.transport import Exchange
from raven_admin.errors import RavenError

Held = str | tuple[Address, ...]
"""What a field is: a text as we store it, or the addresses of a type; "" and () are nothing."""


@dataclass(eq=False)
class NotLinked(RavenError):
    """This person is not linked to a record on {name}, so there is nothing to compare."""

    code: ClassVar[str] = "not_linked"
    name: str


@dataclass(eq=False)
class RecordChanged(RavenError):
    """The record on {name} was changed since you looked at it. This is how it is now."""

    code: ClassVar[str] = "record_changed"
    name: str


@dataclass(eq=False)
class NothingChosen(RavenError):
    """None of the chosen fields can be brought over this way."""

    code: ClassVar[str] = "nothing_chosen"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not the same there."""

    field: str
    ours: Held
    theirs: Held
    cannot_push: str = ""
    """Why ours can't be brought there; "" when it can."""
    cannot_take: str = ""
    """Why theirs can't be taken over; "" when it can."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A person here beside their record there."""

    connection: Connection
    persona: Persona
    link: Link
    differences: list[Difference]
    trouble: Trouble | None = None
    """Why it could not be read."""
    is_gone: bool = False
    """The record does not exist there any more."""
    is_on_its_way: bool = False
    """Changes of this person have not arrived yet, which may be all that differs."""
    digest: str = ""
    """Of what is there, so that nobody takes over what they have not seen."""

    @property
    def is_same(self) -> bool:
        return self.trouble is None and not self.differences and not self.is_gone


def compare(*, connection: Connection, persona_id: int, at: datetime) -> Comparison:
    """The record was read back now, and the link remembers what came of it.

    Calls the platform, so not for a transaction. Raises PersonaNotFound, NotLinked and SecretUnreadable.
    """
    persona = get_persona(workspace_id=connection.workspace_id, persona_id=persona_id)
    link = Link.objects.filter(connection=connection, persona_id=persona_id).first()
    if link is None:
        raise NotLinked(name=connection.name)
    platform, person = platform_of(connection.platform), as_person(persona)
    open_deliveries = Delivery.objects.filter(destination=connection.destination_id, lane=f"persona:{persona_id}")
    is_on_its_way = open_deliveries.filter(state__in=[State.WAITING, State.SENDING]).exists()
    job = Job(target_of(connection), link.remote_id)
    with as_stored():
        ended = run(platform.read(job), platform=platform, job=job, idempotency_key="", send=send_plainly)
    there, trouble = None, ended.trouble
    is_gone = trouble is not None and ended.last is not None and ended.last.status in {404, 410}
    if trouble is None and ended.last is not None:
        there = _fields_in(platform, ended.last, person)
        trouble = (
            Temporary("nonsense", gettext_noop("Its answer is not the documented JSON.")) if there is None else None
        )
    found = Comparison(
        connection, persona, link, [],
        trouble=None if is_gone else trouble, is_gone=is_gone, is_on_its_way=is_on_its_way,
    )  # fmt: skip
    if there is not None:
        found = _compared(found, platform, person, there)
    _note(found, at=at)
    return found


def compared_with(*, connection: Connection, persona: Persona, link: Link, theirs: Mapping[str, Any]) -> Comparison:
    """The person beside what the platform told us by itself: `theirs`, as `in_our_fields` has it, and nothing else."""
    found = _compared(
        Comparison(connection, persona, link, []), platform_of(connection.platform), as_person(persona), theirs
    )
    return replace(found, differences=[difference for difference in found.differences if difference.field in theirs])


@transaction.atomic
def push_ours(*, comparison: Comparison, fields: Sequence[str], cause: Cause) -> list[Delivery]:
    """These fields of ours are on their way there; of a record that is gone, the whole person is, as a new one.

    Raises NothingChosen.
    """
    connection, persona = comparison.connection, comparison.persona
    changes = [(d.field, "", "") for d in comparison.differences if d.field in fields and not d.cannot_push]
    kind = "persona.changed"
    if comparison.is_gone:
        Link.objects.filter(pk=comparison.link.pk).delete()
        kind, changes = "persona.created", [("created", "", persona.name)]
    if not changes:
        raise NothingChosen
    occurrence = Occurrence(
        workspace_id=connection.workspace_id,
        kind=kind,
        subject_id=persona.pk,
        at=cause.at,
        actor_label=cause.actor_label,
        changes=changes,
    )
    destination = connection.destination
    posted = outbox.post(destination, carrier_of(destination).route(destination, [occurrence]))
    if not posted:
        raise NothingChosen
    return posted


@transaction.atomic
def take_theirs(*, comparison: Comparison, fields: Sequence[str], version: int, cause: Cause) -> Persona:
    """These fields are here what they are there, by `cause`, which comes from that connection and so isn't sent back.

    `version` is that of the persona that was compared. Raises NothingChosen and the errors of `update_persona`.
    """
    chosen = [d for d in comparison.differences if d.field in fields and not d.cannot_take]
    if not chosen:
        raise NothingChosen
    texts = {d.field: d.theirs for d in chosen if isinstance(d.theirs, str)}
    contacts: list[ContactDraft] = []
    changed: dict[int, ContactDraft | str | None] = {}
    for difference in chosen:
        if isinstance(difference.theirs, tuple):
            _take_contacts(comparison, difference, contacts, changed)
    persona = update_persona(
        workspace=comparison.connection.workspace,
        persona_id=comparison.persona.pk,
        draft=_draft(texts),
        contacts=contacts,
        changed_contacts=changed,
        version=version,
        cause=cause,
    )
    settle_drift(comparison.link, fields=[d.field for d in chosen])
    return persona


def settle_drift(link: Link, *, fields: Sequence[str]) -> None:
    """These fields do not differ any more, as far as is known."""
    if link.drifted_at is None:
        return
    link.drifted_fields = [field for field in link.drifted_fields if field not in fields]
    if not link.drifted_fields:
        link.drifted_at = None
    _store(link, "drifted_fields", "drifted_at")


# ------------------------------------------------------------------------------------------------ comparing
class _Own:
    """What values are in our notation."""

    def __init__(self, workspace: Workspace) -> None:
        self.definitions = {d.key: d for d in AttributeDefinition.objects.filter(workspace=workspace)}
        self.country = workspace.country

    @property
    def fields(self) -> list[str]:
        """All that a person can have."""
        attributes = (f"attribute:{key}" for key in self.definitions)
        return [*FIELDS, *attributes, *(f"contact:{type}" for type in ContactType.values)]

    def held(self, field: str, value: Any) -> Held:
        if field.startswith("contact:"):
            return tuple(self._address(address) for address in value or ())
        if value is None:
            return ""
        definition = self.definitions.get(field.removeprefix("attribute:")) if field.startswith("attribute:") else None
        if definition is not None:
            try:
                return parse_value(definition.type, value)
            except ValueError:
                pass
        return str(value).replace("\r\n", "\n")

    def _address(self, address: Address) -> Address:
        try:
            return Address(address.type, normalise(address.type, str(address.key), country=self.country), address.label)
        except ContactKeyInvalid:
            return address

    def cannot_take(self, field: str, theirs: Held) -> str:
        if field == "name" and not theirs:
            return _("A persona needs a name.")
        if field.startswith("attribute:") and theirs:
            try:
                parse_value(self.definitions[field.removeprefix("attribute:")].type, theirs)
            except ValueError as error:
                return _("It does not fit here: the attribute %(problem)s") % {"problem": error}
        if field == "birthday" and theirs:
            try:
                date.fromisoformat(str(theirs))
            except ValueError:
                return _("It is no date.")
        return ""


def _compared(found: Comparison, platform: Platform, person: Person, theirs: Mapping[str, Any]) -> Comparison:
    own = _Own(found.connection.workspace)
    ours = platform.in_our_fields(platform.values(person, own.fields), person)
    differences = []
    for field in own.fields:
        if field not in ours and field not in theirs:
            continue
        held, held_there = own.held(field, ours.get(field)), own.held(field, theirs.get(field))
        if _keys(held) != _keys(held_there):
            differences.append(
                Difference(
                    field, held, held_there,
                    cannot_push=_cannot_push(platform, person, field, held, held_there),
                    cannot_take=own.cannot_take(field, held_there),
                )
            )  # fmt: skip
    return Comparison(
        found.connection, found.persona, found.link, differences,
        is_on_its_way=found.is_on_its_way, digest=_digest_of(theirs),
    )  # fmt: skip


def _keys(held: Held) -> str | frozenset[str]:
    """Labels and the order of addresses are no difference: not every platform has them."""
    return held if isinstance(held, str) else frozenset(address.key for address in held)


def _cannot_push(platform: Platform, person: Person, field: str, ours: Held, theirs: Held) -> str:
    if not platform.values(person, [field]):
        reasons = [each.reason for each in platform.cannot_reach(person, [field]) if each.field == field]
        return reasons[0] if reasons else _("This platform does not take it.")
    is_contact = isinstance(ours, tuple) and isinstance(theirs, tuple)
    if is_contact and not platform.takes_contacts_away and not set(_keys(ours)) - set(_keys(theirs)):
        return _("A contact can be added there and not taken away.")
    return ""


def _digest_of(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(values, order="deterministic")).hexdigest()[:32]


def _fields_in(platform: Platform, done: Exchange, person: Person) -> dict[str, Any] | None:
    """None when the answer is not what the platform documents."""
    try:
        record = platform.read_values(Answer(done.status or 0, done.json(), done.headers))
        return platform.in_our_fields(record, person)
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _note(found: Comparison, *, at: datetime) -> None:
    """The link knows what was seen; while changes are on their way, a difference says nothing."""
    link = found.link
    link.checked_at = at
    link.unread_because = found.trouble.reason[:500] if found.trouble is not None else ""
    if found.is_same:
        link.verified_at, link.drifted_at, link.drifted_fields = at, None, []
    elif found.trouble is None and not found.is_on_its_way:
        link.drifted_at = link.drifted_at or at
        link.drifted_fields = [difference.field for difference in found.differences]
    _store(link, "checked_at", "unread_because", "verified_at", "drifted_at", "drifted_fields")


def _store(link: Link, *fields: str) -> None:
    """Unlike `save`, it bears that the link was taken away meanwhile."""
    Link.objects.filter(pk=link.pk).update(**{field: getattr(link, field) for field in fields})


# ------------------------------------------------------------------------------------------------ taking over
def _draft(texts: Mapping[str, str]) -> PersonaDraft:
    values: dict[str, Any] = {field: text for field, text in texts.items() if field in FIELDS}
    if "birthday" in values:
        values["birthday"] = date.fromisoformat(values["birthday"]) if values["birthday"] else None
    attributes = {f.removeprefix("attribute:"): text for f, text in texts.items() if f.startswith("attribute:")}
    return PersonaDraft(**values, attributes=attributes)


def _take_contacts(
    comparison: Comparison,
    difference: Difference,
    added: list[ContactDraft],
    changed: dict[int, ContactDraft | str | None],
) -> None:
    """Where the platform has all contacts of a type, all are as there; else the first is, and others stay."""
    ours = [c for c in comparison.persona.contacts.all() if f"contact:{c.type}" == difference.field]
    theirs = {address.key: address for address in difference.theirs if isinstance(address, Address)}
    if not platform_of(comparison.connection.platform).has_many_contacts and ours:
        changed[ours[0].pk] = next(iter(theirs), None)
        return
    known = {contact.normalized for contact in ours}
    changed |= {contact.pk: None for contact in ours if contact.normalized not in theirs}
    added += [ContactDraft(a.type, a.key, a.label) for key, a in theirs.items() if key not in known]
