"""What calendar programs read, read with a library of others."""

from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar as reader
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.icalendar import Event, calendar, duration, folded, text

AT = datetime(2026, 12, 31, 9, 30, tzinfo=UTC)


def event(summary: str = "Token “Shop” ends", description: str = "") -> Event:
    return Event(
        uid="token-0123456789ab@raven.example.org",
        at=AT,
        summary=summary,
        description=description,
        url="https://raven.example.org/console/tokens/token/5/change/",
        revised_at=AT - timedelta(days=40),
        revision=3,
        alarms=[timedelta(days=30), timedelta(days=1)],
    )


def made(*events: Event, name: str = "Tokens of Demo") -> bytes:
    return calendar(product="-//Raven Admin//EN", name=name, events=events, refreshed_every=timedelta(hours=6))


def read(content: bytes) -> Any:
    return reader.Calendar.from_ical(content)


def test_calendar_is_read_by_a_library_of_others_as_it_was_meant() -> None:
    found = read(made(event(description="Its page: https://raven.example.org")))

    [entry] = found.walk("VEVENT")
    assert (str(found["version"]), str(found["x-wr-calname"])) == ("2.0", "Tokens of Demo")
    assert found["refresh-interval"].dt == timedelta(hours=6)
    assert (str(entry["uid"]), int(entry["sequence"])) == ("token-0123456789ab@raven.example.org", 3)
    assert (entry["dtstart"].dt, entry["dtstamp"].dt) == (AT, AT - timedelta(days=40))
    assert str(entry["summary"]) == "Token “Shop” ends"
    assert str(entry["url"]) == "https://raven.example.org/console/tokens/token/5/change/"
    assert [alarm["trigger"].dt for alarm in entry.walk("VALARM")] == [timedelta(days=-30), timedelta(days=-1)]
    assert entry.errors == []


def test_calendar_without_events_is_one_too() -> None:
    assert read(made()).walk("VEVENT") == []


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a, b; c", "a\\, b\\; c"),
        ("back\\slash", "back\\\\slash"),
        ("two\nlines", "two\\nlines"),
        ("two\r\nlines", "two\\nlines"),
        ("bell\x07 and \x00", "bell and "),
        ("BEGIN:VEVENT\r\nEND:VCALENDAR", "BEGIN:VEVENT\\nEND:VCALENDAR"),
    ],
)
def test_text_is_escaped(value: str, written: str) -> None:
    assert text(value) == written


@given(
    st.text(
        st.characters(exclude_categories=["Cs", "Cc", "Cf", "Cn", "Co", "Zl", "Zp", "Zs"]) | st.just(" "), max_size=300
    )
)
def test_any_name_comes_back_as_it_was_and_no_line_is_too_long(name: str) -> None:
    content = made(event(summary=name))

    [entry] = read(content).walk("VEVENT")
    assert str(entry["summary"]) == name
    assert max(len(line) for line in content.split(b"\r\n")) <= 75


def test_folding_breaks_no_character() -> None:
    lines = folded("SUMMARY:" + "😀" * 40).split("\r\n")

    assert all(len(line.encode()) <= 75 for line in lines)
    assert lines[0] + "".join(line[1:] for line in lines[1:]) == "SUMMARY:" + "😀" * 40
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("span", "written"),
    [(timedelta(days=7), "P7D"), (timedelta(hours=6), "PT21600S"), (timedelta(days=1, seconds=1), "PT86401S")],
)
def test_duration_is_written_as_the_standard_says(span: timedelta, written: str) -> None:
    assert duration(span) == written
