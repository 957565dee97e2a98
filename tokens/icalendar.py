"""Writing an iCalendar object (RFC 5545). Pure computation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LINE_OCTETS = 75
"""Longer lines are folded (RFC 5545, 3.1)."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something at a moment; it takes no time, and nobody is busy because of it."""

    uid: str
    at: datetime
    summary: str
    description: str
    url: str
    revised_at: datetime
    revision: int
    alarms: Sequence[timedelta]
    """How long before."""


def calendar(*, product: str, name: str, events: Iterable[Event], refreshed_every: timedelta) -> bytes:
    """The calendar of these events, as it goes over the wire."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{text(product)}",
        "CALSCALE:GREGORIAN",
        f"NAME:{text(name)}",
        f"X-WR-CALNAME:{text(name)}",
        f"REFRESH-INTERVAL;VALUE=DURATION:{duration(refreshed_every)}",
        f"X-PUBLISHED-TTL:{duration(refreshed_every)}",
    ]
    for event in events:
        lines += _lines_of(event)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded(line)}\r\n" for line in lines).encode()


def text(value: str) -> str:
    """`value` as a TEXT (3.3.11), without control characters, which can't stand in one."""
    plain = value
    if not value.isprintable():
        plain = "".join(each for each in value.replace("\r\n", "\n") if each == "\n" or each.isprintable())
    return plain.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def folded(line: str) -> str:
    """`line` in pieces of at most 75 octets, none of which ends within a character."""
    if len(line.encode()) <= LINE_OCTETS:
        return line
    pieces, octets = [""], 0
    for character in line:
        size = len(character.encode())
        if octets + size > LINE_OCTETS:
            pieces.append(" ")
            octets = 1
        pieces[-1] += character
        octets += size
    return "\r\n".join(pieces)


def moment(value: datetime) -> str:
    """In UTC, to the second (3.3.5)."""
    return value.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def duration(value: timedelta) -> str:
    """In whole days where it is that, else in seconds (3.3.6)."""
    seconds = int(value.total_seconds())
    return f"PT{seconds}S" if seconds % 86_400 else f"P{seconds // 86_400}D"


def _lines_of(event: Event) -> list[str]:
    lines = [
        "BEGIN:VEVENT",
        f"UID:{text(event.uid)}",
        f"DTSTAMP:{moment(event.revised_at)}",
        f"LAST-MODIFIED:{moment(event.revised_at)}",
        f"SEQUENCE:{event.revision}",
        f"DTSTART:{moment(event.at)}",
        f"SUMMARY:{text(event.summary)}",
        f"DESCRIPTION:{text(event.description)}",
        f"URL:{event.url}",
        "TRANSP:TRANSPARENT",
    ]
    for before in event.alarms:
        lines += [
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            f"DESCRIPTION:{text(event.summary)}",
            f"TRIGGER:-{duration(before)}",
            "END:VALARM",
        ]
    return [*lines, "END:VEVENT"]
