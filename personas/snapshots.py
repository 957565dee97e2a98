"""All of a persona as JSON, and back: what a deletion takes away, row by row, with every id, version and moment.

Nothing here names a table: Django knows which rows point at a persona, those of later rooms included. A snapshot is as
personal as the persona; whoever keeps one says for how long.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models, transaction

from personas.attributes import parse_value
from personas.models import AttributeDefinition, AttributeValue, OperationRow, Persona

Snapshot = dict[str, Any]
"""`rows`: by model, its rows as `row_of` gives them; `pointers`: [model, column, target, ids] of rows that a deletion
leaves there, pointing at nothing."""
Row = dict[str, Any]
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Restored:
    """What `restore_all` brought back, and the ids of the rows it could not, by model: an address that is somebody
    else's by now, a message that was pruned, a value that no longer is one of its attribute's type."""

    persona: Persona
    left_out: Mapping[str, Sequence[int]]


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
def restore_all(snapshots: Mapping[int, Snapshot]) -> dict[int, Restored]:
    """The personas are there again, byte for byte, with all that was deleted with them; by persona id.

    One that is there already is passed over. Apart from what pointed at them, it takes a number of queries that does
    not depend on how many they are.
    """
    there = set(Persona.objects.filter(pk__in=snapshots).values_list("pk", flat=True))
    wanted = {pk: snapshot for pk, snapshot in snapshots.items() if pk not in there}
    rows: dict[str, list[Row]] = defaultdict(list)
    for snapshot in wanted.values():
        for label, of_model in snapshot["rows"].items():
            rows[label] += of_model
    left_out = insert_rows(rows)
    _point_again([pointer for snapshot in wanted.values() for pointer in snapshot["pointers"]])
    return {
        pk: Restored(persona, _of_snapshot(left_out, wanted[pk]))
        for pk, persona in Persona.objects.in_bulk(wanted).items()
    }


def row_of(row: models.Model) -> Row:
    """Every column of `row`, as JSON that loses nothing."""
    return {field.attname: _as_json(field, row) for field in row._meta.concrete_fields}


def from_row(model: type[models.Model], row: Row) -> models.Model:
    """The row, not saved; columns that the model no longer has are passed over."""
    columns = {field.attname: field for field in model._meta.concrete_fields}
    return model(**{name: columns[name].to_python(value) for name, value in row.items() if name in columns})


def insert_rows(rows: Mapping[str, Sequence[Row]]) -> dict[str, set[int]]:
    """The rows are there again with their ids; returns the ids of those that could not be, by model.

    A row that points at something gone stays away, or points at nothing where it may; one whose place is taken stays
    away too. Runs in the caller's transaction.
    """
    wanted = {apps.get_model(label): {row["id"]: dict(row) for row in of_model} for label, of_model in rows.items()}
    asked = {model: set(of_model) for model, of_model in wanted.items()}
    _drop_taken(wanted)
    _drop_unreadable_values(wanted.get(AttributeValue, {}))
    while _drop_pointing_at_nothing(wanted):
        pass
    for model, of_model in wanted.items():
        model._base_manager.bulk_create([from_row(model, row) for row in of_model.values()], batch_size=_CHUNK)
    left_out = {model._meta.label: asked[model] - of_model.keys() for model, of_model in wanted.items()}
    return {label: ids for label, ids in left_out.items() if ids}


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


def _point_again(pointers: Iterable[Sequence[Any]]) -> None:
    """What pointed at rows that are there again points at them, where it points at nothing.

    Not what operations noted of a persona: deleting it emptied that, so it tells of nobody any more.
    """
    of_column: dict[tuple[str, str], list[tuple[int, list[int]]]] = defaultdict(list)
    for label, column, target, ids in pointers:
        if label != OperationRow._meta.label:
            of_column[label, column].append((target, ids))
    for (label, column), targets in of_column.items():
        pointed_at: Any = apps.get_model(label)._meta.get_field(column).related_model
        there = _ids_there(pointed_at, [target for target, _ids in targets])
        for target, ids in targets:
            if target in there:
                point(label, column, ids, at=target, if_at=None)


def _of_snapshot(left_out: Mapping[str, Collection[int]], snapshot: Snapshot) -> dict[str, list[int]]:
    found = {
        label: [row["id"] for row in rows if row["id"] in left_out.get(label, ())]
        for label, rows in snapshot["rows"].items()
    }
    return {label: ids for label, ids in found.items() if ids}


def _ids_there(model: type[models.Model], ids: Iterable[int]) -> set[int]:
    return {pk for chunk in chunks(ids) for pk in model._base_manager.filter(pk__in=chunk).values_list("pk", flat=True)}


_Wanted = dict[type[models.Model], dict[int, Row]]


def _drop_taken(wanted: _Wanted) -> None:
    """Without rows that are there already, and those whose unique place is another's, as an address."""
    for model, rows in wanted.items():
        for pk in _ids_there(model, rows):
            del rows[pk]
        for constraint in model._meta.total_unique_constraints:
            columns: list[Any] = [model._meta.get_field(name) for name in constraint.fields]
            if any(column.related_model in wanted for column in columns):
                continue  # its place is within what comes back
            place_of = {pk: tuple(c.to_python(row[c.attname]) for c in columns) for pk, row in rows.items()}
            taken = _places_taken(model, [column.attname for column in columns], place_of.values())
            for pk, place in place_of.items():
                if place in taken:
                    del rows[pk]


def _places_taken(
    model: type[models.Model], names: Sequence[str], places: Iterable[tuple[Any, ...]]
) -> set[tuple[Any, ...]]:
    """Of these places, those where rows are, and some others. A column that is None is no place."""
    taken: set[tuple[Any, ...]] = set()
    wanted = [place for place in places if None not in place]
    for start in range(0, len(wanted), _CHUNK):
        columns = zip(*wanted[start : start + _CHUNK], strict=True)
        one_of = {f"{name}__in": set(values) for name, values in zip(names, columns, strict=True)}
        taken.update(model._base_manager.filter(**one_of).values_list(*names))
    return taken


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
            there = _ids_there(target, outside)
            for pk, row in list(rows.items()):
                if row[field.attname] in outside - there:
                    if field.null:
                        row[field.attname] = None
                    else:
                        del rows[pk]
                        dropped = True
    return dropped
