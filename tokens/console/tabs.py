"""The tabs of a token's page, those of rooms above too, which say at start what stands on them."""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from tokens.console.words import Text
from tokens.models import Token

Show = Callable[..., TemplateResponse]
"""Renders the template given first, with what is given by name, in the frame of the token's page."""
View = Callable[[HttpRequest, Token, bool, Show], HttpResponseBase]
"""Answers for a token that the viewer may see; the third says whether they may change it. A POST comes only then."""


@dataclass(frozen=True, slots=True)
class Tab:
    slug: str
    label: Text
    url_name: str


TABS_OF_ROOMS_ABOVE = (Tab("callbacks", _("Callbacks"), "admin:tokens_token_callbacks"),)
_views: dict[str, View] = {}


def register_tab(slug: str, view: View) -> None:
    """The tab of `TABS_OF_ROOMS_ABOVE` is answered by `view`."""
    _views[slug] = view


def view_of(tab: Tab) -> View:
    return _views[tab.slug]
