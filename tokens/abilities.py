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
_PERSONAS = _("Personas")
_CONVERSATIONS = _("Conversations")
_WORKSPACE = _("Workspace")
_TOKENS = _("Tokens")

ABILITIES: tuple[Ability, ...] = (
    Ability(
        "message_send",
        _("Send message"),
        _MESSAGES,
        _("Send messages to people as a user of the workspace."),
        Effect.SEND,
    ),
    Ability(
        "message_add",
        _("Add message"),
        _MESSAGES,
        _("Record messages that people wrote, with the person as sender."),
        Effect.CHANGE,
    ),
    Ability(
        "template_send",
        _("Send template"),
        _MESSAGES,
        _("Send a ready-made text with its gaps filled."),
        Effect.SEND,
    ),
    Ability("template_read", _("Read templates"), _MESSAGES, _("See the ready-made texts."), Effect.READ),
    Ability(
        "persona_add", _("Add persona"), _PERSONAS, _("Add people with their attributes and contacts."), Effect.CHANGE
    ),
    Ability(
        "persona_update",
        _("Update persona"),
        _PERSONAS,
        _("Change a person's name, gender, birthday and notes."),
        Effect.CHANGE,
    ),
    Ability(
        "attribute_update",
        _("Update attributes"),
        _PERSONAS,
        _("Set what is known about a person, or clear it."),
        Effect.CHANGE,
    ),
    Ability("contact_add", _("Add contact"), _PERSONAS, _("Add addresses to a person."), Effect.CHANGE),
    Ability(
        "persona_read",
        _("Read personas"),
        _PERSONAS,
        _("List people and see all that is known about them."),
        Effect.READ,
    ),
    Ability("persona_delete", _("Delete persona"), _PERSONAS, _("Delete people for good."), Effect.CHANGE),
    Ability(
        "topic_add",
        _("Create topic"),
        _CONVERSATIONS,
        _("Create topics, also by naming a new one when sending a message."),
        Effect.CHANGE,
    ),
    Ability(
        "conversation_read",
        _("Read conversations"),
        _CONVERSATIONS,
        _("List topics and the messages in them."),
        Effect.READ,
    ),
    Ability(
        "conversation_status",
        _("Set conversation status"),
        _CONVERSATIONS,
        _("Open conversations, set them pending, or resolve them."),
        Effect.CHANGE,
    ),
    Ability("location_read", _("Read locations"), _WORKSPACE, _("List the places of the organisation."), Effect.READ),
    Ability("location_write", _("Write locations"), _WORKSPACE, _("Add and change places."), Effect.CHANGE),
    Ability("stats_read", _("Read statistics"), _WORKSPACE, _("See how much is sent and received."), Effect.READ),
    Ability("data_export", _("Export data"), _WORKSPACE, _("Download all people and messages as files."), Effect.READ),
    Ability("event_read", _("Read events"), _WORKSPACE, _("Follow everything that happens, in order."), Effect.READ),
    Ability(
        "token_derive",
        _("Mint temporary tokens"),
        _TOKENS,
        _("Mint tokens for an hour at most that may no more than this one."),
        Effect.CHANGE,
    ),
    Ability(
        "token_write",
        _("Manage tokens"),
        _TOKENS,
        _("List, issue, configure, rotate and delete tokens, with no ability that this one lacks."),
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
