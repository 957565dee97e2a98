"""Who may be the same person: found by what they share, a batch of personas at a time, and proposed until decided.

A persona has keys: its numbers and e-mail addresses in the one notation in which every way to write them is the same
(these alone make a pair), and what is less certain: a handle, the last digits of a number. Of those that share only
such a key or an attribute's value, the names must be near too. What very many share says nothing about who they are.
"""

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import ClassVar

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models import Workspace
from personas.contacts import ContactKeyInvalid, normalise
from personas.history import Cause
from personas.models import AttributeType, AttributeValue, Contact, DuplicateKey, DuplicatePair, DuplicateScan, Persona
from raven_admin.errors import RavenError
from raven_admin.statements import Statement

BATCH = 300
SHARED_BY_AT_MOST = 20
"""A key that more personas have than this is a switchboard's number or “none”, not somebody's."""
SETTLES_AFTER = timedelta(minutes=1)
"""A change is committed some time after the moment it carries; looked at earlier, one that is late would be skipped."""
NEAR = 0.85
_TAIL_DIGITS = 8
_MIN_DIGITS = 7
_MIN_HANDLE = 4
_MIN_VALUE = 4
_SAY_LITTLE = (AttributeType.BOOLEAN, AttributeType.DATE)
"""Some of those who became customers on one day are always named nearly alike."""
_KEY_LENGTH = 100
_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_DIGITS_ONLY = re.compile(r"[\d\s().+/-]+")
_ROLES = frozenset({"info", "admin", "sales", "office", "contact", "support", "hello", "mail", "test", "none"})
"""Local parts that say nothing about a person."""

Reason = DuplicatePair.Reason


@dataclass(eq=False)
class PairDecided(RavenError):
    """Somebody has decided about these two meanwhile."""

    code: ClassVar[str] = "pair_decided"


@dataclass(frozen=True, slots=True)
class Likeness:
    """Why two personas may be one."""

    reason: str
    detail: str


# ---------------------------------------------------------------------------------------------------- what is shared
def keys_of(contacts: Iterable[Contact], *, country: str) -> dict[str, str]:
    """The keys of a persona with these contacts, each with the contact that it comes from as people write it.

    `n:` a number, `e:` an e-mail address, `h:` a handle or the local part of an address, `d:` a number's last digits.
    """
    keys: dict[str, str] = {}
    for contact in contacts:
        for key in _keys_of_contact(contact.type, contact.normalized, country=country):
            keys.setdefault(key[:_KEY_LENGTH], contact.normalized)
    return keys


def _keys_of_contact(type: str, normalized: str, *, country: str) -> list[str]:
    if type == "email":
        local, _at, domain = normalized.rpartition("@")
        local = local.partition("+")[0] or local
        if domain in _GMAIL:
            local, domain = local.replace(".", ""), "gmail.com"
        return [f"e:{local}@{domain}", *_handle(local)]
    if type in {"phone", "whatsapp"}:
        return _number(normalized)
    # The accounts of a network are numbers too, but none that one calls: only a plus makes them one.
    may_be_number = type == "other" or normalized.startswith("+")
    if may_be_number and len(re.sub(r"\D", "", normalized)) >= _MIN_DIGITS and _DIGITS_ONLY.fullmatch(normalized):
        try:
            return _number(normalise("phone", normalized, country=country))
        except ContactKeyInvalid:
            try:
                return _number(normalise("phone", f"+{normalized.lstrip('+0')}", country=country))
            except ContactKeyInvalid:
                return []
    return _handle(normalized)


def _number(e164: str) -> list[str]:
    return [f"n:{e164}", f"d:{e164[-_TAIL_DIGITS:]}"]


def _handle(text: str) -> list[str]:
    """Accounts on several networks are often named alike."""
    plain = "".join(character for character in text.casefold() if character.isalnum())
    return [f"h:{plain}"] if len(plain) >= _MIN_HANDLE and plain not in _ROLES else []


def plain_name(name: str) -> str:
    """Without accents, capitals, order of words and punctuation, so that “Hartono, Rína” is “rina hartono”."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(c if c.isalnum() else " " for c in decomposed if not unicodedata.combining(c))
    return " ".join(sorted(letters.split()))


def are_near(one: str, other: str) -> bool:
    """Whether two plain names may be one person's: alike but for a typo or two, or a word less."""
    if not one or not other:
        return False
    fewer, more = sorted((set(one.split()), set(other.split())), key=len)
    if len(fewer) > 1 and fewer <= more:
        return True
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.real_quick_ratio() >= NEAR and matcher.quick_ratio() >= NEAR and matcher.ratio() >= NEAR


