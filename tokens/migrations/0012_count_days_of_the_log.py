from datetime import UTC

from django.db import migrations
from django.db.models import Count, Max
from django.db.models.functions import TruncDate
from django.utils import timezone


def count_days_of_the_log(apps, schema_editor):
    """What `usage.roll_up` has counted before there were days, as far as the log still has it."""
    progress = apps.get_model("tokens", "UsageProgress").objects.first()
    if progress is None:
        return
    entry = apps.get_model("tokens", "RequestLogEntry")
    entries = entry.objects.filter(pk__lte=progress.last_entry_id).annotate(day=TruncDate("received_at", tzinfo=UTC))
    for name, owner, owners in (
        ("TokenDay", "token_id", {"token__in": apps.get_model("tokens", "Token").objects.all()}),
        ("WorkspaceDay", "workspace_id", {"workspace__in": apps.get_model("accounts", "Workspace").objects.all()}),
    ):
        kinds = (owner, "day", "ability", "status", "code")
        rows = entries.filter(**owners).order_by().values(*kinds).annotate(calls=Count("pk"), last_at=Max("received_at"))
        model = apps.get_model("tokens", name)
        model.objects.bulk_create([model(**row) for row in rows], batch_size=2_000)
    oldest = entry.objects.order_by("pk").first()
    if oldest is None or oldest.pk > 1:  # what came before it was pruned
        progress.days_known_from = oldest.received_at if oldest else timezone.now()
        progress.save()


class Migration(migrations.Migration):
    dependencies = [("tokens", "0011_keep_figures_of_days")]

    operations = [migrations.RunPython(count_days_of_the_log, migrations.RunPython.noop)]
