from django.apps import AppConfig
from django.db.models.signals import pre_save


class TokensConfig(AppConfig):
    name = "tokens"

    def ready(self) -> None:
        from tokens.log_format import drop_what_was_sent

        # The sign-in guard has no setting for this.
        pre_save.connect(drop_what_was_sent, sender="axes.AccessAttempt")
