"""An outsider's calls of every operation, made from the documents alone by Schemathesis, with all of its checks.

`docs/api/contract.md` says how to let it run longer, against a server.
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from platforms.docs.catalogue import DOCUMENTS
from platforms.docs.document import Document
from platforms.docs.openapi import document_of
from tests.platforms.test_openapi import prepared as prepared
from tokens.gateway import GatewayView
from tokens.models import Token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("prepared")]

EXAMPLES = 6
_BEYOND_SCHEMAS = {
    "idempotency_key_reused",
    # Rules between two values, which JSON Schema has no words for.
    "expiration_before_activation", "contact_key_invalid", "recipient_repeated",
    # The attributes are the workspace's own; Chatwoot answers 422 for one that it does not know.
    "attribute_unknown",
    # The only part of a name that a contact has can't be cleared; a body does not say which that is.
    "name_missing",
    # Its example exists, and takes two parameters.
    "template_parameters_wrong",
    # A session or an address that somebody has is 422 in Chatwoot, and so is taking an address away.
    "source_taken", "contact_taken", "field_refused",
}  # fmt: skip
_keys = itertools.count()


def _schema(document: Document) -> Any:
    made = {**document_of(document), "servers": [{"url": document.prefix.rstrip("/")}]}
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(made)))
    schema.app = get_wsgi_application()
    return schema


SCHEMAS = {name: _schema(document) for name, document in DOCUMENTS.items()}
OPERATIONS = [(name, result.ok()) for name, schema in SCHEMAS.items() for result in schema.get_all_operations()]


@pytest.fixture(autouse=True)
def _connection_stays() -> Iterator[None]:
    """The application's end of a request does not close the connection that the test's transaction is on."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, token: Token, secret: str) -> dict[str, dict[str, str]]:
    """The headers of a call, by document. No rate stops the calls."""
    monkeypatch.setattr(GatewayView, "_take_from_rate", lambda _view, _rate: None)
    Token.objects.filter(pk=token.pk).update(requests_per_minute=1_000_000)
    bearer = {"Authorization": f"Bearer {secret}"}
    return {"raven": bearer, "chative": bearer, "bevatel": {"api_access_token": secret}}


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=lambda value: getattr(value, "label", value))
def test_an_operation_keeps_what_its_document_says(name: str, operation: Any, shown: dict[str, dict[str, str]]) -> None:
    for case in _boundaries(operation):
        _call(case, shown[name])

    for mode in GenerationMode:

        @hypothesis_settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def fuzz(case: Case[Any]) -> None:
            _call(case, shown[name])

        if mode.is_positive or operation.body or operation.query or operation.headers:
            fuzz()


@pytest.mark.django_db(transaction=True)
def test_what_was_made_is_there_and_what_was_deleted_is_gone(
    live_server: Any, shown: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    """Chains of calls along Raven's links, over real HTTP. Whether valid data is taken, the test above knows."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{live_server.url}/docs/openapi/raven.json"),
        *("--header", f"Authorization: {shown['raven']['Authorization']}", "--phases=stateful", "--checks=all"),
        *("--exclude-checks=positive_data_acceptance", "--max-examples=10", "--seed=1", "--no-color"),
        *("--warnings=off", "--suppress-health-check=all"),
    ]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Stateful" in done.stdout


def test_all_checks_are_on() -> None:
    load_all_checks()

    assert {
        "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
        "response_schema_conformance", "negative_data_rejection", "positive_data_acceptance", "use_after_free",
        "ensure_resource_availability", "ignored_auth", "missing_required_header", "unsupported_method",
    } <= set(CHECKS.get_all_names())  # fmt: skip


def _boundaries(operation: Any) -> Iterator[Case[Any]]:
    """Calls at and just beyond every limit, without parameters that are required, with other methods and types."""
    schema = operation.schema
    cases: Iterator[Case[Any]] = schema.iter_coverage_cases(
        operation,
        generation_modes=list(GenerationMode),
        generation_config=schema.config.generation_for(operation=operation),
    )
    return cases


def _call(case: Case[Any], headers: dict[str, str]) -> None:
    _renew_key(case)
    response = case.call(headers=headers)
    case.validate_response(response, headers=headers, excluded_checks=_excluded(response))


def _renew_key(case: Case[Any]) -> None:
    """An Idempotency-Key is new for each call; the document says so, its schema can't."""
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) < 200 and key.isascii() and key.isprintable():
        case.headers["Idempotency-Key"] = f"{key.strip()}{next(_keys)}"


def _excluded(response: Response) -> list[Any]:
    """The checks whose guess of the right status is wrong for this refusal."""
    if response.status_code in {412, 413}:  # a refusal that comes before the look at what is wrong
        return [positive_data_acceptance, negative_data_rejection]
    if response.status_code not in {400, 422}:
        return []
    code = response.headers.get("raven-error-code", [None])[0] or response.json().get("code")
    return [positive_data_acceptance] if code in _BEYOND_SCHEMAS else []
