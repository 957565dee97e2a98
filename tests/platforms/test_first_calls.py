"""The first calls after the start of the web server."""

import os
import subprocess
import sys
from pathlib import Path

_SHAPES_NOT_KNOWN_YET = """
import django
django.setup()
from django.urls import get_resolver
from tokens.decoding import decoder_of
from tokens.gateway import GatewayView

def shapes_of(patterns):
    for pattern in patterns:
        yield from shapes_of(getattr(pattern, "url_patterns", ()))
        callback = getattr(pattern, "callback", None)
        if getattr(callback, "view_class", None) is GatewayView:
            for endpoint in callback.view_initkwargs.get("endpoints", {}).values():
                yield from {endpoint.body, endpoint.query} - {None}

shapes = set(shapes_of(get_resolver().url_patterns))
before = decoder_of.cache_info().misses
for shape in shapes:
    decoder_of(shape)
print(len(shapes), decoder_of.cache_info().misses - before)
"""


def test_what_endpoints_take_is_known_before_the_first_call(project: Path) -> None:
    """Two threads that get to know a shape at the same moment would end the process: see `decoder_of`."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "raven_admin.settings", "DEBUG": "1"}

    done = subprocess.run(  # a new process, because other tests have made decoders here
        [sys.executable, "-c", _SHAPES_NOT_KNOWN_YET], cwd=project, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    known, new = map(int, done.stdout.split())
    assert (known > 30, new) == (True, 0)
