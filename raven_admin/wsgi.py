"""The WSGI application that granian serves."""

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.utils.http import parse_header_parameters

from raven_admin.checkpoints import start_checkpoints
from raven_admin.lending import lend_connections

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "raven_admin.settings")
# A thread that makes a file, and only computes, gives way ten times as soon as Python would have it: a call of another
# thread, which waits for the database several times, else waits 5 ms for it each time.
sys.setswitchinterval(0.0005)


class Request(WSGIRequest):
    """A request whose Content-Type can't fail it before anybody may answer: one that makes no sense is none."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        # Django would also read the address in the body's charset, even in one that is none for text, such as `zlib`.
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:
            self.content_type, self.content_params = "", {}


_django = get_wsgi_application()
_django.request_class = Request


def application(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
    """Django's, with an answer that is whole given to the server at once.

    What granian has to ask for, piece by piece, wakes a thread of its own for each.
    """
    response = _django(environ, start_response)
    if not isinstance(response, HttpResponse):
        return response
    body = [response.content]
    response.close()
    return body


lend_connections()
start_checkpoints()
