"""The search box of every page: what it finds of tokens, people and topics."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from messaging.models import Topic
from personas.models import Persona
from personas.search import TextQuery
from tokens.console.listing import search_tokens
from tokens.models import Token

FOUND_AT_MOST = 10


@dataclass(frozen=True, slots=True)
class Hit:
    url: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Group:
    """What was found of one kind, at most ten; `more_url` is the kind's own list with the same search."""

    label: Promise
    icon: str
    hits: list[Hit]
    more_url: str


def search(text: str, *, workspace: Workspace) -> list[Group]:
    """Tokens, personas and topics of the workspace that `text` fits; kinds without any are left out."""
    tokens = search_tokens(Token.objects.lasting().filter(workspace=workspace), text).order_by("-id")
    personas = Persona.objects.filter(pk__in=TextQuery.of(text, workspace).newest(FOUND_AT_MOST + 1))
    topics = Topic.objects.filter(workspace=workspace, name__icontains=text).order_by("-id")
    groups = [
        _group(_("Tokens"), "key-round", tokens, text, lambda token: token.masked),
        _group(
            _("Personas"),
            "users",
            personas.order_by("-id").prefetch_related("contacts"),
            text,
            lambda persona: ", ".join(contact.normalized for contact in list(persona.contacts.all())[:3]),
        ),
        _group(_("Topics"), "hash", topics, text, lambda topic: topic.get_type_display()),
    ]
    return [group for group in groups if group.hits]


def _group(label: Promise, icon: str, rows: QuerySet[Any], text: str, detail: Any) -> Group:
    model = rows.model
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    found: Iterable[Model] = rows[: FOUND_AT_MOST + 1]
    hits = [Hit(reverse(f"{name}_change", args=[row.pk]), str(row), detail(row)) for row in found]
    more_url = reverse(f"{name}_changelist") if len(hits) > FOUND_AT_MOST else ""
    return Group(label, icon, hits[:FOUND_AT_MOST], more_url)
