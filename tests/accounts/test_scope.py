"""Every address of the console, probed by people of one workspace with the rows of another."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from delivery.models import Delivery, Destination, Intervention
from messaging.models import Location, Message, Template, Topic
from personas.models import (
    AttributeDefinition,
    DeletionReceipt,
    DuplicatePair,
    Merge,
    Operation,
    Persona,
    PersonaChange,
    SavedFilter,
)
from platforms.callbacks.services import save_callbacks
from platforms.connections import ConnectionDraft, add_connection
from platforms.models import Connection
from tests.console.conftest import make_call, make_message, make_persona
from tokens.configuration import Configuration
from tokens.models import Callback, RequestLogEntry, Token
from tokens.services import COMMAND_LINE, issue_token

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@dataclass(frozen=True)
class Rows:
    """One row of each model of the console in one workspace, as its addresses name it."""

    ids: dict[Any, Any]


def make_rows(workspace: Workspace, *, request_id: str) -> Rows:
    sender = User.objects.create_user(f"bot-{workspace.slug}")
    membership = Membership.objects.create(workspace=workspace, user=sender, role=Role.VIEWER)
    token = issue_token(workspace=workspace, configuration=Configuration(name="Shop"), by=COMMAND_LINE).token
    make_call(workspace, token=token, request_id=request_id)
    persona = make_persona(workspace, "Rina", "+6281200000101")
    like_her = make_persona(workspace, "R.", "+6281200000102")
    topic = Topic.objects.create(workspace=workspace, type="mass", name="News")
    message = make_message(topic, persona, sender)
    destination = Destination.objects.create(workspace=workspace, name=f"{workspace.slug} hook", kind="webhook")
    happened = {"workspace": workspace, "destination": destination, "created_at": timezone.now()}
    return Rows(
        {
            Token: token.pk,
            RequestLogEntry: request_id,
            Persona: persona.pk,
            Topic: topic.pk,
            Message: message.pk,
            Membership: membership.pk,
            Workspace: workspace.pk,
            Template: Template.objects.create(workspace=workspace, name="Hello", body="Hello {{1}}").pk,
            Location: Location.objects.create(workspace=workspace, name="Shop", code="shop", time_zone="UTC").pk,
            Operation: Operation.objects.create(workspace=workspace, kind="import", title="people.xlsx").pk,
            PersonaChange: persona.changes.create(workspace=workspace, field="notes", new="x", actor_label="Ayu").pk,
            DeletionReceipt: DeletionReceipt.objects.create(
                workspace=workspace, persona_id=987_654_321, origin="person", actor_label="Ayu"
            ).pk,
            Connection: add_connection(
                workspace=workspace,
                draft=ConnectionDraft(
                    "raven", "Shop chat", "https://raven.example.org", "secret-of-it", carries=frozenset({"personas"})
                ),
            ).pk,
            Callback: save_callbacks(
                token=token, urls={"message.received": "https://example.org/"}, by=COMMAND_LINE, at=timezone.now()
            )
            and token.callbacks.get().pk,
            Delivery: Delivery.objects.create(
                lane="persona:1", kind="persona.changed", due_at=timezone.now(), since=timezone.now(), **happened
            ).pk,
            Intervention: Intervention.objects.create(action="retry", actor_label="Ayu", **happened).pk,
            SavedFilter: SavedFilter.objects.create(
                workspace=workspace, owner=sender, name="Without contact", query="problem=no_contact", is_shared=True
            ).pk,
            AttributeDefinition: AttributeDefinition.objects.create(workspace=workspace, key="city", label="City").pk,
            DuplicatePair: DuplicatePair.objects.create(
                workspace=workspace, first=persona, second=like_her, reason="same_number"
            ).pk,
            Merge: Merge.objects.create(
                workspace=workspace, kept=persona, absorbed_id=9_000, absorbed_name="R.", actor_label="Ayu", before={}
            ).pk,
        }
    )


@pytest.fixture
def own(workspace: Workspace) -> Rows:
    return make_rows(workspace, request_id="req_" + "a" * 26)


@pytest.fixture
def foreign(other_workspace: Workspace) -> Rows:
    return make_rows(other_workspace, request_id="req_" + "b" * 26)


@pytest.fixture(params=list(Role))
def person(request: pytest.FixtureRequest, admin_user: User, support_user: User, viewer_user: User) -> User:
    people = {Role.ADMIN: admin_user, Role.SUPPORT: support_user, Role.VIEWER: viewer_user}
    return people[request.param]


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def row_addresses() -> list[tuple[str, type]]:
    """The name of every address that takes the id of one row, with its model."""
    found = []
    for model in admin.site._registry:
        prefix = f"{model._meta.app_label}_{model._meta.model_name}_"
        found += [(name, model) for name in _names(get_resolver()) if name.startswith(prefix) and _takes_id(name)]
    return found


def test_every_model_of_the_console_is_probed(own: Rows) -> None:
    assert {model for _name, model in row_addresses()} == set(admin.site._registry) == set(own.ids)


@pytest.mark.parametrize("method", ["get", "post"])
def test_row_of_another_workspace_is_not_found_at_any_address(
    person: User, own: Rows, foreign: Rows, method: str
) -> None:
    client = signed_in(person)
    answers = {}

    for name, model in row_addresses():
        address = reverse(f"admin:{name}", args=[foreign.ids[model]])
        answers[address] = getattr(client, method)(address).status_code

    assert {address: status for address, status in answers.items() if status != 404} == {}
    assert Token.objects.filter(revoked_at=None).count() == 2
    assert Membership.objects.filter(workspace__slug="sandbox").count() == 1


@pytest.mark.parametrize("made_up", ["999999", "0", "-1", "x", "1e3", "%00", "1_2F2", "req_" + "z" * 26])
def test_made_up_id_is_not_found_at_any_address(admin_user: User, own: Rows, made_up: str) -> None:
    client = signed_in(admin_user)
    answers = {}

    for name, model in row_addresses():
        address = reverse(f"admin:{name}", args=[own.ids[model]]).replace(f"/{own.ids[model]}/", f"/{made_up}/")
        answers[address] = client.get(address).status_code

    assert {address: status for address, status in answers.items() if status != 404} == {}


def test_lists_show_no_row_of_another_workspace(person: User, own: Rows, foreign: Rows) -> None:
    client = signed_in(person)
    Persona.objects.filter(workspace__slug="sandbox").update(name="FOREIGN")
    Topic.objects.filter(workspace__slug="sandbox").update(name="FOREIGN")
    Token.objects.filter(workspace__slug="sandbox").update(name="FOREIGN")
    Message.objects.filter(workspace__slug="sandbox").update(text="FOREIGN")
    RequestLogEntry.objects.filter(workspace__slug="sandbox").update(path="/FOREIGN")
    User.objects.filter(username="bot-sandbox").update(first_name="FOREIGN")
    Template.objects.filter(workspace__slug="sandbox").update(name="FOREIGN")
    Location.objects.filter(workspace__slug="sandbox").update(name="FOREIGN")
    AttributeDefinition.objects.filter(workspace__slug="sandbox").update(label="FOREIGN")
    Operation.objects.filter(workspace__slug="sandbox").update(title="FOREIGN")
    Destination.objects.filter(workspace__slug="sandbox").update(name="FOREIGN")
    Delivery.objects.filter(workspace__slug="sandbox").update(problem="FOREIGN", kind="FOREIGN")
    lists = [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in own.ids.keys() - {Workspace}
    ]

    for page in [reverse("admin:index"), reverse("admin:search") + "?q=OREIG", *lists]:
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert "FOREIGN" not in answer.content.decode(), page
    for page in lists:
        rows = client.get(page, {"q": "FOREIGN"}).context["cl"]
        assert rows.result_count == 0 or not rows.search_fields, page


def test_filter_in_the_address_reaches_no_other_workspace_and_no_password(
    admin_user: User, own: Rows, foreign: Rows
) -> None:
    client = signed_in(admin_user)
    other = Workspace.objects.get(slug="sandbox")

    for model in (Persona, Topic, Message, Membership):
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert client.get(page, {"workspace__id__exact": other.pk}).status_code == 400, model
    people = reverse("admin:accounts_membership_changelist")
    assert client.get(people, {"user__password__startswith": "p"}).status_code == 400


FOR_SUPERUSERS = ("accounts_workspace_add", "accounts_workspace_changelist")
FOR_ADMINS = (
    "platforms_connection_add",
    "tokens_token_add",
    "accounts_membership_add",
    "personas_attributedefinition_add",
)
ROWS_FOR_ADMINS = [
    ("accounts_membership_delete", Membership),
    ("accounts_membership_password", Membership),
    ("accounts_workspace_change", Workspace),
    ("accounts_workspace_delete", Workspace),
    ("accounts_workspace_history", Workspace),
    ("platforms_connection_delete", Connection),
    ("platforms_connection_test", Connection),
    ("platforms_connection_switch", Connection),
    ("platforms_connection_secret", Connection),
    ("platforms_connection_address", Connection),
    ("platforms_connection_signing", Connection),
]


def test_page_that_the_role_may_not_open_is_forbidden(person: User, own: Rows) -> None:
    role = Membership.objects.get(user=person).role
    client = signed_in(person)
    addresses = [reverse(f"admin:{name}") for name in FOR_SUPERUSERS]
    if role != Role.ADMIN:
        addresses += [reverse(f"admin:{name}") for name in FOR_ADMINS]
        addresses += [reverse(f"admin:{name}", args=[own.ids[model]]) for name, model in ROWS_FOR_ADMINS]

    answers = {address: client.get(address).status_code for address in addresses}

    assert {address: status for address, status in answers.items() if status != 403} == {}


@pytest.mark.parametrize("model", [Topic, Message])
def test_rows_to_read_cannot_be_added_changed_or_deleted_by_anybody(person: User, own: Rows, model: Any) -> None:
    client = signed_in(person)
    name = f"{model._meta.app_label}_{model._meta.model_name}"

    answers = {
        "add": client.get(reverse(f"admin:{name}_add")).status_code,
        "change": client.post(reverse(f"admin:{name}_change", args=[own.ids[model]]), {"name": "x"}).status_code,
        "delete": client.post(reverse(f"admin:{name}_delete", args=[own.ids[model]]), {"post": "yes"}).status_code,
    }

    assert answers == {"add": 403, "change": 403, "delete": 403}
    assert client.get(reverse(f"admin:{name}_change", args=[own.ids[model]])).status_code == 200


def test_viewer_reads_a_persona_and_can_neither_add_nor_change_nor_delete_one(viewer_user: User, own: Rows) -> None:
    client = signed_in(viewer_user)
    row = [own.ids[Persona]]

    answers = [
        client.get(reverse("admin:personas_persona_add")),
        client.post(reverse("admin:personas_persona_add"), {"name": "x"}),
        client.post(reverse("admin:personas_persona_change", args=row), {"name": "x"}),
        client.post(reverse("admin:personas_persona_delete", args=row), {"post": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert client.get(reverse("admin:personas_persona_change", args=row)).status_code == 200
    assert list(Persona.objects.values_list("name", flat=True)) == ["R.", "Rina"]


def test_support_and_viewer_change_no_role(own: Rows, support_user: User, viewer_user: User) -> None:
    for user in (support_user, viewer_user):
        mine = Membership.objects.get(user=user)
        answer = signed_in(user).post(reverse("admin:accounts_membership_change", args=[mine.pk]), {"role": "admin"})
        assert answer.status_code == 403

    assert Membership.objects.filter(role=Role.ADMIN).count() == 0


def test_autocomplete_finds_no_row_of_another_workspace(person: User, own: Rows, foreign: Rows) -> None:
    client = signed_in(person)
    asked = {"app_label": "tokens", "model_name": "token", "field_name": "topic_anchor", "term": ""}

    answer = client.get(reverse("admin:autocomplete"), asked)

    if answer.status_code == 200:
        assert [row["id"] for row in answer.json()["results"]] == [str(own.ids[Topic])]
    else:
        assert answer.status_code == 403


def test_nobody_gets_in_without_signing_in(own: Rows, client: Client) -> None:
    addresses = [reverse(f"admin:{name}", args=[own.ids[model]]) for name, model in row_addresses()]
    addresses += [reverse(f"admin:{name}") for name in ("index", "search", "profile", "tokens_token_changelist")]

    answers = {address: client.get(address) for address in addresses}

    assert {a for a, answer in answers.items() if not answer.get("Location", "").startswith("/console/login/")} == set()


def test_switching_to_a_workspace_that_one_is_not_in_is_not_found(person: User, other_workspace: Workspace) -> None:
    client = signed_in(person)

    for chosen in (other_workspace.pk, "999999", "", "x", "²"):
        assert client.post(reverse("admin:switch_workspace"), {"workspace": chosen}).status_code == 404


def test_switching_shows_the_rows_of_the_other_workspace(viewer_user: User, own: Rows, foreign: Rows) -> None:
    other = Workspace.objects.get(slug="sandbox")
    Membership.objects.create(workspace=other, user=viewer_user, role=Role.ADMIN)
    Persona.objects.filter(workspace=other).update(name="Only in the sandbox")
    client = signed_in(viewer_user)
    personas = reverse("admin:personas_persona_changelist")
    assert "Only in the sandbox" not in client.get(personas).content.decode()

    client.post(reverse("admin:switch_workspace"), {"workspace": other.pk})

    assert "Only in the sandbox" in client.get(personas).content.decode()


def test_switching_takes_a_post_with_the_right_csrf_value(viewer_user: User, own: Rows) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(viewer_user, backend=BACKEND)
    address = reverse("admin:switch_workspace")

    assert strict.get(address).status_code == 405
    assert strict.post(address, {"workspace": Workspace.objects.get(slug="demo").pk}).status_code == 403


def test_role_of_the_row_counts_not_that_of_the_chosen_workspace(viewer_user: User, own: Rows, foreign: Rows) -> None:
    """An admin elsewhere who may only look here, probing this workspace while the other is chosen."""
    other = Workspace.objects.get(slug="sandbox")
    Membership.objects.create(workspace=other, user=viewer_user, role=Role.ADMIN)
    client = signed_in(viewer_user)
    client.post(reverse("admin:switch_workspace"), {"workspace": other.pk})

    answer = client.post(reverse("admin:accounts_membership_delete", args=[own.ids[Membership]]), {"post": "yes"})

    assert answer.status_code == 403
    assert Membership.objects.filter(pk=own.ids[Membership]).exists()


def test_removed_person_is_out_with_the_next_click(viewer_user: User, own: Rows) -> None:
    client = signed_in(viewer_user)
    assert client.get(reverse("admin:index")).status_code == 200

    Membership.objects.filter(user=viewer_user).delete()

    assert client.get(reverse("admin:index")).status_code == 302
    assert client.get(reverse("admin:personas_persona_change", args=[own.ids[Persona]])).status_code == 302


def _names(resolver: URLResolver) -> list[str]:
    found: list[str] = []
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            found += _names(entry)
        elif isinstance(entry, URLPattern) and entry.name:
            found.append(entry.name)
    return sorted(set(found))


def _takes_id(name: str) -> bool:
    try:
        reverse(f"admin:{name}", args=["1"])
    except Exception:  # noqa: BLE001 - NoReverseMatch of whatever kind: the address takes no id
        return False
    return True
