"""The newest of the people whom a filter fits, at a cost that hardly grows with the workspace.

A database asked for "the newest 25 with all of this" may begin at the wrong end and read a million rows. Here the
newest people of all are looked at first. Often they are enough; if not, they show what the fewest people meet, and
that begins, by its index. docs/decisions/0006-finding-people.md has the measurements.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet
from django.db.models.expressions import Combinable

from accounts.models import Workspace
from personas.distinct import sets_of_filled, values_that_fit
from personas.filters import Condition, Operator, PersonaFilter, Problem, documents_with
from personas.models import (
    KEY_OF_WORKSPACE,
    AsNumber,
    AttributeType,
    AttributeValue,
    Contact,
    Persona,
    SearchDocument,
    WorkspaceOf,
)
from personas.search import TextQuery

LOOKED_AT = 1_000
"""The newest people, of whom everything is asked first."""
SPARSE_AT_MOST = 20_000
"""People of whom the rest may be asked: it costs less than to look for a better way."""
ASKED_AT_ONCE = 750
"""Of those that another index has brought: with one in seven of them, a page is full and counted."""
ASKED_TO_COUNT = SPARSE_AT_MOST // 2
"""People who may be asked for the sake of the number of all who fit; for those of a page, as many as may be at all."""
_READING = LOOKED_AT // 8
"""What a search costs that reads the documents of everybody, in questions to one of those looked at."""


Question = Q | Combinable


class _Probe(Exists):
    """Asked of one row after the other: PostgreSQL takes OFFSET for a reason not to join, which would read all rows."""

    template = "EXISTS(%(subquery)s OFFSET 0)"


@dataclass(frozen=True, slots=True)
class _People:
    """Rows of people that an index has in their order."""

    rows: QuerySet[Any]
    column: str = "persona_id"
    base: int = 0
    """What the column has beside the id of a person."""

    @property
    def who(self) -> Any:
        """A reference to the person of a row, out of a query within."""
        return OuterRef(self.column) - self.base if self.base else OuterRef(self.column)

    def between(self, after: int, below: int) -> "_People":
        limits = {f"{self.column}__gt": self.base + after, f"{self.column}__lt": self.base + below}
        return replace(self, rows=self.rows.filter(**limits))

    def newest(self, limit: int, *questions: Question) -> list[int]:
        """The ids of at most so many of whom all is true, newest first."""
        return [key - self.base for key in self.keys(*questions)[:limit]]

    def keys(self, *questions: Question) -> QuerySet[Any, int]:
        return self.rows.filter(*questions).order_by(f"-{self.column}").values_list(self.column, flat=True)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One of the things that a filter asks."""

    of: Callable[[_People], Question]
    """The question, as it is put to each of some people."""
    people: _People | None = None
    """All whom it fits, where an index has them in order."""
    few: Callable[[], list[int] | None] | None = None
    """All whom it fits, and maybe others, by an index of another order; None where they are many."""
    is_met_by_few: bool = True
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """The newest whom a filter fits."""

    ids: list[int]
    """Newest first."""
    limit: int
    """No more than so many were looked for."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the newest people show; in `asked`, what fewer of them meet comes first."""

    newest: list[int]
    found: list[int]
    asked: list[_Asked]
    hits: list[int]
    answers: list[tuple[bool, ...]]
    """Of each of the newest."""

    @property
    def in_order(self) -> tuple[int, _Asked | None]:
        """How many meet what the fewest meet of all that has an index in order, and that."""
        return next(((n, one) for n, one in zip(self.hits, self.asked, strict=True) if one.people), (LOOKED_AT, None))

    def promises(self, limit: int, asked: int) -> bool:
        """Whether so many are likely near: three times as far as they should be, `asked` people at most are asked."""
        hits, _first = self.in_order
        return bool(self.found) and 3 * limit * hits <= asked * len(self.found)


