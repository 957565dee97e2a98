"""What platforms tell us by themselves: an address for it that nobody guesses, checked, stored, and answered at once.

What follows from it is done afterwards, in the background (platforms.following).
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.urls import reverse

from platforms.contract import Platform
from platforms.encryption import seal, unseal
from platforms.following import follow_calls
from platforms.models import Connection, ReceivedCall, SentMessage
from platforms.registry import platform_of
from raven_admin.errors import RavenError
from tokens.decoding import has_null_character

KEPT = timedelta(days=30)
SENT_KEPT = timedelta(days=90)
MAX_SECRET = 200
_PRUNED_AT_ONCE = 1_000
Outcome = ReceivedCall.Outcome


@dataclass(eq=False)
class AddressUnknown(RavenError):
    """There is no such address."""

    code: ClassVar[str] = "address_unknown"


@dataclass(eq=False)
class SignatureWrong(RavenError):
    """The signature is missing, wrong or too old."""

    code: ClassVar[str] = "signature_wrong"


@dataclass(eq=False)
class CallNotUnderstood(RavenError):
    """The body must be a JSON object that names its event, as the platform documents it."""

    code: ClassVar[str] = "call_not_understood"


@dataclass(eq=False)
class ReceivesNothing(RavenError):
    """This platform tells nothing by itself."""

    code: ClassVar[str] = "receives_nothing"


@dataclass(eq=False)
class SigningSecretTooLong(RavenError):
    """A signing secret has at most {maximum} characters."""

    code: ClassVar[str] = "signing_secret_too_long"
    maximum: int = MAX_SECRET


# ---------------------------------------------------------------------------------------- what an admin decides
def open_address(*, connection: Connection) -> str:
    """The platform may call this address from now on, and no earlier one; it is shown this once.

    Raises ReceivesNothing.
    """
    if not platform_of(connection.platform).receives:
        raise ReceivesNothing
    secret = secrets.token_urlsafe(32)
    connection.incoming_digest = _digest(secret)
    connection.save(update_fields=["incoming_digest"])
    return f"{settings.BASE_URL}{reverse('incoming', args=[secret])}"


def close_address(*, connection: Connection) -> None:
    """The platform can tell us nothing any more; what it told stays to be looked at."""
    connection.incoming_digest, connection.sealed_incoming_secret = None, ""
    connection.save(update_fields=["incoming_digest", "sealed_incoming_secret"])


def set_signing_secret(*, connection: Connection, secret: str) -> None:
    """Only calls signed with it are taken from now on; "": unsigned ones too. Raises SigningSecretTooLong."""
    if len(secret) > MAX_SECRET:
        raise SigningSecretTooLong
    connection.sealed_incoming_secret = seal(secret)
    connection.save(update_fields=["sealed_incoming_secret"])


# --------------------------------------------------------------------------------------------- what a call does
def receive_call(*, secret: str, headers: Mapping[str, str], body: bytes, at: datetime) -> ReceivedCall:
    """The call is stored and will be followed, once however often it comes.

    Raises AddressUnknown, SignatureWrong, CallNotUnderstood and SecretUnreadable.
    """
    connection = (
        Connection.objects.filter(incoming_digest=_digest(secret), destination__removed_at=None)
        .select_related("destination")
        .first()
    )
    if connection is None:
        raise AddressUnknown
    platform = platform_of(connection.platform)
    signing = unseal(connection.sealed_incoming_secret)
    if signing and not platform.is_signed(headers, body, secret=signing, at=at):
        _note_refused(connection, at=at)
        raise SignatureWrong
    event, name = _event_in(body, platform)
    key = platform.key_of_call(headers, event)[:100] or uuid4().hex
    with transaction.atomic():
        stored, is_new = ReceivedCall.objects.get_or_create(
            connection=connection,
            key=key,
            defaults={"event": name[:60], "body": body.decode(), "received_at": at},
        )
        if is_new:
            follow_calls.enqueue(connection.pk)
        else:
            ReceivedCall.objects.filter(pk=stored.pk).update(repeats=F("repeats") + 1)
    return stored


@transaction.atomic
def follow_again(*, call: ReceivedCall) -> None:
    """What failed is tried again, unless its body is gone."""
    failed = ReceivedCall.objects.filter(pk=call.pk, outcome=Outcome.FAILED).exclude(body="")
    if failed.update(outcome=Outcome.WAITING, attempts=0, explanation=""):
        follow_calls.enqueue(call.connection_id)


def prune_received(*, at: datetime) -> None:
    """Calls of more than 30 days ago are gone, and which message is which of more than 90."""
    for old in (
        ReceivedCall.objects.filter(received_at__lt=at - KEPT),
        SentMessage.objects.filter(sent_at__lt=at - SENT_KEPT),
    ):
        while ids := list(old.order_by("pk").values_list("pk", flat=True)[:_PRUNED_AT_ONCE]):
            old.model.objects.filter(pk__in=ids).delete()


def _digest(secret: str) -> str:
    """Plain SHA-256: nobody finds 256 random bits by trying."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _event_in(body: bytes, platform: Platform) -> tuple[Mapping[str, Any], str]:
    """The call's JSON, and what it tells of. Raises CallNotUnderstood."""
    try:
        event = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CallNotUnderstood from None
    if not isinstance(event, dict) or has_null_character(body.decode()):
        raise CallNotUnderstood
    name = platform.event_of(event)
    if not isinstance(name, str):
        raise CallNotUnderstood
    return event, name


def _note_refused(connection: Connection, *, at: datetime) -> None:
    """At most one a minute, so that an admin sees it and nobody fills the list with it."""
    explanation = str(SignatureWrong())
    key = f"refused:{at:%Y%m%d%H%M}"
    noted = {"event": "–", "outcome": Outcome.FAILED, "explanation": explanation, "received_at": at}
    with transaction.atomic():
        stored, is_new = ReceivedCall.objects.get_or_create(connection=connection, key=key, defaults=noted)
        if not is_new:
            ReceivedCall.objects.filter(pk=stored.pk).update(repeats=F("repeats") + 1)
