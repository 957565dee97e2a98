"""Every dialect tells its callers that their token ends."""

from datetime import datetime, timedelta

import pytest
from django.test import Client

from accounts.models import Workspace
from tokens.models import Token

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("/raven/xapi/v1/token:self", "Authorization"),
        ("/chative/v1.0/contacts", "Authorization"),
        ("/bevatel/api/v1/accounts/{account}/contacts", "Api-Access-Token"),
    ],
)
def test_answers_and_refusals_of_every_dialect_tell_when_the_token_ends(
    workspace: Workspace, token: Token, secret: str, now: datetime, path: str, header: str
) -> None:
    Token.objects.filter(pk=token.pk).update(expires_at=now + timedelta(days=30))
    shown = {header: f"Bearer {secret}" if header == "Authorization" else secret}
    path = path.format(account=workspace.account_number)

    answers = [Client().get(path, headers=shown), Client().get(f"{path}/nowhere", headers=shown)]

    assert [answer.status_code for answer in answers] == [200, 404]
    assert [answer["Raven-Token-Expires"] for answer in answers] == ["2026-12-21T09:30:00+00:00"] * 2
