"""Some of a workspace's people: what a list shows, what a download holds, what a bulk change is done to.

A `PersonaFilter` goes into an address and comes out of it unchanged, so that a saved filter, a link to a colleague and
the plan of an operation are the same text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.db.models import CharField, Exists, F, Func, OuterRef, Q, QuerySet
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.http import QueryDict
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Workspace
from personas.attributes import parse_value
from personas.models import (
    KEY_OF_WORKSPACE,
    AsNumber,
    AttributeDefinition,
    AttributeType,
    AttributeValue,
    Contact,
    ContactType,
    Persona,
    SearchDocument,
)
from personas.search import search_personas
from raven_admin.errors import RavenError

MAX_CONDITIONS = 20
MAX_TEXT = 200


@dataclass(eq=False)
class FilterInvalid(RavenError):
    """{reason}"""

    code: ClassVar[str] = "filter_invalid"
    reason: str


class Operator(StrEnum):
    HAS = "has"
    LACKS = "lacks"
    IS = "is"
    CONTAINS = "contains"
    BEFORE = "before"
    AFTER = "after"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"

    @property
    def needs_value(self) -> bool:
        return self not in {Operator.HAS, Operator.LACKS}

    @property
    def label(self) -> str:
        return str(_OPERATOR_LABELS[self])


_OPERATOR_LABELS: dict[Operator, Promise] = {
    Operator.HAS: gettext_lazy("is filled"),
    Operator.LACKS: gettext_lazy("is empty"),
    Operator.IS: gettext_lazy("is"),
    Operator.CONTAINS: gettext_lazy("contains"),
    Operator.BEFORE: gettext_lazy("is before"),
    Operator.AFTER: gettext_lazy("is after"),
    Operator.AT_LEAST: gettext_lazy("is at least"),
    Operator.AT_MOST: gettext_lazy("is at most"),
}

_ALWAYS = (Operator.IS, Operator.HAS, Operator.LACKS)
OPERATORS_OF_TYPE: dict[str, tuple[Operator, ...]] = {
    AttributeType.TEXT: (Operator.CONTAINS, *_ALWAYS),
    AttributeType.NUMBER: (Operator.AT_LEAST, Operator.AT_MOST, *_ALWAYS),
    AttributeType.DATE: (Operator.BEFORE, Operator.AFTER, *_ALWAYS),
    AttributeType.BOOLEAN: _ALWAYS,
}


class Problem(StrEnum):
    ANY = "any"
    NO_CONTACT = "no_contact"
    INVALID_NUMBER = "invalid_number"

    @property
    def label(self) -> str:
        return str(_PROBLEM_LABELS[self])


_PROBLEM_LABELS: dict[Problem, Promise] = {
    Problem.ANY: gettext_lazy("Has problems"),
    Problem.NO_CONTACT: gettext_lazy("Has no contact"),
    Problem.INVALID_NUMBER: gettext_lazy("Has a number that no plan knows"),
}

_STORED_PROBLEMS = {Problem.NO_CONTACT: 1, Problem.INVALID_NUMBER: 2}


_ITS_VALUE = Func(F("value"), template="(%(expressions)s || '')", output_field=CharField())
"""The value as it is, but as no index has it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What is asked of one attribute; `value` is in the notation of its type, empty where the operator takes none."""

    attribute: AttributeDefinition
    operator: Operator
    value: str = ""

    def in_words(self) -> str:
        words = [self.attribute.label, self.operator.label]
        if self.operator.needs_value:
            words.append(self._shown())
        return " ".join(words)

    def matching(self, *, one_by_one: bool = False) -> QuerySet[AttributeValue]:
        """The values that fit; of `LACKS`, those that must not be there.

        `one_by_one`: asked of the value of one person after the other, by no index of values. Of a range that looks
        narrow to it, PostgreSQL would else read all values for each person.
        """
        values = AttributeValue.objects.filter(definition=self.attribute)
        column = "value"
        if one_by_one:
            column, values = "its_value", values.alias(its_value=_ITS_VALUE)
        match self.operator:
            case Operator.HAS | Operator.LACKS:
                return values
            case Operator.IS:
                return values.filter(value=self.value)
            case Operator.CONTAINS:
                return values.filter(value__icontains=self.value)
            case Operator.BEFORE:
                return values.filter(**{f"{column}__lt": self.value})
            case Operator.AFTER:
                return values.filter(**{f"{column}__gt": self.value})
            case Operator.AT_LEAST:
                return values.filter(GreaterThanOrEqual(AsNumber(column), float(self.value)))
            case Operator.AT_MOST:
                return values.filter(LessThanOrEqual(AsNumber(column), float(self.value)))

    def q(self) -> Q:
        """On the persona."""
        exists = Exists(self.matching().filter(persona=OuterRef("pk")))
        return ~Q(exists) if self.operator is Operator.LACKS else Q(exists)

    def _shown(self) -> str:
        if self.attribute.type == AttributeType.DATE:
            return date_format(date.fromisoformat(self.value), "j M Y")
        if self.attribute.type == AttributeType.BOOLEAN:
            return _("yes") if self.value == "true" else _("no")
        return f"“{self.value}”" if self.attribute.type == AttributeType.TEXT else self.value


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a filter asks, in words, and the filter that is left without it."""

    words: str
    rest: "PersonaFilter"


