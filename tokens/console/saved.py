"""What the last Send changed, told once by the page that follows it."""

from dataclasses import dataclass

from django.http import HttpRequest

from tokens.console.words import Change, changes_of
from tokens.models import Token

_SAVED = "saved_token_event"


@dataclass(frozen=True, slots=True)
class Saved:
    """A change of history, as the card *What changed* shows it."""

    event_id: int
    changes: list[Change]


def remember_saved(request: HttpRequest, token: Token) -> None:
    """The next page of this person tells of the token's newest change."""
    request.session[_SAVED] = token.events.values_list("pk", flat=True).first()


def take_saved(request: HttpRequest, token: Token) -> Saved | None:
    """What is to be told now; None afterwards, and when nothing is."""
    event = token.events.filter(pk=request.session.get(_SAVED) or 0).first()
    if event is None:
        return None
    del request.session[_SAVED]
    return Saved(event.pk, changes_of(event))
