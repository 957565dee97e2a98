"""What the cells of a row say: dates, numbers and addresses in the notations that spreadsheets and people have."""

from typing import Any

import phonenumbers
import pytest

from personas.importing.cells import Address, Value, as_value, typed_contacts, understood
from personas.importing.columns import Column

COLUMNS = {
    column.key: column
    for column in (
        Column("id", "ID", ""),
        Column("name", "Name", ""),
        Column("birthday", "Birthday", "", "date"),
        Column("notes", "Notes", ""),
        Column("attribute:text", "Text", "", "text"),
        Column("attribute:number", "Number", "", "number"),
        Column("attribute:vip", "VIP", "", "boolean"),
        Column("contact:phone", "Phone", ""),
        Column("contact:other", "Other", ""),
    )
}
COUNTRIES = [
    "AE", "AR", "AT", "AU", "BD", "BE", "BR", "CA", "CH", "CL", "CN", "CO", "DE", "DK", "EG", "ES", "FI", "FR", "GB",
    "GR", "HK", "ID", "IE", "IL", "IN", "IT", "JP", "KE", "KR", "MX", "MY", "NG", "NL", "NO", "NZ", "PH", "PL", "PT",
    "SG", "US",
]  # fmt: skip


def said(country: Any = "ID", **values: Value) -> Any:
    return understood({name.replace("_", ":", 1): value for name, value in values.items()}, COLUMNS, country=country)


def problems(**values: Value) -> list[str]:
    return [sentence for _title, sentence in said(**values).problems]


@pytest.mark.parametrize("country", COUNTRIES)
def test_number_of_any_country_is_the_same_in_five_notations(country: str) -> None:
    number = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    assert number is not None
    shapes = phonenumbers.PhoneNumberFormat
    e164 = phonenumbers.format_number(number, shapes.E164)
    notations = [
        e164,
        phonenumbers.format_number(number, shapes.INTERNATIONAL),
        phonenumbers.format_number(number, shapes.NATIONAL),
        phonenumbers.format_number(number, shapes.RFC3966),
        f" {phonenumbers.format_number(number, shapes.INTERNATIONAL).replace(' ', '.')}\u200e",
    ]

    found = {said(country, contact_phone=notation).contacts["phone"][0].normalized for notation in notations}

    assert found == {e164}


def test_number_that_lost_its_plus_is_read_where_only_one_number_is_possible() -> None:
    assert said(contact_phone=6281234567890.0).contacts == {"phone": [Address("+6281234567890", "+6281234567890")]}
    assert said(contact_phone=85174314159).contacts["phone"][0].normalized == "+6285174314159"
    assert said(contact_phone=4915123456789).contacts["phone"][0].normalized == "+4915123456789"


def test_number_that_lost_its_plus_and_could_be_anything_is_explained() -> None:
    assert problems(contact_phone=12345) == [
        "12345 was saved as a number, so its plus or its leading zeros are lost. "
        "Format the column as text and write the number with its country code."
    ]
    assert problems(contact_phone="6,28123E+12") == [
        "“6,28123E+12”: a spreadsheet has cut this number short. Format the column as text and type it again."
    ]


@pytest.mark.parametrize(
    "text",
    ["1990-12-31", "31.12.1990", "31/12/1990", "12/31/1990", "31 Dec 1990", "December 31, 1990", "1990-12-31 00:00:00"],
)
def test_day_is_understood_in_notations_that_name_one_day(text: str) -> None:
    assert said(birthday=text).fields == {"birthday": "1990-12-31"}


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("03/04/1990", "“03/04/1990” could be two days: 1990-03-04 or 1990-04-03. Write the one you mean like that."),
        ("31.02.1990", "“31.02.1990” is no date. Write it as 2026-12-31."),
        (45000, "45000 is a number, not a date. Write the date as 2026-12-31, or format the cell as a date."),
        ("soon", "“soon” is no date. Write it as 2026-12-31."),
    ],
)
def test_day_that_is_none_or_could_be_two_is_explained(cell: Value, problem: str) -> None:
    assert problems(birthday=cell) == [problem]


def test_texts_are_kept_to_the_letter() -> None:
    text = " =HYPERLINK(1) 👩‍👩‍👧 مرحبا e\u0301 \u202b\n+1 "

    assert said(attribute_text=text, notes=text).attributes == {"text": text}
    assert said(attribute_text="=1+1").attributes == {"text": "=1+1"}
    assert said(attribute_text=7.0).attributes == {"text": "7"}


def test_numbers_and_switches_are_understood_as_cells_and_as_text() -> None:
    assert said(attribute_number=12.5, attribute_vip=True).attributes == {"number": "12.5", "vip": "true"}
    assert said(attribute_number=" 12.50 ", attribute_vip=" No ").attributes == {"number": "12.5", "vip": "false"}
    assert said(attribute_vip=1.0).attributes == {"vip": "true"}


@pytest.mark.parametrize("cell", [None, "", " \n ", "\u00a0"])
def test_cell_without_anything_in_it_says_nothing(cell: Any) -> None:
    assert as_value(cell) is None


def test_too_long_and_unstorable_texts_are_refused() -> None:
    assert problems(name="x" * 256, notes="a\0b") == [
        "It is longer than 255 characters.", "It contains a character that can’t be stored."
    ]  # fmt: skip
    assert problems(id="12a") == ["“12a” is no number of a person. Leave the cell empty to add somebody."]


@pytest.mark.parametrize("keys", [["a"], ["a", "b"], ["a;b"], ["a;b", "c"], ["=1+1", "@x"]])
def test_cell_of_several_contacts_is_read_as_it_was_written(keys: list[str]) -> None:
    cell = typed_contacts([Address(key, key) for key in keys])

    assert [address.key for address in said(contact_other=cell).contacts["other"]] == keys
