from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

_INDEX = "tokens_requestlogentry_request_id_c9be2c87_like"


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Django adds it to every text that is unique; nobody looks for how a request id begins, and each call paid."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX IF EXISTS {_INDEX}")


def restore(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"CREATE INDEX {_INDEX} ON tokens_requestlogentry (request_id varchar_pattern_ops)")


class Migration(migrations.Migration):
    dependencies = [
        ("tokens", "0016_count_hours_of_the_log"),
    ]

    operations = [migrations.RunPython(drop, restore)]
