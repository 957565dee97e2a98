"""Deliveries in each state, and people who look at them."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from delivery import books
from delivery.models import Delivery
from delivery.states import State

Put = Callable[..., Delivery]


@pytest.fixture
def put() -> Put:
    """Puts a delivery into a state, and the books say so."""

    def putting(delivery: Delivery, state: State, **values: Any) -> Delivery:
        tally: books.Tally = Counter()
        books.note_move(tally, delivery.destination_id, State(delivery.state), state)
        books.enter(tally)
        settled_at = None if state in {State.WAITING, State.SENDING} else timezone.now()
        leased_until = timezone.now() + timedelta(minutes=1) if state == State.SENDING else None
        values = {"state": state, "settled_at": settled_at, "leased_until": leased_until} | values
        Delivery.objects.filter(pk=delivery.pk).update(**values)
        delivery.refresh_from_db()
        return delivery

    return putting


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client
