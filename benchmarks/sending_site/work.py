"""What the benchmark does in processes of their own: the bare loop, and filling the outbox."""

import os
import sys

import django
import requests

PAYLOAD = {"name": "Dewi Anggraini", "city": "Jakarta", "tier": "gold", "notes": "prefers the evening"}


def loop(url: str, count: int) -> None:
    """What the outbox is compared with."""
    session = requests.Session()
    for number in range(count):
        headers = {"Idempotency-Key": f"k-{number}", "Content-Type": "application/json"}
        session.post(url, json=PAYLOAD, headers=headers, timeout=10).json()


def fill(url: str, count: int) -> None:
    """So many deliveries wait, each for another person."""
    from django.utils import timezone

    from accounts.models import Workspace
    from delivery import outbox
    from delivery.carriers import DeliveryDraft, Occurrence
    from delivery.models import Delivery, Destination

    workspace, _is_new = Workspace.objects.get_or_create(name="Benchmark", slug="benchmark")
    destination, _is_new = Destination.objects.get_or_create(workspace=workspace, name=url, kind="bare")
    why = Occurrence(workspace_id=workspace.pk, kind="persona.updated", subject_id=1, at=timezone.now())
    outbox.post(
        destination,
        [
            DeliveryDraft(
                because_of=why, lane=f"persona:{person}", kind="persona.changed", payload=PAYLOAD,
                merge=Delivery.Merge.COMBINE, fields=list(PAYLOAD), persona_id=person,
            )
            for person in range(count)
        ],
    )  # fmt: skip


if __name__ == "__main__":
    what, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if what == "loop":
        loop(url, count)
    else:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.sending_site.settings")
        django.setup()
        fill(url, count)
