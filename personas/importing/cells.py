"""What the cells of one row say about a person, by the rules that hold everywhere. Pure computation."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache

import phonenumbers
from django.utils.translation import gettext as _

from accounts.language import in_every_language
from personas.attributes import parse_value
from personas.contacts import ContactKeyInvalid, normalise
from personas.importing.columns import Column, clear_words
from personas.importing.formulas import Formula
from personas.importing.reading import Cell

Value = str | int | float | bool
"""A cell as JSON holds it: dates are text, as 2026-11-21."""
Problem = tuple[str, str]
"""A column's title, and a sentence."""
MAX_LENGTHS = {"name": 255, "gender": 30, "notes": 10_000}
MAX_CONTACTS = 50
_PHONES = frozenset({"phone", "whatsapp"})
_DAY_MONTH_YEAR = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})", re.ASCII)
_WORDY_DATES = ("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y/%m/%d")
_MONTHS = {
    "januari": "January", "februari": "February", "maret": "March", "mei": "May", "juni": "June", "juli": "July",
    "agustus": "August", "agt": "Aug", "agu": "Aug", "ags": "Aug", "oktober": "October", "okt": "Oct",
    "nopember": "November", "nop": "Nov", "desember": "December", "des": "Dec",
}  # fmt: skip
"""Indonesian ones that are not English as well."""
_SHORTENED_NUMBER = re.compile(r"\d[.,]\d+E\+\d+", re.ASCII | re.IGNORECASE)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Address:
    """A contact as it was typed, and normalised."""

    key: str
    normalized: str


@dataclass(slots=True)
class Said:
    """What a row says; what it does not mention is in none of these, and "" or an empty list clears."""

    persona_id: int | None = None
    fields: dict[str, str] = field(default_factory=dict)
    """`name`, `gender`, `birthday` (as 1990-12-31), `notes`."""
    attributes: dict[str, str] = field(default_factory=dict)
    """By key, as they are stored."""
    contacts: dict[str, list[Address]] = field(default_factory=dict)
    """By type."""
    problems: list[Problem] = field(default_factory=list)


def as_value(cell: Cell) -> Value | Formula | None:
    """None when there is nothing in the cell."""
    if isinstance(cell, datetime):
        is_day = (cell.hour, cell.minute, cell.second) == (0, 0, 0)
        return cell.date().isoformat() if is_day else cell.isoformat(sep=" ", timespec="seconds")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, str):
        return cell if cell.strip() else None
    return cell


def storable(values: Mapping[str, Value | Formula]) -> dict[str, Value]:
    """Those that can be kept; `understood` has a problem with each of the others."""
    return {
        key: value
        for key, value in values.items()
        if not isinstance(value, Formula) and not (isinstance(value, str) and _UNSTORABLE.search(value))
    }


def understood(values: Mapping[str, Value | Formula], columns: Mapping[str, Column], *, country: str) -> Said:
    """What `values` say, by key of a column; each value that can't be taken is a problem, all of them at once."""
    said = Said()
    for key in values.keys() - columns.keys():
        said.problems.append((key, _("This column is no longer there: its attribute was deleted.")))
    for key, column in columns.items():  # PostgreSQL keeps the keys of JSON in an order of its own
        if key not in values:
            continue
        try:
            _understand(said, column, values[key], country=country)
        except ValueError as error:
            said.problems.append((column.title, str(error)))
    if sum(map(len, said.contacts.values())) > MAX_CONTACTS:
        said.problems.append(("", _("A person has at most %(limit)d contacts.") % {"limit": MAX_CONTACTS}))
    return said


def _understand(said: Said, column: Column, value: Value | Formula, *, country: str) -> None:
    if isinstance(value, Formula):
        raise ValueError(
            _("It is a formula without its result. Open the file in Excel and save it, or paste the values alone.")
        )
    text = as_text(value)
    if _UNSTORABLE.search(text):
        raise ValueError(_("It contains a character that can’t be stored."))
    is_clear = text.strip().casefold() in clear_words()
    if column.key == "id":
        said.persona_id = _persona_id(text)
    elif column.key.startswith("contact:"):
        said.contacts[column.detail] = [] if is_clear else _addresses(column.detail, value, text, country=country)
    elif column.key.startswith("attribute:"):
        said.attributes[column.detail] = "" if is_clear else _attribute(column.type, value, text)
    elif is_clear and column.key == "name":
        raise ValueError(_("A persona needs a name."))
    elif is_clear:
        said.fields[column.key] = ""
    elif column.key == "birthday":
        said.fields["birthday"] = _day(value, text)
    else:
        if len(text) > MAX_LENGTHS[column.key]:
            raise ValueError(_("It is longer than %(limit)d characters.") % {"limit": MAX_LENGTHS[column.key]})
        said.fields[column.key] = text.strip() if column.key == "name" else text.replace("\r\n", "\n")


