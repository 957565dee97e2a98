"""What the outbox asks of platforms: what must leave for a connection, and to carry it there (delivery/carriers.py)."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from delivery.carriers import (
    Delivered,
    DeliveryDraft,
    NotAnswered,
    Occurrence,
    Outcome,
    Parcel,
    Refused,
    Temporary,
    register,
)
from delivery.models import Delivery, Destination
from messaging.models import Recipient
from personas.models import Persona
from platforms.contract import Answer, Job, Plan, PlannedCall, Platform, Undeliverable
from platforms.drift import settle_drift
from platforms.email.client import Email
from platforms.encryption import SecretUnreadable
from platforms.models import Connection, Link
from platforms.people import Person, as_person, changed_fields, message_to, person_of
from platforms.plans import Ended, run
from platforms.progress import remember_sent
from platforms.registry import PLATFORMS
from platforms.targets import target_of
from platforms.tokens import outgoing_token, outgoing_tokens
from platforms.transport import DEADLINE_S, Exchange, Request, exchange

PERSONA, PERSONA_GONE, MESSAGE = "persona.changed", "persona.deleted", "message.sent"
TOKEN, TOKEN_GONE = "token.configured", "token.revoked"


class PlatformCarrier:
    """Carries deliveries to the connections of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    # ------------------------------------------------------------------------------------ what must leave
    def route(self, destination: Destination, occurrences: Sequence[Occurrence]) -> Iterable[DeliveryDraft]:
        connection = Connection.objects.select_related("destination").get(destination=destination)
        by_room = {"persona": self._route_people, "message": self._route_messages, "token": self._route_tokens}
        for room, routing in by_room.items():
            found = [occurrence for occurrence in occurrences if occurrence.kind.partition(".")[0] == room]
            if found and f"{room}s" in self.platform.carries:
                yield from routing(connection, found)

    def _route_people(self, connection: Connection, occurrences: Sequence[Occurrence]) -> Iterator[DeliveryDraft]:
        ids = [occurrence.subject_id for occurrence in occurrences]
        personas = Persona.objects.filter(pk__in=ids).prefetch_related("contacts", "attributes__definition")
        people = {persona.pk: as_person(persona) for persona in personas}
        linked = set(
            Link.objects.filter(connection=connection, persona_id__in=ids).values_list("persona_id", flat=True)
        )
        for occurrence in occurrences:
            person = people.get(occurrence.subject_id)
            if person is None or not (self.platform.adds_people or person.id in linked):
                continue
            if occurrence.kind == "persona.deleted":
                yield from self._route_deletion(connection, occurrence)
                continue
            if occurrence.kind == "persona.created":  # or there again, when a merge was undone
                fields = person.known_fields
            else:
                fields = changed_fields((field for field, _old, _new in occurrence.changes), person)
            values = self.platform.values(person, fields)
            if values:
                yield DeliveryDraft(
                    because_of=occurrence,
                    lane=f"persona:{person.id}",
                    kind=PERSONA,
                    payload=values,
                    merge=Delivery.Merge.COMBINE,
                    fields=fields,
                    persona_id=person.id,
                )

    def _route_deletion(self, connection: Connection, occurrence: Occurrence) -> Iterator[DeliveryDraft]:
        if self.platform.deletes:
            yield DeliveryDraft(
                because_of=occurrence,
                lane=f"persona:{occurrence.subject_id}",
                kind=PERSONA_GONE,
                payload={},
                merge=Delivery.Merge.REPLACE,
                persona_id=occurrence.subject_id,
            )
        else:
            Link.objects.filter(connection=connection, persona_id=occurrence.subject_id).delete()

    def _route_messages(self, connection: Connection, occurrences: Sequence[Occurrence]) -> Iterator[DeliveryDraft]:
        """To each recipient by one connection only: see `sends_to`."""
        reached = sends_to(connection)
        if not reached:
            return
        of_message = {occurrence.subject_id: occurrence for occurrence in occurrences}
        recipients = Recipient.objects.filter(message__in=of_message, contact__type__in=reached).order_by("pk")
        for recipient in recipients:
            occurrence = of_message[recipient.message_id]
            template = occurrence.data.get("template")
            yield DeliveryDraft(
                because_of=occurrence,
                lane=f"persona:{recipient.persona_id}",
                kind=MESSAGE,
                payload={"template": template} if template else {},
                persona_id=recipient.persona_id,
                recipient_id=recipient.pk,
            )

    def _route_tokens(self, _connection: Connection, occurrences: Sequence[Occurrence]) -> Iterator[DeliveryDraft]:
        # Locked, because all tokens may be sent at this moment too: what is put into a lane later must not be older.
        tokens = outgoing_tokens([occurrence.subject_id for occurrence in occurrences], lock=True)
        for occurrence in occurrences:
            token = tokens.get(occurrence.subject_id)
            if token is None:
                continue
            # A token that was deleted here stays there, revoked, with all that it did there.
            is_over = token.is_revoked or occurrence.kind == "token.deleted"
            yield DeliveryDraft(
                because_of=occurrence,
                lane=f"token:{occurrence.subject_id}",
                kind=TOKEN_GONE if is_over else TOKEN,
                payload={"token": token.public_id} if is_over else token.values,
                merge=Delivery.Merge.REPLACE if is_over else Delivery.Merge.COMBINE,
                fields=[] if is_over else list(token.values),
                token_id=occurrence.subject_id,
            )

    # ------------------------------------------------------------------------------------ carrying it there
    def carry(self, parcel: Parcel) -> Outcome:
        try:
            connection, job = self._job(parcel)
        except SecretUnreadable as problem:
            return Refused(problem.code, str(problem))
        outcome = self._carry(parcel, connection, job)
        if isinstance(outcome, Delivered) and parcel.delivery.kind not in {TOKEN, TOKEN_GONE}:
            return outcome  # what it gave was stored, or not, when that was looked at
        if not connection.has_moved():
            return outcome
        parcel.forget_steps()
        return _moved() if isinstance(outcome, Delivered) else outcome

    def _carry(self, parcel: Parcel, connection: Connection, job: Job) -> Outcome:
        kind = parcel.delivery.kind
        if kind == PERSONA:
            return self._push(parcel, connection, job)
        if kind == PERSONA_GONE:
            return self._delete(parcel, connection, job)
        if kind == MESSAGE:
            return self._send(parcel, connection, job)
        if kind == TOKEN_GONE:
            ended = self._run(self.platform.revoke(parcel.delivery.payload["token"], job), parcel, connection, job)
            return ended.trouble or Delivered(ended.remote_id)
        return self._configure(parcel, connection, job)

    def is_repeatable(self, delivery: Delivery) -> bool:
        """Values are set, which twice is as good as once; so is whatever goes under a key that is known there."""
        if self.platform.honours_idempotency_key:
            return True
        return delivery.kind != MESSAGE and not (delivery.kind == PERSONA and self._may_add_twice(delivery))

    def _may_add_twice(self, delivery: Delivery) -> bool:
        persona_id = delivery.persona_id or 0
        if Link.objects.filter(connection__destination=delivery.destination_id, persona_id=persona_id).exists():
            return False
        person = person_of(persona_id)
        return person is not None and self.platform.may_add_twice(person)

    def check(self, parcel: Parcel) -> Delivered | Refused | None:
        """A message is looked for there; of a person, the record is read back and compared."""
        delivery = parcel.delivery
        connection, job = self._job(parcel)
        if delivery.kind == MESSAGE:
            message = message_to(delivery.recipient_id or 0, template=delivery.payload.get("template"))
            plan = self.platform.find_message(message, job, since=delivery.created_at) if message else None
            if plan is None:
                return None
            ended = self._run(plan, parcel, connection, job)
            if ended.trouble:
                return None
            if ended.remote_id:
                self._remember(parcel, connection, ended.remote_id)
                return Delivered(ended.remote_id)
            return Refused("not_arrived", _("It did not arrive: the message is not there. It can be sent again."))
        if delivery.kind == PERSONA and job.remote_id:
            there = read_back(self.platform, job)
            if there is not None and all(there.get(name) == value for name, value in delivery.payload.items()):
                return Delivered(job.remote_id)
        return None

    def _job(self, parcel: Parcel) -> tuple[Connection, Job]:
        connection = Connection.objects.select_related("destination").get(destination=parcel.destination)
        target = target_of(connection)
        parcel.hide(*target.secrets)
        link = Link.objects.filter(connection=connection, persona_id=parcel.delivery.persona_id or 0).first()

        def check_is_free(remote_id: str) -> None:
            if refused := _taken(connection, remote_id, persona_id=parcel.delivery.persona_id or 0):
                raise Undeliverable(refused.code, refused.reason)

        return connection, Job(target, link.remote_id if link else "", _Steps(parcel), check_is_free)

    def _push(self, parcel: Parcel, connection: Connection, job: Job) -> Outcome:
        person = person_of(parcel.delivery.persona_id or 0)
        if person is None:
            return Refused("persona_deleted", _("The person was deleted here before this was sent."))
        ended = self._run(self.platform.push(parcel.delivery.payload, person, job), parcel, connection, job)
        if ended.trouble is not None:
            if job.remote_id and ended.last is not None and self.platform.is_gone(ended.last):
                _unlink(connection, person.id, job.remote_id)
                return Refused("gone_there", _("The record was deleted there. Retry, and the person is added again."))
            return ended.trouble
        return link_person(connection, person, ended.remote_id, platform=self.platform, fields=parcel.delivery.fields)

    def _delete(self, parcel: Parcel, connection: Connection, job: Job) -> Outcome:
        if not job.remote_id:
            return Delivered()  # it has never been there
        ended = self._run(self.platform.delete(job), parcel, connection, job)
        if ended.trouble is None:
            _unlink(connection, parcel.delivery.persona_id or 0, job.remote_id)
        return ended.trouble or Delivered(ended.remote_id)

    def _send(self, parcel: Parcel, connection: Connection, job: Job) -> Outcome:
        message = message_to(parcel.delivery.recipient_id or 0, template=parcel.delivery.payload.get("template"))
        if message is None:
            return Refused("message_deleted", _("The message or its contact was deleted here before this was sent."))
        if isinstance(self.platform, Email):
            return self.platform.hand_over(message, job, parcel)
        ended = self._run(self.platform.send(message, job), parcel, connection, job)
        if ended.trouble is not None:
            return ended.trouble
        self._remember(parcel, connection, ended.remote_id)
        return Delivered(ended.remote_id)

    def _remember(self, parcel: Parcel, connection: Connection, message_id: str) -> None:
        if self.platform.receives:
            remember_sent(
                connection,
                recipient_id=parcel.delivery.recipient_id or 0,
                message_id=message_id,
                conversation_id=parcel.steps.get("conversation", ""),
            )

    def _configure(self, parcel: Parcel, connection: Connection, job: Job) -> Outcome:
        token = outgoing_token(parcel.delivery.token_id or 0)
        if token is None:
            return Refused("token_deleted", _("The token was deleted here before this was sent."))
        parcel.hide(token.proof.get("digest", ""))
        ended = self._run(self.platform.configure(parcel.delivery.payload, token, job), parcel, connection, job)
        return ended.trouble or Delivered(ended.remote_id)

    def _run(self, plan: Plan, parcel: Parcel, connection: Connection, job: Job) -> Ended:
        def send(call: PlannedCall, request: Request) -> Exchange:
            done = exchange_in(parcel, call, request)
            note_expiry(connection, self.platform.expires_at(done.headers))
            return done

        return run(plan, platform=self.platform, job=job, idempotency_key=parcel.idempotency_key, send=send)