# ------------------------------------------------------------------------------------------------------- the scan
def scan_next(workspace: Workspace, *, now: datetime) -> bool:
    """The next personas that were changed are looked at; False when there were none left.

    The first time, and after `scan_again`, that is everybody, in the order in which they were changed last.
    """
    scan, _made = DuplicateScan.objects.get_or_create(workspace=workspace)
    began_at = scan.updated_at
    personas = _next_personas(scan, before=now - SETTLES_AFTER)
    try:
        look_at(workspace, personas, now=now)
    except IntegrityError:
        return True  # one of them was deleted at this very moment
    if personas:
        scan.updated_at, scan.persona_id = personas[-1].updated_at, personas[-1].pk
    if len(personas) < BATCH:
        scan.finished_at = now
    # Of the place it began at only: somebody may have asked for a whole scan meanwhile.
    DuplicateScan.objects.filter(pk=scan.pk, updated_at=began_at).update(
        updated_at=scan.updated_at, persona_id=scan.persona_id, finished_at=scan.finished_at
    )
    return len(personas) == BATCH


def scan_again(workspace: Workspace) -> None:
    """Everybody in the workspace will be looked at once more."""
    DuplicateScan.objects.update_or_create(
        workspace=workspace, defaults={"updated_at": None, "persona_id": 0, "finished_at": None}
    )


def _next_personas(scan: DuplicateScan, *, before: datetime) -> list[Persona]:
    personas = Persona.objects.filter(workspace=scan.workspace_id, updated_at__lt=before).order_by("updated_at", "id")
    if scan.updated_at is not None:
        behind = Q(updated_at__gt=scan.updated_at) | Q(updated_at=scan.updated_at, pk__gt=scan.persona_id)
        # The first condition says nothing new, and lets both databases begin at that place of the index.
        personas = personas.filter(updated_at__gte=scan.updated_at).filter(behind)
    return list(personas.only("id", "name", "updated_at", "workspace")[:BATCH])


def look_at(workspace: Workspace, personas: Sequence[Persona], *, now: datetime) -> None:
    """The open pairs of these personas, all of the workspace, are those they have reason to be in."""
    ids = [persona.pk for persona in personas]
    keys = _keys(workspace, ids)
    names = {persona.pk: plain_name(persona.name) for persona in personas}
    shared = _sharing_keys(workspace, keys) + _sharing_values(ids)
    unnamed = {other for _one, other, _likeness in shared} - names.keys()
    names |= {pk: plain_name(name) for pk, name in Persona.objects.filter(pk__in=unnamed).values_list("pk", "name")}
    found: dict[tuple[int, int], Likeness] = {}
    for one, other, likeness in shared:
        pair = (min(one, other), max(one, other))
        is_certain = likeness.reason != Reason.NEAR_NAME
        if is_certain or (pair not in found and are_near(names[one], names.get(other, ""))):
            found[pair] = likeness
    with transaction.atomic():  # short, because on SQLite nobody else writes meanwhile
        _store_keys(workspace, keys)
        _store_pairs(workspace, ids, found, now=now)


def _keys(workspace: Workspace, ids: Sequence[int]) -> dict[int, dict[str, str]]:
    contacts: dict[int, list[Contact]] = {pk: [] for pk in ids}
    for contact in Contact.objects.filter(persona__in=ids).order_by("pk"):
        contacts[contact.persona_id].append(contact)
    return {pk: keys_of(of_persona, country=workspace.country) for pk, of_persona in contacts.items()}


def _store_keys(workspace: Workspace, keys: Mapping[int, Mapping[str, str]]) -> None:
    wanted = {(pk, key) for pk, of_persona in keys.items() for key in of_persona}
    stored = {(row.persona_id, row.key): row.pk for row in DuplicateKey.objects.filter(persona__in=keys)}
    DuplicateKey.objects.filter(pk__in=[pk for place, pk in stored.items() if place not in wanted]).delete()
    DuplicateKey.objects.bulk_create(
        [DuplicateKey(workspace=workspace, persona_id=pk, key=key) for pk, key in sorted(wanted - stored.keys())],
        ignore_conflicts=True,
    )


