import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import User, Workspace
from personas import finding
from personas.console import listing
from personas.models import AttributeDefinition, AttributeValue, Contact, Persona, SavedFilter

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
LIST = reverse("admin:personas_persona_changelist")
SAVED = reverse("admin:personas_savedfilter_changelist")
SAVE = reverse("admin:personas_savedfilter_add")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


@pytest.fixture
def support(support_user: User) -> Client:
    return signed_in(support_user)


@pytest.fixture
def city(workspace: Workspace) -> AttributeDefinition:
    made: AttributeDefinition = AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")
    return made


@pytest.fixture
def people(workspace: Workspace, city: AttributeDefinition) -> list[Persona]:
    """Rina of Jakarta with a number, Joko of Bandung with an e-mail, Sari with nothing, Ayu with a doubtful number."""
    made = [
        Persona.objects.create(workspace=workspace, name=name, updated_at=datetime(2026, month, 1, tzinfo=UTC))
        for month, name in enumerate(("Rina", "Joko", "Sari", "Ayu"), start=1)
    ]
    for at, type, key in ((0, "whatsapp", "+6281200000101"), (1, "email", "joko@example.org"), (3, "phone", "+6211")):
        Contact.objects.create(workspace=workspace, persona=made[at], type=type, key=key, normalized=key)
    for at, value in ((0, "Jakarta"), (1, "Bandung")):
        AttributeValue.objects.create(persona=made[at], definition=city, value=value)
    return made


def names(client: Client, query: str = "") -> list[str]:
    return [row.persona.name for row in client.get(f"{LIST}?{query}").context["cl"].rows]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Ayu", "Sari", "Joko", "Rina"]),
        ("o=0", ["Ayu", "Joko", "Rina", "Sari"]),
        ("o=-0", ["Sari", "Rina", "Joko", "Ayu"]),
        ("o=1", ["Rina", "Joko", "Sari", "Ayu"]),
        ("q=bandung", ["Joko"]),
        ("q=a", ["Ayu"]),
        ("kind=email", ["Joko"]),
        ("problem=any", ["Ayu", "Sari"]),
        ("problem=invalid_number", ["Ayu"]),
        ("problem=no_contact", ["Sari"]),
        ("updated=2026-03-01", ["Ayu"]),
        ("a=city&op=has&v=", ["Joko", "Rina"]),
        ("a=city&op=has&v=&o=-0", ["Rina", "Joko"]),
        ("a=city&op=lacks&v=&kind=phone", ["Ayu"]),
    ],
)
def test_list_shows_whom_the_address_asks_for_in_its_order(
    support: Client, people: list[Persona], query: str, found: list[str]
) -> None:
    # the first of March begins in Jakarta seven hours before it does in UTC
    expected = ["Ayu", "Sari"] if query.startswith("updated") else found

    assert names(support, query) == expected


def test_row_shows_contacts_values_and_what_is_wrong(support: Client, people: list[Persona]) -> None:
    page = support.get(LIST).content.decode()

    assert "+6281200000101" in page
    assert "Jakarta" in page
    assert page.count("No contact</span>") == 1
    assert page.count("Check the number</span>") == 1


def test_filters_are_chips_in_words_that_take_just_themselves_away(support: Client, people: list[Persona]) -> None:
    page = support.get(f"{LIST}?q=ri&kind=whatsapp&a=city&op=is&v=Jakarta&o=0").content.decode()

    chips = re.findall(r'<a class="chip" href="([^"]*)">.*?</span> (.*?) <svg', page)
    assert [(href.replace("&amp;", "&"), words.replace("&quot;", '"')) for href, words in chips] == [
        ("?kind=whatsapp&a=city&op=is&v=Jakarta", "Search: ri"),
        ("?q=ri&a=city&op=is&v=Jakarta", "Reached by WhatsApp"),
        ("?q=ri&kind=whatsapp", "City is “Jakarta”"),
    ]


def test_links_of_the_list_keep_all_that_it_asks(support: Client, workspace: Workspace, city: Any) -> None:
    for n in range(30):
        persona = Persona.objects.create(workspace=workspace, name=f"Siti {n:02}")
        AttributeValue.objects.create(persona=persona, definition=city, value="Jakarta")
    query = "q=siti&a=city&a=city&op=is&op=has&v=Jakarta&v="

    page = support.get(f"{LIST}?{query}&per_page=10").content.decode()

    links = {link.replace("&amp;", "&") for link in re.findall(r'href="(\?[^"]*)"', page)}
    paging = [link for link in links if re.search(r"[?&](p|o|per_page)=", link)]
    assert len(paging) >= 6
    for link in paging:
        assert query in link, link
        assert len(names(support, link[1:])) == 10 if "per_page" not in link else True
    assert names(support, f"{query}&per_page=10&p=3")[-1] == "Siti 00"


