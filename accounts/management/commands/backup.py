"""`manage.py backup FILE`: while the server runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.backup import back_up
from raven_admin.errors import RavenError


class Command(BaseCommand):
    help = (
        "Writes the whole database, as of one moment, to FILE; the server may go on meanwhile. Keep .env beside it: "
        "without its peppers and encryption keys no token and no credential of the back-up works."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            size = back_up(options["file"])
        except (RavenError, OSError) as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write(f"Backed up to {options['file']}: {size:,} bytes.")
