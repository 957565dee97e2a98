"""Connecting a workspace to a platform: adding, changing, trying out, switching, removing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parseaddr
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.language import as_stored
from accounts.models import Workspace
from delivery import outbox
from delivery.interventions import remove_destination
from delivery.models import Delivery, Destination
from platforms.callbacks.signing import reseal_signing_secrets
from platforms.carrying import note_expiry
from platforms.contract import Answer, Job, PlannedCall, Platform, Trouble
from platforms.email.client import Email
from platforms.encryption import resealed, seal
from platforms.models import Connection, Conversation, EarlyWord, Link, SentMessage
from platforms.plans import run, send_plainly
from platforms.registry import platform_of
from platforms.targets import target_of
from platforms.transport import Exchange, Request, check_address
from platforms.webhook.client import new_secret
from raven_admin.errors import RavenError

MAX_RATE = 100_000
MAX_SETTING = 255


@dataclass(eq=False)
class ConnectionNameMissing(RavenError):
    """A connection needs a name."""

    code: ClassVar[str] = "connection_name_missing"


@dataclass(eq=False)
class SettingInvalid(RavenError):
    """“{label}” {problem}"""

    code: ClassVar[str] = "setting_invalid"
    key: str
    label: str
    problem: str


@dataclass(eq=False)
class CredentialMissing(RavenError):
    """This platform needs a credential."""

    code: ClassVar[str] = "credential_missing"


@dataclass(eq=False)
class CredentialInvalid(RavenError):
    """A credential has only letters from A to Z, digits and signs, on one line. Copy it anew."""

    code: ClassVar[str] = "credential_invalid"


@dataclass(eq=False)
class CredentialForElsewhere(RavenError):
    """The address leads to another host now. Type the credential in again if it shall go there."""

    code: ClassVar[str] = "credential_for_elsewhere"


@dataclass(eq=False)
class CarriesNothing(RavenError):
    """Choose at least one thing that this connection carries."""

    code: ClassVar[str] = "carries_nothing"


@dataclass(eq=False)
class CannotCarry(RavenError):
    """This platform can't take {what}."""

    code: ClassVar[str] = "cannot_carry"
    what: str


@dataclass(eq=False)
class ConnectionRateInvalid(RavenError):
    """Calls per minute must be between 1 and {maximum}."""

    code: ClassVar[str] = "connection_rate_invalid"
    maximum: int = MAX_RATE


@dataclass(frozen=True, slots=True)
class ConnectionDraft:
    """What an admin decides about a connection."""

    platform: str
    name: str
    base_url: str = ""
    credential: str | None = field(default=None, repr=False)
    """None: as it is."""
    settings: Mapping[str, str] = field(default_factory=dict)
    carries: frozenset[str] = frozenset()
    requests_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class TryOut:
    """How a test went: the calls with their answers, what is wrong, and what should be looked at all the same."""

    exchanges: list[Exchange]
    trouble: Trouble | None
    advice: list[str]


@transaction.atomic
def add_connection(*, workspace: Workspace, draft: ConnectionDraft) -> Connection:
    """The workspace is connected, and what happens from now on goes there. Raises the errors above, AddressRefused."""
    platform = _check(draft, kept_credential=False)
    destination = Destination(workspace=workspace, kind=platform.key)
    connection = Connection(workspace=workspace, platform=platform.key)
    credential = new_secret() if platform.key == "webhook" else draft.credential or ""
    return _save(connection, destination, draft, credential=credential)


@transaction.atomic
def change_connection(*, connection: Connection, draft: ConnectionDraft) -> Connection:
    """The connection is as drafted; its platform stays. Raises as adding does, and CredentialForElsewhere.

    At another address, what is known of the records of the old one is forgotten: they are other people's there.
    """
    _check(draft, kept_credential=connection.has_credential)
    is_sent_along = connection.has_credential and connection.platform != "webhook"
    there, here = _place(draft.base_url), _place(connection.base_url)
    if draft.credential is None and is_sent_along and there.host != here.host:
        raise CredentialForElsewhere
    if connection.base_url and there != here:
        # Whoever stores what a call gave has this row first, so that nothing of the old server comes after.
        Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        _forget_records(connection)
        connection.moved_at = timezone.now()
    return _save(connection, connection.destination, draft, credential=draft.credential)


@transaction.atomic
def new_webhook_secret(*, connection: Connection) -> str:
    """What leaves is signed with this secret from now on; it is shown this once."""
    secret = new_secret()
    connection.sealed_credential = seal(secret)
    connection.save(update_fields=["sealed_credential"])
    return secret


def switch_connection(*, connection: Connection, on: bool) -> None:
    """Deliveries are sent, or wait until it is on again."""
    Destination.objects.filter(pk=connection.destination_id).update(is_on=on)


@transaction.atomic
def remove_connection(*, connection: Connection, by: str, at: datetime) -> None:
    """Nothing goes there any more: credential and links are gone, and what has not arrived is cancelled.

    All deliveries stay to be looked at.
    """
    Link.objects.filter(connection=connection).delete()
    remove_destination(destination=connection.destination, by=by, at=at)
    connection.delete()


def try_connection(*, connection: Connection) -> TryOut:
    """What the platform answers to a call that changes nothing; the connection remembers how it went.

    Not to be called within a transaction: it waits for the platform. Raises SecretUnreadable.
    """
    platform, job = platform_of(connection.platform), Job(target_of(connection))
    with as_stored():
        tried = TryOut(*platform.try_out(job)) if isinstance(platform, Email) else _probe(platform, job, connection)
    # That mail becomes files is how this server is set, and no problem of the connection; its health says it.
    advice = [] if isinstance(platform, Email) else tried.advice
    problem = tried.trouble.reason if tried.trouble else " ".join(advice)
    connection.tested_at, connection.test_problem = timezone.now(), problem[:500]
    connection.save(update_fields=["tested_at", "test_problem"])
    return tried


