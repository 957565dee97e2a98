"""The one way out: every call to a platform is checked where it is connected to, bounded, and written down masked.

An exchange never raises: what happened is part of it, and each platform's own file says what that means. The library
refuses private addresses after looking the name up, so a name that answers differently the second time gains nothing.
"""

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar
from urllib.parse import SplitResult, urlsplit

import msgspec
import requests
import urllib3
from django.conf import settings
from django.utils.translation import gettext as _
from requests.adapters import HTTPAdapter
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter

from platforms.addresses import Address, rule_against
from raven_admin.errors import RavenError
from raven_admin.masking import masked, masked_headers

CONNECT_TIMEOUT_S = 5.0
DEADLINE_S = 20.0
"""Of a whole exchange, however slowly its bytes drip in."""
MAX_ANSWER_BYTES = 1024 * 1024
USER_AGENT = "Raven-Admin"
_HTTPS_PORT = 443
_LOWEST_FREE_PORT = 1024


@dataclass(eq=False)
class AddressRefused(RavenError):
    """{address} can't be connected to: {rule}"""

    code: ClassVar[str] = "address_refused"
    address: str
    rule: str


class Failure(StrEnum):
    """Why there is no answer to read."""

    ADDRESS = "address"
    """It may not be connected to."""
    NOT_SENT = "not_sent"
    """Nothing reached the platform: it can safely be tried again."""
    NO_ANSWER = "no_answer"
    """It was sent, and whether it was received nobody knows."""
    TOO_LARGE = "too_large"
    """The answer was longer than is read; it was received."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    secrets: tuple[str, ...] = ()
    """What is masked wherever it stands in what is written down."""

    @property
    def shown_headers(self) -> dict[str, str]:
        return masked_headers(self.headers, self.secrets)

    @property
    def shown_body(self) -> str:
        return masked((self.body or b"").decode(errors="replace"), self.secrets)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, masked, and what came back: `status` is None when nothing did, and `failure` says why."""

    method: str
    url: str
    request_headers: Mapping[str, str]
    request_body: str
    status: int | None
    headers: Mapping[str, str]
    """Of the answer; names in lower case."""
    body: str
    duration_ms: float
    failure: Failure | None = None
    problem: str = ""
    """What went wrong on the way, as a sentence."""

    @property
    def shown_body(self) -> str:
        """The answer's body, its JSON laid out for reading."""
        try:
            return msgspec.json.format(self.body, indent=2)
        except msgspec.DecodeError:
            return self.body

    def json(self) -> Any:
        """The answer's value; None when it is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return None


def exchange(request: Request, *, deadline_s: float = DEADLINE_S) -> Exchange:
    """What happened to `request`; it has been sent at most once."""
    begun = time.monotonic()
    answer, failure, problem = _Answer(), None, ""
    try:
        check_address(request.url)
        with _Watch(deadline_s) as watch:
            try:
                answer = _answer_to(request, watch, deadline_s)
            except (
                _AnswerTooLarge,
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                OSError,
                UnicodeError,
            ) as error:
                failure, problem = _failure(error, request.url, watch, deadline_s)
    except AddressRefused as refused:
        failure, problem = Failure.ADDRESS, str(refused)
    shown = masked_headers(answer.headers, request.secrets)
    return Exchange(
        method=request.method,
        url=masked(request.url, request.secrets),
        request_headers=request.shown_headers,
        request_body=request.shown_body,
        status=answer.status,
        headers={name.lower(): value for name, value in shown.items()},
        body=masked(answer.body.decode(errors="replace"), request.secrets),
        duration_ms=round((time.monotonic() - begun) * 1000, 1),
        failure=failure,
        problem=problem,
    )


def check_address(url: str) -> None:
    """Raises AddressRefused for what can be told from the address alone; names are looked up later."""
    try:
        parts = urlsplit(url)
        port = _port(parts)
        address = _literal(parts.hostname or "")
    except ValueError:  # a UnicodeError too
        raise AddressRefused(url, _no_address()) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise AddressRefused(url, _("it must begin with https:// and a host."))
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(parts.hostname, _("a user name or password in an address is sent and kept in the open."))
    if is_exception(url):
        return
    if address is not None and (rule := rule_against(address)) is not None:
        raise _refused(url, address, rule)
    if parts.scheme == "http":
        raise AddressRefused(url, _("plain http shows the credential to everybody on the way; use https."))
    if port != _HTTPS_PORT and port < _LOWEST_FREE_PORT:
        raise AddressRefused(
            url, _("port %(port)d belongs to another service; 443 and those from 1024 on are open.") % {"port": port}
        )


def exception_named(url: str) -> str:
    """Says that `url` is one of the exceptions of the settings; empty when it is none."""
    try:
        is_one = is_exception(url)
    except ValueError:
        return ""
    if not is_one:
        return ""
    return _("This address is inside this server's own network; ALLOWED_PRIVATE_ADDRESSES allows it by name.")


def _no_address() -> str:
    return _("it is not an address, as https://api.example.org/.")


def is_exception(url: str) -> bool:
    """Whether settings.ALLOWED_PRIVATE_ADDRESSES names exactly this host and port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{_port(parts)}" in settings.ALLOWED_PRIVATE_ADDRESSES


def _port(parts: SplitResult) -> int:
    return parts.port or (80 if parts.scheme == "http" else _HTTPS_PORT)


def _literal(host: str) -> Address | None:
    """The address that `host` is, in any notation and script; None for a name. Raises UnicodeError if it is neither."""
    host = host.encode("idna").decode("ascii").lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))  # as 127.1 and 0x7f000001
    except OSError:
        return None


