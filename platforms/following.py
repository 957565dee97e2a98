"""What follows here from what a platform told us: messages, how far ours got, statuses, and changes of people.

Nothing of it goes back to the platform. What it tells us because we told it first changes nothing: a value that is
still on its way there, or was brought there a moment ago, is ours, and is not taken over from there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django_tasks import task

from accounts.models import Workspace
from delivery.models import Delivery
from delivery.states import State
from messaging.models import Topic, TopicType
from messaging.services import receive_message
from messaging.topics import TopicDraft, set_topic_status
from personas.attributes import parse_value
from personas.contacts import ContactKeyInvalid, normalise
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, Contact, Origin, Persona
from personas.services import PersonaDraft, add_persona, get_persona
from platforms.drift import compared_with, take_theirs
from platforms.happenings import (
    ConversationMoved,
    Followed,
    Happening,
    MessageMoved,
    Nothing,
    PersonWrote,
    Record,
    RecordAdded,
    RecordChanged,
)
from platforms.models import Connection, Conversation, Link, ReceivedCall
from platforms.people import Person, as_person
from platforms.progress import note_moved
from platforms.registry import platform_of
from raven_admin.errors import RavenError

MAX_ATTEMPTS = 3
ECHOES_FOR = timedelta(minutes=2)
"""A platform tells of our own change within seconds, and not always in order."""
MAX_TEXT = 4096
MAX_NAME = 255
_SAME_NUMBER = {"phone": "whatsapp", "whatsapp": "phone"}
Outcome = ReceivedCall.Outcome


@dataclass(eq=False)
class SeveralPeople(RavenError):
    """Its addresses belong to several people here: {people}. Merge them, then try again."""

    code: ClassVar[str] = "several_people"
    people: str


@dataclass(eq=False)
class SenderUnknown(RavenError):
    """{name} is linked to nobody here. Bring in the people already there, then try again."""

    code: ClassVar[str] = "sender_unknown"
    name: str


@dataclass(eq=False)
class CallGivenUp(RavenError):
    """It was tried several times and broke off each time. The server’s log says why."""

    code: ClassVar[str] = "call_given_up"


@dataclass(eq=False)
class CallFromElsewhere(RavenError):
    """It came before the address of the connection was changed, so whom it is about is not known."""

    code: ClassVar[str] = "call_from_elsewhere"


@dataclass(eq=False)
class CallNonsense(RavenError):
    """It can't be understood: it is not what the platform documents."""

    code: ClassVar[str] = "call_nonsense"


@task()
def follow_calls(connection_id: int) -> None:
    """What waits of this connection is through, in its order."""
    waiting = ReceivedCall.objects.filter(connection=connection_id, outcome=Outcome.WAITING).order_by("pk")
    for call_id in list(waiting.values_list("pk", flat=True)):
        follow(call_id=call_id, at=timezone.now())


def follow(*, call_id: int, at: datetime) -> None:
    """The call is through: taken over, ignored or failed, with the reason; its body is kept only when it failed."""
    ReceivedCall.objects.filter(pk=call_id, outcome=Outcome.WAITING).update(attempts=F("attempts") + 1)
    try:
        with transaction.atomic():
            call = _locked(call_id)
            if call is not None:
                _note(call, _follow(call, at=at))
    except RavenError as refusal:
        _fail(call_id, str(refusal))


def _locked(call_id: int) -> ReceivedCall | None:
    """None when it is through already. The calls of a connection are followed one after the other."""
    call = ReceivedCall.objects.filter(pk=call_id).first()
    if call is None:
        return None
    Connection.objects.select_for_update(no_key=True, of=("self",)).get(pk=call.connection_id)
    return (
        ReceivedCall.objects.filter(pk=call_id, outcome=Outcome.WAITING)
        .select_related("connection__destination", "connection__workspace")
        .first()
    )


