from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def keep_none(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Each call writes its bucket, and nobody misses one after a crash: it is made anew, and full."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE tokens_ratebucket SET UNLOGGED")


def keep(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE tokens_ratebucket SET LOGGED")


class Migration(migrations.Migration):
    dependencies = [
        ("tokens", "0017_drop_index_of_request_ids_that_begin_alike"),
    ]

    operations = [migrations.RunPython(keep_none, keep)]
