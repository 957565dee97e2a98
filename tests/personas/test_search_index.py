"""That the index of documents comes back after migrations, and catches up with what it missed."""

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.signals import post_migrate, pre_migrate

from accounts.models import Workspace
from personas import search_index
from personas.apps import PersonasConfig
from personas.models import Contact, Persona, SearchDocument
from personas.search import TextQuery

pytestmark = pytest.mark.django_db


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
    SearchDocument.objects.exclude(key=made[2] + workspace.pk * search_index.KEY_OF_WORKSPACE).delete()
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
