"""Registers the pages of platforms; they are in platforms.console."""

from django.contrib import admin

from platforms.console.callbacks import CallbackPages
from platforms.console.pages import ConnectionAdmin
from tokens.models import Callback

__all__ = ["ConnectionAdmin"]

admin.site.register(Callback, CallbackPages)
