import io
import re
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from python_calamine import CalamineWorkbook

from accounts.models import Membership, User, Workspace
from delivery.models import Destination
from messaging.models import Topic
from tokens import excel
from tokens.abilities import ABILITIES
from tokens.configuration import Configuration
from tokens.excel import Listing, listing_response
from tokens.models import Callback, RequestLogEntry, Token, TokenDay
from tokens.services import COMMAND_LINE, Actor, IssuedToken, issue_token, rotate_token

pytestmark = pytest.mark.django_db

JAKARTA = ZoneInfo("Asia/Jakarta")
Download = Callable[..., StreamingHttpResponse]


@pytest.fixture
def download(workspace: Workspace, viewer_user: User) -> Download:
    """As the console does it: in the viewer's zone, which is no longer active when the stream is read."""

    def downloaded(
        rows: QuerySet[Token] | None = None, filters: tuple[tuple[str, str], ...] = ()
    ) -> StreamingHttpResponse:
        request = RequestFactory().get("/")
        request.user = viewer_user
        tokens = Token.objects.filter(workspace=workspace) if rows is None else rows
        with timezone.override(JAKARTA):
            return listing_response(request=request, rows=tokens, workspace=workspace, filters=filters)

    return downloaded


def content_of(response: StreamingHttpResponse) -> bytes:
    stream: Iterator[bytes] = iter(response)
    return b"".join(stream)


def sheet_of(response: StreamingHttpResponse, name: str = "Tokens") -> list[dict[str, Any]]:
    """A dict a row, by title."""
    header, *rows = openpyxl.load_workbook(io.BytesIO(content_of(response)))[name].iter_rows(values_only=True)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def cover_of(response: StreamingHttpResponse) -> dict[str, Any]:
    rows = openpyxl.load_workbook(io.BytesIO(content_of(response)))["About"].iter_rows(min_row=3, values_only=True)
    return {str(row[0]): row[1] for row in rows if row[1] is not None}


def issue(workspace: Workspace, name: str, **configuration: Any) -> Token:
    return issue_token(
        workspace=workspace, configuration=Configuration(name=name, **configuration), by=COMMAND_LINE
    ).token


def test_listing_has_all_details_of_a_token(
    workspace: Workspace, admin_user: User, download: Download, now: datetime
) -> None:
    User.objects.filter(pk=admin_user.pk).update(last_name="Wijaya")
    admin_user.refresh_from_db()
    topic = Topic.objects.create(workspace=workspace, type="mass", name="Promo")
    bot = User.objects.create(username="shop-bot", first_name="Shop", last_name="Bot")
    Membership.objects.create(workspace=workspace, user=bot)
    configuration = Configuration(
        name="+62 shop",
        activates_at=now - timedelta(days=1),
        expires_at=now + timedelta(days=90),
        topic_anchor=topic,
        user_alias=bot,
        source_networks=("203.0.113.0/24", "2001:db8::/32"),
        requests_per_minute=6_000,
        caretaker=admin_user,
        notice_address="team@example.org",
        abilities=frozenset({"message_send"}),
    )
    old = issue_token(workspace=workspace, configuration=configuration, by=Actor.person(admin_user)).token
    new = rotate_token(token=old, overlap=timedelta(hours=24), by=COMMAND_LINE).token
    Token.objects.filter(pk=old.pk).update(last_used_at=now - timedelta(hours=2, milliseconds=1))
    for event, failing_since, off_because in (
        ("conversation.created", None, ""), ("message.received", now, ""), ("message.status", now, "gone"),
    ):  # fmt: skip
        Callback.objects.create(
            workspace=workspace, token=old, event=event, url="x", failing_since=failing_since, off_because=off_because,
            destination=Destination.objects.create(workspace=workspace, name=event, kind="callback"),
        )  # fmt: skip
    count_calls(old, now, calls=41)
    log_call(old, now)

    newest, oldest = sheet_of(download())

    assert newest["Token"] == oldest["Replaced by"] == new.masked
    assert oldest == {
        "Name": "+62 shop",
        "Status": "Expiring",
        "Token": old.masked,
        **{str(ability.label): "On" if ability.key == "message_send" else "Off" for ability in ABILITIES},
        "Topic anchor": "Promo",
        "User aliases": "shop-bot",
        "Activation (Asia/Jakarta)": datetime(2026, 11, 20, 16, 30),  # noqa: DTZ001
        "Expiration (Asia/Jakarta)": datetime(2026, 11, 22, 16, 30),  # noqa: DTZ001
        "Revoked (Asia/Jakarta)": None,
        "Source networks": "203.0.113.0/24, 2001:db8::/32",
        "Requests per minute": 6_000,
        "Caretaker": "Ayu Wijaya",
        "Second address for notices": "team@example.org",
        "Switched on": "On",
        "Callbacks": 3,
        "State of callbacks": "New conversation: on, New message: failing, Message reports: off",
        "Last used (Asia/Jakarta)": datetime(2026, 11, 21, 14, 29, 59),  # noqa: DTZ001
        "Calls in 30 days": 42,
        "Created (Asia/Jakarta)": datetime(2026, 11, 21, 16, 30),  # noqa: DTZ001
        "Created by": "Ayu Wijaya",
        "Replaced by": new.masked,
    }


