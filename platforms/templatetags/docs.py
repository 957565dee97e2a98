"""The little Markdown that our descriptions are written in, as HTML."""

import re

from django import template
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()
_MARKED = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


@register.filter
def inline(text: str) -> SafeString:
    """`text` with its code and its bold words marked up."""
    escaped = str(conditional_escape(text))
    return mark_safe(_MARKED.sub(_markup, escaped))  # noqa: S308 - escaped above


@register.filter
def blocks(text: str) -> SafeString:
    """`text` as headings, lists and paragraphs."""
    return format_html_join("\n", "{}", [(_block(block),) for block in text.split("\n\n")])


def _block(block: str) -> SafeString:
    if block.startswith("## "):
        return format_html("<h2>{}</h2>", inline(block.removeprefix("## ")))
    if block.startswith("- "):
        items = re.split(r"^- ", block, flags=re.MULTILINE)[1:]
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", [(inline(item),) for item in items]))
    return format_html("<p>{}</p>", inline(block))


def _markup(found: re.Match[str]) -> str:
    return f"<code>{found[1]}</code>" if found[1] else f"<strong>{found[2]}</strong>"
