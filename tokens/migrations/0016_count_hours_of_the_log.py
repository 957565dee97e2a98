from datetime import UTC, timedelta

from django.db import migrations
from django.db.models import Count, Max
from django.db.models.functions import TruncHour
from django.utils import timezone


def count_hours_of_the_log(apps, schema_editor):
    """What `usage.roll_up` has counted before there were hours, of those that are still asked for."""
    progress = apps.get_model("tokens", "UsageProgress").objects.first()
    if progress is None:
        return
    kinds = ("workspace_id", "hour", "status", "code")
    rows = (
        apps.get_model("tokens", "RequestLogEntry")
        .objects.filter(
            pk__lte=progress.last_entry_id,
            received_at__gte=timezone.now() - timedelta(days=2),
            workspace__in=apps.get_model("accounts", "Workspace").objects.all(),
        )
        .annotate(hour=TruncHour("received_at", tzinfo=UTC))
        .order_by()
        .values(*kinds)
        .annotate(calls=Count("pk"), last_at=Max("received_at"))
    )
    model = apps.get_model("tokens", "WorkspaceHour")
    model.objects.bulk_create([model(**row) for row in rows], batch_size=2_000)


class Migration(migrations.Migration):
    dependencies = [("tokens", "0015_count_calls_by_hour")]

    operations = [migrations.RunPython(count_hours_of_the_log, migrations.RunPython.noop)]
