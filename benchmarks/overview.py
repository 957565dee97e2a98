"""The overview beside the lists, in one database with much of everything: `make bench-overview`.

Every page is asked for as a browser asks, from the session to the last tag, by each role, the pages taking turns. The
ratio of the overview to the lists counts, not the milliseconds.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.lists import database, databases, fill, insert, milliseconds, run, set_up

GOAL = 1.0
ROLES = ("superuser", "admin", "support", "viewer")
OVERVIEW = "overview"
LISTS = {
    "tokens": "tokens_token",
    "API calls": "tokens_requestlogentry",
    "callbacks": "tokens_callback",
    "personas": "personas_persona",
    "duplicates": "personas_duplicatepair",
    "changes": "personas_personachange",
    "imports and bulk changes": "personas_operation",
    "messages": "messaging_message",
    "deliveries": "delivery_delivery",
    "topics": "messaging_topic",
    "connections": "platforms_connection",
}
HISTORY = "timeline of one person"
TURNS = 12
TOKENS, CONNECTIONS, TOPICS, OPERATIONS, DUPLICATES = 1_000, 10, 2_000, 150, 5_000
WORKSPACE, PERSON = 1, 1
NOW = datetime.now(UTC).replace(microsecond=1)
DAYS = 100
ANSWERS = [(200, "")] * 188 + [
    (403, "ability_missing"), (403, "ability_missing"), (401, "token_expired"), (401, "token_revoked"),
    (401, "token_paused"), (403, "source_refused"), (429, "rate_limit_exceeded"), (400, "body_invalid"),
    (400, "body_invalid"), (404, "user_not_found"), (422, "idempotency_key_reused"), (500, "internal_error"),
]  # fmt: skip
STATES = (
    ["delivered"] * 183 + ["superseded"] * 8 + ["cancelled"] * 3 + ["refused"] * 3 + ["unknown", "waiting", "sending"]
)
ABILITIES = ("message_send", "message_add", "persona_add", "persona_read", "contact_add", "topic_add", "event_read")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--people", type=int, default=1_000_000)
    arguments.add_argument("--calls", type=int, default=2_000_000)
    arguments.add_argument("--deliveries", type=int, default=500_000)
    arguments.add_argument("--messages", type=int, default=100_000, help="and as many changes and events")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    arguments.add_argument("--measure", help=argparse.SUPPRESS)
    arguments.add_argument("--fill", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.fill:
        people, calls, deliveries, messages = json.loads(asked.fill)
        fill(people)
        fill_beside(people=people, calls=calls, deliveries=deliveries, messages=messages)
    elif asked.measure:
        measure()
    else:
        sizes = [asked.people, asked.calls, asked.deliveries, asked.messages]
        for name in databases(asked.database):
            compare(name, sizes, rounds=asked.rounds)


def compare(name: str, sizes: list[int], *, rounds: int) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(database(name))
        began = time.monotonic()
        run("overview", url, "--fill", json.dumps(sizes))
        print(f"{name}: filled in {time.monotonic() - began:.0f} s", flush=True)
        taken = [json.loads(run("overview", url, "--measure", "yes")) for _round in range(rounds)]
    least = {role: {page: min(each[role][page] for each in taken) for page in taken[0][role]} for role in ROLES}
    print(f"\n| {name} | {' | '.join(ROLES)} |\n| --- |{' ---: |' * len(ROLES)}")
    for page in least[ROLES[0]]:
        print(f"| {page} | {' | '.join(f'{least[role][page]:.1f}' for role in ROLES)} |")
    for word, of in (("median", statistics.median), ("slowest", max)):
        ratios = [_ratio(least[role], of) for role in ROLES]
        shown = [f"{ratio:.2f} ×{'' if ratio <= GOAL else ' !'}" for ratio in ratios]
        print(f"| overview to the {word} list | {' | '.join(shown)} |")
    print(flush=True)


def _ratio(taken: dict[str, float], of: Any) -> float:
    return float(taken[OVERVIEW] / of([took for page, took in taken.items() if page != OVERVIEW]))


# --------------------------------------------------------------------------------------------- what is in it
def fill_beside(*, people: int, calls: int, deliveries: int, messages: int) -> None:
    """Beside the people: who works there, tokens, and all that happened in the last hundred days."""
    from django.db import connection

    _add_colleagues()
    for table, columns, rows in (
        *_tokens(),
        *_connections(people),
        ("tokens_requestlogentry", _CALL, _calls(calls)),
        ("delivery_delivery", _DELIVERY, _deliveries(deliveries, people)),
        *_conversations(messages, people),
        *_work(messages, people),
    ):
        insert(table, columns, rows)
    _count_up()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _add_colleagues() -> None:
    from accounts.models import Membership, User

    for role in ("admin", "support", "viewer"):
        user = User.objects.create_user(role, email=f"{role}@example.org", password="bench")
        Membership.objects.create(workspace_id=WORKSPACE, user=user, role=role)


def _tokens() -> Iterator[tuple[str, str, Iterator[Any]]]:
    """Of a thousand, forty end within 30 days; each fifth has a callback, of which ten fail."""
    numbers = range(1, TOKENS + 1)
    yield (
        "tokens_token",
        "id, workspace_id, name, kind, public_id, last_four, digest, pepper_number, is_on, expires_at, revoked_at, "
        "source_networks, notice_address, expiration_set_at, last_used_at, created_at, version",
        (
            (n, WORKSPACE, f"Token {n}", "rvn", f"bench{n:07}", f"{n:04}", f"{n:064x}", 1, n % 50 != 3,
             _ends(n), _ago(days=9) if n % 50 == 4 else None, "[]", "", _ago(days=DAYS), _ago(minutes=n),
             _ago(days=DAYS), 1)
            for n in numbers
        ),
    )  # fmt: skip
    keys = ((n, key) for n in numbers for key in ABILITIES)
    yield "tokens_tokenability", "token_id, key", keys
    destination = "id, workspace_id, name, kind, is_on, carries_personas, carries_messages, carries_tokens, "
    destination += "carries_events, parallel_calls, level, consecutive_failures, last_problem, created_at"
    with_callback = range(5, TOKENS + 1, 5)
    yield (
        "delivery_destination",
        destination,
        (
            (CONNECTIONS + n, WORKSPACE, f"Token {n}: New message", "callback:message.received", True, False, False,
             False, True, 4, 0.0, 0, "", _ago(days=DAYS))
            for n in with_callback
        ),
    )  # fmt: skip
    yield (
        "tokens_callback",
        "workspace_id, token_id, destination_id, event, url, off_because, failing_since, warned_percent, created_at",
        (
            (WORKSPACE, n, CONNECTIONS + n, "message.received", "https://shop.example/in", "",
             _ago(hours=n) if n % 100 == 0 else None, 0, _ago(days=DAYS))
            for n in with_callback
        ),
    )  # fmt: skip


def _ends(n: int) -> datetime | None:
    if n % 25 == 1:
        return NOW + timedelta(days=1 + n % 29)
    return _ago(days=n % 60) if n % 50 == 2 else None


def _connections(people: int) -> Iterator[tuple[str, str, Iterator[Any]]]:
    """Ten; one does not answer. Everybody has a record on the first, and of some thousand it differs."""
    numbers = range(1, CONNECTIONS + 1)
    yield (
        "delivery_destination",
        "id, workspace_id, name, kind, is_on, carries_personas, carries_messages, carries_tokens, carries_events, "
        "parallel_calls, level, consecutive_failures, last_problem, last_problem_at, created_at",
        (
            (n, WORKSPACE, f"Platform {n}", "webhook", True, True, True, False, False, 4, 0.0, 9 if n == 3 else 0,
             "It answered 503." if n == 3 else "", _ago(hours=2) if n == 3 else None, _ago(days=DAYS))
            for n in numbers
        ),
    )  # fmt: skip
    yield (
        "platforms_connection",
        "id, workspace_id, destination_id, platform, base_url, sealed_credential, settings, sealed_incoming_secret, "
        "test_problem, created_at",
        (
            (n, WORKSPACE, n, "webhook", "https://crm.example/in", "", "{}", "", "", _ago(days=DAYS))
            for n in numbers
        ),
    )  # fmt: skip
    yield (
        "platforms_link",
        "connection_id, persona_id, remote_id, pushed_digest, checked_at, unread_because, drifted_at, drifted_fields, "
        "created_at",
        (
            (1, n, f"r{n}", "", _ago(days=1), "", _ago(days=1) if n % 200 == 0 else None, "[]", _ago(days=DAYS))
            for n in range(1, people + 1)
        ),
    )  # fmt: skip


_CALL = (
    "request_id, received_at, workspace_id, token_id, ability, method, path, status, code, duration_ms, address, "
    "agent, request_body, response_body"
)


def _calls(calls: int) -> Iterator[Any]:
    """As many each day, up to now."""
    body = '{"recipient": [{"contact": [{"type": "whatsapp", "key": "+6281200000101"}]}], "text": "Your order is here"}'
    for n in range(1, calls + 1):
        status, code = ANSWERS[n * 7_919 % len(ANSWERS)]
        at = NOW - timedelta(days=DAYS) * (calls - n) / calls
        token = 1 + n * 104_729 % TOKENS
        yield (
            f"req_{n:026}", at, WORKSPACE, token, ABILITIES[n % 7], "POST", "/raven/xapi/v1/message:send", status, code,
            8.5, f"10.0.{token % 9}.{n % 20}", "shop/1.0", body, '{"data": null, "notification": "Chat Sent"}',
        )  # fmt: skip


_DELIVERY = (
    "workspace_id, destination_id, lane, kind, merge, persona_id, fields, payload, actor_label, request_id, "
    "change_ids, state, attempt_count, due_at, lease, leased_until, steps, remote_id, code, problem, idempotency_key, "
    "since, created_at, settled_at"
)


def _deliveries(deliveries: int, people: int) -> Iterator[Any]:
    for n in range(1, deliveries + 1):
        state = STATES[n * 7_919 % len(STATES)]
        at = NOW - timedelta(days=DAYS) * (deliveries - n) / deliveries
        person, is_refused = 1 + n * 104_729 % people, state == "refused"
        yield (
            WORKSPACE, 1 + n % CONNECTIONS, f"persona:{person}", "persona.changed", "combine", person, '["name"]',
            '{"name": "Siti"}', "Ayu", "", "[]", state, 1, at, "x" if state == "sending" else "",
            NOW + timedelta(minutes=1) if state == "sending" else None, "{}", f"r{person}",
            "phone_invalid" if is_refused else "", "That is no number." if is_refused else "", f"{n:032x}", at, at,
            None if state in {"waiting", "sending"} else at,
        )  # fmt: skip


def _conversations(messages: int, people: int) -> Iterator[tuple[str, str, Iterator[Any]]]:
    yield (
        "messaging_topic",
        "id, workspace_id, type, name, status, created_at, updated_at",
        ((n, WORKSPACE, "mass", f"News {n}", "open", _ago(days=DAYS), _ago(days=1)) for n in range(1, TOPICS + 1)),
    )
    numbers = range(1, messages + 1)
    yield (
        "messaging_message",
        "id, workspace_id, topic_id, direction, sender_name, text, request_id, created_at",
        ((n, WORKSPACE, 1 + n % TOPICS, "outgoing", "Ayu", "Your order is here", "", _ago(days=1)) for n in numbers),
    )
    yield (
        "messaging_recipient",
        "message_id, persona_id, contact_type, contact_key, state, problem",
        ((n, 1 + n * 104_729 % people, "whatsapp", "+6281200000101", "delivered", "") for n in numbers),
    )
    yield (
        "delivery_event",
        "workspace_id, number, kind, data, happened_at",
        ((WORKSPACE, n, "message.sent", "{}", _ago(days=1)) for n in numbers),
    )


def _work(changes: int, people: int) -> Iterator[tuple[str, str, Iterator[Any]]]:
    """What people did: changes, each hundredth of one person; imports, each tenth waiting; likely duplicates."""
    yield (
        "personas_personachange",
        "workspace_id, persona_id, field, old, new, origin, actor_label, request_id, happened_at",
        (
            (WORKSPACE, PERSON if n % 100 == 0 else 1 + n * 104_729 % people, "name", "Siti", "Siti H.", "person",
             "Ayu", "", _ago(days=1))
            for n in range(1, changes + 1)
        ),
    )  # fmt: skip
    yield (
        "personas_operation",
        "workspace_id, kind, state, title, plan, problem, total, processed, counts, actor_label, stalls, undone_by, "
        "created_at",
        (
            (WORKSPACE, "import", "preview" if n % 10 == 0 else "done", f"people-{n}.xlsx", "{}", "", 9, 9, "{}", "Ayu",
             0, "", _ago(days=1))
            for n in range(1, OPERATIONS + 1)
        ),
    )  # fmt: skip
    yield (
        "personas_duplicatepair",
        "workspace_id, first_id, second_id, reason, detail, found_at, dismissed_by",
        (
            (WORKSPACE, n, n + people // 2, "near_name", "", _ago(days=1), "")
            for n in range(1, min(DUPLICATES, people // 2) + 1)
        ),
    )  # fmt: skip


def _count_up() -> None:
    """What workers count as it happens: deliveries by state, and calls by day and hour."""
    from django.db import connection

    day, hour = "DATE(received_at)", "STRFTIME('%%Y-%%m-%%d %%H:00:00', received_at)"
    if connection.vendor == "postgresql":
        day, hour = "(received_at AT TIME ZONE 'UTC')::date", "DATE_TRUNC('hour', received_at, 'UTC')"
    with connection.cursor() as cursor:
        for state in ("state", "''"):
            cursor.execute(
                f"INSERT INTO delivery_bookentry (destination_id, state, amount) "
                f"SELECT destination_id, {state}, COUNT(*) FROM delivery_delivery GROUP BY 1, 2"
            )
        for model, of in (("tokenday", "token_id"), ("workspaceday", "workspace_id")):
            cursor.execute(
                f"INSERT INTO tokens_{model} ({of}, day, ability, status, code, calls, last_at) "
                f"SELECT {of}, {day}, ability, status, code, COUNT(*), MAX(received_at) "
                f"FROM tokens_requestlogentry WHERE received_at < %s GROUP BY 1, 2, 3, 4, 5",
                [_settled()],
            )
        cursor.execute(
            f"INSERT INTO tokens_workspacehour (workspace_id, hour, status, code, calls, last_at) "
            f"SELECT workspace_id, {hour}, status, code, COUNT(*), MAX(received_at) "
            f"FROM tokens_requestlogentry WHERE received_at < %s AND received_at > %s GROUP BY 1, 2, 3, 4",
            [_settled(), _ago(days=2)],
        )
        cursor.execute(
            "INSERT INTO tokens_usageprogress (id, last_entry_id) "
            "SELECT 1, MAX(id) FROM tokens_requestlogentry WHERE received_at < %s",
            [_settled()],
        )
        cursor.execute("INSERT INTO delivery_workerbeat (worker, beat_at) VALUES ('bench:1', %s)", [_ago(days=-1)])


def _settled() -> datetime:
    return _ago(minutes=5)


def _ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


# ------------------------------------------------------------------------------------------------ the pages
def measure() -> None:
    """Prints the milliseconds of each page for each role, the least of a few, after one that nobody counts."""
    set_up()
    from django.test import Client
    from django.urls import reverse

    from accounts.models import User

    addresses = {OVERVIEW: reverse("admin:index")}
    addresses |= {name: reverse(f"admin:{of}_changelist") for name, of in LISTS.items()}
    addresses[HISTORY] = reverse("admin:personas_persona_history", args=[PERSON])
    taken: dict[str, dict[str, list[float]]] = {role: {page: [] for page in addresses} for role in ROLES}
    clients = {}
    for role in ROLES:
        clients[role] = Client()
        user = User.objects.get(username="bench" if role == "superuser" else role)
        clients[role].force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    for _turn in range(1 + TURNS):
        for role, client in clients.items():
            for page, address in addresses.items():
                taken[role][page].append(milliseconds(client, address))
    print(json.dumps({role: {page: min(times[1:]) for page, times in of.items()} for role, of in taken.items()}))


if __name__ == "__main__":
    main()
