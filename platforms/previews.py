"""Before saving: the exact calls that a change would make, and what cannot reach which platform."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accounts.models import Workspace
from platforms.contract import Job, Unreached
from platforms.models import Connection, Link
from platforms.people import Person
from platforms.plans import PreviewedCall, preview
from platforms.registry import platform_of
from platforms.targets import target_of
from platforms.tokens import as_outgoing
from tokens.configuration import Configuration, check_configuration
from tokens.models import Token


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
    connections = _connections(workspace.pk, destination__carries_personas=True)
    return [preview_of(connection=connection, person=person, fields=fields) for connection in connections]


def token_previews(*, token: Token, configuration: Configuration) -> list[Reach]:
    """For each connection that carries tokens, what would be called if `token` were configured so.

    Raises SecretUnreadable, and the errors of `check_configuration`.
    """
    configuration = check_configuration(configuration, workspace=token.workspace)
    outgoing, reaches = as_outgoing(token, configuration), []
    for connection in _connections(token.workspace_id, destination__carries_tokens=True):
        platform, job = platform_of(connection.platform), Job(target_of(connection))
        plan = platform.configure(outgoing.values, outgoing, job)
        reaches.append(Reach(connection, preview(plan, platform=platform, job=job), []))
    return reaches


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


def _connections(workspace_id: int, **carrying: bool) -> Iterable[Connection]:
    found = Connection.objects.filter(workspace=workspace_id, destination__removed_at=None, **carrying)
    return found.select_related("destination")
