"""Signing in: whose address is counted, and what a locked-out person reads."""

import math
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.client import client_address


def locked_out(request: HttpRequest, original_response: Any = None, credentials: Any = None) -> HttpResponse:
    """The page after too many wrong passwords: 429, and when to try again."""
    cool_off: timedelta = settings.AXES_COOLOFF_TIME
    response = render(
        request, "accounts/locked_out.html", {"minutes": math.ceil(cool_off.total_seconds() / 60)}, status=429
    )
    response["Retry-After"] = str(math.ceil(cool_off.total_seconds()))
    return response


__all__ = ["client_address", "locked_out"]
