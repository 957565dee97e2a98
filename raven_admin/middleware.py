"""What stands around every page: its name in the log, and the addresses for those who watch the server."""

import hmac
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from accounts import log_context
from raven_admin import health, metrics
from tokens.request_log import new_request_id

_Answer = Callable[[HttpRequest], HttpResponseBase]


class RequestIdMiddleware:
    """Every page has a request id as every call of the gateway has: in its answer, and in all that is logged meanwhile.

    One that the browser sends is not believed, because anybody could write anything into the log with it.
    """

    def __init__(self, get_response: _Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = new_request_id()
        request.request_id = request_id  # type: ignore[attr-defined]
        log_context.begin(request_id=request_id)
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response


class WatchingMiddleware:
    """Health and metrics answer here, before any redirect, session or look at the Host header.

    Probes come from inside, by address and over plain http. What they read names no workspace and no person; metrics
    name workspaces, and need `METRICS_TOKEN`.
    """

    def __init__(self, get_response: _Answer) -> None:
        self.get_response = get_response
        self._answers: dict[str, _Answer] = {
            "/health/live": lambda _request: _said({}),
            "/health/web": lambda _request: _said(health.web()),
            "/health/ready": lambda _request: _said(health.everything()),
            "/metrics": _metrics,
        }

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self._answers.get(request.path_info)
        if answer is None or (answer is _metrics and not settings.METRICS_TOKEN):
            return self.get_response(request)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
        response = answer(request)
        response["Cache-Control"] = "no-store"
        return response


def _said(checks: dict[str, str]) -> HttpResponse:
    is_well = all(said == health.OK for said in checks.values())
    return JsonResponse(
        {"status": "ok" if is_well else "unavailable", "checks": checks}, status=200 if is_well else 503
    )


def _metrics(request: HttpRequest) -> HttpResponse:
    shown = request.META.get("HTTP_AUTHORIZATION", "")
    if not hmac.compare_digest(shown.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    try:
        text, content_type = metrics.exposition(accept=request.META.get("HTTP_ACCEPT", ""))
    except (DatabaseError, InterfaceError):
        return _said({"database": "unreachable"})
    return HttpResponse(text, content_type=content_type)
