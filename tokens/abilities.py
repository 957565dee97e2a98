"""The catalogue of abilities, read by the form, the gateway, the documents and the Excel columns.

A key stands here only when an endpoint enforces it; a test compares the two.
"""

from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Effect(StrEnum):
    """What an ability lets a program do; the templates of the form are made of these."""

    READ = "read"
    SEND = "send"
    CHANGE = "change"


@dataclass(frozen=True, slots=True)
class Ability:
    key: str
    label: str | Promise
    group: str | Promise
    sentence: str | Promise
    effect: Effect


_MESSAGES = _("Messages")
_TOPICS = _("Topics")

ABILITIES: tuple[Ability, ...] = (
    Ability(
        "message_send",
        _("Send message"),
        _MESSAGES,
        _("Send messages to people as a user of the workspace."),
        Effect.SEND,
    ),
    Ability(
        "topic_add",
        _("Create topic"),
        _TOPICS,
        _("Create the topic that a message names when it does not exist yet."),
        Effect.CHANGE,
    ),
)

ABILITY_KEYS: frozenset[str] = frozenset(ability.key for ability in ABILITIES)


def by_group() -> dict[str, list[Ability]]:
    """The catalogue in its order, under the titles of its groups."""
    groups: dict[str, list[Ability]] = {}
    for ability in ABILITIES:
        groups.setdefault(str(ability.group), []).append(ability)
    return groups


@dataclass(frozen=True, slots=True)
class AbilityTemplate:
    label: str | Promise
    keys: frozenset[str]


def templates() -> list[AbilityTemplate]:
    """Ready-made choices for the form; one that would choose nothing is left out, but for *Nothing* itself."""
    choices = [
        (_("Send only"), {Effect.SEND}),
        (_("Read only"), {Effect.READ}),
        (_("Everything"), set(Effect)),
    ]
    chosen = [
        AbilityTemplate(label, frozenset(a.key for a in ABILITIES if a.effect in effects)) for label, effects in choices
    ]
    return [template for template in chosen if template.keys] + [AbilityTemplate(_("Nothing"), frozenset())]
