"""Who may do what: the one table of roles and actions that console and services read."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    ADMIN = "admin", _("Admin")
    SUPPORT = "support", _("Support")
    VIEWER = "viewer", _("Viewer")


class Action(models.TextChoices):
    READ = "read", _("See tokens, personas, messages and logs")
    DOWNLOAD = "download", _("Download listings")
    PERSONA_WRITE = "persona_write", _("Edit personas and messages, retry deliveries")
    TOKEN_WRITE = "token_write", _("Issue, configure and revoke tokens")
    WORKSPACE_WRITE = "workspace_write", _("Change the workspace and its people")


ROLE_ACTIONS: dict[str, frozenset[Action]] = {
    Role.ADMIN: frozenset(Action),
    Role.SUPPORT: frozenset({Action.READ, Action.DOWNLOAD, Action.PERSONA_WRITE}),
    Role.VIEWER: frozenset({Action.READ, Action.DOWNLOAD}),
}
