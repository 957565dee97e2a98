"""`manage.py load_demo`: an admin to sign in as, and two workspaces, one connected to the other.

What an admin edits in `demo` leaves over HTTP and arrives in `sandbox`, in each dialect that this server speaks; what
somebody writes in `sandbox` comes back by the callbacks of the token that `demo` shows there.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from messaging.models import Template, Topic, TopicType
from messaging.services import receive_message
from messaging.topics import TopicDraft
from personas.definitions import add_attribute
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import Origin, Persona
from personas.services import PersonaDraft, add_persona
from platforms.callbacks.services import save_callbacks
from platforms.chative.server.mapping import uuid_of
from platforms.connections import ConnectionDraft, add_connection
from platforms.management.demo_calls import NAME, add_demo_calls
from platforms.models import Connection, Link
from platforms.receiving import open_address, set_signing_secret
from platforms.registry import platform_of
from platforms.transport import AddressRefused
from tokens.abilities import ABILITY_KEYS
from tokens.configuration import Configuration
from tokens.models import Token
from tokens.services import COMMAND_LINE, issue_token

PEOPLE = (
    # The name that the vendor's example of message:send sends under.
    ("your_username", "", "", Role.SUPPORT),
    ("sari", "Sari", "Wulandari", Role.SUPPORT),
    ("dewi", "Dewi", "Anggraini", Role.VIEWER),
)
MASS_TOPICS = ("Announcements", "Order updates", "Opening hours")
# Those that the examples of the API documents use; in both workspaces, so that their values arrive.
ATTRIBUTES = (
    ("city", "City", "text", "Where the person lives"),
    ("customer_since", "Customer since", "date", ""),
)
# The examples of the API documents send it.
TEMPLATE = {"name": "order_shipped", "language": "en", "body": "Hello {{1}}, your order {{2}} is on its way."}
PERSONAS: tuple[tuple[PersonaDraft, *tuple[ContactDraft, ...]], ...] = (
    (
        PersonaDraft("Rina Hartono", attributes={"city": "Jakarta", "customer_since": "2024-03-01"}),
        ContactDraft("whatsapp", "0812-0000-0101", "Main contact"),
        ContactDraft("email", "rina@example.org"),
    ),
    (
        PersonaDraft("Joko Prasetyo", attributes={"city": "Bandung"}),
        ContactDraft("whatsapp", "+62 812 0000 0102", "Main contact"),
    ),
    (PersonaDraft("Maya Lestari"), ContactDraft("phone", "0812-0000-0103"), ContactDraft("telegram", "maya_lestari")),
    (PersonaDraft("Toko Sumber Rejeki"), ContactDraft("email", "pesanan@example.org", "Orders")),
    # The number of one above in another notation: what the queue of duplicates is for.
    (PersonaDraft("Pak Joko", attributes={"customer_since": "2025-08-17"}), ContactDraft("phone", "0812-0000-0102")),
)

CONNECTIONS = (
    ("raven", "/raven/xapi/v1", ("personas", "messages")),
    ("chative", "/chative/v1.0", ("personas",)),
    ("bevatel", "/bevatel", ("personas",)),
)


class Command(BaseCommand):
    help = "Makes the admin, and in an empty database the workspaces demo and sandbox; changes nothing that exists."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--calls", action="store_true", help="also make a token with made-up calls of 60 days, for the charts"
        )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        is_empty = not Workspace.objects.exists()
        if is_empty:
            demo = Workspace.objects.create(name="Demo", slug="demo", country="ID", time_zone="Asia/Jakarta")
            sandbox = Workspace.objects.create(name="Sandbox", slug="sandbox", country="ID", time_zone="Asia/Jakarta")
        admin, is_new = self._admin(settings.DEMO_ADMIN_USERNAME, settings.DEMO_ADMIN_PASSWORD)
        if is_new:
            for workspace in Workspace.objects.filter(slug__in=("demo", "sandbox")):
                Membership.objects.create(workspace=workspace, user=admin, role=Role.ADMIN)
        if is_empty:
            for key, label, type, hint in ATTRIBUTES:
                for workspace in (demo, sandbox):
                    add_attribute(workspace=workspace, key=key, label=label, type=type, hint=hint)
            self._fill(demo)
            self._connect(demo, sandbox)
        if options.get("calls") and not Token.objects.filter(name=NAME).exists():
            add_demo_calls(workspace=Workspace.objects.get(slug="demo"), now=timezone.now())

    def _admin(self, username: str, password: str) -> tuple[User, bool]:
        found = User.objects.filter(username__iexact=username).first()
        if found:
            return found, False
        if not password:
            raise CommandError("Set DEMO_ADMIN_PASSWORD to the password that the first admin shall sign in with.")
        admin = User.objects.create_superuser(username, password=password)
        try:
            validate_password(password, admin)
        except ValidationError as error:
            self.stderr.write(f"DEMO_ADMIN_PASSWORD is weak, so change it soon: {' '.join(error.messages)}")
        return admin, True

    def _fill(self, demo: Workspace) -> None:
        for username, first_name, last_name, role in PEOPLE:
            user = User.objects.filter(username__iexact=username).first()
            # No password: nobody signs in as these until an admin sets one.
            user = user or User.objects.create_user(username, first_name=first_name, last_name=last_name)
            Membership.objects.get_or_create(workspace=demo, user=user, defaults={"role": role})
        for name in MASS_TOPICS:
            Topic.objects.create(workspace=demo, type=TopicType.MASS, name=name)
        Template.objects.create(workspace=demo, **TEMPLATE)
        cause = Cause(origin=Origin.SYSTEM, actor_label="demo", at=timezone.now())
        for draft, *contacts in PERSONAS:
            add_persona(workspace=demo, draft=draft, contacts=contacts, cause=cause)

    def _connect(self, demo: Workspace, sandbox: Workspace) -> None:
        """Who is in `demo` is in `sandbox` too, and linked, so that the first change is seen to arrive."""
        bot, is_new = User.objects.get_or_create(username="demo_bot", defaults={"first_name": "Demo"})
        if is_new:  # as the others, nobody signs in as this one
            bot.set_unusable_password()
            bot.save(update_fields=["password"])
        Membership.objects.create(workspace=sandbox, user=bot, role=Role.SUPPORT)
        configuration = Configuration(name="Connections of Demo", abilities=ABILITY_KEYS, user_alias=bot)
        issued = issue_token(workspace=sandbox, configuration=configuration, by=COMMAND_LINE)
        cause = Cause(origin=Origin.SYSTEM, actor_label="demo", at=timezone.now())
        twins = {}
        for persona, (person, *contacts) in zip(demo.personas.order_by("pk"), PERSONAS, strict=True):
            twins[persona.pk] = add_persona(workspace=sandbox, draft=person, contacts=contacts, cause=cause).pk
        number = str(sandbox.account_number)
        for platform, path, carries in CONNECTIONS:
            draft = ConnectionDraft(
                platform=platform, name=f"Sandbox by {platform.title()}", base_url=f"{settings.BASE_URL}{path}",
                credential=issued.secret.value, carries=frozenset(carries),
                requests_per_minute=platform_of(platform).requests_per_minute,
                settings={"account_id": number, "inbox_id": number} if platform == "bevatel" else {},
            )  # fmt: skip
            try:
                connection = add_connection(workspace=demo, draft=draft)
            except AddressRefused as refusal:
                self.stderr.write(f"The demo is not connected to the sandbox: {refusal}")
                return
            Link.objects.bulk_create(
                Link(
                    connection=connection,
                    persona_id=persona_id,
                    remote_id=uuid_of(twin_id) if platform == "chative" else str(twin_id),
                )
                for persona_id, twin_id in twins.items()
            )
            if platform == "raven":
                self._call_back(connection, issued.token)
        self._hear_from(sandbox.personas.earliest("pk"), cause)

    def _call_back(self, connection: Connection, token: Token) -> None:
        """The token's callbacks lead to `connection`, which takes those alone that are signed with its secret."""
        urls = dict.fromkeys(platform_of("raven").receives, open_address(connection=connection))
        saved = save_callbacks(token=token, urls=urls, by=COMMAND_LINE, at=timezone.now())
        set_signing_secret(connection=connection, secret=saved.secret or "")

    def _hear_from(self, persona: Persona, cause: Cause) -> None:
        """The first callback is on its way: somebody has written."""
        receive_message(
            workspace_id=persona.workspace_id,
            persona=persona,
            topic=TopicDraft(TopicType.PERSONA, "Order 1001"),
            anchor_id=None,
            text="Hello, has my order left already?",
            check_may_add_topic=lambda: None,
            cause=cause,
        )
