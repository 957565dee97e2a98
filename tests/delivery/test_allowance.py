"""Calls beside the outbox share a destination's limit with it, however many ask at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Workspace
from delivery.allowance import take_calls
from delivery.models import Destination

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def destination(workspace: Workspace) -> Destination:
    """Its full bucket holds ten calls."""
    return Destination.objects.create(workspace=workspace, name="Shop", kind="plain", requests_per_minute=100)


def test_half_of_a_full_bucket_is_left_to_deliveries(destination: Destination) -> None:
    now = timezone.now()

    taken = [take_calls(destination.pk, wanted=wanted, now=now) for wanted in (3, 50, 50)]

    assert taken == [3, 2, 0]
    assert Destination.objects.get().level == 5.0


def test_bucket_of_one_call_gives_it(destination: Destination) -> None:
    Destination.objects.update(requests_per_minute=6)

    assert take_calls(destination.pk, wanted=50, now=timezone.now()) == 1


def test_destination_without_a_limit_gives_all(destination: Destination) -> None:
    Destination.objects.update(requests_per_minute=None)

    assert take_calls(destination.pk, wanted=50, now=timezone.now()) == 50


@pytest.mark.parametrize("resting", ["off", "paused", "removed"])
def test_resting_destination_gives_none(destination: Destination, resting: str) -> None:
    now = timezone.now()
    assert take_calls(destination.pk, wanted=1, now=now) == 1
    values: dict[str, dict[str, Any]] = {
        "off": {"is_on": False},
        "paused": {"resumes_at": now + timedelta(minutes=1)},
        "removed": {"removed_at": now},
    }
    Destination.objects.update(**values[resting])

    assert take_calls(destination.pk, wanted=1, now=now) == 0


def test_those_who_ask_at_once_get_no_more_together(destination: Destination) -> None:
    now = timezone.now()

    def ask(_number: int) -> int:
        try:
            return take_calls(destination.pk, wanted=2, now=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        taken = sum(pool.map(ask, range(8)))

    assert taken == 5


def test_moment_of_the_first_use_fills_the_bucket(destination: Destination, now: datetime) -> None:
    take_calls(destination.pk, wanted=5, now=now)

    assert take_calls(destination.pk, wanted=5, now=now + timedelta(minutes=1)) == 5
