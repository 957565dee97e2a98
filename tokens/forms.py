"""The forms of the token pages. They turn text into values; whether a token may be so is up to `tokens.services`."""

import dataclasses
import zoneinfo
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Workspace
from raven_admin.errors import RavenError
from tokens.abilities import ABILITIES, ABILITY_KEYS
from tokens.configuration import Configuration, check_networks
from tokens.console.moments import MomentField
from tokens.models import Token
from tokens.services import OVERLAPS, end_as_long_again

OFFERED_AT_MOST = 200
NETWORKS_AT_MOST = 200

_FIELD_OF_CODE: Final = {
    "token_name_missing": "name",
    "token_name_invalid": "name",
    "anchor_not_usable": "topic_anchor",
    "expiration_before_activation": "expires_at",
    "new_token_ended_already": "expires_at",
    "network_invalid": "source_networks",
    "rate_out_of_range": "requests_per_minute",
    "notice_address_invalid": "notice_address",
    "ability_unknown": "abilities",
}


_OUT_OF_DATE = _("This page is out of date. Open it again and repeat your change.")


class NameForm(forms.Form):
    """The one thing a new token needs."""

    name = forms.CharField(
        label=_("Name"), max_length=100,
        help_text=_("What will use this token? You will recognise it by this name later, for example “Shop backend”."),
        error_messages={"required": _("Give the token a name, so that you recognise it later.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )  # fmt: skip
    nonce = forms.CharField(widget=forms.HiddenInput, required=False, max_length=100)

    def configuration(self) -> Configuration:
        return Configuration(name=self.cleaned_data["name"])


class ConfigurationForm(forms.Form):
    """One tab of a token's configuration; what other tabs show stays as it is."""

    version = forms.IntegerField(
        widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), _OUT_OF_DATE),
    )  # fmt: skip

    def __init__(self, data: Any = None, *, token: Token, may_write: bool) -> None:
        self.token = token
        self.saved = Configuration.of(token)
        super().__init__(data, initial=self.initial_of(self.saved) | {"version": token.version})
        if not may_write:
            for field in self.fields.values():
                field.disabled = True

    def initial_of(self, configuration: Configuration) -> dict[str, Any]:
        raise NotImplementedError

    def configuration(self) -> Configuration:
        """The token's configuration with what was typed in its place."""
        typed = {name: value for name, value in self.cleaned_data.items() if name in _CONFIGURATION_FIELDS}
        kept = dataclasses.replace(self.saved, abilities=self.saved.abilities & ABILITY_KEYS)
        return dataclasses.replace(kept, **typed)


_CONFIGURATION_FIELDS = frozenset(field.name for field in dataclasses.fields(Configuration))


class DetailsForm(ConfigurationForm):
    zone = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)
    """The zone that the moments were typed in; the viewer's own may have changed in another window since."""

    name = forms.CharField(
        label=_("Name"), max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Give the token a name, so that you recognise it later.")},
    )  # fmt: skip
    is_on = forms.BooleanField(
        label=_("Switched on"), required=False,
        help_text=_("Switched off, every call is refused, from the very next one on."),
    )  # fmt: skip
    topic_anchor = forms.CharField(
        label=_("Topic anchor"), required=False, max_length=255, strip=False,
        help_text=_("The topic of a message that names none. Only topics of type mass can be chosen."),
        widget=forms.TextInput(attrs={"list": "topics", "autocomplete": "off", "placeholder": _("None")}),
    )  # fmt: skip
    user_alias = forms.CharField(
        label=_("User aliases"), required=False, max_length=150,
        help_text=_("The user whose name stands on a message that names none."),
        widget=forms.TextInput(attrs={"list": "members", "autocomplete": "off", "placeholder": _("None")}),
    )  # fmt: skip
    source_networks = forms.CharField(
        label=_("Source networks"), required=False, max_length=20_000,
        help_text=_("One address or network a line, as 203.0.113.7 or 203.0.113.0/24. Empty: from anywhere."),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": _("Anywhere")}),
    )  # fmt: skip
    requests_per_minute = forms.IntegerField(
        label=_("Requests per minute"), required=False, min_value=1, max_value=1_000_000,
        help_text=_("Calls beyond are answered 429 and may be tried again."),
    )  # fmt: skip
    caretaker = forms.CharField(
        label=_("Caretaker"), required=False, max_length=150,
        help_text=_("Who to ask about this token, and who is told by mail when it ends."),
        widget=forms.TextInput(attrs={"list": "members", "autocomplete": "off", "placeholder": _("Nobody")}),
    )  # fmt: skip
    notice_address = forms.EmailField(
        label=_("Second address for notices"), required=False, max_length=254,
        help_text=_("Is told by mail as well, for example a team's mailbox."),
        widget=forms.EmailInput(attrs={"autocomplete": "off", "placeholder": _("None")}),
        error_messages={"invalid": _("Write an e-mail address, as team@example.org, or leave this empty.")},
    )  # fmt: skip

    def __init__(self, data: Any = None, *, token: Token, may_write: bool) -> None:
        super().__init__(data, token=token, may_write=may_write)
        self.shown_zone = _shown_zone(self)
        self.initial["zone"] = self.shown_zone.key
        self.fields["activates_at"] = MomentField(
            zone=self.shown_zone, seen=token.activates_at, label=_("Activation"), disabled=not may_write,
            help_text=_("Calls before are refused. Empty: works at once."),
        )  # fmt: skip
        self.fields["expires_at"] = MomentField(
            zone=self.shown_zone, seen=token.expires_at, label=_("Expiration"), disabled=not may_write,
            help_text=_("Calls from this moment on are refused. Empty: never."),
        )  # fmt: skip
        self.fields["requests_per_minute"].widget.attrs["placeholder"] = _("%(rate)s (the default)") % {
            "rate": settings.DEFAULT_REQUESTS_PER_MINUTE
        }

    def initial_of(self, configuration: Configuration) -> dict[str, Any]:
        return {
            "name": configuration.name,
            "is_on": configuration.is_on,
            "activates_at": configuration.activates_at,
            "expires_at": configuration.expires_at,
            "topic_anchor": configuration.topic_anchor.name if configuration.topic_anchor else "",
            "user_alias": configuration.user_alias.username if configuration.user_alias else "",
            "source_networks": "\n".join(configuration.source_networks),
            "requests_per_minute": configuration.requests_per_minute,
            "caretaker": configuration.caretaker.username if configuration.caretaker else "",
            "notice_address": configuration.notice_address,
        }

    def clean_topic_anchor(self) -> Any:
        name = self.cleaned_data["topic_anchor"]
        if not name.strip():
            return None
        for spelling in (name, name.strip()):
            if topic := _mass_topics(self.token.workspace).filter(name=spelling).first():
                return topic
        raise ValidationError(
            _("There is no mass topic “%(name)s” here. Choose one of the list, or leave this empty. "
              "A mass topic appears in the list when the first message is sent to it."),
            params={"name": name.strip()},
        )  # fmt: skip

    def clean_user_alias(self) -> User | None:
        return self._member("user_alias")

    def clean_caretaker(self) -> User | None:
        return self._member("caretaker")

    def clean_source_networks(self) -> tuple[str, ...]:
        lines = [line.strip() for line in self.cleaned_data["source_networks"].splitlines() if line.strip()]
        if len(lines) > NETWORKS_AT_MOST:
            raise ValidationError(_("Write at most %(limit)s networks."), params={"limit": NETWORKS_AT_MOST})
        try:
            return check_networks(lines)
        except RavenError as error:
            raise ValidationError(str(error)) from error

    def topics_offered(self) -> list[str]:
        """The newest mass topics; others can be typed."""
        return list(_mass_topics(self.token.workspace).order_by("-id").values_list("name", flat=True)[:OFFERED_AT_MOST])

    def members_offered(self) -> list[User]:
        return list(_members(self.token.workspace).order_by("username")[:OFFERED_AT_MOST])

    def _member(self, field: str) -> User | None:
        username = self.cleaned_data[field]
        if not username:
            return None
        member: User | None = _members(self.token.workspace).filter(username__iexact=username).first()
        if member is None:
            raise ValidationError(
                _("“%(username)s” is not a member of this workspace. Choose one of the list, add the person under "
                  "People first, or leave this empty."),
                params={"username": username},
            )  # fmt: skip
        return member


