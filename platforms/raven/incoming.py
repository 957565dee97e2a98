"""What a Raven server tells by itself: the callbacks of the token that we show it, as docs/callbacks.md has them."""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from standardwebhooks import Webhook as Signing

from messaging.models import Recipient
from platforms.happenings import Happening, MessageMoved, Nothing, PersonWrote, Record

EVENTS = ("message.received", "message.status")
SIGNED_WITHIN = timedelta(minutes=5)
"""As Standard Webhooks advises; older calls may be repeated by somebody who has overheard them."""
_STATES = frozenset(
    {Recipient.State.SENT, Recipient.State.DELIVERED, Recipient.State.READ, Recipient.State.FAILED}
)  # fmt: skip


def is_signed(headers: Mapping[str, str], body: bytes, *, secret: str, at: datetime) -> bool:
    """Whether one of the call's signatures was made with `secret`, lately: while a secret rotates, there are two."""
    moment = headers.get("webhook-timestamp", "")
    if not (moment.isascii() and moment.isdigit() and len(moment) < 12):
        return False
    signed_at = datetime.fromtimestamp(int(moment), UTC)
    try:
        right = Signing(secret).sign(headers.get("webhook-id", ""), signed_at, body.decode())
    except ValueError:  # the secret or the body is none
        return False
    given = headers.get("webhook-signature", "").split()
    is_right = any(hmac.compare_digest(right.encode(), each.encode(errors="replace")) for each in given)
    return is_right and abs(at - signed_at) <= SIGNED_WITHIN


def key_of(headers: Mapping[str, str]) -> str:
    """The same in each attempt to tell the same."""
    told = headers.get("webhook-id", "")
    return f"call:{told}" if told else ""


def happening_of(event: Mapping[str, Any]) -> Happening:
    """What this event tells us. Raises LookupError, TypeError or ValueError when it is not as documented."""
    if event.get("test"):
        return Nothing(_("A test: nothing follows from it."))
    data = event["data"]
    if event["type"] == "message.received":
        return _message(data)
    if event["type"] == "message.status":
        state = str(data["status"])
        if state not in _STATES:
            return Nothing(_("It does not say how far the message got."))
        return MessageMoved(str(data["message"]), state, str(data.get("problem") or ""))
    return Nothing(_("Nothing here follows from this event."))


def _message(data: Mapping[str, Any]) -> Happening:
    persona, topic = data["persona"], data["topic"]
    if persona is None:
        return Nothing(_("Who wrote it was deleted there."))
    # A topic there may be with many people; here, each of them has one of their own.
    conversation = f"{topic['id']}/{persona['id']}"
    record = Record(str(persona["id"]), {"name": persona["name"]})
    return PersonWrote(record, conversation, data["text"], topic=topic["name"])
