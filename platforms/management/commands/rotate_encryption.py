"""`manage.py rotate_encryption`: after a new key was put in front of ENCRYPTION_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from platforms.connections import reseal_all
from platforms.encryption import SecretUnreadable


class Command(BaseCommand):
    help = "Encrypts the credential of every connection with the first key, so that the old keys can go."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = reseal_all()
        except SecretUnreadable as problem:
            raise CommandError(f"Nothing was changed. {problem}") from None
        self.stdout.write(f"Encrypted with the first key: {count}.")
