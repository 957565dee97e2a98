"""Gives the workers of the benchmark a carrier for destinations of the kind `bare`."""

from django.apps import AppConfig


class BenchmarkConfig(AppConfig):
    name = "benchmarks.sending_site"

    def ready(self) -> None:
        from benchmarks.sending_site.carrier import BareCarrier  # models can be imported only now
        from delivery import carriers

        carriers.register("bare", BareCarrier())
