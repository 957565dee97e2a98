"""The one way in for programs: every call of every dialect passes these checks, in this order, and is logged.

    transport → token → source networks → rate limit → Pro → ability → the endpoint's rate → Idempotency-Key → body →
    the endpoint's own rules

An endpoint is data (`Endpoint`); it has no way to skip a check. A dialect says how a credential is sent and how answers
and refusals look. See docs/decisions/0002-one-gateway.md.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC
from typing import Any, ClassVar, NoReturn

import msgspec
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path, re_path
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts import log_context
from accounts.client import client_address
from raven_admin.errors import RavenError
from raven_admin.masking import mask_tokens
from raven_admin.statements import Question, is_deadlock, one_transaction
from tokens import credentials, idempotency, rate_limit, request_log
from tokens.decoding import check_text, decode_body, decode_query, decode_unchecked, decoder_of, read_body
from tokens.endpoints import Answer, Call, Dialect, Endpoint
from tokens.refusals import (
    ChangedMeanwhile,
    DatabaseUnavailable,
    EndpointUnknown,
    HostUnknown,
    HttpsRequired,
    InternalError,
    MethodNotAllowed,
    RateLimitExceeded,
)

logger = logging.getLogger(__name__)
_DATABASE_IS_BACK_S = 5
"""After so many seconds a call may try again that found the database locked or gone."""


class GatewayView(APIView):
    """All endpoints of one path. Django REST framework parses the request and routes the method; we do the rest."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = ()
    default_response_headers: ClassVar[Mapping[str, str]] = {}  # type: ignore[assignment]
    """None of the framework's, which finds them out for each request: `_response` has those of every answer."""
    dialect: ClassVar[Any] = None
    endpoints: ClassVar[Mapping[str, Endpoint]] = {}
    """By HTTP method; none at all: no such address."""

    call: Call
    endpoint: Endpoint
    has_read_body = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Every check that does not depend on the endpoint's own rules."""
        call = self.call = _receive(request._request)
        log_context.begin(request_id=call.caller.request_id)
        if unreachable := _transport_refusal(request._request):
            self._take_from_bucket(f"address:{call.caller.address}", settings.DEFAULT_REQUESTS_PER_MINUTE)
            raise unreachable
        shown = credentials.read(self.dialect.credential(request._request), now=call.now, look_ahead=self._look_ahead())
        call.credential, call.answered = shown.credential, shown.answered
        call.claimed_token_id, call.claimed_workspace_id = shown.claimed_token_id, shown.claimed_workspace_id
        if shown.credential is not None:
            log_context.note(workspace_id=shown.credential.workspace_id, token_id=shown.credential.owner_id)
        if shown.refusal is not None:
            call.caller = replace(call.caller, body=b"")  # a stranger's is not kept, if it was read at all
            self._take_from_bucket(f"address:{call.caller.address}", settings.DEFAULT_REQUESTS_PER_MINUTE)
            raise shown.refusal
        # Not before: a stranger who sends a body slowly must not hold a thread.
        if not self.has_read_body:
            call.caller.body = read_body(request._request)
        try:
            self._check(call, shown)
        except RavenError:
            shown.forget()
            raise
        shown.remember()

    def _check(self, call: Call, shown: credentials.Shown) -> None:
        """What is asked of a token whose secret is right."""
        call.token.check_usable(at=call.now)
        call.token.check_source(call.caller.address)
        if shown.allowance is not None:
            self._use(shown.allowance)
        else:
            self._take_from_bucket(f"token:{call.token.owner_id}", call.token.requests_per_minute)
        call.token.check_pro(at=call.now)
        self.endpoint = self._endpoint(call.caller.method)
        call.check_bound(self.endpoint)
        if self.endpoint.ability is not None:
            call.ability = self.endpoint.ability
            call.require(self.endpoint.ability)
        elif self.endpoint.one_of and call.token.abilities.isdisjoint(self.endpoint.one_of):
            call.require(self.endpoint.one_of[0])
        if self.endpoint.check is not None:
            self.endpoint.check(call)
        if self.endpoint.rate is not None:
            self._take_from_rate(self.endpoint.rate)

    def answer(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Decodes the body, does what the endpoint does, and logs it, in one transaction; again after a deadlock."""
        call, endpoint = self.call, self.endpoint
        key = call.request.META.get("HTTP_IDEMPOTENCY_KEY")
        if key is not None and call.caller.method not in {"GET", "HEAD"}:
            called = b"\n".join([call.caller.method.encode(), call.caller.path.encode(), call.caller.body])
            call.claim = idempotency.claim(token_id=call.token.token_id, key=key, call=called, now=call.now)
            if call.claim.replay is not None:
                replay, call.claim = call.claim.replay, None
                self._log(status=replay.status, code="", body=replay.body.encode())
                etag = {"ETag": replay.etag} if replay.etag else {}
                return self._response(replay.status, replay.body.encode(), {"Idempotent-Replayed": "true", **etag})
        if endpoint.body is not None and endpoint.may_lack_body and not call.caller.body:
            kwargs["body"] = endpoint.body()
        elif endpoint.body is not None:
            kwargs["body"] = call.body or decode_body(request._request, call.caller.body, endpoint.body)
        if endpoint.query is not None:
            kwargs["query"] = decode_query(request._request, endpoint.query)
        try:
            return self._carry_out(kwargs)
        except OperationalError as error:
            if not is_deadlock(error):
                raise
            # This one of the two was undone, and the other goes on; what it leaves has to be looked at anew.
            call.answered = None
            return self._carry_out(kwargs)

    def _carry_out(self, values: Mapping[str, Any]) -> HttpResponseBase:
        """What the endpoint answers; what it did, and the body that says so, are stored."""
        call = self.call
        response: HttpResponseBase | None = None

        def make_response() -> None:
            nonlocal response
            response = self._response(done.status, body, done.headers, stream=done.stream)

        with one_transaction(meanwhile=make_response):
            done = self.endpoint.handle(call, **values)
            body = msgspec.json.encode(done.value)
            self._log(status=done.status, code="", body=body)
            if call.claim is not None:
                kept = mask_tokens(body.decode()) if done.is_secret else body.decode()
                idempotency.finish(call.claim, status=done.status, body=kept, etag=done.headers.get("ETag", ""))
        assert response is not None  # noqa: S101 - the transaction has called what makes it
        return response

    get = post = put = patch = delete = head = answer
    options = answer  # type: ignore[assignment]

    # The stubs ask for the framework's own Response; the framework itself takes any of Django's.
    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        """The refusal in the dialect's form, logged; what nobody foresaw is logged with its trace and says so."""
        if not isinstance(exc, RavenError):
            logger.exception("gateway call %s failed", self.call.caller.request_id, exc_info=exc)
            exc = _refusal_of(exc)
        refused: Answer = self.dialect.refusal(exc, request_id=self.call.caller.request_id)
        body = msgspec.json.encode(refused.value)
        # Without its database the server's own log has to do. A key that is not given back is free after a minute.
        if not isinstance(exc, DatabaseUnavailable):
            try:
                if self.call.claim is not None:
                    idempotency.release(self.call.claim)
                self._log(status=refused.status, code=exc.code, body=body)
            except DatabaseError:
                logger.exception("gateway call %s could not be logged", self.call.caller.request_id)
        return self._response(refused.status, body, refused.headers)

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise MethodNotAllowed(method=self.call.caller.method, allowed=", ".join(self.endpoints))

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        return response  # it was made whole

    def _response(
        self, status: int, body: bytes, headers: Mapping[str, str], *, stream: Iterable[bytes] | None = None
    ) -> HttpResponseBase:
        """With the headers that every answer has; `stream` is a file in pieces, sent instead of `body`."""
        call = self.call
        response: HttpResponseBase
        if stream is None:
            response = HttpResponse(body, status=status, content_type="application/json", headers=dict(headers))
            response["Content-Length"] = str(len(body))
        else:
            response = StreamingHttpResponse(stream, status=status, headers=dict(headers))
        response["X-Request-Id"] = call.caller.request_id
        response["Cache-Control"] = "no-store"
        # Data is no page, whatever a browser makes of it.
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        if settings.HTTPS:
            response["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains"
        if call.allowance is not None:
            for name, value in call.allowance.headers().items():
                response[name] = value
        credential = call.credential
        if credential is not None and credential.expires_at and credential.tells_of_its_end(at=call.now):
            response["Raven-Token-Expires"] = credential.expires_at.astimezone(UTC).isoformat(timespec="seconds")
        return response

    def _look_ahead(self) -> credentials.LookAhead | None:
        """For an endpoint that knows what it will ask; the body of a token that was let through is read first then.

        Not with an Idempotency-Key: who waits for the first of two calls must not have asked before it was through.
        """
        call, endpoint = self.call, self.endpoints.get(self.call.caller.method)
        if endpoint is None or endpoint.body is None or endpoint.look_ahead is None:
            return None
        if "HTTP_IDEMPOTENCY_KEY" in call.request.META:
            return None
        shape, question_of = endpoint.body, endpoint.look_ahead
        decoded = None

        def look(remembered: credentials.Credential) -> Question | None:
            nonlocal decoded
            call.caller.body, self.has_read_body = read_body(call.request), True
            with suppress(RavenError):  # which is told in its turn
                decoded = decode_unchecked(call.request, call.caller.body, shape)
                return question_of(remembered, decoded)
            return None

        def meanwhile() -> None:
            with suppress(RavenError):
                check_text(call.request, call.caller.body)
                call.body = decoded
            _ = call.caller.for_log  # kept until the log is written, when the answer would wait for it

        return credentials.LookAhead(look, meanwhile)

    def _take_from_bucket(self, key: str, requests_per_minute: int) -> None:
        self._use(rate_limit.take(key, requests_per_minute=requests_per_minute, now=self.call.now))

    def _use(self, allowance: rate_limit.Allowance) -> None:
        self.call.allowance = allowance
        if not allowance.is_allowed:
            raise RateLimitExceeded(
                requests_per_minute=allowance.requests_per_minute, retry_after_s=allowance.retry_after_s
            )

    def _take_from_rate(self, rate: rate_limit.Rate) -> None:
        """The endpoint's own bucket of this token; the answer tells of it only when it is the one that is empty."""
        call = self.call
        allowance = rate_limit.take_of_rate(rate, f"{rate.name}:{call.token.owner_id}", now=call.now)
        if not allowance.is_allowed:
            self._use(allowance)

    def _endpoint(self, method: str) -> Endpoint:
        if not self.endpoints:
            raise EndpointUnknown
        endpoint = self.endpoints.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            raise MethodNotAllowed(method=method, allowed=", ".join(self.endpoints))
        return endpoint

    def _log(self, *, status: int, code: str, body: bytes) -> None:
        call = self.call
        credential = call.credential
        request_log.write(
            call.caller,
            workspace_id=credential.workspace_id if credential else call.claimed_workspace_id,
            token_id=credential.owner_id if credential else call.claimed_token_id,
            ability=call.ability,
            status=status,
            code=code,
            duration_ms=(time.perf_counter() - call.started_at) * 1000,
            response_body=body,
        )
        if credential is not None:
            credential.note_use(at=call.now)


def _refusal_of(error: Exception) -> RavenError:
    """What an error that is not ours is told as."""
    if is_deadlock(error):
        return ChangedMeanwhile()
    if isinstance(error, OperationalError | InterfaceError):
        return DatabaseUnavailable(retry_after_s=_DATABASE_IS_BACK_S)
    # Of what a call could give wrong, nothing comes this far: it is a row that somebody else has just made or deleted.
    return ChangedMeanwhile() if isinstance(error, IntegrityError) else InternalError()


def routes(dialect: Dialect, endpoints: Iterable[Endpoint], *, slash_is_optional: bool = False) -> Sequence[URLPattern]:
    """The URL patterns of a dialect; its last pattern answers every other address below the dialect's prefix.

    With `slash_is_optional`, each path also answers with a slash at its end.
    """
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        for shape in filter(None, (endpoint.body, endpoint.query)):
            decoder_of(shape)
    ends = ("", "/") if slash_is_optional else ("",)
    patterns = [
        path(route + end, GatewayView.as_view(dialect=dialect, endpoints=methods))
        for end in ends
        for route, methods in by_path.items()
    ]
    return [*patterns, re_path(r"", GatewayView.as_view(dialect=dialect))]


def _receive(request: HttpRequest) -> Call:
    caller = request_log.Caller(
        request_id=request_log.new_request_id(),
        received_at=timezone.now(),
        method=request.method or "",
        path=request.get_full_path(),
        address=client_address(request),
        agent=request.META.get("HTTP_USER_AGENT", ""),
    )
    return Call(caller=caller, started_at=time.perf_counter(), request=request)


def _transport_refusal(request: HttpRequest) -> RavenError | None:
    """What Django's middleware checks for pages, said to a program: no redirect, which would come too late anyway."""
    try:
        request.get_host()
    except DisallowedHost:
        return HostUnknown()
    return HttpsRequired() if settings.HTTPS and not request.is_secure() else None
