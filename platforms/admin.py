"""Registers the pages of platforms; they are in platforms.console."""

from platforms.console.pages import ConnectionAdmin

__all__ = ["ConnectionAdmin"]
