"""What every dialect's endpoints take from a call of the gateway to hand it to a service."""

from accounts.models import Workspace
from personas.history import Cause
from personas.models import Origin
from tokens.endpoints import Call


def cause_of(call: Call) -> Cause:
    """Who changes something with this call, when, and in which call, for history."""
    return Cause(
        origin=Origin.TOKEN, actor_label=f"token {call.token.name}", at=call.now, request_id=call.caller.request_id
    )


def workspace_of(call: Call) -> Workspace:
    """The workspace of the call's token."""
    found: Workspace = Workspace.objects.get(pk=call.token.workspace_id)
    return found
