"""The newest whom a filter fits: always the same people as all whom it fits, wherever finding begins."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from random import Random
from urllib.parse import quote

import pytest
from django.http import QueryDict

from accounts.models import Workspace
from personas import distinct, finding, search
from personas.filters import PersonaFilter
from personas.models import AttributeDefinition, AttributeType, AttributeValue, Contact, Persona, SearchDocument

pytestmark = pytest.mark.django_db

CITIES = ("Jakarta", "Bandung", "true", "K-20777")
TAGS = ("Istanbul", "İSTANBUL", "ıspanak", "école", "ÉCOLE", "50% off", "a_b", "A\\B", "Straße", "STRASSE")
"""Letters whose case is not the same matter to both databases, and what LIKE reads in its own way."""
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def people(workspace: Workspace, other_workspace: Workspace) -> None:
    """Sixty in each of two workspaces; what is known of them has different beats, so that all combinations occur."""
    for owner in (workspace, other_workspace):
        city, points, since, tag = (
            AttributeDefinition.objects.create(workspace=owner, key=key, label=key, type=type)
            for key, type in (
                ("city", "text"), ("points", AttributeType.NUMBER), ("since", AttributeType.DATE), ("tag", "text")
            )
        )  # fmt: skip
        made = Persona.objects.bulk_create(
            Persona(
                workspace=owner, name=f"{'Siti' if n % 2 else 'Budi'} {n}", updated_at=START + timedelta(days=n % 7)
            )
            for n in range(60)
        )
        contacts, values = [], []
        for n, one in enumerate(made):
            for beat, type, key in ((3, "whatsapp", f"+6281{n:08}"), (4, "email", f"{n}@x.org"), (7, "phone", "+62 1")):
                if n % beat == 0:
                    key = f"{key}{n:07}" if type == "phone" else key
                    contacts.append(Contact(workspace=owner, persona=one, type=type, key=key, normalized=key))
            if n % 5:
                values.append(AttributeValue(persona=one, definition=city, value=CITIES[n % 2 + 2 * (n % 11 == 1)]))
            if n % 3:
                values.append(AttributeValue(persona=one, definition=tag, value=TAGS[n % len(TAGS)]))
            values.append(AttributeValue(persona=one, definition=points, value=str(n * 7 % 50 / 2)))
            values.append(AttributeValue(persona=one, definition=since, value=f"2026-0{1 + n % 9}-01"))
        Contact.objects.bulk_create(contacts)
        AttributeValue.objects.bulk_create(values)


WAYS = {
    "by the newest alone": {},
    "by what few meet": {"LOOKED_AT": 4, "ASKED_AT_ONCE": 2},
    "near the newest": {"LOOKED_AT": 4, "SPARSE_AT_MOST": 10**9},
    "side by side": {"LOOKED_AT": 4, "SPARSE_AT_MOST": 1, "ASKED_AT_ONCE": 2},
    "by what is too much to step through": {"LOOKED_AT": 4},
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds that a small database never reaches."""
    for name, value in WAYS[request.param].items():
        monkeypatch.setattr(finding, name, value)
    if request.param == "side by side":
        monkeypatch.setattr(search, "FEW", 1)
    if request.param == "by what is too much to step through":
        monkeypatch.setattr(distinct, "VALUES_AT_MOST", 1)
        monkeypatch.setattr(distinct, "SETS_AT_MOST", 1)


