"""Destinations to deliver to, over real HTTP, and deliveries for them."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from delivery import outbox
from delivery.carriers import DeliveryDraft, Occurrence
from delivery.models import Delivery, Destination
from delivery.sender import Sender
from tests.delivery.fake import Fake, register_fakes, running_fake

register_fakes()

Post = Callable[..., Delivery]


@pytest.fixture
def fake() -> Iterator[Fake]:
    with running_fake() as running:
        yield running


@pytest.fixture
def destination(workspace: Workspace, fake: Fake) -> Destination:
    """It honours idempotency keys."""
    return Destination.objects.create(workspace=workspace, name=fake.url, kind="keyed", carries_personas=True)


@pytest.fixture
def plain(workspace: Workspace, fake: Fake) -> Destination:
    """It does everything as often as it is told."""
    return Destination.objects.create(workspace=workspace, name=fake.url, kind="plain")


@pytest.fixture
def post() -> Post:
    """Puts one delivery into the outbox."""

    def posting(
        destination: Destination, lane: str = "persona:1", at: datetime | None = None, **values: Any
    ) -> Delivery:
        occurrence = Occurrence(
            workspace_id=destination.workspace_id, kind="test", subject_id=1, at=at or timezone.now(), actor_label="Ayu"
        )
        draft = DeliveryDraft(
            because_of=occurrence, lane=lane, **{"kind": "message.sent", "payload": {}, "persona_id": 1, **values}
        )
        return outbox.post(destination, [draft])[0]

    return posting


@pytest.fixture
def change(post: Post) -> Post:
    """Puts a change of these fields into the outbox."""

    def changing(
        destination: Destination, lane: str = "persona:1", at: datetime | None = None, **values: Any
    ) -> Delivery:
        merge, fields = Delivery.Merge.COMBINE, list(values)
        return post(destination, lane, at, kind="persona.changed", merge=merge, payload=values, fields=fields)

    return changing


@pytest.fixture
def sender() -> Sender:
    return Sender()
