"""Programs take the short way in."""

from collections.abc import Callable
from functools import cached_property

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver, get_resolver

from tokens.gateway import GatewayView


class GatewayMiddleware:
    """Calls of the gateway are answered here; sessions, cookies, languages and pages are for everybody behind.

    What of the rest of the stack protects programs too is the gateway's own: it refuses a foreign Host and plain HTTP,
    and sets the headers that make sense on data.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(self._prefixes):
            return self.get_response(request)
        match = request.resolver_match = get_resolver().resolve(request.path_info)
        answer: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        return answer

    @cached_property
    def _prefixes(self) -> tuple[str, ...]:
        """Of the dialects: below them there is nothing but the gateway's view."""
        return tuple(
            f"/{included.pattern}"
            for included in get_resolver().url_patterns
            if isinstance(included, URLResolver) and all(map(_is_of_gateway, included.url_patterns))
        )


def _is_of_gateway(pattern: URLPattern | URLResolver) -> bool:
    return isinstance(pattern, URLPattern) and getattr(pattern.callback, "view_class", None) is GatewayView
