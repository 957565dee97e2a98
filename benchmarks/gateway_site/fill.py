"""Makes the database and prints the two tokens, as JSON.

With the argument `count`, prints what calls have stored; with `analyze`, tells PostgreSQL what its tables hold, as its
autovacuum does within a minute, so that it does so before measuring and not in the middle.
"""

import json
import sys

import django
from django.core.management import call_command
from django.db import connection

PEOPLE = 1_000
RATE = 1_000_000
"""Requests a minute, so that the limit is checked but never reached."""


def fill() -> dict[str, str]:
    """There is a workspace with people and a topic with each, a token of ours and one of the framework's."""
    from rest_framework.authtoken.models import Token as PlainToken

    from accounts.models import Membership, User, Workspace
    from accounts.roles import Role
    from messaging.models import Topic
    from personas.models import Contact, Persona
    from tokens.abilities import ABILITY_KEYS
    from tokens.configuration import Configuration
    from tokens.services import COMMAND_LINE, issue_token

    call_command("migrate", verbosity=0)
    workspace = Workspace.objects.create(name="Demo", slug="demo", country="ID")
    sender = User.objects.create_user("your_username")
    Membership.objects.create(workspace=workspace, user=sender, role=Role.SUPPORT)
    people = Persona.objects.bulk_create(Persona(workspace=workspace, name=f"Person {n}") for n in range(PEOPLE))
    Contact.objects.bulk_create(
        Contact(workspace=workspace, persona=person, type="whatsapp", key=phone(n), normalized=phone(n))
        for n, person in enumerate(people)
    )
    Topic.objects.bulk_create(
        Topic(workspace=workspace, type="persona", name="Test Message Bot", persona=person) for person in people
    )
    configuration = Configuration(name="Benchmark", abilities=ABILITY_KEYS, requests_per_minute=RATE)
    issued = issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE)
    plain = PlainToken.objects.create(user=sender)
    return {"ours": issued.secret.value, "plain": plain.key}


def phone(number: int) -> str:
    return f"+62851743{number:05d}"


def count() -> dict[str, int]:
    """How many rows `message:send` has left of each kind."""
    from delivery.models import Event
    from messaging.models import Message, Recipient
    from tokens.models import RequestLogEntry

    return {
        "messages": Message.objects.count(),
        "recipients": Recipient.objects.count(),
        "events": Event.objects.filter(kind="message.sent").count(),
        "log entries": RequestLogEntry.objects.filter(ability="message_send", status=200).count(),
    }


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


if __name__ == "__main__":
    django.setup()
    print(json.dumps({"count": count, "analyze": analyze, "fill": fill}[sys.argv[1]]()))
