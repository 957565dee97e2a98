from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User, Workspace
from accounts.roles import Role
from delivery.models import Delivery, Destination
from messaging.models import Topic
from personas.models import Persona
from tests.console.conftest import REQUEST_ID, make_call, make_persona
from tokens.configuration import Configuration
from tokens.models import RequestLogEntry, Token
from tokens.services import COMMAND_LINE, issue_token

pytestmark = pytest.mark.django_db
SEARCH = reverse("admin:search")


@pytest.fixture
def viewer(client: Client, viewer_user: User) -> Client:
    client.force_login(viewer_user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def where(client: Client, text: str) -> str:
    """Where searching for `text` leads; empty for the page of results."""
    return str(client.get(SEARCH, {"q": text}).get("Location", ""))


def titles(client: Client, text: str) -> list[str]:
    return [hit.title for group in client.get(SEARCH, {"q": text}).context["groups"] for hit in group.hits]


@pytest.mark.parametrize("typed", [REQUEST_ID, f"  {REQUEST_ID} ", f"X-Request-Id: {REQUEST_ID}", REQUEST_ID.upper()])
def test_request_id_leads_to_its_call(viewer: Client, call: RequestLogEntry, typed: str) -> None:
    assert where(viewer, typed) == reverse("admin:tokens_requestlogentry_change", args=[REQUEST_ID])


def test_request_id_of_another_workspace_finds_nothing(viewer: Client, other_workspace: Workspace) -> None:
    make_call(other_workspace, token=None)

    assert where(viewer, REQUEST_ID) == ""
    assert titles(viewer, REQUEST_ID) == []


def test_call_of_nobody_is_found_by_superusers_only(viewer: Client, viewer_user: User) -> None:
    make_call(None, token=None)
    assert where(viewer, REQUEST_ID) == ""

    User.objects.filter(pk=viewer_user.pk).update(is_superuser=True)

    assert where(viewer, REQUEST_ID) == reverse("admin:tokens_requestlogentry_change", args=[REQUEST_ID])
    assert viewer.get(where(viewer, REQUEST_ID)).status_code == 200


def test_masked_token_leads_to_its_page(viewer: Client, token: Token) -> None:
    page = reverse("admin:tokens_token_change", args=[token.pk])

    assert where(viewer, token.masked) == page
    assert where(viewer, f"rvn_{token.public_id}") == page


def test_whole_token_is_cut_down_before_anything_else_and_still_finds_its_page(
    viewer: Client, token: Token, secret: str
) -> None:
    answer = viewer.get(SEARCH, {"q": f"Bearer {secret}"}, follow=True)

    assert secret[20:40] not in "".join(url for url, _status in answer.redirect_chain)
    assert answer.redirect_chain[-1][0] == reverse("admin:tokens_token_change", args=[token.pk])


def test_token_of_another_workspace_is_not_found(viewer: Client, other_workspace: Workspace) -> None:
    foreign = issue_token(workspace=other_workspace, configuration=Configuration(name="Foreign"), by=COMMAND_LINE).token

    assert where(viewer, foreign.masked) == ""
    for text in ("Foreign", foreign.public_id, foreign.last_four):
        assert titles(viewer, text) == []


def test_token_is_found_by_public_id_last_four_and_part_of_its_name(viewer: Client, token: Token) -> None:
    for text in (token.public_id, token.last_four, "backend"):
        assert token.name in titles(viewer, text), text


def test_persona_is_found_by_number_and_topic_by_name(viewer: Client, persona: Persona, topic: Topic) -> None:
    assert titles(viewer, "0812 0000 0101") == ["Rina Hartono"]
    assert titles(viewer, "announce") == ["Announcements"]


def test_results_are_few_and_lead_on_to_the_list(viewer: Client, workspace: Workspace) -> None:
    for number in range(12):
        make_persona(workspace, f"Rina {number}", f"+62812000{number:05d}")

    page = viewer.get(SEARCH, {"q": "Rina"})

    [group] = page.context["groups"]
    assert len(group.hits) == 10
    assert f'{reverse("admin:personas_persona_changelist")}?q=Rina"' in page.content.decode()


@pytest.mark.parametrize("text", ["", "   ", "%", "_", "'", '"><script>', "\\", "x" * 5000, "ünïcode 你好", "\x00"])
def test_any_text_gets_a_page(viewer: Client, token: Token, text: str) -> None:
    answer = viewer.get(SEARCH, {"q": text})

    assert answer.status_code == 200
    assert "<script>" not in answer.content.decode()


FOUND = reverse("admin:found")


def found(client: Client, text: str) -> dict[str, list[str]]:
    """What the palette shows: the titles of each group."""
    groups = client.get(FOUND, {"q": text}).json()["groups"]
    return {group["label"]: [hit["title"] for hit in group["hits"]] for group in groups}


def deliver(workspace: Workspace, **values: Any) -> Delivery:
    destination = Destination.objects.create(workspace=workspace, name="Shop chat", kind="raven")
    moments = dict.fromkeys(("due_at", "since", "created_at"), timezone.now())
    made: Delivery = Delivery.objects.create(
        workspace=workspace, destination=destination, lane="persona:1", kind="persona.changed", **moments, **values
    )
    return made


def test_palette_finds_each_kind_by_what_people_have_at_hand(
    viewer: Client, token: Token, persona: Persona, topic: Topic, call: RequestLogEntry
) -> None:
    delivery = deliver(token.workspace, remote_id="0f8fad5b-d9cb")

    assert found(viewer, token.last_four)["Tokens"] == [token.name]
    assert found(viewer, "+62 (812) 0000-0101") == {"Personas": ["Rina Hartono"]}
    assert found(viewer, REQUEST_ID) == {"Exactly this": [REQUEST_ID]}
    assert found(viewer, "0f8fad5b-d9cb") == {"Deliveries": [f"#{delivery.pk} Change of a person"]}
    assert found(viewer, f"#{delivery.pk}") == {"Deliveries": [f"#{delivery.pk} Change of a person"]}
    assert found(viewer, "announce") == {"Topics": ["Announcements"]}


def test_palette_shows_what_the_page_of_results_shows(viewer: Client, token: Token, persona: Persona) -> None:
    for text in ("rina", "shop", token.last_four, "", "to"):
        shown = found(viewer, text)
        on_page = {
            str(group.label): [hit.title for hit in group.hits]
            for group in viewer.get(SEARCH, {"q": text}).context["groups"]
        }
        assert shown == on_page, text


def test_palette_finds_nothing_of_another_workspace(viewer: Client, other_workspace: Workspace) -> None:
    foreign = issue_token(workspace=other_workspace, configuration=Configuration(name="Foreign"), by=COMMAND_LINE).token
    make_persona(other_workspace, "Foreign person", "+6281200000101")
    Topic.objects.create(workspace=other_workspace, type="mass", name="Foreign news")
    delivery = deliver(other_workspace, remote_id="foreign-7")
    make_call(other_workspace, token=foreign)

    for text in (
        "Foreign",
        foreign.public_id,
        foreign.masked,
        "+6281200000101",
        "foreign-7",
        f"#{delivery.pk}",
        REQUEST_ID,
    ):
        assert found(viewer, text) == {}, text


def test_person_without_a_workspace_or_signed_out_finds_nothing(client: Client, db: None) -> None:
    assert client.get(FOUND, {"q": "a"}).status_code == 302

    client.force_login(User.objects.create_user("nobody"), backend="django.contrib.auth.backends.ModelBackend")

    assert client.get(FOUND, {"q": "a"}).status_code == 302


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPPORT, Role.VIEWER])
def test_every_command_that_is_offered_opens(
    role: Role, admin_user: User, support_user: User, viewer_user: User, client: Client
) -> None:
    user = {Role.ADMIN: admin_user, Role.SUPPORT: support_user, Role.VIEWER: viewer_user}[role]
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    [group] = client.get(FOUND).json()["groups"]

    answers = {hit["title"]: client.get(hit["url"]).status_code for hit in group["hits"] if hit["url"]}

    assert {title: status for title, status in answers.items() if status != 200} == {}
    assert ("Generate new token" in answers) == (role == Role.ADMIN)
    assert ("Import people" in answers) == (role != Role.VIEWER)
    assert [hit["theme"] for hit in group["hits"] if hit["theme"]] == ["dark", "light", "system"]


