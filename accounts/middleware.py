"""Every page speaks its viewer's language and shows times in their zone."""

from collections.abc import Callable, Iterator
from datetime import tzinfo
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from accounts.access import viewer_zone
from accounts.language import viewer_language


class ViewerMiddleware:
    """The viewer's language and zone hold while their request is answered, and no longer.

    Django's own LocaleMiddleware leaves the language behind in the thread, where the next call of the gateway would
    find it; and it decides before it is known who asks.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language, zone = viewer_language(request), viewer_zone(request)
        with translation.override(language), timezone.override(zone):
            response = self.get_response(request)
        if isinstance(response, StreamingHttpResponse):
            response.streaming_content = _held(response.streaming_content, language=language, zone=zone)
        if response.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Content-Language", language)
            patch_vary_headers(response, ("Accept-Language",))
        return response


def _held(chunks: Any, *, language: str, zone: tzinfo) -> Iterator[bytes]:
    """The chunks of a download, in the viewer's language and zone; they are made when the answer is on its way."""
    chunks = iter(chunks)
    while True:
        with translation.override(language), timezone.override(zone):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk
