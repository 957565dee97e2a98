"""The documents say all that the code does: every operation, every refusal, and examples that work."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import pytest
from django.core.management.color import no_style
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver, reverse
from schemathesis import openapi

from accounts.models import User, Workspace
from messaging.models import Location, Template, Topic
from personas.models import AttributeDefinition, Contact, Persona
from platforms.chative.server.mapping import uuid_of
from platforms.docs.catalogue import DOCUMENTS
from platforms.docs.document import Document
from platforms.docs.openapi import document_of, operation_id, path_of, refusals_of
from platforms.raven.server import wire
from platforms.raven.server.examples import BODIES
from raven_admin.errors import RavenError
from tokens.endpoints import Endpoint
from tokens.gateway import GatewayView
from tokens.models import Token
from tokens.secrets import DIGEST_SCHEME

documents = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=lambda document: document.name)
each_endpoint = pytest.mark.parametrize(
    ("document", "endpoint"),
    [(document, endpoint) for document in DOCUMENTS.values() for endpoint in document.endpoints],
    ids=lambda value: operation_id(value) if isinstance(value, Endpoint) else value.name,
)


def _operation(document: Document, endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = document_of(document)["paths"][path_of(endpoint)][endpoint.method.lower()]
    return operation


def _validator(document: Document, schema: Any) -> jsonschema_rs.Draft202012Validator:
    """Of a schema that may refer to the document's others."""
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": document_of(document)["components"]}, validate_formats=True
    )


# ---------------------------------------- complete and valid


@documents
def test_a_document_fits_the_meta_schema_of_openapi(document: Document) -> None:
    made = {**document_of(document), "servers": [{"url": "https://raven.example.org/"}]}

    openapi.from_dict(json.loads(json.dumps(made))).validate()


def test_every_endpoint_of_the_gateway_is_in_a_document() -> None:
    routed = {
        (path_of(endpoint), endpoint.method)
        for pattern in _gateway_patterns(get_resolver().url_patterns, "")
        for endpoint in pattern
    }
    documented = {
        (document.prefix + path_of(endpoint).removeprefix("/"), endpoint.method)
        for document in DOCUMENTS.values()
        for endpoint in document.endpoints
    }

    assert documented == {(path, method) for path, method in routed}


