import django.db.models.deletion
from django.db import migrations, models

FILL = """
    UPDATE messaging_recipient
       SET contact_type = contact.type, contact_key = contact.normalized
      FROM personas_contact contact
     WHERE contact.id = messaging_recipient.contact_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0006_how_far_a_message_got"),
        ("personas", "0013_reason_of_near_names"),
    ]

    operations = [
        migrations.AddField(
            model_name="recipient", name="contact_type", field=models.CharField(db_default="", max_length=20)
        ),
        migrations.AddField(
            model_name="recipient", name="contact_key", field=models.CharField(db_default="", max_length=255)
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="recipient",
            name="contact",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="personas.contact",
                verbose_name="contact",
            ),
        ),
    ]
