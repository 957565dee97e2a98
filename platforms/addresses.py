"""Which IP addresses may not be connected to, and by which rule. Pure computation.

An IPv6 address may stand for an IPv4 one in seven notations; what it stands for counts, and a notation that is made to
cross networks is refused whatever it stands for, because the network on the other side decides where it ends.
"""

import ipaddress
from collections.abc import Iterator

from django.utils.translation import gettext as _

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = (
    ipaddress.ip_network("169.254.169.254"),
    ipaddress.ip_network("169.254.170.2"),
    ipaddress.ip_network("100.100.100.200"),  # Alibaba Cloud
    ipaddress.ip_network("168.63.129.16"),  # Azure, from inside a machine of it; the number itself is a public one
    ipaddress.ip_network("192.0.0.192"),  # Oracle Cloud
    ipaddress.ip_network("fd00:ec2::254"),  # AWS
    ipaddress.ip_network("fd20:ce::254"),  # Google Cloud
)
_EMBEDDING = (
    (ipaddress.ip_network("64:ff9b::/96"), 0, "NAT64, RFC 6052"),
    (ipaddress.ip_network("64:ff9b:1::/48"), 0, "NAT64, RFC 8215"),
    (ipaddress.ip_network("::ffff:0:0:0/96"), 0, "SIIT, RFC 2765"),
    (ipaddress.ip_network("2002::/16"), 80, "6to4, RFC 3056"),
    (ipaddress.ip_network("::/96"), 0, "RFC 4291"),
)
"""(network, how many bits stand right of the IPv4 address, what it is called)."""
_ISATAP = (0x00005EFE, 0x02005EFE)
_PRIVATE = (
    ipaddress.ip_network("10.0.0.0/8"),
    ipaddress.ip_network("172.16.0.0/12"),
    ipaddress.ip_network("192.168.0.0/16"),
    ipaddress.ip_network("fc00::/7"),
    ipaddress.ip_network("fec0::/10"),  # site-local, which Python takes for global
)
_SPECIAL = (
    ipaddress.ip_network("192.0.0.0/24"),  # protocols of the IETF, some of which Python takes for global
    ipaddress.ip_network("192.88.99.0/24"),  # relays of 6to4
    ipaddress.ip_network("3fff::/20"),  # documentation
    ipaddress.ip_network("5f00::/16"),  # segment routing
)


def rule_against(address: Address) -> str | None:
    """Why nothing may connect to `address`, as the rest of a sentence; None when it may."""
    if isinstance(address, ipaddress.IPv6Address) and (mapped := address.ipv4_mapped) is not None:
        rule = rule_against(mapped)
        return rule and _standing_for(mapped, rule)
    if (rule := _own_rule(address)) is not None:
        return rule
    for inner, name in _inside(address):
        of_inner = rule_against(inner)
        return _standing_for(inner, of_inner) if of_inner else _translated(inner, name)
    return None if address.is_global and not _is_in(address, _SPECIAL) else _("it is an address for special use.")


def _own_rule(address: Address) -> str | None:
    if _is_in(address, _METADATA):
        return _("it is the metadata service of a cloud.")
    if address.is_loopback:
        return _("it is this machine itself (loopback).")
    if address.is_link_local:
        return _("it is a link-local address, as the metadata service of a cloud has.")
    if address.is_multicast:
        return _("it is a multicast address.")
    if address.is_unspecified:
        return _("it means any address of this machine.")
    if _is_in(address, _PRIVATE):
        return _("it is a private address, inside the own network.")
    return None


def _inside(address: Address) -> Iterator[tuple[ipaddress.IPv4Address, str]]:
    """The IPv4 address that an IPv6 one stands for, and by which rule."""
    if not isinstance(address, ipaddress.IPv6Address):
        return
    for network, right, name in _EMBEDDING:
        if address in network:
            yield ipaddress.IPv4Address(int(address) >> right & 0xFFFFFFFF), name
    if (teredo := address.teredo) is not None:
        yield teredo[1], "Teredo, RFC 4380"
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF), "ISATAP, RFC 5214"


def _standing_for(inner: Address, rule: str) -> str:
    return _("it stands for %(address)s: %(rule)s") % {"address": inner, "rule": rule}


def _translated(inner: Address, name: str) -> str:
    return _("it is another notation of %(address)s (%(name)s); give that address.") % {"address": inner, "name": name}


def _is_in(address: Address, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)
