"""The forms of signing in, people, workspaces and the own profile."""

import zoneinfo
from datetime import datetime
from typing import Any

import phonenumbers
from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.utils.translation import gettext_lazy as _

from accounts.language import languages
from accounts.models import Membership, User, Workspace
from accounts.roles import Role


class SignInForm(AuthenticationForm):
    """Any active account may sign in; what it may see is decided by its memberships."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs["autocapitalize"] = "none"


class PersonForm(forms.Form):
    """Somebody who is to work in the workspace: with a new account, or with the one they have."""

    NEW, EXISTING = "new", "existing"

    account = forms.ChoiceField(
        label=_("Account"),
        choices=[(NEW, _("Make a new account")), (EXISTING, _("They already have an account on this server"))],
        initial=NEW,
        widget=forms.RadioSelect,
    )
    username = forms.CharField(
        label=_("Username"),
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    email = forms.EmailField(
        label=_("E-mail"), required=False, help_text=_("For an existing account: exactly as it is in their profile.")
    )
    full_name = forms.CharField(
        label=_("Name"), max_length=300, required=False, help_text=_("For a new account; the username when empty.")
    )
    password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_(
            "For a new account: at least 10 characters. Tell it to the person; they can change it after signing in."
        ),
    )
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.VIEWER)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("account") == self.NEW and not given.get("password"):
            self.add_error("password", _("Type a password for the new account."))
        if given.get("account") == self.EXISTING and not given.get("email") and "email" not in self.errors:
            self.add_error("email", _("Write the e-mail address of their account."))
        first, _space, last = (given.get("full_name") or "").strip().partition(" ")
        if len(first) > 150 or len(last) > 150:
            self.add_error("full_name", _("That name is too long."))
        return given


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Membership
        fields = ["role"]


class PasswordForm(forms.Form):
    password = forms.CharField(
        label=_("New password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 10 characters. The person is signed out everywhere and signs in with this one."),
    )


class WorkspaceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A workspace; who may change which field of it is decided by its admin page."""

    class Meta:
        model = Workspace
        fields = ["name", "slug", "time_zone", "country", "pro_is_on", "pro_until"]
        widgets = {"pro_until": forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "time_zone" in self.fields:
            self.fields["time_zone"].widget = forms.Select(choices=_zones())
        if "country" in self.fields:
            self.fields["country"].widget = forms.Select(
                choices=[(c, c) for c in sorted(phonenumbers.SUPPORTED_REGIONS)]
            )

    def clean_pro_until(self) -> datetime | None:
        """Beyond these years, some time zone can't show it any more."""
        ends_at: datetime | None = self.cleaned_data["pro_until"]
        if ends_at is not None and not 1900 <= ends_at.year <= 9998:
            raise forms.ValidationError(
                _("Write a moment between the years 1900 and 9998, or leave it empty for none.")
            )
        return ends_at


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a person may change of their own account."""

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email", "language", "time_zone"]

    def __init__(self, *args: Any, workspace_zone: str = "UTC", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = _("The workspace's own (%(zone)s)") % {"zone": workspace_zone}
        self.fields["time_zone"].widget = forms.Select(choices=[("", own), *_zones()])
        self.fields["language"] = forms.ChoiceField(
            label=_("Language"), choices=[("", _("As the browser asks")), *languages()], required=False,
            help_text=_("Of every page, and of mails that this server sends to you."),
        )  # fmt: skip
        self.fields["time_zone"].help_text = _("Times on every page are shown in this zone.")
        self.fields["first_name"].widget.attrs["autocomplete"] = "given-name"
        self.fields["last_name"].widget.attrs["autocomplete"] = "family-name"
        self.fields["email"].widget.attrs["autocomplete"] = "email"


def _zones() -> list[tuple[str, str]]:
    return [(zone, zone) for zone in sorted(zoneinfo.available_timezones())]
