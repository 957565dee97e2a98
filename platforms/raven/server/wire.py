"""The bodies of Raven's API, as they are on the wire; limits from the vendor's page (shared/vendors/raven.md, R2)."""

from typing import Annotated

import msgspec

Text255 = Annotated[str, msgspec.Meta(max_length=255)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Contact(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    key: Name
    name: Text255 = ""


class Recipient(msgspec.Struct, forbid_unknown_fields=True):
    name: Text255 = ""
    contact: list[Contact] = []


class Topic(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    type: str = ""


class MessageSend(msgspec.Struct, forbid_unknown_fields=True):
    message: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    recipient: list[Recipient] = []
    username: Name | None = None
    topic: Topic | None = None
