"""What JSON Schema can say of the values that our services check: patterns and lists for the OpenAPI documents.

A pattern allows only what the service takes. Where a service takes more than any pattern can say (a phone number in the
notation of its country), the pattern is the part that is right everywhere.
"""

import unicodedata
import zoneinfo
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import phonenumbers
from msgspec import Meta
from phonenumbers.phonemetadata import PhoneMetadata

from personas.models import ContactType


def _characters(is_meant: Callable[[str], bool]) -> str:
    """Those of the basic plane beyond ASCII, as they stand in a class of a pattern."""
    points = [point for point in range(0x80, 0x10000) if not 0xD800 <= point <= 0xDFFF and is_meant(chr(point))]
    return "".join(f"\\u{first:04x}-\\u{last:04x}" for first, last in _runs(points))


def _breaks_an_address(character: str) -> bool:
    """Whether what is left of it once it is normalised separates or controls."""
    plain = unicodedata.normalize("NFKC", character)
    return any(c.isspace() or c in "@." or unicodedata.category(c) == "Cc" for c in plain)


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """[4, 7, 8, 9] as [(4, 4), (7, 9)]."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


ANY_TEXT = r"^[^\u0000]*$"
"""PostgreSQL stores no null character, so the gateway refuses it anywhere."""
VISIBLE = r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085][^\u0000]*$"
"""Text that is not empty without its white space, as Python knows white space."""
_CONTROLS = r"\u0000-\u001f\u007f-\u009f"
VISIBLE_LINE = rf"^[^{_CONTROLS}]*[^\s{_CONTROLS}][^{_CONTROLS}]*$"
"""Such a text without control characters."""
_UNSEEN = rf"{_CONTROLS}\u202a-\u202e\u2066-\u2069"
PLAIN_LINE = rf"^[^{_UNSEEN}]*[^\s{_UNSEEN}][^{_UNSEEN}]*$"
"""Such a line in which nothing turns the direction of writing round."""
_NEVER = rf"\s\u0000-\u001f\u007f{_characters(_breaks_an_address)}"
EMAIL = rf"^[^@{_NEVER}]{{1,64}}@[^@.{_NEVER}]+(\.[^@.{_NEVER}]+)+$"
HEADER_KEY = r"^[!-~]([ -~]*[!-~])?$"
"""Visible characters of ASCII, with spaces between them."""
YEAR = r"^(19|2[0-9])[0-9]{2}-"
"""Of a moment that can be told in every time zone."""
_PHONES = ["whatsapp", "phone"]
_TEXTS = [type for type in ContactType.values if type not in {*_PHONES, "email"}]
_BYTE = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4_NETWORK = rf"^({_BYTE}\.){{3}}{_BYTE}(/(3[0-2]|[12]?[0-9]))?$"
IPV6_NETWORK = (
    r"^(([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|([0-9A-Fa-f]{1,4}:){1,6}:|([0-9A-Fa-f]{1,4}:){1,5}:[0-9A-Fa-f]{1,4}|::)"
    r"(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?$"
)


def one_of(values: Iterable[str]) -> Meta:
    """Says in the documents that a text is one of these; a service checks it, with an error of its own."""
    return Meta(extra_json_schema={"enum": list(values)})


ANY_VALUE = "any value"
"""The title of the schema that stands within itself."""


def any_value(itself: str) -> dict[str, Any]:
    """Any JSON value without null characters; `itself` is where the schema stands, for what is within."""
    return {
        "title": ANY_VALUE,
        "anyOf": [
            {"type": ["null", "boolean", "number"]},
            {"type": "string", "pattern": ANY_TEXT},
            {"type": "array", "items": {"$ref": itself}},
            {"type": "object", "propertyNames": {"pattern": ANY_TEXT}, "additionalProperties": {"$ref": itself}},
        ],
    }


def phone_pattern() -> str:
    """The E.164 numbers that libphonenumber calls possible: each country code with its lengths."""
    of_lengths: dict[tuple[int, ...], list[int]] = {}
    for country_code in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE):
        region = phonenumbers.region_code_for_country_code(country_code)
        metadata = PhoneMetadata.metadata_for_region_or_calling_code(country_code, region)
        assert metadata is not None and metadata.general_desc is not None  # noqa: PT018, S101 - each code has both
        lengths = tuple(length for length in metadata.general_desc.possible_length if length > 2)
        of_lengths.setdefault(lengths, []).append(country_code)
    choices = []
    for lengths, codes in of_lengths.items():
        counts = "|".join(f"[0-9]{{{first},{last}}}" for first, last in _runs(lengths))
        choices.append(f"({'|'.join(map(str, codes))})({counts})")
    return rf"^\+({'|'.join(choices)})$"


def time_zones() -> list[str]:
    return sorted(zoneinfo.available_timezones())


def contact_kinds(*, type: str, key: str) -> list[dict[str, Any]]:
    """What each kind of contact allows as its key; `type` and `key` are what the dialect calls the two members."""
    rules: list[tuple[list[str], dict[str, Any]]] = [
        (_PHONES, {"pattern": phone_pattern()}),
        (["email"], {"pattern": EMAIL}),
        (_TEXTS, {"pattern": VISIBLE_LINE}),
    ]
    return [{"properties": {type: {"enum": types}, key: {"type": "string", **rule}}} for types, rule in rules]
