"""Before saving: the exact calls that a change would make, and what cannot reach which platform."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import Workspace
from platforms.contract import Job, Unreached
from platforms.models import Connection, Link
from platforms.people import Person
from platforms.plans import PreviewedCall, preview
from platforms.registry import platform_of
from platforms.targets import target_of


@dataclass(frozen=True, slots=True)
class Reach:
    """What becomes of a change on one connection."""

    connection: Connection
    calls: list[PreviewedCall]
    unreached: list[Unreached]
    reason: str = ""
    """Why no call would be made although the change could be taken; "" when one would."""


def previews(*, workspace: Workspace, person: Person, fields: Sequence[str]) -> list[Reach]:
    """For each connection that carries people, what would be called if `person` were saved like this.

    `person` is as it will be; `fields` are those that change, named as in `PersonaChange.field`. Raises
    SecretUnreadable.
    """
    connections = Connection.objects.filter(
        workspace=workspace, destination__removed_at=None, destination__carries_personas=True
    ).select_related("destination")
    return [preview_of(connection=connection, person=person, fields=fields) for connection in connections]


def preview_of(*, connection: Connection, person: Person, fields: Sequence[str]) -> Reach:
    """As `previews`, for one connection."""
    platform = platform_of(connection.platform)
    link = Link.objects.filter(connection=connection, persona_id=person.id).first()
    unreached = platform.cannot_reach(person, fields)
    values = platform.values(person, fields)
    if not values:
        return Reach(connection, [], unreached)
    if link is None and not platform.adds_people:
        return Reach(connection, [], unreached, str(platform.not_linked))
    job = Job(target_of(connection), link.remote_id if link else "")
    return Reach(connection, preview(platform.push(values, person, job), platform=platform, job=job), unreached)