def _refused(url: str, address: Address, rule: str) -> AddressRefused:
    shown = urlsplit(url).netloc
    exception = _("Who runs this server can allow it in ALLOWED_PRIVATE_ADDRESSES.")
    return AddressRefused(f"{shown} ({address})" if str(address) not in shown else shown, f"{rule} {exception}")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back, as it came; without a status, nothing did."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def _answer_to(request: Request, watch: "_Watch", deadline_s: float) -> _Answer:
    with _session().request(
        request.method, request.url, headers={"User-Agent": USER_AGENT, **request.headers}, data=request.body,
        timeout=(min(CONNECT_TIMEOUT_S, deadline_s), deadline_s), stream=True, allow_redirects=False,
    ) as answer:  # fmt: skip
        body = _read(answer)
        if watch.is_over:  # cut short, an answer without a length looks complete
            raise TimeoutError
        return _Answer(answer.status_code, answer.headers, body)


def _failure(error: Exception, url: str, watch: "_Watch", deadline_s: float) -> tuple[Failure, str]:
    """Why there is no answer to read, and as a sentence."""
    if isinstance(error, _AnswerTooLarge):
        return Failure.TOO_LARGE, _("The answer is longer than %(size)d KiB.") % {"size": MAX_ANSWER_BYTES // 1024}
    if isinstance(error, InvalidIPAddress):
        address = error.args[0]
        rule = rule_against(address) or _("it is an address for special use.")
        return Failure.ADDRESS, str(_refused(url, address, rule))
    if isinstance(error, requests.exceptions.InvalidURL | urllib3.exceptions.LocationValueError):
        return Failure.ADDRESS, str(AddressRefused(url, _no_address()))
    return Failure.NO_ANSWER if watch.was_sent else Failure.NOT_SENT, _problem(error, watch, deadline_s)


def _problem(error: Exception, watch: "_Watch", deadline_s: float) -> str:
    if watch.is_over or isinstance(error, (requests.Timeout, TimeoutError)):
        if not watch.was_sent:
            return _("No connection within %(seconds)g seconds.") % {"seconds": min(CONNECT_TIMEOUT_S, deadline_s)}
        return _("No complete answer within %(seconds)g seconds.") % {"seconds": deadline_s}
    if watch.was_sent:
        return _("The connection broke before the answer was complete.")
    if isinstance(error, requests.exceptions.InvalidHeader | UnicodeError):
        return _("The credential has characters that can't be sent. Type it in anew.")
    if isinstance(error, requests.exceptions.SSLError):
        return _("No trusted connection: the certificate or the TLS version is not accepted.")
    if "resolve" in str(error).lower() or "getaddrinfo" in str(error):
        return _("There is no such host name, or it can't be looked up now.")
    return _("Nothing listens there: the connection was refused.")


# ------------------------------------------------------------------------------------------ the library, watched over
class _AnswerTooLarge(Exception):
    pass


def _read(answer: requests.Response) -> bytes:
    body = b""
    for piece in answer.iter_content(64 * 1024):
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise _AnswerTooLarge
    return body


_under_way = threading.local()


class _Watch:
    """Knows of this thread's exchange whether anything was sent, and ends it at its deadline."""

    def __init__(self, deadline_s: float) -> None:
        self.was_sent = False
        self.is_over = False
        self.connection: urllib3.connection.HTTPConnection | None = None
        self._timer = threading.Timer(deadline_s, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "_Watch":
        _under_way.watch = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _under_way.watch = None

    def _end(self) -> None:
        self.is_over = True
        sock = self.connection.sock if self.connection is not None else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed already
                logging.getLogger(__name__).debug("the connection had ended by itself")


class _Watched:
    """A connection that tells the watch of its thread when it begins to send."""

    def send(self, data: Any) -> None:
        watch: _Watch | None = getattr(_under_way, "watch", None)
        if watch is not None:
            watch.connection = self  # type: ignore[assignment]
            if self.sock is None:  # type: ignore[attr-defined]
                self.connect()  # type: ignore[attr-defined]
            watch.was_sent = True
        super().send(data)  # type: ignore[misc]


class _HTTPConnection(_Watched, urllib3.connection.HTTPConnection):
    pass


class _HTTPSConnection(_Watched, urllib3.connection.HTTPSConnection):
    pass


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _Adapter(IPFilterAdapter):  # type: ignore[misc]
    """Refuses private addresses, but for the exact exceptions of the settings."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> Any:
        if is_exception(request.url or ""):
            return HTTPAdapter.build_connection_pool_key_attributes(self, request, verify, cert)
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        # The library has looked the name up and will connect to this address; it does not know all our rules.
        address = ipaddress.ip_address(host["host"].strip("[]"))
        if rule_against(address) is not None:
            raise InvalidIPAddress(address)
        return host, pool


_sessions = threading.local()


def _session() -> requests.Session:
    """This thread's own: connections stay open between calls, and nothing else does, so no cookie and no `.netrc`."""
    session: requests.Session | None = getattr(_sessions, "session", None)
    if session is None:
        config = Config(
            ip_filter_enable=True, ip_filter_allow_loopback_ips=False, never_redirect=True, default_timeout=(5, 20)
        )
        session = HTTPSession(config)
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.update({"Accept-Encoding": "identity"})
        session.mount("http://", _Adapter(is_https_proto=False))
        session.mount("https://", _Adapter(is_https_proto=True))
        _sessions.session = session
    return session
