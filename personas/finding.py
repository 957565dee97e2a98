"""The newest of the people whom a filter fits, at a cost that does not grow with the workspace.

A database asked for "the newest 25 with all of this" may begin at the wrong end and read a million rows. Here the
condition that leaves the fewest begins, by an index that is in the order of people, and the others are asked of whom
it finds. docs/decisions/0006-finding-people.md has the measurements.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from django.db.models import QuerySet

from accounts.models import Workspace
from personas.filters import Condition, Operator, PersonaFilter, Problem, documents_with
from personas.models import AsNumber, AttributeType, Contact, Persona
from personas.search import TextQuery
from personas.search_index import KEY_OF_WORKSPACE

NEWEST_TRIED = 5_000
"""People looked at before a condition is asked whose index is not in their order: most filters fit enough of them."""
SPARSE_AT_MOST = 20_000
"""People whom such a condition may fit to be brought all at once; where they are more, one in a few of everybody is."""
_FIRST, _MOST, _ROUNDS_TRIED = 500, 8_000, 2
"""Candidates that the other conditions are asked of at a time: fewer at first, because a page needs few. Where they
don't fill it in so many rounds, it is seen whether another condition leaves few enough to begin with that one."""

Newest = Callable[[int | None, int], list[int]]
"""Ids of people older than the first (None: of all), newest first, at most the second. Where a start is not in order,
any people as far as it gets."""


@dataclass(frozen=True, slots=True)
class _Start:
    """Where finding begins, and what is left to be asked."""

    newest: Newest
    rest: PersonaFilter
    is_in_order: bool = True


def newest_ids(chosen: PersonaFilter, workspace: Workspace, limit: int) -> list[int]:
    """The ids of at most `limit` people whom `chosen` fits, newest first."""
    starts = list(_starts(chosen, workspace))
    if not starts:
        return _of_everybody(chosen, workspace, limit)
    first, *others = starts
    if first.is_in_order:
        found, is_all = _passing(first, workspace, limit, rounds=_ROUNDS_TRIED if others else None)
        if is_all:
            return found
    else:
        found = _among_newest(chosen, workspace, limit)
        if len(found) == limit:
            return found
        others = starts
    for start in others:
        candidates = start.newest(None, SPARSE_AT_MOST + 1)
        if len(candidates) <= SPARSE_AT_MOST:
            return _passing(replace(start, newest=_listed(candidates)), workspace, limit)[0]
    return _passing(first, workspace, limit)[0] if first.is_in_order else _of_everybody(chosen, workspace, limit)


def _of_everybody(chosen: PersonaFilter, workspace: Workspace, limit: int) -> list[int]:
    return list(chosen.apply(workspace).order_by("-pk").values_list("pk", flat=True)[:limit])


def _listed(candidates: list[int]) -> Newest:
    """Of all that an index in another order has brought."""
    ids = sorted(set(candidates), reverse=True)
    return lambda below, limit: [pk for pk in ids if below is None or pk < below][:limit]


def _among_newest(chosen: PersonaFilter, workspace: Workspace, limit: int) -> list[int]:
    newest = Persona.objects.filter(workspace=workspace).order_by("-pk").values_list("pk", flat=True)
    edge = next(iter(newest[NEWEST_TRIED - 1 : NEWEST_TRIED]), 0)
    tried = chosen.apply(workspace).filter(pk__gte=edge)
    return list(tried.order_by("-pk").values_list("pk", flat=True)[:limit])


def _passing(start: _Start, workspace: Workspace, limit: int, *, rounds: int | None = None) -> tuple[list[int], bool]:
    """Those of the start's people whom the rest fits too, and whether that is all that was asked for.

    After so many `rounds` it is given up, where another start may be the better one.
    """
    if not start.rest:
        return start.newest(None, limit), True
    found: list[int] = []
    below, size = None, _FIRST
    people = start.rest.apply(workspace).order_by("-pk").values_list("pk", flat=True)
    for _round in count() if rounds is None else range(rounds):
        candidates = start.newest(below, size)
        found += people.filter(pk__in=candidates)[: limit - len(found)]
        if len(found) == limit or len(candidates) < size:
            return found, True
        below, size = candidates[-1], min(size * 2, _MOST)
    return found, False


