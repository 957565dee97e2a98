"""Sessions: a persona on the workspace's API inbox, known to programs by a source id."""

import itertools
import uuid

from django.db import IntegrityError, transaction

from accounts.models import Workspace
from messaging.models import Message, Topic, TopicType
from messaging.refusals import TopicExists, TopicNotFound
from messaging.services import Envelope, send_message
from messaging.topics import add_conversation
from personas.contacts import ContactKeyInvalid, normalise
from personas.history import Cause
from personas.matching import ContactDraft, RecipientDraft
from personas.models import Contact, ContactType, Persona
from personas.services import get_persona, update_persona
from platforms.bevatel.server.common import TYPES_OF_FIELD
from platforms.bevatel.server.dialect import FieldRefused, SourceTaken
from platforms.calls import cause_of
from platforms.models import ContactSession
from tokens.endpoints import Call

_PREFERRED = [type for types in TYPES_OF_FIELD.values() for type in types]


def open_session(
    *, workspace: Workspace, persona: Persona, source_id: str | None = None, cause: Cause
) -> ContactSession:
    """A new session, known by `source_id`; None makes one up. Raises SourceTaken and FieldRefused."""
    try:
        known_by = normalise(ContactType.WEB_CHAT, source_id or str(uuid.uuid4()), country=workspace.country)
    except ContactKeyInvalid as error:
        raise FieldRefused(path="source_id", problem=f"Source {error.reason}") from None
    try:
        with transaction.atomic():
            return ContactSession.objects.create(
                workspace=workspace, persona=persona, source_id=known_by, created_at=cause.at
            )
    except IntegrityError:
        raise SourceTaken from None


def session_of(*, workspace: Workspace, persona: Persona, cause: Cause) -> ContactSession:
    """The persona's newest session, made when there is none."""
    newest = ContactSession.objects.filter(workspace=workspace, persona=persona).last()
    return newest or open_session(workspace=workspace, persona=persona, cause=cause)


def get_conversation(*, workspace: Workspace, conversation_id: int) -> Topic:
    """The topic of type persona with this id. Raises TopicNotFound."""
    found = (
        Topic.objects.filter(workspace=workspace, type=TopicType.PERSONA, pk=conversation_id)
        .select_related("persona")
        .first()
    )
    if found is None:
        raise TopicNotFound(topic_id=conversation_id)
    return found


def start_conversation(*, workspace: Workspace, persona: Persona, cause: Cause) -> Topic:
    """A new conversation with the persona, numbered among theirs. Raises PersonaNotFound."""
    # One at a time for each persona, so that two get two names.
    get_persona(workspace_id=workspace.pk, persona_id=persona.pk, lock=True)
    named = Topic.objects.filter(persona=persona, type=TopicType.PERSONA).count()
    for number in itertools.count(named + 1):
        try:
            return add_conversation(
                workspace_id=workspace.pk, persona=persona, name=f"Conversation {number}", cause=cause
            )
        except TopicExists:
            continue
    raise AssertionError  # pragma: no cover - the numbers never end


def conversation_with(*, workspace: Workspace, persona: Persona, cause: Cause) -> Topic:
    """The persona's newest conversation that is not resolved, else a new one."""
    running = Topic.objects.filter(workspace=workspace, persona=persona, type=TopicType.PERSONA)
    newest = running.exclude(status=Topic.Status.RESOLVED).order_by("-pk").first()
    return newest or start_conversation(workspace=workspace, persona=persona, cause=cause)


def send_in(
    call: Call, *, workspace: Workspace, topic: Topic, persona: Persona, contact: Contact, text: str
) -> Message:
    """The message goes to this contact of the persona, as the token's user. Raises the errors of `send_message`."""
    envelope = Envelope(
        workspace_id=workspace.pk,
        country=workspace.country,
        username=None,
        alias_id=call.token.user_alias_id,
        topic=None,
        anchor_id=topic.pk,
        people=[RecipientDraft(persona.name, [ContactDraft(contact.type, contact.key)])],
    )
    sent = send_message(envelope=envelope, text=text, check_may_add_topic=lambda: None, cause=cause_of(call))
    return sent.as_model()


def contact_to_reach(*, workspace: Workspace, persona: Persona, cause: Cause) -> Contact:
    """The contact that messages in a session go to: WhatsApp, phone, e-mail, identifier, or whatever there is.

    Somebody who has none is reached at the session itself, as a contact of type web chat with the source id as its key:
    in Chatwoot, too, a message on an API channel leaves by the source id alone.
    """
    contacts = list(persona.contacts.all())
    contacts.sort(key=lambda c: (_PREFERRED.index(c.type) if c.type in _PREFERRED else len(_PREFERRED), c.pk))
    if contacts:
        return contacts[0]
    session = session_of(workspace=workspace, persona=persona, cause=cause)
    draft = ContactDraft(ContactType.WEB_CHAT, session.source_id, "API")
    update_persona(workspace=workspace, persona_id=persona.pk, contacts=[draft], cause=cause)
    return Contact.objects.get(persona=persona, type=draft.type, normalized=draft.key)
