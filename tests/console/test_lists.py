import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts import console
from accounts.models import User, Workspace
from messaging.models import Topic
from personas.models import Persona
from tests.console.conftest import make_message, make_persona

pytestmark = pytest.mark.django_db
PERSONAS = reverse("admin:personas_persona_changelist")
TOPICS = reverse("admin:messaging_topic_changelist")
MESSAGES = reverse("admin:messaging_message_changelist")


@pytest.fixture
def viewer(client: Client, viewer_user: User) -> Client:
    client.force_login(viewer_user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def topics(workspace: Workspace) -> None:
    Topic.objects.bulk_create(
        Topic(workspace=workspace, type="mass", name=f"News {n:03d}", status="open" if n % 2 else "resolved")
        for n in range(120)
    )


def names_on(client: Client, url: str, query: dict[str, Any] | None = None) -> list[str]:
    return [str(row) for row in client.get(url, query).context["cl"].result_list]


@pytest.mark.parametrize("size", [10, 25, 50, 100])
def test_page_has_as_many_rows_as_chosen_and_keeps_to_it(viewer: Client, topics: None, size: int) -> None:
    assert len(names_on(viewer, TOPICS, {"per_page": size})) == size
    assert len(names_on(viewer, TOPICS)) == size


@pytest.mark.parametrize("size", ["0", "11", "1000", "-1", "x", "", "²", pytest.param("9" * 5000, id="long")])
def test_page_size_that_is_not_offered_changes_nothing(viewer: Client, topics: None, size: str) -> None:
    assert len(names_on(viewer, TOPICS, {"per_page": size})) == 25


def test_page_size_goes_with_filter_search_order_and_page(viewer: Client, topics: None) -> None:
    query = {"per_page": "10", "status__exact": "open", "q": "News", "p": "2"}

    answer = viewer.get(TOPICS, query)

    assert answer.status_code == 200
    assert [str(row) for row in answer.context["cl"].result_list] == [f"News {n:03d}" for n in range(99, 80, -2)]


def test_links_of_a_page_keep_what_the_list_is_narrowed_to(viewer: Client, topics: None) -> None:
    page = viewer.get(TOPICS, {"per_page": "10", "status__exact": "open", "q": "News"}).content.decode()

    foot = page[page.index('<div class="list-foot">') :]
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="(\?[^"]*)"', foot)]
    assert links
    for link in links:
        assert "status__exact=open" in link, link
        assert "q=News" in link, link
        assert viewer.get(TOPICS + link).status_code == 200, link


def test_active_filters_are_chips_that_take_just_themselves_away(viewer: Client, topics: None) -> None:
    page = viewer.get(TOPICS, {"status__exact": "open", "q": "News"}).content.decode()

    chips = re.findall(r'<a class="chip" href="([^"]*)"', page)
    assert [chip.replace("&amp;", "&") for chip in chips] == ["?status__exact=open", "?q=News"]


def test_page_beyond_the_last_is_the_last(viewer: Client, topics: None) -> None:
    answer = viewer.get(TOPICS, {"p": 99})

    assert answer.status_code == 200
    assert answer.context["cl"].page_num == 5


def test_sorted_column_says_so_and_reverses(viewer: Client, workspace: Workspace) -> None:
    for name in ("Beta", "Alpha"):
        Persona.objects.create(workspace=workspace, name=name)

    page = viewer.get(PERSONAS, {"o": "0"}).content.decode()

    assert names_on(viewer, PERSONAS, {"o": "0"}) == ["Alpha", "Beta"]
    assert names_on(viewer, PERSONAS, {"o": "-0"}) == ["Beta", "Alpha"]
    assert re.search(r'<th[^>]*aria-sort="ascending">\s*<a href="\?o=-0">', page)
    assert page.count("aria-sort") == 1


def test_counting_and_paging_end_at_the_bound(viewer: Client, topics: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "COUNTED_AT_MOST", 100)

    page = viewer.get(TOPICS, {"per_page": 10, "p": 10}).content.decode()

    assert "91–100 of 100+" in page
    assert 'rel="next"' not in page


def test_empty_list_says_what_it_is_for_and_a_fruitless_search_how_to_go_back(viewer: Client) -> None:
    empty = viewer.get(MESSAGES).content.decode()
    fruitless = viewer.get(MESSAGES, {"q": "nothing like it"}).content.decode()

    assert "No messages yet" in empty
    assert "Nothing matches" in fruitless
    assert f'href="{MESSAGES}"' in fruitless


def test_text_of_a_row_is_never_markup(viewer: Client, workspace: Workspace, support_user: User) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    persona = make_persona(workspace, nasty, "+6281200000101")
    topic = Topic.objects.create(workspace=workspace, type="persona", name=nasty, persona=persona)
    message = make_message(topic, persona, support_user, text=nasty)
    details = [("personas_persona", persona), ("messaging_topic", topic), ("messaging_message", message)]
    pages = [PERSONAS, TOPICS, MESSAGES, reverse("admin:search") + "?q=<img"]
    pages += [reverse(f"admin:{name}_change", args=[row.pk]) for name, row in details]

    for page in pages:
        text = viewer.get(page).content.decode()
        assert "&lt;img" in text, page
        assert "<img src=x" not in text, page


@pytest.mark.parametrize("url", [PERSONAS, TOPICS, MESSAGES, reverse("admin:accounts_membership_changelist")])
def test_queries_of_a_list_do_not_grow_with_its_rows(
    viewer: Client, workspace: Workspace, support_user: User, url: str,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    def grow(first: int, last: int) -> None:
        for number in range(first, last):
            persona = make_persona(workspace, f"Person {number}", f"+62812{number:07d}")
            topic = Topic.objects.create(workspace=workspace, type="persona", name="Order", persona=persona)
            make_message(topic, persona, support_user)

    grow(0, 2)
    with django_assert_max_num_queries(14) as few:
        viewer.get(url)
    grow(2, 22)
    with django_assert_max_num_queries(len(few)) as many:
        viewer.get(url)

    assert not [query["sql"] for query in many.captured_queries if _counts_all_rows(query["sql"])]


@pytest.mark.parametrize(
    "typed", ["0812-0000-0101", "+62 812 0000 0101", "62 812 0000 0101", "+6281200000101", "rina", "HARTONO"]
)
def test_persona_is_found_by_name_and_by_number_in_any_notation(
    viewer: Client, workspace: Workspace, typed: str
) -> None:
    make_persona(workspace, "Rina Hartono", "+6281200000101")
    make_persona(workspace, "Joko", "+6281200000102")

    assert names_on(viewer, PERSONAS, {"q": typed}) == ["Rina Hartono"]


def _counts_all_rows(sql: str) -> bool:
    return "COUNT(" in sql and "LIMIT" not in sql and "GROUP BY" not in sql
