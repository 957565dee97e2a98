"""Between Chative's contact and our persona: nothing is lost on the way there and back."""

import uuid
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from platforms.chative.server.mapping import (
    birthday_of,
    first_and_last,
    joined,
    persona_id_of,
    read_birthday,
    read_date,
    uuid_of,
)

JAKARTA, NEW_YORK = ZoneInfo("Asia/Jakarta"), ZoneInfo("America/New_York")


@given(st.integers(1, 2**62 - 1))
@example(1)
@example(2**62 - 1)
def test_an_id_is_a_uuid_that_leads_back(persona_id: int) -> None:
    text = uuid_of(persona_id)

    assert uuid.UUID(text).version == 4
    assert uuid.UUID(text).variant == uuid.RFC_4122
    assert persona_id_of(text) == persona_id_of(text.upper()) == persona_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "nonsense",
        "183ccf94-3111-480f-8b12-4d19d65d3c78",
        "c4a71fe0-0000-4000-8000-000000000000",
        "c4a71fe0-0000-4000-c000-000000000001",
        "c4a71fe0000040008000000000000001",
        "{c4a71fe0-0000-4000-8000-000000000001}",
        "urn:uuid:c4a71fe0-0000-4000-8000-000000000001",
        "c4a71fe0-0000-4000-8000-00000000000²",
        "\0",
    ],
)
def test_what_is_none_of_our_ids_leads_nowhere(text: str) -> None:
    assert persona_id_of(text) is None


@given(st.text().map(str.strip).filter(bool))
@example("Peter")
@example("Peter  Benjamin\tParker Jr.")
def test_a_name_is_whole_after_it_was_split(name: str) -> None:
    assert joined(*first_and_last(name)) == name


@given(st.dates())
@example(date.min)
@example(date.max)
@example(date(1970, 1, 1))
@example(date(2128, 6, 11))
@example(date(1811, 7, 23))
def test_a_birthday_that_was_read_can_be_written(day: date) -> None:
    given = birthday_of(day)

    assert given is not None
    assert read_birthday(given, zone=JAKARTA) == read_birthday(given, zone=NEW_YORK) == day


@pytest.mark.parametrize(
    ("given", "day"),
    [
        (1028221200, date(2002, 8, 2)),  # the vendor's example: midnight in Vietnam
        (1028221200_000, date(2002, 8, 2)),
        (1028246400, date(2002, 8, 2)),
        (0, date(1970, 1, 1)),
        (-86400, date(1969, 12, 31)),
        (4_999_999_999, date(2128, 6, 11)),
        (5_000_000_000, date(1970, 2, 28)),  # of milliseconds
        (315_532_800_000, date(1980, 1, 1)),
        ("2002-08-02", date(2002, 8, 2)),
        ("2002-08-02T00:00:00+00:00", date(2002, 8, 2)),
        ("2002-08-01T17:00:00.000Z", date(2002, 8, 2)),
        ("2002-08-02T23:30:00", date(2002, 8, 2)),
    ],
)
def test_a_birthday_is_seconds_or_milliseconds_by_its_size(given: int | str, day: date) -> None:
    assert read_birthday(given, zone=JAKARTA) == day


def test_midnight_in_utc_is_that_day_even_where_it_is_the_evening_before() -> None:
    midnight = datetime(2023, 5, 2, tzinfo=UTC)
    given: list[float | str] = ["2023-05-02T00:00:00+00:00", midnight.timestamp() * 1000, "2023-05-01T20:00:00-04:00"]

    assert [read_date(value, zone=NEW_YORK) for value in given] == [date(2023, 5, 2)] * 3


def test_any_other_moment_is_the_day_in_the_workspaces_zone() -> None:
    evening = "2023-05-01T22:00:00+00:00"

    assert read_date(evening, zone=JAKARTA) == date(2023, 5, 2)
    assert read_date(evening, zone=NEW_YORK) == date(2023, 5, 1)


@pytest.mark.parametrize(
    "given",
    [
        2**70, -(2**70), 1e300, float("inf"), float("nan"), 10**15, "", "tomorrow", "1028221200", "20020802",
        "2002-W31-5", "2002-13-01", "2002-02-30", "2002-08-02T25:00", "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00", "２００２-08-02", "2002-08-02\n",
    ],
)  # fmt: skip
def test_what_is_no_day_is_refused(given: float | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_date(given, zone=JAKARTA)