def _follow(call: ReceivedCall, *, at: datetime) -> Followed:
    if call.attempts > MAX_ATTEMPTS:
        raise CallGivenUp
    connection = call.connection
    if connection.moved_at is not None and call.received_at < connection.moved_at:
        raise CallFromElsewhere
    platform = platform_of(connection.platform)
    try:
        happening = platform.happening(msgspec.json.decode(call.body), connection.settings)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise CallNonsense from None
    cause = Cause(Origin.PLATFORM, connection.name, at, came_from=connection.destination_id)
    return _carry_out(call, happening, cause=cause)


def _carry_out(call: ReceivedCall, happening: Happening, *, cause: Cause) -> Followed:
    connection = call.connection
    needed = "personas" if isinstance(happening, RecordAdded | RecordChanged) else "messages"
    if isinstance(happening, Nothing):
        return Followed(happening.reason, is_done=False)
    if needed not in connection.carries:
        what = _("people") if needed == "personas" else _("messages")
        return Followed(_("This connection does not carry %(what)s.") % {"what": what}, is_done=False)
    if isinstance(happening, RecordAdded):
        return _record_added(connection, happening.record, cause=cause)
    if isinstance(happening, RecordChanged):
        return _record_changed(connection, happening, cause=cause)
    if isinstance(happening, PersonWrote):
        return _person_wrote(connection, happening, cause=cause)
    if isinstance(happening, MessageMoved):
        return note_moved(call, happening)
    return _conversation_moved(connection, happening, cause=cause)


# --------------------------------------------------------------------------------------------------------- people
def _record_added(connection: Connection, record: Record, *, cause: Cause) -> Followed:
    known = _known(connection, record)
    if known is not None:
        return _met(connection, known, record, cause=cause)
    if not any(field.startswith("contact:") for field in _fields(connection, record)):
        return Followed(_("Nobody knows an address of this person yet."), is_done=False)
    persona = _add(connection, record, cause=cause)
    return Followed(_("Added a person."), persona_id=persona.pk)


def _record_changed(connection: Connection, happening: RecordChanged, *, cause: Cause) -> Followed:
    known = _known(connection, happening.record)
    if known is None:
        return Followed(_("Nobody here is linked to this person, or has an address of theirs."), is_done=False)
    links = Link.objects.filter(connection=connection, persona_id=known.pk, remote_id=happening.record.id)
    if not links.exists():
        return _met(connection, known, happening.record, cause=cause)
    return _changed(connection, known, happening.record, happening.changed, cause=cause)


def _met(connection: Connection, known: Persona, record: Record, *, cause: Cause) -> Followed:
    """Whoever has an address of the record is linked to it, and nothing of either changes, as by a first import.

    The record may be of somebody who was deleted here, whose number belongs to somebody else now.
    """
    is_new = not Link.objects.filter(connection=connection, persona_id=known.pk).exists()
    link = _linked(connection, known, record, at=cause.at)
    if is_new:
        said = _("Linked to the person who has its address.")
    elif link.remote_id == record.id:
        said = _("It is like that here already.")
    else:
        said = _("The person who has its address is another record there.")
    return Followed(said, is_done=is_new, persona_id=known.pk)


def _changed(
    connection: Connection, persona: Persona, record: Record, changed: frozenset[str] | None, *, cause: Cause
) -> Followed:
    """The person has the values that are new there and are not ours; which those are: see the module."""
    link = _linked(connection, persona, record, at=cause.at)
    if changed is None:  # nobody says what changed, so what is missing there says nothing
        news = {name: value for name, value in record.values.items() if value not in (None, "")}
    else:
        news = {name: record.values.get(name) for name in changed}
    own = set(_names_of_ours(connection, persona, news, at=cause.at))
    theirs = {name: value for name, value in news.items() if name not in own}
    fields = platform_of(connection.platform).in_our_fields(theirs, as_person(persona))
    comparison = compared_with(connection=connection, persona=persona, link=link, theirs=fields)
    taken = [difference.field for difference in comparison.differences if not difference.cannot_take]
    if not taken:
        reason = _("It says what we told it.") if own else _("It is like that here already.")
        return Followed(reason, is_done=False, persona_id=persona.pk)
    take_theirs(comparison=comparison, fields=taken, version=persona.version, cause=cause)
    return Followed(_("Changed the person."), persona_id=persona.pk)


