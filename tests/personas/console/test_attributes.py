"""Attributes in the console: added, described, put in order, given another type, taken away."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User, Workspace
from personas.history import Cause
from personas.models import AttributeDefinition, AttributeValue, Operation, Origin, Persona
from personas.services import PersonaDraft, add_persona
from tests.personas.operating import work_off

pytestmark = pytest.mark.django_db

CAUSE = Cause(origin=Origin.TOKEN, actor_label="token Shop", at=datetime(2026, 11, 21, 9, 30, tzinfo=UTC))
LIST = reverse("admin:personas_attributedefinition_changelist")
ADD = reverse("admin:personas_attributedefinition_add")


@pytest.fixture
def ayu(admin_user: User) -> Client:
    client = Client()
    client.force_login(admin_user)
    return client


@pytest.fixture
def size(workspace: Workspace) -> AttributeDefinition:
    return AttributeDefinition.objects.create(workspace=workspace, key="size", label="Size", position=1)


@pytest.fixture
def rina(size: AttributeDefinition) -> Persona:
    draft = PersonaDraft("Rina", attributes={"size": "big"})
    return add_persona(workspace=size.workspace, draft=draft, cause=CAUSE)


def page(name: str, definition: AttributeDefinition) -> str:
    return reverse(f"admin:personas_attributedefinition_{name}", args=[definition.pk])


def given(**changes: str) -> dict[str, str]:
    return {"label": "Customer since", "key": "", "type": "date", "hint": "The first order"} | changes


def test_attribute_without_a_key_gets_one_from_its_label(ayu: Client, size: AttributeDefinition) -> None:
    assert b'name="label" maxlength="100" autofocus' in ayu.get(ADD).content

    answer = ayu.post(ADD, given(), follow=True)

    assert answer.redirect_chain == [(LIST, 302)]
    added = AttributeDefinition.objects.get(key="customer_since")
    assert (added.label, added.type, added.hint, added.position) == ("Customer since", "date", "The first order", 2)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"key": "birthday"}, "key"),
        ({"key": "SIZE"}, "key"),
        ({"key": "a b"}, "key"),
        ({"label": "客户"}, "key"),
        ({"label": ""}, "label"),
        ({"type": "colour"}, "type"),
    ],
)
def test_attribute_that_can_not_be_is_refused_at_its_field(
    ayu: Client, size: AttributeDefinition, changes: dict[str, str], field: str
) -> None:
    answer = ayu.post(ADD, given(**changes))

    assert list(answer.context["form"].errors) == [field]
    assert AttributeDefinition.objects.count() == 1


def test_label_and_hint_are_edited_and_key_and_type_are_not(ayu: Client, size: AttributeDefinition) -> None:
    ayu.post(page("change", size), {"label": "Shoe size", "hint": "EU", "key": "other", "type": "number"})

    size.refresh_from_db()
    assert (size.label, size.hint, size.key, size.type) == ("Shoe size", "EU", "size", "text")
    assert "Shoe size" in ayu.get(LIST).content.decode()


def test_buttons_put_attributes_in_order(ayu: Client, size: AttributeDefinition) -> None:
    ayu.post(ADD, given())

    ayu.post(page("move", size), {"to": "down"})

    assert [d.key for d in ayu.get(LIST).context["cl"].result_list] == ["customer_since", "size"]
    assert ayu.get(page("move", size)).status_code == 405


def test_moving_an_attribute_leads_to_it_and_the_same_button(ayu: Client, size: AttributeDefinition) -> None:
    AttributeDefinition.objects.bulk_create(
        AttributeDefinition(workspace=size.workspace, key=f"k{n}", label=f"K{n}", position=n) for n in range(1, 30)
    )
    last = AttributeDefinition.objects.get(key="k29")

    places = [ayu.post(page("move", last), {"to": to})["Location"] for to in ("down", *["up"] * 5)]

    assert places == [f"{LIST}?p=2#down-{last.pk}", *[f"{LIST}?p=2#up-{last.pk}"] * 4, f"{LIST}?p=1#up-{last.pk}"]
    assert f'id="up-{last.pk}"' in ayu.get(places[-1]).text


def test_type_is_changed_after_its_values_were_looked_at(ayu: Client, size: AttributeDefinition, rina: Persona) -> None:
    answer: Any = ayu.post(page("type", size), {"type": "number"})
    operation = work_off(Operation.objects.get())
    preview = ayu.get(answer.url).content.decode()
    before = AttributeDefinition.objects.get().type

    ayu.post(reverse("admin:personas_operation_start", args=[operation.pk]))
    work_off(operation)

    assert "“big” would be cleared: Size takes a number" in preview
    shown = ayu.get(answer.url, {"rows": "change"}).context["rows"]
    assert [row.shown for row in shown] == [[("Type", "Text", "Number")]]
    assert "Changed: 1 · Cleared: 1" in ayu.get(reverse("admin:personas_operation_changelist")).text
    assert (before, AttributeDefinition.objects.get().type) == ("text", "number")
    assert not AttributeValue.objects.exists()


def test_examples_of_what_is_written_otherwise_are_different_ones(
    ayu: Client, size: AttributeDefinition, rina: Persona
) -> None:
    for number, value in enumerate(("1.0", "1.0", "2.0")):
        persona = Persona.objects.create(workspace=size.workspace, name=str(number))
        AttributeValue.objects.create(persona=persona, definition=size, value=value)

    answer: Any = ayu.post(page("type", size), {"type": "number"})
    work_off(Operation.objects.get())

    assert ayu.get(answer.url).context["examples"] == [("1.0", "1"), ("2.0", "2")]


def test_type_it_has_already_is_not_offered(ayu: Client, size: AttributeDefinition) -> None:
    answer = ayu.post(page("type", size), {"type": "text"})

    assert "type" in answer.context["form"].errors
    assert not Operation.objects.exists()


def test_deleting_says_how_many_have_it_and_asks_for_the_key(
    ayu: Client, size: AttributeDefinition, rina: Persona
) -> None:
    asked = ayu.get(page("delete", size)).content.decode()
    refused = ayu.post(page("delete", size), {"key": "Size"})
    deleted = ayu.post(page("delete", size), {"key": "size"}, follow=True)

    assert "<strong>1 person</strong> with a value of Size" in asked
    assert "exactly as it is" in refused.content.decode()
    assert "Size was deleted." in deleted.content.decode()
    assert not AttributeDefinition.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["delete", "type", "move"])
def test_support_reads_attributes_and_changes_none(
    client: Client, support_user: User, size: AttributeDefinition, name: str, method: str
) -> None:
    client.force_login(support_user)

    assert client.get(page("change", size)).status_code == 200
    assert client.post(page("change", size), {"label": "X"}).status_code == 403
    assert getattr(client, method)(page(name, size)).status_code == 403


def test_list_takes_as_many_queries_for_many_as_for_few(ayu: Client, size: AttributeDefinition) -> None:
    ayu.get(LIST)
    with CaptureQueriesContext(connection) as few:
        ayu.get(LIST)
    for number in range(20):
        AttributeDefinition.objects.create(workspace=size.workspace, key=f"k{number}", label=f"K{number}")
    with CaptureQueriesContext(connection) as many:
        ayu.get(LIST)

    assert len(many) == len(few) <= 12
