"""A merge undone: two personas again, each with what was its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db import transaction

from personas.history import Cause, Change, record_changes
from personas.merging import FIELDS
from personas.models import AttributeDefinition, AttributeValue, Contact, DuplicatePair, Merge, Persona
from personas.moves import move_back
from personas.services import PersonaNotFound
from personas.snapshots import Row, insert_rows, point, row_of
from raven_admin.errors import RavenError


@dataclass(eq=False)
class MergeUndone(RavenError):
    """This merge was undone already."""

    code: ClassVar[str] = "merge_undone"


@dataclass(eq=False)
class MergeNotLatest(RavenError):
    """This persona has absorbed {later} since. Undo that merge first."""

    code: ClassVar[str] = "merge_not_latest"
    later: str
    later_id: int


@dataclass(frozen=True, slots=True)
class Restore:
    """A field of the kept persona, before undoing and after."""

    name: str
    label: Any
    now: str
    then: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What undoing a merge will do."""

    returns: Sequence[Restore]
    """Fields of the kept persona that get the value back that they had."""
    stays: Sequence[Restore]
    """Fields that were edited since the merge: `then` is what they are and stay."""
    contacts: Sequence[str]
    """Addresses that the absorbed persona has again."""
    taken: Sequence[tuple[str, Persona]]
    """Addresses that somebody else has meanwhile, and who."""
    is_untouched: bool
    """Whether the kept persona was not edited since, so that it is again exactly what it was."""


def plan_undo(merge: Merge) -> Plan:
    """What `undo_merge` would do now. Raises MergeUndone and MergeNotLatest."""
    check_undoable(merge)
    kept = merge.kept
    now, before, after = row_of(kept), merge.before["kept"], merge.before["after"]
    returns: list[Restore] = []
    stays: list[Restore] = []
    for name, column in FIELDS.items():
        values = (now[name], after["persona"][name], before["persona"][name])
        _sort(returns, stays, name, column.verbose_name, *(str(v or "") for v in values))
    for definition, values in _attributes(merge):
        _sort(returns, stays, f"attribute:{definition.key}", definition.label, *values)
    contacts, taken = _contacts(merge)
    return Plan(returns, stays, contacts, taken, now["version"] == after["persona"]["version"])


@transaction.atomic
def undo_merge(*, merge: Merge, are_two: bool = False, cause: Cause) -> Persona:
    """The absorbed persona is there again as it was, and the kept one as it was but for what was edited since.

    Untouched since, both are byte for byte what they were, ids, versions and moments included. Else: a field of the
    kept one that was edited keeps its new value; contacts that were added stay with it; contacts of the absorbed one go
    back as they are now, and come back if they were taken away; what came to them goes along, all other messages that
    came since stay. With `are_two` the pair is never proposed again. Raises MergeUndone, MergeNotLatest and
    PersonaNotFound.
    """
    kept = Persona.objects.select_for_update().filter(pk=merge.kept_id).first()
    if kept is None:
        raise PersonaNotFound(persona_id=merge.kept_id)
    merge = Merge.objects.select_for_update().get(pk=merge.pk)
    merge.kept = kept
    plan = plan_undo(merge)
    before = merge.before
    insert_rows({Persona._meta.label: [before["absorbed"]["persona"]]})
    DuplicatePair.objects.filter(pk__in=before["made_pairs"]).delete()
    insert_rows(before["folded"])
    _give_back_contacts(merge)
    move_back(before["moves"], source=merge.absorbed_id, target=kept.pk, last_ids=before["last_ids"])
    insert_rows(
        {"personas.AttributeValue": before["absorbed"]["attributes"], "personas.DuplicatePair": before["pairs"]}
    )
    _restore_kept(merge, kept, plan, cause)
    absorbed = Persona.objects.get(pk=merge.absorbed_id)
    merge.undone_at, merge.undone_by = cause.at, cause.actor_label
    merge.before = {}  # it holds what is known of two people, and is not needed any more
    merge.save(update_fields=["undone_at", "undone_by", "before"])
    if are_two:
        dismiss_two(kept, absorbed, cause=cause)
    _record(merge, kept, absorbed, plan, cause)
    return absorbed


def check_undoable(merge: Merge) -> None:
    """Raises MergeUndone; MergeNotLatest because a later merge began from what this one made."""
    if merge.undone_at is not None:
        raise MergeUndone
    later = Merge.objects.filter(kept=merge.kept_id, undone_at=None, pk__gt=merge.pk).order_by("-pk").first()
    if later is not None:
        raise MergeNotLatest(later=later.absorbed_name, later_id=later.pk)


