import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User, Workspace
from messaging.models import Topic
from personas.models import Persona
from tests.console.conftest import REQUEST_ID, make_call, make_persona
from tokens.models import RequestLogEntry, Token
from tokens.services import COMMAND_LINE, Configuration, issue_token

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
