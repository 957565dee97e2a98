from django.db import migrations

from personas.contacts import is_doubtful

AT_ONCE = 2_000


def mark_doubtful(apps, schema_editor):
    contacts = apps.get_model("personas", "Contact").objects.filter(type__in=["whatsapp", "phone"]).order_by("pk")
    last = 0
    while batch := list(contacts.filter(pk__gt=last).values_list("pk", "type", "normalized")[:AT_ONCE]):
        doubtful = [pk for pk, type, normalized in batch if is_doubtful(type, normalized)]
        if doubtful:
            contacts.filter(pk__in=doubtful).update(is_doubtful=True)
        last = batch[-1][0]


class Migration(migrations.Migration):
    dependencies = [("personas", "0010_what_people_are_found_by")]

    operations = [migrations.RunPython(mark_doubtful, migrations.RunPython.noop)]