@dataclass(frozen=True, slots=True)
class PersonaFilter:
    """People to whom all of this applies; an empty one is everybody."""

    text: str = ""
    """As typed into the search box."""
    kind: str = ""
    """A `ContactType`: they have a contact of it."""
    conditions: tuple[Condition, ...] = field(default=())
    problem: Problem | None = None
    updated_since: date | None = None
    """From the beginning of that day in the workspace's time zone."""

    @classmethod
    def from_query(cls, query: QueryDict, workspace: Workspace) -> "PersonaFilter":
        """What an address asks for; parameters of others (order, page) are left alone.

        Raises FilterInvalid: a filter that can't be read must never become a wider one.
        """
        kind, problem = query.get("kind", ""), query.get("problem", "")
        if kind and kind not in ContactType.values:
            raise FilterInvalid(_("There is no kind of contact “%s”.") % kind[:50])
        if problem and problem not in list(Problem):
            raise FilterInvalid(_("There is no problem “%s”.") % problem[:50])
        return cls(
            text=query.get("q", "").strip()[:MAX_TEXT],
            kind=kind,
            conditions=tuple(_read_conditions(query, workspace)),
            problem=Problem(problem) if problem else None,
            updated_since=_read_day(query.get("updated", "")),
        )

    def to_query(self) -> str:
        """As an address has it; empty for everybody. `from_query` reads it back."""
        query = QueryDict(mutable=True)
        named = {"q": self.text, "kind": self.kind, "problem": self.problem or ""}
        named["updated"] = self.updated_since.isoformat() if self.updated_since else ""
        for name, value in named.items():
            if value:
                query[name] = str(value)
        for condition in self.conditions:
            query.appendlist("a", condition.attribute.key)
            query.appendlist("op", str(condition.operator))
            query.appendlist("v", condition.value)
        return query.urlencode()

    def __bool__(self) -> bool:
        return bool(self.text or self.kind or self.conditions or self.problem or self.updated_since)

    def apply(self, workspace: Workspace) -> QuerySet[Persona]:
        """All of the workspace's people that it fits, in no order of its own and however many they are."""
        personas = Persona.objects.filter(workspace=workspace).filter(*self._conditions_on_persona(workspace))
        return search_personas(personas, self.text, workspace=workspace) if self.text else personas

    def parts(self) -> list[Part]:
        """Each thing that is asked, for a chip that takes it away."""
        parts = []
        if self.text:
            parts.append(Part(_("Search: %s") % self.text, replace(self, text="")))
        if self.kind:
            label = ContactType(self.kind).label
            parts.append(Part(_("Reached by %s") % label, replace(self, kind="")))
        for at, condition in enumerate(self.conditions):
            rest = replace(self, conditions=self.conditions[:at] + self.conditions[at + 1 :])
            parts.append(Part(condition.in_words(), rest))
        if self.problem:
            parts.append(Part(self.problem.label, replace(self, problem=None)))
        if self.updated_since:
            shown = date_format(self.updated_since, "j M Y")
            parts.append(Part(_("Updated since %s") % shown, replace(self, updated_since=None)))
        return parts

    def in_words(self) -> str:
        """What is asked, as one line; of an empty filter, that it is everybody."""
        return " · ".join(part.words for part in self.parts()) or _("Everybody")

    def _conditions_on_persona(self, workspace: Workspace) -> Iterator[Q]:
        if self.kind:
            yield Q(Exists(Contact.objects.filter(persona=OuterRef("pk"), type=self.kind)))
        for condition in self.conditions:
            yield condition.q()
        if self.problem:
            key = OuterRef("pk") + workspace.pk * KEY_OF_WORKSPACE
            yield Q(Exists(documents_with(self.problem).filter(key=key)))
        if self.updated_since:
            yield Q(updated_at__gte=_beginning_of(self.updated_since, workspace))