def test_form_leads_to_an_address_that_says_only_what_is_asked(support: Client, people: list[Persona]) -> None:
    sent = "columns=chosen&o=0&q=&kind=&problem=&updated=&a=city&op=is&v=Jakarta&a=&op=has&v=&column=city"

    answer = support.get(f"{LIST}?{sent}")

    assert answer.headers["Location"] == f"{LIST}?a=city&op=is&v=Jakarta&o=0"


def test_columns_are_chosen_and_kept(support: Client, people: list[Persona], workspace: Workspace) -> None:
    for key in ("b", "c", "d", "e"):
        AttributeDefinition.objects.create(workspace=workspace, key=key, label=key.upper())
    assert [column.key for column in support.get(LIST).context["cl"].columns] == ["city", "b"]

    support.get(f"{LIST}?columns=chosen&column=e&column=city&column=nothing")
    assert [column.key for column in support.get(LIST).context["cl"].columns] == ["city", "e"]
    support.get(f"{LIST}?columns=chosen")
    assert support.get(LIST).context["cl"].columns == []


def test_filter_that_can_not_be_read_shows_nobody_and_why_and_keeps_what_was_typed(
    support: Client, people: list[Persona]
) -> None:
    answer = support.get(f"{LIST}?columns=chosen&a=city&op=at_least&v=5", follow=True)

    page = answer.content.decode()
    assert answer.context["cl"].rows == []
    assert "Nobody was looked for." in page
    assert 'value="5"' in page
    assert re.search(r"<details[^>]* open", page)


