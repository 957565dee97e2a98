"""The written documentation agrees with the code."""

import re
from pathlib import Path

import pytest

from platforms.docs.openapi import refusals_of
from platforms.docs.rules import REQUEST_ID
from platforms.docs.samples import sample_of
from platforms.raven.server.document import DOCUMENT
from tokens.abilities import ABILITY_KEYS
from tokens.endpoints import STATUS_OF
from tokens.refusals import MethodNotAllowed, Unauthorized


@pytest.fixture
def docs(project: Path) -> Path:
    return project / "docs" / "api"


def test_the_rules_list_every_refusal_of_raven_with_its_status(docs: Path) -> None:
    kinds = {kind for endpoint in DOCUMENT.endpoints for kind in refusals_of(endpoint)} | {MethodNotAllowed}
    expected = sorted(
        {
            f"| {DOCUMENT.dialect.refusal(error, request_id=REQUEST_ID).status} | `{error.code}` | {error} |"
            for error in map(sample_of, kinds)
        }
    )

    rows = re.findall(r"^\| \d{3} \| `\w+` \| .* \|$", (docs / "rules.md").read_text(), re.MULTILINE)

    assert rows == expected, "\n".join(["Put this table into docs/api/rules.md:", *expected])


def test_the_gateway_refuses_nothing_that_no_operation_documents() -> None:
    documented = {kind for endpoint in DOCUMENT.endpoints for kind in refusals_of(endpoint)}

    assert set(STATUS_OF) - documented == {Unauthorized, MethodNotAllowed}


def test_the_quick_start_has_a_section_with_both_languages_for_every_ability(docs: Path) -> None:
    sections = re.split(r"^### ", (docs / "quick-start.md").read_text(), flags=re.MULTILINE)[1:]

    assert {section.partition("\n")[0] for section in sections} == ABILITY_KEYS
    assert [s.partition("\n")[0] for s in sections if "```sh\n" not in s or "```python\n" not in s] == []


@pytest.mark.parametrize("name", ["README.md", "quick-start.md", "rules.md", "contract.md"])
def test_links_lead_somewhere(docs: Path, name: str) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", (docs / name).read_text())

    assert [target for target in targets if not (docs / target).exists()] == []
