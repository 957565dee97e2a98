from django.apps import AppConfig


class MessagingConfig(AppConfig):
    name = "messaging"

    def ready(self) -> None:
        from delivery.following import follow
        from messaging.privacy import PersonaConversations
        from messaging.progress import follow_deliveries
        from personas import privacy

        privacy.register(PersonaConversations())
        follow(follow_deliveries)
