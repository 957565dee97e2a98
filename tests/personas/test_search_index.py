"""That the index of documents comes back after migrations, catches up with what it missed, and misses nothing."""

from collections import defaultdict
from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.signals import post_migrate, pre_migrate

from accounts.models import User, Workspace
from personas import search_index
from personas.apps import PersonasConfig
from personas.bulk.choosing import Chosen
from personas.bulk.setting import begin_setting
from personas.definitions import add_attribute, delete_attribute
from personas.filters import PersonaFilter
from personas.history import Cause
from personas.merging import merge_personas
from personas.models import (
    KEY_OF_WORKSPACE,
    AttributeDefinition,
    AttributeValue,
    Contact,
    Operation,
    Origin,
    Persona,
    SearchDocument,
)
from personas.operations import begin_operation
from personas.search import TextQuery
from personas.services import PersonaDraft, add_persona, update_persona
from personas.unmerging import undo_merge
from tests.personas.operating import carried_out, undone, work_off

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
CAUSE = Cause(origin=Origin.PERSON, actor_label="Ayu", at=AT)


def found(text: str, workspace: Workspace) -> list[int]:
    return TextQuery.of(text, workspace).newest(10)


def test_migrations_take_the_triggers_away_and_bring_them_back() -> None:
    receivers = {
        signal: [receiver.__name__ for receiver in signal._live_receivers(_config())[0]]
        for signal in (pre_migrate, post_migrate)
    }

    assert "drop" in receivers[pre_migrate]
    assert "install" in receivers[post_migrate]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite rebuilds tables")
def test_sqlite_rebuilds_tables_between_dropping_and_installing(workspace: Workspace) -> None:
    search_index.drop()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE personas_contact RENAME TO elsewhere")
        cursor.execute("ALTER TABLE elsewhere RENAME TO personas_contact")
    missed = Persona.objects.create(workspace=workspace, name="Missed meanwhile")
    assert found("missed", workspace) == []

    search_index.install()

    assert found("missed", workspace) == [missed.pk]
    later = Persona.objects.create(workspace=workspace, name="Missed not")
    assert found("missed", workspace) == [later.pk, missed.pk]


def test_people_without_a_document_get_one(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "_FILLED_AT_ONCE", 2)
    made = [Persona.objects.create(workspace=workspace, name=f"Siti {n}").pk for n in range(5)]
    SearchDocument.objects.exclude(key=made[2] + workspace.pk * KEY_OF_WORKSPACE).delete()
    assert found("siti", workspace) == [made[2]]

    search_index.install()

    assert found("siti", workspace) == made[::-1]


def test_document_knows_what_is_wrong_with_a_person(workspace: Workspace) -> None:
    rina = Persona.objects.create(workspace=workspace, name="Rina")

    def problem() -> int:
        return SearchDocument.objects.get().problem

    assert problem() == 1
    good = Contact.objects.create(
        workspace=workspace, persona=rina, type="whatsapp", key="0812", normalized="+6281200000101"
    )
    assert problem() == 0
    bad = Contact.objects.create(workspace=workspace, persona=rina, type="phone", key="11", normalized="+6211122")
    assert problem() == 2
    good.delete()
    assert problem() == 2
    bad.normalized = "+6281200000202"
    bad.save(update_fields=["normalized"])
    assert problem() == 0
    bad.delete()
    assert problem() == 1


def test_contact_of_an_address_is_never_doubtful(workspace: Workspace) -> None:
    rina = Persona.objects.create(workspace=workspace, name="Rina")
    contacts = Contact.objects.bulk_create(
        Contact(workspace=workspace, persona=rina, type=type, key=key, normalized=key)
        for type, key in (("email", "rina@example.org"), ("phone", "+6211122"), ("whatsapp", "+6281200000101"))
    )

    assert [contact.is_doubtful for contact in contacts] == [False, True, False]
    assert list(Contact.objects.order_by("id").values_list("is_doubtful", flat=True)) == [False, True, False]


def test_document_that_lacks_what_was_added_since_is_written_anew(
    workspace: Workspace, city: AttributeDefinition
) -> None:
    rina = add_persona(workspace=workspace, draft=PersonaDraft(name="Rina", attributes={"city": "Ende"}), cause=CAUSE)
    SearchDocument.objects.update(filled=None)

    search_index.install()

    assert filled() == {rina.pk: f",{city.pk},"}


# ------------------------------------------------------------------------------------------------ what is filled
@pytest.fixture
def city(workspace: Workspace) -> AttributeDefinition:
    return add_attribute(workspace=workspace, key="city", label="City", type="text", hint="")


@pytest.fixture
def vip(workspace: Workspace) -> AttributeDefinition:
    return add_attribute(workspace=workspace, key="vip", label="VIP", type="boolean", hint="")


