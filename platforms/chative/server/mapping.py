"""Between Chative's contact and our persona: ids, names, days. Pure computation; README.md says why each is so."""

import re
import uuid
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID_BITS = 62
_FIRST_ID = uuid.UUID("c4a71fe0-0000-4000-8000-000000000000").int
"""Version and variant are those of the vendor's own ids, so that a client's check of an id lets ours pass."""
_ISO_8601 = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
_SECONDS_BELOW = 5_000_000_000
"""Seconds up to here are the days of 1811 to 2128; the same number of milliseconds is within 58 days of 1970."""


def uuid_of(persona_id: int) -> str:
    """The UUID of a persona: always the same, and its own."""
    return str(uuid.UUID(int=_FIRST_ID + persona_id))


def persona_id_of(text: str) -> int | None:
    """The persona whose contact id `text` is, as RFC 9562 writes it; None when it can't be one of ours."""
    try:
        number = uuid.UUID(text).int - _FIRST_ID
    except ValueError:
        return None
    is_ours = 0 < number < 2**_ID_BITS and uuid_of(number) == text.lower()
    return number if is_ours else None


def first_and_last(name: str) -> tuple[str, str]:
    """The first word, and all that follows it."""
    first, _space, last = name.partition(" ")
    return first, last


def joined(first: str, last: str) -> str:
    """The name of which `first_and_last` gives the parts, but for a first name of several words."""
    return f"{first} {last}".strip()


def birthday_of(day: date | None) -> int | None:
    """Midnight in UTC as Unix seconds; as milliseconds where seconds would be read as those."""
    if day is None:
        return None
    seconds = int((datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH).total_seconds())
    return seconds if abs(seconds) < _SECONDS_BELOW else seconds * 1000


def read_birthday(given: int | str, *, zone: tzinfo) -> date:
    """The day of Unix seconds, milliseconds (which of them: by their size) or ISO 8601. Raises ValueError."""
    if isinstance(given, int):
        return read_date(given * 1000 if abs(given) < _SECONDS_BELOW else given, zone=zone)
    return read_date(given, zone=zone)


def read_date(given: float | str, *, zone: tzinfo) -> date:
    """The day of a moment in milliseconds or in ISO 8601. Raises ValueError.

    Midnight in UTC is that day, everywhere; any other moment is the day that it falls on in `zone`.
    """
    try:
        moment = _moment(given)
        if moment.tzinfo is None:
            return moment.date()
        in_utc = moment.astimezone(UTC)
        return (in_utc if in_utc.time() == time.min else moment.astimezone(zone)).date()
    except OverflowError:
        raise ValueError("there is no such day") from None


def date_text(day: str) -> str:
    """A stored day, as `2023-05-02`, in the notation of the vendor's example."""
    return f"{day}T00:00:00+00:00"


def _moment(given: float | str) -> datetime:
    if isinstance(given, str):
        if not _ISO_8601.fullmatch(given):
            raise ValueError("this is not ISO 8601")
        return datetime.fromisoformat(given)
    return _EPOCH + timedelta(milliseconds=given)
