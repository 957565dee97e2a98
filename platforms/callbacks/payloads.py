"""What a callback says: facts kept with the delivery when it happens, texts and names read when it is sent.

So the outbox keeps no copy of a message or a name that is deleted elsewhere. docs/callbacks.md shows one of each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec

from delivery.carriers import DeliveryDraft, Occurrence
from delivery.models import Event
from messaging.models import Message, Recipient, Topic
from personas.models import Persona
from tokens.expiry import end_of
from tokens.models import CallbackEvent, ExpiryNotice

_IDS = UUID("6f0d3c1e-3f0b-4c55-9e0f-6d1f2a8c7b11")
"""The namespace of message ids."""
_CHANGES = {
    "persona.created": "created",
    "persona.updated": "updated",
    "persona.merged": "merged",
    "persona.deleted": "deleted",
}
_EVENT_OF: dict[str, CallbackEvent] = {
    CallbackEvent.CONVERSATION_CREATED: CallbackEvent.CONVERSATION_CREATED,
    CallbackEvent.MESSAGE_RECEIVED: CallbackEvent.MESSAGE_RECEIVED,
    CallbackEvent.MESSAGE_STATUS: CallbackEvent.MESSAGE_STATUS,
    CallbackEvent.TOKEN_EXPIRING: CallbackEvent.TOKEN_EXPIRING,
    **dict.fromkeys(_CHANGES, CallbackEvent.PERSONA_UPDATED),
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened, as a callback's delivery keeps it."""

    event: CallbackEvent
    lane: str
    persona_id: int | None
    payload: dict[str, Any]
    """`id`: of the message, the same however often it is sent; `at`: when it happened; and the facts."""

    def draft(self, *, because_of: Occurrence) -> DeliveryDraft:
        return DeliveryDraft(
            because_of=because_of,
            lane=self.lane,
            kind=f"event.{self.event}",
            payload=self.payload,
            persona_id=self.persona_id,
        )


def kinds_of(event: CallbackEvent) -> list[str]:
    """The kinds of occurrences, and of recorded events, that a callback for `event` hears of."""
    return [kind for kind, found in _EVENT_OF.items() if found == event]


def happening_of(occurrence: Occurrence) -> Happening | None:
    """None when no callback tells of it."""
    event = _EVENT_OF.get(occurrence.kind)
    if event is None:
        return None
    fields = [field for field, _old, _new in occurrence.changes]
    return _happening(event, occurrence.kind, occurrence.subject_id, occurrence.at, fields, occurrence.data)


def happening_of_recorded(recorded: Event) -> Happening | None:
    """The same of an event that was recorded; None when no callback tells of it."""
    event = _EVENT_OF.get(recorded.kind)
    if event is None:
        return None
    subject = {"conversation": "topic", "message": "message", "persona": "persona"}[recorded.kind.partition(".")[0]]
    fields = recorded.data.get("fields", [])
    return _happening(event, recorded.kind, recorded.data[subject], recorded.happened_at, fields, recorded.data)


def happening_of_notice(notice: ExpiryNotice) -> Happening:
    """The same of a notice that a token ends, which was told before."""
    occurrence = end_of(notice.token, notice)
    return _happening(
        CallbackEvent.TOKEN_EXPIRING, occurrence.kind, occurrence.subject_id, occurrence.at, [], occurrence.data
    )


def body_of(event: str, payload: Mapping[str, Any]) -> bytes | None:
    """What is posted; None when what it is about has been deleted since."""
    data = _DATA_OF[CallbackEvent(event)](payload) if payload else None
    if data is None:
        return None
    return msgspec.json.encode({"type": event, "timestamp": payload["at"], "data": data})


def sample_of(event: str, *, at: datetime) -> bytes:
    """What a test posts: the example of the documentation, marked as a test."""
    return msgspec.json.encode({"type": event, "timestamp": _moment(at), "test": True, "data": SAMPLES[event]})


