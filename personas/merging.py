"""Two personas become one: what of each stays is chosen field by field, all that points at either is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from personas.history import Cause, Change, record_changes, record_deletions
from personas.models import (
    AttributeDefinition,
    AttributeValue,
    Contact,
    DuplicatePair,
    Merge,
    OperationRow,
    Persona,
)
from personas.moves import last_ids, move_rows
from personas.services import PersonaNotFound, VersionConflict, persona_missing
from personas.snapshots import Row, row_of
from raven_admin.errors import RavenError

FIELDS: dict[str, models.Field[Any, Any]] = {
    column.name: column
    for column in Persona._meta.concrete_fields
    if column.name in {"name", "gender", "birthday", "notes"}
}
"""The columns of a persona that are chosen, in the order they are shown in."""
MAX_NOTES = 10_000
_VERSION_LEAP = 1_000
"""What a merge adds to the version. Undoing it gives the old version back, and later edits count on from there: without
a leap they would reach a version that somebody still has on a screen with the merged persona."""


class Side(models.TextChoices):
    KEPT = "kept", _("The kept one's")
    ABSORBED = "absorbed", _("The other's")
    BOTH = "both", _("Both, one below the other")


@dataclass(eq=False)
class SamePersona(RavenError):
    """A persona can't be merged with itself."""

    code: ClassVar[str] = "merge_of_one"


@dataclass(eq=False)
class NotesTooLong(RavenError):
    """Both notes together are longer than {maximum} characters. Take those of one persona."""

    code: ClassVar[str] = "notes_too_long"
    maximum: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One field of two personas: what each has, and what the one persona will have."""

    name: str
    """`name`, `gender`, `birthday`, `notes` or `attribute:<key>`."""
    label: Any
    kept: str
    absorbed: str
    side: Side
    definition: AttributeDefinition | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is anything to choose."""
        return self.kept != self.absorbed

    @property
    def may_be_both(self) -> bool:
        return self.name == "notes" and bool(self.kept and self.absorbed) and self.is_open

    @property
    def result(self) -> str:
        if self.side == Side.BOTH:
            return f"{self.kept}\n\n{self.absorbed}"
        return self.absorbed if self.side == Side.ABSORBED else self.kept


def compare(*, kept: Persona, absorbed: Persona, sides: Mapping[str, str]) -> list[Choice]:
    """Every field that either persona has something in, with the side chosen or else the one that has something."""
    values_of = [{v.definition: v.value for v in p.attributes.select_related("definition")} for p in (kept, absorbed)]
    drafts: list[tuple[str, Any, str, str, AttributeDefinition | None]] = [
        (name, column.verbose_name, _text(kept, name), _text(absorbed, name), None) for name, column in FIELDS.items()
    ]
    for definition in sorted({*values_of[0], *values_of[1]}, key=lambda d: (d.position, d.pk)):
        ours, theirs = (values.get(definition, "") for values in values_of)
        drafts.append((f"attribute:{definition.key}", definition.label, ours, theirs, definition))
    return [
        Choice(name, label, ours, theirs, _side(name, ours, theirs, sides.get(name)), definition)
        for name, label, ours, theirs, definition in drafts
        if ours or theirs
    ]


@transaction.atomic
def merge_personas(
    *,
    workspace: Workspace,
    kept_id: int,
    absorbed_id: int,
    sides: Mapping[str, str] | None = None,
    versions: tuple[int, int] | None = None,
    cause: Cause,
) -> Merge:
    """One persona is left, with the contacts, messages, topics and history of both; the merge can be undone.

    `sides` has a `Side` by name of field; where it says nothing, the kept one's value stays unless it is empty, and
    both notes are kept. `versions` are those of the two that the caller saw, None to merge whatever is there. Topics of
    one name become one topic, the kept one's. Raises SamePersona, PersonaNotFound, VersionConflict and NotesTooLong.
    """
    if kept_id == absorbed_id:
        raise SamePersona
    kept, absorbed = lock_two(workspace, kept_id, absorbed_id)
    for persona, version in zip((kept, absorbed), versions or (kept.version, absorbed.version), strict=True):
        if persona.version != version:
            raise VersionConflict(current=persona.version, given=version)
    choices = compare(kept=kept, absorbed=absorbed, sides=sides or {})
    before: dict[str, Any] = {"kept": _rows_of(kept), "absorbed": _rows_of(absorbed)}
    changes = [("merged", "", f"{absorbed.name} (persona {absorbed.pk})"), *_apply(kept, choices)]
    changes += [(f"contact:{row['type']}", "", row["normalized"]) for row in before["absorbed"]["contacts"]]
    record_deletions([absorbed], cause=cause, merged_into=kept.pk)
    before["last_ids"] = last_ids()
    before["moves"], before["folded"] = move_rows(source=absorbed.pk, target=kept.pk)
    before["pairs"], before["made_pairs"] = _move_pairs(kept, absorbed)
    before["moves"] += _leave_behind(absorbed)
    kept.version += _VERSION_LEAP
    kept.updated_at = cause.at
    kept.save()
    before["after"] = {"persona": row_of(kept), "attributes": _rows_of(kept)["attributes"]}
    record_changes([(kept, changes)], cause=cause, kind="persona.merged")
    return Merge.objects.create(
        workspace=workspace,
        kept=kept,
        absorbed_id=absorbed_id,
        absorbed_name=absorbed.name,
        before=before,
        actor_label=cause.actor_label,
        request_id=cause.request_id,
        operation_id=cause.operation_id,
        merged_at=cause.at,
    )