QUERIES = [
    "",
    "q=siti",
    "q=si",
    "q=s",
    "q=budi+jakarta",
    "kind=whatsapp",
    "kind=telegram",
    "problem=any",
    "problem=no_contact",
    "problem=invalid_number",
    "updated=2026-01-05",
    "a=city&op=is&v=Jakarta",
    "a=city&op=contains&v=ndun",
    "a=city&op=contains&v=nd",
    "a=city&op=contains&v=tru",
    "a=city&op=contains&v=0777",
    "a=city&op=contains&v=-2",
    "a=city&a=city&op=contains&op=contains&v=and&v=ung",
    "a=city&op=has&v=",
    "a=city&op=lacks&v=",
    "a=points&op=at_least&v=20.5",
    "a=points&op=at_most&v=3",
    "a=since&op=before&v=2026-03-01",
    "a=since&op=after&v=2026-03-01",
    "q=budi&kind=phone&problem=any&updated=2026-01-01&a=city&op=has&v=",
    "kind=email&a=city&op=is&v=Jakarta",
    "kind=email&updated=2026-01-05",
    "q=siti&a=points&op=at_least&v=20.5",
    "kind=whatsapp&a=city&op=contains&v=nd",
    "problem=any&a=city&op=is&v=Bandung&a=since&op=before&v=2026-06-01",
    "a=city&a=points&a=since&op=is&op=at_least&op=after&v=Jakarta&v=5&v=2026-02-01",
    "a=city&a=tag&op=lacks&op=lacks&v=&v=",
    "a=city&a=tag&a=points&op=lacks&op=has&op=at_least&v=&v=&v=12",
    "a=tag&a=tag&op=contains&op=contains&v=tan&v=i",
    "kind=email&a=tag&op=contains&v=col",
    "q=siti&a=tag&op=contains&v=50%25",
    *(
        f"a=tag&op=contains&v={quote(text)}"
        for text in ("S", "i", "I", "ı", "İ", "é", "É", "SS", "ß", "%", "_", "\\", "a\\")
    ),
    "a=tag&op=contains&v=nowhere",
    "a=city&a=city&op=lacks&op=is&v=&v=Jakarta",
]
FIND_NOBODY = {"kind=telegram", "a=tag&op=contains&v=nowhere", QUERIES[-1]}


@pytest.mark.parametrize("query", QUERIES)
def test_newest_are_the_newest_of_all_whom_the_filter_fits(
    people: None, way: None, workspace: Workspace, query: str
) -> None:
    chosen = PersonaFilter.from_query(QueryDict(query), workspace)
    everybody = list(chosen.apply(workspace).order_by("-pk").values_list("pk", flat=True))

    assert finding.newest_ids(chosen, workspace, 1_000) == everybody
    assert finding.newest_ids(chosen, workspace, 3) == everybody[:3]


ONE_THING = [
    *(f"q={text}" for text in ("siti", "budi+1", "s", "jakarta", "0812", "5%40x.org", "%CC%81")),
    *(f"kind={kind}" for kind in ("whatsapp", "email", "phone", "telegram")),
    *(f"problem={problem}" for problem in ("any", "no_contact", "invalid_number")),
    *(f"updated=2026-01-0{day}" for day in (1, 4, 6, 7)),
]
CONDITIONS = [
    *(("city", "is", value) for value in ("Jakarta", "Bandung", "Medan", "true")),
    *(("city", "contains", value) for value in ("and", "a", "tru", "777", "-2", "n_")),
    *(("tag", "contains", quote(value)) for value in ("a", "I", "İ", "É", "ss", "%", "_", "\\")),
    *(("points", operator, value) for operator in ("at_least", "at_most") for value in ("2", "12.5", "20", "24")),
    *(("points", "is", "7"), ("since", "is", "2026-03-01")),
    *(("since", operator, f"2026-0{month}-01") for operator in ("before", "after") for month in (2, 5, 8)),
    *((key, operator, "") for key in ("city", "points", "since", "tag") for operator in ("has", "lacks")),
]


@pytest.mark.parametrize("seed", range(10))
def test_any_combination_finds_whom_a_plain_query_finds(
    people: None, way: None, workspace: Workspace, seed: int
) -> None:
    chance = Random(seed)
    for _turn in range(20):
        things = {thing.partition("=")[0]: thing for thing in chance.sample(ONE_THING, chance.randint(0, 2))}
        conditions = [f"a={a}&op={op}&v={v}" for a, op, v in chance.sample(CONDITIONS, chance.randint(0, 3))]
        query = "&".join([*things.values(), *conditions])
        chosen, limit = PersonaFilter.from_query(QueryDict(query), workspace), chance.choice([1, 5, 1_000])
        everybody = list(chosen.apply(workspace).order_by("-pk").values_list("pk", flat=True))

        assert finding.newest_ids(chosen, workspace, limit) == everybody[:limit], query


