"""Which changes of a lane leave by themselves, and which go along with a newer one."""

from datetime import UTC, datetime, timedelta

from delivery.folding import fold
from delivery.models import Delivery
from delivery.states import State

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
Merge = Delivery.Merge


def change(pk: int, **values: str) -> Delivery:
    at = NOW + timedelta(seconds=pk)
    return Delivery(
        pk=pk, kind="persona.changed", merge=Merge.COMBINE, payload=values, fields=list(values), since=at, created_at=at
    )


def message(pk: int) -> Delivery:
    return Delivery(pk=pk, kind="message.sent", merge=Merge.NONE, since=NOW, created_at=NOW)


def deletion(pk: int) -> Delivery:
    return Delivery(pk=pk, kind="persona.deleted", merge=Merge.REPLACE, since=NOW, created_at=NOW)


def test_changes_in_a_row_leave_as_one_with_the_newest_value_of_each_field() -> None:
    run = [change(1, name="A", city="Jakarta"), change(2, gender="f"), change(3, name="B")]

    leaving, instead = fold(run)

    assert leaving == [run[2]]
    assert instead == {run[0]: run[2], run[1]: run[2]}
    assert run[2].payload == {"name": "B", "city": "Jakarta", "gender": "f"}
    assert sorted(run[2].fields) == ["city", "gender", "name"]
    assert run[2].since == run[0].since


def test_a_message_between_two_changes_keeps_its_place() -> None:
    run = [change(1, name="A"), message(2), change(3, name="B")]

    assert fold(run) == (run, {})


def test_a_deletion_makes_changes_needless_and_no_message() -> None:
    run = [message(1), change(2, name="A"), change(3, city="B"), deletion(4)]

    leaving, instead = fold(run)

    assert leaving == [run[0], run[3]]
    assert instead == {run[1]: run[3], run[2]: run[3]}
    assert run[3].payload == {}


def test_a_change_behind_a_deletion_does_not_undo_it() -> None:
    run = [deletion(1), change(2, name="A")]

    assert fold(run) == (run, {})


def test_a_refused_change_goes_along_with_a_newer_one_of_the_same_field_only() -> None:
    refused = [change(1, name="A", city="?"), change(2, notes="!")]
    for old in refused:
        old.state = State.REFUSED
    newer = change(3, city="Jakarta")

    leaving, instead = fold([newer], refused)

    assert (leaving, instead) == ([newer], {refused[0]: newer})
    assert newer.payload == {"name": "A", "city": "Jakarta"}


def test_a_refused_change_that_is_newer_than_what_waits_stays_refused() -> None:
    newer = change(9, name="B")
    waiting = change(3, name="A")

    assert fold([waiting], [newer]) == ([waiting], {})


def test_what_was_tried_gets_a_new_key_when_it_says_something_else() -> None:
    tried, fresh = change(2, name="B"), change(2, name="B")
    tried.attempt_count = 1
    keys = tried.idempotency_key, fresh.idempotency_key

    fold([change(1, city="A"), tried])
    fold([change(1, city="A"), fresh])

    assert tried.idempotency_key != keys[0]
    assert fresh.idempotency_key == keys[1]


def test_what_was_tried_keeps_its_key_when_it_says_the_same() -> None:
    tried = change(2, name="B")
    tried.attempt_count, key = 1, tried.idempotency_key

    fold([change(1, name="A"), tried])

    assert tried.idempotency_key == key
