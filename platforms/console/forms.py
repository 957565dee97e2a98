"""The form of a connection. It turns text into values; whether they may be so is up to `platforms.connections`."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from platforms.connections import MAX_RATE, MAX_SETTING, ConnectionDraft
from platforms.contract import Platform
from platforms.models import Connection
from platforms.transport import exception_named
from raven_admin.errors import RavenError

_CARRIED = {
    "personas": _("People: what changes about them"),
    "messages": _("Messages to them"),
    "tokens": _("The configuration of tokens"),
}
_SETTING = "setting_"
_FIELD_OF_CODE = {
    "connection_name_missing": "name",
    "address_refused": "base_url",
    "credential_missing": "credential",
    "credential_invalid": "credential",
    "credential_for_elsewhere": "credential",
    "carries_nothing": "carries",
    "cannot_carry": "carries",
    "connection_rate_invalid": "requests_per_minute",
}


class ConnectionForm(forms.Form):
    """With the fields that its platform needs."""

    name = forms.CharField(
        label=_("Name"), max_length=100, help_text=_("How people here call it, as “Shop chat”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    base_url = forms.CharField(
        label=_("Address"), max_length=500,
        widget=forms.URLInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "https://"}),
    )  # fmt: skip
    credential = forms.CharField(
        max_length=1000, required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "spellcheck": "false"}),
    )  # fmt: skip
    carries = forms.MultipleChoiceField(label=_("What it carries"), required=False, widget=forms.CheckboxSelectMultiple)
    requests_per_minute = forms.IntegerField(
        label=_("Calls per minute"), required=False, min_value=1, max_value=MAX_RATE,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip

    def __init__(
        self, data: Any = None, *, platform: Platform, connection: Connection | None = None, may_write: bool = True
    ) -> None:
        self.platform, self.connection = platform, connection
        super().__init__(data, initial=_initial(platform, connection))
        self.fields["carries"].choices = [(what, label) for what, label in _CARRIED.items() if what in platform.carries]  # type: ignore[attr-defined]
        self.fields["requests_per_minute"].help_text = str(platform.rate_help)
        allowed = exception_named(connection.base_url) if connection is not None else ""
        self.fields["base_url"].help_text = " ".join(filter(None, [str(platform.url_help), allowed]))
        if not platform.has_address:
            del self.fields["base_url"]
        self._prepare_credential()
        for setting in platform.settings:
            self.fields[f"{_SETTING}{setting.key}"] = forms.CharField(
                label=str(setting.label), help_text=str(setting.help), required=setting.is_required,
                max_length=MAX_SETTING,
                widget=forms.TextInput(
                    attrs={"autocomplete": "off"} | ({"inputmode": "numeric"} if setting.is_number else {})
                ),
            )  # fmt: skip
        self.order_fields(["name", "base_url", "credential", *(f"{_SETTING}{s.key}" for s in platform.settings)])
        if not may_write:
            for field in self.fields.values():
                field.disabled = True

    def draft(self) -> ConnectionDraft:
        values = self.cleaned_data
        return ConnectionDraft(
            platform=self.platform.key,
            name=values["name"],
            base_url=values.get("base_url", ""),
            credential=values.get("credential") or None,
            settings={s.key: values[f"{_SETTING}{s.key}"] for s in self.platform.settings},
            carries=frozenset(values["carries"]),
            requests_per_minute=values["requests_per_minute"],
        )

    def add_refusal(self, refusal: RavenError) -> None:
        """The refusal stands beside the field that it is about."""
        field = _FIELD_OF_CODE.get(refusal.code)
        if refusal.code == "setting_invalid":
            field = f"{_SETTING}{refusal.fields()['key']}"
        self.add_error(field if field in self.fields else None, str(refusal))

    def _prepare_credential(self) -> None:
        if not self.platform.credential_label:
            del self.fields["credential"]
            return
        field = self.fields["credential"]
        field.label, field.help_text = str(self.platform.credential_label), str(self.platform.credential_help)
        if self.connection is not None and self.connection.has_credential:
            field.help_text = _("One is stored, encrypted, and never shown again. Leave this empty to keep it.")
            field.widget.attrs["placeholder"] = "••••••••"


def _initial(platform: Platform, connection: Connection | None) -> dict[str, Any]:
    if connection is None:
        return {
            "name": platform.label,
            "base_url": platform.default_url,
            "carries": sorted(platform.carries - {"tokens"}),
            "requests_per_minute": platform.requests_per_minute,
        } | {f"{_SETTING}{key}": value for key, value in platform.first_settings().items()}
    return {
        "name": connection.name,
        "base_url": connection.base_url,
        "carries": connection.carries,
        "requests_per_minute": connection.destination.requests_per_minute,
    } | {f"{_SETTING}{key}": value for key, value in connection.settings.items()}
