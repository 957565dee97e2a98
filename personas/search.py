"""Finding a persona by what a person types into a search box.

Whatever is typed becomes terms that all must fit, in any order; a term may be written in several ways, as a number may.
What is looked through are the documents of `personas.search_index`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from accounts.models import Workspace
from personas.contacts import ContactKeyInvalid, calling_code, normalise
from personas.folding import fold
from personas.models import KEY_OF_WORKSPACE, Contact, ContactType

MAX_TEXT = 200
MAX_TERMS = 12
FEW = 500
NEWEST_LOOKED_THROUGH = 20_000
"""Documents that PostgreSQL reads before it asks the index, which would bring all hits of a common word at once."""

_NUMBER = re.compile(r"(?<!\S)[+(]?\d(?:[\s()./-]*\d){2,}(?!\S)")
"""A number as people write it: at least three digits, and what stands between groups of them."""
_FIVE_DIGITS = re.compile(r"\d{5}")
_LIKE = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})

_IN_NO_DOCUMENT = ("true", "false")
"""Values that `personas.search_index` leaves out."""

Sql = tuple[str, list[Any]]
Alternatives = tuple[tuple[str, ...], ...]
"""Ways to write one term: of one of them, each text must stand in the document."""


@dataclass(frozen=True, slots=True)
class TextQuery:
    """What is looked for in the documents of one workspace."""

    terms: tuple[Alternatives, ...]
    workspace_id: int
    reached: tuple[int, ...] = ()
    """Whom the text reaches, newest first, where it is a whole address that somebody has: then nobody else is meant."""

    @classmethod
    def of(cls, text: str, workspace: Workspace) -> "TextQuery":
        text = text[:MAX_TEXT].replace("\0", " ")
        terms = tuple(_terms(text, country=workspace.country))
        return cls(terms, workspace.pk, _reached_at(text, workspace) if len(terms) == 1 else ())

    @classmethod
    def of_part(cls, text: str, workspace: Workspace) -> "TextQuery | None":
        """Everybody of whom a value has `text` somewhere in it, and more; None where documents don't surely tell."""
        folded = fold(text)
        is_plain = all(letter.isascii() or letter.isalpha() for letter in text)
        if len(folded) < 3 or not is_plain or any(folded in left_out for left_out in _IN_NO_DOCUMENT):
            return None
        return cls((((folded,),),), workspace.pk)

    def q(self) -> Q:
        """On a document, for one after the other: no index of texts is used."""
        if self.reached:
            return Q(key__in=[self._base + pk for pk in self.reached])
        if not self.terms:
            return Q(key__in=[])
        return Q(*(reduce(or_, map(_stands_in, term)) for term in self.terms))

    def newest(self, limit: int, *, below: int | None = None) -> list[int]:
        """The ids of at most `limit` personas that fit, newest first; of those older than `below` if it is given."""
        if self.reached:
            return [pk for pk in self.reached if below is None or pk < below][:limit]
        if not self.terms or limit < 1:
            return []
        if connection.vendor == "sqlite":
            return self._ids(*self._hits_in_order(below, limit))
        if not self._is_surely_rare():
            found = self._ids(*self._among_newest(below, limit))
            if len(found) == limit:
                return found
        return self._ids(*self._all_sorted(below, limit))

    def all_if_few(self) -> list[int] | None:
        """The ids of all whom it finds, newest first; None where they are more than a few hundred."""
        ids = self.newest(FEW + 1)
        return ids if len(ids) <= FEW else None

    def everybody(self) -> RawSQL | list[int]:
        """The ids of all personas that fit, for a query that takes as many as there are."""
        if self.reached:
            return list(self.reached)
        if not self.terms:
            return RawSQL("SELECT 0 WHERE 1 = 0", [])
        sql, parameters = self._hits(None)
        return RawSQL(f"SELECT key - %s FROM ({sql}) hits", [self._base, *parameters])  # noqa: S608, S611

    @property
    def _base(self) -> int:
        return self.workspace_id * KEY_OF_WORKSPACE

    def _range(self, below: int | None) -> list[int]:
        return [self._base, self._base + (KEY_OF_WORKSPACE if below is None else below) - 1]

    def _ids(self, sql: str, parameters: Sequence[Any]) -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return [key - self._base for (key,) in cursor.fetchall()]

    def _hits(self, below: int | None) -> Sql:
        fits, looked_for = self._condition()
        if connection.vendor == "postgresql":
            sql = f"SELECT key FROM personas_searchdocument document WHERE {fits} AND key BETWEEN %s AND %s"  # noqa: S608
            return sql, [*looked_for, *self._range(below)]
        # CROSS JOIN: from the trigrams to the documents, never the other way round.
        sql = f"""
            SELECT document.key FROM personas_trigrams CROSS JOIN personas_searchdocument document
                ON document.key = personas_trigrams.rowid
             WHERE personas_trigrams MATCH %s AND personas_trigrams.rowid BETWEEN %s AND %s AND {fits}
        """  # noqa: S608
        return sql, [self._match(), *self._range(below), *looked_for]

    def _is_surely_rare(self) -> bool:
        """Five digits in a row are in a few in a hundred thousand numbers; four may be a year that many values have."""
        return any(all(_FIVE_DIGITS.search(text) for way in term for text in way) for term in self.terms)

    def _hits_in_order(self, below: int | None, limit: int) -> Sql:
        """SQLite's trigrams come in the order of keys, and only as many as are asked for are read."""
        sql, parameters = self._hits(below)
        return f"{sql} ORDER BY personas_trigrams.rowid DESC LIMIT %s", [*parameters, limit]

    def _among_newest(self, below: int | None, limit: int) -> Sql:
        fits, looked_for = self._condition()
        newest = "SELECT key, text FROM personas_searchdocument WHERE key BETWEEN %s AND %s ORDER BY key DESC LIMIT %s"
        return (
            f"SELECT key FROM ({newest}) document WHERE {fits} ORDER BY key DESC LIMIT %s",  # noqa: S608
            [*self._range(below), NEWEST_LOOKED_THROUGH, *looked_for, limit],
        )

    def _all_sorted(self, below: int | None, limit: int) -> Sql:
        """MATERIALIZED: all hits by the index; told of the order, PostgreSQL might read the table backwards instead."""
        sql, parameters = self._hits(below)
        sql = f"WITH hits AS MATERIALIZED ({sql}) SELECT key FROM hits ORDER BY key DESC LIMIT %s"  # noqa: S608
        return sql, [*parameters, limit]

    def _condition(self) -> Sql:
        """On a document's text."""
        if connection.vendor == "sqlite":
            return _all_of(self.terms, lambda text: ("instr(document.text, %s) > 0", [_as_stored(text)]))
        return _all_of(self.terms, lambda text: ("document.text LIKE %s", [f"%{_as_stored(text).translate(_LIKE)}%"]))

    def _match(self) -> str:
        """Of what has a trigram at all; an initial is looked for in the documents that the rest finds."""
        terms = [term for term in self.terms if all(len(_as_stored(text)) > 2 for way in term for text in way)]
        return _all_of(terms, lambda text: (" AND ".join(_trigrams(_as_stored(text))), []))[0]


