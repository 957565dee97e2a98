from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate, pre_migrate


class PersonasConfig(AppConfig):
    name = "personas"

    def ready(self) -> None:
        from personas import search_index  # models are there only now

        pre_migrate.connect(search_index.drop, sender=self)
        post_migrate.connect(search_index.install, sender=self)
        checks.register(search_index.check_trigrams, checks.Tags.database)
