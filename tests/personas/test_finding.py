"""The newest whom a filter fits: always the same people as all whom it fits, wherever finding begins."""

from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict

from accounts.models import Workspace
from personas import finding
from personas.filters import PersonaFilter
from personas.models import AttributeDefinition, AttributeType, AttributeValue, Contact, Persona

pytestmark = pytest.mark.django_db

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def people(workspace: Workspace, other_workspace: Workspace) -> None:
    """Sixty in each of two workspaces; what is known of them has different beats, so that all combinations occur."""
    for owner in (workspace, other_workspace):
        city, points, since = (
            AttributeDefinition.objects.create(workspace=owner, key=key, label=key, type=type)
            for key, type in (("city", "text"), ("points", AttributeType.NUMBER), ("since", AttributeType.DATE))
        )
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
                values.append(AttributeValue(persona=one, definition=city, value=("Jakarta", "Bandung")[n % 2]))
            values.append(AttributeValue(persona=one, definition=points, value=str(n * 7 % 50 / 2)))
            values.append(AttributeValue(persona=one, definition=since, value=f"2026-0{1 + n % 9}-01"))
        Contact.objects.bulk_create(contacts)
        AttributeValue.objects.bulk_create(values)


@pytest.fixture(params=["as it is", "in small steps", "where much fits"])
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds that a small database never reaches."""
    if request.param != "as it is":
        monkeypatch.setattr(finding, "NEWEST_TRIED", 2)
        monkeypatch.setattr(finding, "_FIRST", 2)
        monkeypatch.setattr(finding, "_MOST", 3)
    if request.param == "where much fits":
        monkeypatch.setattr(finding, "SPARSE_AT_MOST", 1)


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
    "a=city&a=city&op=lacks&op=is&v=&v=Jakarta",
]


@pytest.mark.parametrize("query", QUERIES)
def test_newest_are_the_newest_of_all_whom_the_filter_fits(
    people: None, sizes: None, workspace: Workspace, query: str
) -> None:
    chosen = PersonaFilter.from_query(QueryDict(query), workspace)
    everybody = list(chosen.apply(workspace).order_by("-pk").values_list("pk", flat=True))

    assert finding.newest_ids(chosen, workspace, 1_000) == everybody
    assert finding.newest_ids(chosen, workspace, 3) == everybody[:3]


def test_queries_of_the_test_find_some_and_not_all(people: None, workspace: Workspace) -> None:
    counts = {q: PersonaFilter.from_query(QueryDict(q), workspace).apply(workspace).count() for q in QUERIES[1:]}

    assert [q for q, count in counts.items() if count == 60] == []
    assert {q for q, count in counts.items() if count == 0} == {"kind=telegram", QUERIES[-1]}
