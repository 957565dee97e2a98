"""A workspace connected to another one of the same server, over real HTTP."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from delivery.carriers import Occurrence, Outcome, Parcel
from delivery.models import Delivery
from delivery.outbox import MESSAGES, announce
from messaging.services import Envelope, send_message
from messaging.topics import TopicDraft
from personas.history import Cause
from personas.matching import ContactDraft, RecipientDraft
from personas.models import Operation, Origin, Persona
from personas.operations import WORK, count_of, start_operation
from personas.services import PersonaDraft, add_persona
from platforms.carrying import PlatformCarrier
from platforms.connections import ConnectionDraft, add_connection
from platforms.contract import Job, PlannedCall
from platforms.importing import begin_import
from platforms.models import Connection
from platforms.people import as_person
from platforms.plans import Ended, run
from platforms.registry import platform_of
from platforms.targets import target_of
from platforms.transport import Exchange, Request, exchange
from tests.personas.operating import work_off
from tokens.abilities import ABILITY_KEYS
from tokens.configuration import Configuration
from tokens.services import COMMAND_LINE, issue_token

PATHS = {"raven": "/raven/xapi/v1", "chative": "/chative/v1.0", "bevatel": "/bevatel"}
BY_TEST = Cause(origin=Origin.PERSON, actor_label="Ayu", at=datetime(2026, 11, 20, 9, tzinfo=UTC))


@dataclass(frozen=True)
class Remote:
    """The workspace that stands for the platform, and a token of it."""

    workspace: Workspace
    secret: str

    def person(self) -> Persona:
        return Persona.objects.prefetch_related("contacts", "attributes__definition").get(workspace=self.workspace)


def make_remote(workspace: Workspace, *, abilities: Any = ABILITY_KEYS) -> Remote:
    sender = User.objects.create_user("remote-bot")
    Membership.objects.create(workspace=workspace, user=sender, role=Role.SUPPORT)
    configuration = Configuration(name="From demo", abilities=frozenset(abilities), user_alias=sender)
    issued = issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE)
    return Remote(workspace, issued.secret.value)


def connect(workspace: Workspace, remote: Remote, url: str, platform: str, **changes: Any) -> Connection:
    number = str(remote.workspace.account_number)
    draft: dict[str, Any] = {
        "platform": platform,
        "name": platform.title(),
        "base_url": f"{url}{PATHS[platform]}",
        "credential": remote.secret,
        "settings": {"account_id": number, "inbox_id": number} if platform == "bevatel" else {},
        "carries": platform_of(platform).carries - {"tokens"},
        "requests_per_minute": 6000,
    }
    return add_connection(workspace=workspace, draft=ConnectionDraft(**(draft | changes)))


def add_rina(workspace: Workspace, **changes: Any) -> Persona:
    return add_persona(
        workspace=workspace,
        draft=PersonaDraft(name="Rina Hartono", **changes),
        contacts=[ContactDraft("whatsapp", "+6281200000101", "Main"), ContactDraft("email", "rina@example.org")],
        cause=BY_TEST,
    )


def send_to(connection: Connection, text: str, *, sender: User, to: ContactDraft, data: Any = None) -> Delivery:
    """A message to one contact, and its delivery by this connection alone."""
    envelope = Envelope(
        workspace_id=connection.workspace_id,
        country="ID",
        username=sender.username,
        alias_id=None,
        topic=TopicDraft("persona", "Order 17"),
        anchor_id=None,
        people=[RecipientDraft("Rina Hartono", [to])],
    )
    message = send_message(envelope=envelope, text=text, check_may_add_topic=lambda: None, cause=BY_TEST)
    Delivery.objects.filter(kind="message.sent").delete()
    sent = Occurrence(
        workspace_id=connection.workspace_id, kind="message.sent", subject_id=message.pk, at=BY_TEST.at, data=data or {}
    )
    return announce([sent], to=MESSAGES)[-1]


def carry(delivery: Delivery) -> tuple[Outcome, Parcel]:
    """As the worker does, without its book-keeping; the delivery keeps its steps."""

    def keep(steps: dict[str, str]) -> None:
        delivery.steps = dict(steps)
        delivery.save(update_fields=["steps"])

    parcel = Parcel(delivery, delivery.destination, after_step=keep)
    outcome = PlatformCarrier(platform_of(delivery.destination.kind)).carry(parcel)
    return outcome, parcel


def push_while_added(
    connection: Connection, persona: Persona, remote: Remote, *, before: str
) -> tuple[Ended, list[tuple[str, int | None]]]:
    """The persona is pushed, and has been added there by somebody else just before the step `before`."""
    platform, done = platform_of(connection.platform), []
    contact = persona.contacts.all()[0]

    def send(call: PlannedCall, request: Request) -> Exchange:
        if call.step == before:
            same = [ContactDraft(contact.type, contact.key)]
            add_persona(workspace=remote.workspace, draft=PersonaDraft(name="R."), contacts=same, cause=BY_TEST)
        answer = exchange(request)
        done.append((call.step, answer.status))
        return answer

    plan = platform.push({}, as_person(persona), Job(target_of(connection)))
    return run(plan, platform=platform, job=Job(target_of(connection)), idempotency_key="k", send=send), done


def bring_in(connection: Connection) -> Operation:
    """The people there are linked or added, as somebody would who looks at the preview and confirms it."""
    by, _is_new = User.objects.get_or_create(username="importer")
    operation = work_off(begin_import(connection=connection, by=by, at=timezone.now()))
    if count_of(operation, actions=WORK):
        operation = work_off(start_operation(operation_id=operation.pk, by=by, at=timezone.now()))
    return operation


def waiting(connection: Connection) -> list[Delivery]:
    return list(Delivery.objects.filter(destination=connection.destination).order_by("id"))