def as_text(value: Value) -> str:
    """As a person would have typed it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def _persona_id(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text.strip()):
        raise ValueError(
            _("“%(text)s” is no number of a person. Leave the cell empty to add somebody.") % {"text": text}
        )
    return int(text)


# ------------------------------------------------------------------------------------------- dates and attributes
def _attribute(type: str, value: Value, text: str) -> str:
    if type == "date":
        return _day(value, text)
    if type == "boolean":
        text = _yes_and_no().get(text.strip().casefold(), text)
    try:
        return parse_value(type, text if type == "text" else text.strip())
    except ValueError as error:
        problem = str(error)
        raise ValueError(problem[:1].upper() + problem[1:]) from None


@cache
def _yes_and_no() -> dict[str, str]:
    """As `parse_value` takes them, by the words of every language."""
    words = dict.fromkeys(in_every_language(lambda: _("yes")), "true")
    return words | dict.fromkeys(in_every_language(lambda: _("no")), "false")


def _day(value: Value, text: str) -> str:
    """ISO 8601, a day with its month's name, or a day in figures of which it is clear which is the month."""
    text = text.strip()
    if not isinstance(value, str):
        raise ValueError(
            _("%(text)s is a number, not a date. Write the date as 2026-12-31, or format the cell as a date.")
            % {"text": text}
        )
    if found := _DAY_MONTH_YEAR.fullmatch(text):
        return _day_in_figures(text, int(found[1]), int(found[3]), int(found[4]), is_day_first=found[2] == ".")
    in_english = re.sub(r"[^\W\d_]+", lambda word: _MONTHS.get(word[0].casefold(), word[0]), text)
    for shape in _WORDY_DATES:
        try:
            return datetime.strptime(in_english, shape).date().isoformat()  # noqa: DTZ007 - a day
        except ValueError:
            continue
    try:
        return parse_value("date", text)
    except ValueError:
        raise ValueError(_("“%(text)s” is no date. Write it as 2026-12-31.") % {"text": text}) from None


def _day_in_figures(text: str, first: int, second: int, year: int, *, is_day_first: bool) -> str:
    if not is_day_first and first <= 12 and second <= 12 and first != second:
        raise ValueError(
            _("“%(text)s” could be two days: %(one)s or %(other)s. Write the one you mean like that.")
            % {"text": text, "one": f"{year}-{first:02}-{second:02}", "other": f"{year}-{second:02}-{first:02}"}
        )
    day, month = (first, second) if is_day_first or first > 12 else (second, first)
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        raise ValueError(_("“%(text)s” is no date. Write it as 2026-12-31.") % {"text": text}) from None


# -------------------------------------------------------------------------------------------------------- contacts
def _addresses(type: str, value: Value, text: str, *, country: str) -> list[Address]:
    if type in _PHONES and isinstance(value, int | float) and not isinstance(value, bool):
        return [_number_without_plus(text, country=country)]
    parts = text.splitlines() if "\n" in text else text.split(";")
    found: dict[str, Address] = {}
    for part in filter(None, map(str.strip, parts)):
        if type in _PHONES and _SHORTENED_NUMBER.fullmatch(part):
            raise ValueError(
                _("“%(number)s”: a spreadsheet has cut this number short. Format the column as text and type it again.")
                % {"number": part}
            )
        try:
            normalized = normalise(type, part, country=country)
        except ContactKeyInvalid as error:
            raise ValueError(str(error)) from None
        found.setdefault(normalized, Address(part, normalized))
    return list(found.values())


def _number_without_plus(digits: str, *, country: str) -> Address:
    """A phone number that the file holds as a number, without the plus or the zeros it may have begun with."""
    readings = {}
    for typed in (digits, f"+{digits}"):
        try:
            number = phonenumbers.parse(typed, country)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            readings[e164] = Address(e164, e164)
    if len(readings) == 1:
        return next(iter(readings.values()))
    lost = _("%(digits)s was saved as a number, so its plus or its leading zeros are lost.") % {"digits": digits}
    if readings:
        lost += " " + _("It could be %(numbers)s.") % {"numbers": _(" or ").join(readings)}
    raise ValueError(lost + " " + _("Format the column as text and write the number with its country code."))


def typed_contacts(addresses: Sequence[Address]) -> str:
    """The cell that `addresses` are read from again."""
    keys = [address.key.strip() for address in addresses]
    if any(";" in key for key in keys):
        return "\n".join(keys) + ("\n" if len(keys) == 1 else "")
    return "; ".join(keys)