class PermissionsForm(ConfigurationForm):
    abilities = forms.MultipleChoiceField(
        label=_("Abilities"), required=False, choices=[(ability.key, ability.label) for ability in ABILITIES]
    )

    def initial_of(self, configuration: Configuration) -> dict[str, Any]:
        return {"abilities": sorted(configuration.abilities & ABILITY_KEYS)}

    def clean_abilities(self) -> frozenset[str]:
        return frozenset(self.cleaned_data["abilities"])


class RotateForm(forms.Form):
    zone = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)
    overlap = forms.TypedChoiceField(
        label=_("The old secret goes on working"),
        choices=[
            (str(int(OVERLAPS[0].total_seconds())), _("No longer: it stops now")),
            (str(int(OVERLAPS[1].total_seconds())), _("For 1 hour")),
            (str(int(OVERLAPS[2].total_seconds())), _("For 24 hours")),
            (str(int(OVERLAPS[3].total_seconds())), _("For 7 days")),
        ],
        coerce=lambda seconds: timedelta(seconds=int(seconds)),
        initial=str(int(OVERLAPS[2].total_seconds())),
        widget=forms.RadioSelect,
    )
    nonce = forms.CharField(widget=forms.HiddenInput, required=False, max_length=100)

    def __init__(self, data: Any = None, *, token: Token) -> None:
        super().__init__(data)
        self.shown_zone = _shown_zone(self)
        self.initial["zone"] = self.shown_zone.key
        self.fields["expires_at"] = MomentField(
            zone=self.shown_zone, seen=token.expires_at, label=_("Expiration of the new token"),
            initial=end_as_long_again(token, at=timezone.now().replace(microsecond=0)),
            help_text=_("Calls from this moment on are refused. Empty: never."),
        )  # fmt: skip


def add_refusal(form: forms.Form, error: RavenError) -> None:
    """`error` stands at the field that it is about, or above the form when that field is on another tab."""
    field = getattr(error, "field", None) or _FIELD_OF_CODE.get(error.code)
    form.add_error(field if field in form.fields else None, str(error))


def _shown_zone(form: forms.Form) -> zoneinfo.ZoneInfo:
    """The zone that its moments were typed in, else the viewer's."""
    named = form.data.get("zone", "") if form.is_bound else ""
    return zoneinfo.ZoneInfo(named if named in zoneinfo.available_timezones() else timezone.get_current_timezone_name())


def _mass_topics(workspace: Workspace) -> Any:
    return apps.get_model("messaging", "Topic").objects.filter(workspace=workspace, type="mass")


def _members(workspace: Workspace) -> Any:
    return User.objects.filter(memberships__workspace=workspace)