def test_more_than_are_counted_are_reached_page_by_page(
    support: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNTED_OF_FOUND", 10)
    for n in range(45):
        Persona.objects.create(workspace=workspace, name=f"Siti {n:02}")
    seen: list[str] = []

    for page in range(1, 6):
        answer = support.get(f"{LIST}?q=siti&per_page=10&p={page}")
        seen += [row.persona.name for row in answer.context["cl"].rows]
        text = answer.content.decode()
        assert ('rel="next"' in text) == (page < 5)
        assert ("of 10+" in text) == (page == 1)

    assert seen == [f"Siti {n:02}" for n in range(44, -1, -1)]


@pytest.mark.parametrize("per_page", [10, 25, 100])
def test_people_who_are_far_are_counted_to_the_end_of_the_page_and_turning_pages_reaches_all(
    support: Client, workspace: Workspace, city: Any, monkeypatch: pytest.MonkeyPatch, per_page: int
) -> None:
    monkeypatch.setattr(finding, "LOOKED_AT", 2)
    for n in range(130):
        persona = Persona.objects.create(workspace=workspace, name=f"{'Siti' if n < 120 else 'Budi'} {n:03}")
        AttributeValue.objects.create(persona=persona, definition=city, value="Jakarta")
    seen: list[str] = []
    last = -(-120 // per_page)

    for page in range(1, last + 1):
        answer = support.get(f"{LIST}?q=siti&a=city&op=is&v=Jakarta&per_page={per_page}&p={page}")
        seen += [row.persona.name for row in answer.context["cl"].rows]
        text = answer.content.decode()
        assert ('rel="next"' in text) == (page < last)
        assert (f"{page * per_page - per_page + 1}–{page * per_page} of {page * per_page}+" in text) == (page < last)

    assert "–120 of 120" in text
    assert "120+" not in text
    assert seen == [f"Siti {n:03}" for n in range(119, -1, -1)]


def test_order_of_more_than_can_be_sorted_is_said_to_be_of_the_newest(
    support: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SORTED_OF_FOUND", 2)
    for name in ("Siti C", "Siti A", "Siti B"):
        Persona.objects.create(workspace=workspace, name=name)

    answer = support.get(f"{LIST}?q=siti&o=0")

    assert [row.persona.name for row in answer.context["cl"].rows] == ["Siti A", "Siti B"]
    assert "in order" in answer.content.decode()


@pytest.mark.parametrize(
    "query", ["", "q=siti", "kind=whatsapp", "a=city&op=is&v=Jakarta", "problem=any", "q=siti&o=0"]
)
def test_queries_of_the_list_stay_few_and_count_no_table(
    support: Client, workspace: Workspace, city: Any, query: str,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    def grow(first: int, last: int) -> None:
        for n in range(first, last):
            persona = Persona.objects.create(workspace=workspace, name=f"Siti {n}")
            AttributeValue.objects.create(persona=persona, definition=city, value="Jakarta")
            if n % 2:
                Contact.objects.create(
                    workspace=workspace, persona=persona, type="whatsapp", key=str(n), normalized=f"+62812{n:08}"
                )

    grow(0, 4)
    with django_assert_max_num_queries(16) as few:
        support.get(f"{LIST}?{query}")
    grow(4, 30)
    with django_assert_max_num_queries(len(few)) as many:
        support.get(f"{LIST}?{query}")

    counting = [one["sql"] for one in many.captured_queries if "COUNT(" in one["sql"] and "LIMIT" not in one["sql"]]
    assert [sql for sql in counting if "GROUP BY" not in sql] == []


# ------------------------------------------------------------------------------------------------ saved filters
def save(client: Client, query: str, name: str, **more: Any) -> Any:
    return client.post(f"{SAVE}?{query}", {"name": name, "query": query, "_save": "", **more})


def test_filter_is_saved_and_found_above_the_list(support: Client, people: list[Persona], workspace: Workspace) -> None:
    answer = save(support, "q=rina&problem=&kind=whatsapp&per_page=10", "Rinas")

    saved = SavedFilter.objects.get()
    assert (saved.name, saved.query, saved.is_shared, saved.workspace) == (
        "Rinas", "q=rina&kind=whatsapp", False, workspace,
    )  # fmt: skip
    assert answer.headers["Location"] == f"{LIST}?q=rina&kind=whatsapp"
    page = support.get(answer.headers["Location"]).content.decode()
    assert 'href="?q=rina&amp;kind=whatsapp" aria-current="true"' in page
    assert "Save this filter" not in page


def test_private_filter_is_nobody_elses_and_a_shared_one_is_everybodys(
    support: Client, support_user: User, viewer_user: User, people: list[Persona]
) -> None:
    save(support, "q=rina", "Mine")
    save(support, "q=joko", "Ours", is_shared="on")
    private, shared = SavedFilter.objects.order_by("id")

    viewer = signed_in(viewer_user)
    page = viewer.get(LIST).content.decode()

    assert "Ours" in page
    assert "Mine" not in page
    assert viewer.get(reverse("admin:personas_savedfilter_change", args=[private.pk])).status_code == 404
    assert viewer.get(reverse("admin:personas_savedfilter_change", args=[shared.pk])).status_code == 200
    assert "Mine" not in viewer.get(SAVED).content.decode()


def test_owner_renames_and_deletes_and_a_colleague_does_not(
    support: Client, viewer_user: User, people: list[Persona]
) -> None:
    save(support, "q=joko", "Ours", is_shared="on")
    [shared] = SavedFilter.objects.all()
    change, delete = (reverse(f"admin:personas_savedfilter_{verb}", args=[shared.pk]) for verb in ("change", "delete"))

    viewer = signed_in(viewer_user)
    assert viewer.post(change, {"name": "Theirs", "_save": ""}).status_code == 403
    assert viewer.post(delete, {"post": "yes"}).status_code == 403
    support.post(change, {"name": "Jokos", "is_shared": "on", "_save": ""})
    shared.refresh_from_db()
    assert (shared.name, shared.query, shared.is_shared) == ("Jokos", "q=joko", True)
    support.post(delete, {"post": "yes"})

    assert not SavedFilter.objects.exists()


def test_admin_deletes_a_shared_filter_of_a_colleague_and_never_sees_a_private_one(
    support: Client, admin_user: User, people: list[Persona]
) -> None:
    save(support, "q=joko", "Ours", is_shared="on")
    save(support, "q=rina", "Mine")
    shared, private = SavedFilter.objects.order_by("id")
    admin = signed_in(admin_user)

    assert (
        admin.post(reverse("admin:personas_savedfilter_delete", args=[private.pk]), {"post": "yes"}).status_code == 404
    )
    admin.post(reverse("admin:personas_savedfilter_delete", args=[shared.pk]), {"post": "yes"})

    assert list(SavedFilter.objects.all()) == [private]


def test_viewer_saves_for_themselves_and_can_not_share(viewer_user: User, people: list[Persona]) -> None:
    save(signed_in(viewer_user), "q=rina", "Mine", is_shared="on")

    assert SavedFilter.objects.get().is_shared is False


@pytest.mark.parametrize(
    ("query", "name"), [("q=joko", "Taken"), ("", "Everybody"), ("kind=fax", "Broken"), ("q=x", ""), ("q=x", "n" * 61)]
)
def test_filter_that_can_not_be_saved_is_not(
    support: Client, support_user: User, workspace: Workspace, query: str, name: str
) -> None:
    SavedFilter.objects.create(workspace=workspace, owner=support_user, name="Taken", query="q=rina")

    answer = save(support, query, name)

    assert answer.status_code in {200, 302}
    assert [saved.query for saved in SavedFilter.objects.all()] == ["q=rina"]


def test_saved_filter_whose_attribute_is_gone_says_so_and_finds_nobody(
    support: Client, support_user: User, people: list[Persona], workspace: Workspace, city: AttributeDefinition
) -> None:
    query = "a=city&op=is&v=Jakarta"
    SavedFilter.objects.create(workspace=workspace, owner=support_user, name="Jakarta", query=query)
    city.delete()

    assert names(support, query) == []
    assert "There is no attribute" in support.get(f"{LIST}?{query}").content.decode()
    assert "There is no attribute" in support.get(SAVED).content.decode()
