"""What the documents promise of a value, the services take."""

import ipaddress
import re
import unicodedata
from datetime import datetime

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import validate_time_zone
from personas.contacts import normalise
from platforms import schemas


def _texts(pattern: str, flags: re.RegexFlag = re.UNICODE) -> st.SearchStrategy[str]:
    """Texts of the pattern as JSON Schema reads it: `$` is the very end, and a digit is one of ASCII's."""
    return st.from_regex(re.compile(pattern.replace("$", r"\Z"), flags))


@given(_texts(schemas.phone_pattern(), re.ASCII))
def test_a_phone_number_of_the_pattern_is_possible(key: str) -> None:
    assert normalise("phone", key, country="ID").startswith("+")


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_a_number_of_every_country_fits_the_pattern(region: str) -> None:
    number = phonenumbers.example_number(region)

    assert number is not None
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    assert re.fullmatch(schemas.phone_pattern(), text)


# Some letters become several when an address is normalised, and the limit is of what is stored.
@given(_texts(schemas.EMAIL).filter(lambda key: len(unicodedata.normalize("NFKC", key).lower()) <= 255))
def test_an_address_of_the_pattern_is_an_email_address(key: str) -> None:
    assert "@" in normalise("email", key, country="ID")


@given(_texts(schemas.VISIBLE_LINE).filter(lambda key: len(key) <= 100))
def test_a_line_of_the_pattern_is_a_key(key: str) -> None:
    assert normalise("telegram", key, country="ID")


@given(_texts(schemas.VISIBLE).filter(lambda key: len(key) <= 100))
def test_visible_text_is_not_blank(text: str) -> None:
    assert text.strip()


@given(_texts(schemas.IPV4_NETWORK, re.ASCII) | _texts(schemas.IPV6_NETWORK, re.ASCII))
def test_a_network_of_the_patterns_is_a_network(text: str) -> None:
    assert ipaddress.ip_network(text, strict=False)


def test_every_time_zone_is_known() -> None:
    for name in schemas.time_zones():
        validate_time_zone(name)


def test_the_years_are_those_that_exist_in_every_time_zone() -> None:
    years = [year for year in range(1800, 3200) if re.match(schemas.YEAR, datetime(year, 1, 1).isoformat())]  # noqa: DTZ001

    assert years == list(range(1900, 3000))
