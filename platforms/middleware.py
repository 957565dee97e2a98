"""Programs take the short way in."""

from collections.abc import Callable
from functools import cached_property

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from tokens.gateway import GatewayView


class GatewayMiddleware:
    """Calls of the gateway are answered here; sessions, cookies, languages and pages are for everybody behind.

    What of the rest of the stack protects programs too is the gateway's own: it refuses a foreign Host and plain HTTP,
    and sets the headers that make sense on data.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = self._views.get(request.path_info)
        if view is not None:
            return view(request)
        if request.path_info.startswith(self._prefixes):
            found = get_resolver().resolve(request.path_info)
            return found.func(request, *found.args, **found.kwargs)  # type: ignore[no-any-return]
        return self.get_response(request)

    @cached_property
    def _dialects(self) -> dict[str, URLResolver]:
        """By what their addresses begin with: those below which there is nothing but the gateway's view."""
        return {
            f"/{included.pattern}": included
            for included in get_resolver().url_patterns
            if isinstance(included, URLResolver) and all(map(_is_of_gateway, included.url_patterns))
        }

    @cached_property
    def _prefixes(self) -> tuple[str, ...]:
        return tuple(self._dialects)

    @cached_property
    def _views(self) -> dict[str, Callable[[HttpRequest], HttpResponseBase]]:
        """Of the addresses that are always the same."""
        return {
            prefix + str(pattern.pattern): pattern.callback
            for prefix, dialect in self._dialects.items()
            for pattern in dialect.url_patterns
            if isinstance(pattern, URLPattern) and pattern.callback is not None
            if isinstance(pattern.pattern, RoutePattern) and not pattern.pattern.converters
        }


def _is_of_gateway(pattern: URLPattern | URLResolver) -> bool:
    return isinstance(pattern, URLPattern) and getattr(pattern.callback, "view_class", None) is GatewayView
