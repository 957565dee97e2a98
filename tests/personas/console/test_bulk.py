"""Changing many people in the console: from the list to a preview, confirming, erasing copies."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User, Workspace
from personas.models import AttributeDefinition, AttributeValue, DuplicatePair, Operation, OperationRow, Persona
from tests.console.conftest import make_persona
from tests.personas.operating import work_off

pytestmark = pytest.mark.django_db

LIST = reverse("admin:personas_persona_changelist")
BULK = reverse("admin:personas_persona_bulk")
MERGE = reverse("admin:personas_persona_bulk_merge")
SignIn = Callable[[User], Client]


@pytest.fixture
def people(workspace: Workspace) -> list[Persona]:
    AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")
    return [make_persona(workspace, name, f"+62812000010{n}") for n, name in enumerate(["Rina", "Joko", "Maya"])]


@pytest.fixture
def sign_in() -> SignIn:
    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in


def on(name: str, operation: Operation) -> str:
    return reverse(f"admin:personas_operation_{name}", args=[operation.pk])


def begun(client: Client, address: str, **given: str) -> Operation:
    answer: Any = client.post(address, given)
    operation = work_off(Operation.objects.latest("id"))
    assert answer.url == on("change", operation)
    return operation


def test_list_offers_ticking_and_all_that_match_to_those_who_may_write(
    sign_in: SignIn, support_user: User, viewer_user: User, people: list[Persona]
) -> None:
    for_support = sign_in(support_user).get(LIST, {"q": "rina"}).content.decode()
    for_viewer = sign_in(viewer_user).get(LIST, {"q": "rina"}).content.decode()

    assert f'{BULK}?q=rina"' in for_support
    assert f'name="id" value="{people[0].pk}"' in for_support
    assert BULK not in for_viewer
    assert 'name="id"' not in for_viewer


def test_attribute_is_set_for_all_that_match_after_a_preview(
    sign_in: SignIn, support_user: User, people: list[Persona]
) -> None:
    client = sign_in(support_user)
    asked = client.get(BULK, {"q": "rina"}).content.decode()

    operation = begun(client, f"{BULK}?q=rina", what="set", attribute="city", value="Jakarta")
    preview = client.get(on("change", operation)).content.decode()
    client.post(on("start", operation))
    work_off(operation)

    assert "<strong>1 person</strong>: Search: rina" in asked
    assert "Set City to Jakarta" in preview
    assert [(v.persona, v.value) for v in AttributeValue.objects.all()] == [(people[0], "Jakarta")]


def test_preview_says_yes_no_and_days_as_the_page_of_a_person_does(
    sign_in: SignIn, support_user: User, people: list[Persona]
) -> None:
    client = sign_in(support_user)
    for key, type, value in (("vip", "boolean", "true"), ("since", "date", "2026-11-21")):
        AttributeDefinition.objects.create(workspace=people[0].workspace, key=key, label=key, type=type)
        begun(client, BULK, what="set", attribute=key, value=value)

    vip, since = (client.get(on("change", operation)) for operation in Operation.objects.order_by("id"))

    assert "Set vip to Yes" in vip.text
    assert [row.shown for row in vip.context["rows"]] == [[("vip", "", "Yes")]] * 3
    assert [row.shown for row in since.context["rows"]] == [[("since", "", "21 Nov 2026")]] * 3


def test_stopped_one_says_of_nobody_it_did_not_get_to_that_they_were_changed(
    sign_in: SignIn, support_user: User, people: list[Persona]
) -> None:
    client = sign_in(support_user)
    operation = begun(client, BULK, what="set", attribute="city", value="Jakarta")
    before = client.get(on("change", operation)).context["tabs"]
    client.post(on("start", operation))
    client.post(on("cancel", operation))

    stopped = client.get(on("change", operation))

    assert [(tab.slug, tab.label, tab.count) for tab in before] == [("change", "To change", 3)]
    assert [(tab.slug, tab.label, tab.count) for tab in stopped.context["tabs"]] == [("waiting", "Not done", 3)]
    assert people[0].name in stopped.text


def test_ticked_people_alone_are_changed(sign_in: SignIn, support_user: User, people: list[Persona]) -> None:
    address = f"{BULK}?chosen=yes&id={people[1].pk}&id={people[2].pk}"

    operation = begun(sign_in(support_user), address, what="clear", attribute="city")

    assert sorted(operation.plan["ids"]) == [people[1].pk, people[2].pk]


@pytest.mark.parametrize("query", ["chosen=yes", "id=x", "id=²", "kind=pigeon", "a=nothing&op=is&v=1"])
def test_choice_that_can_not_be_read_is_never_everybody(
    sign_in: SignIn, support_user: User, people: list[Persona], query: str
) -> None:
    answer: Any = sign_in(support_user).post(f"{BULK}?{query}", {"what": "set", "attribute": "city", "value": "x"})

    assert answer.url == LIST
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"value": "x"}, "what"),
        ({"what": "set", "attribute": "city", "value": " "}, "value"),
        ({"what": "set", "attribute": "other", "value": "x"}, "attribute"),
        ({"what": "set", "attribute": "size", "value": "big"}, "value"),
        ({"what": "delete"}, "what"),
    ],
)
def test_what_can_not_be_done_is_refused_at_its_field(
    sign_in: SignIn, support_user: User, people: list[Persona], workspace: Workspace, given: dict[str, str], field: str
) -> None:
    AttributeDefinition.objects.create(workspace=workspace, key="size", label="Size", type="number")

    answer = sign_in(support_user).post(BULK, given)

    assert list(answer.context["form"].errors) == [field]
    assert not Operation.objects.exists()


def test_deleting_is_for_admins_and_asks_for_the_number(
    sign_in: SignIn, admin_user: User, support_user: User, people: list[Persona]
) -> None:
    admin, support = sign_in(admin_user), sign_in(support_user)
    operation = begun(admin, BULK, what="delete")
    preview = admin.get(on("change", operation)).content.decode()
    forbidden = [support.post(on(name, operation), {"count": "3"}).status_code for name in ("start", "cancel", "undo")]

    unsaid = admin.post(on("start", operation), {"count": "2"}, follow=True).content.decode()
    still = Persona.objects.count()
    admin.post(on("start", operation), {"count": "3"})
    work_off(operation)

    assert "Type 3 to say that you mean it" in preview
    assert forbidden == [403, 403, 403]
    assert "Type the number of people, 3," in unsaid
    assert (still, Persona.objects.count()) == (3, 0)


def test_copies_of_the_deleted_are_erased_by_a_button(
    sign_in: SignIn, admin_user: User, support_user: User, people: list[Persona]
) -> None:
    admin = sign_in(admin_user)
    operation = begun(admin, BULK, what="delete")
    admin.post(on("start", operation), {"count": "3"})
    work_off(operation)
    page = admin.get(on("change", operation)).content.decode()
    assert on("erase", operation) in page
    assert sign_in(support_user).post(on("erase", operation)).status_code == 403
    assert admin.get(on("erase", operation)).status_code == 405

    after = admin.post(on("erase", operation), follow=True).content.decode()

    assert "The copies are erased." in after
    assert on("erase", operation) not in after
    assert on("undo", operation) not in after
    assert not OperationRow.objects.exclude(before=None).exists()


def test_duplicates_of_a_reason_are_merged_after_a_preview(
    sign_in: SignIn, support_user: User, people: list[Persona], workspace: Workspace
) -> None:
    DuplicatePair.objects.create(workspace=workspace, first=people[0], second=people[1], reason="same_number")
    client = sign_in(support_user)
    assert MERGE in client.get(reverse("admin:personas_duplicatepair_changelist")).content.decode()

    unsaid = client.post(MERGE, {"reason": "x"}).content.decode()
    operation = begun(client, MERGE, reason="same_number")
    client.post(on("start", operation))
    work_off(operation)

    assert "Choose a reason." in unsaid
    assert sorted(Persona.objects.values_list("name", flat=True)) == ["Maya", "Rina"]


def test_duplicates_among_those_who_match_are_merged_and_two_who_are_ticked_by_their_own_page(
    sign_in: SignIn, support_user: User, people: list[Persona], workspace: Workspace
) -> None:
    DuplicatePair.objects.create(workspace=workspace, first=people[0], second=people[1], reason="near_name")
    client = sign_in(support_user)
    of_two = client.get(f"{BULK}?chosen=yes&id={people[2].pk}&id={people[0].pk}").content.decode()
    of_all = client.get(BULK).content.decode()

    operation = begun(client, BULK, what="merge")
    client.post(on("start", operation))
    work_off(operation)

    merge_two = reverse("admin:personas_persona_merge", args=[people[0].pk, people[2].pk])
    assert f'href="{merge_two}"' in of_two
    assert "Merge the two" not in of_all
    assert sorted(Persona.objects.values_list("name", flat=True)) == ["Maya", "Rina"]


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("address", [BULK, MERGE])
def test_viewer_changes_nobody(sign_in: SignIn, viewer_user: User, address: str, method: str) -> None:
    assert getattr(sign_in(viewer_user), method)(address).status_code == 403


def test_choosing_takes_as_many_queries_for_many_as_for_few(
    sign_in: SignIn, support_user: User, people: list[Persona], workspace: Workspace
) -> None:
    client = sign_in(support_user)
    client.get(BULK)
    with CaptureQueriesContext(connection) as few:
        client.get(BULK)
    Persona.objects.bulk_create(Persona(workspace=workspace, name=f"P{n}") for n in range(50))
    with CaptureQueriesContext(connection) as many:
        client.get(BULK)

    assert len(many) == len(few) <= 12
