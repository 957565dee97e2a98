"""What Bevatel, and any Chatwoot, calls when something happens there (shared/vendors/bevatel.md, A5, B and C7).

Bevatel documents neither a signature nor all events; what its upstream has is taken where it is there.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from messaging.models import Recipient, Topic
from platforms.happenings import (
    ConversationMoved,
    Happening,
    MessageMoved,
    Nothing,
    PersonWrote,
    Record,
    RecordAdded,
    RecordChanged,
)

EVENTS = ("message_created", "message_updated", "conversation_status_changed", "contact_created", "contact_updated")
SIGNED_WITHIN = timedelta(minutes=5)
"""As upstream advises; older calls may be repeated by somebody who has overheard them."""
_MEMBERS = ("name", "email", "phone_number", "identifier")
_STATES = {
    "sent": Recipient.State.SENT, "delivered": Recipient.State.DELIVERED, "read": Recipient.State.READ,
    "failed": Recipient.State.FAILED,
}  # fmt: skip
_STATUSES = {
    "open": Topic.Status.OPEN, "pending": Topic.Status.PENDING, "resolved": Topic.Status.RESOLVED,
    "snoozed": Topic.Status.PENDING,
}  # fmt: skip
_INCOMING = ("incoming", 0)
"""A text at the top of an event, a number in nested messages."""


def is_signed(headers: Mapping[str, str], body: bytes, *, secret: str, at: datetime) -> bool:
    """Whether the call was signed with `secret`, lately: `sha256=` and HMAC of the moment, a dot, and the raw body."""
    moment, given = headers.get("X-Chatwoot-Timestamp", ""), headers.get("X-Chatwoot-Signature", "")
    if not (moment.isascii() and moment.isdigit() and len(moment) < 12):
        return False
    right = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    is_right = hmac.compare_digest(f"sha256={right}".encode(), given.encode(errors="replace"))
    return is_right and abs(at.timestamp() - int(moment)) <= SIGNED_WITHIN.total_seconds()


def key_of(headers: Mapping[str, str], event: Mapping[str, Any]) -> str:
    """A new message is known by its id, as an inbox and an account may both call; others by the call's own id."""
    if event.get("event") == "message_created" and event.get("id"):
        return f"message_created:{event['id']}"
    delivery = headers.get("X-Chatwoot-Delivery", "")
    return f"call:{delivery}" if delivery else ""


def elsewhere(event: Mapping[str, Any], settings: Mapping[str, Any]) -> Nothing | None:
    """Why an event of another account or inbox is not ours: each inbox may have a connection of its own."""
    account, inbox = event.get("account"), event.get("inbox")
    account_id = account.get("id") if isinstance(account, Mapping) else event.get("account_id")
    inbox_id = inbox.get("id") if isinstance(inbox, Mapping) else event.get("inbox_id")
    if account_id and str(account_id) != str(settings.get("account_id")):
        return Nothing(_("Of another account: %(id)s.") % {"id": str(account_id)[:50]})
    if inbox_id and str(inbox_id) != str(settings.get("inbox_id")):
        return Nothing(_("Of another inbox: %(id)s.") % {"id": str(inbox_id)[:50]})
    return None


def happening_of(event: Mapping[str, Any]) -> Happening:
    """What this event tells us. Raises LookupError, TypeError or ValueError when it is not as documented."""
    name = event["event"]
    if name == "contact_created":
        return RecordAdded(_record(event))
    if name == "contact_updated":
        return RecordChanged(_record(event), _changed(event))
    if name == "conversation_status_changed":
        status = _STATUSES.get(str(event["status"]))
        if status is None:
            return Nothing(_("This status is not known here: %(status)s.") % {"status": str(event["status"])[:50]})
        return ConversationMoved(str(event["id"]), status)
    if name == "message_created":
        return _new_message(event)
    if name == "message_updated":
        return _moved_message(event)
    return Nothing(_("Nothing here follows from this event."))


def _new_message(event: Mapping[str, Any]) -> Happening:
    if event.get("private"):
        return Nothing(_("A private note of the people there."))
    if event.get("message_type") not in _INCOMING:
        return Nothing(_("Written there, or sent from here: only what people write to you is taken over."))
    text = _text(event)
    if not text:
        return Nothing(_("The message is empty."))
    conversation = event["conversation"]
    sender = event.get("sender") or conversation["meta"]["sender"]
    return PersonWrote(_record(sender), str(conversation["id"]), text)


def _moved_message(event: Mapping[str, Any]) -> Happening:
    """The published event has no status at its top; the conversation's last message, if it is this one, does."""
    status, attributes = event.get("status"), event.get("content_attributes")
    if status is None:
        nested = (event.get("conversation") or {}).get("messages") or []
        status = next((m.get("status") for m in nested if str(m.get("id")) == str(event["id"])), None)
    problem = attributes.get("external_error") if isinstance(attributes, Mapping) else ""
    if problem and status is None:
        status = "failed"
    state = _STATES.get(str(status))
    if state is None:
        return Nothing(_("It does not say how far the message got."))
    return MessageMoved(str(event["id"]), state, str(problem or ""))


def _record(contact: Mapping[str, Any]) -> Record:
    values = {name: contact[name] for name in _MEMBERS if name in contact}
    custom = contact.get("custom_attributes") or {}
    return Record(str(contact["id"]), values | {f"custom_attributes.{key}": value for key, value in custom.items()})


def _changed(event: Mapping[str, Any]) -> frozenset[str] | None:
    listed = event.get("changed_attributes")
    if not isinstance(listed, list):
        return None
    changed: set[str] = set()
    for name, change in ((name, change) for each in listed for name, change in each.items()):
        if name == "custom_attributes":
            old, new = change.get("previous_value") or {}, change.get("current_value") or {}
            changed |= {f"custom_attributes.{key}" for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        elif name in _MEMBERS:
            changed.add(name)
    return frozenset(changed)


def _text(event: Mapping[str, Any]) -> str:
    """What was written, and below it the address of each attachment."""
    files = [
        f"[{file.get('file_type') or 'file'}] {file.get('data_url') or file.get('fallback_title') or ''}".strip()
        for file in event.get("attachments") or []
    ]
    return "\n".join(filter(None, [str(event.get("content") or "").strip(), *files]))
