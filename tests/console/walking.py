"""Every address of the console, with rows of one workspace to open it with: nobody has to remember to add a page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from delivery.models import Delivery
from personas.models import Persona, PersonaChange
from platforms.models import Connection, ReceivedCall
from tests.accounts.test_scope import Rows
from tokens.models import Token


@dataclass(frozen=True)
class Address:
    """One registered address of the console, filled in."""

    name: str
    url: str


class NoWayToOpen(Exception):
    """An address takes something that the walk does not know: add it to `_arguments`."""


def addresses(rows: Rows) -> list[Address]:
    """All of the console's, each once; raises NoWayToOpen."""
    return [Address(name, _filled_in(name, parameters, rows)) for name, parameters in _registered()]


def _registered() -> Iterator[tuple[str, frozenset[str]]]:
    """Names with what they take."""
    console = next(entry for entry in get_resolver().url_patterns if getattr(entry, "namespace", "") == "admin")
    found: dict[str, frozenset[str]] = {}
    for pattern in _patterns(console):  # type: ignore[arg-type]
        if pattern.name:
            # A route names what it takes by converters, a regular expression by groups.
            groups = pattern.pattern.regex.groupindex
            found.setdefault(pattern.name, frozenset(groups))
    yield from sorted(found.items())


def _patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from _patterns(entry)
        elif isinstance(entry, URLPattern):
            yield entry


def _filled_in(name: str, parameters: frozenset[str], rows: Rows) -> str:
    known = _arguments(name, rows)
    try:
        return reverse(f"admin:{name}", kwargs={parameter: known[parameter] for parameter in parameters})
    except (KeyError, NoReverseMatch) as error:
        raise NoWayToOpen(f"{name}: {', '.join(sorted(parameters))}") from error


def _arguments(name: str, rows: Rows) -> Mapping[str, Any]:
    ids = rows.ids
    arguments = {
        "persona_id": ids[Persona],
        "other_id": ids[Persona] + 1,
        "connection_id": ids[Connection],
        "token_id": ids[Token],
        "delivery_id": ids[Delivery],
        "change_id": ids[PersonaChange],
        "call_id": ids.get(ReceivedCall, 1),
        "deed": "retry",
        "tab": "details",
        "action": "retry",
        "app_label": "tokens",
        "content_type_id": 1,
        "object_id": 1,
        "url": "nowhere",
    }
    for model in admin.site._registry:
        if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_"):
            arguments["object_id"] = ids[model]
    return arguments
