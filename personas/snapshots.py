"""All of a persona as JSON, and back: what a deletion takes away, row by row, with every id, version and moment.

Nothing here names a table: Django knows which rows point at a persona, those of later rooms included. A snapshot is as
personal as the persona; whoever keeps one says for how long.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.apps import apps
from django.db import models, transaction

from personas.attributes import parse_value
from personas.models import AttributeDefinition, AttributeValue, Persona
from raven_admin.errors import RavenError

Snapshot = dict[str, Any]
"""`rows`: by model, its rows as `row_of` gives them; `pointers`: [model, column, target, ids] of rows that a deletion
leaves there, pointing at nothing."""
Row = dict[str, Any]
_CHUNK = 500


@dataclass(eq=False)
class PersonaIsThere(RavenError):
    """Persona {persona_id} exists, so it can't be brought back."""

    code: ClassVar[str] = "persona_is_there"
    persona_id: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What `restore` brought back, and how many rows it could not, by model: an address that is somebody else's by now,
    a message that was pruned, a value that no longer is one of its attribute's type."""

    persona: Persona
    left_out: Mapping[str, int]


def take_all(personas: Sequence[Persona]) -> dict[int, Snapshot]:
    """Each persona and all that would be deleted with it, as JSON, by persona id.

    It takes a number of queries that does not depend on how many they are.
    """
    taken: dict[int, Snapshot] = {persona.pk: {"rows": {}, "pointers": []} for persona in personas}
    seen: set[tuple[type[models.Model], int]] = set()
    level: list[tuple[models.Model, int]] = [(persona, persona.pk) for persona in personas]
    while level:
        fresh: dict[type[models.Model], dict[int, int]] = defaultdict(dict)
        for row, owner in level:
            if (type(row), row.pk) not in seen:
                seen.add((type(row), row.pk))
                taken[owner]["rows"].setdefault(type(row)._meta.label, []).append(row_of(row))
                fresh[type(row)][row.pk] = owner
        level = []
        for model, owners in fresh.items():
            for field in foreign_keys_to(model):
                if deletes_with_target(field):
                    level += [(row, owners[getattr(row, field.attname)]) for row in _pointing(field, owners)]
                else:
                    _add_pointers(taken, field, owners)
    return taken


@transaction.atomic
def restore(snapshot: Snapshot) -> Restored:
    """The persona is there again, byte for byte, with all that was deleted with it. Raises PersonaIsThere."""
    [row] = snapshot["rows"][Persona._meta.label]
    if Persona.objects.filter(pk=row["id"]).exists():
        raise PersonaIsThere(persona_id=row["id"])
    left_out = insert_rows(snapshot["rows"])
    for label, column, target, ids in snapshot["pointers"]:
        pointed_at = apps.get_model(label)._meta.get_field(column).related_model
        if pointed_at._base_manager.filter(pk=target).exists():
            point(label, column, ids, at=target, if_at=None)
    return Restored(Persona.objects.get(pk=row["id"]), left_out)


def row_of(row: models.Model) -> Row:
    """Every column of `row`, as JSON that loses nothing."""
    return {field.attname: _as_json(field, row) for field in row._meta.concrete_fields}


def from_row(model: type[models.Model], row: Row) -> models.Model:
    """The row, not saved; columns that the model no longer has are passed over."""
    columns = {field.attname: field for field in model._meta.concrete_fields}
    return model(**{name: columns[name].to_python(value) for name, value in row.items() if name in columns})


def insert_rows(rows: Mapping[str, Sequence[Row]]) -> dict[str, int]:
    """The rows are there again with their ids; returns how many could not be, by model.

    A row that points at something gone stays away, or points at nothing where it may; one whose place is taken stays
    away too. Runs in the caller's transaction.
    """
    wanted = {apps.get_model(label): {row["id"]: dict(row) for row in of_model} for label, of_model in rows.items()}
    count = {model: len(of_model) for model, of_model in wanted.items()}
    _drop_taken(wanted)
    _drop_unreadable_values(wanted.get(AttributeValue, {}))
    while _drop_pointing_at_nothing(wanted):
        pass
    for model, of_model in wanted.items():
        model._base_manager.bulk_create([from_row(model, row) for row in of_model.values()], batch_size=_CHUNK)
    return {
        model._meta.label: count[model] - len(of_model)
        for model, of_model in wanted.items()
        if count[model] > len(of_model)
    }


