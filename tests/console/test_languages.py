"""Every page that can be reached in the console, in Indonesian: no sentence of it is English."""

import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.admin import site
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.functional import Promise
from playwright.sync_api import BrowserContext, expect

from accounts.models import User, Workspace
from delivery.models import Destination
from messaging.models import Message, Template, Topic
from personas.models import AttributeDefinition, Contact
from scripts import messages
from tests.browsing import Watched, in_every_look, signed_in
from tests.conftest import PASSWORD
from tests.console.conftest import make_call
from tokens.models import Token

_ENGLISH = re.compile(r"(?i)\b(the|of|and|is|are|was|were|this|that|these|with|not|has|have|by|from|for|you|your|to)\b")
_VOID = {"input", "meta", "link", "img", "br", "hr", "use", "path", "col", "circle", "rect", "line"}
_OF_PROGRAMS = {"code", "pre", "bdi", "kbd", "textarea", "script", "option"}
_SHOWN_ATTRIBUTES = ("aria-label", "placeholder", "title", "alt", "data-label", "data-copied", "data-unreachable")


class _Page(HTMLParser):
    """The texts that a person reads or hears on a page, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self.feed(html)

    @property
    def _is_foreign(self) -> bool:
        return any(is_foreign for _tag, is_foreign in self._open)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(given.get("href", ""))
        if not self._is_foreign and given.get("lang", "id") == "id":
            self.texts += [given[name] for name in _SHOWN_ATTRIBUTES if given.get(name)]
        if tag not in _VOID:
            is_data = tag in _OF_PROGRAMS or "mono" in given.get("class", "").split()
            self._open.append((tag, is_data or (given.get("lang", "id") != "id")))

    def handle_endtag(self, tag: str) -> None:
        if tag in [opened for opened, _is_foreign in self._open]:
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._is_foreign:
            self.texts.append(" ".join(data.split()))


@pytest.fixture
def reader(db: None, settings: Any) -> User:
    """The admin of the demo, who reads Indonesian."""
    settings.DEMO_ADMIN_PASSWORD = PASSWORD
    call_command("load_demo", verbosity=0, stdout=io.StringIO())
    reader: User = User.objects.get(username=settings.DEMO_ADMIN_USERNAME)
    reader.language = "id"
    reader.save()
    make_call(Workspace.objects.get(slug="demo"), token=Token.objects.first())
    return reader


def test_every_list_has_a_name_in_each_language() -> None:
    unnamed = [model for model in site._registry if not isinstance(model._meta.verbose_name_plural, Promise)]

    assert unnamed == []


def test_no_page_of_the_console_has_an_english_sentence_for_an_indonesian_reader(reader: User) -> None:
    client = Client(headers={"accept-language": "en"})
    client.force_login(reader, backend="django.contrib.auth.backends.ModelBackend")
    translated, data = _translated(), _data()
    found = set()

    visited = 0
    for path, page in _walk(client, reverse("admin:index")):
        visited += 1
        for text in page.texts:
            is_ours = not any(each in text for each in data)
            if text in translated or (is_ours and len(_ENGLISH.findall(text)) >= 2):
                found.add((path, text))

    assert visited > 60
    assert sorted(found) == []


def _walk(client: Client, start: str) -> Iterator[tuple[str, _Page]]:
    """One page of each shape of address that links lead to from `start` on."""
    waiting, shapes = [start], set[str]()
    while waiting:
        path = waiting.pop(0)
        shape = re.sub(r"\d+", "N", path.partition("?")[0])
        if shape in shapes or not path.startswith(("/console/", "/docs/")):
            continue
        shapes.add(shape)
        answer = client.get(path)
        if answer.status_code in {301, 302}:
            waiting.append(answer["Location"])
        elif answer.get("Content-Type", "").startswith("text/html"):
            page = _Page(answer.content.decode())
            waiting += [link.partition("#")[0] for link in page.links]
            yield path, page


def _translated() -> set[str]:
    """The English texts that are another in Indonesian, those without a place to fill in."""
    with translation.override("id"):
        return {each.text for each in messages.texts() if translation.gettext(each.text) != each.text} - {""}


def _data() -> list[str]:
    """What people wrote, in whatever language."""
    columns = (
        (Topic, "name"), (Message, "text"), (Template, "body"), (Token, "name"), (Destination, "name"),
        (AttributeDefinition, "label"), (AttributeDefinition, "hint"), (Contact, "label"), (User, "username"),
    )  # fmt: skip
    texts: set[str] = set()
    for model, column in columns:
        texts |= set(model._default_manager.values_list(column, flat=True))
    return [text for text in texts if text.strip()]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@in_every_look
def test_main_pages_in_indonesian_break_no_rule_of_axe_policy_or_width(
    context: BrowserContext, live_server: object, workspace: Workspace, admin_user: User, token: Token
) -> None:
    User.objects.filter(pk=admin_user.pk).update(language="id")
    root = str(live_server.url)  # type: ignore[attr-defined]
    watched = Watched(signed_in(context, root, admin_user), root)

    for name in ("index", "tokens_token_changelist", "personas_persona_changelist", "delivery_delivery_changelist",
                 "personas_operation_import", "platforms_connection_changelist", "profile"):  # fmt: skip
        watched.check(reverse(f"admin:{name}"))
    watched.check(reverse("admin:tokens_token_change", args=[token.pk]))

    assert watched.findings == []


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_language_is_switched_on_the_sign_in_page_and_in_the_menu_without_a_script(
    browser: object, live_server: object, admin_user: User
) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")  # type: ignore[attr-defined]
    root = str(live_server.url)  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto(root + reverse("admin:login") + f"?next={reverse('admin:profile')}")

    page.get_by_role("button", name="Bahasa Indonesia").click()
    expect(page.locator("h1")).to_have_text("Masuk")
    expect(page.locator("html")).to_have_attribute("lang", "id")
    page.fill("[name=username]", admin_user.username)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Masuk", exact=True).click()
    expect(page.locator("h1")).to_have_text("Profil Anda")
    page.locator(".topbar details > summary").click()
    page.get_by_role("button", name="English").click()

    expect(page.locator("h1")).to_have_text("Your profile")
    assert page.url == root + reverse("admin:profile")
    assert "language" in {cookie["name"] for cookie in context.cookies()}
    context.close()