def find_newest(chosen: PersonaFilter, workspace: Workspace, limit: int, *, if_dear: int) -> Found:
    """At most `limit` people whom `chosen` fits; at most `if_dear` where `limit` of them are not near the newest."""
    if chosen.text and chosen == PersonaFilter(text=chosen.text):
        return Found(TextQuery.of(chosen.text, workspace).newest(limit), limit)
    asked = list(_asked(chosen, workspace))
    if len(asked) == 1 and asked[0].people:
        return Found(asked[0].people.newest(limit), limit)
    everybody = _documents(workspace) if chosen.text else _People(Persona.objects.filter(workspace=workspace), "pk")
    sight = _look_at(everybody, asked)
    if len(sight.newest) == LOOKED_AT and len(sight.found) < limit and not sight.promises(limit, ASKED_TO_COUNT):
        limit = min(limit, if_dear)
    found = sight.found[:limit]
    if len(found) < limit and len(sight.newest) == LOOKED_AT:
        near, below = _near(sight, everybody, limit)
        found += near
        if len(found) < limit and below > 0:
            found += _older(chosen, workspace, sight, everybody, below, limit - len(found))
    return Found(found, limit)


def newest_ids(chosen: PersonaFilter, workspace: Workspace, limit: int) -> list[int]:
    """The ids of at most `limit` people whom `chosen` fits, newest first."""
    return find_newest(chosen, workspace, limit, if_dear=limit).ids


def _older(
    chosen: PersonaFilter, workspace: Workspace, sight: _Sight, everybody: _People, below: int, limit: int
) -> list[int]:
    """Those who are not near."""
    older = _by_few(sight, below, limit)
    if older is None:
        older = _by_many(sight, below, limit)
    if older is None and sight.found:
        older = everybody.between(0, below).newest(limit, *(one.of(everybody) for one in sight.asked))
    if older is None:  # the database may know better
        people = chosen.apply(workspace).filter(pk__lt=below).order_by("-pk")
        older = list(people.values_list("pk", flat=True)[:limit])
    return older


def _look_at(everybody: _People, asked: list[_Asked]) -> _Sight:
    answers = {f"answer{at}": ExpressionWrapper(one.of(everybody), BooleanField()) for at, one in enumerate(asked)}
    rows = everybody.rows.order_by(f"-{everybody.column}").annotate(**answers)
    looked_at = list(rows.values_list(everybody.column, *answers)[:LOOKED_AT])
    hits = [one.cost + sum(row[at] for row in looked_at) for at, one in enumerate(asked, 1)]
    fewest_first = sorted(range(len(asked)), key=hits.__getitem__)
    return _Sight(
        newest=[row[0] - everybody.base for row in looked_at],
        found=[row[0] - everybody.base for row in looked_at if all(row[1:])],
        asked=[asked[at] for at in fewest_first],
        hits=[hits[at] for at in fewest_first],
        answers=[tuple(row[at + 1] for at in fewest_first) for row in looked_at],
    )


def _near(sight: _Sight, everybody: _People, limit: int) -> tuple[list[int], int]:
    """Who is found three times as far as the newest promise, and how far that was.

    Not at all where that is too far. The promise may be broken: what came last may be unlike all before.
    """
    below, span = sight.newest[-1], 3 * limit * (sight.newest[0] - sight.newest[-1]) // max(1, len(sight.found))
    if not sight.promises(limit, SPARSE_AT_MOST):
        return [], below
    _hits, first = sight.in_order
    people = first.people if first and first.people else everybody
    near = people.between(below - span, below)
    questions = [one.of(near) for one in sight.asked if one is not first]
    return near.newest(limit - len(sight.found), *questions), below - span + 1


def _by_few(sight: _Sight, below: int, limit: int) -> list[int] | None:
    """Beginning with what only few people meet, if there is such a thing.

    What is in order and met by many of the newest is not even tried: going down its index is the next way anyhow.
    """
    for hits, one in zip(sight.hits, sight.asked, strict=True):
        others = [other for other in sight.asked if other is not one]
        if one.few:
            ids = one.few()
            if ids is not None:
                ids = sorted({pk for pk in ids if pk < below}, reverse=True)
                return _among(ids, others if one.is_met_by_few else sight.asked, limit)
        elif one.people and hits <= LOOKED_AT // 50 and not one.people.keys()[SPARSE_AT_MOST : SPARSE_AT_MOST + 1]:
            people = one.people.between(0, below)
            return people.newest(limit, *(other.of(people) for other in others))
    return None