@pytest.mark.parametrize(
    ("typed", "first"),
    [("generate", "Generate new token"), ("NEW TOK", "Generate new token"), ("imp", "Import people"),
     ("dark", "Switch to dark"), ("callb", "Callbacks"), ("tokens", "Tokens"), ("api doc", "API documentation")],
)  # fmt: skip
def test_commands_are_found_by_the_beginnings_of_their_words(
    admin_user: User, client: Client, typed: str, first: str
) -> None:
    client.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")

    assert found(client, typed)["Go to, or do"][0] == first


def test_queries_of_the_palette_are_few_whatever_there_is(
    viewer: Client, workspace: Workspace, topic: Topic, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def grow(first: int, last: int) -> None:
        for number in range(first, last):
            make_persona(workspace, f"News {number}", f"+62812000{number:05d}")
            issue_token(workspace=workspace, configuration=Configuration(name=f"News {number}"), by=COMMAND_LINE)
            Topic.objects.create(workspace=workspace, type="mass", name=f"News {number}")
            deliver(workspace, remote_id="news")

    grow(0, 1)
    with django_assert_max_num_queries(20) as few:
        viewer.get(FOUND, {"q": "news"})
    grow(1, 15)
    with django_assert_max_num_queries(len(few)) as many:
        answer = viewer.get(FOUND, {"q": "news"})

    assert [len(group["hits"]) for group in answer.json()["groups"]] == [10, 10, 10, 10]
    assert not [query["sql"] for query in many.captured_queries if "COUNT(" in query["sql"]]


def test_names_are_looked_into_among_the_newest_only(
    viewer: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokens.console.listing.NAMES_LOOKED_THROUGH", 2)
    old, *_newer = [
        issue_token(workspace=workspace, configuration=Configuration(name=f"Shop {number}"), by=COMMAND_LINE).token
        for number in range(3)
    ]

    assert found(viewer, "Shop") == {"Tokens": ["Shop 2", "Shop 1"]}
    assert found(viewer, old.last_four)["Tokens"] == ["Shop 0"]
    assert found(viewer, old.public_id)["Tokens"] == ["Shop 0"]