def search_personas(personas: QuerySet[Any], text: str, *, workspace: Workspace) -> QuerySet[Any]:
    """Those of `personas` whom `text` finds: by parts of their name, numbers in any notation, addresses and values."""
    return personas.filter(pk__in=TextQuery.of(text, workspace).everybody())


def _reached_at(text: str, workspace: Workspace) -> tuple[int, ...]:
    """The ids of those who have exactly this number or e-mail address, newest first."""
    keys = []
    for type in (ContactType.WHATSAPP, ContactType.PHONE, ContactType.EMAIL):
        with suppress(ContactKeyInvalid):
            keys.append(Q(type=type, normalized=normalise(type, text, country=workspace.country)))
    if not keys:
        return ()
    contacts = Contact.objects.filter(reduce(or_, keys), workspace=workspace)
    return tuple(contacts.order_by("-persona").values_list("persona", flat=True).distinct())


def _terms(text: str, *, country: str) -> Iterator[Alternatives]:
    """Numbers first, because their groups of digits are no words of their own."""
    numbers = _NUMBER.findall(text)[:MAX_TERMS]
    for number in numbers:
        yield _notations(number, country=country)
    words = fold(_NUMBER.sub(" ", text)).split()[: MAX_TERMS - len(numbers)]
    tells_more = bool(numbers) or any(len(word.rstrip(".")) > 1 for word in words)
    for at, word in enumerate(words):
        initial = word.rstrip(".")
        if len(initial) == 1 and (at or tells_more):
            yield ((f"\n\n{initial}",), (f" {initial}",))
        else:
            yield ((word,), (word.removeprefix("@"),)) if len(word) > 1 and word.startswith("@") else ((word,),)


def _notations(number: str, *, country: str) -> Alternatives:
    """What a number may be stored as: whole, or a part of one; and as it is typed, for the value of an attribute."""
    digits = re.sub(r"\D", "", number)
    ways = [fold(number), digits]
    if digits.startswith("00"):
        ways.append(f"+{digits[2:]}")
    elif digits.startswith("0"):
        ways.append(f"+{calling_code(country)}{digits[1:]}")
    with suppress(ContactKeyInvalid):  # a part of a number
        ways.append(normalise(ContactType.PHONE, number, country=country))
    return tuple((way,) for way in dict.fromkeys(ways) if not any(other in way for other in ways if other != way))


def _stands_in(way: tuple[str, ...]) -> Q:
    return Q(*(GreaterThan(StrIndex("text", Value(_as_stored(text))), 0) for text in way))


def _as_stored(text: str) -> str:
    """As a document has it: two letters stand on a line of their own, and at one a name begins.

    What begins with a space, as an initial, is written so already.
    """
    return text if text[0].isspace() else {1: f"\n\n{text}", 2: f"\n{text}\n"}.get(len(text), text)


def _trigrams(text: str) -> list[str]:
    """Trigrams of `text`, as FTS5 reads them; the documents they are in are looked at themselves afterwards.

    Digits are all alike, so as few as cover the number are asked; of letters, any one may be the rare one.
    """
    step = 3 if text.removeprefix("+").isdigit() else 1
    places = dict.fromkeys([*range(0, len(text) - 2, step), len(text) - 3])
    return ['"{}"'.format(text[at : at + 3].replace('"', '""')) for at in places]


def _all_of(terms: Iterable[Alternatives], sql_of: Callable[[str], Sql]) -> Sql:
    conditions, parameters = [], []
    for alternatives in terms:
        ways = []
        for way in alternatives:
            each = [sql_of(text) for text in way]
            ways.append(" AND ".join(sql for sql, _parameters in each))
            parameters += [value for _sql, values in each for value in values]
        conditions.append("(" + " OR ".join(f"({way})" for way in ways) + ")")
    return " AND ".join(conditions), parameters
