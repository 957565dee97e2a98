"""The column heads of a list: where a click on one leads, and which way the list is ordered now."""

from dataclasses import dataclass
from typing import Any

from django.contrib.admin.templatetags.admin_list import result_headers


@dataclass(frozen=True, slots=True)
class SortHeader:
    url: str
    direction: str
    """As `aria-sort` wants it."""


def sort_headers(changelist: Any) -> dict[str, SortHeader]:
    """By name of the column, as in `list_display`."""
    heads = {}
    for name, head in zip(changelist.list_display, result_headers(changelist), strict=True):
        is_sorted = bool(head.get("sorted"))
        direction = ("ascending" if head["ascending"] else "descending") if is_sorted else "none"
        url = head["url_toggle"] if is_sorted else head["url_primary"]
        heads[name] = SortHeader(url=str(url), direction=direction)
    return heads