def _happening(
    event: CallbackEvent, kind: str, subject: int, at: datetime, fields: Sequence[str], data: Mapping[str, Any]
) -> Happening:
    facts: dict[str, Any]
    persona_id: int | None = None
    if event == CallbackEvent.PERSONA_UPDATED:
        facts, lane = {"persona": subject, "change": _CHANGES[kind], "fields": list(fields)}, f"persona:{subject}"
        if kind == "persona.deleted":
            facts |= {"merged_into": data["merged_into"]} if "merged_into" in data else {}
        else:
            persona_id = subject
    elif event == CallbackEvent.CONVERSATION_CREATED:
        facts, lane, persona_id = {"topic": subject}, f"topic:{subject}", data.get("persona")
    elif event == CallbackEvent.MESSAGE_RECEIVED:
        facts, lane = {"message": subject}, f"topic:{data['topic']}"
    elif event == CallbackEvent.MESSAGE_STATUS:
        facts, lane, persona_id = {"message": subject, **data}, f"message:{subject}", data.get("persona")
    else:
        facts, lane = dict(data), f"token:{subject}"
    name = msgspec.json.encode([kind, subject, at.astimezone(UTC).isoformat(), facts], order="sorted").decode()
    payload = {"id": f"msg_{uuid5(_IDS, name).hex}", "at": _moment(at), **facts}
    return Happening(event, lane, persona_id, payload)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ------------------------------------------------------------------------------------------------ the data of each
def _conversation(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    topic = Topic.objects.select_related("persona").filter(pk=facts["topic"]).first()
    return None if topic is None else {"topic": _topic(topic), "persona": _persona(topic.persona)}


def _message(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    message = Message.objects.select_related("topic", "sender_persona").filter(pk=facts["message"]).first()
    if message is None:
        return None
    return {
        "message": message.pk,
        "topic": _topic(message.topic),
        "persona": _persona(message.sender_persona),
        "text": message.text,
    }


def _status(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    recipient = Recipient.objects.select_related("contact", "persona", "message__topic").filter(pk=facts["recipient"])
    found = recipient.first()
    if found is None:
        return None
    return {
        "message": found.message_id,
        "topic": _topic(found.message.topic),
        "persona": _persona(found.persona),
        "contact": {"type": found.address.type, "key": found.address.normalized},
        "status": facts["new"],
        "previous_status": facts["old"],
        "problem": found.problem if found.state == facts["new"] else "",
    }


def _change(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    return {name: value for name, value in facts.items() if name not in {"id", "at"}}


def _topic(topic: Topic) -> dict[str, Any]:
    return {"id": topic.pk, "type": topic.type, "name": topic.name}


def _persona(persona: Persona | None) -> dict[str, Any] | None:
    return None if persona is None else {"id": persona.pk, "name": persona.name}


_DATA_OF: dict[CallbackEvent, Callable[[Mapping[str, Any]], dict[str, Any] | None]] = {
    CallbackEvent.CONVERSATION_CREATED: _conversation,
    CallbackEvent.MESSAGE_RECEIVED: _message,
    CallbackEvent.MESSAGE_STATUS: _status,
    CallbackEvent.PERSONA_UPDATED: _change,
    CallbackEvent.TOKEN_EXPIRING: _change,
}
_RINA = {"id": 17, "name": "Rina Hartono"}
_ORDER = {"id": 5, "type": "persona", "name": "Order 17"}
SAMPLES: dict[str, dict[str, Any]] = {
    CallbackEvent.CONVERSATION_CREATED: {"topic": _ORDER, "persona": _RINA},
    CallbackEvent.MESSAGE_RECEIVED: {"message": 42, "topic": _ORDER, "persona": _RINA, "text": "Is it ready?"},
    CallbackEvent.MESSAGE_STATUS: {
        "message": 43,
        "topic": _ORDER,
        "persona": _RINA,
        "contact": {"type": "whatsapp", "key": "+6281200000101"},
        "status": "delivered",
        "previous_status": "sent",
        "problem": "",
    },
    CallbackEvent.PERSONA_UPDATED: {"persona": 17, "change": "updated", "fields": ["name", "attribute:city"]},
    CallbackEvent.TOKEN_EXPIRING: {
        "token": "rvn_0123456789ab_…wxyz",
        "name": "Shop backend",
        "expires_at": "2026-12-21T00:00:00Z",
        "days_left": 30,
    },
}
"""The examples of docs/callbacks.md."""
