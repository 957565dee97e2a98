"""What will be sent, before it is saved."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User, Workspace
from delivery.models import Delivery
from personas.models import AttributeDefinition, Persona
from platforms.models import Connection, Link
from tests.accounts.test_scope import signed_in
from tests.personas.console.test_person import form_on
from tests.platforms.connecting import add_rina
from tests.platforms.console.test_arrivals import connected
from tokens.configuration import Configuration
from tokens.models import Token
from tokens.services import COMMAND_LINE, issue_token

pytestmark = pytest.mark.django_db
PREVIEW = "admin:platforms_person_preview"
PREVIEW_OF_NEW = "admin:platforms_new_person_preview"
PAGE = "admin:personas_persona_change"


@pytest.fixture
def rina(workspace: Workspace) -> Persona:
    AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")
    return add_rina(workspace, attributes={"city": "Bandung"})


@pytest.fixture
def linked(workspace: Workspace, rina: Persona) -> list[Connection]:
    made = [connected(workspace, platform, name=platform) for platform in ("raven", "chative", "bevatel")]
    for connection in made:
        Link.objects.create(connection=connection, persona_id=rina.pk, remote_id="42")
    return made


@pytest.fixture
def client(support_user: User) -> Client:
    return signed_in(support_user)


def typed(client: Client, rina: Persona, **changes: str) -> dict[str, str]:
    """What the page of Rina sends when these controls have been changed."""
    return form_on(Page(client.get(reverse(PAGE, args=[rina.pk])).content.decode())) | changes


class Page:
    def __init__(self, text: str) -> None:
        self.text = text


def test_preview_shows_the_exact_call_of_each_connection_and_saves_nothing(
    client: Client, rina: Persona, linked: list[Connection]
) -> None:
    form = typed(client, rina, name="Rina H.", notes="VIP")

    page = client.post(reverse(PREVIEW, args=[rina.pk]), form).content.decode()

    assert "POST https://raven.example.org/persona:update" in page
    assert "PATCH https://chative.example.org/contacts/42" in page
    assert "PUT https://bevatel.example.org/api/v1/accounts/7/contacts/42" in page
    assert "&quot;name&quot;: &quot;Rina H.&quot;" in page
    assert "hush" not in page
    assert page.count("has no such field.</span>") == 2
    rina.refresh_from_db()
    assert rina.name == "Rina Hartono"
    assert Delivery.objects.count() == 0


def test_preview_is_of_what_is_changed_alone(client: Client, rina: Persona, linked: list[Connection]) -> None:
    form = typed(client, rina, **{"attribute-city": "Jakarta"})

    page = client.post(reverse(PREVIEW, args=[rina.pk]), form).content.decode()

    assert "attribute:update" in page
    assert "persona:update" not in page


def test_new_and_removed_contacts_are_part_of_the_preview(
    client: Client, rina: Persona, linked: list[Connection]
) -> None:
    email = rina.contacts.get(type="email")
    changes = {f"contact-{email.pk}-remove": "on", "new-0-type": "telegram", "new-0-key": "@rina", "new-0-label": ""}

    page = client.post(reverse(PREVIEW, args=[rina.pk]), typed(client, rina, **changes)).content.decode()

    assert "Raven&#x27;s API can&#x27;t take a contact away." in page
    assert "Chative takes one e-mail and one phone only." in page
    assert "@rina" in page.partition("contact:add")[2]


def test_part_of_a_page_is_no_whole_page(client: Client, rina: Persona, linked: list[Connection]) -> None:
    part = client.post(f"{reverse(PREVIEW, args=[rina.pk])}?part=1", typed(client, rina, name="R.")).content.decode()

    assert "persona:update" in part
    assert "<html" not in part


def test_unchanged_form_sends_nothing(client: Client, rina: Persona, linked: list[Connection]) -> None:
    page = client.post(reverse(PREVIEW, args=[rina.pk]), typed(client, rina)).content.decode()

    assert "Nothing is changed, so nothing will be sent." in page


def test_form_that_cannot_be_saved_says_why(client: Client, rina: Persona, linked: list[Connection]) -> None:
    page = client.post(reverse(PREVIEW, args=[rina.pk]), typed(client, rina, name="")).content.decode()

    assert "A persona needs a name." in page
    assert "persona:update" not in page


def test_person_who_is_linked_nowhere_would_be_added(client: Client, rina: Persona, workspace: Workspace) -> None:
    connected(workspace, "raven")

    page = client.post(reverse(PREVIEW, args=[rina.pk]), typed(client, rina, name="R.")).content.decode()

    assert "persona:add" in page
    assert "Up to 3 calls" in page


def test_preview_of_a_new_person_shows_their_adding(client: Client, workspace: Workspace, rina: Persona) -> None:
    connected(workspace, "raven")
    form = form_on(Page(client.get(reverse("admin:personas_persona_add")).content.decode()))
    form |= {"name": "Budi", "new-0-type": "whatsapp", "new-0-key": "081200000109"}

    page = client.post(reverse(PREVIEW_OF_NEW), form).content.decode()

    assert "persona:add" in page
    assert "+6281200000109" in page
    assert not Persona.objects.filter(name="Budi").exists()


def test_page_leads_on_to_saving_or_back_to_what_was_typed(
    client: Client, rina: Persona, linked: list[Connection]
) -> None:
    preview = client.post(reverse(PREVIEW, args=[rina.pk]), typed(client, rina, name="Rina H.")).content.decode()
    carried = form_on(Page(preview))

    edited = client.post(reverse(PAGE, args=[rina.pk]), carried | {"edit": "1"})
    kept = Persona.objects.get(pk=rina.pk).name
    client.post(reverse(PAGE, args=[rina.pk]), carried)

    assert 'value="Rina H."' in edited.content.decode()
    assert kept == "Rina Hartono"
    assert Persona.objects.get(pk=rina.pk).name == "Rina H."


def test_credential_that_cannot_be_read_is_said(
    client: Client, rina: Persona, linked: list[Connection], settings: Any
) -> None:
    settings.ENCRYPTION_KEYS = ["another-key-another-key-another-key"]

    answer = client.post(reverse(PREVIEW, args=[rina.pk]), typed(client, rina, name="R."))

    assert answer.status_code == 200
    assert "callout--bad" in answer.content.decode()


def test_preview_is_for_those_who_may_edit_and_by_post(
    viewer_user: User, client: Client, rina: Persona, other_workspace: Workspace
) -> None:
    viewer = signed_in(viewer_user)
    foreign = add_rina(other_workspace)

    assert viewer.post(reverse(PREVIEW, args=[rina.pk]), {}).status_code == 403
    assert viewer.post(reverse(PREVIEW_OF_NEW), {}).status_code == 403
    assert client.post(reverse(PREVIEW, args=[foreign.pk]), {}).status_code == 404
    assert client.get(reverse(PREVIEW, args=[rina.pk])).status_code == 405
    assert client.get(reverse(PREVIEW_OF_NEW)).status_code == 405
    assert Client().post(reverse(PREVIEW, args=[rina.pk]), {}).status_code == 302


# ---------------------------------------- of a token


@pytest.fixture
def admin(admin_user: User) -> Client:
    return signed_in(admin_user)


def of_token(token: Token, tab: str = "details") -> str:
    return reverse("admin:platforms_token_preview", args=[token.pk, tab])


def typed_of(admin: Client, token: Token, **changes: Any) -> dict[str, Any]:
    """What the details of the token send when these controls have been changed."""
    page = Page(admin.get(reverse("admin:tokens_token_change", args=[token.pk])).content.decode())
    return form_on(page) | {"is_on": "on"} | changes


def test_preview_of_a_token_shows_the_call_without_its_digest_and_saves_nothing(
    admin: Client, token: Token, workspace: Workspace
) -> None:
    connected(workspace, name="Gateway", carries="tokens")

    page = admin.post(of_token(token), typed_of(admin, token, name="Shop 2")).content.decode()

    assert f"PUT https://raven.example.org/token/{token.public_id}" in page
    assert "&quot;name&quot;: &quot;Shop 2&quot;" in page
    assert "&quot;digest&quot;: &quot;hmac-sha256:•••&quot;" in page
    assert token.digest not in page
    assert Token.objects.get(pk=token.pk).name == "Shop backend"
    assert Delivery.objects.count() == 0


def test_preview_of_permissions_has_what_is_switched_on(admin: Client, token: Token, workspace: Workspace) -> None:
    connected(workspace, name="Gateway", carries="tokens")
    form = {"version": token.version, "abilities": ["message_send"]}

    page = admin.post(f"{of_token(token, 'permissions')}?part=1", form).content.decode()

    assert "message_send" in page
    assert "persona_read" not in page
    assert "<html" not in page


def test_preview_of_a_token_leads_on_to_saving_or_back_to_what_was_typed(
    admin: Client, token: Token, workspace: Workspace
) -> None:
    connected(workspace, name="Gateway", carries="tokens")
    preview = admin.post(of_token(token), typed_of(admin, token, name="Shop 2")).content.decode()
    carried, page = form_on(Page(preview)), reverse("admin:tokens_token_change", args=[token.pk])

    edited = admin.post(page, carried | {"edit": "1"})
    kept = Token.objects.get(pk=token.pk).name
    admin.post(page, carried)

    assert 'value="Shop 2"' in edited.content.decode()
    assert (kept, Token.objects.get(pk=token.pk).name) == ("Shop backend", "Shop 2")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Nothing is changed, so nothing will be sent."),
        ({"name": ""}, "Give the token a name"),
        ({"activates_at": "2027-01-02T00:00", "expires_at": "2027-01-01T00:00"}, "The expiration must be later"),
    ],
)
def test_token_that_is_unchanged_or_cannot_be_saved_says_so(
    admin: Client, token: Token, workspace: Workspace, changes: dict[str, str], said: str
) -> None:
    connected(workspace, name="Gateway", carries="tokens")

    page = admin.post(of_token(token), typed_of(admin, token, **changes)).content.decode()

    assert said in page
    assert "preview__call" not in page


def test_page_of_a_token_offers_a_preview_only_where_a_connection_carries_tokens(
    admin: Client, token: Token, workspace: Workspace
) -> None:
    page = reverse("admin:tokens_token_change", args=[token.pk])
    connected(workspace, name="Shop")
    without = admin.get(page).content.decode()

    connected(workspace, name="Gateway", carries="tokens")

    assert [of_token(token) in text for text in (without, admin.get(page).content.decode())] == [False, True]


def test_preview_of_a_token_is_for_those_who_may_edit_and_by_post(
    client: Client, admin: Client, token: Token, other_workspace: Workspace
) -> None:
    configuration = Configuration(name="Theirs")
    theirs = issue_token(workspace=other_workspace, configuration=configuration, by=COMMAND_LINE).token

    assert client.post(of_token(token), {}).status_code == 403
    assert admin.post(of_token(theirs), {}).status_code == 404
    assert admin.post(of_token(token, "usage"), {}).status_code == 404
    assert admin.get(of_token(token)).status_code == 405
