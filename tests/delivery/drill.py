"""What the drill of `test_drill` does in processes of their own: filling the outbox, and saying how it ended."""

import json
import os
import random
import sys
import time
from collections import Counter
from typing import Any

import django


def load(count: int) -> None:
    """Puts deliveries into the outbox, and writes the id of each when its transaction is committed.

    Into lanes of its own: who changes a persona holds its row, so that no two transactions write into one lane at once.
    """
    from django.db import transaction
    from django.utils import timezone

    from delivery import outbox
    from delivery.carriers import DeliveryDraft, Occurrence
    from delivery.models import Destination

    destinations = list(Destination.objects.order_by("id"))
    for _number in range(count):
        destination = random.choice(destinations)
        occurrence = Occurrence(
            workspace_id=destination.workspace_id, kind="test", subject_id=1, at=timezone.now(), actor_label="drill"
        )
        draft = DeliveryDraft(
            because_of=occurrence, lane=f"{os.getpid()}:{random.randrange(20)}", kind="message.sent", payload={}
        )
        with transaction.atomic():
            posted = outbox.post(destination, [draft])
        sys.stdout.write(f"{posted[0].pk}\n")
        sys.stdout.flush()
        time.sleep(0.005)


def prepare(url: str) -> None:
    """A workspace with two destinations, of which one honours idempotency keys."""
    from accounts.models import Workspace
    from delivery.models import Destination

    workspace = Workspace.objects.create(name="Drill", slug="drill")
    for kind in ("keyed", "plain"):
        Destination.objects.create(workspace=workspace, name=f"{url}/{kind}", kind=kind)


def report() -> dict[str, Any]:
    from delivery import books
    from delivery.models import Delivery, Destination

    deliveries = Delivery.objects.order_by("id").values_list("id", "destination__kind", "lane", "state")
    return {
        "deliveries": list(deliveries),
        "states": Counter(state for *_rest, state in deliveries),
        "audit": {destination.kind: books.audit(destination.pk) for destination in Destination.objects.all()},
    }


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.delivery.worker_settings")
    django.setup()
    if sys.argv[1] == "load":
        load(int(sys.argv[2]))
    elif sys.argv[1] == "prepare":
        prepare(sys.argv[2])
    else:
        sys.stdout.write(json.dumps(report()))