def _gateway_patterns(patterns: list[Any], prefix: str) -> Iterator[list[Endpoint]]:
    """The endpoints of each route, with their paths from the root."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _gateway_patterns(pattern.url_patterns, route)
        elif getattr(pattern.callback, "view_class", None) is GatewayView and not route.endswith("/"):
            yield [
                replace(endpoint, path=route)
                for endpoint in pattern.callback.view_initkwargs.get("endpoints", {}).values()
            ]


@documents
def test_operation_ids_are_unique(document: Document) -> None:
    ids = [operation_id(endpoint) for endpoint in document.endpoints]

    assert len(ids) == len(set(ids))


@each_endpoint
def test_an_operation_documents_every_refusal_with_an_example(document: Document, endpoint: Endpoint) -> None:
    operation = _operation(document, endpoint)
    components = document_of(document)["components"]
    documented: set[str] = set()

    for response in list(operation["responses"].values())[1:]:
        response = components["responses"][response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        content = response["content"]["application/json"]
        for code in content["examples"]:
            _validator(document, content["schema"]).validate(components["examples"][code]["value"])
            documented.add(code)

    assert documented == {kind.code for kind in refusals_of(endpoint)}


@each_endpoint
def test_an_operation_says_its_ability_and_has_a_summary_a_tag_and_an_answer(
    document: Document, endpoint: Endpoint
) -> None:
    operation = _operation(document, endpoint)

    assert operation["summary"]
    assert operation["tags"]
    for key in filter(None, [endpoint.ability, *endpoint.one_of]):
        assert f"`{key}`" in operation["description"]
    assert str(endpoint.status) in operation["responses"]


@each_endpoint
def test_the_examples_of_bodies_and_answers_fit_their_schemas(document: Document, endpoint: Endpoint) -> None:
    operation = _operation(document, endpoint)
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    answer = operation["responses"][str(endpoint.status)]["content"].get("application/json")

    if endpoint.body is not None:
        _validator(document, body["schema"]).validate(body["example"])
    if not endpoint.files:
        _validator(document, answer["schema"]).validate(answer["example"])


def test_every_refusal_has_a_sentence_without_gaps() -> None:
    kinds: set[type[RavenError]] = {
        kind for document in DOCUMENTS.values() for endpoint in document.endpoints for kind in refusals_of(endpoint)
    }
    summaries = {
        code: example["summary"]
        for document in DOCUMENTS.values()
        for code, example in document_of(document)["components"]["examples"].items()
    }

    assert {kind.code for kind in kinds} == set(summaries)
    assert [code for code, text in summaries.items() if "None" in text or not text.strip()] == []


# ---------------------------------------- the examples work

_PATH_VALUES = {
    "account_id": 1001, "contact_id": 17, "conversation_id": 5, "location_id": 3, "persona_id": 17, "topic_id": 5,
    "token_id": "k3v9q2m7x4b6",
}  # fmt: skip
_QUERIES = {"contact_search": "?q=Rina"}


@pytest.fixture
def prepared(workspace: Workspace, sender: User, token: Token) -> None:
    """What the examples name exists."""
    assert workspace.account_number == _PATH_VALUES["account_id"]
    anchor = Topic.objects.create(pk=4, workspace=workspace, type="mass", name="Announcements")
    Token.objects.filter(pk=token.pk).update(user_alias=sender, topic_anchor=anchor)
    persona = Persona.objects.create(pk=17, workspace=workspace, name="Rina Hartono")
    Contact.objects.create(
        workspace=workspace, persona=persona, type="phone", key="+622150000000", normalized="+622150000000"
    )
    Topic.objects.create(pk=5, workspace=workspace, type="persona", name="Order 1001", persona=persona)
    Location.objects.create(pk=3, workspace=workspace, name="Depok store", code="DPK-1", time_zone="Asia/Jakarta")
    for key, type in (("city", "text"), ("customer_since", "date")):
        AttributeDefinition.objects.create(workspace=workspace, key=key, label=key, type=type)
    Template.objects.create(
        workspace=workspace,
        name="order_shipped",
        language="en",
        body="Dear {{1}}, your order {{2}} has left our house.",
    )
    Token.objects.create(
        workspace=workspace, name="Checkout", kind="rvn", public_id="k3v9q2m7x4b6", last_four="8f2a",
        digest=BODIES[wire.TokenShare]["digest"].removeprefix(DIGEST_SCHEME), pepper_number=1,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    with connection.cursor() as cursor:  # PostgreSQL would give those ids again
        for statement in connection.ops.sequence_reset_sql(no_style(), [Persona, Topic, Location]):
            cursor.execute(statement)


@pytest.mark.django_db
@each_endpoint
def test_an_operation_called_with_its_example_does_what_the_document_says(
    client: Client, secret: str, prepared: None, document: Document, endpoint: Endpoint
) -> None:
    operation = _operation(document, endpoint)
    values = _PATH_VALUES | ({"contact_id": uuid_of(17)} if document.name == "chative" else {})
    path = path_of(endpoint).format(**values) + _QUERIES.get(operation_id(endpoint), "")
    shown = {"api_access_token": secret} if document.name == "bevatel" else {"Authorization": f"Bearer {secret}"}

    answer: Any = client.generic(
        endpoint.method,
        document.prefix.rstrip("/") + path,
        json.dumps(document.examples[endpoint.body]) if endpoint.body else b"",
        headers={**shown, "api_account_id": "1001", "Content-Type": "application/json"},
    )

    assert answer.status_code == endpoint.status, answer.content
    success = operation["responses"][str(endpoint.status)]
    if endpoint.files:
        assert answer["Content-Type"].partition(";")[0] in success["content"]
    else:
        content = success["content"]["application/json"]
        _validator(document, content["schema"]).validate(answer.json())
        assert answer.json().get("notification") == content["example"].get("notification")
    _check_headers(answer, success["headers"])


def _check_headers(answer: HttpResponse, documented: dict[str, Any]) -> None:
    required = {name for name, header in documented.items() if not header["$ref"].endswith(".optional")}
    assert required <= set(answer.headers)
    ours = {name for name in answer.headers if name.startswith(("X-Request", "RateLimit", "Raven-", "ETag", "Retry"))}
    assert ours <= set(documented)


# ---------------------------------------- served


def test_the_list_names_every_document_and_each_answers_with_its_own_server(client: Client) -> None:
    paths = client.get(reverse("docs:list")).json()

    assert paths == [f"/docs/openapi/{name}.json" for name in DOCUMENTS]
    for path, document in zip(paths, DOCUMENTS.values(), strict=True):
        made = client.get(path).json()
        assert made["openapi"] == "3.1.0"
        assert made["servers"] == [{"url": f"http://testserver{document.prefix.rstrip('/')}"}]


def test_an_unknown_document_and_its_page_are_not_there(client: Client, db: None) -> None:
    assert client.get("/docs/openapi/other.json").status_code == 404
    assert client.get("/docs/other/").status_code == 404


@documents
def test_a_page_shows_every_operation_to_somebody_signed_out(client: Client, db: None, document: Document) -> None:
    page = client.get(reverse("docs:page", args=[document.name]))

    assert page.status_code == 200
    assert [id for id in map(operation_id, document.endpoints) if f'id="{id}"' not in page.content.decode()] == []
    assert "Content-Security-Policy" in page.headers


def test_the_pages_begin_with_the_first_document(client: Client, db: None) -> None:
    page = client.get(reverse("docs:index")).content.decode()

    assert 'id="message_send"' in page
