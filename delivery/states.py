"""The states of a delivery and the moves between them, as data; a constraint and a service hold both."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class State(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    SENDING = "sending", _("Sending")
    DELIVERED = "delivered", _("Delivered")
    REFUSED = "refused", _("Refused")
    UNKNOWN = "unknown", _("Unknown")
    SUPERSEDED = "superseded", _("Superseded")
    CANCELLED = "cancelled", _("Cancelled")


MOVES: dict[State, frozenset[State]] = {
    State.WAITING: frozenset({State.SENDING, State.SUPERSEDED, State.CANCELLED}),
    # Cancelled only when whom it is about was erased meanwhile; people leave what is being sent to its worker.
    State.SENDING: frozenset({State.DELIVERED, State.WAITING, State.REFUSED, State.UNKNOWN, State.CANCELLED}),
    State.REFUSED: frozenset({State.WAITING, State.SUPERSEDED, State.CANCELLED}),
    State.UNKNOWN: frozenset({State.WAITING, State.DELIVERED, State.SUPERSEDED, State.CANCELLED}),
    State.DELIVERED: frozenset(),
    State.SUPERSEDED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""What each state may become. A delivery that is sent once more after it arrived is a new one; see `replay`."""

OPEN_STATES = tuple(state for state in State if MOVES[state])
"""Not known to have arrived, and not given up."""
