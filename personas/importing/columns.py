"""The columns of a file of people, the same in downloads, templates and uploads."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from django.utils.translation import gettext as _

from accounts.language import in_every_language
from accounts.models import Workspace
from personas.models import AttributeDefinition, AttributeType, ContactType


def clear_word() -> str:
    """What takes a value away, in the viewer's language; an empty cell leaves it as it is."""
    return _("(clear)")


@cache
def clear_words() -> frozenset[str]:
    """Of every language, because a file is written by one person and uploaded by another."""
    return frozenset(in_every_language(clear_word))


@dataclass(frozen=True, slots=True)
class Column:
    key: str
    """`id`, `name`, `gender`, `birthday`, `notes`, `attribute:<key>`, `contact:<type>`; `updated`, `row` and `problem`
    are written and never read."""
    title: str
    hint: str
    type: str = AttributeType.TEXT
    width: int = 16

    @property
    def detail(self) -> str:
        """The attribute's key or the contact's type."""
        return self.key.partition(":")[2]

    @property
    def is_read(self) -> bool:
        return self.key not in {"updated", "row", "problem"}


_ALIASES = {
    "id": ("persona id", "person id", "persona", "person"),
    "name": ("full name", "display name", "nama lengkap"),
    "gender": ("sex", "kelamin"),
    "birthday": ("birth date", "birthdate", "date of birth", "dob", "tgl lahir", "lahir"),
    "notes": ("note", "comment", "comments", "remarks", "keterangan"),
    "contact:whatsapp": ("whatsapp number", "wa", "nomor whatsapp", "no whatsapp", "no wa", "nomor wa"),
    "contact:phone": (
        "phone number",
        "telephone",
        "mobile",
        "mobile number",
        "mobile phone",
        "tel",
        "nomor telepon",
        "no telepon",
        "telp",
        "no telp",
        "nomor hp",
        "no hp",
        "hp",
    ),
    "contact:email": ("email", "email address", "e-mail address", "mail", "alamat e-mail", "alamat email", "surel"),
    "contact:web_chat": ("webchat",),
}


def columns_of(workspace: Workspace) -> list[Column]:
    """What a file of this workspace's people has, in the order of downloads; titles in the viewer's language."""
    fixed, contacts = _fixed(), _contacts(workspace)
    taken = {title for titles in in_every_language(_own_titles) for title in titles}
    definitions = AttributeDefinition.objects.filter(workspace=workspace).order_by("position", "id")
    return [*fixed, *_attribute_columns(definitions, taken), *contacts, written_only()[0]]


def _fixed() -> list[Column]:
    return [
        Column("id", "ID", _("The person’s number here. Leave it empty to add somebody."), AttributeType.NUMBER, 10),
        Column("name", _("Name"), _("Needed to add somebody."), width=28),
        Column("gender", _("Gender"), ""),
        Column("birthday", _("Birthday"), _("A date, or text as 1990-12-31."), AttributeType.DATE, 13),
        Column("notes", _("Notes"), "", width=30),
    ]


def _contacts(workspace: Workspace) -> list[Column]:
    several = _("Several with ; between them.")
    return [
        Column(
            f"contact:{kind.value}", str(kind.label), f"{_contact_hint(kind, workspace)} {several}".strip(), width=22
        )
        for kind in ContactType
    ]


def _own_titles() -> dict[str, str]:
    """The key of each column that every workspace has, by its title in the language that is spoken now."""
    titles = {_folded(column.title): column.key for column in [*_fixed(), *written_only()]}
    return titles | {_folded(str(kind.label)): f"contact:{kind.value}" for kind in ContactType}


def written_only() -> list[Column]:
    return [
        Column("updated", _("Updated"), _("Not read."), width=20),
        Column("row", _("Row in the file"), _("Not read."), AttributeType.NUMBER, 10),
        Column("problem", _("Problem"), _("Not read."), width=60),
    ]


def matched(header: Sequence[str], columns: Iterable[Column]) -> list[str]:
    """The key of each title, in any case and any of our languages; "" for an unknown or a repeated one."""
    known: dict[str, str] = {}
    every = {column.key: column for column in [*columns, *written_only()]}
    for column in every.values():
        known.setdefault(_folded(column.title), column.key)
    for titles in in_every_language(_own_titles):
        for title, key in titles.items():
            known.setdefault(title, key)
    for column in every.values():
        for name in (column.key, column.detail, *_ALIASES.get(column.key, ())):
            known.setdefault(_folded(name), column.key)
    found: list[str] = []
    for title in header:
        key = known.get(_folded(title), "") if title.strip() else ""
        found.append("" if key in found else key)
    return found


def _attribute_columns(definitions: Iterable[AttributeDefinition], taken: set[str]) -> list[Column]:
    kinds = {
        AttributeType.NUMBER: _("A number."),
        AttributeType.DATE: _("A date, or text as 2026-12-31."),
        AttributeType.BOOLEAN: _("Yes or no."),
    }
    columns = []
    for definition in definitions:
        title = definition.label
        if _folded(title) in taken:
            title = f"{definition.label} ({definition.key})"
        taken.add(_folded(title))
        hint = " · ".join(filter(None, [definition.hint, kinds.get(AttributeType(definition.type), "")]))
        columns.append(Column(f"attribute:{definition.key}", title, hint, definition.type, 18))
    return columns


def _contact_hint(kind: ContactType, workspace: Workspace) -> str:
    if kind in (ContactType.PHONE, ContactType.WHATSAPP):
        return _(
            "With its country code, as +6285174314159; without it, this workspace’s country (%(country)s) is meant."
        ) % {"country": workspace.country}
    return _("As name@example.org.") if kind == ContactType.EMAIL else ""


def _folded(title: str) -> str:
    text = unicodedata.normalize("NFKC", title).casefold()
    return re.sub(r"[\s_]+", " ", text).strip(" *:")