def test_listing_of_a_bare_token_has_empty_cells(token: Token, download: Download, now: datetime) -> None:
    (row,) = sheet_of(download())

    empty = {title for title, value in row.items() if value is None}
    assert empty == {
        "Topic anchor", "User aliases", "Activation (Asia/Jakarta)", "Expiration (Asia/Jakarta)",
        "Revoked (Asia/Jakarta)", "Source networks", "Requests per minute", "Caretaker",
        "Second address for notices", "State of callbacks", "Last used (Asia/Jakarta)", "Created by", "Replaced by",
    }  # fmt: skip
    assert (row["Status"], row["Calls in 30 days"], row["Callbacks"]) == ("Active", 0, 0)


def test_status_in_the_listing_is_that_of_the_console(workspace: Workspace, download: Download, now: datetime) -> None:
    day = timedelta(days=1)
    issue(workspace, "active", expires_at=now + 31 * day)
    issue(workspace, "expiring", expires_at=now + 30 * day)
    issue(workspace, "expired", expires_at=now)
    issue(workspace, "scheduled", activates_at=now + day)
    issue(workspace, "disabled", is_on=False)
    Token.objects.filter(pk=issue(workspace, "revoked").pk).update(revoked_at=now)

    rows = sheet_of(download())

    assert [row["Status"] for row in rows] == [str(token.status_at(now).label) for token in Token.objects.all()]
    assert [row["Status"].lower() for row in rows] == [row["Name"] for row in rows]


def test_listing_holds_no_secret_and_no_digest(issued: IssuedToken, download: Download) -> None:
    content = content_of(download())

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert issued.token.masked.encode() in everything
    assert issued.secret.value[17:-4].encode() not in everything
    assert issued.token.digest.encode() not in everything


def test_listing_keeps_the_rows_and_the_order_it_is_given(
    workspace: Workspace, download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excel, "_PAGE_ROWS", 3)
    for name in "gcafbed":
        issue(workspace, name)

    rows = sheet_of(download(Token.objects.exclude(name="d").order_by("name")))

    assert [row["Name"] for row in rows] == ["a", "b", "c", "e", "f", "g"]


def test_cover_says_who_when_which_filters_and_how_many(
    workspace: Workspace, token: Token, viewer_user: User, download: Download, now: datetime
) -> None:
    filtered = download(filters=(("Status", "Active"), ("Search", "=shop")))

    assert cover_of(filtered) == {
        "Workspace": "Demo",
        "Downloaded by": "Citra (citra)",
        "Downloaded at (Asia/Jakarta)": "2026-11-21 16:30:00",
        "Downloaded at (UTC)": "2026-11-21 09:30:00",
        "Status": "Active",
        "Search": "=shop",
        "Times": "In Asia/Jakarta; the status is that of the download.",
        "Requests per minute": "Empty: the default, 600.",
        "Secrets": "Not in this file. A token shows its public part and its last four characters.",
        "Tokens in this file": 1,
    }
    assert cover_of(download())["Filters"] == "None: the whole listing"


def test_response_is_a_download_that_nobody_keeps(token: Token, download: Download, now: datetime) -> None:
    response = download()

    assert dict(response.items()) == {
        "Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "Content-Disposition": 'attachment; filename="tokens-demo-2026-11-21.xlsx"',
        "Cache-Control": "private, no-store",
        "X-Accel-Buffering": "no",
    }


def test_document_describes_each_column(token: Token, project: Path) -> None:
    document = (project / "docs" / "excel.md").read_text(encoding="utf-8")
    labels = {str(ability.label) for ability in ABILITIES}

    titles = [column.title.removesuffix(" (UTC)") for column in Listing.of_viewer(at=timezone.now()).columns]

    described = re.findall(r"^\| ([^|]+) \|", document, re.MULTILINE)[2:]
    assert [title for title in titles if title not in labels] == [
        title for line in described if line != "one for each ability" for title in line.split(", ")
    ]


