"""What every dialect's endpoints take from a call of the gateway to hand it to a service."""

from collections.abc import Iterator
from contextlib import contextmanager

from accounts.models import Workspace
from personas.history import Cause
from personas.matching import RecipientAmbiguous
from personas.models import Origin
from personas.services import ContactTaken
from tokens.endpoints import Call
from tokens.refusals import TokenBound


def cause_of(call: Call) -> Cause:
    """Who changes something with this call, when, and in which call, for history."""
    return Cause(
        origin=Origin.TOKEN, actor_label=f"token {call.token.name}", at=call.now, request_id=call.caller.request_id
    )


def workspace_of(call: Call) -> Workspace:
    """The workspace of the call's token."""
    found: Workspace = Workspace.objects.get(pk=call.token.workspace_id)
    return found


@contextmanager
def naming_nobody_else(call: Call) -> Iterator[None]:
    """A token that is bound to one persona or topic is on somebody's phone: it is not told whose an address is."""
    try:
        yield
    except (ContactTaken, RecipientAmbiguous):
        if call.token.bound_persona_id is not None:
            raise TokenBound(kind="persona") from None
        if call.token.bound_topic_id is not None:
            raise TokenBound(kind="topic") from None
        raise
