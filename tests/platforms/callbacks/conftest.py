"""Callbacks to a receiver over real HTTP, and what happens in the workspace."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.utils import timezone

from accounts.models import Workspace
from delivery.models import Delivery
from messaging.models import Message
from messaging.services import receive_message
from messaging.topics import TopicDraft
from personas.history import Cause
from personas.models import Origin, Persona
from platforms.callbacks.services import save_callbacks
from tests.platforms.connecting import add_rina
from tests.platforms.receiver import Receiver
from tokens.models import Callback, Token
from tokens.services import COMMAND_LINE


@dataclass
class Subscribed:
    callback: Callback
    secret: str

    def fresh(self) -> Callback:
        return Callback.objects.select_related("token", "destination").get(pk=self.callback.pk)

    @property
    def deliveries(self) -> list[Delivery]:
        return list(Delivery.objects.filter(destination=self.callback.destination_id).order_by("id"))


@pytest.fixture
def subscribe(token: Token, receiver: Receiver) -> Callable[[str], Subscribed]:
    """A callback of `token` for one event, at the receiver."""

    def made(event: str) -> Subscribed:
        saved = save_callbacks(token=token, urls={event: receiver.url}, by=COMMAND_LINE, at=timezone.now())
        return Subscribed(token.callbacks.select_related("destination").get(event=event), saved.secret or "")

    return made


@pytest.fixture
def rina(workspace: Workspace) -> Persona:
    return add_rina(workspace)


def receive(workspace: Workspace, persona: Persona, text: str = "Is it ready?") -> Message:
    return receive_message(
        workspace_id=workspace.pk,
        persona=persona,
        topic=TopicDraft("persona", "Order 17"),
        anchor_id=None,
        text=text,
        check_may_add_topic=lambda: None,
        cause=Cause(origin=Origin.TOKEN, actor_label="Shop backend", at=timezone.now()),
    )