class _Steps(dict[str, str]):
    """What finished steps gave; whatever a plan puts in survives this process."""

    def __init__(self, parcel: Parcel) -> None:
        super().__init__(parcel.steps)
        self._parcel = parcel

    def __setitem__(self, name: str, value: str) -> None:
        if self.get(name) != value:
            super().__setitem__(name, value)
            self._parcel.finish_step(name, value)


def exchange_in(parcel: Parcel, call: PlannedCall, request: Request, *, deadline_s: float = DEADLINE_S) -> Exchange:
    """What happened to the request; it is kept as one of the parcel's calls."""
    try:
        with parcel.call(
            method=request.method, url=request.url, headers=request.headers, body=request.body, step=call.step
        ) as kept:
            done = exchange(request, deadline_s=deadline_s)
            if done.status is None or done.failure is not None:
                raise NotAnswered(done.problem)
            kept.answered(status=done.status, headers=done.headers, body=done.body)
    except NotAnswered:
        pass
    return done


def sends_to(connection: Connection) -> list[str]:
    """The types of contact that messages reach by this connection.

    Each type belongs to one of the workspace's connections that carry messages: those that are on before those that
    are off, a webhook after all others, and else the one that was added first. So nobody gets a message twice.
    """
    rivals = Connection.objects.filter(
        workspace=connection.workspace_id, destination__removed_at=None, destination__carries_messages=True
    ).select_related("destination")
    ranked = sorted(rivals, key=lambda c: (not c.destination.is_on, c.platform == "webhook", c.destination_id))
    owner: dict[str, int] = {}
    for rival in ranked:
        for type in PLATFORMS[rival.platform].reaches:
            owner.setdefault(type, rival.pk)
    return sorted(type for type, pk in owner.items() if pk == connection.pk)


