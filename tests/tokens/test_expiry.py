"""Which ends of tokens are told, and when."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import Workspace
from delivery.models import Delivery
from platforms.callbacks.services import save_callbacks
from tokens.expiry import tell_due
from tokens.models import Token
from tokens.services import COMMAND_LINE, Configuration, issue_token, rotate_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def ending(workspace: Workspace, now: datetime, settings: Any) -> Token:
    """It ends in 40 days."""
    configuration = Configuration(name="Shop", expires_at=now + timedelta(days=40))
    token = issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).token
    urls = {"token.expiring": "https://example.org/hook"}
    save_callbacks(token=token, urls=urls, by=COMMAND_LINE, at=now)
    return token


def told() -> list[int]:
    return [each.payload["days_left"] for each in Delivery.objects.filter(kind="event.token.expiring").order_by("id")]


def test_end_is_told_30_7_and_1_days_before_and_at_the_end_once_each(ending: Token, now: datetime) -> None:
    for days in (1, 9, 10, 11, 32, 33, 34, 38, 39, 39.5, 40, 40.5, 45):
        tell_due(at=now + timedelta(days=days))
        tell_due(at=now + timedelta(days=days))

    assert told() == [30, 7, 1, 0]


def test_rotated_token_is_not_told_of(ending: Token, now: datetime) -> None:
    new = rotate_token(token=ending, overlap=timedelta(days=7), by=COMMAND_LINE).token
    Token.objects.filter(pk=new.pk).update(expires_at=None)

    tell_due(at=now + timedelta(days=6, hours=12))

    assert told() == []


def test_later_end_is_told_again(ending: Token, now: datetime) -> None:
    tell_due(at=now + timedelta(days=12))
    Token.objects.filter(pk=ending.pk).update(expires_at=now + timedelta(days=80))

    tell_due(at=now + timedelta(days=51))

    assert told() == [30, 30]


def test_token_without_a_callback_costs_nothing(workspace: Workspace, now: datetime) -> None:
    configuration = Configuration(name="Quiet", expires_at=now + timedelta(days=3))
    issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE)

    assert tell_due(at=now) == 0
