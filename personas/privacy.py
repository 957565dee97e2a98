"""What is kept about one persona, wherever it is kept: counted, handed over, and erased but for a receipt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.db.models import Count

from delivery import outbox
from personas.history import Cause, record_deletions
from personas.models import (
    Contact,
    DeletionReceipt,
    DuplicatePair,
    Merge,
    Operation,
    OperationRow,
    Persona,
    PersonaChange,
)

COUNTED_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Counts:
    """How much goes along with a persona."""

    contacts: int
    topics: int
    messages: int


class Conversations(Protocol):
    """What the room of messages knows about a persona. That room stands above this one, so it comes to us."""

    def counts(self, persona: Persona, *, at_most: int) -> tuple[int, int]:
        """(topics, messages) that are the persona's own and go with it; messages no further than `at_most`."""

    def messages(self, persona: Persona) -> Iterator[dict[str, Any]]:
        """Every message in the persona's topics, to it, or from it, as JSON values, read a page at a time."""

    def with_conversations(self, personas: Sequence[Persona]) -> set[int]:
        """The ids of those who have a topic of their own, or to or from whom a message went."""

    def message_counts(self, personas: Sequence[Persona]) -> dict[int, int]:
        """How many messages go with each, by persona id; without those that none goes with."""

    def forget_senders(self, personas: Sequence[Persona]) -> None:
        """Messages that they wrote in topics of others no longer carry their names."""

    def remember_senders(self, personas: Sequence[Persona]) -> None:
        """Messages that they wrote carry their names again, after `forget_senders`."""


_conversations: Conversations | None = None


def register(conversations: Conversations) -> None:
    """From now on what personas say and hear is counted, handed over and erased with them."""
    global _conversations
    _conversations = conversations


def conversations() -> Conversations:
    """What was registered."""
    assert _conversations is not None, "messaging registers itself when it is ready"  # noqa: S101
    return _conversations


def count_what_goes(persona: Persona) -> Counts:
    """What `erase` would take away; messages are counted to 10,000."""
    topics, messages = conversations().counts(persona, at_most=COUNTED_AT_MOST)
    return Counts(contacts=persona.contacts.count(), topics=topics, messages=messages)


def erase(persona: Persona, *, cause: Cause) -> DeletionReceipt:
    """Nothing says any more who the persona was; the receipt says that it was, and what went with it.

    Gone are its fields, contacts, attributes, history, topics and their messages. What operations wrote down about it
    is emptied, and its name is taken off what it wrote elsewhere. Runs in the caller's transaction, which holds the
    persona's lock.
    """
    return erase_all([persona], cause=cause)[0]


def erase_all(personas: Sequence[Persona], *, cause: Cause) -> list[DeletionReceipt]:
    """As `erase` does it, of some hundred; the receipts are in the same order."""
    messages = conversations().message_counts(personas)
    contacts = dict(
        Contact.objects.filter(persona__in=personas).order_by().values_list("persona").annotate(Count("pk"))
    )
    receipts = DeletionReceipt.objects.bulk_create(
        DeletionReceipt(
            workspace_id=persona.workspace_id,
            persona_id=persona.pk,
            origin=cause.origin,
            actor_label=cause.actor_label,
            request_id=cause.request_id,
            contact_count=contacts.get(persona.pk, 0),
            message_count=messages.get(persona.pk, 0),
            deleted_at=cause.at,
        )
        for persona in personas
    )
    conversations().forget_senders(personas)
    OperationRow.objects.filter(persona__in=personas).update(
        persona_name="", values={}, differences=[], problems=[], before=None
    )
    _forget_merges(personas, at=cause.at)
    _forget_planned_merges(personas)
    record_deletions(personas, cause=cause)
    outbox.forget_personas(persona_ids=[persona.pk for persona in personas], at=cause.at)
    Persona.objects.filter(pk__in=[persona.pk for persona in personas]).delete()
    return receipts


def _forget_merges(personas: Sequence[Persona], *, at: datetime) -> None:
    """Nobody whom these people were part of until a merge was undone says any more what they brought along."""
    merges = Merge.objects.filter(absorbed_id__in=[persona.pk for persona in personas])
    for merge in merges.defer("before"):
        # Their name and addresses, and what was chosen of them, were written at these two moments.
        moments = [moment for moment in (merge.merged_at, merge.undone_at) if moment]
        PersonaChange.objects.filter(persona=merge.kept_id, happened_at__in=moments).delete()
        outbox.forget_changes(persona_id=merge.kept_id, at=at, made_at=merge.merged_at)
    merges.delete()


def _forget_planned_merges(personas: Sequence[Persona]) -> None:
    """Nobody who was to absorb one of these people, or did until it was undone, says their name any more."""
    elders = dict(DuplicatePair.objects.filter(second__in=personas).values_list("pk", "first"))
    OperationRow.objects.filter(
        persona__in=set(elders.values()), operation__kind=Operation.Kind.MERGE, values__pair__in=list(elders)
    ).update(differences=[])
