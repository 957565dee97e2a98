"""Imports in the console: who may, what each page shows, and all of it in a browser with keyboard and axe."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext

from accounts.models import User, Workspace
from personas.importing.reading import NoWorkbook
from personas.models import Operation, OperationRow, Persona
from personas.operations import cancel_operation, start_operation, undo_operation
from tests.browsing import Watched, in_every_look, signed_in
from tests.personas.importing.conftest import AT, Upload, attributes, run, upload, workbook
from tests.personas.operating import work_off

__all__ = ["attributes", "run", "upload"]
pytestmark = pytest.mark.django_db

FILE = workbook(["Name", "Phone", "Unknown"], ["Rina", "+62812000001", "x"], ["Budi", "12", None])
IMPORT = reverse("admin:personas_operation_import")
PEOPLE = reverse("admin:personas_operation_people")
Run = Callable[[Operation], Operation]


def page_of(operation: Operation, name: str = "change") -> str:
    return reverse(f"admin:personas_operation_{name}", args=[operation.pk])


@pytest.fixture
def support(support_user: User) -> Client:
    return client_of(support_user)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_uploaded_file_is_read_shown_imported_and_undone(support: Client, workspace: Workspace) -> None:
    answer = support.post(IMPORT, {"file": SimpleUploadedFile("people.xlsx", FILE)})
    operation = Operation.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, page_of(operation))
    assert "Reading the file" in support.get(page_of(operation)).content.decode()

    work_off(operation)
    preview = support.get(page_of(operation)).content.decode()
    assert "Import 1 person" in preview
    assert "This column is not read: Unknown." in preview
    refused = support.get(page_of(operation), {"rows": "refused"}).content.decode()
    assert "the number is too short for its country" in refused
    assert not Persona.objects.exists()

    support.post(page_of(operation, "start"))
    work_off(operation)
    assert "Undo this import" in support.get(page_of(operation)).content.decode()
    assert list(Persona.objects.values_list("name", flat=True)) == ["Rina"]

    support.post(page_of(operation, "undo"))
    work_off(operation)
    assert not Persona.objects.exists()
    assert "Undo this import" not in support.get(page_of(operation)).content.decode()


def test_columns_can_be_said_and_none_twice(support: Client, upload: Upload) -> None:
    operation = upload(workbook(["Wer", "Wo"], ["Rina", "+62812000001"]))

    support.post(page_of(operation, "columns"), {"column-0": "name", "column-1": "name"})
    assert Operation.objects.get().state == "preview"
    support.post(page_of(operation, "columns"), {"column-0": "name", "column-1": "contact:phone"})
    work_off(operation)

    assert OperationRow.objects.get().differences == [["name", "", "Rina"], ["contact:phone", "", "+62812000001"]]


def test_file_that_is_missing_empty_too_large_or_no_workbook_is_refused_at_the_field(
    support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.console.importing.MAX_BYTES", 2 * 1024 * 1024)

    answers = [
        support.post(IMPORT, {}),
        support.post(IMPORT, {"file": SimpleUploadedFile("people.csv", b"")}),
        support.post(IMPORT, {"file": SimpleUploadedFile("people.csv", b"x" * 3 * 1024 * 1024)}),
        support.post(IMPORT, {"file": SimpleUploadedFile("People.XLSX", b"Name;Phone\nRina;+62812000001\n")}),
    ]

    assert [answer.status_code for answer in answers] == [422] * 4
    problems = [answer.context["form"].errors["file"][0] for answer in answers]
    assert problems == [
        "Choose a file first.",
        "This file is empty.",
        "The file has 3 MB. A file may have 2 MB: split it into several.",
        str(NoWorkbook("People.XLSX")),
    ]
    assert not Operation.objects.exists()


def test_viewer_reads_and_downloads_and_changes_nothing(
    viewer_user: User, support_user: User, upload: Upload, workspace: Workspace
) -> None:
    operation = upload(FILE)
    viewer = client_of(viewer_user)

    answers = {
        "import": viewer.get(IMPORT).status_code,
        "post": viewer.post(IMPORT, {"file": SimpleUploadedFile("people.xlsx", FILE)}).status_code,
        **{name: viewer.post(page_of(operation, name)).status_code for name in ("start", "cancel", "undo", "columns")},
        "page": viewer.get(page_of(operation)).status_code,
        "status": viewer.get(page_of(operation, "status")).status_code,
        "refused": viewer.get(page_of(operation, "refused")).status_code,
        "people": viewer.get(PEOPLE).status_code,
    }

    assert answers == dict.fromkeys(("import", "post", "start", "cancel", "undo", "columns"), 403) | dict.fromkeys(
        ("page", "status", "refused", "people"), 200
    )
    assert "Import 1 person" not in viewer.get(page_of(operation)).content.decode()
    assert list(Operation.objects.values_list("state", flat=True)) == ["preview"]


def test_decisions_take_a_post_with_the_right_csrf_value(support_user: User, upload: Upload) -> None:
    operation = upload(FILE)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(support_user, backend="django.contrib.auth.backends.ModelBackend")

    for name in ("start", "cancel", "undo", "columns"):
        assert strict.get(page_of(operation, name)).status_code == 405
        assert strict.post(page_of(operation, name)).status_code == 403
    assert Operation.objects.get().state == "preview"


def test_decision_that_comes_too_late_is_explained(support: Client, upload: Upload) -> None:
    operation = cancel_operation(operation_id=upload(FILE).pk)

    answer = support.post(page_of(operation, "start"), follow=True)

    assert "That is no longer possible: “people.xlsx” is cancelled by now." in answer.content.decode()


def test_status_says_how_far_it_is(support: Client, upload: Upload) -> None:
    operation = upload(FILE)

    assert json.loads(support.get(page_of(operation, "status")).content) == {
        "state": "preview", "processed": 2, "total": 2, "text": "2 of 2 rows"
    }  # fmt: skip


def test_download_has_the_people_on_the_screen(support: Client, run: Run, upload: Upload) -> None:
    run(upload(workbook(["Name", "Phone"], ["Rina", "+62812000001"], ["Budi", "+62812000002"])))

    def names(query: str) -> list[Any]:
        answer: Any = support.get(PEOPLE + query)
        book = openpyxl.load_workbook(io.BytesIO(b"".join(answer.streaming_content)))
        return [row[1] for row in book["People"].iter_rows(min_row=2, values_only=True)]

    assert names("") == ["Budi", "Rina"]
    assert names("?q=rina") == ["Rina"]
    assert names("?q=0812000002") == ["Budi"]


def test_page_and_list_take_the_same_queries_however_many_rows_there_are(support: Client, upload: Upload) -> None:
    def queries(page: str) -> int:
        support.get(page)
        with CaptureQueriesContext(connection) as captured:
            assert support.get(page).status_code == 200
        return len(captured)

    few = upload(workbook(["Name"], ["One"]))
    lists = reverse("admin:personas_operation_changelist")
    with_one = queries(lists)
    many = upload(workbook(["Name"], *([f"Person {number}"] for number in range(200))))

    assert queries(page_of(few)) == queries(page_of(many))
    assert queries(lists) == with_one


# ------------------------------------------------------------------------------------------------ in a browser
@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@in_every_look
def test_pages_of_operations_break_no_rule_in_any_state(
    context: BrowserContext, live_server: Any, support_user: User, workspace: Workspace, upload: Upload, run: Run
) -> None:
    watched = Watched(signed_in(context, live_server.url, support_user), live_server.url)
    watched.check(reverse("admin:personas_operation_changelist"))
    watched.check(IMPORT)
    operation = upload(FILE)
    for query in ("", "?rows=refused"):
        watched.check(page_of(operation) + query)
    watched.page.goto(live_server.url + page_of(operation))
    watched.page.click("summary:has-text('Which column is which')")
    watched.look("columns")
    start_operation(operation_id=operation.pk, by=support_user, at=AT)
    watched.check(page_of(operation))
    work_off(operation)
    watched.check(page_of(operation))
    watched.page.click("summary:has-text('Undo import')")
    watched.look("undo")
    undo_operation(operation_id=operation.pk, by=support_user, at=AT)
    watched.check(page_of(operation))
    work_off(operation)
    watched.check(page_of(operation))
    watched.check(page_of(upload(b"broken \xff")))
    watched.check(page_of(upload(workbook(["Wer"], ["Rina"]))))
    watched.check(page_of(cancel_operation(operation_id=upload(FILE).pk)))
    stopped = start_operation(operation_id=upload(FILE).pk, by=support_user, at=AT)
    watched.check(page_of(cancel_operation(operation_id=stopped.pk)) + "?rows=waiting")
    watched.check(reverse("admin:personas_operation_changelist"))

    assert watched.findings == []


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_import_is_done_with_the_keyboard_and_the_page_keeps_itself_up_to_date(
    browser: Browser, live_server: Any, support_user: User, workspace: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "people.xlsx"
    file.write_bytes(FILE)
    context = browser.new_context()
    page = signed_in(context, live_server.url, support_user).new_page()
    page.goto(live_server.url + reverse("admin:personas_persona_changelist"))

    page.focus("main a:has-text('Import')")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{IMPORT}")
    page.set_input_files("[name=file]", file)
    page.focus("button:has-text('Read the file')")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Reading the file")
    work_off(Operation.objects.get())
    page.wait_for_selector("button:has-text('Import 1 person')")
    page.focus("button:has-text('Import 1 person')")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Carrying it out")
    work_off(Operation.objects.get())
    page.wait_for_selector("h1 .pill--good")

    assert Persona.objects.get().name == "Rina"
    context.close()
