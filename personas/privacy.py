"""What is kept about one persona, wherever it is kept: counted, handed over, and erased but for a receipt."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from personas.history import Cause, record_deletion
from personas.models import DeletionReceipt, OperationRow, Persona

COUNTED_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Counts:
    """How much goes along with a persona; `messages` are counted no further than asked."""

    contacts: int
    topics: int
    messages: int


class Conversations(Protocol):
    """What the room of messages knows about a persona. That room stands above this one, so it comes to us."""

    def counts(self, persona: Persona, *, at_most: int | None) -> tuple[int, int]:
        """(topics, messages) that are the persona's own and go with it; messages no further than `at_most`."""

    def messages(self, persona: Persona) -> Iterator[dict[str, Any]]:
        """Every message in the persona's topics, to it, or from it, as JSON values, read a page at a time."""

    def forget_sender(self, persona: Persona) -> None:
        """Messages that the persona wrote in topics of others no longer carry its name."""

    def snapshot(self, persona: Persona) -> dict[str, Any]:
        """All that goes with the persona and what it takes to bring that back, as JSON values."""

    def restore(self, persona: Persona, snapshot: dict[str, Any]) -> None:
        """What `snapshot` holds is there again; the persona and its contacts are, with the ids they had."""


_conversations: Conversations | None = None


def register(conversations: Conversations) -> None:
    """From now on what personas say and hear is counted, handed over and erased with them."""
    global _conversations
    _conversations = conversations


def conversations() -> Conversations:
    """What was registered."""
    assert _conversations is not None, "messaging registers itself when it is ready"  # noqa: S101
    return _conversations


def count_what_goes(persona: Persona, *, at_most: int | None = COUNTED_AT_MOST) -> Counts:
    """What `erase` would take away."""
    topics, messages = conversations().counts(persona, at_most=at_most)
    return Counts(contacts=persona.contacts.count(), topics=topics, messages=messages)


def erase(persona: Persona, *, cause: Cause) -> DeletionReceipt:
    """Nothing says any more who the persona was; the receipt says that it was, and what went with it.

    Gone are its fields, contacts, attributes, history, topics and their messages. What operations wrote down about it
    is emptied, and its name is taken off what it wrote elsewhere. Runs in the caller's transaction, which holds the
    persona's lock.
    """
    counts = count_what_goes(persona, at_most=None)
    receipt = DeletionReceipt.objects.create(
        workspace_id=persona.workspace_id,
        persona_id=persona.pk,
        origin=cause.origin,
        actor_label=cause.actor_label,
        request_id=cause.request_id,
        contact_count=counts.contacts,
        message_count=counts.messages,
        deleted_at=cause.at,
    )
    conversations().forget_sender(persona)
    OperationRow.objects.filter(persona=persona).update(
        persona_name="", values={}, differences=[], problems=[], before=None
    )
    record_deletion(persona, cause=cause)
    persona.delete()
    return receipt