def point(label: str, column: str, ids: Sequence[int], *, at: int | None, if_at: int | None) -> None:
    """The column of these rows, where it was `if_at`, is `at`."""
    manager = apps.get_model(label)._base_manager
    for chunk in chunks(ids):
        manager.filter(pk__in=chunk, **_is(column, if_at)).update(**{column: at})


def foreign_keys_to(model: type[models.Model]) -> list[models.ForeignKey[Any, Any]]:
    """Every foreign key of any room that points at `model`."""
    relations = model._meta.get_fields(include_hidden=True)
    return [r.field for r in relations if isinstance(r, models.ManyToOneRel)]


def deletes_with_target(field: models.ForeignKey[Any, Any]) -> bool:
    return field.remote_field.on_delete is models.CASCADE


def chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    """`ids` in portions that a statement can take."""
    known = list(ids)
    return (known[start : start + _CHUNK] for start in range(0, len(known), _CHUNK))


def _is(column: str, value: int | None) -> dict[str, Any]:
    return {f"{column}__isnull": True} if value is None else {column: value}


def _as_json(field: models.Field[Any, Any], row: models.Model) -> Any:
    value = field.value_from_object(row)
    return value if value is None or isinstance(value, bool | int | str | list | dict) else field.value_to_string(row)


def _pointing(field: models.ForeignKey[Any, Any], targets: Iterable[int]) -> Iterator[models.Model]:
    for chunk in chunks(targets):
        yield from field.model._base_manager.filter(**{f"{field.attname}__in": chunk}).order_by("pk").iterator()


def _add_pointers(taken: dict[int, Snapshot], field: models.ForeignKey[Any, Any], owners: Mapping[int, int]) -> None:
    ids_of: dict[int, list[int]] = defaultdict(list)
    for chunk in chunks(owners):
        rows = field.model._base_manager.filter(**{f"{field.attname}__in": chunk}).order_by("pk")
        for pk, target in rows.values_list("pk", field.attname):
            ids_of[target].append(pk)
    for target, ids in ids_of.items():
        taken[owners[target]]["pointers"].append([field.model._meta.label, field.attname, target, ids])


_Wanted = dict[type[models.Model], dict[int, Row]]


def _drop_taken(wanted: _Wanted) -> None:
    """Without rows that are there already, and those whose unique place is another's, as an address."""
    for model, rows in wanted.items():
        for chunk in chunks(rows):
            for pk in model._base_manager.filter(pk__in=chunk).values_list("pk", flat=True):
                del rows[pk]
        for constraint in model._meta.total_unique_constraints:
            columns = [model._meta.get_field(name) for name in constraint.fields]
            if any(column.related_model in wanted for column in columns):
                continue  # its place is within what comes back
            for pk, row in list(rows.items()):
                place = {column.attname: row[column.attname] for column in columns}  # type: ignore[union-attr]
                if None not in place.values() and model._base_manager.filter(**place).exists():
                    del rows[pk]


def _drop_unreadable_values(rows: dict[int, Row]) -> None:
    """Without values that are none of their attribute's type any more."""
    types = dict(
        AttributeDefinition.objects.filter(pk__in={row["definition_id"] for row in rows.values()}).values_list(
            "pk", "type"
        )
    )
    for pk, row in list(rows.items()):
        try:
            fits = parse_value(types.get(row["definition_id"], "text"), row["value"]) == row["value"]
        except ValueError:
            fits = False
        if not fits:
            del rows[pk]


def _drop_pointing_at_nothing(wanted: _Wanted) -> bool:
    """Whether a row was dropped, so that those pointing at it are to be looked at again."""
    dropped = False
    for model, rows in wanted.items():
        for field in (f for f in model._meta.concrete_fields if isinstance(f, models.ForeignKey)):
            target: type[models.Model] = field.related_model
            outside = {row[field.attname] for row in rows.values()} - {None} - wanted.get(target, {}).keys()
            there: set[int] = set()
            for chunk in chunks(outside):
                there.update(target._base_manager.filter(pk__in=chunk).values_list("pk", flat=True))
            for pk, row in list(rows.items()):
                if row[field.attname] in outside - there:
                    if field.null:
                        row[field.attname] = None
                    else:
                        del rows[pk]
                        dropped = True
    return dropped