def _among(ids: list[int], asked: list[_Asked], limit: int) -> list[int]:
    """Those of the ids of whom all is true, in their order."""
    if not asked:
        return ids[:limit]
    found: list[int] = []
    size = ASKED_AT_ONCE
    while ids and len(found) < limit:
        people = _People(Persona.objects.filter(pk__in=ids[:size]), "pk")
        found += people.newest(limit - len(found), *(one.of(people) for one in asked))
        ids, size = ids[size:], size * 2
    return found


def _by_many(sight: _Sight, below: int, limit: int) -> list[int] | None:
    """Through all whom one condition fits, where the page is far; None where no index is in order.

    Where many meet each condition and hardly anybody several, the indexes of those are gone down together.
    """
    in_order = [(one, one.people.between(0, below)) for one in sight.asked if one.people]
    if not in_order:
        return None
    together = {at for at, one in enumerate(sight.asked) if one.people and not one.people.base}
    met_by = sum(all(answers[at] for at in together) for answers in sight.answers)
    if len(together) > 1 and met_by <= LOOKED_AT // 50:
        return _side_by_side(sight.asked, together, below, limit)
    first, people = in_order[0]
    return people.newest(limit, *(one.of(people) for one in sight.asked if one is not first))


def _side_by_side(asked: list[_Asked], together: set[int], below: int, limit: int) -> list[int]:
    """Down several indexes at once, which takes a tenth of going down one and asking the others."""
    people = [one.people for at, one in enumerate(asked) if at in together and one.people]
    others = [one for at, one in enumerate(asked) if at not in together]
    found: list[int] = []
    size = ASKED_AT_ONCE if others else limit
    while len(found) < limit:
        ids = _in_all([one.between(0, below) for one in people], size)
        found += _among(ids, others, limit - len(found))
        if len(ids) < size:
            break
        below, size = ids[-1], min(size * 4, SPARSE_AT_MOST)
    return found


def _in_all(people: list[_People], limit: int) -> list[int]:
    first, *others = people
    if connection.vendor == "postgresql":  # INTERSECT would sort there, and a join goes down both indexes
        return first.newest(limit, *(Exists(other.rows.filter(persona=first.who)) for other in others))
    ids, *more = (one.rows.order_by().values_list("persona_id", flat=True) for one in people)
    return list(ids.intersection(*more).order_by("-persona_id")[:limit])


# ------------------------------------------------------------------------------------------------ what is asked
def _asked(chosen: PersonaFilter, workspace: Workspace) -> Iterator[_Asked]:
    """What likely leaves the fewest comes first: that counts where the newest people don't tell."""
    if chosen.text:
        yield _of_text(TextQuery.of(chosen.text, workspace), workspace)
    yield from _of_attributes(chosen.conditions, workspace)
    if chosen.problem:
        yield _of_problem(chosen.problem, workspace)
    if chosen.kind:
        contacts = Contact.objects.filter(workspace=workspace, type=chosen.kind)
        yield _Asked(lambda people: _Probe(contacts.filter(persona=people.who)), _People(contacts.distinct()))
    if chosen.updated_since:
        changed = PersonaFilter(updated_since=chosen.updated_since).apply(workspace)
        ids = changed.order_by("updated_at").values_list("pk", flat=True)
        yield _Asked(lambda people: _Probe(changed.filter(pk=people.who)), few=lambda: _all_if_few(ids))


def _all_if_few(ids: QuerySet[Any, int]) -> list[int] | None:
    """In two steps: to step over many costs an index little, to bring them a lot."""
    return None if ids[SPARSE_AT_MOST : SPARSE_AT_MOST + 1] else list(ids)


def _of_text(query: TextQuery, workspace: Workspace) -> _Asked:
    documents, base = SearchDocument.objects.filter(query.q()), workspace.pk * KEY_OF_WORKSPACE

    def of(people: _People) -> Question:
        is_document = people.rows.model is SearchDocument
        return query.q() if is_document else _Probe(documents.filter(key=people.who + base))

    return _Asked(of, _documents(workspace, documents), few=query.all_if_few, cost=_READING)


