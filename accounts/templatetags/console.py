"""The words of the console's templates: icons, moments, addresses, and the rows of a list."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs

from django import template
from django.contrib.admin.templatetags.admin_list import result_headers
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import lookup_field
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, ChangeList
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.template.context import Context
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from accounts.console import ConsoleModelAdmin
from accounts.language import grouped, retold

register = template.Library()

NOTHING = mark_safe('<span class="muted">–</span>')


@register.simple_tag
def icon(name: str) -> SafeString:
    """The icon `name` of static/icons.svg; it says nothing to a screen reader, so a text must stand beside it."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', _sprite(), name)


@cache
def _sprite() -> str:
    """Asked once: a page has two hundred icons, and the address of a static file does not change while we run."""
    return static("icons.svg")


@register.simple_tag
def moment(value: datetime | None, empty: str = "–") -> SafeString:
    """`value` in the viewer's zone, with UTC as its title; `empty` stands for None."""
    if value is None:
        return format_html('<span class="muted">{}</span>', empty)
    utc = value.astimezone(UTC)
    return format_html(
        '<time class="nowrap" datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(timespec="seconds").replace("+00:00", "Z"),
        utc.strftime("%Y-%m-%d %H:%M:%S"),
        date_format(timezone.localtime(value), "j M Y, H:i"),
    )


register.filter("grouped", grouped)


@register.filter(name="retold")
def _retold(text: str | None) -> str:
    """What a service said earlier, in the viewer's language."""
    return retold(str(text or ""))


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: Any) -> str:
    """This page's query string with `changes`: None takes a parameter away. For use as an href."""
    parameters = context["request"].GET.copy()
    for name, value in changes.items():
        if value is None:
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}"


# ------------------------------------------------------------------------------------------------ lists
class Header(NamedTuple):
    """A column's head; `sort` is "ascending", "descending" or "" where the list is sorted by another."""

    text: str
    name: str
    url: str
    sort: str
    is_number: bool


class Cell(NamedTuple):
    text: Any
    label: str
    url: str
    """Where the row leads; only in the cell that names it."""
    is_name: bool
    is_number: bool
    is_checkbox: bool


@register.simple_tag
def list_headers(cl: ChangeList) -> list[Header]:
    """The columns of `cl`."""
    headers = []
    for name, raw in zip(cl.list_display, result_headers(cl), strict=True):
        sort = ("ascending" if raw["ascending"] else "descending") if raw.get("sorted") else ""
        url = _first_page(cl, str(raw["url_primary"])) if raw["sortable"] else ""
        label = name if isinstance(name, str) else name.__name__
        headers.append(Header(capfirst(str(raw["text"])), label, url, sort, _is_number(cl, label)))
    return headers


@register.simple_tag
def list_rows(cl: ChangeList) -> Iterator[list[Cell]]:
    """The cells of every row on this page of `cl`."""
    headers = list_headers(cl)
    links = {str(name) for name in cl.list_display_links or ()}
    for row in cl.result_list:
        url = ""
        if cl.list_display_links is not None:
            url = add_preserved_filters(
                {"preserved_filters": cl.preserved_filters, "opts": cl.opts}, cl.url_for_result(row)
            )
        named = next((header.name for header in headers if header.name in links), None)
        yield [_cell(cl, row, header, url=url, is_name=header.name == named) for header in headers]


@register.simple_tag(takes_context=True)
def list_buttons(context: Context, cl: ChangeList) -> list[tuple[Any, ...]]:
    """What stands at the right of the list's title: (label, url, icon, style) each, from the ModelAdmin."""
    return list(cast(ConsoleModelAdmin, cl.model_admin).list_buttons(context["request"], cl))


@register.simple_tag
def list_filters(cl: ChangeList) -> list[dict[str, Any]]:
    """The filters of `cl`: title, choices, and the choice made, None where all are shown."""
    found = []
    for spec in cl.filter_specs:
        choices = list(spec.choices(cl))
        chosen = next((choice for choice in choices[1:] if choice["selected"]), None)
        title = capfirst(str(spec.title))
        found.append({"title": title, "choices": choices, "chosen": chosen, "all": choices[0] if choices else None})
    return found


@register.simple_tag
def page_numbers(cl: ChangeList) -> list[tuple[Any, str]]:
    """(number, address) of the pages to offer; a gap is ("…", "")."""
    ellipsis = cl.paginator.ELLIPSIS
    pages = cl.paginator.get_elided_page_range(cl.page_num, on_each_side=2, on_ends=1)
    return [(page, "" if page == ellipsis else page_url(cl, page)) for page in pages]


@register.simple_tag
def page_url(cl: ChangeList, number: int) -> str:
    return str(cl.get_query_string({PAGE_VAR: number}))


@register.simple_tag
def page_size_url(cl: ChangeList, size: int) -> str:
    """The same list from its first page on, `size` rows a page."""
    return str(cl.get_query_string({"per_page": size}, remove=[PAGE_VAR]))


@register.simple_tag
def first_row_number(cl: ChangeList) -> int:
    return (cl.page_num - 1) * cl.list_per_page + 1 if cl.result_count else 0


@register.simple_tag
def last_row_number(cl: ChangeList) -> int:
    return min(cl.page_num * cl.list_per_page, cl.result_count)


def _first_page(cl: ChangeList, url: str) -> str:
    order = parse_qs(url.removeprefix("?"))[ORDER_VAR][0]
    return str(cl.get_query_string({ORDER_VAR: order}, remove=[PAGE_VAR]))


def _is_number(cl: ChangeList, name: str) -> bool:
    if bool(getattr(getattr(cl.model_admin, name, None), "is_number", False)):
        return True
    try:
        kind = cl.lookup_opts.get_field(name).get_internal_type()
    except FieldDoesNotExist:
        return False
    return kind.endswith("IntegerField") or kind in {"FloatField", "DecimalField"}


def _cell(cl: ChangeList, row: Any, header: Header, *, url: str, is_name: bool) -> Cell:
    is_checkbox = header.name == "action_checkbox"
    try:
        field, attribute, value = lookup_field(header.name, row, cl.model_admin)
    except ObjectDoesNotExist:
        field, attribute, value = None, None, None
    if field is not None and getattr(field, "flatchoices", None):
        text = dict(field.flatchoices).get(value, value)
    elif field is not None and field.remote_field:
        text = getattr(row, field.name)
    else:
        text = value
    empty = getattr(attribute, "empty_value_display", NOTHING)
    label = "" if is_checkbox or is_name else header.text
    return Cell(_shown(text, empty=empty), label, url if is_name else "", is_name, header.is_number, is_checkbox)


def _shown(value: Any, *, empty: Any) -> Any:
    if value is None or value == "":
        return empty
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return date_format(value, "j M Y")
    if isinstance(value, int | float):
        return number_format(value, use_l10n=True, force_grouping=True)
    return value
