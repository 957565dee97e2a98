"""The books: how many deliveries came to be, and how many stand in each state, without counting them.

Each move writes its entries in its own transaction; nobody waits for anybody, and the sum is exact at any moment.
"""

from collections import Counter
from collections.abc import Mapping

from django.db import transaction
from django.db.models import QuerySet, Sum

from delivery.models import BookEntry
from delivery.states import State
from raven_admin.statements import Statement

CREATED = ""
"""What stands in place of a state for those that came to be."""
_PRUNED = "-"
"""Before a state: of those that stand in it, these are not kept any more."""
Tally = Counter[tuple[int, str]]
"""Of (destination, state): how many more; fewer when negative."""
_ENTER = Statement("INSERT INTO delivery_bookentry (destination_id, state, amount) VALUES (%s, %s, %s)")


def enter(tally: Mapping[tuple[int, str], int]) -> None:
    """The books say so, as part of the caller's transaction."""
    _ENTER.run_each([(destination, state, amount) for (destination, state), amount in tally.items() if amount])


def note_move(tally: Tally, destination_id: int, old: State, new: State, amount: int = 1) -> None:
    """`tally` knows that so many moved."""
    tally[destination_id, str(old)] -= amount
    tally[destination_id, str(new)] += amount


def pruned(state: State) -> str:
    """What stands in place of a state for those in it that were deleted because they are old."""
    return f"{_PRUNED}{state}"


def totals(entries: "QuerySet[BookEntry]") -> dict[int, dict[str, int]]:
    """By destination: how many came to be (`CREATED`) and how many stand in each state, pruned ones too."""
    found: dict[int, dict[str, int]] = {}
    entries = entries.exclude(state__startswith=_PRUNED)
    for destination, state, amount in entries.values_list("destination", "state").annotate(Sum("amount")):
        found.setdefault(destination, dict.fromkeys([CREATED, *State.values], 0))[state] = amount
    return found


def balances(total: Mapping[str, int]) -> bool:
    """Whether as many came to be as stand somewhere."""
    return total[CREATED] == sum(amount for state, amount in total.items() if state != CREATED)


_AUDIT = Statement(f"""
    SELECT state, SUM(booked), SUM(counted) FROM (
        SELECT state, SUM(amount) AS booked, 0 AS counted FROM delivery_bookentry
         WHERE destination_id = %(destination_id)s AND state NOT LIKE '{_PRUNED}%%' GROUP BY state
        UNION ALL
        SELECT SUBSTR(state, 2), 0, amount FROM delivery_bookentry
         WHERE destination_id = %(destination_id)s AND state LIKE '{_PRUNED}%%'
        UNION ALL
        SELECT '{CREATED}', 0, amount FROM delivery_bookentry
         WHERE destination_id = %(destination_id)s AND state LIKE '{_PRUNED}%%'
        UNION ALL
        SELECT state, 0, COUNT(*) FROM delivery_delivery WHERE destination_id = %(destination_id)s GROUP BY state
        UNION ALL
        SELECT '{CREATED}', 0, COUNT(*) FROM delivery_delivery WHERE destination_id = %(destination_id)s
    ) page GROUP BY state HAVING SUM(booked) <> SUM(counted)
""")  # noqa: S608 - nothing of a caller's is in the text


def audit(destination_id: int) -> dict[str, tuple[int, int]]:
    """Where the books and the deliveries differ: by state, (booked, counted); {} when they agree.

    Pruned ones are counted as they were when they went. Counts everything, so it is for a nightly check and for tests;
    in one statement, so that it may run at any time.
    """
    return {state: (int(booked), int(counted)) for state, booked, counted in _AUDIT.rows(destination_id=destination_id)}


@transaction.atomic
def compact(*, at_most: int = 50_000) -> int:
    """Many entries have become one for each destination and state; returns how many there were."""
    oldest = list(BookEntry.objects.order_by("id").values_list("pk", "destination", "state", "amount")[:at_most])
    tally: Tally = Counter()
    for _pk, destination, state, amount in oldest:
        tally[destination, state] += amount
    if len(oldest) > len(tally):
        # Whoever compacts at the same time has taken some of them: then this one leaves all as it is.
        gone = _delete([pk for pk, *_rest in oldest])
        if gone != len(oldest):
            transaction.set_rollback(True)
            return 0
        enter(tally)
    return len(oldest)


def _delete(ids: list[int]) -> int:
    return sum(
        BookEntry.objects.filter(pk__in=ids[start : start + 500]).delete()[0] for start in range(0, len(ids), 500)
    )