def dismiss_two(one: Persona, other: Persona, *, cause: Cause) -> None:
    """The two are never proposed as duplicates again, until somebody takes that back."""
    first, second = sorted((one, other), key=lambda persona: persona.pk)
    DuplicatePair.objects.update_or_create(
        first=first,
        second=second,
        defaults={"dismissed_at": cause.at, "dismissed_by": cause.actor_label},
        create_defaults={
            "workspace_id": first.workspace_id,
            "reason": DuplicatePair.Reason.NEAR_NAME,
            "found_at": cause.at,
            "dismissed_at": cause.at,
            "dismissed_by": cause.actor_label,
        },
    )


def _sort(
    returns: list[Restore], stays: list[Restore], name: str, label: Any, now: str, after: str, before: str
) -> None:
    if now != after:
        stays.append(Restore(name, label, now, now))
    elif now != before:
        returns.append(Restore(name, label, now, before))


def _attributes(merge: Merge) -> list[tuple[AttributeDefinition, tuple[str, str, str]]]:
    """Of each attribute that is or was anywhere: what the kept persona has now, had after the merge, and before it."""
    now = {v.definition_id: v.value for v in AttributeValue.objects.filter(persona=merge.kept_id)}
    after, before = (
        {row["definition_id"]: row["value"] for row in merge.before[when]["attributes"]} for when in ("after", "kept")
    )
    definitions = AttributeDefinition.objects.filter(pk__in={*now, *after, *before}).order_by("position", "pk")
    return [(d, (now.get(d.pk, ""), after.get(d.pk, ""), before.get(d.pk, ""))) for d in definitions]


def _contacts(merge: Merge) -> tuple[list[str], list[tuple[str, Persona]]]:
    """The addresses that go back or come back, and those that are somebody else's by now."""
    rows: list[Row] = merge.before["absorbed"]["contacts"]
    there = {contact.pk: contact for contact in Contact.objects.filter(pk__in=[row["id"] for row in rows])}
    back, taken = [], []
    for row in rows:
        if row["id"] in there:
            back.append(str(there[row["id"]]))
            continue
        owner = _at_place(row)
        if owner is not None and owner.persona_id != merge.kept_id:
            taken.append((str(owner), owner.persona))
        else:
            back.append(f"{Contact(type=row['type']).get_type_display()} {row['normalized']}")
    return back, taken


def _at_place(row: Row) -> Contact | None:
    place = {name: row[name] for name in ("workspace_id", "type", "normalized")}
    return Contact.objects.filter(**place).select_related("persona").first()


def _give_back_contacts(merge: Merge) -> None:
    """Contacts of the absorbed persona that were taken away since are there again, unless somebody else has them."""
    gone = [row for row in merge.before["absorbed"]["contacts"] if not Contact.objects.filter(pk=row["id"]).exists()]
    for row in gone:
        again = _at_place(row)
        if again is not None and again.persona_id == merge.kept_id:  # taken away and typed once more
            point(Contact._meta.label, "persona_id", [again.pk], at=merge.absorbed_id, if_at=merge.kept_id)
    insert_rows({Contact._meta.label: gone})


def _restore_kept(merge: Merge, kept: Persona, plan: Plan, cause: Cause) -> None:
    before = merge.before["kept"]
    if plan.is_untouched:
        kept.version = before["persona"]["version"]
        kept.updated_at = datetime.fromisoformat(before["persona"]["updated_at"])
    else:
        kept.version += 1
        kept.updated_at = cause.at
    for field in plan.returns:
        if not field.name.startswith("attribute:"):
            setattr(kept, field.name, FIELDS[field.name].to_python(before["persona"][field.name]))
    kept.save()
    rows_of = {row["definition_id"]: row for row in before["attributes"]}
    returning = {field.name.removeprefix("attribute:") for field in plan.returns if ":" in field.name}
    for definition, _values in _attributes(merge):
        if definition.key in returning:
            AttributeValue.objects.filter(persona=kept, definition=definition).delete()
            insert_rows({AttributeValue._meta.label: [rows_of[definition.pk]] if definition.pk in rows_of else []})


def _record(merge: Merge, kept: Persona, absorbed: Persona, plan: Plan, cause: Cause) -> None:
    changes: list[Change] = [("merge_undone", f"{absorbed.name} (persona {absorbed.pk})", "")]
    changes += [(field.name, field.now, field.then) for field in plan.returns]
    contacts = absorbed.contacts.order_by("pk")
    changes += [(f"contact:{contact.type}", contact.normalized, "") for contact in contacts]
    record_changes([(kept, changes)], cause=cause, kind="persona.updated")
    again: list[Change] = [("merge_undone", f"{kept.name} (persona {kept.pk})", "")]
    record_changes([(absorbed, again)], cause=cause, kind="persona.created")