def filled() -> dict[int, str]:
    """What documents say is filled, of each person; it is always what the values themselves say."""
    said = {
        document.key % KEY_OF_WORKSPACE: str(document.filled) for document in SearchDocument.objects.order_by("key")
    }
    ids = defaultdict(list)
    for persona_id, definition_id in AttributeValue.objects.order_by("definition_id").values_list(
        "persona_id", "definition_id"
    ):
        ids[persona_id].append(definition_id)
    assert said == {pk: "," + "".join(f"{definition_id}," for definition_id in ids[pk]) for pk in said}
    return said


def test_filled_attributes_are_known_after_rows_change_by_any_way(
    workspace: Workspace, other_workspace: Workspace, vip: AttributeDefinition, city: AttributeDefinition
) -> None:
    rina, joko = (Persona.objects.create(workspace=workspace, name=name) for name in ("Rina", "Joko"))
    Persona.objects.create(workspace=other_workspace, name="Beside")
    assert set(filled().values()) == {","}

    AttributeValue.objects.bulk_create(
        AttributeValue(persona=rina, definition=one, value="true") for one in (city, vip)
    )
    assert filled()[rina.pk] == f",{vip.pk},{city.pk},"
    AttributeValue.objects.filter(definition=vip).update(persona=joko)
    assert (filled()[rina.pk], filled()[joko.pk]) == (f",{city.pk},", f",{vip.pk},")
    AttributeValue.objects.filter(definition=vip).update(definition=city)
    assert filled()[joko.pk] == f",{city.pk},"
    AttributeValue.objects.filter(persona=joko).delete()
    assert filled()[joko.pk] == ","
    AttributeValue.objects.create(persona=joko, definition=vip, value="true")
    city.delete()
    assert filled()[rina.pk] == ","
    assert filled()[joko.pk] == f",{vip.pk},"
    rina.delete()
    assert rina.pk not in filled()


def test_filled_attributes_are_known_after_each_service(
    workspace: Workspace, city: AttributeDefinition, vip: AttributeDefinition, admin_user: User
) -> None:
    rina, joko = (
        add_persona(workspace=workspace, draft=PersonaDraft(name=name, attributes=values), cause=CAUSE)
        for name, values in (("Rina", {"city": "Ende"}), ("Joko", {"city": "Ende", "vip": True}))
    )
    assert filled() == {rina.pk: f",{city.pk},", joko.pk: f",{city.pk},{vip.pk},"}

    joko = update_persona(
        workspace=workspace, persona_id=joko.pk, version=joko.version, draft=PersonaDraft(attributes={"city": None}),
        cause=CAUSE,
    )  # fmt: skip
    assert filled() == {rina.pk: f",{city.pk},", joko.pk: f",{vip.pk},"}
    merge = merge_personas(workspace=workspace, kept_id=rina.pk, absorbed_id=joko.pk, sides={}, cause=CAUSE)
    assert filled() == {rina.pk: f",{city.pk},{vip.pk},"}
    undo_merge(merge=merge, cause=CAUSE)
    assert filled() == {rina.pk: f",{city.pk},", joko.pk: f",{vip.pk},"}
    setting = begin_setting(
        workspace=workspace, chosen=Chosen(PersonaFilter()), definition=vip, value="", by=admin_user, at=AT
    )
    setting = carried_out(work_off(setting), admin_user)
    assert filled() == {rina.pk: f",{city.pk},", joko.pk: ","}
    undone(setting, admin_user)
    assert filled() == {rina.pk: f",{city.pk},", joko.pk: f",{vip.pk},"}
    people = begin_operation(
        workspace=workspace, kind=Operation.Kind.IMPORT, title="people.csv", plan={}, by=admin_user, at=AT,
        file=b"Name,City,VIP\nMaya,Ende,\nTri,,yes\n",
    )  # fmt: skip
    carried_out(work_off(people), admin_user)
    assert sorted(filled().values()) == sorted(2 * [f",{city.pk},", f",{vip.pk},"])
    delete_attribute(definition=city, confirmed_key="city", cause=CAUSE)
    assert sorted(filled().values()) == sorted(2 * [",", f",{vip.pk},"])


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's own extension")
def test_without_trigrams_people_are_found_all_the_same_and_a_check_says_what_to_do(
    workspace: Workspace,
) -> None:
    rina = Persona.objects.create(workspace=workspace, name="Rina")
    assert search_index.check_trigrams(databases=["default"]) == []
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX personas_search_trigrams")

    assert found("rin", workspace) == [rina.pk]
    [warning] = search_index.check_trigrams(databases=["default"])
    assert "CREATE EXTENSION pg_trgm" in str(warning.hint)
    search_index.install()
    assert search_index.check_trigrams(databases=["default"]) == []


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's own extension")
def test_extension_that_may_not_be_made_stops_no_migration(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION pg_trgm CASCADE")
        cursor.execute("CREATE ROLE nobody_special")
        cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO nobody_special")
        cursor.execute("SET ROLE nobody_special")

    search_index._install_trigrams()

    assert "pg_trgm" in caplog.text
    assert not search_index.has_trigrams()
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


def _config() -> PersonasConfig:
    config = apps.get_app_config("personas")
    assert isinstance(config, PersonasConfig)
    return config
