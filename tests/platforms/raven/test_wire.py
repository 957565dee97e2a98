"""Values at the edge of what the wire takes: found by calls made from the document."""

from typing import Any

import pytest

from accounts.models import Workspace
from personas.models import Persona
from tests.platforms.raven.conftest import Api

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=5.0", "limit"),
        ("limit=5e0", "limit"),
        ("limit=05", "limit"),
        ("limit=+5", "limit"),
        ("limit=", "limit"),
        ("limit=201", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=YWZ0ZXI6MQ", "cursor"),
        ("cursor=c1%0A", "cursor"),
        ("updated_since=123", "updated_since"),
        ("updated_since=null", "updated_since"),
        ("updated_since=2026-11-21T09:30:00", "updated_since"),
        ("updated_since=0001-01-01T00:00:00%2B23:59", "updated_since"),
        ("updated_since=9999-12-31T23:59:59-23:59", "updated_since"),
        ("q=a%00b", ""),
        ("&".join(f"p{number}=1" for number in range(5001)), ""),
    ],
)
def test_a_parameter_that_is_not_to_the_letter_is_refused(call: Api, query: str, path: str) -> None:
    answer = call(f"persona?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "query_invalid")
    assert answer.json()["errors"][0]["path"] == path


def test_a_moment_may_have_any_offset(call: Api) -> None:
    assert call("persona?updated_since=2026-11-21T09:30:00%2B22:09").status_code == 200


@pytest.mark.parametrize("number", ["17.0", "1.7e1", "17"])
def test_a_whole_number_is_one_however_it_is_written(call: Api, persona: Persona, number: str) -> None:
    answer = call("persona:update", f'{{"persona": {number}, "name": "Rina Wulandari"}}'.encode())

    assert answer.status_code == 200


def test_a_broken_number_is_no_whole_number(call: Api, persona: Persona) -> None:
    answer = call("persona:update", b'{"persona": 17.5, "name": "Rina Wulandari"}')

    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "persona")


@pytest.mark.parametrize("path", ["nothing%0Ahere", "persona/%00", "persona/x", "token/" + "x" * 500])
def test_an_address_of_nothing_is_refused_in_our_form(call: Api, path: str) -> None:
    answer = call(path)

    assert (answer.status_code, answer.json()["data"]) == (404, None)


@pytest.fixture
def persona(workspace: Workspace) -> Persona:
    made: Persona = Persona.objects.create(pk=17, workspace=workspace, name="Rina Hartono")
    return made


@pytest.mark.parametrize("beyond", ["2999-12-31T23:59:59-12:00", "1900-01-01T00:00:00+14:00"])
def test_a_moment_that_would_be_answered_beyond_its_years_is_refused(call: Api, beyond: str) -> None:
    answer = call("token", {"name": "Order updates", "activates_at": beyond, "expires_at": None})

    assert answer.status_code == 400
    assert answer.json()["code"] == "body_invalid"


@pytest.mark.parametrize(
    ("operation", "given", "path", "message"),
    [
        ("persona?cursor=2", None, "cursor", "Expected `str`: The `next` of the page before."),
        ("persona:export?format=XLSX", None, "format", "Invalid enum value 'XLSX'. Known are: csv, ndjson, xlsx."),
        (
            "persona?updated_since=2026-11-21T09:30:00+07:00", None, "updated_since",
            "Invalid RFC3339 encoded datetime: write it as 2026-11-21T09:30:00Z, its + as %2B",
        ),
        (
            "persona?updated_since=2026-11-21T09:30:00", None, "updated_since",
            "Expected `datetime` with a timezone component: write it as 2026-11-21T09:30:00Z",
        ),
        (
            "persona?updated_since=1899-01-01T00:00:00Z", None, "updated_since",
            "`updated_since` must be between the years 1900 and 2999",
        ),
        (f"persona?limit={'9' * 30}", None, "limit", "Expected `int` <= 200"),
        (
            "persona:add", {"name": "Peter", "birthday": "21.11.1990"}, "birthday",
            "Invalid RFC3339 encoded date: write it as 2026-11-21",
        ),
        (
            "location", {"name": "Jakarta", "code": "JKT 1", "time_zone": "Asia/Jakarta"}, "code",
            "Expected `str`: Up to 50 letters of A to Z, digits, `-` and `_`.",
        ),
        (
            "message:send", {"message": "Hello!", "topic": {"type": "mass", "name": " \r\n"}}, "topic.name",
            "Expected `str`: A name that can be seen.",
        ),
    ],
)  # fmt: skip
def test_a_refusal_says_what_is_possible_instead(
    call: Api, operation: str, given: Any, path: str, message: str
) -> None:
    answer = call(operation, given)

    assert (answer.status_code, answer.json()["errors"]) == (400, [{"path": path, "message": message}])