def test_listing_is_read_by_another_program_too(token: Token, download: Download) -> None:
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(content_of(download())))

    assert workbook.sheet_names == ["About", "Tokens"]
    assert workbook.get_sheet_by_name("Tokens").to_python()[1][:3] == ["Shop backend", "Active", token.masked]


def test_queries_are_as_many_for_one_token_as_for_a_page(workspace: Workspace, admin_user: User) -> None:
    fill(workspace, admin_user, 1)
    with CaptureQueriesContext(connection) as for_one:
        assert len(rows_of(Token.objects.all())) == 1
    fill(workspace, admin_user, 1_999)
    with CaptureQueriesContext(connection) as for_a_page:
        assert len(rows_of(Token.objects.all())) == 2_000

    assert len(for_a_page) == len(for_one) <= 8


def test_token_deleted_during_the_download_is_left_out(
    workspace: Workspace, download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excel, "_PAGE_ROWS", 1)
    for name in "abc":
        issue(workspace, name)

    rows = Listing.of_viewer(at=timezone.now()).rows(Token.objects.order_by("name"))
    read = [next(rows)[0]]
    Token.objects.filter(name="b").delete()
    read += [row[0] for row in rows]

    assert read == ["a", "c"]


def test_database_that_fails_during_the_download_leaves_no_valid_file(
    workspace: Workspace, admin_user: User, download: Download
) -> None:
    def fail_on_the_third_page(execute: Any, sql: str, *rest: Any) -> Any:
        if '"tokens_tokenability"' in sql:
            pages.append(sql)
        if len(pages) == 3:
            raise OperationalError("the connection is gone")
        return execute(sql, *rest)

    fill(workspace, admin_user, 6_000)
    pages: list[str] = []
    received: list[bytes] = []
    with connection.execute_wrapper(fail_on_the_third_page), pytest.raises(OperationalError):
        received.extend(download())

    assert len(b"".join(received)) > 10_000
    assert not zipfile.is_zipfile(io.BytesIO(b"".join(received)))


@pytest.mark.django_db(transaction=True)
def test_nothing_is_held_open_between_two_pages(
    workspace: Workspace, viewer_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excel, "_PAGE_ROWS", 1)
    for name in "ab":
        issue(workspace, name)

    def write_from_elsewhere() -> None:
        issue(workspace, "written meanwhile")
        connection.close()

    rows = Listing.of_viewer(at=timezone.now()).rows(Token.objects.order_by("name"))
    read = [next(rows)[0]]
    assert not connection.in_atomic_block
    with ThreadPoolExecutor() as elsewhere:
        elsewhere.submit(write_from_elsewhere).result(timeout=10)
    read += [row[0] for row in rows]

    assert read == ["a", "b"]
    assert Token.objects.filter(name="written meanwhile").exists()


def test_memory_does_not_grow_with_the_tokens(workspace: Workspace, admin_user: User) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        read = sum(1 for _row in Listing.of_viewer(at=timezone.now()).rows(Token.objects.all()[:count]))
        _current, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert read == count
        return peak

    fill(workspace, admin_user, 20_000)

    assert peak(20_000) < 2 * peak(4_000)


def rows_of(tokens: QuerySet[Token]) -> list[Any]:
    return list(Listing.of_viewer(at=timezone.now()).rows(tokens))


def fill(workspace: Workspace, user: User, count: int) -> None:
    first = Token.objects.count()
    Token.objects.bulk_create(
        [
            Token(
                workspace=workspace, name=f"token {n}", kind="rvn", public_id=f"{n:012d}", last_four="abcd",
                digest="0" * 64, pepper_number=1, created_by=user, caretaker=user,
            )
            for n in range(first, first + count)
        ],
        batch_size=2_000,
    )  # fmt: skip


def count_calls(token: Token, at: datetime, *, calls: int) -> None:
    TokenDay.objects.create(
        token=token, day=at.astimezone(UTC).date() - timedelta(days=3), ability="message_send",
        status=200, calls=calls, last_at=at,
    )  # fmt: skip


def log_call(token: Token, at: datetime) -> None:
    RequestLogEntry.objects.create(
        request_id="req_1", received_at=at, token=token, workspace=token.workspace, ability="message_send",
        method="POST", path="/", status=200, duration_ms=1.0, address="203.0.113.7",
    )  # fmt: skip
