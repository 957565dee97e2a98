from django.apps import AppConfig


class MessagingConfig(AppConfig):
    name = "messaging"

    def ready(self) -> None:
        from messaging.privacy import PersonaConversations
        from personas import privacy

        privacy.register(PersonaConversations())