def _names_of_ours(
    connection: Connection, persona: Persona, news: Mapping[str, Any], *, at: datetime
) -> Iterator[str]:  # fmt: skip
    """Of what is new there, what is on its way there, or was brought there a moment ago with that very value."""
    sent = Delivery.objects.of_persona(persona.pk).filter(destination=connection.destination_id, kind="persona.changed")
    on_its_way = sent.filter(state__in=[State.WAITING, State.SENDING, State.UNKNOWN])
    pending = {name for payload in on_its_way.values_list("payload", flat=True) for name in payload}
    arrived = sent.filter(state=State.DELIVERED, settled_at__gte=at - ECHOES_FOR)
    brought = list(arrived.values_list("payload", flat=True)[:100])
    for name, value in news.items():
        if name in pending or any(name in payload and payload[name] == value for payload in brought):
            yield name


def _known(connection: Connection, record: Record) -> Persona | None:
    """Whoever is linked to the record, or else has one of its addresses. Raises SeveralPeople."""
    link = Link.objects.filter(connection=connection, remote_id=record.id).first()
    if link is not None and Persona.objects.filter(pk=link.persona_id).exists():
        return get_persona(workspace_id=connection.workspace_id, persona_id=link.persona_id, lock=True)
    keys = set(_keys(_fields(connection, record), country=connection.workspace.country))
    found = Contact.objects.filter(
        workspace=connection.workspace_id, type__in={type for type, _k in keys}, normalized__in={k for _t, k in keys}
    ).select_related("persona")
    people = {contact.persona for contact in found if (contact.type, contact.normalized) in keys}
    if len(people) > 1:
        names = sorted(f"{persona.name} (ID {persona.pk})" for persona in people)
        raise SeveralPeople(people=", ".join(names))
    for persona in people:
        return get_persona(workspace_id=connection.workspace_id, persona_id=persona.pk, lock=True)
    return None


def _add(connection: Connection, record: Record, *, cause: Cause) -> Persona:
    """As far as what is known of them fits here; the rest is left out, since somebody waits for an answer."""
    workspace, fields = connection.workspace, _fields(connection, record)
    drafts = [ContactDraft(type, key) for type, key in _addresses(fields, workspace)]
    name = str(fields.get("name") or "").strip() or (drafts[0].key if drafts else _("Unknown"))
    draft = PersonaDraft(name=name[:MAX_NAME], attributes=_attributes(fields, workspace))
    persona = add_persona(workspace=workspace, draft=draft, contacts=drafts, cause=cause)
    _linked(connection, persona, record, at=cause.at)
    return persona


def _linked(connection: Connection, persona: Persona, record: Record, *, at: datetime) -> Link:
    """The link of this person; one to another record there stays, as the platform may have somebody twice."""
    of_person = Link.objects.filter(connection=connection, persona_id=persona.pk).first()
    if of_person is not None:
        return of_person
    made, _is_new = Link.objects.update_or_create(
        connection=connection, remote_id=record.id, defaults={"persona_id": persona.pk, "created_at": at}
    )
    return made


def _fields(connection: Connection, record: Record) -> dict[str, Any]:
    """What is known of a record, by our fields."""
    found = platform_of(connection.platform).in_our_fields(record.values, Person(id=0, name=""))
    return {field: value for field, value in found.items() if value not in (None, "", [])}


def _keys(fields: Mapping[str, Any], *, country: str) -> Iterator[tuple[str, str]]:
    for field, addresses in fields.items():
        if not field.startswith("contact:"):
            continue
        for address in addresses:
            try:
                key = normalise(address.type, str(address.key), country=country)
            except ContactKeyInvalid:
                continue
            yield address.type, key
            if address.type in _SAME_NUMBER:
                yield _SAME_NUMBER[address.type], key


