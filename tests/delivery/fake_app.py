"""Gives workers of their own process the carriers of `fake`."""

from django.apps import AppConfig


class FakeConfig(AppConfig):
    name = "tests.delivery"
    label = "delivery_fakes"

    def ready(self) -> None:
        from tests.delivery.fake import register_fakes  # models can be imported only now

        register_fakes()
