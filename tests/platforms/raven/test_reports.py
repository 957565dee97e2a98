"""Statistics, the export of messages, and the feed of events over Raven's API."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pytest

from accounts.models import Workspace
from delivery import events
from messaging.models import Message, Recipient, Topic
from personas.models import Contact, Persona
from tests.platforms.raven.conftest import Api, refused

pytestmark = pytest.mark.django_db


def _message(workspace: Workspace, text: str, at: str, direction: str = "outgoing") -> Message:
    topic, _new = Topic.objects.get_or_create(workspace=workspace, type="mass", name="=News")
    return Message.objects.create(
        workspace=workspace, topic=topic, direction=direction, sender_name="Ayu", text=text, created_at=at,
        request_id="req_1",
    )  # fmt: skip


@pytest.fixture
def elsewhere(other_workspace: Workspace) -> Message:
    Persona.objects.create(workspace=other_workspace, name="Stranger")
    return _message(other_workspace, "Theirs", "2026-11-21T09:00:00Z")


# ---------------------------------------- stats


def test_the_numbers_are_those_of_the_workspace_and_the_period(
    call: Api, workspace: Workspace, elsewhere: Message, now: datetime
) -> None:
    Persona.objects.create(workspace=workspace, name="Peter")
    for at, direction in [
        ("2026-11-18T23:59:59Z", "outgoing"),
        ("2026-11-19T00:00:00Z", "outgoing"),
        ("2026-11-21T00:00:00Z", "outgoing"),
        ("2026-11-21T09:00:00Z", "outgoing"),
        ("2026-11-21T09:30:00Z", "incoming"),
    ]:
        _message(workspace, "Hi", at, direction)
    Topic.objects.create(workspace=workspace, type="mass", name="Done", status="resolved")

    answer = call("stats?days=3")

    assert answer.json() == {
        "data": {
            "personas": 1,
            "topics_open": 1,
            "days": [
                {"day": "2026-11-21", "messages_sent": 2, "messages_received": 1},
                {"day": "2026-11-20", "messages_sent": 0, "messages_received": 0},
                {"day": "2026-11-19", "messages_sent": 1, "messages_received": 0},
            ],
        },
        "notification": "Statistics Read Successfully",
    }


@pytest.mark.parametrize(("query", "days"), [("", 30), ("?days=1", 1), ("?days=90", 90)])
def test_every_day_of_the_period_is_there(call: Api, query: str, days: int) -> None:
    assert len(call(f"stats{query}").json()["data"]["days"]) == days


@pytest.mark.parametrize(
    ("query", "path"),
    [("days=0", "days"), ("days=91", "days"), ("days=x", "days"), (f"days={2**70}", "days"), ("week=1", "week")],
)
def test_a_wrong_period_is_refused(call: Api, query: str, path: str) -> None:
    assert refused(call(f"stats?{query}")) == (400, "query_invalid", path)


# ---------------------------------------- message:export


@pytest.fixture
def exported(workspace: Workspace, elsewhere: Message, now: datetime) -> list[Message]:
    """Three messages, of which one is a formula and one has two recipients."""
    peter = Persona.objects.create(workspace=workspace, name="Peter")
    first = _message(workspace, '=HYPERLINK("http://example.org")', "2026-11-19T00:00:00Z")
    for key in ("+628123456789", "+628777777777"):
        contact = Contact.objects.create(workspace=workspace, persona=peter, type="phone", key=key, normalized=key)
        Recipient.objects.create(message=first, persona=peter, contact=contact)
    return [
        first,
        _message(workspace, 'Two\nlines, "quoted" 🚀', "2026-11-20T00:00:00Z", "incoming"),
        _message(workspace, "\x0b\x1f", "2026-11-21T00:00:00Z"),
    ]


COLUMNS = ["id", "topic", "topic_name", "direction", "sender", "message", "recipients", "request_id", "created_at"]


def test_a_csv_export_opens_and_its_formulas_are_text(call: Api, exported: list[Message]) -> None:
    answer = call("message:export?format=csv")

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode(), newline="")))
    assert answer["Content-Disposition"] == 'attachment; filename="messages-demo-2026-11-21.csv"'
    assert [list(row) for row in rows] == [COLUMNS] * 3
    assert [row["id"] for row in rows] == [str(message.pk) for message in exported]
    assert (rows[0]["topic_name"], rows[0]["message"], rows[0]["recipients"], rows[0]["created_at"]) == (
        "'=News",
        '\'=HYPERLINK("http://example.org")',
        "'+628123456789, +628777777777",
        "2026-11-19T00:00:00+00:00",
    )
    assert (rows[1]["message"], rows[1]["direction"]) == ('Two\nlines, "quoted" 🚀', "incoming")


def test_an_ndjson_export_has_a_line_a_message(call: Api, exported: list[Message]) -> None:
    rows = [json.loads(line) for line in call("message:export?format=ndjson").getvalue().splitlines()]

    assert [list(row) for row in rows] == [COLUMNS] * 3
    assert [row["message"] for row in rows] == [message.text for message in exported]


def test_an_export_names_all_recipients_however_many(call: Api, workspace: Workspace) -> None:
    people = Persona.objects.bulk_create(Persona(workspace=workspace, name=f"P{n}") for n in range(1001))
    contacts = Contact.objects.bulk_create(
        Contact(workspace=workspace, persona=person, type="other", key=f"k{n}", normalized=f"k{n}")
        for n, person in enumerate(people)
    )
    message = _message(workspace, "To all", "2026-11-21T09:00:00Z")
    Recipient.objects.bulk_create(Recipient(message=message, persona=c.persona, contact=c) for c in contacts)

    [row] = [json.loads(line) for line in call("message:export?format=ndjson").getvalue().splitlines()]

    assert row["recipients"] == ", ".join(f"k{n}" for n in range(1001))


def test_an_excel_export_opens_and_its_formulas_are_text(call: Api, exported: list[Message]) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(call("message:export").getvalue()))["Messages"]

    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[0] == COLUMNS
    assert [row[0] for row in rows[1:]] == [message.pk for message in exported]
    assert [row[5] for row in rows[1:3]] == ['=HYPERLINK("http://example.org")', 'Two\nlines, "quoted" 🚀']
    assert "f" not in {cell.data_type for row in sheet.iter_rows() for cell in row}


def test_an_export_since_a_moment_has_only_what_came_after(call: Api, exported: list[Message]) -> None:
    answer = call("message:export?format=ndjson&updated_since=2026-11-20T07:00:00%2B07:00")

    assert [json.loads(line)["id"] for line in answer.getvalue().splitlines()] == [m.pk for m in exported[1:]]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("format=pdf", "format"),
        ("updated_since=2026", "updated_since"),
        ("updated_since=0001-01-01T00:00:00%2B14:00", "updated_since"),
        ("topic=1", "topic"),
    ],
)
def test_an_export_refuses_what_it_does_not_know(call: Api, query: str, path: str) -> None:
    assert refused(call(f"message:export?{query}")) == (400, "query_invalid", path)


# ---------------------------------------- event


def _record(workspace: Workspace, *kinds: str) -> None:
    for kind in kinds:
        events.record(workspace_id=workspace.pk, kind=kind, data={"x": "é🚀"}, at=datetime(2026, 11, 21, 9, tzinfo=UTC))


def test_the_feed_tells_all_in_their_order(call: Api, workspace: Workspace) -> None:
    _record(workspace, "one", "two")

    answer = call("event")

    assert answer.json() == {
        "data": [
            {"number": n, "kind": kind, "data": {"x": "é🚀"}, "happened_at": "2026-11-21T09:00:00Z"}
            for n, kind in enumerate(["one", "two"], start=1)
        ],
        "notification": "Events Read Successfully",
    }


def test_a_reader_goes_on_behind_the_last_number_it_saw(call: Api, workspace: Workspace) -> None:
    _record(workspace, *"abcde")
    seen, last = [], 0

    while page := call(f"event?after={last}&limit=2").json()["data"]:
        seen += [event["kind"] for event in page]
        last = page[-1]["number"]
        if len(seen) == 4:
            _record(workspace, "f")

    assert (seen, last) == (list("abcdef"), 6)


def test_each_workspace_has_numbers_of_its_own(call: Api, workspace: Workspace, other_workspace: Workspace) -> None:
    _record(other_workspace, "theirs")
    _record(workspace, "ours")
    _record(other_workspace, "theirs")

    assert [(event["number"], event["kind"]) for event in call("event").json()["data"]] == [(1, "ours")]


def test_what_calls_do_is_in_the_feed(call: Api, body: dict[str, Any]) -> None:
    call("message:send", body)

    assert [event["kind"] for event in call("event").json()["data"]] == [
        "persona.created",
        "conversation.created",
        "message.sent",
    ]


@pytest.mark.parametrize("query", ["", "after=0", f"after={2**63 - 1}", "limit=1", "limit=200"])
def test_an_empty_feed_is_an_empty_list(call: Api, query: str) -> None:
    assert call(f"event?{query}").json()["data"] == []


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("after=-1", "after"), (f"after={2**63}", "after"), ("after=x", "after"), ("limit=0", "limit"),
        ("limit=201", "limit"), ("cursor=x", "cursor"), ("after=1&after=2", "after"),
    ],
)  # fmt: skip
def test_a_wrong_place_in_the_feed_is_refused(call: Api, query: str, path: str) -> None:
    assert refused(call(f"event?{query}")) == (400, "query_invalid", path)


def test_a_bound_token_reads_no_reports(call: Api, derive: Any, workspace: Workspace) -> None:
    bound = derive(persona=Persona.objects.create(workspace=workspace, name="Peter").pk)

    answers = [call(operation, token=bound) for operation in ("stats", "message:export", "event")]

    assert [refused(answer)[:2] for answer in answers] == [(403, "token_bound")] * 3
