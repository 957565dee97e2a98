"""What is found from anywhere: tokens, people, calls, deliveries and topics; and where to go and what to do, by name.

The page Search and the palette show the same. Each kind costs a bounded number of queries, however large its table.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.models import User, Workspace
from delivery.console.listing import find_deliveries
from delivery.console.words import kind_label
from delivery.models import Delivery
from messaging.models import Topic
from personas.models import Persona
from personas.search import TextQuery
from raven_admin.commands import Command, commands
from tokens.console.listing import Exact, exact_page, find_tokens
from tokens.models import Token

FOUND_AT_MOST = 10
NAMES_LOOKED_THROUGH = 20_000
"""Topics whose name is looked into, newest first: part of a name is in no index."""
_COMMANDS_BESIDE_OTHERS = 5


@dataclass(frozen=True, slots=True)
class Hit:
    title: str
    detail: str = ""
    url: str = ""
    icon: str = ""
    theme: str = ""
    """Instead of an address: what the page shall look like from now on."""
    times: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """What was found of one kind, at most ten; `more_url` is the kind's own list with the same search."""

    label: Promise
    hits: list[Hit]
    more_url: str = ""


def find(text: str, *, workspace: Workspace, user: User, pages: Iterable[Command]) -> list[Group]:
    """What `text` finds for `user` in the workspace; kinds without any are left out. Nothing typed: all commands."""
    named = [_command_hit(command) for command in commands(text, user=user, workspace=workspace, pages=pages)]
    if not text:
        return [Group(_("Go to, or do"), named)]
    groups = [
        Group(_("Exactly this"), [_exact_hit(exact)] if (exact := exact_page(text, user=user)) else []),
        Group(_("Go to, or do"), named[:_COMMANDS_BESIDE_OTHERS]),
        *_rows(text, workspace),
    ]
    return [group for group in groups if group.hits]


def summary(groups: Iterable[Group]) -> str:
    """How much was found, as a screen reader says it."""
    count = sum(len(group.hits) for group in groups)
    return ngettext("%(count)d result", "%(count)d results", count) % {"count": count}


def _rows(text: str, workspace: Workspace) -> Iterator[Group]:
    limit = FOUND_AT_MOST + 1
    tokens = find_tokens(text, workspace=workspace, limit=limit)
    yield _group(Token, _("Tokens"), "key-round", tokens, lambda token: token.masked)
    ids = TextQuery.of(text, workspace).newest(limit)
    people = Persona.objects.filter(pk__in=ids).order_by("-pk").prefetch_related("contacts")
    yield _group(Persona, _("Personas"), "users", people, _addresses)
    deliveries = find_deliveries(text, workspace=workspace, limit=limit)
    yield _group(Delivery, _("Deliveries"), "send", deliveries, _delivery, _kind)
    topics = Topic.objects.filter(workspace=workspace).order_by("-pk")
    edge = Coalesce(topics.values("pk")[NAMES_LOOKED_THROUGH - 1 : NAMES_LOOKED_THROUGH], 0)
    named = topics.filter(pk__gte=edge, name__icontains=text)[:limit]
    yield _group(Topic, _("Topics"), "hash", named, lambda topic: str(topic.get_type_display()))


def _group(
    model: type[Model],
    label: Promise,
    icon: str,
    rows: Iterable[Any],
    detail: Callable[[Any], str],
    title: Callable[[Any], str] = str,
) -> Group:
    """Of one row more than are shown."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    hits = [Hit(title(row), detail(row), reverse(f"{name}_change", args=[row.pk]), icon) for row in rows]
    return Group(label, hits[:FOUND_AT_MOST], reverse(f"{name}_changelist") if len(hits) > FOUND_AT_MOST else "")


def _addresses(persona: Persona) -> str:
    return ", ".join(contact.normalized for contact in list(persona.contacts.all())[:3])


def _kind(delivery: Delivery) -> str:
    return f"#{delivery.pk} {kind_label(delivery.kind)}"


def _delivery(delivery: Delivery) -> str:
    when = date_format(localtime(delivery.created_at), "j M Y, H:i")
    return f"{delivery.destination.shown_name} · {delivery.get_state_display()} · {when}"


def _exact_hit(exact: Exact) -> Hit:
    return Hit(exact.title, str(exact.kind), exact.url, exact.icon)


def _command_hit(command: Command) -> Hit:
    return Hit(str(command.label), "", command.url, command.icon, command.theme, command.times)
