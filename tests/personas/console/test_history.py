"""History in the console: of one person, of the workspace, putting a value back, receipts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User, Workspace
from personas.console import history
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import AttributeDefinition, DeletionReceipt, Origin, Persona, PersonaChange
from personas.services import PersonaDraft, add_persona, delete_persona, update_persona

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
CAUSE = Cause(origin=Origin.TOKEN, actor_label="token Shop", at=AT, request_id="req_1")
LATER = Cause(origin=Origin.PERSON, actor_label="Ayu", at=AT + timedelta(hours=1))
CHANGES = reverse("admin:personas_personachange_changelist")
DELETED = reverse("admin:personas_deletionreceipt_changelist")
NUMBER = ContactDraft("phone", "0812 3456 789")


@pytest.fixture
def rina(workspace: Workspace) -> Persona:
    AttributeDefinition.objects.create(workspace=workspace, key="city", label="Home town")
    draft = PersonaDraft("Rina", attributes={"city": "Bandung"})
    persona = add_persona(workspace=workspace, draft=draft, contacts=[NUMBER], cause=CAUSE)
    moved = PersonaDraft(attributes={"city": "Jakarta"})
    return update_persona(workspace=workspace, persona_id=persona.pk, draft=moved, cause=LATER)


@pytest.fixture
def support(support_user: User) -> Client:
    client = Client()
    client.force_login(support_user)
    return client


@pytest.fixture
def viewer(viewer_user: User) -> Client:
    client = Client()
    client.force_login(viewer_user)
    return client


def timeline(persona: Persona) -> str:
    return reverse("admin:personas_persona_history", args=[persona.pk])


def put_back(change: PersonaChange) -> str:
    return reverse("admin:personas_persona_restore", args=[change.persona_id, change.pk])


def moved(persona: Persona) -> PersonaChange:
    return PersonaChange.objects.filter(persona=persona, field="attribute:city").latest("id")


def shown(answer: Any) -> list[list[tuple[str, str, str]]]:
    return [[(r.shown.label, r.shown.old, r.shown.new) for r in moment.rows] for moment in answer.context["moments"]]


def test_timeline_shows_what_was_changed_at_once_together_newest_first(viewer: Client, rina: Persona) -> None:
    answer = viewer.get(timeline(rina))

    assert shown(answer) == [
        [("Home town", "Bandung", "Jakarta")],
        [("Phone", "", "+628123456789"), ("Home town", "", "Bandung"), ("Added as", "", "Rina")],
    ]
    page = answer.content.decode()
    assert "token Shop" in page
    assert reverse("admin:tokens_requestlogentry_change", args=["req_1"]) in page


def test_timeline_of_one_field_leaves_the_others_out(viewer: Client, rina: Persona) -> None:
    answer = viewer.get(timeline(rina), {"field": "attribute:city"})

    assert shown(answer) == [[("Home town", "Bandung", "Jakarta")], [("Home town", "", "Bandung")]]


@pytest.mark.parametrize("query", [{"field": "nothing"}, {"before": "x"}, {"before": "9" * 30}, {"before": "²"}])
def test_timeline_of_a_strange_address_is_whole(viewer: Client, rina: Persona, query: dict[str, str]) -> None:
    answer = viewer.get(timeline(rina), query)

    assert len(shown(answer)) == 2


def test_long_timeline_is_read_page_by_page_to_its_end(
    viewer: Client, rina: Persona, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "CHANGES_A_PAGE", 1)
    seen, query = [], ""
    while True:
        answer = viewer.get(timeline(rina) + query)
        seen += [row for moment in shown(answer) for row in moment]
        if answer.context["older_than"] is None:
            break
        query = f"?before={answer.context['older_than']}"

    assert [label for label, _old, _new in seen] == ["Home town", "Phone", "Home town", "Added as"]


def test_viewer_reads_and_puts_nothing_back(viewer: Client, rina: Persona) -> None:
    page = viewer.get(timeline(rina)).content.decode()
    address = put_back(moved(rina))

    assert address not in page
    assert (viewer.get(address).status_code, viewer.post(address).status_code) == (403, 403)


def test_putting_back_says_what_it_will_do_then_does_it_and_says_so(support: Client, rina: Persona) -> None:
    address = put_back(moved(rina))
    assert address in support.get(timeline(rina)).content.decode()
    page = support.get(address).content.decode()
    assert "Set Home town back to <strong>Bandung</strong>; it is <strong>Jakarta</strong> now." in page

    answer = support.post(address, {"version": "2"}, follow=True)

    assert answer.redirect_chain == [(timeline(rina), 302)]
    assert "Home town was put back." in answer.content.decode()
    change = moved(rina)
    assert (change.old, change.new, change.actor_label, change.origin) == ("Jakarta", "Bandung", "Budi", "person")


def test_putting_back_what_somebody_changed_meanwhile_shows_what_it_is_now(support: Client, rina: Persona) -> None:
    draft = PersonaDraft(attributes={"city": "Medan"})
    address = put_back(moved(rina))
    update_persona(workspace=rina.workspace, persona_id=rina.pk, draft=draft, cause=LATER)

    answer = support.post(address, {"version": "2"})

    assert answer.status_code == 409
    assert "it is <strong>Medan</strong> now" in answer.content.decode()
    assert moved(rina).new == "Medan"


def test_address_that_is_somebody_elses_leads_to_them(support: Client, rina: Persona, workspace: Workspace) -> None:
    gone = {rina.contacts.get().pk: None}
    update_persona(workspace=workspace, persona_id=rina.pk, changed_contacts=gone, cause=LATER)
    joko = add_persona(workspace=workspace, draft=PersonaDraft("Joko"), contacts=[NUMBER], cause=LATER)
    change = PersonaChange.objects.filter(persona=rina, field="contact:phone").latest("id")

    answer = support.post(put_back(change), {"version": "3"})

    assert answer.status_code == 409
    assert reverse("admin:personas_persona_change", args=[joko.pk]) in answer.content.decode()


def test_change_of_another_person_or_workspace_is_not_found(
    support: Client, rina: Persona, workspace: Workspace, other_workspace: Workspace
) -> None:
    other = add_persona(workspace=workspace, draft=PersonaDraft("Joko"), cause=CAUSE)
    foreign = add_persona(workspace=other_workspace, draft=PersonaDraft("Max"), cause=CAUSE)
    addresses = [
        reverse("admin:personas_persona_restore", args=[other.pk, moved(rina).pk]),
        put_back(foreign.changes.get()),
    ]

    assert [getattr(support, method)(a).status_code for a in addresses for method in ("get", "post")] == [404] * 4


# ------------------------------------------------------------------------------------------------- the workspace
def test_changes_of_the_workspace_are_listed_newest_first(viewer: Client, rina: Persona) -> None:
    answer = viewer.get(CHANGES)

    rows = answer.context["cl"].result_list
    assert [(row.shown.label, row.shown.old, row.shown.new) for row in rows][:2] == [
        ("Home town", "Bandung", "Jakarta"),
        ("Phone", "", "+628123456789"),
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"origin": "token"}, 3),
        ({"origin": "person"}, 1),
        ({"field": "attribute:city"}, 2),
        ({"q": "ayu"}, 1),
        ({"q": "req_1"}, 3),
        ({"q": "nobody"}, 0),
        ({"days": "1"}, 4),
        ({"days": "x"}, 4),
    ],
)
def test_changes_of_the_workspace_are_narrowed(
    now: datetime, viewer: Client, rina: Persona, query: dict[str, str], count: int
) -> None:
    assert len(viewer.get(CHANGES, query).context["cl"].result_list) == count


def test_narrowed_list_looks_no_further_than_it_says(
    viewer: Client, rina: Persona, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.console.NARROWED_TO", 2)

    answer = viewer.get(CHANGES, {"origin": "token"})

    assert [row.shown.label for row in answer.context["cl"].result_list] == ["Phone"]
    assert "look at the newest 50,000 changes" in answer.content.decode()


def test_list_of_changes_takes_as_many_queries_for_many_as_for_few(
    viewer: Client, rina: Persona, workspace: Workspace
) -> None:
    viewer.get(CHANGES)
    with CaptureQueriesContext(connection) as few:
        viewer.get(CHANGES)
    for number in range(20):
        add_persona(workspace=workspace, draft=PersonaDraft(f"P{number}"), cause=CAUSE)
    with CaptureQueriesContext(connection) as many:
        viewer.get(CHANGES)
    with CaptureQueriesContext(connection) as timeline_queries:
        viewer.get(timeline(rina))

    assert len(many) == len(few) <= 14
    assert len(timeline_queries) <= 14
    assert not [q["sql"] for q in many if "COUNT(*)" in q["sql"] and "LIMIT" not in q["sql"]]


def test_change_leads_to_its_place_in_the_history_of_its_person(viewer: Client, rina: Persona) -> None:
    change = moved(rina)

    answer: Any = viewer.get(reverse("admin:personas_personachange_change", args=[change.pk]))

    assert answer.url == f"{timeline(rina)}?before={change.pk + 1}#change-{change.pk}"
    assert f'id="change-{change.pk}"' in viewer.get(answer.url).content.decode()


def test_deleted_person_is_in_no_list_but_that_of_receipts(viewer: Client, rina: Persona) -> None:
    receipt = delete_persona(workspace=rina.workspace, persona_id=rina.pk, cause=LATER)

    assert list(viewer.get(CHANGES).context["cl"].result_list) == []
    assert list(viewer.get(DELETED).context["cl"].result_list) == [receipt]
    page = viewer.get(reverse("admin:personas_deletionreceipt_change", args=[receipt.pk])).content.decode()
    assert f"Receipt {receipt.pk}" in page
    for text in (page, viewer.get(DELETED).content.decode()):
        assert "Rina" not in text
        assert "8123456" not in text


def test_long_number_of_a_person_is_written_without_commas(viewer: Client, workspace: Workspace) -> None:
    DeletionReceipt.objects.create(workspace=workspace, persona_id=1234567, origin="token", actor_label="token Shop")

    assert "1234567" in viewer.get(DELETED).content.decode()
