"""How tokens and calls look on every page."""

from datetime import UTC, datetime

from django import template
from django.forms import BoundField
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tokens.console.words import (
    STATUS_PILLS,
    Shown,
    ability_label,
    ability_labels,
    ability_summary,
    pill_of_http_status,
)
from tokens.models import Token

register = template.Library()


@register.simple_tag
def token_status(token: Token) -> SafeString:
    """The token's status as a pill."""
    status = token.status
    return format_html('<span class="pill pill--{}">{}</span>', STATUS_PILLS[status], status.label)


@register.simple_tag
def http_status(status: int) -> SafeString:
    """An answer's status as a pill."""
    return format_html('<span class="pill pill--{}">{}</span>', pill_of_http_status(status), status)


@register.inclusion_tag("tokens/_value.html")
def value(shown: Shown) -> dict[str, Shown]:
    """A recorded value in words; a moment in the viewer's zone."""
    return {"shown": shown}


@register.filter
def abilities_in_short(token: Token) -> str:
    """The token's abilities in a few words."""
    return ability_summary(token.ability_keys)


@register.filter
def abilities_in_full(token: Token) -> str:
    """All of the token's abilities, by name."""
    return ", ".join(ability_labels(token.ability_keys))


@register.filter
def ability_name(key: str) -> str:
    return ability_label(key)


@register.simple_tag
def utc(moment: datetime) -> SafeString:
    """The moment in UTC, in full."""
    return format_html('<span class="nowrap">{} UTC</span>', moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"))


@register.simple_tag
def utc_of(field: BoundField) -> str:
    """The UTC value of a moment field as it is saved; empty when there is none."""
    saved = field.initial
    return f"{saved.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if isinstance(saved, datetime) else ""


@register.simple_tag
def exact(value: datetime | None, empty: str = "–") -> SafeString:
    """`value` in the viewer's zone to the second, with UTC as its title; `empty` stands for None."""
    if value is None:
        return format_html('<span class="muted">{}</span>', empty)
    in_utc = value.astimezone(UTC)
    return format_html(
        '<time class="nowrap" datetime="{}" title="{} UTC">{}</time>',
        in_utc.isoformat(timespec="seconds").replace("+00:00", "Z"),
        in_utc.strftime("%Y-%m-%d %H:%M:%S"),
        date_format(timezone.localtime(value), "j M Y, H:i:s"),
    )
