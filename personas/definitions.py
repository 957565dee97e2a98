"""What a workspace knows about its people: attributes defined, described, put in order and taken away."""

import re
import unicodedata
from dataclasses import dataclass
from typing import ClassVar

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from accounts.models import Workspace
from personas.history import Cause, record_changes
from personas.models import AttributeDefinition, AttributeValue, ContactType, Persona
from raven_admin.errors import RavenError

MAX_ATTRIBUTES = 200
CLEARED_AT_ONCE = 10_000
"""Values that go with their attribute in one transaction; more are cleared in the background first."""
RESERVED_KEYS = frozenset(
    {"id", "name", "gender", "birthday", "notes", "version", "created", "created_at", "updated", "updated_at",
     "contact", "contacts", "attribute", "attributes", "label", "type", "key", "topic", "topics", "message", "messages",
     *ContactType.values}
)  # fmt: skip
"""What a persona has anyway, so that a column or a field of a call is never one of two things."""
_BATCH = 1_000
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")


@dataclass(eq=False)
class AttributeKeyInvalid(RavenError):
    """The key “{key}” can't be used: {reason}"""

    code: ClassVar[str] = "attribute_key_invalid"
    key: str
    reason: str


@dataclass(eq=False)
class TooManyAttributes(RavenError):
    """A workspace has at most {maximum} attributes."""

    code: ClassVar[str] = "too_many_attributes"
    maximum: int


@dataclass(eq=False)
class AttributeInUse(RavenError):
    """More than {maximum} people have a value of it. Clear it for everybody with a bulk change first."""

    code: ClassVar[str] = "attribute_in_use"
    maximum: int


@dataclass(eq=False)
class KeyNotConfirmed(RavenError):
    """Type the key “{key}” exactly as it is, to say that you mean it."""

    code: ClassVar[str] = "key_not_confirmed"
    key: str


def suggest_key(label: str) -> str:
    """A key that programs can write, made of a label: `Customer since` gives `customer_since`, `客户` gives ""."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_").lstrip("0123456789_")[:50].strip("_")


def check_key(key: str, *, workspace: Workspace) -> None:
    """Raises AttributeKeyInvalid unless a new attribute of `workspace` may have this key."""
    if not _KEY.fullmatch(key):
        raise AttributeKeyInvalid(
            key, _("begin with a letter, and write letters without accents, digits, _ and - only.")
        )
    if key.lower() in RESERVED_KEYS:
        raise AttributeKeyInvalid(key, _("every persona has that already."))
    if AttributeDefinition.objects.filter(workspace=workspace, key__iexact=key).exists():
        raise AttributeKeyInvalid(key, _("there is already an attribute with this key."))


@transaction.atomic
def add_attribute(*, workspace: Workspace, key: str, label: str, type: str, hint: str) -> AttributeDefinition:
    """The workspace has one more attribute, the last in order. Raises AttributeKeyInvalid and TooManyAttributes."""
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    check_key(key, workspace=workspace)
    positions = list(AttributeDefinition.objects.filter(workspace=workspace).values_list("position", flat=True))
    if len(positions) >= MAX_ATTRIBUTES:
        raise TooManyAttributes(maximum=MAX_ATTRIBUTES)
    return AttributeDefinition.objects.create(
        workspace=workspace, key=key, label=label, type=type, hint=hint, position=max(positions, default=0) + 1
    )


@transaction.atomic
def move_attribute(*, definition: AttributeDefinition, up: bool) -> int:
    """The attribute has changed places with its neighbour, if it has one on that side; returns its place, from 0."""
    Workspace.objects.select_for_update().get(pk=definition.workspace_id)
    ordered = list(AttributeDefinition.objects.filter(workspace=definition.workspace_id).order_by("position", "pk"))
    at = ordered.index(definition)
    to = at - 1 if up else at + 1
    if not 0 <= to < len(ordered):
        return at
    ordered[at], ordered[to] = ordered[to], ordered[at]
    for position, moved in enumerate(ordered, start=1):
        moved.position = position
    AttributeDefinition.objects.bulk_update(ordered, ["position"])
    return to


def count_values(definition: AttributeDefinition, *, at_most: int = CLEARED_AT_ONCE + 1) -> int:
    """How many people have a value of it, counted no further than `at_most`."""
    return AttributeValue.objects.filter(definition=definition).values("pk")[:at_most].count()


@transaction.atomic
def delete_attribute(*, definition: AttributeDefinition, confirmed_key: str, cause: Cause) -> int:
    """The attribute and all values of it are gone, and history has what they were; returns how many there were.

    Raises KeyNotConfirmed, and AttributeInUse when there are too many for one transaction.
    """
    if confirmed_key.strip() != definition.key:
        raise KeyNotConfirmed(key=definition.key)
    AttributeDefinition.objects.select_for_update().get(pk=definition.pk)
    if count_values(definition) > CLEARED_AT_ONCE:
        raise AttributeInUse(maximum=CLEARED_AT_ONCE)
    old = dict(AttributeValue.objects.filter(definition=definition).values_list("persona_id", "value"))
    ids = sorted(old)
    for start in range(0, len(ids), _BATCH):
        write_values(definition, {pk: (old[pk], "") for pk in ids[start : start + _BATCH]}, cause=cause)
    definition.delete()
    return len(old)


def write_values(definition: AttributeDefinition, values: dict[int, tuple[str, str]], *, cause: Cause) -> None:
    """These personas have the new value of the attribute, "" none at all: (old, new) by the persona's id.

    As `update_persona` does it for one, in a fixed number of statements for some hundred. Runs in the caller's
    transaction, which knows that the old values are the present ones.
    """
    if not values:
        return
    personas = list(Persona.objects.select_for_update().filter(pk__in=values).order_by("pk"))
    Persona.objects.filter(pk__in=[persona.pk for persona in personas]).update(
        version=F("version") + 1, updated_at=cause.at
    )
    cleared = [persona.pk for persona in personas if not values[persona.pk][1]]
    AttributeValue.objects.filter(definition=definition, persona__in=cleared).delete()
    AttributeValue.objects.bulk_create(
        [
            AttributeValue(definition=definition, persona=persona, value=values[persona.pk][1])
            for persona in personas
            if values[persona.pk][1]
        ],
        update_conflicts=True,
        unique_fields=["persona", "definition"],
        update_fields=["value"],
    )
    for persona in personas:
        persona.version += 1
        persona.updated_at = cause.at
    field = f"attribute:{definition.key}"
    record_changes([(p, [(field, *values[p.pk])]) for p in personas], cause=cause, kind="persona.updated")
