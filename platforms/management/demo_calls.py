"""Made-up calls of the last 60 days, for whoever wants to see the charts before a program has called."""

import random
from datetime import datetime, timedelta

from accounts.models import Workspace
from tokens import request_log, tasks
from tokens.configuration import Configuration
from tokens.models import RequestLogEntry, Token
from tokens.services import COMMAND_LINE, issue_token

NAME = "Demo shop (made-up calls)"
_DAYS = 60
_ABILITIES = frozenset(
    {"message_send", "persona_read", "persona_update", "topic_add", "template_send", "location_read", "stats_read"}
)
_CALLS = (
    # ability, method, path, status, code, out of how many
    ("message_send", "POST", "message:send", 200, "", 60),
    ("persona_read", "GET", "persona", 200, "", 25),
    ("persona_update", "POST", "persona:update", 200, "", 6),
    ("message_send", "POST", "message:send", 400, "contact_key_invalid", 4),
    ("data_export", "GET", "persona:export", 403, "ability_missing", 3),
    ("", "POST", "message:send", 429, "rate_limit_exceeded", 1),
    ("message_send", "POST", "message:send", 500, "internal_error", 1),
)
_CALLERS = (("203.0.113.7", "shop/2.4"), ("203.0.113.8", "shop/2.4"), ("198.51.100.20", "curl/8.5"))


def add_demo_calls(*, workspace: Workspace, now: datetime) -> Token:
    """The workspace has a token that says by its name that its calls are made up; they are counted."""
    configuration = Configuration(name=NAME, abilities=_ABILITIES, expires_at=now + timedelta(days=20))
    token = issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).token
    chance = random.Random(1)  # noqa: S311 - the same demo everywhere
    entries = [
        _entry(token, at=now - timedelta(days=ago, minutes=chance.uniform(1, 600)), chance=chance)
        for ago in reversed(range(_DAYS))
        for _number in range(
            chance.randint(8, 20) if (now - timedelta(days=ago)).weekday() < 5 else chance.randint(1, 5)
        )
    ]
    entries.sort(key=lambda entry: entry.received_at)
    RequestLogEntry.objects.bulk_create(entries)
    Token.objects.filter(pk=token.pk).update(
        created_at=now - timedelta(days=_DAYS), last_used_at=entries[-1].received_at
    )
    tasks.roll_up_usage.call()
    return token


def _entry(token: Token, *, at: datetime, chance: random.Random) -> RequestLogEntry:
    ability, method, path, status, code, _weight = chance.choices(_CALLS, [call[-1] for call in _CALLS])[0]
    address, agent = chance.choices(_CALLERS, (6, 3, 1))[0]
    return RequestLogEntry(
        request_id=request_log.new_request_id(),
        received_at=at,
        workspace=token.workspace,
        token=token,
        ability=ability,
        method=method,
        path=f"/raven/xapi/v1/{path}",
        status=status,
        code=code,
        duration_ms=round(chance.uniform(2, 12), 1),
        address=address,
        agent=agent,
    )