def test_newest_unlike_all_before_break_their_promise_and_nobody_is_missed(
    people: None, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "LOOKED_AT", 6)
    monkeypatch.setattr(finding, "SPARSE_AT_MOST", 1_000)
    ids = list(Persona.objects.filter(workspace=workspace).order_by("-pk").values_list("pk", flat=True))
    fitting = [*ids[:4], ids[-1]]
    Persona.objects.filter(workspace=workspace).update(updated_at=START)
    Persona.objects.filter(pk__in=fitting).update(updated_at=START + timedelta(days=50))
    chosen = PersonaFilter.from_query(QueryDict("updated=2026-02-10&a=points&op=has&v="), workspace)

    assert finding.newest_ids(chosen, workspace, 5) == fitting


@pytest.mark.parametrize(
    ("query", "changed", "queries"),
    [
        ("kind=whatsapp", {}, 1),
        ("a=city&op=is&v=Jakarta", {}, 1),
        ("kind=whatsapp&a=city&op=is&v=Jakarta", {}, 1),
        ("kind=whatsapp&a=city&op=is&v=Jakarta", {"SPARSE_AT_MOST": 10**9}, 2),
        ("kind=phone&a=city&op=is&v=K-20777", {}, 3),
        ("kind=phone&a=city&op=is&v=Jakarta", {"SPARSE_AT_MOST": 1}, 2),
        ("a=city&a=tag&op=lacks&op=lacks&v=&v=", {"SPARSE_AT_MOST": 60}, 4),
        ("kind=phone&a=city&op=contains&v=k-2", {}, 5),
        ("a=city&a=points&op=is&op=at_least&v=Jakarta&v=24", {}, 4),
        ("a=points&a=points&op=at_least&op=at_most&v=12&v=13", {}, 3),
    ],
)
def test_finding_takes_a_few_queries_however_many_people_there_are(
    people: None,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Callable[[int], AbstractContextManager[None]],
    query: str,
    changed: dict[str, int],
    queries: int,
) -> None:
    chosen = PersonaFilter.from_query(QueryDict(query), workspace)
    looked_at = 1_000 if queries == 1 else 20
    for name, value in {"LOOKED_AT": looked_at, **changed}.items():
        monkeypatch.setattr(finding, name, value)

    with django_assert_num_queries(queries):
        finding.newest_ids(chosen, workspace, 5)


def test_documents_that_do_not_say_what_is_filled_leave_the_answer_to_the_values(
    people: None, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "LOOKED_AT", 4)
    SearchDocument.objects.filter(pk__in=list(SearchDocument.objects.values_list("pk", flat=True)[5:9])).update(
        filled=None
    )
    chosen = PersonaFilter.from_query(QueryDict("a=city&a=tag&op=lacks&op=lacks&v=&v="), workspace)

    assert finding.newest_ids(chosen, workspace, 50) == list(
        chosen.apply(workspace).order_by("-pk").values_list("pk", flat=True)
    )


@pytest.mark.parametrize(
    ("query", "looked_at", "counted"),
    [
        ("q=siti&a=points&op=at_least&v=20.5", 1_000, "all"),
        ("q=siti&a=points&op=at_least&v=20.5", 4, "page"),
        ("problem=any&a=since&op=before&v=2026-06-01", 4, "page"),
        ("kind=email", 4, "all"),
        ("a=city&op=contains&v=ndun", 4, "all"),
        ("q=siti", 4, "all"),
    ],
)
def test_who_are_far_are_found_to_the_end_of_the_page_and_who_are_near_are_counted(
    people: None, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, query: str, looked_at: int, counted: str
) -> None:
    monkeypatch.setattr(finding, "LOOKED_AT", looked_at)
    monkeypatch.setattr(finding, "ASKED_TO_COUNT", 100)
    chosen = PersonaFilter.from_query(QueryDict(query), workspace)
    everybody = list(chosen.apply(workspace).order_by("-pk").values_list("pk", flat=True))

    found = finding.find_newest(chosen, workspace, 100, if_dear=4)

    assert found == (finding.Found(everybody[:4], 4) if counted == "page" else finding.Found(everybody[:100], 100))


def test_queries_of_the_test_find_some_and_not_all(people: None, workspace: Workspace) -> None:
    counts = {q: PersonaFilter.from_query(QueryDict(q), workspace).apply(workspace).count() for q in QUERIES[1:]}

    assert [q for q, count in counts.items() if count == 60] == []
    assert {q for q, count in counts.items() if count == 0} == FIND_NOBODY
