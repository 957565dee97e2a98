"""Rows that point at one persona point at another, and back again.

Nothing here names a room above: whatever has a foreign key to a persona follows it, as topics, messages and sessions
do, and whatever a later room will have. What both personas have one of that may be there only once (a topic of one
name) is folded: what points at the absorbed one's points at the kept one's, and the absorbed one's is put aside.
"""

from collections import defaultdict
from typing import Any

from django.db.models import ForeignKey, Max, Model, OuterRef, Q, Subquery, UniqueConstraint

from personas.models import AttributeValue, DuplicateKey, DuplicatePair, OperationRow, Persona
from personas.snapshots import Row, chunks, deletes_with_target, foreign_keys_to, point, row_of

Move = list[Any]
"""[model, column, from, to, ids], as JSON keeps it."""
COUNTED_AT_MOST = 10_000

_STAY = {
    (AttributeValue, "persona"),  # chosen one by one
    (DuplicatePair, "first"),
    (DuplicatePair, "second"),
    # An import that made the absorbed persona must not take the kept one away when it is undone.
    (OperationRow, "persona"),
}


def following() -> list[ForeignKey[Any, Any]]:
    """The foreign keys by which rows follow a persona that is absorbed."""
    return [field for field in foreign_keys_to(Persona) if (field.model, field.name) not in _STAY]


def move_rows(*, source: int, target: int) -> tuple[list[Move], dict[str, list[Row]]]:
    """All that followed persona `source` follows `target`: the moves, and the rows that were folded, by model."""
    moves: list[Move] = []
    folded: dict[str, list[Row]] = defaultdict(list)
    for field in following():
        for row, twin in twins(field, source=source, target=target):
            for child in foreign_keys_to(field.model):
                _move(moves, child, source=row.pk, target=twin)
            folded[field.model._meta.label].append(row_of(row))
            row.delete()
        _move(moves, field, source=source, target=target)
    return moves, dict(folded)


def last_ids() -> dict[str, int]:
    """The highest id of each model whose rows follow a persona: what is above it came later."""
    models = {field.model for field in following()}
    return {model._meta.label: model._base_manager.aggregate(last=Max("pk"))["last"] or 0 for model in models}


def move_back(moves: list[Move], *, source: int, target: int, last_ids: dict[str, int]) -> None:
    """The rows of these moves are where they were, if nothing moved them since, and what came to them goes along.

    A message that was sent since the merge to an address that goes back is the absorbed persona's, as is one that they
    wrote since in a topic that goes back; all others that came since stay.
    """
    for label, column, was_at, is_at, ids in reversed(moves):
        point(label, column, ids, at=was_at, if_at=is_at)
    back: dict[Any, list[int]] = defaultdict(list)
    for field in filter(deletes_with_target, following()):
        back[field.model] += field.model._base_manager.filter(**{field.attname: source}).values_list("pk", flat=True)
    for field in following():
        since = {field.attname: target, "pk__gt": last_ids.get(field.model._meta.label, 0)}
        for other in (f for f in field.model._meta.concrete_fields if isinstance(f, ForeignKey)):
            for ids in chunks(back.get(other.related_model, [])):
                came = field.model._base_manager.filter(**since, **{f"{other.attname}__in": ids})
                came.update(**{field.attname: source})


def twins(field: ForeignKey[Any, Any], *, source: int, target: int) -> list[tuple[Model, int]]:
    """Each row of `source` that can't be beside one of `target`, with the id of that one."""
    found = {}
    for names, condition in _unique_with(field):
        rows = field.model._base_manager.filter(condition)
        same = rows.filter(**{field.attname: target}, **{name: OuterRef(name) for name in names}).values("pk")[:1]
        ours = rows.filter(**{field.attname: source}).annotate(twin_id=Subquery(same))
        for row in ours.filter(twin_id__isnull=False):
            found[row.pk] = (row, row.twin_id)
    return list(found.values())


def _unique_with(field: ForeignKey[Any, Any]) -> list[tuple[list[str], Q]]:
    """What else a row that is unique for `field` is unique by, and where."""
    constraints = [c for c in field.model._meta.constraints if isinstance(c, UniqueConstraint)]
    found = [
        ([name for name in constraint.fields if name != field.name], constraint.condition or Q())
        for constraint in constraints
        if field.name in constraint.fields
    ]
    return [*found, ([], Q())] if field.unique else found


def count_following(persona_id: int) -> dict[str, int]:
    """How many rows would follow the persona, by model; no further than 10,000 each."""
    counts = {}
    for field in following():
        rows = field.model._base_manager.filter(**{field.attname: persona_id})
        if count := rows.order_by().values("pk")[: COUNTED_AT_MOST + 1].count():
            counts[field.model._meta.label] = count
    return counts


def folded_names(*, source: int, target: int) -> list[str]:
    """What both have and only one may be left of, as people call it."""
    fields = (field for field in following() if field.model is not DuplicateKey)
    return [str(row) for field in fields for row, _twin in twins(field, source=source, target=target)]


def _move(moves: list[Move], field: ForeignKey[Any, Any], *, source: int, target: int) -> None:
    rows = field.model._base_manager.filter(**{field.attname: source})
    ids = list(rows.order_by("pk").values_list("pk", flat=True))
    if ids:
        label = field.model._meta.label
        point(label, field.attname, ids, at=target, if_at=source)
        moves.append([label, field.attname, source, target, ids])
