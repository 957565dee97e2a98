"""What happens to callbacks: saving, trying out, switching off and on, and what they have missed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from delivery import outbox
from delivery.carriers import Occurrence
from delivery.interventions import Action, remove_destination, retry_many
from delivery.models import Delivery, Destination, Event, Intervention
from delivery.states import State
from platforms.callbacks.payloads import (
    Happening,
    happening_of_notice,
    happening_of_recorded,
    kinds_of,
    sample_of,
)
from platforms.callbacks.schedule import DEADLINE_S
from platforms.callbacks.signing import ensure_secret, secrets_of, signed_request
from platforms.transport import Exchange, check_address, exchange
from raven_admin.errors import RavenError
from raven_admin.masking import mask_hidden_tokens
from tokens.configuration import FieldChange
from tokens.models import Callback, CallbackEvent, ExpiryNotice, Token
from tokens.services import Actor, TokenIsRevoked, record_configuration

MAX_URL = 500
LOOKED_THROUGH = 200_000
"""The newest recorded events of the server, among which missed ones are looked for."""
RECOVERED_AT_MOST = 10_000


@dataclass(eq=False)
class CallbackAddressInvalid(RavenError):
    """This address {problem}"""

    code: ClassVar[str] = "callback_address_invalid"
    problem: str


@dataclass(eq=False)
class CallbackChangedMeanwhile(RavenError):
    """Meanwhile somebody else saved here: {saved}. Send it once more to put yours in its place."""

    code: ClassVar[str] = "callback_changed_meanwhile"
    event: str
    saved: str


@dataclass(eq=False)
class TooManyMissed(RavenError):
    """More than {limit} events were missed since then. Choose a later moment."""

    code: ClassVar[str] = "too_many_missed"
    limit: int = RECOVERED_AT_MOST


@dataclass(frozen=True, slots=True)
class Saved:
    """What saving did; `secret` is a new signing secret, to be shown this once, or None."""

    changes: list[FieldChange]
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class TriedOut:
    """One call that was made to try an address, and a new signing secret, to be shown this once, or None."""

    exchange: Exchange
    secret: str | None


def check_url(url: str) -> None:
    """Raises CallbackAddressInvalid and AddressRefused for an address that nothing may be posted to."""
    if len(url) > MAX_URL:
        raise CallbackAddressInvalid(problem=_("has more than %(limit)d characters.") % {"limit": MAX_URL})
    if any(character.isspace() or not character.isprintable() for character in url):
        raise CallbackAddressInvalid(problem=_("contains a space or another character that can't be seen."))
    if mask_hidden_tokens(url) != url:
        raise CallbackAddressInvalid(problem=_("contains a token, which everybody here would see. Take it out."))
    check_address(url)


@transaction.atomic
def save_callbacks(
    *, token: Token, urls: Mapping[str, str], by: Actor, at: datetime, seen: Mapping[str, str] | None = None
) -> Saved:
    """Each event of `urls` is posted to its address from now on; an empty one takes the callback away.

    A new address has its whole time to fail, and gets at once what waited for the old one. `seen` is what the person
    saw, of each event. Raises TokenIsRevoked, CallbackChangedMeanwhile when one is no longer so, and the errors of
    `check_url`, all before anything is saved.
    """
    token = Token.objects.select_for_update().get(pk=token.pk)
    if token.revoked_at is not None:
        raise TokenIsRevoked
    for url in urls.values():
        if url:
            check_url(url)
    existing = {callback.event: callback for callback in token.callbacks.select_related("destination")}
    saved = {event: existing[event].url if event in existing else "" for event in urls}
    for event, url in urls.items():
        if seen is not None and saved[event] not in {seen[event], url}:
            raise CallbackChangedMeanwhile(event=event, saved=saved[event] or _("no address"))
    changes = []
    for event, url in urls.items():
        callback, old = existing.get(event), saved[event]
        if url == old:
            continue
        _save_one(token, callback, CallbackEvent(event), url, by=by, at=at)
        changes.append(FieldChange(f"callback:{event}", old, url))
    if not changes:
        return Saved([])
    record_configuration(token=token, changes=changes, by=by)
    secret = ensure_secret(token=token, by=by, at=at) if any(urls.values()) else None
    return Saved(changes, secret)


def try_address(*, token: Token, event: str, url: str, by: Actor, at: datetime) -> TriedOut:
    """What the address answers to the example of the event, signed as later calls are; nothing else is saved.

    A token without a signing secret gets one. Not to be called within a transaction. Raises TokenIsRevoked, the errors
    of `check_url`, and SecretUnreadable.
    """
    if token.revoked_at is not None:
        raise TokenIsRevoked
    check_url(url)
    secret = ensure_secret(token=token, by=by, at=at)
    request = signed_request(
        url=url,
        id=f"msg_test_{int(at.timestamp() * 1000)}",
        body=sample_of(event, at=at),
        secrets=secrets_of(token.pk, at=at),
        at=at,
    )
    return TriedOut(exchange(request, deadline_s=DEADLINE_S), secret)


def note_answer(callback: Callback, *, arrived: bool, at: datetime) -> None:
    """It is known since when the callback fails, or that it does not any more."""
    if arrived and callback.failing_since is not None:
        Callback.objects.filter(pk=callback.pk).update(failing_since=None, warned_percent=0)
    elif not arrived and callback.failing_since is None:
        Callback.objects.filter(pk=callback.pk, failing_since=None).update(failing_since=at)


@transaction.atomic
def switch_off(*, callback: Callback, because: Callback.Off, at: datetime) -> None:
    """Nothing is posted any more; what happens from now on waits for it."""
    off = Callback.objects.filter(pk=callback.pk, off_because="").update(off_because=because, off_at=at)
    if off:
        Destination.objects.filter(pk=callback.destination_id).update(is_on=False)


@transaction.atomic
def enable_and_recover(*, callback: Callback, by: Actor, at: datetime) -> Intervention | None:
    """It is on: what waits leaves now, and what was refused since it began to fail is tried again.

    Returns what the latter is done by; None when it is being done already. Raises TokenIsRevoked.
    """
    callback = (
        Callback.objects.select_for_update(of=("self",)).select_related("token", "destination").get(pk=callback.pk)
    )
    if callback.token.revoked_at is not None:
        raise TokenIsRevoked
    since = min(filter(None, [callback.failing_since, callback.off_at]), default=at)
    Destination.objects.filter(pk=callback.destination_id).update(is_on=True, resumes_at=None, consecutive_failures=0)
    Delivery.objects.filter(destination=callback.destination_id, state=State.WAITING, due_at__gt=at).update(due_at=at)
    Callback.objects.filter(pk=callback.pk).update(off_because="", off_at=None, failing_since=None, warned_percent=0)
    unfinished = Intervention.objects.filter(destination=callback.destination_id, finished_at=None)
    if unfinished.filter(action=Action.RETRY).exists():
        return None
    return retry_many(destination=callback.destination, by=by.label, at=at, since=since - timedelta(minutes=1))


@transaction.atomic
def recover_missed(*, callback: Callback, since: datetime, by: Actor, at: datetime) -> int:
    """What happened since then and was never put into the outbox for this callback is; returns how much.

    So it is with what happened before there was a callback, or while its token did not work. Raises TooManyMissed.
    """
    Destination.objects.select_for_update(no_key=True).get(pk=callback.destination_id)  # two would find the same
    found = _happened(callback, since=since)
    posted = Delivery.objects.filter(destination=callback.destination_id).order_by("-id")
    known = set(posted.values_list("payload__id", flat=True)[:LOOKED_THROUGH])
    drafts = []
    for kind, happening in found:
        if happening.payload["id"] not in known:
            cause = Occurrence(callback.workspace_id, kind, 0, at, actor_label=by.label)
            drafts.append(happening.draft(because_of=cause))
    outbox.post(callback.destination, drafts)
    return len(drafts)


def _happened(callback: Callback, *, since: datetime) -> list[tuple[str, Happening]]:
    """What a callback hears of and happened since then, in order, each with its kind. Raises TooManyMissed."""
    if callback.event == CallbackEvent.TOKEN_EXPIRING:
        notices = ExpiryNotice.objects.filter(token=callback.token_id, told_at__gte=since).select_related("token")
        return [("token.expiring", happening_of_notice(notice)) for notice in notices.order_by("pk")]
    edge = (Event.objects.aggregate(newest=Max("pk"))["newest"] or 0) - LOOKED_THROUGH
    recorded = Event.objects.filter(
        pk__gt=edge, workspace=callback.workspace_id, kind__in=kinds_of(CallbackEvent(callback.event)),
        happened_at__gte=since,
    )  # fmt: skip
    found = list(recorded.order_by("pk")[: RECOVERED_AT_MOST + 1])
    if len(found) > RECOVERED_AT_MOST:
        raise TooManyMissed
    told = [(event.kind, happening_of_recorded(event)) for event in found]
    return [(kind, happening) for kind, happening in told if happening is not None]


def retry_failed(*, callback: Callback, since: datetime, by: Actor, at: datetime) -> Intervention:
    """What was refused from then on is being tried again in the background. Raises AlreadyUnderWay."""
    return retry_many(destination=callback.destination, by=by.label, at=at, since=since)


def _save_one(
    token: Token, callback: Callback | None, event: CallbackEvent, url: str, *, by: Actor, at: datetime
) -> None:
    if not url and callback is not None:
        remove_destination(destination=callback.destination, by=by.label, at=at)
        callback.delete()
    elif callback is not None:
        Callback.objects.filter(pk=callback.pk).update(url=url)
        if callback.failing_since is not None and callback.off_because != Callback.Off.PERSON:
            enable_and_recover(callback=callback, by=by, at=at)
    elif url:
        destination = Destination.objects.create(
            workspace_id=token.workspace_id,
            name=Callback.name_there(token, event),
            kind=f"callback:{event}",
            carries_events=True,
        )
        Callback.objects.create(
            workspace_id=token.workspace_id, token=token, destination=destination, event=event, url=url, created_at=at
        )
