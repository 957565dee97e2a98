"""What a platform can tell us, in our words; a platform's own file makes these of its calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """A person there: the id, and what it says, by the names of `Platform.values`."""

    id: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordAdded:
    record: Record


@dataclass(frozen=True, slots=True)
class RecordChanged:
    record: Record
    changed: frozenset[str] | None
    """Which of its values are new; None: the call does not say."""


@dataclass(frozen=True, slots=True)
class PersonWrote:
    record: Record
    conversation_id: str
    text: str
    topic: str = ""
    """What the conversation is called there; "": it has no name."""


@dataclass(frozen=True, slots=True)
class MessageMoved:
    """A message is `state` now, as `Recipient.State` has it."""

    message_id: str
    state: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ConversationMoved:
    """A conversation is `status` now, as `Topic.Status` has it."""

    conversation_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing here follows from it; why, as a sentence."""

    reason: str


Happening = RecordAdded | RecordChanged | PersonWrote | MessageMoved | ConversationMoved | Nothing


@dataclass(frozen=True, slots=True)
class Followed:
    """What was done about it, or why nothing was."""

    explanation: str
    is_done: bool = True
    persona_id: int | None = None
    topic_id: int | None = None
