"""The latest topics and messages of a person. Messages stand on personas, so they are reached by name here."""

from typing import Any

from django.apps import apps

from personas.models import Persona

TOPICS_SHOWN = 10
MESSAGES_SHOWN = 10


def recent_topics(persona: Persona) -> list[Any]:
    """The newest topics with `persona`."""
    topics: Any = persona.topics
    return list(topics.order_by("-id")[:TOPICS_SHOWN])


def recent_messages(persona: Persona, topics: list[Any]) -> list[Any]:
    """The newest messages that went to `persona`, or stand in one of `topics`, with their topics at hand."""
    message, recipient = apps.get_model("messaging", "Message"), apps.get_model("messaging", "Recipient")
    sent = recipient.objects.filter(persona=persona).order_by("-id").values_list("message", flat=True)
    ids = set(sent[: 2 * MESSAGES_SHOWN])  # a message may have gone to more than one of their contacts
    said = message.objects.filter(topic__in=topics).order_by("-id").values_list("pk", flat=True)
    ids |= set(said[:MESSAGES_SHOWN]) if topics else set()
    found = message.objects.filter(pk__in=ids).select_related("topic").order_by("-id")
    return list(found[:MESSAGES_SHOWN])
