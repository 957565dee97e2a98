import pytest

from personas.contacts import ContactKeyInvalid, normalise


@pytest.mark.parametrize(
    ("type", "key", "normalised"),
    [
        ("whatsapp", "+6285174314159", "+6285174314159"),
        ("whatsapp", "0851-7431-4159", "+6285174314159"),
        ("phone", "  (0851) 7431 4159 ", "+6285174314159"),
        ("phone", "+49 30 901820", "+4930901820"),
        ("phone", "0084 912 345 680", "+84912345680"),  # 008 is how Indonesia dials abroad
        ("phone", "0091-81234-56791", "+918123456791"),  # and 009
        ("phone", "00 62 812 3456 780", "+628123456780"),
        ("phone", "٠٨٥١٧٤٣١٤١٥٩", "+6285174314159"),
        ("email", " Peter@Example.ORG ", "peter@example.org"),
        ("telegram", "@Peter", "peter"),
        ("instagram", "peter.parker", "peter.parker"),
        ("other", "  Desk 7  ", "Desk 7"),
    ],
)
def test_every_notation_of_an_address_becomes_the_same(type: str, key: str, normalised: str) -> None:
    assert normalise(type, key, country="ID") == normalised


@pytest.mark.parametrize(
    ("type", "key", "reason"),
    [
        ("phone", "12", "too short"),
        ("phone", "+1650253000012", "too long"),
        ("phone", "+999123456789", "country code"),
        ("phone", "hello", "with its country code"),
        ("phone", "+4930901820 ext. 5", "extension"),
        ("email", "peter", "name@example.org"),
        ("email", "a@b", "name@example.org"),
        ("other", "   ", "empty"),
        ("other", "a\x07b", "control character"),
        ("other", "x" * 256, "longer than 255"),
        ("telegram", "ß" * 200, "longer than 255"),
    ],
)
def test_an_address_that_cannot_be_reached_says_why(type: str, key: str, reason: str) -> None:
    with pytest.raises(ContactKeyInvalid) as refused:
        normalise(type, key, country="ID")

    assert reason in str(refused.value)
