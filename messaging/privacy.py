"""What messages know about one persona, for the room of personas: see `personas.privacy.Conversations`."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from messaging.models import DELETED_SENDER, Message, Recipient, Topic
from personas.models import Persona

_PAGE = 500


class PersonaConversations:
    def counts(self, persona: Persona, *, at_most: int) -> tuple[int, int]:
        messages = Message.objects.filter(topic__persona=persona).order_by()
        return Topic.objects.filter(persona=persona).count(), messages.values("pk")[:at_most].count()

    def messages(self, persona: Persona) -> Iterator[dict[str, Any]]:
        own = Q(topic__persona=persona)
        everywhere = Message.objects.all()
        yield from _told(everywhere.filter(own), persona)
        yield from _told(everywhere.filter(recipients__persona=persona).exclude(own).distinct(), persona)
        yield from _told(everywhere.filter(sender_persona=persona).exclude(own), persona)

    def with_conversations(self, personas: Sequence[Persona]) -> set[int]:
        topics = Topic.objects.filter(persona__in=personas).order_by().values_list("persona_id")
        to_them = Recipient.objects.filter(persona__in=personas).order_by().values_list("persona_id")
        of_them = Message.objects.filter(sender_persona__in=personas).order_by().values_list("sender_persona_id")
        return {persona_id for [persona_id] in topics.union(to_them, of_them) if persona_id is not None}

    def message_counts(self, personas: Sequence[Persona]) -> dict[int, int]:
        messages = Message.objects.filter(topic__persona__in=personas).order_by()
        return dict(messages.values_list("topic__persona").annotate(Count("pk")))

    def forget_senders(self, personas: Sequence[Persona]) -> None:
        Message.objects.filter(sender_persona__in=personas).update(sender_persona=None, sender_name=DELETED_SENDER)

    def remember_senders(self, personas: Sequence[Persona]) -> None:
        names = Persona.objects.filter(pk=OuterRef("sender_persona")).values("name")
        Message.objects.filter(sender_persona__in=personas).update(sender_name=Subquery(names))


def _told(messages: QuerySet[Message], persona: Persona) -> Iterator[dict[str, Any]]:
    """A page at a time, so that a long life of messages needs no more memory than a short one."""
    last = 0
    while page := list(messages.filter(pk__gt=last).order_by("pk").select_related("topic")[:_PAGE]):
        last = page[-1].pk
        received: dict[int, list[dict[str, Any]]] = {}
        to_them = Recipient.objects.filter(persona=persona, message__in=page).select_related("contact")
        for recipient in to_them.order_by("pk"):
            address = recipient.address
            contact = {"type": address.type, "key": address.normalized, "state": recipient.state}
            received.setdefault(recipient.message_id, []).append(contact)
        for message in page:
            yield {
                "id": message.pk,
                "topic": message.topic.name,
                "topic_type": message.topic.type,
                "direction": message.direction,
                "sender": message.sender_name,
                "text": message.text,
                "created_at": message.created_at,
                "to": received.get(message.pk, []),
            }
