"""Duplicates and merges in the console: who may, what is shown before, what is done, and what it costs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User, Workspace
from messaging.models import Message, Topic
from personas.history import Cause
from personas.matching import ContactDraft
from personas.merging import merge_personas
from personas.models import Contact, DuplicatePair, DuplicateScan, Merge, Origin, Persona
from personas.services import PersonaDraft, add_persona, update_persona

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
CAUSE = Cause(origin=Origin.PERSON, actor_label="Budi", at=AT)
QUEUE = "/console/personas/duplicatepair/"


def _add(workspace: Workspace, name: str, number: str, **fields: Any) -> Persona:
    draft = PersonaDraft(name=name, **fields)
    return add_persona(workspace=workspace, draft=draft, contacts=[ContactDraft("whatsapp", number)], cause=CAUSE)


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def support(support_user: User) -> Client:
    return _client(support_user)


@pytest.fixture
def viewer(viewer_user: User) -> Client:
    return _client(viewer_user)


@pytest.fixture
def rina(workspace: Workspace) -> Persona:
    return _add(workspace, "Rina Hartono", "+6281200000101", notes="Likes tea")


@pytest.fixture
def other(workspace: Workspace, rina: Persona) -> Persona:
    persona = _add(workspace, "R. <b>Hartono</b>", "+6281200000102", notes="Evenings", gender="f")
    for each in (rina, persona):
        topic = Topic.objects.create(workspace=workspace, type="persona", name="Order 17", persona=each)
        Message.objects.create(
            workspace=workspace, topic=topic, direction="incoming", sender_persona=each, sender_name=each.name,
            text="Hello", created_at=AT,
        )  # fmt: skip
    return persona


@pytest.fixture
def pair(rina: Persona, other: Persona) -> DuplicatePair:
    return DuplicatePair.objects.create(
        workspace=rina.workspace, first=rina, second=other, reason="same_number", detail="+6281200000101"
    )


def _merge_url(kept: Persona, absorbed: Persona) -> str:
    return reverse("admin:personas_persona_merge", args=[kept.pk, absorbed.pk])


def _posted(kept: Persona, absorbed: Persona, **more: str) -> dict[str, str]:
    return {"kept_version": str(kept.version), "absorbed_version": str(absorbed.version)} | more


def test_queue_says_who_why_and_leads_to_the_merge(support: Client, pair: DuplicatePair) -> None:
    page = support.get(QUEUE).content.decode()

    assert "Rina Hartono" in page
    assert "R. &lt;b&gt;Hartono&lt;/b&gt;" in page
    assert "Same number" in page
    assert f'href="{_merge_url(pair.first, pair.second)}?back=queue"' in page


def test_dismissed_pair_moves_to_its_tab_and_back(support: Client, pair: DuplicatePair) -> None:
    support.post(reverse("admin:personas_duplicatepair_dismiss", args=[pair.pk]))

    assert list(support.get(QUEUE).context["cl"].result_list) == []
    assert list(support.get(f"{QUEUE}?state=dismissed").context["cl"].result_list) == [pair]
    assert DuplicatePair.objects.get().dismissed_by == "Budi"

    support.post(reverse("admin:personas_duplicatepair_reopen", args=[pair.pk]))

    assert list(support.get(QUEUE).context["cl"].result_list) == [pair]


def test_queue_is_narrowed_to_a_reason(support: Client, pair: DuplicatePair) -> None:
    assert list(support.get(f"{QUEUE}?reason=same_email").context["cl"].result_list) == []
    assert list(support.get(f"{QUEUE}?reason=same_number").context["cl"].result_list) == [pair]


def test_everybody_is_looked_at_again_when_asked(support: Client, workspace: Workspace) -> None:
    DuplicateScan.objects.create(workspace=workspace, updated_at=AT, persona_id=5, finished_at=AT)

    support.post(reverse("admin:personas_duplicatepair_scan"))

    scan = DuplicateScan.objects.get()
    assert (scan.updated_at, scan.finished_at) == (None, None)


def test_choices_lead_to_a_preview_and_that_to_the_merge(support: Client, rina: Persona, other: Persona) -> None:
    url = _merge_url(rina, other)

    choose = support.get(url)
    preview = support.get(url, {"preview": "1", "name": "absorbed", "notes": "both", "gender": "kept"})
    answer = support.post(url, _posted(rina, other, **preview.context["chosen"]), follow=True)

    assert [each.choice.name for each in choose.context["different"]] == ["name", "gender", "notes"]
    page = preview.content.decode()
    assert "Likes tea\n\nEvenings" in page
    assert "“Order 17”" in page
    assert dict(preview.context["moving"]) == {
        "Topics": "1", "Messages from them": "1", "Entries of history": "4",
    }  # fmt: skip
    assert Persona.objects.count() == 1
    rina.refresh_from_db()
    assert (rina.name, rina.gender, rina.notes) == ("R. <b>Hartono</b>", "", "Likes tea\n\nEvenings")
    merge = Merge.objects.get()
    assert (merge.actor_label, merge.absorbed_id) == ("Budi", other.pk)
    assert answer.redirect_chain == [(f"/console/personas/persona/{rina.pk}/change/", 302)]
    assert f'href="/console/personas/merge/{merge.pk}/change/"' in answer.content.decode()


def test_looking_at_a_merge_changes_nothing(support: Client, rina: Persona, other: Persona) -> None:
    for query in ({}, {"preview": "1", "name": "absorbed"}):
        assert support.get(_merge_url(rina, other), query).status_code == 200

    assert Persona.objects.count() == 2


def test_kept_one_can_be_swapped_with_the_same_result(support: Client, rina: Persona, other: Persona) -> None:
    page = support.get(_merge_url(rina, other), {"name": "kept", "gender": "absorbed"})

    swapped = support.get(page.context["swap_url"])

    assert (swapped.context["persona"], swapped.context["absorbed"]) == (other, rina)
    results = [{each.choice.name: each.result for each in found.context["choices"]} for found in (page, swapped)]
    assert results[0]["name"] == results[1]["name"] == "Rina Hartono"
    assert results[0]["gender"] == results[1]["gender"] == "f"


def test_after_a_merge_from_the_queue_the_queue_goes_on(support: Client, pair: DuplicatePair) -> None:
    url = _merge_url(pair.first, pair.second)

    support.get(f"{QUEUE}?reason=same_number")

    answer = support.post(url, _posted(pair.first, pair.second, back="queue"))

    assert answer["Location"] == f"{QUEUE}?reason=same_number#next"
    assert not DuplicatePair.objects.exists()


@pytest.mark.parametrize("stale", [{"kept_version": "0"}, {"absorbed_version": "x"}, {"absorbed_version": ""}])
def test_merge_of_what_was_edited_meanwhile_is_shown_again(
    support: Client, rina: Persona, other: Persona, stale: dict[str, str]
) -> None:
    answer = support.post(_merge_url(rina, other), _posted(rina, other) | stale)

    assert answer.status_code == 409
    assert "changed meanwhile" in answer.content.decode()
    assert Persona.objects.count() == 2


def test_two_people_merging_the_same_pair_merge_it_once_and_the_second_is_led_to_who_is_left(
    support: Client, admin_user: User, rina: Persona, other: Persona
) -> None:
    second = _client(admin_user)
    for client in (support, second):
        client.get(_merge_url(rina, other), {"preview": "1"})

    first_answer = support.post(_merge_url(rina, other), _posted(rina, other))
    second_answer = second.post(_merge_url(rina, other), _posted(rina, other))

    again = second.get(_merge_url(rina, other), {"preview": "1"})  # the Back button
    page = f"/console/personas/persona/{rina.pk}/change/"
    assert [answer.headers["Location"] for answer in (first_answer, second_answer, again)] == [page, page, page]
    assert f"Persona {other.pk} was merged into this one." in second.get(page).text
    assert Merge.objects.count() == 1


def test_whom_to_merge_with_is_found_by_name_and_by_number(support: Client, rina: Persona, other: Persona) -> None:
    _add(rina.workspace, "Somebody Else", "+6281200000999")
    url = reverse("admin:personas_persona_merge_with", args=[rina.pk])

    by_name = support.get(url, {"q": "hartono"})
    by_number = support.get(url, {"q": "0812 0000 0102"})

    assert by_name.context["found"] == by_number.context["found"] == [other]
    assert _merge_url(rina, other) in by_number.content.decode()


def test_likely_duplicates_are_offered_first(support: Client, pair: DuplicatePair) -> None:
    page = support.get(reverse("admin:personas_persona_merge_with", args=[pair.second_id]))

    assert page.context["pairs"] == [(pair.first, pair)]


def test_undoing_says_what_it_does_and_does_it(support: Client, rina: Persona, other: Persona) -> None:
    other_id = other.pk
    merge = merge_personas(workspace=rina.workspace, kept_id=rina.pk, absorbed_id=other_id, cause=CAUSE)
    update_persona(workspace=rina.workspace, persona_id=rina.pk, draft=PersonaDraft(notes="New"), cause=CAUSE)
    page_url = reverse("admin:personas_merge_change", args=[merge.pk])

    page = support.get(page_url)
    support.post(reverse("admin:personas_merge_undo", args=[merge.pk]), {"are_two": "on"})
    again = support.post(reverse("admin:personas_merge_undo", args=[merge.pk]), follow=True)

    assert page.context["stays"] == [("Notes", "New", "New")]
    assert page.context["returns"] == [("Gender", "f", "")]
    assert "WhatsApp +6281200000102" in page.content.decode()
    assert Persona.objects.filter(pk=other_id).exists()
    assert DuplicatePair.objects.exclude(dismissed_at=None).count() == 1
    assert "was undone already" in again.content.decode()
    assert "This merge was undone" in support.get(page_url).content.decode()


def test_person_page_leads_to_undoing_and_an_old_address_to_the_person(
    support: Client, viewer: Client, rina: Persona, other: Persona
) -> None:
    other_id = other.pk
    merge = merge_personas(workspace=rina.workspace, kept_id=rina.pk, absorbed_id=other_id, cause=CAUSE)

    page = support.get(reverse("admin:personas_persona_change", args=[rina.pk])).content.decode()
    old = viewer.get(reverse("admin:personas_persona_change", args=[other_id]))

    assert reverse("admin:personas_merge_change", args=[merge.pk]) in page
    assert old["Location"] == reverse("admin:personas_persona_change", args=[rina.pk])


def test_edit_of_a_person_who_was_merged_meanwhile_is_kept_and_conflicts_are_shown(
    support: Client, viewer: Client, rina: Persona, other: Persona
) -> None:
    url = reverse("admin:personas_persona_change", args=[other.pk])
    typed = {"name": "R. Hartono Jr.", "seen-name": other.name, "birthday": "1990-02-28", "seen-birthday": ""}
    merge_personas(workspace=rina.workspace, kept_id=rina.pk, absorbed_id=other.pk, cause=CAUSE)
    contacts = set(rina.contacts.values_list("pk", flat=True))

    refused = viewer.post(url, typed)
    asked = support.post(url, typed)
    support.post(url, typed | {"name": other.name})

    rina.refresh_from_db()
    assert (refused.status_code, asked.status_code) == (403, 409)
    assert [(each.theirs, each.mine) for each in asked.context["disputed"]] == [(rina.name, "R. Hartono Jr.")]
    assert reverse("admin:personas_persona_change", args=[rina.pk]) in asked.text
    assert (rina.name, str(rina.birthday)) == ("Rina Hartono", "1990-02-28")
    assert set(rina.contacts.values_list("pk", flat=True)) == contacts


def test_viewer_sees_the_queue_and_the_merges_and_decides_nothing(
    viewer: Client, pair: DuplicatePair, workspace: Workspace
) -> None:
    third, fourth = _add(workspace, "3", "+6281200000103"), _add(workspace, "4", "+6281200000104")
    merge = merge_personas(workspace=workspace, kept_id=third.pk, absorbed_id=fourth.pk, cause=CAUSE)
    pages = [QUEUE, "/console/personas/merge/", reverse("admin:personas_merge_change", args=[merge.pk])]
    closed = [
        _merge_url(pair.first, pair.second),
        reverse("admin:personas_persona_merge_with", args=[pair.first_id]),
        reverse("admin:personas_duplicatepair_dismiss", args=[pair.pk]),
        reverse("admin:personas_duplicatepair_reopen", args=[pair.pk]),
        reverse("admin:personas_duplicatepair_scan"),
        reverse("admin:personas_merge_undo", args=[merge.pk]),
    ]

    assert [viewer.get(page).status_code for page in pages] == [200] * 3
    assert [viewer.post(page).status_code for page in closed] == [403] * len(closed)
    assert "Not a duplicate</button>" not in viewer.get(QUEUE).content.decode()
    assert Persona.objects.count() == 3


def test_nothing_is_decided_by_looking(support: Client, pair: DuplicatePair) -> None:
    addresses = [reverse(f"admin:personas_duplicatepair_{name}", args=[pair.pk]) for name in ("dismiss", "reopen")]
    addresses.append(reverse("admin:personas_duplicatepair_scan"))

    assert [support.get(address).status_code for address in addresses] == [405] * 3


def test_persona_of_another_workspace_is_not_found(support: Client, rina: Persona, other_workspace: Workspace) -> None:
    foreign = _add(other_workspace, "Foreign", "+4915112345678")

    for first, second in ((rina, foreign), (foreign, rina), (foreign, foreign)):
        assert support.get(_merge_url(first, second)).status_code == 404
        assert support.post(_merge_url(first, second), _posted(first, second)).status_code == 404


def test_two_workspaces_of_one_person_are_never_merged_across(
    admin_user: User, rina: Persona, other_workspace: Workspace
) -> None:
    User.objects.filter(pk=admin_user.pk).update(is_superuser=True)
    foreign = _add(other_workspace, "Foreign", "+4915112345678")

    assert _client(admin_user).get(_merge_url(rina, foreign)).status_code == 404


def test_queue_costs_as_many_queries_for_many_pairs_as_for_few(
    support: Client, workspace: Workspace, pair: DuplicatePair
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert support.get(QUEUE).status_code == 200
        return len(captured)

    few = queries()
    for number in range(20):
        first = _add(workspace, f"A{number}", f"+62812000003{number:02}")
        second = _add(workspace, f"B{number}", f"+62812000004{number:02}")
        DuplicatePair.objects.create(
            workspace=workspace, first=first, second=second, reason="near_name", found_at=AT + timedelta(hours=number)
        )

    assert queries() == few <= 16


def test_merge_pages_cost_as_many_queries_for_many_contacts_as_for_few(
    support: Client, rina: Persona, other: Persona
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert support.get(_merge_url(rina, other)).status_code == 200
        return len(captured)

    few = queries()
    for number in range(20):
        key = f"rina{number}"
        Contact.objects.create(workspace=rina.workspace, persona=other, type="telegram", key=key, normalized=key)

    assert queries() == few <= 40
