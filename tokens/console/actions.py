"""What can be done to a token from its menu, and what its confirmation page says first."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from tokens.console.words import Text
from tokens.models import Token
from tokens.services import Actor, delete_token, revoke_token, switch_token


@dataclass(frozen=True, slots=True)
class TokenAction:
    slug: str
    """The last part of its address."""
    title: Text
    consequence: Text
    button: Text
    done: Text
    """Filled with the token's name."""
    do: Callable[[Token, Actor], None]
    breaks_calls: bool = True
    """Whether the page says which calls would stop working."""
    is_final: bool = False


ACTIONS = {
    action.slug: action
    for action in (
        TokenAction(
            "disable",
            _("Disable “%(name)s”?"),
            _("Every call with this token is refused from the very next one on, until you enable it again."),
            _("Disable token"),
            _("“%(name)s” is disabled. Its calls are refused from now on."),
            lambda token, by: switch_token(token=token, on=False, by=by),
        ),
        TokenAction(
            "enable",
            _("Enable “%(name)s”?"),
            _("Its secret works again at once, within its activation and expiration."),
            _("Enable token"),
            _("“%(name)s” is enabled. Its calls work again."),
            lambda token, by: switch_token(token=token, on=True, by=by),
            breaks_calls=False,
        ),
        TokenAction(
            "revoke",
            _("Revoke “%(name)s”?"),
            _("Every call with this token is refused from the very next one on, for ever: revoking can't be undone. "
              "The token stays in the list until you delete it."),
            _("Revoke token"),
            _("“%(name)s” is revoked. Its secret never works again."),
            lambda token, by: revoke_token(token=token, by=by),
            is_final=True,
        ),
        TokenAction(
            "delete",
            _("Delete “%(name)s”?"),
            _("The token disappears from the list and every call with it is refused from the very next one on. "
              "This can't be undone. What was changed on it stays on record, and its calls stay in the log."),
            _("Delete token"),
            _("“%(name)s” is deleted. Its secret never works again."),
            lambda token, by: delete_token(token=token, by=by),
            is_final=True,
        ),
    )
}  # fmt: skip
