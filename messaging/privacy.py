"""What messages know about one persona, for the room of personas: see `personas.privacy.Conversations`."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext

from accounts.models import User
from messaging.models import Message, Recipient, Topic
from personas.models import Contact, Persona

_PAGE = 500


class PersonaConversations:
    def counts(self, persona: Persona, *, at_most: int | None) -> tuple[int, int]:
        messages = Message.objects.filter(topic__persona=persona).order_by()
        return Topic.objects.filter(persona=persona).count(), messages.values("pk")[:at_most].count()

    def messages(self, persona: Persona) -> Iterator[dict[str, Any]]:
        own = Q(topic__persona=persona)
        everywhere = Message.objects.all()
        yield from _told(everywhere.filter(own), persona)
        yield from _told(everywhere.filter(recipients__persona=persona).exclude(own).distinct(), persona)
        yield from _told(everywhere.filter(sender_persona=persona).exclude(own), persona)

    def forget_sender(self, persona: Persona) -> None:
        Message.objects.filter(sender_persona=persona).update(
            sender_persona=None, sender_name=gettext("Deleted persona")
        )

    def snapshot(self, persona: Persona) -> dict[str, Any]:
        own = Q(topic__persona=persona)
        to_or_in = Q(persona=persona) | Q(message__topic__persona=persona)
        return {
            "topics": _rows(Topic.objects.filter(persona=persona)),
            "messages": _rows(Message.objects.filter(own)),
            "recipients": _rows(Recipient.objects.filter(to_or_in)),
            "wrote": _rows(Message.objects.filter(sender_persona=persona).exclude(own), "pk", "sender_name"),
        }

    def restore(self, persona: Persona, snapshot: dict[str, Any]) -> None:
        """Without what went away by itself meanwhile: messages that grew too old, and whom else they went to."""
        Topic.objects.bulk_create(Topic(**row) for row in snapshot["topics"])
        messages: list[dict[str, Any]] = snapshot["messages"]
        users, senders = _present(User, messages, "sender_user_id"), _present(Persona, messages, "sender_persona_id")
        for row in messages:
            row["sender_user_id"] = row["sender_user_id"] if row["sender_user_id"] in users else None
            row["sender_persona_id"] = row["sender_persona_id"] if row["sender_persona_id"] in senders else None
        Message.objects.bulk_create(Message(**row) for row in messages)
        for row in snapshot["wrote"]:
            Message.objects.filter(pk=row["pk"], sender_persona=None).update(
                sender_persona=persona, sender_name=row["sender_name"]
            )
        recipients: list[dict[str, Any]] = snapshot["recipients"]
        kept, people = _present(Message, recipients, "message_id"), _present(Persona, recipients, "persona_id")
        contacts = _present(Contact, recipients, "contact_id")
        Recipient.objects.bulk_create(
            Recipient(**row)
            for row in recipients
            if row["message_id"] in kept and row["persona_id"] in people and row["contact_id"] in contacts
        )


def _told(messages: QuerySet[Message], persona: Persona) -> Iterator[dict[str, Any]]:
    """A page at a time, so that a long life of messages needs no more memory than a short one."""
    last = 0
    while page := list(messages.filter(pk__gt=last).order_by("pk").select_related("topic")[:_PAGE]):
        last = page[-1].pk
        received: dict[int, list[dict[str, Any]]] = {}
        to_them = Recipient.objects.filter(persona=persona, message__in=page).select_related("contact")
        for recipient in to_them.order_by("pk"):
            contact = {"type": recipient.contact.type, "key": recipient.contact.normalized, "state": recipient.state}
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


def _rows(rows: QuerySet[Any], *fields: str) -> list[dict[str, Any]]:
    """As JSON keeps them: Django reads moments back from their text."""
    names = fields or [field.attname for field in rows.model._meta.concrete_fields]
    return [
        {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        for row in rows.order_by("pk").values(*names)
    ]


def _present(model: type[Model], rows: Iterable[dict[str, Any]], name: str) -> set[Any]:
    """Of the ids that the rows name, those that exist."""
    named = {row[name] for row in rows} - {None}
    return set(model._default_manager.filter(pk__in=named).values_list("pk", flat=True))
