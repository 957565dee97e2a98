from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts.language import keep_language

        user_logged_in.connect(keep_language, dispatch_uid="accounts.keep_language")
