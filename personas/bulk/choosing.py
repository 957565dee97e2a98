"""Whom it is done to, which is settled when it is prepared: each is a row of the operation, shown before anything is
done."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from accounts.models import Workspace
from personas.filters import PersonaFilter
from personas.models import Operation, OperationRow, Persona
from raven_admin.errors import RavenError

READ_AT_ONCE = 500
MAX_TICKED = 1_000


@dataclass(eq=False)
class NobodyChosen(RavenError):
    """Choose at least one person."""

    code: ClassVar[str] = "nobody_chosen"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whom it is done to: those with these ids, or else all that the filter finds."""

    filter: PersonaFilter
    ids: tuple[int, ...] = ()

    def people(self, workspace: Workspace) -> QuerySet[Persona]:
        if self.ids:
            return Persona.objects.filter(workspace=workspace, pk__in=self.ids)
        return self.filter.apply(workspace)

    def in_words(self) -> str:
        return _("the chosen people") if self.ids else self.filter.in_words()

    def as_plan(self) -> dict[str, Any]:
        return {"query": self.filter.to_query(), "ids": list(self.ids), "whom": self.in_words()}

    @classmethod
    def of_plan(cls, plan: Mapping[str, Any], workspace: Workspace) -> "Chosen":
        return cls(PersonaFilter.from_query(QueryDict(plan["query"]), workspace), tuple(plan["ids"]))


def prepared(
    operation: Operation, after: OperationRow | None, rows_of: Callable[[Sequence[Persona]], list[OperationRow]]
) -> Iterator[Sequence[OperationRow]]:
    """Rows for all whom the plan chooses, in the order of their ids; the plan knows how far it is."""
    plan, number = operation.plan, after.number if after is not None else 0
    people = Chosen.of_plan(plan, operation.workspace).people(operation.workspace)
    while page := list(people.filter(pk__gt=plan.get("after", 0)).order_by("pk")[:READ_AT_ONCE]):
        plan["after"] = page[-1].pk
        rows = rows_of(page)
        for row in rows:
            number += 1
            row.number = number
        yield rows


def deleted_since() -> list[list[str]]:
    """The problem of a row whose person is no more."""
    return [["", _("This person was deleted since.")]]


def locked_people(rows: Sequence[OperationRow]) -> dict[int, Persona]:
    """Of the people whom the rows are about those who are there; nobody changes them before the transaction ends."""
    ids = [row.persona_id for row in rows if row.persona_id is not None]
    return {persona.pk: persona for persona in Persona.objects.select_for_update().filter(pk__in=ids).order_by("pk")}
