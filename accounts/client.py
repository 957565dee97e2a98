"""The address a request comes from."""

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The caller's IP address.

    Behind N proxies of ours each appends the address it was called from to X-Forwarded-For, so the N-th from the
    right was written by the outermost of ours; anything further left was written by the caller and is not believed.
    """
    proxies: int = settings.TRUSTED_PROXY_COUNT
    if proxies:
        forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
        if len(forwarded) >= proxies and (address := _normal(forwarded[-proxies])):
            return address
    return _normal(request.META.get("REMOTE_ADDR", "")) or "0.0.0.0"  # noqa: S104 - "unknown", not a bind address


@lru_cache(maxsize=4096)
def _normal(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)
