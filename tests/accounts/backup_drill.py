"""What the drill of `test_backup` does in processes of their own: making a server's data, calling it, looking at it."""

import json
import os
import random
import sys
from collections.abc import Callable
from typing import Any

import django
from django.core.management import call_command

_SEND = "/raven/xapi/v1/message:send"


def prepare() -> str:
    """The demo, connected as it is, and a token; returns its secret."""
    from accounts.models import Workspace
    from tokens.abilities import ABILITY_KEYS
    from tokens.configuration import Configuration
    from tokens.services import COMMAND_LINE, issue_token

    call_command("migrate", verbosity=0)
    call_command("load_demo", stdout=sys.stderr)
    configuration = Configuration(name="Drill", abilities=ABILITY_KEYS, requests_per_minute=100_000)
    issued = issue_token(workspace=Workspace.objects.get(slug="demo"), configuration=configuration, by=COMMAND_LINE)
    return issued.secret.value


def load() -> None:
    """Sends messages for ever, and writes the id of each when it was answered."""
    from django.test import Client

    while True:
        body = {
            "username": os.environ["DEMO_ADMIN_USERNAME"],
            "topic": {"type": "persona", "name": "Drill"},
            "recipient": [{"contact": [{"type": "whatsapp", "key": f"+62851743{random.randrange(100_000):05d}"}]}],
            "message": "Hello!",
        }
        answer = Client(SERVER_NAME="127.0.0.1").post(
            _SEND, json.dumps(body), content_type="application/json", headers=_authorization()
        )
        sys.stdout.write(f"{answer.json()['data']}\n")
        sys.stdout.flush()


def report() -> str:
    """What stands in the database, whether it fits together, and whether the token still works."""
    from django.test import Client

    from accounts.models import User
    from delivery import books
    from delivery.models import Destination, Event
    from messaging.models import Message, Recipient
    from platforms.encryption import unseal
    from platforms.models import Connection
    from tokens.models import RequestLogEntry

    call_command("migrate", check_unapplied=True, verbosity=0)
    sent = RequestLogEntry.objects.filter(ability="message_send", status=200)
    said: dict[str, Any] = {
        "messages": sorted(Message.objects.filter(direction=Message.Direction.OUTGOING).values_list("pk", flat=True)),
        "recipients": sorted(Recipient.objects.values_list("message_id", flat=True)),
        "events": sorted(
            event["message"] for event in Event.objects.filter(kind="message.sent").values_list("data", flat=True)
        ),
        "log": sorted(json.loads(body)["data"] for body in sent.values_list("response_body", flat=True)),
        "audit": [books.audit(pk) for pk in Destination.objects.values_list("pk", flat=True)],
        "credentials": [bool(unseal(each.sealed_credential)) for each in Connection.objects.all()],
        "can_sign_in": User.objects.get(username="admin").check_password(os.environ["DEMO_ADMIN_PASSWORD"]),
        "found": Client(SERVER_NAME="127.0.0.1")
        .get("/raven/xapi/v1/persona?q=8517", headers=_authorization())
        .status_code,
        "token": Client(SERVER_NAME="127.0.0.1").get("/raven/xapi/v1/token:self", headers=_authorization()).status_code,
    }
    return json.dumps(said)


def _authorization() -> dict[str, str]:
    return {"authorization": f"Bearer {os.environ['DRILL_SECRET']}"}


if __name__ == "__main__":
    django.setup()
    do: dict[str, Callable[[], str | None]] = {"prepare": prepare, "load": load, "report": report}
    sys.stdout.write(do[sys.argv[1]]() or "")
