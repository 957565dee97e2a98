"""`manage.py restore FILE`: while nothing runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.backup import restore
from raven_admin.errors import RavenError


class Command(BaseCommand):
    help = (
        "Makes the database what it was when `manage.py backup` wrote FILE. Stop every web server and worker first; "
        "run `manage.py migrate` afterwards."
    )
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--replace", action="store_true", help="Replace what is in the database now.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            restore(options["file"], replace=options["replace"])
        except (RavenError, OSError) as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write(f"Restored from {options['file']}. Now run `manage.py migrate`, and start the server.")
