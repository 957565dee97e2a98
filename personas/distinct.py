"""The few different things that many people have: each is one step down an index, however many have it.

What a million people share is answered of these few, instead of the people: which sets of attributes are filled, and
which values of an attribute contain a text.
"""

from collections.abc import Set
from functools import reduce
from operator import and_

from accounts.models import Workspace
from personas.filters import Condition
from personas.models import KEY_OF_WORKSPACE
from raven_admin.statements import Statement

SETS_AT_MOST = 200
VALUES_AT_MOST = 50

_SETS_OF_FILLED = Statement(
    f"""
    WITH RECURSIVE step (filled, at) AS (
        SELECT min(filled), 1 FROM personas_searchdocument WHERE (key / {KEY_OF_WORKSPACE}) = %(workspace_id)s
         UNION ALL
        SELECT (SELECT min(filled) FROM personas_searchdocument
                 WHERE (key / {KEY_OF_WORKSPACE}) = %(workspace_id)s AND filled > step.filled), at + 1
          FROM step WHERE filled IS NOT NULL AND at <= %(at_most)s
    )
    SELECT filled FROM step WHERE filled IS NOT NULL
     UNION ALL
    SELECT NULL WHERE EXISTS (SELECT 1 FROM personas_searchdocument
                               WHERE (key / {KEY_OF_WORKSPACE}) = %(workspace_id)s AND filled IS NULL)
    """  # noqa: S608
)
_HOLDERS_OF_VALUES = Statement(
    """
    WITH RECURSIVE step (value, at) AS (
        SELECT min(value), 1 FROM personas_attributevalue WHERE definition_id = %(definition_id)s
         UNION ALL
        SELECT (SELECT min(value) FROM personas_attributevalue
                 WHERE definition_id = %(definition_id)s AND value > step.value), at + 1
          FROM step WHERE value IS NOT NULL AND at <= %(at_most)s
    )
    SELECT (SELECT min(persona_id) FROM personas_attributevalue
             WHERE definition_id = %(definition_id)s AND value = step.value)
      FROM step WHERE value IS NOT NULL
    """
)


def sets_of_filled(workspace: Workspace, *, having: Set[int], lacking: Set[int]) -> list[str] | None:
    """The sets of filled attributes, as documents have them, with some and without others; None if they are many."""
    rows = _SETS_OF_FILLED.rows(workspace_id=workspace.pk, at_most=SETS_AT_MOST)
    sets: list[str | None] = [filled for (filled,) in rows]
    if len(sets) > SETS_AT_MOST or None in sets:
        return None
    ids_of = {filled: {int(pk) for pk in filled.split(",") if pk} for filled in sets if filled}
    return [filled for filled, ids in ids_of.items() if having <= ids and not lacking & ids]


def values_that_fit(conditions: list[Condition]) -> list[str] | None:
    """The values of one attribute that fit all of what is asked of it; None if it has too many different ones.

    Of each value one person is asked, in the words of the conditions: they alone know what is upper case to a database.
    """
    [definition_id] = {condition.attribute.pk for condition in conditions}
    holders = [pk for (pk,) in _HOLDERS_OF_VALUES.rows(definition_id=definition_id, at_most=VALUES_AT_MOST)]
    if len(holders) > VALUES_AT_MOST:
        return None
    fitting = reduce(and_, (condition.matching() for condition in conditions)).filter(persona__in=holders)
    return sorted(set(fitting.values_list("value", flat=True)))
