"""Chative's contact as it is on the wire (shared/vendors/chative.md).

The vendor names the members of `ContactUpdate`, and `list`; all others are ours.
"""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from platforms.schemas import EMAIL, YEAR, phone_pattern

PartOfName = Annotated[str, Meta(max_length=127)]
"""Both parts and the space between them have room in a persona's name."""
Email = Annotated[str, Meta(max_length=255, extra_json_schema={"anyOf": [{"const": ""}, {"pattern": EMAIL}]})]
Phone = Annotated[str, Meta(max_length=255, extra_json_schema={"anyOf": [{"const": ""}, {"pattern": phone_pattern()}]})]
Moment = Annotated[datetime, Meta(tz=True)]
CustomValue = str | int | float | bool | None


class ContactUpdate(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What is left out stays as it is; null and empty text clear."""

    first_name: PartOfName | None | UnsetType = UNSET
    last_name: PartOfName | None | UnsetType = UNSET
    email: Email | None | UnsetType = UNSET
    gender: Annotated[str, Meta(max_length=30)] | None | UnsetType = UNSET
    birthday: (
        Annotated[
            int,
            Meta(
                ge=-2_208_988_800_000,
                lt=32_503_680_000_000,
                description="Unix seconds or milliseconds, told apart by their size, of the years 1900 to 2999.",
            ),
        ]
        | Annotated[
            str,
            Meta(
                max_length=40,
                description="ISO 8601, as 2023-05-02T00:00:00+00:00.",
                extra_json_schema={
                    "anyOf": [
                        {"const": ""},
                        {"format": "date", "pattern": YEAR},
                        {"format": "date-time", "pattern": YEAR},
                    ]
                },
            ),
        ]
        | None
        | UnsetType
    ) = UNSET
    phone: Phone | None | UnsetType = UNSET
    custom_fields: (
        Annotated[
            dict[str, CustomValue],
            Meta(
                max_length=100,
                description="By key. Text, a number, true or false; a date in milliseconds or ISO 8601.",
            ),
        ]
        | UnsetType
    ) = UNSET


class ContactQuery(msgspec.Struct, forbid_unknown_fields=True):
    page: Annotated[int, Meta(ge=0, le=1_000_000, description="The first page is 0.")] = 0
    limit: Annotated[int, Meta(ge=1, le=200, description="Contacts a page.")] = 50


class Channel(msgspec.Struct, rename="camel"):
    """One address of the contact; `key` as it was typed, `normalized` in the one form that all notations share."""

    type: str
    name: str
    key: str
    normalized: str


class Contact(msgspec.Struct, rename="camel"):
    """Text is empty where nothing is known.

    `birthday` is midnight in UTC, in Unix seconds; `version` goes into If-Match.
    """

    id: str
    first_name: str
    last_name: str
    email: str
    gender: str
    birthday: int | None
    phone: str
    custom_fields: dict[str, Any]
    channels: list[Channel]
    version: int
    created_at: Moment
    updated_at: Moment


class ContactList(msgspec.Struct, rename="camel"):
    """`has_more` says whether there is a next page; the page behind the last one is empty."""

    list: list[Contact]
    page: int
    limit: int
    has_more: bool


class ContactDeleted(msgspec.Struct, rename="camel"):
    id: str
    deleted: bool = True
