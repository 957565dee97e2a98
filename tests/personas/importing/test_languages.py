"""A file is written in one language and read in any: the worker that reads it speaks English."""

import io

import openpyxl
import pytest
from django.utils import translation

from accounts.models import Workspace
from personas.excel import template_response
from personas.importing.columns import columns_of, matched
from personas.models import AttributeDefinition, Operation
from tests.personas.importing.conftest import Upload, verdicts
from tests.personas.importing.test_cells import said

pytestmark = pytest.mark.usefixtures("attributes")


def test_template_of_an_indonesian_reader_is_read_with_every_column(workspace: Workspace, upload: Upload) -> None:
    with translation.override("id"):
        book = openpyxl.load_workbook(io.BytesIO(b"".join(template_response(workspace=workspace))))
    sheet = book["Orang"]
    titles = [str(cell.value) for cell in sheet[1]]
    row = {"Nama": "Rina", "Tanggal lahir": "5 Mei 1990", "VIP": "ya", "City": "Jakarta"}
    sheet.append([row.get(title) for title in titles])
    saved = io.BytesIO()
    book.save(saved)

    operation = upload(saved.getvalue())

    assert titles[:4] == ["Nama", "Jenis kelamin", "Tanggal lahir", "Catatan"]
    assert operation.state == Operation.State.PREVIEW
    assert [column["title"] for column in operation.plan["columns"] if not column["key"]] == []
    [(action, differences)] = verdicts(operation).values()
    assert action == "create"
    assert "1990-05-05" in str(differences)
    assert "true" in str(differences)


def test_titles_of_both_languages_are_known_whichever_is_spoken(workspace: Workspace) -> None:
    header = ["Name", "Nama", "Birthday", "No HP", "E-mail", "Baris dalam berkas"]

    for language in ("en", "id"):
        with translation.override(language):
            assert matched(header, columns_of(workspace)) == [
                "name", "", "birthday", "contact:phone", "contact:email", "row"
            ]  # fmt: skip


def test_attribute_named_as_a_column_of_the_other_language_says_which_it_is(workspace: Workspace) -> None:
    AttributeDefinition.objects.create(workspace=workspace, key="alias", label="Nama", position=9)

    titles = {column.key: column.title for column in columns_of(workspace)}

    assert titles["attribute:alias"] == "Nama (alias)"
    assert matched(["Nama", "Nama (alias)"], columns_of(workspace)) == ["name", "attribute:alias"]


@pytest.mark.parametrize("word", ["(clear)", "(kosongkan)", " (Kosongkan) "])
def test_value_is_taken_away_in_either_language(word: str) -> None:
    assert said(notes=word).fields == {"notes": ""}


@pytest.mark.parametrize(("word", "stored"), [("ya", "true"), ("Tidak", "false"), ("yes", "true"), ("no", "false")])
def test_yes_and_no_are_read_in_either_language(word: str, stored: str) -> None:
    assert said(attribute_vip=word).attributes == {"vip": stored}


@pytest.mark.parametrize("written", ["17 Agustus 1990", "17 agu 1990", "17 August 1990", "1990-08-17"])
def test_months_are_read_in_either_language(written: str) -> None:
    assert said(birthday=written).fields == {"birthday": "1990-08-17"}
