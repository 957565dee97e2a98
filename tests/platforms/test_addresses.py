"""Where nothing may connect to, in all spellings: written in the address, found by a look-up, or in a redirect."""

import ipaddress
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from platforms.addresses import rule_against
from platforms.transport import AddressRefused, Failure, Request, check_address, exchange

LOOPBACK, METADATA, LINK_LOCAL = "loopback", "metadata service of a cloud.", "link-local"
PRIVATE, SPECIAL, ANY = "private address", "special use", "any address of this machine"
MULTICAST, NO_ADDRESS, USER = "multicast", "not an address", "a user name or password in an address"

HOSTS = {
    # this machine: decimal, hexadecimal, octal, short, with a dot at the end
    "127.0.0.1": LOOPBACK, "127.255.255.254": LOOPBACK, "127.1": LOOPBACK, "127.0.1": LOOPBACK,
    "2130706433": LOOPBACK, "0x7f000001": LOOPBACK, "0x7f.1": LOOPBACK, "0x7f.0x0.0x0.0x1": LOOPBACK,
    "0177.0.0.1": LOOPBACK, "017700000001": LOOPBACK, "127.0.0.1.": LOOPBACK, "%31%32%37.0.0.1": LOOPBACK,
    "localhost": LOOPBACK, "LOCALHOST": LOOPBACK, "localhost.": LOOPBACK, "shop.localhost": LOOPBACK,
    "0.0.0.0": ANY, "0": ANY, "0x0": ANY, "[::]": ANY,
    "[::1]": LOOPBACK, "[0:0:0:0:0:0:0:1]": LOOPBACK, "[::1%25lo]": LOOPBACK,
    # mapped into IPv6, and what is translated on the way
    "[::ffff:127.0.0.1]": LOOPBACK, "[::ffff:7f00:1]": LOOPBACK, "[0:0:0:0:0:ffff:7f00:0001]": LOOPBACK,
    "[::127.0.0.1]": LOOPBACK, "[::ffff:0:127.0.0.1]": LOOPBACK,
    "[64:ff9b::127.0.0.1]": LOOPBACK, "[64:ff9b::a9fe:a9fe]": METADATA, "[64:ff9b:1::a00:1]": PRIVATE,
    "[64:ff9b::808:808]": "another notation of 8.8.8.8 (NAT64, RFC 6052)",
    "[2002:7f00:1::]": LOOPBACK, "[2002:a9fe:a9fe::1]": METADATA,
    "[2002:808:808::1]": "another notation of 8.8.8.8 (6to4, RFC 3056)",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]": LOOPBACK,
    "[2001:0:4136:e378:8000:63bf:f7f7:f7f7]": "another notation of 8.8.8.8 (Teredo, RFC 4380)",
    "[2001:4860::5efe:10.0.0.1]": PRIVATE, "[2001:4860::200:5efe:10.0.0.1]": PRIVATE,
    # metadata services
    "169.254.169.254": METADATA, "2852039166": METADATA, "0xa9fea9fe": METADATA, "0251.0376.0251.0376": METADATA,
    "169.254.43518": METADATA, "[::ffff:169.254.169.254]": METADATA, "[fd00:ec2::254]": METADATA,
    "[fd20:ce::254]": METADATA, "100.100.100.200": METADATA, "168.63.129.16": METADATA, "192.0.0.192": METADATA,
    # inside
    "10.0.0.5": PRIVATE, "10.5": PRIVATE, "0xa000005": PRIVATE, "172.16.0.1": PRIVATE, "192.168.1.1": PRIVATE,
    "192.168.257": PRIVATE, "[fc00::1]": PRIVATE, "[fd12:3456::1]": PRIVATE, "[fec0::1]": PRIVATE,
    "169.254.1.1": LINK_LOCAL, "[fe80::1]": LINK_LOCAL, "[fe80::1%25eth0]": LINK_LOCAL,
    # special
    "100.64.0.1": SPECIAL, "198.18.0.1": SPECIAL, "192.0.2.1": SPECIAL, "240.0.0.1": SPECIAL, "192.88.99.1": SPECIAL,
    "255.255.255.255": SPECIAL, "[2001:db8::1]": SPECIAL, "[3fff::1]": SPECIAL, "[5f00::1]": SPECIAL,
    "224.0.0.1": MULTICAST, "[ff02::1]": MULTICAST,
    # digits of other scripts, and what ends a text elsewhere
    "１２７.０.０.１": LOOPBACK, "①②⑦.⓪.⓪.①": LOOPBACK, "127。0。0。1": LOOPBACK, "ⓛocalhost": LOOPBACK,
    "127.0.0.1%00.example.org": NO_ADDRESS,
}  # fmt: skip
ADDRESSES = {
    # whom a careless reader takes for the host
    "https://api.example.org@127.0.0.1/": USER, "https://127.0.0.1@api.example.org/": USER,
    "https://api.example.org:443@127.0.0.1/": USER, "https://api.example.org\\@127.0.0.1/": USER,
    "https://127.0.0.1\\@api.example.org/": USER, "https://@127.0.0.1/": USER, "https://127.0.0.1;@x/": USER,
    "https://127.0.0.1#@api.example.org/": LOOPBACK, "https://127.0.0.1?@api.example.org/": LOOPBACK,
    "https://127.0.0.1\t/": LOOPBACK, " https://127.0.0.1/": LOOPBACK, "HTTPS://127.0.0.1/": LOOPBACK,
    "https://127.0.0.1:443:80/": NO_ADDRESS, "https://127.0.0.1:99999/": NO_ADDRESS, "https://[127.0.0.1]/": NO_ADDRESS,
    "https://[nonsense/": NO_ADDRESS,
    # other schemes, other services
    "https:127.0.0.1/": "must begin with https://", "https:///127.0.0.1/": "must begin with https://",
    "https:\\\\127.0.0.1/": "must begin with https://", "//127.0.0.1/": "must begin with https://",
    "file:///etc/passwd": "must begin with https://", "gopher://127.0.0.1/": "must begin with https://",
    "http://api.example.org/": "plain http", "https://api.example.org:25/": "port 25",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_exceptions(settings: Any) -> None:
    settings.ALLOWED_PRIVATE_ADDRESSES = []


@pytest.fixture
def listening() -> Iterator[tuple[int, list[Any]]]:
    """A port of this machine, and who has connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        came: list[Any] = []
        over = threading.Event()

        def accept() -> None:
            while not over.is_set():
                try:
                    connection, _address = server.accept()
                except TimeoutError:
                    continue
                came.append(connection.getpeername())
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], came
        over.set()
        thread.join(5)


def looked_up(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Names answer with one of `answers` after the other, and nobody is connected to; what was asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host in {"127.0.0.1", "localhost"}:
            return real(host, port, *args, **kwargs)
        asked.append(str(host))
        if not str(host).endswith(".example.org"):  # it is about to be connected to
            raise OSError
        found = answers[min(asked.count(str(host)), len(answers)) - 1]
        family = socket.AF_INET6 if ":" in found else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (found, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


@pytest.mark.parametrize(("host", "rule"), HOSTS.items())
def test_forbidden_host_is_refused_in_every_spelling_with_the_rule(host: str, rule: str) -> None:
    done = exchange(Request("GET", f"https://{host}/"))

    assert (done.status, done.failure) == (None, Failure.ADDRESS)
    assert rule in done.problem


@pytest.mark.parametrize(("url", "rule"), ADDRESSES.items())
def test_forbidden_address_is_refused_with_the_rule(url: str, rule: str) -> None:
    done = exchange(Request("GET", url))

    assert (done.status, done.failure) == (None, Failure.ADDRESS)
    assert rule in done.problem


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        ("127.0.0.1", LOOPBACK), ("::1", LOOPBACK), ("::ffff:127.0.0.1", LOOPBACK), ("::127.0.0.1", LOOPBACK),
        ("::ffff:0:7f00:1", LOOPBACK), ("64:ff9b::7f00:1", LOOPBACK), ("2002:7f00:1::", LOOPBACK),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", LOOPBACK), ("fec0::1", PRIVATE), ("fd00::1", PRIVATE),
        ("10.0.0.5", PRIVATE), ("169.254.169.254", METADATA), ("fd00:ec2::254", METADATA), ("168.63.129.16", METADATA),
        ("fe80::1", LINK_LOCAL), ("0.0.0.0", ANY), ("100.64.0.1", SPECIAL), ("ff02::1", MULTICAST),
        ("2001:4860::5efe:10.0.0.1", PRIVATE),
    ],
)  # fmt: skip
def test_name_that_leads_inside_is_refused_where_it_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, found: str, rule: str
) -> None:
    looked_up(monkeypatch, found)
    check_address("https://shop.example.org/")  # nothing can be seen from the name

    done = exchange(Request("GET", "https://shop.example.org/"))

    assert (done.status, done.failure) == (None, Failure.ADDRESS)
    assert rule in done.problem
    assert f"shop.example.org ({ipaddress.ip_address(found)}" in done.problem or "::ffff:" in found


def test_name_that_answers_otherwise_the_second_time_gains_nothing(
    monkeypatch: pytest.MonkeyPatch, listening: tuple[int, list[Any]]
) -> None:
    port, came = listening
    asked = looked_up(monkeypatch, "8.8.8.8", "127.0.0.1")

    done = exchange(Request("GET", f"https://rebind.example.org:{port}/"), deadline_s=0.5)

    assert (done.failure, asked, came) == (Failure.NOT_SENT, ["rebind.example.org", "8.8.8.8"], [])


def test_next_call_looks_a_name_up_anew(monkeypatch: pytest.MonkeyPatch, listening: tuple[int, list[Any]]) -> None:
    port, came = listening
    looked_up(monkeypatch, "8.8.8.8", "127.0.0.1")
    exchange(Request("GET", f"https://rebind.example.org:{port}/"), deadline_s=0.5)

    done = exchange(Request("GET", f"https://rebind.example.org:{port}/"), deadline_s=0.5)

    assert (done.failure, came) == (Failure.ADDRESS, [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_leads_nowhere(settings: Any, listening: tuple[int, list[Any]], status: int) -> None:
    target, came = listening
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings.ALLOWED_PRIVATE_ADDRESSES = [f"127.0.0.1:{port}", f"127.0.0.1:{target}"]

        def redirect() -> None:
            connection, _address = server.accept()
            with connection:
                connection.recv(65536)
                head = (
                    f"HTTP/1.1 {status} Elsewhere\r\nLocation: http://127.0.0.1:{target}/\r\nContent-Length: 0\r\n\r\n"
                )
                connection.sendall(head.encode())

        thread = threading.Thread(target=redirect, daemon=True)
        thread.start()
        done = exchange(Request("POST", f"http://127.0.0.1:{port}/", body=b"{}"))
        thread.join(5)

    assert (done.status, came) == (status, [])


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "::ffff:8.8.8.8", "2606:4700:4700::1111"])
def test_public_address_may_be_connected_to(address: str) -> None:
    assert rule_against(ipaddress.ip_address(address)) is None


def test_exception_is_exact(settings: Any) -> None:
    settings.ALLOWED_PRIVATE_ADDRESSES = ["127.0.0.1:8000", "[::1]:8000", "shop.internal:3000"]

    for allowed in ("http://127.0.0.1:8000/raven/", "http://[::1]:8000/", "https://shop.internal:3000/"):
        check_address(allowed)

    for other in (
        "http://127.0.0.1:8001/", "http://127.0.0.2:8000/", "https://127.0.0.1/", "http://127.1:8000/",
        "http://localhost:8000/", "http://[::ffff:127.0.0.1]:8000/", "http://127.0.0.1.:8000/",
        "http://x.shop.internal:3000/", "http://user@127.0.0.1:8000/",
    ):  # fmt: skip
        with pytest.raises(AddressRefused):
            check_address(other)
