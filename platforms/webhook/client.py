"""Any other system: signed JSON to its address, as Standard Webhooks prescribes (README.md)."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from django.utils import timezone
from django.utils.translation import gettext_lazy
from standardwebhooks import Webhook as Signing

from personas.models import ContactType
from platforms.contract import Job, Plan, PlannedCall, Platform, Target
from platforms.people import FIELDS, OutgoingMessage, Person
from platforms.transport import Request


def new_secret() -> str:
    """As Standard Webhooks writes them: `whsec_` and the base64 of 32 random bytes."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


class Webhook(Platform):
    key = "webhook"
    label = gettext_lazy("Webhook")
    summary = gettext_lazy("Any other system: each change and message as signed JSON to an address of yours.")
    url_help = gettext_lazy("Where the JSON is posted to.")
    carries = frozenset({"personas", "messages"})
    reaches = frozenset(ContactType.values)
    deletes = True
    requests_per_minute = 600
    rate_help = gettext_lazy("Ours; lower it if your system is slower.")
    limits = (
        gettext_lazy("Your system checks the signature with the secret that is shown once after adding."),
        gettext_lazy("Messages go here only when no other connection reaches the contact."),
    )
    honours_idempotency_key = True
    """A receiver knows a repetition by its `webhook-id`, as the standard asks."""

    def values(self, person: Person, fields: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field in fields:
            kind, _colon, key = field.partition(":")
            if kind in FIELDS:
                value = getattr(person, kind)
                found[kind] = value.isoformat() if kind == "birthday" and value else value or None
            elif kind == "attribute":
                attribute = person.attributes.get(key)
                found[f"attribute.{key}"] = attribute.json if attribute else None
            elif kind == "contact":
                found[f"contact.{key}"] = [{"key": a.key, "label": a.label} for a in person.of_type(key)]
        return found

    def push(self, values: Mapping[str, Any], person: Person, job: Job) -> Plan:
        data = {"persona": person.id, "name": person.name, "changed": dict(values)}
        yield PlannedCall("event", "POST", "", {"type": "persona.changed", "data": data})
        return str(person.id)

    def delete(self, job: Job) -> Plan:
        body = {"type": "persona.deleted", "data": {"persona": int(job.remote_id)}}
        yield PlannedCall("event", "POST", "", body)
        return job.remote_id

    def send(self, message: OutgoingMessage, job: Job) -> Plan:
        to = {"type": message.to.type, "key": message.to.key, "label": message.to.label}
        data = {
            "persona": message.person.id,
            "name": message.person.name,
            "contact": to,
            "topic": {"type": message.topic_type, "name": message.topic_name},
            "sender": message.sender,
            "text": message.text,
        }
        answer = yield PlannedCall("event", "POST", "", {"type": "message.send", "data": data})
        value = answer.value
        return str(value["id"])[:255] if isinstance(value, dict) and "id" in value else ""

    def probe(self, job: Job) -> Plan:
        yield PlannedCall("test", "POST", "", {"type": "connection.test", "data": {}})
        return ""

    def url(self, call: PlannedCall, target: Target) -> str:
        return target.base_url

    def request(self, call: PlannedCall, target: Target, *, idempotency_key: str) -> Request:
        """Signed now, because a receiver refuses an old timestamp; the id is that of the delivery, in each attempt."""
        now = timezone.now()
        plain = super().request(call, target, idempotency_key=idempotency_key)
        body = msgspec.json.encode({"type": call.body["type"], "timestamp": now, "data": call.body["data"]})
        return replace(
            plain,
            headers={**plain.headers, **signed(target.credential, f"msg_{idempotency_key}", now, body)},
            body=body,
        )


def signed(secret: str, id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks."""
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Signing(secret).sign(id, at, body.decode()),
    }
