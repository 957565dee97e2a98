from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("personas", "0012_import_from_platforms"),
    ]

    operations = [
        migrations.AlterField(
            model_name="duplicatepair",
            name="reason",
            field=models.CharField(
                choices=[
                    ("same_number", "Same number"),
                    ("same_email", "Same e-mail address"),
                    ("near_name", "Near name and something shared"),
                ],
                max_length=20,
            ),
        ),
    ]
