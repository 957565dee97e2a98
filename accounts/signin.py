"""Signing in: whose address is counted, and what a locked-out person reads."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.client import client_address


def locked_out(request: HttpRequest, credentials: dict[str, str] | None = None, *args: object) -> HttpResponse:
    """The page after too many wrong passwords: 429, and when to try again."""
    return render(request, "accounts/locked_out.html", {"title": "Too many attempts"}, status=429)


__all__ = ["client_address", "locked_out"]