def _documents(workspace: Workspace, documents: QuerySet[SearchDocument] | None = None) -> _People:
    base = workspace.pk * KEY_OF_WORKSPACE
    rows = SearchDocument.objects.all() if documents is None else documents
    return _People(rows.filter(key__gte=base, key__lt=base + KEY_OF_WORKSPACE), "key", base)


def _of_problem(problem: Problem, workspace: Workspace) -> _Asked:
    documents, base = documents_with(problem), workspace.pk * KEY_OF_WORKSPACE
    return _Asked(lambda people: _Probe(documents.filter(key=people.who + base)), _documents(workspace, documents))


def _of_attributes(conditions: Iterable[Condition], workspace: Workspace) -> Iterator[_Asked]:
    """What is asked of one attribute is asked at once, for a person has one value of it."""
    together: dict[int, list[Condition]] = {}
    lacking: set[int] = set()
    for condition in conditions:
        if condition.operator is Operator.LACKS:
            lacking.add(condition.attribute.pk)
        else:
            together.setdefault(condition.attribute.pk, []).append(condition)
    if lacking:
        yield _of_lack(lacking, together.keys(), workspace)
    for group in together.values():
        yield _of_value(group, workspace)


def _of_lack(lacking: Set[int], having: Set[int], workspace: Workspace) -> _Asked:
    """Begins with those who also have something of all else that is asked about."""
    values = AttributeValue.objects.filter(definition__in=lacking)

    def all_if_few() -> list[int] | None:
        sets = sets_of_filled(workspace, having=having, lacking=lacking)
        if sets is None:
            return None
        documents = SearchDocument.objects.alias(workspace=WorkspaceOf("key")).filter(workspace=workspace.pk)
        ids = F("key") - workspace.pk * KEY_OF_WORKSPACE
        return _all_if_few(documents.filter(filled__in=sets).values_list(ids, flat=True))

    return _Asked(lambda people: ~_Probe(values.filter(persona=people.who)), few=all_if_few)


def _of_value(conditions: list[Condition], workspace: Workspace) -> _Asked:
    values = reduce(and_, (condition.matching() for condition in conditions))
    operators = {condition.operator for condition in conditions}
    fitting = values_that_fit(conditions) if Operator.CONTAINS in operators else None
    if fitting is not None:
        values = AttributeValue.objects.filter(definition=conditions[0].attribute)
        values = values.filter(value__in=fitting) if len(fitting) != 1 else values.filter(value=fitting[0])

    def of(people: _People) -> Exists:
        one_by_one = reduce(and_, (condition.matching(one_by_one=True) for condition in conditions))
        return _Probe(one_by_one.filter(persona=people.who))

    def of_exact(people: _People) -> Exists:
        """As a range, or SQLite would fetch the one row there may be for its value, which another index has."""
        return _Probe(values.filter(persona__gte=people.who, persona__lte=people.who))

    if Operator.IS in operators or (fitting is not None and len(fitting) == 1):
        return _Asked(of_exact, _People(values))
    if fitting is not None:
        ids = values.values_list("persona_id", flat=True)
        return _Asked(of_exact, few=lambda: _all_if_few(ids))
    if operators == {Operator.HAS}:
        return _Asked(of, _People(values))
    for condition in conditions:
        if condition.operator is Operator.CONTAINS and (query := TextQuery.of_part(condition.value, workspace)):
            return _Asked(of, few=query.all_if_few, is_met_by_few=False)
    is_number = conditions[0].attribute.type == AttributeType.NUMBER
    ids = values.order_by(AsNumber("value") if is_number else "value").values_list("persona_id", flat=True)
    if operators <= {Operator.CONTAINS, Operator.HAS}:  # read to the end by either step, for no index knows
        return _Asked(of, few=lambda: None if len(few := list(ids[: SPARSE_AT_MOST + 1])) > SPARSE_AT_MOST else few)
    return _Asked(of, few=lambda: _all_if_few(ids))
