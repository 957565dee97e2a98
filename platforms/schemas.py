"""What JSON Schema can say of the values that our services check: patterns and lists for the OpenAPI documents.

A pattern allows only what the service takes. Where a service takes more than any pattern can say (a phone number in the
notation of its country), the pattern is the part that is right everywhere.
"""

import zoneinfo
from collections.abc import Iterable, Sequence
from typing import Any

import phonenumbers
from msgspec import Meta
from phonenumbers.phonemetadata import PhoneMetadata

from personas.models import ContactType

ANY_TEXT = r"^[^\u0000]*$"
"""PostgreSQL stores no null character, so the gateway refuses it anywhere."""
_SHOWS_NOTHING = r"\s\u0000-\u001f\u0085"
VISIBLE = rf"^[^\u0000]*[^{_SHOWS_NOTHING}][^\u0000]*$"
"""Text that is not empty without its white space."""
PLAIN_LINE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
EMAIL = r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
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
        (_TEXTS, {"allOf": [{"pattern": VISIBLE}, {"pattern": PLAIN_LINE}]}),
    ]
    return [{"properties": {type: {"enum": types}, key: {"type": "string", **rule}}} for types, rule in rules]


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """[4, 7, 8, 9] as [(4, 4), (7, 9)]."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
