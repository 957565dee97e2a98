from django.db import migrations

FILL = """
    UPDATE personas_personachange
       SET workspace_id = (SELECT persona.workspace_id FROM personas_persona persona WHERE persona.id = persona_id)
     WHERE workspace_id IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("personas", "0004_history_operations_and_duplicates")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
