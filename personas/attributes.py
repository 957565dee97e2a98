"""The value of an attribute in the one notation of its type. Pure computation."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _

MAX_LENGTH = 1000
_DIGITS = 30
_ISO_8601 = re.compile(r"\d{4}-\d{2}-\d{2}(?:$|[T ])", re.ASCII)
"""Without the basic and the week notation, which look like numbers and like names."""
_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})
_AS_NUMBER = {"true": "1", "false": "0"}


def parse_value(type: str, given: Any) -> str:
    """`given` as it is stored: text, `12.5`, `2026-11-21`, `true` or `false`; None and blank text give "".

    Numbers and booleans may come as themselves or as text. Raises ValueError with the rest of a sentence that begins
    with the attribute's name.
    """
    if given is None or (isinstance(given, str) and not given.strip()):
        return ""
    if isinstance(given, (dict, list)):
        raise ValueError(_("takes a single value, not a list or an object."))
    return {"text": _text, "number": _number, "date": _date, "boolean": _boolean}[type](given)


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise ValueError(_("takes text."))
    if len(given) > MAX_LENGTH:
        raise ValueError(_("takes at most %(limit)d characters.") % {"limit": MAX_LENGTH})
    return given


def _number(given: Any) -> str:
    if isinstance(given, bool):
        raise ValueError(_("takes a number."))
    try:
        number = Decimal(str(given).strip())
    except InvalidOperation:
        raise ValueError(_("takes a number, as 12.5.")) from None
    # Asked of the number as it is: arithmetic would round it to 28 digits first, or overflow.
    digits_before, places = number.adjusted() + 1, number.as_tuple().exponent
    if not number.is_finite() or (number and (digits_before > _DIGITS or places < -_DIGITS)):  # type: ignore[operator]
        raise ValueError(
            _("takes a number of at most %(limit)d digits before and after the point.") % {"limit": _DIGITS}
        )
    if not number:
        return "0"  # 0e999999 too
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _date(given: Any) -> str:
    try:
        if not isinstance(given, str) or not _ISO_8601.match(given.strip()):
            raise ValueError
        return _day(given.strip()).isoformat()
    except (ValueError, OverflowError):  # the latter: the calendar's first or last day, of another zone
        raise ValueError(_("takes a date, as 2026-11-21.")) from None


def _day(text: str) -> date:
    """A date, or the day in UTC of a moment with an offset."""
    if len(text) == len("2026-11-21"):
        return date.fromisoformat(text)
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).date() if moment.tzinfo else moment.date()


def _boolean(given: Any) -> str:
    text = str(given).strip().lower()
    if text in _TRUE:
        return "true"
    if text in _FALSE:
        return "false"
    raise ValueError(_("takes true or false."))


def json_value(type: str, stored: str) -> str | int | float | bool:
    """An attribute's stored text as the JSON value of its type; dates stay text."""
    if type == "boolean":
        return stored == "true"
    if type == "number":
        return float(stored) if "." in stored else int(stored)
    return stored


def convert(stored: str, *, old_type: str, new_type: str) -> str:
    """A stored value in the notation of another type.

    Yes and no are 1 and 0 as numbers. Raises ValueError, as `parse_value` does, when the other type has no such value.
    """
    if (old_type, new_type) == ("boolean", "number") and stored in _AS_NUMBER:
        return _AS_NUMBER[stored]
    return parse_value(new_type, stored)