def link_person(
    connection: Connection, person: Person, remote_id: str, *, platform: Platform, fields: Sequence[str] = ()
) -> Delivered | Refused | Temporary:
    """The person is this record there, and was told all that is known; just now of `fields`.

    Unless somebody else is that record, or the connection has moved since it was read.
    """
    digest = digest_of(platform.values(person, person.known_fields))
    values = {"remote_id": remote_id, "pushed_digest": digest, "pushed_at": timezone.now()}
    with transaction.atomic():
        if connection.has_moved(lock=True):
            return _moved()
        if refused := _taken(connection, remote_id, persona_id=person.id):
            return refused
        link, _is_new = Link.objects.update_or_create(connection=connection, persona_id=person.id, defaults=values)
        settle_drift(link, fields=fields)
    return Delivered(remote_id)


def _moved() -> Temporary:
    """The outcome of what a server was told that is no longer the connection's, and which is told to the new one."""
    reason = _("The address of the connection was changed while this was on its way, so it goes to the new one.")
    return Temporary("moved", reason, again_after=timedelta(0))


def _unlink(connection: Connection, persona_id: int, remote_id: str) -> None:
    """The person is no longer that record; another one, on a server that it moved to, they stay."""
    Link.objects.filter(connection=connection, persona_id=persona_id, remote_id=remote_id).delete()