def _addresses(fields: Mapping[str, Any], workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Those that can be kept here, as they are written there."""
    for field, addresses in fields.items():
        for address in addresses if field.startswith("contact:") else ():
            try:
                normalise(address.type, str(address.key), country=workspace.country)
            except ContactKeyInvalid:
                continue
            yield address.type, str(address.key)


def _attributes(fields: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
    """Those that are defined here and fit."""
    fitting: dict[str, Any] = {}
    for definition in AttributeDefinition.objects.filter(workspace=workspace):
        value = fields.get(f"attribute:{definition.key}")
        if value is not None:
            try:
                fitting[definition.key] = parse_value(definition.type, value)
            except ValueError:
                continue
    return fitting


# ------------------------------------------------------------------------------------------------------- messages
def _person_wrote(connection: Connection, happening: PersonWrote, *, cause: Cause) -> Followed:
    persona = _known(connection, happening.record)
    if persona is None:
        if platform_of(connection.platform).names_of_senders_alone:
            raise SenderUnknown(name=str(happening.record.values["name"]))
        persona = _add(connection, happening.record, cause=cause)
    else:
        _linked(connection, persona, happening.record, at=cause.at)
    of_conversation = Conversation.objects.filter(connection=connection, remote_id=happening.conversation_id)
    known = of_conversation.values_list("topic_id", flat=True).first()
    topic_id = known or _topic_on_its_way(connection, persona, conversation_id=happening.conversation_id)
    name = happening.topic or f"{connection.name} {happening.conversation_id}"
    text = happening.text if len(happening.text) <= MAX_TEXT else f"{happening.text[: MAX_TEXT - 1]}…"
    message = receive_message(
        workspace_id=connection.workspace_id,
        persona=persona,
        topic=None if topic_id else TopicDraft(TopicType.PERSONA, name),
        anchor_id=topic_id,
        text=text.replace("\x00", ""),
        check_may_add_topic=lambda: None,
        cause=cause,
    )
    if known is None:
        Conversation.objects.create(
            connection=connection, remote_id=happening.conversation_id, topic_id=message.topic_id
        )
    return Followed(_("A message of this person."), persona_id=persona.pk, topic_id=message.topic_id)


def _topic_on_its_way(connection: Connection, persona: Persona, *, conversation_id: str) -> int | None:
    """The topic of a message of ours that is on its way into that conversation, or of which nobody knows whether it
    arrived: somebody may read it, and answer, before we know its id there."""
    sent = Delivery.objects.open().filter(
        destination=connection.destination_id, lane=f"persona:{persona.pk}", steps__conversation=conversation_id
    )
    recipients = list(sent.exclude(recipient_id=None).values_list("recipient_id", flat=True)[:1])
    topics = Topic.objects.filter(messages__recipients__in=recipients, type=TopicType.PERSONA)
    return topics.values_list("pk", flat=True).first()


def _conversation_moved(connection: Connection, happening: ConversationMoved, *, cause: Cause) -> Followed:
    conversation = (
        Conversation.objects.filter(connection=connection, remote_id=happening.conversation_id)
        .select_related("topic")
        .first()
    )
    if conversation is None:
        return Followed(_("No topic here is this conversation."), is_done=False)
    topic = conversation.topic
    if topic.status == happening.status:
        return Followed(_("It is like that here already."), is_done=False, topic_id=topic.pk)
    status = Topic.Status(happening.status)
    set_topic_status(workspace_id=connection.workspace_id, topic_id=topic.pk, status=status, cause=cause)
    explanation = _("The topic is %(status)s.") % {"status": status.label.lower()}
    return Followed(explanation, persona_id=topic.persona_id, topic_id=topic.pk)


# ---------------------------------------------------------------------------------------------- what became of it
def _note(call: ReceivedCall, followed: Followed) -> None:
    call.outcome = Outcome.DONE if followed.is_done else Outcome.IGNORED
    call.explanation, call.body = followed.explanation[:500], ""
    call.persona_id, call.topic_id = followed.persona_id, followed.topic_id
    call.save(update_fields=["outcome", "explanation", "body", "persona_id", "topic_id"])


def _fail(call_id: int, explanation: str) -> None:
    waiting = ReceivedCall.objects.filter(pk=call_id, outcome=Outcome.WAITING)
    waiting.update(outcome=Outcome.FAILED, explanation=explanation[:500])
