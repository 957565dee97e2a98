"""Linking people to the records of a platform that can only be listed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from django.utils.translation import gettext as _

from accounts.models import Workspace
from personas.contacts import ContactKeyInvalid, normalise
from personas.models import Contact
from platforms.chative.client import Chative
from platforms.contract import Answer, Job, PlannedCall
from platforms.models import Connection, Link
from platforms.plans import run
from platforms.registry import platform_of
from platforms.targets import target_of
from platforms.transport import Exchange, Request, exchange
from raven_admin.errors import RavenError

Key = tuple[str, str]


@dataclass(eq=False)
class ListingRefused(RavenError):
    """The list of people could not be read: {reason}"""

    code: ClassVar[str] = "listing_refused"
    reason: str


@dataclass(frozen=True, slots=True)
class Linked:
    """How many records the platform listed, and how many of them are linked to a person now."""

    listed: int
    count: int


def can_list(connection: Connection) -> bool:
    return isinstance(platform_of(connection.platform), Chative)


def link_by_listing(*, connection: Connection) -> Linked:
    """Whoever shares an e-mail address or a number with a record there is linked to it, page by page.

    People and records that are linked already stay so. Not to be called within a transaction. Raises ListingRefused
    and SecretUnreadable.
    """
    platform = platform_of(connection.platform)
    if not isinstance(platform, Chative):
        raise ListingRefused(_("this platform has no such list."))
    job, listed = Job(target_of(connection)), 0

    def send(_call: PlannedCall, request: Request) -> Exchange:
        nonlocal listed
        done = exchange(request)
        if done.status == 200:
            people = list(platform.people(Answer(200, done.json())))
            listed += len(people)
            _link_page(connection, people)
        return done

    ended = run(platform.listing(job), platform=platform, job=job, idempotency_key="", send=send)
    if ended.trouble is not None:
        raise ListingRefused(ended.trouble.reason)
    return Linked(listed, Link.objects.filter(connection=connection).count())


def _link_page(connection: Connection, people: list[tuple[str, list[Key]]]) -> None:
    keys_of = {remote_id: set(_normalised(keys, connection.workspace)) for remote_id, keys in people}
    wanted = {key for keys in keys_of.values() for key in keys}
    known = Contact.objects.filter(
        workspace=connection.workspace_id,
        type__in={type for type, _key in wanted},
        normalized__in={k for _t, k in wanted},
    )
    persona_of = {(contact.type, contact.normalized): contact.persona_id for contact in known}
    links = []
    for remote_id, keys in keys_of.items():
        personas = {persona_of[key] for key in keys if key in persona_of}
        if len(personas) == 1:  # two people for one record: somebody has to decide
            links.append(Link(connection=connection, persona_id=personas.pop(), remote_id=remote_id))
    Link.objects.bulk_create(links, ignore_conflicts=True)


def _normalised(keys: list[Key], workspace: Workspace) -> Iterator[Key]:
    for type, key in keys:
        try:
            yield type, normalise(type, key, country=workspace.country)
        except ContactKeyInvalid:
            continue
