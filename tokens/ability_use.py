"""Which abilities of a token are used, which are lacking, and one step to mend either."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from accounts.models import Workspace
from raven_admin.errors import RavenError
from raven_admin.statements import Statement
from tokens.abilities import ABILITIES
from tokens.configuration import Configuration, FieldChange
from tokens.models import Token, TokenEvent
from tokens.refusals import AbilityMissing
from tokens.services import Actor, configure_token
from tokens.usage import UNCOUNTED, UNCOUNTED_AT_MOST, Day, known_from

_EVENTS_AT_MOST = 500
_TOKENS_AMONG = 200
_STILL_LACKED = Statement(f"""
    SELECT 1 FROM (
        SELECT id FROM tokens_token
         WHERE workspace_id = %(workspace_id)s AND parent_id IS NULL AND last_used_at IS NOT NULL
         ORDER BY last_used_at DESC LIMIT %(tokens)s
    ) token JOIN tokens_tokenday day ON day.token_id = token.id AND day.day >= %(first)s AND day.code = %(code)s
     WHERE day.ability <> '' AND NOT EXISTS (
        SELECT 1 FROM tokens_tokenability held WHERE held.token_id = token.id AND held.key = day.ability
     )
     UNION ALL
    SELECT 1 FROM {UNCOUNTED} JOIN tokens_token token ON token.id = uncounted.token_id
     WHERE uncounted.workspace_id = %(workspace_id)s AND code = %(code)s AND ability <> '' AND NOT EXISTS (
        SELECT 1 FROM tokens_tokenability held WHERE held.token_id = token.id AND held.key = ability
     )
     LIMIT 1
""")  # noqa: S608 - nothing of a caller's is in the text


@dataclass(eq=False)
class NothingToUndo(RavenError):
    """There is no such change of this token's abilities to undo."""

    code: ClassVar[str] = "nothing_to_undo"


@dataclass(frozen=True, slots=True)
class UnusedAbility:
    """An ability that is switched on and that no call needed in a stretch of time."""

    key: str
    since: datetime
    """No call since then, as far as is known; it may have been used before."""
    is_new: bool
    """Whether it is known for a shorter time than was asked for: its time to be used may still come."""


@dataclass(frozen=True, slots=True)
class LackedAbility:
    """An ability that calls were refused for."""

    key: str
    calls: int
    last_at: datetime
    is_on: bool
    """Whether the token has it by now."""


def unused(token: Token, calls: Iterable[Day], *, days: int, at: datetime) -> list[UnusedAbility]:
    """What is switched on and none of `calls`, those of the last `days` days, needed; in the catalogue's order."""
    first = at - timedelta(days=days)
    used = {day.ability for day in calls if day.code != AbilityMissing.code}
    granted = {ability.key: ability.used_within_at for ability in token.abilities.all()}
    used |= {key for key, within_at in granted.items() if within_at is not None and within_at >= first}
    candidates = [ability.key for ability in ABILITIES if ability.key in granted and ability.key not in used]
    if not candidates:
        return []
    known = max(filter(None, [first, token.created_at, known_from()]))
    switched_on = _switched_on(token)
    return [
        UnusedAbility(key, since := max(known, switched_on.get(key, known)), is_new=since > first) for key in candidates
    ]


def lacked(token: Token, calls: Iterable[Day]) -> list[LackedAbility]:
    """What `calls` were refused for, the most frequent first."""
    found: dict[str, LackedAbility] = {}
    keys = set(token.ability_keys)
    for day in calls:
        if day.code == AbilityMissing.code and day.ability:
            known = found.get(day.ability, LackedAbility(day.ability, 0, day.last_at, day.ability in keys))
            found[day.ability] = replace(known, calls=known.calls + day.calls, last_at=max(known.last_at, day.last_at))
    return sorted(found.values(), key=lambda each: (each.is_on, -each.calls, each.key))


def is_still_lacked(workspace: Workspace, *, since: datetime) -> bool:
    """Whether one of the 200 tokens used last was refused an ability from the day of `since` on that it lacks yet."""
    found = _STILL_LACKED.row(
        workspace_id=workspace.pk, first=str(since.date()), code=AbilityMissing.code, tokens=_TOKENS_AMONG,
        at_most=UNCOUNTED_AT_MOST,
    )  # fmt: skip
    return found is not None


def switch_abilities(
    *, token: Token, on: Collection[str] = (), off: Collection[str] = (), version: int, by: Actor
) -> list[FieldChange]:
    """The token has the abilities `on` and lacks those of `off`; returns what changed. Raises as `configure_token`."""
    now = Configuration.of(token)
    configuration = replace(now, abilities=(now.abilities | frozenset(on)) - frozenset(off))
    return configure_token(token=token, configuration=configuration, version=version, by=by)


def undo_switching(*, token: Token, event_id: int, by: Actor) -> list[FieldChange]:
    """The abilities that this change of history switched are as before it. Raises NothingToUndo, and as above."""
    event = TokenEvent.objects.filter(pk=event_id, token=token, kind=TokenEvent.Kind.CONFIGURED).first()
    switched = _switched(event) if event else {}
    if not switched:
        raise NothingToUndo
    on = [key for key, is_on in switched.items() if not is_on]
    off = [key for key, is_on in switched.items() if is_on]
    return switch_abilities(token=token, on=on, off=off, version=token.version, by=by)


def last_switching(token: Token, *, since: datetime) -> TokenEvent | None:
    """The token's newest change, if it switched abilities alone and is not older than `since`."""
    event: TokenEvent | None = token.events.first()
    if event is None or event.kind != TokenEvent.Kind.CONFIGURED or event.happened_at < since:
        return None
    return event if event.changes and len(_switched(event)) == len(event.changes) else None


def _switched(event: TokenEvent) -> dict[str, bool]:
    """The abilities that `event` switched, with whether on."""
    return {
        change["field"].removeprefix("ability:"): change["new"] == "on"
        for change in event.changes
        if change["field"].startswith("ability:")
    }


def _switched_on(token: Token) -> dict[str, datetime]:
    """When each ability was last switched on, of those that history tells it of."""
    found: dict[str, datetime] = {}
    events = TokenEvent.objects.filter(token=token, kind=TokenEvent.Kind.CONFIGURED)[:_EVENTS_AT_MOST]
    for event in events:
        for key, is_on in _switched(event).items():
            if is_on:
                found.setdefault(key, event.happened_at)
    return found