def _taken(connection: Connection, remote_id: str, *, persona_id: int) -> Refused | None:
    """The refusal to link a record that is linked to somebody else here; None when it is free."""
    taken = Link.objects.filter(connection=connection, remote_id=remote_id).exclude(persona_id=persona_id).first()
    if taken is None:
        return None
    reason = _("That record there belongs to person %(id)d already. Merge the two, or take a contact from one.")
    return Refused("record_taken", reason % {"id": taken.persona_id})


def digest_of(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(values, order="deterministic")).hexdigest()


def note_expiry(connection: Connection, text: str) -> None:
    """When the platform says that the credential ends is known."""
    try:
        ends_at = datetime.fromisoformat(text) if text else None
    except ValueError:
        return
    if ends_at is not None and ends_at.tzinfo is not None and ends_at != connection.credential_expires_at:
        connection.credential_expires_at = ends_at
        connection.save(update_fields=["credential_expires_at"])


def read_back(platform: Platform, job: Job) -> dict[str, Any] | None:
    """The record as it is there now, by the names of `Platform.values`; None when it could not be read."""
    ended = run(platform.read(job), platform=platform, job=job, idempotency_key="", send=lambda _c, r: exchange(r))
    if ended.trouble is not None or ended.last is None:
        return None
    return platform.read_values(Answer(ended.last.status or 0, ended.last.json(), ended.last.headers))


def register_carriers() -> None:
    for key, platform in PLATFORMS.items():
        register(key, PlatformCarrier(platform))
