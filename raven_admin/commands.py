"""Where one can go and what one can do from anywhere, as the palette and the page Search offer it by name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.access import may
from accounts.models import User, Workspace
from accounts.roles import Action
from personas.folding import fold

Text = Promise | str


@dataclass(frozen=True, slots=True)
class Command:
    """A page to go to, or a look to switch to."""

    label: Text
    icon: str
    url: str = ""
    theme: str = ""
    """As `dark`: the page stays, and looks so from now on."""
    times: str = ""
    """`utc` or `local`: the page stays, and shows times so from now on."""
    also: Text = ""
    """Other words that people look for it by."""

    def fits(self, words: list[str]) -> bool:
        """Whether each of `words`, folded, begins a word of it."""
        own = fold(f"{self.label} {self.also}").split()
        return all(any(part.startswith(word) for part in own) for word in words)


@dataclass(frozen=True, slots=True)
class _Deed:
    """A command of those whose role allows it."""

    action: Action | None
    url_name: str
    label: Text
    icon: str
    also: Text = ""


_DEEDS = (
    _Deed(Action.TOKEN_WRITE, "tokens_token_add", _("Generate new token"), "plus", _("issue create add key")),
    _Deed(Action.PERSONA_WRITE, "personas_persona_add", _("Add a persona"), "user-plus", _("new person create")),
    _Deed(Action.PERSONA_WRITE, "personas_operation_import", _("Import people"), "upload", _("personas Excel upload")),
    _Deed(Action.DOWNLOAD, "tokens_token_download_all", _("Download all tokens"), "download", _("Excel export report")),
    _Deed(Action.DOWNLOAD, "personas_operation_people", _("Download people"), "download", _("personas Excel export")),
    _Deed(Action.WORKSPACE_WRITE, "platforms_connection_add", _("Add a connection"), "network", _("connect platform")),
    _Deed(Action.WORKSPACE_WRITE, "accounts_membership_add", _("Add a colleague"), "circle-user", _("invite member")),
    _Deed(Action.PERSONA_WRITE, "messaging_template_add", _("Add a template"), "file-text", _("new create")),
    _Deed(Action.PERSONA_WRITE, "messaging_location_add", _("Add a location"), "map-pin", _("new create")),
    _Deed(Action.WORKSPACE_WRITE, "personas_attributedefinition_add", _("Add an attribute"), "tag", _("new field")),
    _Deed(None, "delivery_intervention_changelist", _("What people did about deliveries"), "history", _("retry")),
    _Deed(None, "personas_merge_changelist", _("Merged personas"), "merge", _("undo")),
    _Deed(
        Action.WORKSPACE_WRITE, "messaging_message_retention", _("How long messages are kept"), "clock",
        _("retention delete"),
    ),
    _Deed(None, "profile", _("Your profile"), "circle-user", _("settings time zone account")),
    _Deed(None, "password_change", _("Change password"), "lock"),
)  # fmt: skip
LOOKS = (
    Command(_("Switch to dark"), "moon", theme="dark", also=_("theme mode night")),
    Command(_("Switch to light"), "sun", theme="light", also=_("theme mode day")),
    Command(_("Look as the system does"), "monitor", theme="system", also=_("theme mode automatic")),
    Command(_("Show times in UTC"), "clock", times="utc", also=_("time zone")),
    Command(_("Show times in your zone"), "clock", times="local", also=_("time zone local")),
)


def commands(text: str, *, user: User, workspace: Workspace, pages: Iterable[Command]) -> list[Command]:
    """Those of the sidebar's `pages`, the actions and the looks that `text` names; all of them for an empty one."""
    folded = fold(text)
    words = folded.split()
    found = [command for command in (*_deeds(user, workspace), *pages, *LOOKS) if command.fits(words)]
    return sorted(found, key=lambda command: not fold(str(command.label)).startswith(folded))


def _deeds(user: User, workspace: Workspace) -> Iterator[Command]:
    for deed in _DEEDS:
        if deed.action is None or may(user, deed.action, workspace):
            yield Command(deed.label, deed.icon, reverse(f"admin:{deed.url_name}"), also=deed.also)
    yield Command(_("API documentation"), "book-open", reverse("docs:index"), also=_("reference OpenAPI"))