def reseal_all() -> int:
    """Every credential and signing secret is encrypted with the first key; returns how many.

    Raises SecretUnreadable, changing nothing.
    """
    with transaction.atomic():
        connections = list(Connection.objects.exclude(sealed_credential="").select_for_update().order_by("pk"))
        for connection in connections:
            connection.sealed_credential = resealed(connection.sealed_credential)
        Connection.objects.bulk_update(connections, ["sealed_credential"], batch_size=500)
        secrets = reseal_signing_secrets()
    return len(connections) + secrets


def waiting_count(connection: Connection, *, at_most: int = 1000) -> int:
    """How many deliveries have not arrived yet, counted up to `at_most`."""
    return Delivery.objects.filter(destination=connection.destination_id).open().order_by()[:at_most].count()


def _probe(platform: Platform, job: Job, connection: Connection) -> TryOut:
    exchanges: list[Exchange] = []

    def send(call: PlannedCall, request: Request) -> Exchange:
        exchanges.append(send_plainly(call, request))
        note_expiry(connection, platform.expires_at(exchanges[-1].headers))
        return exchanges[-1]

    ended = run(platform.probe(job), platform=platform, job=job, idempotency_key="test", send=send)
    advice: list[str] = []
    if ended.trouble is None and ended.last is not None:
        answer = Answer(ended.last.status or 0, ended.last.json(), ended.last.headers)
        try:
            advice = platform.advice(answer, connection.carries, job)
        except (LookupError, TypeError, ValueError, AttributeError):
            advice = [_("It answers, but not with the documented JSON: is this the right address?")]
    return TryOut(exchanges, ended.trouble, advice)


def _check(draft: ConnectionDraft, *, kept_credential: bool) -> Platform:
    platform = platform_of(draft.platform)
    if not draft.name.strip():
        raise ConnectionNameMissing
    if platform.has_address:
        check_address(draft.base_url.strip())
    if platform.credential_label and not (draft.credential or (kept_credential and draft.credential is None)):
        raise CredentialMissing
    if draft.credential and not (draft.credential.isascii() and draft.credential.isprintable()):
        raise CredentialInvalid  # no header could carry it
    for setting in platform.settings:
        value = draft.settings.get(setting.key, "").strip()
        if setting.is_required and not value:
            raise SettingInvalid(setting.key, str(setting.label), _("is missing."))
        if setting.is_number and value and not (value.isascii() and value.isdigit()):
            raise SettingInvalid(setting.key, str(setting.label), _("is a number."))
        if setting.is_email and not _is_email(value):
            raise SettingInvalid(setting.key, str(setting.label), _("is not an e-mail address, as shop@example.org."))
        if len(value) > MAX_SETTING:
            raise SettingInvalid(setting.key, str(setting.label), _("is too long."))
        if not value.isprintable():  # a mail's header, say, has no second line
            raise SettingInvalid(setting.key, str(setting.label), _("has a character that can't be seen."))
    if not draft.carries:
        raise CarriesNothing
    for what in sorted(draft.carries - platform.carries):
        raise CannotCarry(what=what)
    if draft.requests_per_minute is not None and not 1 <= draft.requests_per_minute <= MAX_RATE:
        raise ConnectionRateInvalid
    return platform


_DECIDED_OF_DESTINATION = (
    "name", "requests_per_minute", "carries_personas", "carries_messages", "carries_tokens", "carries_tokens_since",
)  # fmt: skip


def _save(
    connection: Connection, destination: Destination, draft: ConnectionDraft, *, credential: str | None
) -> Connection:
    known = {setting.key for setting in platform_of(draft.platform).settings}
    destination.name = draft.name.strip()
    destination.requests_per_minute = draft.requests_per_minute
    base_url = draft.base_url.strip().rstrip("/")
    if "tokens" not in draft.carries:
        destination.carries_tokens_since = None
    elif not destination.carries_tokens or _place(base_url) != _place(connection.base_url):
        destination.carries_tokens_since = timezone.now()
    for what in ("personas", "messages", "tokens"):
        setattr(destination, f"carries_{what}", what in draft.carries)
    connection.base_url = base_url
    connection.settings = {key: value.strip() for key, value in draft.settings.items() if key in known}
    decided = ["base_url", "settings", "moved_at"]
    if credential is not None:
        connection.sealed_credential = seal(credential)
        connection.credential_expires_at = None
        decided += ["sealed_credential", "credential_expires_at"]
    is_new = connection.pk is None
    # Only what was decided: the rest is a worker's, or somebody else has switched it off meanwhile.
    destination.save(update_fields=None if is_new else _DECIDED_OF_DESTINATION)
    connection.destination = destination
    connection.save(update_fields=None if is_new else decided)
    return connection


class _Place(NamedTuple):
    """What makes an address another server's; whether it is called by https does not."""

    host: str
    path: str


def _place(base_url: str) -> _Place:
    parts = urlsplit(base_url.strip().rstrip("/"))
    return _Place(parts.netloc.lower(), parts.path)


def _forget_records(connection: Connection) -> None:
    """Nothing is known of who is who there, and what is still to be sent begins with its first step."""
    for known in (Link, Conversation, SentMessage, EarlyWord):
        known.objects.filter(connection=connection).delete()
    outbox.forget_steps(destination=connection.destination)


def _is_email(text: str) -> bool:
    local, _at, host = parseaddr(text)[1].rpartition("@")
    return bool(local and host)