def documents_with(problem: Problem) -> QuerySet[SearchDocument]:
    """Of the personas with that problem, of any workspace."""
    some = SearchDocument.objects.filter(problem__gt=0)  # said too where one is asked for: that index holds only these
    return some if problem is Problem.ANY else some.filter(problem=_STORED_PROBLEMS[problem])


def _beginning_of(day: date, workspace: Workspace) -> datetime:
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(workspace.time_zone))


def _read_day(text: str) -> date | None:
    if not text.strip():
        return None
    try:
        return date.fromisoformat(parse_value(AttributeType.DATE, text))
    except ValueError:
        raise FilterInvalid(_("“%s” is no date. Write it as 2026-11-21.") % text[:50]) from None


def _read_conditions(query: QueryDict, workspace: Workspace) -> Iterator[Condition]:
    """The conditions of `a`, `op` and `v`, which stand in the address as often as there are conditions."""
    rows = [row for row in zip(*map(query.getlist, ("a", "op", "v")), strict=False) if row[0]]
    if len(rows) < sum(1 for key in query.getlist("a") if key):
        raise FilterInvalid(_("A condition is incomplete."))
    if len(rows) > MAX_CONDITIONS:
        raise FilterInvalid(_("At most %d conditions at a time.") % MAX_CONDITIONS)
    if not rows:
        return
    defined = {attribute.key: attribute for attribute in AttributeDefinition.objects.filter(workspace=workspace)}
    for key, operator, value in rows:
        if key not in defined:
            raise FilterInvalid(_("There is no attribute “%s” in this workspace.") % key[:50])
        yield _read_condition(defined[key], operator, value)


def _read_condition(attribute: AttributeDefinition, operator: str, value: str) -> Condition:
    offered: Sequence[Any] = OPERATORS_OF_TYPE[attribute.type]
    if operator not in offered:
        raise FilterInvalid(_("%(label)s can't be asked for “%(operator)s”.") % {"label": attribute.label,
                                                                                "operator": operator[:50]})  # fmt: skip
    asked = Operator(operator)
    if not asked.needs_value:
        return Condition(attribute, asked)
    try:
        stored = parse_value(attribute.type, value)
    except ValueError as problem:
        raise FilterInvalid(f"{attribute.label} {problem}") from None
    if not stored:
        raise FilterInvalid(_("Write what %(label)s %(operator)s.") % {"label": attribute.label,
                                                                      "operator": asked.label})  # fmt: skip
    return Condition(attribute, asked, stored.strip())
