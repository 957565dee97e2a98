"""Which message on a platform is which of ours, and how far it got there.

A platform may say that before we know its id of the message: while the answer to our call is out, or was lost.
"""

from django.db import transaction
from django.utils.translation import gettext as _

from messaging.models import Recipient, Topic, TopicType
from messaging.progress import note_progress
from platforms.happenings import Followed, MessageMoved
from platforms.models import Connection, Conversation, EarlyWord, ReceivedCall, SentMessage


@transaction.atomic
def remember_sent(connection: Connection, *, recipient_id: int, message_id: str, conversation_id: str) -> None:
    """What the platform tells of this message and its conversation, or has told already, is known to be about ours.

    But not when the connection moved since it was read: another server's ids say nothing about these.
    """
    # Locked, as by whoever follows a call, so that none is followed between the two looks.
    if connection.has_moved(lock=True):
        return
    if message_id:
        _remember_message(connection, recipient_id=recipient_id, message_id=message_id)
    topic = Topic.objects.filter(messages__recipients=recipient_id, type=TopicType.PERSONA).first()
    if conversation_id and topic is not None:  # what somebody answers to a mass message is between the two
        Conversation.objects.update_or_create(
            connection=connection, remote_id=conversation_id, defaults={"topic": topic}
        )


def note_moved(call: ReceivedCall, moved: MessageMoved) -> Followed:
    """Our message is as far as `call` says, or that is noted for when it turns out to be ours.

    Part of the caller's transaction, which has locked the connection.
    """
    sent = SentMessage.objects.filter(connection=call.connection_id, remote_id=moved.message_id).first()
    if sent is not None:
        return _note(sent.recipient_id, moved)
    EarlyWord.objects.create(
        call=call,
        connection_id=call.connection_id,
        remote_id=moved.message_id[:255],
        state=moved.state,
        problem=moved.problem[:500],
    )
    return Followed(_("Not a message that was sent from here."), is_done=False)


def _remember_message(connection: Connection, *, recipient_id: int, message_id: str) -> None:
    SentMessage.objects.get_or_create(
        connection=connection, remote_id=message_id, defaults={"recipient_id": recipient_id}
    )
    early = EarlyWord.objects.filter(connection=connection, remote_id=message_id)
    for word in early.order_by("pk"):
        followed = _note(recipient_id, MessageMoved(word.remote_id, word.state, word.problem))
        if followed.is_done:
            ReceivedCall.objects.filter(pk=word.call_id).update(
                outcome=ReceivedCall.Outcome.DONE,
                explanation=followed.explanation,
                persona_id=followed.persona_id,
                topic_id=followed.topic_id,
            )
    early.delete()


def _note(recipient_id: int, moved: MessageMoved) -> Followed:
    recipient = Recipient.objects.filter(pk=recipient_id).select_related("message").first()
    if recipient is None:
        return Followed(_("Not a message that was sent from here."), is_done=False)
    state = Recipient.State(moved.state)
    is_news = note_progress(recipient_id=recipient.pk, state=state, problem=moved.problem)
    explanation = (
        _("Our message: %(state)s.") % {"state": state.label.lower()} if is_news else _("It was known already.")
    )
    return Followed(
        explanation, is_done=is_news, persona_id=recipient.persona_id, topic_id=recipient.message.topic_id
    )  # fmt: skip
