"""Which cells of a workbook hold a formula without its result. Pure computation.

A program can write a formula and leave computing it to Excel. Whoever reads only values takes such a cell for empty.
"""

import io
import re
import zipfile
from typing import Final
from xml.etree import ElementTree

_CHUNK_BYTES = 1024 * 1024
_LONGEST_CELL = 64 * 1024
"""A formula has at most 8,192 characters, each of up to five bytes."""
_CELL = re.compile(
    rb"<(?:\w+:)?c\s([^>]*)>\s*"
    rb"<(?:\w+:)?f\b[^>]*(?:/>|>[^<]*</(?:\w+:)?f>)\s*"
    rb"(<(?:\w+:)?v\s*(?:/>|>\s*</(?:\w+:)?v>))?\s*</(?:\w+:)?c>"
)
"""With a formula, and without a value or with an empty one."""
_PLACE = re.compile(rb"""\br\s*=\s*["']([A-Z]{1,3})(\d{1,7})["']""")
_IS_TEXT = re.compile(rb"""\bt\s*=\s*["']str["']""")

Places = dict[int, list[int]]
"""By the number of a row, columns counted from 0."""


class Formula:
    """What a cell holds that has a formula and no result."""


FORMULA: Final = Formula()


def without_result(content: bytes, sheet: str) -> Places:
    """Where the sheet of that name has formulas without a result; `content` is a workbook that was read before."""
    found: Places = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        part = _part_of(archive, sheet)
        if part not in archive.namelist():
            return found
        with archive.open(part) as stream:
            before = b""
            while chunk := stream.read(_CHUNK_BYTES):
                for cell in _CELL.finditer(before + chunk):
                    attributes, empty_value = cell.groups()
                    is_empty_text = empty_value and _IS_TEXT.search(attributes)
                    if not is_empty_text and (place := _PLACE.search(attributes)):
                        found.setdefault(int(place[2]), []).append(column_number(place[1]) - 1)
                before = chunk[-_LONGEST_CELL:]
    return found


def column_number(letters: bytes) -> int:
    """A is 1."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """The part of the archive that holds the cells of the sheet; "" when the workbook does not say."""
    try:
        sheets = _parsed(archive, "xl/workbook.xml").findall(".//{*}sheet")
        targets = {each.get("Id"): each.get("Target", "") for each in _parsed(archive, "xl/_rels/workbook.xml.rels")}
    except (KeyError, ElementTree.ParseError):
        return ""
    for each in sheets:
        if each.get("name") == sheet:
            relation = next((value for name, value in each.items() if name.endswith("}id")), None)
            target = targets.get(relation, "")
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return ""


def _parsed(archive: zipfile.ZipFile, part: str) -> ElementTree.Element:
    return ElementTree.fromstring(archive.read(part))  # noqa: S314 - expat itself stops what expands without end
