"""The key of a contact in its one normalised form, so that every notation of an address is the same address."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import phonenumbers
from django.utils.translation import gettext as _

from raven_admin.errors import RavenError

MAX_KEY_LENGTH = 255
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_ABROAD = re.compile(r"00[\s./-]*(?=[1-9])")
_PHONE_TYPES = frozenset({"whatsapp", "phone"})
_HANDLE_TYPES = frozenset({"telegram", "instagram", "line", "messenger"})


@dataclass(eq=False)
class ContactKeyInvalid(RavenError):
    """“{key}” can't be reached: {reason}"""

    code: ClassVar[str] = "contact_key_invalid"
    key: str
    reason: str


@lru_cache(maxsize=10_000)  # reading a number takes longer than finding its contact; most are written to again
def normalise(type: str, key: str, *, country: str) -> str:
    """The normalised key: E.164 for phones (read as `country`'s when no country code is written), lower case for
    e-mail and handles, the trimmed text otherwise. Raises ContactKeyInvalid with a reason a person understands."""
    text = unicodedata.normalize("NFKC", key).strip()
    if not text:
        raise ContactKeyInvalid(key=key, reason=_("it is empty."))
    if len(text) > MAX_KEY_LENGTH:
        raise _too_long(key)
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ContactKeyInvalid(key=key, reason=_("it contains a control character."))
    if type in _PHONE_TYPES:
        return _phone(text, key=key, country=country)
    if type == "email":
        if not _EMAIL.fullmatch(text):
            raise ContactKeyInvalid(key=key, reason=_("write an e-mail address as name@example.org."))
        text = text.lower()
    elif type in _HANDLE_TYPES:
        text = text.removeprefix("@").casefold() or text
    if len(text) > MAX_KEY_LENGTH:  # some letters are two in lower case
        raise _too_long(key)
    return text


def _too_long(key: str) -> ContactKeyInvalid:
    return ContactKeyInvalid(
        key=f"{key[:20]}…", reason=_("it is longer than %(limit)d characters.") % {"limit": MAX_KEY_LENGTH}
    )


def _phone(text: str, *, key: str, country: str) -> str:
    try:
        number = _dialled_abroad(text) or phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        raise ContactKeyInvalid(
            key=key, reason=_("write a phone number with its country code, as +6285174314159.")
        ) from None
    if number.extension:
        raise ContactKeyInvalid(key=key, reason=_("a number with an extension can't get messages."))
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible == phonenumbers.ValidationResult.IS_POSSIBLE:
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    reasons = {
        phonenumbers.ValidationResult.TOO_SHORT: _("the number is too short for its country."),
        phonenumbers.ValidationResult.TOO_LONG: _("the number is too long for its country."),
        phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: _("its country code does not exist."),
        phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: _("its area code is missing."),
    }
    raise ContactKeyInvalid(
        key=key, reason=reasons.get(possible) or _("no number of that length exists in its country.")
    )


def _dialled_abroad(text: str) -> phonenumbers.PhoneNumber | None:
    """A number after 00, which people write for the plus wherever they live; None if no country has it.

    Indonesia dials 001, 008 or 009 instead, and 0084… and 0091… would be numbers of Germany and the United States.
    """
    if not (written := _ABROAD.match(text)):
        return None
    try:
        number = phonenumbers.parse(f"+{text[written.end() :]}")
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def is_doubtful(type: str, normalized: str) -> bool:
    """Whether a number has a length that its country uses, but no beginning that its numbering plan knows."""
    if type not in _PHONE_TYPES:
        return False
    try:
        return not phonenumbers.is_valid_number(phonenumbers.parse(normalized))
    except phonenumbers.NumberParseException:
        return True


def calling_code(country: str) -> int:
    """What numbers of `country` begin with after the plus, as 62 of ID."""
    return phonenumbers.country_code_for_region(country)