# Some of each key's owners and no more, because a key may be that of half the workspace.
_OWNERS_OF_KEYS = Statement(
    sqlite="""
        SELECT wanted.value, owner.persona_id FROM json_each(%(wanted)s) wanted CROSS JOIN personas_duplicatekey owner
         WHERE owner.id IN (SELECT id FROM personas_duplicatekey
                             WHERE workspace_id = %(workspace_id)s AND key = wanted.value LIMIT %(at_most)s)
    """,
    postgresql="""
        SELECT wanted.value, owner.persona_id
          FROM jsonb_array_elements_text(%(wanted)s::jsonb) wanted(value)
         CROSS JOIN LATERAL (SELECT persona_id FROM personas_duplicatekey
                              WHERE workspace_id = %(workspace_id)s AND key = wanted.value LIMIT %(at_most)s) owner
    """,
)
_OWNERS_OF_VALUES = Statement(
    sqlite="""
        SELECT wanted.key, owner.persona_id FROM json_each(%(wanted)s) wanted CROSS JOIN personas_attributevalue owner
         WHERE owner.id IN (SELECT id FROM personas_attributevalue
                             WHERE definition_id = json_extract(wanted.value, '$[0]')
                               AND value = json_extract(wanted.value, '$[1]') LIMIT %(at_most)s)
    """,
    postgresql="""
        SELECT wanted.number - 1, owner.persona_id
          FROM jsonb_array_elements(%(wanted)s::jsonb) WITH ORDINALITY wanted(value, number)
         CROSS JOIN LATERAL (SELECT persona_id FROM personas_attributevalue
                              WHERE definition_id = (wanted.value ->> 0)::bigint
                                AND value = wanted.value ->> 1 LIMIT %(at_most)s) owner
    """,
)
_Shared = list[tuple[int, int, Likeness]]
"""One of the personas that are looked at, another, and what they share."""


def _sharing_keys(workspace: Workspace, keys: Mapping[int, Mapping[str, str]]) -> _Shared:
    owners: dict[str, set[int]] = defaultdict(set)
    for pk, of_persona in keys.items():
        for key in of_persona:
            owners[key].add(pk)
    rows = _OWNERS_OF_KEYS.rows(
        wanted=json.dumps(list(owners)), workspace_id=workspace.pk, at_most=SHARED_BY_AT_MOST + 1
    )
    for key, pk in rows:
        if pk not in keys:  # of those we look at, what is stored may be old
            owners[key].add(pk)
    reasons = {"n": Reason.SAME_NUMBER, "e": Reason.SAME_EMAIL}
    return [
        (pk, other, Likeness(reasons.get(key[0], Reason.NEAR_NAME), contact))
        for pk, of_persona in keys.items()
        for key, contact in of_persona.items()
        if len(owners[key]) <= SHARED_BY_AT_MOST
        for other in owners[key] - {pk}
    ]


def _sharing_values(ids: Sequence[int]) -> _Shared:
    values = AttributeValue.objects.filter(persona__in=ids).exclude(definition__type__in=_SAY_LITTLE)
    having: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    for value in values.select_related("definition").order_by("pk"):
        if len(value.value) >= _MIN_VALUE:
            having[value.definition_id, value.value, value.definition.label].append(value.persona_id)
    wanted = list(having)
    owners: dict[int, set[int]] = defaultdict(set)
    rows = _OWNERS_OF_VALUES.rows(wanted=json.dumps([place[:2] for place in wanted]), at_most=SHARED_BY_AT_MOST + 1)
    for number, pk in rows:
        owners[number].add(pk)
    return [
        (pk, other, Likeness(Reason.NEAR_NAME, f"{label}: {text}"[:255]))
        for number, (_definition_id, text, label) in enumerate(wanted)
        if len(owners[number]) <= SHARED_BY_AT_MOST
        for pk in having[wanted[number]]
        for other in owners[number] - {pk}
    ]


def _store_pairs(
    workspace: Workspace, ids: Sequence[int], found: Mapping[tuple[int, int], Likeness], *, now: datetime
) -> None:
    """Pairs that lost their reason are gone, unless somebody decided about them; new ones are there."""
    present = {
        (pair.first_id, pair.second_id): pair
        for pair in DuplicatePair.objects.filter(Q(first__in=ids) | Q(second__in=ids))
    }
    gone = [pair.pk for place, pair in present.items() if pair.dismissed_at is None and place not in found]
    DuplicatePair.objects.filter(pk__in=gone, dismissed_at=None).delete()
    DuplicatePair.objects.bulk_create(
        [
            DuplicatePair(
                workspace=workspace,
                first_id=first,
                second_id=second,
                reason=likeness.reason,
                detail=likeness.detail,
                found_at=now,
            )
            for (first, second), likeness in sorted(found.items())
            if (first, second) not in present
        ],
        ignore_conflicts=True,
    )


# ------------------------------------------------------------------------------------------------------ decisions
def dismiss_pair(*, pair: DuplicatePair, cause: Cause) -> None:
    """The two are not proposed again. Raises PairDecided."""
    open_pair = DuplicatePair.objects.filter(pk=pair.pk, dismissed_at=None)
    if not open_pair.update(dismissed_at=cause.at, dismissed_by=cause.actor_label):
        raise PairDecided


def reopen_pair(*, pair: DuplicatePair) -> None:
    """The two are proposed again. Raises PairDecided."""
    if not DuplicatePair.objects.filter(pk=pair.pk, dismissed_at__isnull=False).update(
        dismissed_at=None, dismissed_by=""
    ):
        raise PairDecided
