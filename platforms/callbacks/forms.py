"""The forms of callbacks. They turn text into values; whether an address may be so is up to the services."""

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from platforms.callbacks.services import MAX_URL, check_url
from platforms.transport import exception_named
from raven_admin.errors import RavenError
from tokens.models import Callback, CallbackEvent
from tokens.services import OVERLAPS

HELP: dict[str, str | Promise] = {
    CallbackEvent.CONVERSATION_CREATED: _(
        "A conversation is created: somebody writes, or is written to, in a new one."
    ),
    CallbackEvent.MESSAGE_RECEIVED: _("An incoming message is received."),
    CallbackEvent.MESSAGE_STATUS: _("The status of a message changes: sent, delivered, read, or failed."),
    CallbackEvent.PERSONA_UPDATED: _("A person is added, changed, merged or deleted."),
    CallbackEvent.TOKEN_EXPIRING: _("This token ends in 30, 7 or 1 days, or has ended."),
}


def _help(event: str, callback: Callback | None) -> str:
    return " ".join(filter(None, [str(HELP[event]), exception_named(callback.url) if callback else ""]))


class CallbacksForm(forms.Form):
    """An address for each event."""

    def __init__(self, data: Any = None, *, callbacks: dict[str, Callback], may_write: bool) -> None:
        super().__init__(data)
        self.seen: dict[str, str] = {
            event: str(self.data.get(seen_of(event), callbacks[event].url if event in callbacks else ""))
            for event in CallbackEvent
        }
        """What was saved when the page was made: what is still so was not changed here."""
        for event in CallbackEvent:
            callback = callbacks.get(event)
            self.fields[field_of(event)] = forms.CharField(
                label=event.label, help_text=_help(event, callback), required=False, max_length=MAX_URL,
                initial=callback.url if callback else "", disabled=not may_write,
                widget=forms.URLInput(
                    attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "https://"}
                ),
            )  # fmt: skip

    def clean(self) -> None:
        """Only valid addresses are saved, and each invalid one says by which rule it is refused."""
        for event in CallbackEvent:
            url = self.cleaned_data.get(field_of(event), "")
            try:
                if url:
                    check_url(url)
            except RavenError as refusal:
                self.add_error(field_of(event), ValidationError(str(refusal)))

    def see(self, event: str, callback: Callback | None) -> None:
        """Who sends it again has seen what is saved now."""
        self.seen[event] = callback.url if callback else ""

    def urls(self) -> dict[str, str]:
        """Those that were changed on the page."""
        typed = {str(event): self.cleaned_data[field_of(event)] for event in CallbackEvent}
        return {event: url for event, url in typed.items() if url != self.seen[event]}


class RotateSecretForm(forms.Form):
    overlap = forms.TypedChoiceField(
        label=_("The old secret goes on working"),
        choices=[
            (str(int(span.total_seconds())), label)
            for span, label in zip(
                OVERLAPS,
                (_("No longer: it stops now"), _("For 1 hour"), _("For 24 hours"), _("For 7 days")),
                strict=True,
            )
        ],
        coerce=lambda seconds: timedelta(seconds=int(seconds)),
        initial=str(int(OVERLAPS[2].total_seconds())),
        help_text=_("Meanwhile each call carries two signatures, so your system may know either secret."),
    )
    nonce = forms.CharField(widget=forms.HiddenInput, required=False, max_length=100)


class ReplayForm(forms.Form):
    what = forms.ChoiceField(
        label=_("Which"),
        choices=[("failed", _("What failed")), ("missed", _("What was missed, as before there was this callback"))],
    )
    hours = forms.TypedChoiceField(
        label=_("Since"),
        choices=[("1", _("The last hour")), ("24", _("The last 24 hours")), ("168", _("The last 7 days")),
                 ("720", _("The last 30 days"))],
        coerce=lambda hours: timedelta(hours=int(hours)), initial="24",
    )  # fmt: skip


def field_of(event: str) -> str:
    return event.replace(".", "_")


def seen_of(event: str) -> str:
    """The hidden field that says what was saved when the page was made."""
    return f"seen_{field_of(event)}"
