"""Likely duplicates: what makes two personas a pair, and that pairs come, go and are remembered."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Workspace
from personas import duplicates
from personas.duplicates import (
    PairDecided,
    are_near,
    dismiss_pair,
    keys_of,
    plain_name,
    reopen_pair,
    scan_again,
    scan_next,
)
from personas.history import Cause
from personas.matching import ContactDraft
from personas.models import (
    AttributeDefinition,
    Contact,
    DuplicateKey,
    DuplicatePair,
    DuplicateScan,
    Origin,
    Persona,
)
from personas.services import PersonaDraft, add_persona, update_persona
from personas.tasks import find_duplicates

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
NOW = AT + timedelta(minutes=2)
CAUSE = Cause(origin=Origin.PERSON, actor_label="Budi", at=AT)


def _add(workspace: Workspace, name: str, *contacts: tuple[str, str], **attributes: Any) -> Persona:
    drafts = [ContactDraft(type, key) for type, key in contacts]
    draft = PersonaDraft(name=name, attributes=attributes)
    return add_persona(workspace=workspace, draft=draft, contacts=drafts, cause=CAUSE)


def _pairs(workspace: Workspace) -> list[tuple[str, str, str]]:
    """Found by looking at everybody that was changed."""
    while scan_next(workspace, now=NOW):
        pass
    pairs = DuplicatePair.objects.filter(workspace=workspace, dismissed_at=None).order_by("first_id", "second_id")
    return [(pair.first.name, pair.second.name, pair.reason) for pair in pairs.select_related("first", "second")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("whatsapp", "+62 812-0000-0101"), ("phone", "0812 0000 0101")),
        (("phone", "+6281200000101"), ("other", "0812-0000-0101")),
        (("phone", "+6281200000101"), ("other", "62 812 0000 0101")),
        (("whatsapp", "+6281200000101"), ("telegram", "+62 812 0000 0101")),
    ],
)
def test_same_number_in_any_notation_and_of_any_kind_is_a_pair(
    workspace: Workspace, one: tuple[str, str], other: tuple[str, str]
) -> None:
    _add(workspace, "Rina", one)
    _add(workspace, "Somebody", other)

    assert _pairs(workspace) == [("Rina", "Somebody", "same_number")]
    assert "812" in DuplicatePair.objects.get().detail


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rina.hartono@gmail.com", "RinaHartono@googlemail.com"),
        ("rina+shop@example.org", "rina@example.org"),
        ("rina.hartono+a@gmail.com", "rinahartono+b@gmail.com"),
    ],
)
def test_same_mailbox_is_a_pair(workspace: Workspace, one: str, other: str) -> None:
    _add(workspace, "Rina", ("email", one))
    _add(workspace, "Somebody", ("email", other))

    assert _pairs(workspace) == [("Rina", "Somebody", "same_email")]


def test_dots_matter_elsewhere_than_at_gmail(workspace: Workspace) -> None:
    _add(workspace, "Rina", ("email", "rina.h@example.org"))
    _add(workspace, "Somebody", ("email", "rinah@example.org"))

    assert _pairs(workspace) == []


def test_near_name_makes_a_pair_only_with_something_shared(workspace: Workspace) -> None:
    AttributeDefinition.objects.create(workspace=workspace, key="number", label="Customer number")
    _add(workspace, "Hartono, Rína", ("telegram", "@rina.hartono"), number="K-1234")
    _add(workspace, "Rina Hartono", ("instagram", "rina_hartono"))
    _add(workspace, "Rina Hartano", number="K-1234")
    _add(workspace, "Budi Santoso", ("line", "rinahartono"), number="K-1234")
    _add(workspace, "Rina Hartono")

    assert _pairs(workspace) == [
        ("Hartono, Rína", "Rina Hartono", "near_name"),
        ("Hartono, Rína", "Rina Hartano", "near_name"),
    ]
    details = DuplicatePair.objects.order_by("second_id").values_list("detail", flat=True)
    assert details[0] in {"rina.hartono", "rina_hartono"}
    assert details[1] == "Customer number: K-1234"


def test_near_name_and_one_date_make_no_pair(workspace: Workspace) -> None:
    for key, type in (("customer_since", "date"), ("number", "number")):
        AttributeDefinition.objects.create(workspace=workspace, key=key, label=key, type=type)
    _add(workspace, "Siti Wijaya", customer_since="2021-06-27")
    _add(workspace, "Tri Wijaya", customer_since="2021-06-27", number=4711)
    _add(workspace, "Tri Wijaja", number=4711)

    assert _pairs(workspace) == [("Tri Wijaya", "Tri Wijaja", "near_name")]


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("Rina Hartono", "HARTONO  Rína", True),
        ("Rina Hartono", "Rina Hartano", True),
        ("Rina Hartono", "Rina Dewi Hartono", True),
        ("Müller, Jürgen", "Jurgen Muller", True),
        ("Rina Hartono", "Budi Hartono", False),
        ("Rina", "Rina Hartono", False),
        ("محمد علي", "علي محمد", True),
        ("👩‍🦰", "👩‍🦰", False),
    ],
)
def test_near_names(one: str, other: str, near: bool) -> None:
    assert are_near(plain_name(one), plain_name(other)) is near
    assert are_near(plain_name(other), plain_name(one)) is near


def test_network_accounts_and_words_are_no_numbers() -> None:
    contacts = [
        Contact(type="telegram", normalized="81200000101"),
        Contact(type="messenger", normalized="1234567890123456"),
        Contact(type="other", normalized="Room 12"),
        Contact(type="email", normalized="info@example.org"),
    ]

    assert [key for key in keys_of(contacts, country="ID") if key[0] in "nd"] == []
    assert "h:info" not in keys_of(contacts, country="ID")


def test_pairs_of_a_workspace_stay_in_it(workspace: Workspace, other_workspace: Workspace) -> None:
    _add(workspace, "Rina", ("phone", "+6281200000101"))
    _add(other_workspace, "Rina", ("whatsapp", "+6281200000101"))

    assert _pairs(workspace) == _pairs(other_workspace) == []


def test_what_very_many_share_is_no_reason(workspace: Workspace) -> None:
    for number in range(duplicates.SHARED_BY_AT_MOST):
        _add(workspace, f"Person {number}", ("other", f"0812 0000 0101{' ' * (number + 1)}.".replace(".", "-")))
    assert len(_pairs(workspace)) == 190

    _add(workspace, "One more", ("phone", "+6281200000101"))
    scan_again(workspace)

    assert _pairs(workspace) == []


def test_only_those_changed_since_are_looked_at_and_a_late_change_is_not_missed(workspace: Workspace) -> None:
    rina = _add(workspace, "Rina", ("phone", "+6281200000101"))
    _add(workspace, "Sari")
    assert _pairs(workspace) == []

    late = Cause(origin=Origin.PERSON, actor_label="Budi", at=NOW - timedelta(seconds=30))
    sari = Persona.objects.get(name="Sari")
    update_persona(
        workspace=workspace, persona_id=sari.pk, contacts=[ContactDraft("whatsapp", "+6281200000101")], cause=late
    )
    scan_next(workspace, now=NOW)
    assert not DuplicatePair.objects.exists()
    scan_next(workspace, now=NOW + timedelta(minutes=1))

    pair = DuplicatePair.objects.get()
    assert (pair.first, pair.second) == (rina, sari)


def test_batches_of_personas_changed_at_one_moment_are_gone_through_to_the_end(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "BATCH", 2)
    for number in range(5):
        _add(workspace, f"Person {number}", ("phone", f"+628120000010{number}"))

    runs = 1
    while scan_next(workspace, now=NOW):
        runs += 1

    assert runs == 3
    assert DuplicateKey.objects.filter(key__startswith="n:").count() == 5
    assert DuplicateScan.objects.get().finished_at == NOW


def test_pair_goes_when_its_reason_goes_and_a_dismissed_one_stays_dismissed(workspace: Workspace) -> None:
    rina = _add(workspace, "Rina", ("phone", "+6281200000101"))
    _add(workspace, "Sari", ("whatsapp", "+6281200000101"))
    _add(workspace, "Third", ("other", "+6281200000101"))
    assert len(_pairs(workspace)) == 3
    dismiss_pair(pair=DuplicatePair.objects.get(first__name="Rina", second__name="Sari"), cause=CAUSE)
    scan_again(workspace)
    assert _pairs(workspace) == [("Rina", "Third", "same_number"), ("Sari", "Third", "same_number")]

    contact = rina.contacts.get()
    update_persona(workspace=workspace, persona_id=rina.pk, changed_contacts={contact.pk: None}, cause=CAUSE)
    scan_again(workspace)

    assert _pairs(workspace) == [("Sari", "Third", "same_number")]
    assert DuplicatePair.objects.filter(dismissed_by="Budi").count() == 1


def test_decision_is_taken_back_once(workspace: Workspace) -> None:
    _add(workspace, "Rina", ("phone", "+6281200000101"))
    _add(workspace, "Sari", ("whatsapp", "+6281200000101"))
    assert _pairs(workspace) == [("Rina", "Sari", "same_number")]
    pair = DuplicatePair.objects.get()

    dismiss_pair(pair=pair, cause=CAUSE)
    with pytest.raises(PairDecided):
        dismiss_pair(pair=pair, cause=CAUSE)
    assert _pairs(workspace) == []
    reopen_pair(pair=pair)
    with pytest.raises(PairDecided):
        reopen_pair(pair=pair)

    assert _pairs(workspace) == [("Rina", "Sari", "same_number")]


def test_scan_takes_as_many_queries_for_many_as_for_few(
    workspace: Workspace, django_assert_max_num_queries: Any
) -> None:
    AttributeDefinition.objects.create(workspace=workspace, key="city", label="City")
    for number in range(40):
        _add(workspace, f"Person {number}", ("phone", f"+62812000001{number:02}"), city=f"City {number}")

    with django_assert_max_num_queries(18):
        scan_next(workspace, now=NOW)

    assert DuplicateKey.objects.filter(key__startswith="n:").count() == 40


def test_task_looks_at_every_workspace(workspace: Workspace, other_workspace: Workspace) -> None:
    for each in (workspace, other_workspace):
        Persona.objects.create(workspace=each, name="Old", updated_at=AT - timedelta(days=900))

    find_duplicates.call()

    assert DuplicateScan.objects.exclude(finished_at=None).count() == 2
