from django.apps import AppConfig


class PlatformsConfig(AppConfig):
    name = "platforms"

    def ready(self) -> None:
        from platforms.callbacks.carrying import register_callbacks
        from platforms.carrying import register_carriers
        from platforms.console.callbacks import register_callbacks_tab
        from platforms.console.dependents import register_connections
        from platforms.console.mentions import register_names
        from platforms.notices import register_notices
        from platforms.sending_all import register_all

        register_carriers()
        register_callbacks()
        register_callbacks_tab()
        register_names()
        register_connections()
        register_notices()
        register_all()
