"""Pages of a list by an opaque cursor: the same cost on any page, and no row twice while others are added."""

import re
from typing import Any

from django.db.models import Model, QuerySet

from tokens.refusals import QueryInvalid

CURSOR = r"^(c[0-9a-f]{1,15})?$(?!\n)"
"""A cursor, or none."""


def page_after(rows: QuerySet[Any], *, cursor: str, limit: int) -> tuple[list[Any], str | None]:
    """The next `limit` rows by rising id, and the cursor of the page behind them; None when there is none.

    Raises QueryInvalid for a cursor that is not ours.
    """
    if cursor:
        rows = rows.filter(pk__gt=_id_of(cursor))
    found: list[Model] = list(rows.order_by("pk")[: limit + 1])
    more = len(found) > limit
    return found[:limit], _cursor_of(found[limit - 1].pk) if more else None


def _cursor_of(last_id: int) -> str:
    return f"c{last_id:x}"


def _id_of(cursor: str) -> int:
    if not re.fullmatch(CURSOR, cursor):
        raise QueryInvalid(path="cursor", problem="This is no cursor of a list. Take `next` of the page before.")
    return int(cursor[1:], 16)