def merge_pair(*, pair: DuplicatePair, cause: Cause) -> Merge | None:
    """The older persona of the pair has absorbed the younger, with the choices that `merge_personas` makes by itself.

    None when the pair is no longer open: merged or dismissed by somebody, or one of the two is gone.
    """
    with transaction.atomic():
        try:
            # The personas first, as in every merge: two that lock in different orders wait for each other for ever.
            lock_two(pair.workspace, pair.first_id, pair.second_id)
        except PersonaNotFound:
            return None
        if not DuplicatePair.objects.filter(pk=pair.pk, dismissed_at=None).exists():
            return None
        return merge_personas(workspace=pair.workspace, kept_id=pair.first_id, absorbed_id=pair.second_id, cause=cause)


def lock_two(workspace: Workspace, kept_id: int, absorbed_id: int) -> tuple[Persona, Persona]:
    """Both personas, unchanged until the transaction ends; locked in the order of ids, so that no two merges wait for
    each other. Raises PersonaNotFound."""
    locked = Persona.objects.select_for_update().filter(workspace=workspace, pk__in=(kept_id, absorbed_id))
    found = {persona.pk: persona for persona in locked.order_by("pk")}
    for wanted in (kept_id, absorbed_id):
        if wanted not in found:
            raise persona_missing(workspace_id=workspace.pk, persona_id=wanted)
    return found[kept_id], found[absorbed_id]


def _text(persona: Persona, name: str) -> str:
    return str(getattr(persona, name) or "")


def _side(name: str, kept: str, absorbed: str, chosen: str | None) -> Side:
    if chosen in Side.values and (chosen != Side.BOTH or name == "notes") and (name != "name" or absorbed):
        side = Side(chosen)
        return side if side != Side.BOTH or (kept and absorbed) else _side(name, kept, absorbed, None)
    if not kept:
        return Side.ABSORBED
    if name == "notes" and absorbed and kept != absorbed and len(kept) + len(absorbed) + 2 <= MAX_NOTES:
        return Side.BOTH
    return Side.KEPT


def _rows_of(persona: Persona) -> dict[str, Any]:
    return {
        "persona": row_of(persona),
        "attributes": [row_of(value) for value in AttributeValue.objects.filter(persona=persona).order_by("pk")],
        "contacts": [row_of(contact) for contact in Contact.objects.filter(persona=persona).order_by("pk")],
    }


def _apply(kept: Persona, choices: list[Choice]) -> list[Change]:
    """The kept persona has what was chosen; its own fields are not saved yet."""
    changes = []
    for choice in choices:
        if choice.result == choice.kept:
            continue
        if choice.definition is not None:
            _set_attribute(kept, choice.definition, choice.result)
        elif choice.name == "birthday":
            kept.birthday = FIELDS["birthday"].to_python(choice.result or None)
        else:
            if choice.name == "notes" and len(choice.result) > MAX_NOTES:
                raise NotesTooLong(maximum=MAX_NOTES)
            setattr(kept, choice.name, choice.result)
        changes.append((choice.name, choice.kept, choice.result))
    return changes


def _set_attribute(persona: Persona, definition: AttributeDefinition, value: str) -> None:
    if value:
        AttributeValue.objects.update_or_create(persona=persona, definition=definition, defaults={"value": value})
    else:
        AttributeValue.objects.filter(persona=persona, definition=definition).delete()


def _move_pairs(kept: Persona, absorbed: Persona) -> tuple[list[Row], list[int]]:
    """What the absorbed persona may be a duplicate of, the kept one may be too: the old pairs, the ids of the new."""
    pairs = list(DuplicatePair.objects.filter(models.Q(first=absorbed) | models.Q(second=absorbed)).order_by("pk"))
    rows = [row_of(pair) for pair in pairs]
    made = []
    for pair in pairs:
        other = pair.second_id if pair.first_id == absorbed.pk else pair.first_id
        first, second = sorted((kept.pk, other))
        if other == kept.pk or DuplicatePair.objects.filter(first=first, second=second).exists():
            continue
        pair.pk, pair.first_id, pair.second_id = None, first, second
        pair.save(force_insert=True)
        made.append(pair.pk)
    return rows, made


def _leave_behind(absorbed: Persona) -> list[list[Any]]:
    """The absorbed persona is gone; returns what pointed at it and now points at nothing, as moves."""
    ids = list(OperationRow.objects.filter(persona=absorbed).order_by("pk").values_list("pk", flat=True))
    left = [[OperationRow._meta.label, "persona_id", absorbed.pk, None, ids]] if ids else []
    absorbed.delete()
    return left
