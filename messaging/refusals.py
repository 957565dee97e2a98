"""Why a message or topic is refused."""

from dataclasses import dataclass
from typing import ClassVar

from raven_admin.errors import RavenError


@dataclass(eq=False)
class UserNotFound(RavenError):
    """There is no user “{username}” in this workspace."""

    code: ClassVar[str] = "user_not_found"
    username: str
    field: str = "username"
    """Where the caller named them."""


@dataclass(eq=False)
class UserMissing(RavenError):
    """Name a user in `username`, or set User Aliases in the token's configuration."""

    code: ClassVar[str] = "user_missing"


@dataclass(eq=False)
class TopicMissing(RavenError):
    """Name a topic in `topic`, or set a Topic Anchor in the token's configuration."""

    code: ClassVar[str] = "topic_missing"


@dataclass(eq=False)
class TopicTypeInvalid(RavenError):
    """“{type}” is no type of topic. The types are: persona, group, mass."""

    code: ClassVar[str] = "topic_type_invalid"
    type: str


@dataclass(eq=False)
class RecipientsMissing(RavenError):
    """Name at least one recipient."""

    code: ClassVar[str] = "recipients_missing"


@dataclass(eq=False)
class RecipientsTooMany(RavenError):
    """A message goes to at most {maximum} recipients at a time; this one names {count}."""

    code: ClassVar[str] = "recipients_too_many"
    count: int
    maximum: int


@dataclass(eq=False)
class PersonaTopicRecipientsTooMany(RavenError):
    """A topic of type persona has exactly one recipient."""

    code: ClassVar[str] = "persona_topic_recipients_too_many"


@dataclass(eq=False)
class GroupTopicRecipientsTooMany(RavenError):
    """A topic of type group has exactly one recipient, the group."""

    code: ClassVar[str] = "group_topic_recipients_too_many"


@dataclass(eq=False)
class RecipientWithoutContact(RavenError):
    """Recipient {recipient_index} has no contact."""

    code: ClassVar[str] = "recipient_without_contact"
    recipient_index: int


@dataclass(eq=False)
class MassTopicWithRecipients(RavenError):
    """A topic of type mass is made without recipients; name them with each message."""

    code: ClassVar[str] = "mass_topic_with_recipients"


@dataclass(eq=False)
class TopicExists(RavenError):
    """There is already a topic “{name}” of that type (topic {topic_id})."""

    code: ClassVar[str] = "topic_exists"
    topic_id: int
    name: str


@dataclass(eq=False)
class TopicNotFound(RavenError):
    """There is no topic {topic_id} in this workspace."""

    code: ClassVar[str] = "topic_not_found"
    topic_id: int


@dataclass(eq=False)
class TopicStatusInvalid(RavenError):
    """“{status}” is no status of a topic. The statuses are: {known}."""

    code: ClassVar[str] = "topic_status_invalid"
    status: str
    known: str
