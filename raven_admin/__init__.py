"""Wiring: settings, addresses, the admin site, and what watches the server."""

__version__ = "0.1.0"