def _starts(chosen: PersonaFilter, workspace: Workspace) -> Iterator[_Start]:
    """Where one may begin, by what likely leaves the fewest; nowhere where only everybody can be gone through."""
    if chosen.text:
        yield _Start(_by_text(chosen.text, workspace), replace(chosen, text=""))
    for condition in chosen.conditions:
        if condition.operator is Operator.CONTAINS and (words := _long_words(condition.value)):
            yield _Start(_by_text(words, workspace), chosen)
    for exact in _those(chosen, {Operator.IS}):
        yield _Start(_by_value(exact), _without(chosen, exact))
    if chosen.problem:
        yield _Start(_by_problem(chosen.problem, workspace), replace(chosen, problem=None))
    for broad in _those(chosen, _RANGES):
        yield _Start(_by_range(broad), _without(chosen, broad), is_in_order=False)
    if chosen.kind:
        yield _Start(_by_kind(chosen.kind, workspace), replace(chosen, kind=""))
    for filled in _those(chosen, {Operator.HAS}):
        yield _Start(_by_value(filled), _without(chosen, filled))
    if chosen.updated_since:
        yield _Start(_by_update(chosen, workspace), replace(chosen, updated_since=None), is_in_order=False)
    for part in _those(chosen, {Operator.CONTAINS}):
        if not _long_words(part.value):  # last, because no index finds it
            yield _Start(_by_range(part), _without(chosen, part), is_in_order=False)


_RANGES = frozenset({Operator.BEFORE, Operator.AFTER, Operator.AT_LEAST, Operator.AT_MOST})


def _those(chosen: PersonaFilter, operators: Collection[Operator]) -> Iterator[Condition]:
    return (condition for condition in chosen.conditions if condition.operator in operators)


def _without(chosen: PersonaFilter, condition: Condition) -> PersonaFilter:
    return replace(chosen, conditions=tuple(other for other in chosen.conditions if other is not condition))


def _long_words(text: str) -> str:
    """What of `text` the index of documents certainly finds wherever it stands in a value."""
    return " ".join(word for word in text.split() if len(word) > 2 and word.isalpha())


def _by_text(text: str, workspace: Workspace) -> Newest:
    query = TextQuery.of(text, workspace)
    return lambda below, limit: query.newest(limit, below=below)


def _by_problem(problem: Problem, workspace: Workspace) -> Newest:
    base = workspace.pk * KEY_OF_WORKSPACE
    documents = documents_with(problem).order_by("-key").values_list("key", flat=True)

    def newest(below: int | None, limit: int) -> list[int]:
        end = base + (KEY_OF_WORKSPACE if below is None else below)
        return [key - base for key in documents.filter(key__gte=base, key__lt=end)[:limit]]

    return newest


def _by_value(condition: Condition) -> Newest:
    return _of(condition.matching(), "persona_id")


def _by_kind(kind: str, workspace: Workspace) -> Newest:
    return _of(Contact.objects.filter(workspace=workspace, type=kind).distinct(), "persona_id")


def _by_range(condition: Condition) -> Newest:
    """In the order of the values, or a database might read all people backwards to find the few."""
    is_number = condition.attribute.type == AttributeType.NUMBER
    rows = condition.matching().order_by(AsNumber("value") if is_number else "value")
    return lambda _below, limit: list(rows.values_list("persona_id", flat=True)[:limit])


def _by_update(chosen: PersonaFilter, workspace: Workspace) -> Newest:
    rows = PersonaFilter(updated_since=chosen.updated_since).apply(workspace).order_by("updated_at")
    return lambda _below, limit: list(rows.values_list("pk", flat=True)[:limit])


def _of(rows: QuerySet[Any], column: str) -> Newest:
    def newest(below: int | None, limit: int) -> list[int]:
        older = rows if below is None else rows.filter(**{f"{column}__lt": below})
        return list(older.order_by(f"-{column}").values_list(column, flat=True)[:limit])

    return newest
