from django.apps import AppConfig


class PlatformsConfig(AppConfig):
    name = "platforms"

    def ready(self) -> None:
        from platforms.carrying import register_carriers
        from platforms.console.mentions import register_names

        register_carriers()
        register_names()
