"""What is done to many deliveries at once: chosen in a form, counted, and begun."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.language import grouped
from accounts.models import Workspace
from delivery import figures, interventions
from delivery.console.listing import choices_of
from delivery.interventions import COUNTED_AT_MOST, SENT_AGAIN_AT_MOST
from delivery.models import Destination, Intervention
from delivery.states import State

Action = Intervention.Action
SUGGESTED = timedelta(days=1)
"""How far back a replay goes when nothing else is chosen."""
MANY = (Action.RETRY, Action.REPLAY, Action.CANCEL)


class ManyForm(forms.Form):
    """Which deliveries are meant; which fields there are depends on what is done to them."""

    connection = forms.ModelChoiceField(queryset=Destination.objects.none(), label=_("Connection"), empty_label=None)
    code = forms.ChoiceField(label=_("Reason"), required=False)
    since = forms.DateTimeField(
        label=_("Delivered since"),
        help_text=_("In your time zone. Messages are left out: people would read them twice."),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, data: Any = None, *, action: Intervention.Action, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.action = action
        known, chosen = Destination.objects.filter(workspace=workspace, removed_at=None), data or {}
        self.fields["connection"].queryset = known  # type: ignore[attr-defined]
        self.fields["connection"].choices = choices_of(known, asked=str(chosen.get("connection", "")))  # type: ignore[attr-defined]
        if action != Action.RETRY:
            del self.fields["code"]
        else:
            asked = str(chosen.get("code", ""))
            self.fields["code"].choices = _reasons(workspace, str(chosen.get("connection", "")), asked)  # type: ignore[attr-defined]
        if action != Action.REPLAY:
            del self.fields["since"]

    def clean_since(self) -> datetime:
        since: datetime = self.cleaned_data["since"]
        if since > timezone.now():
            raise forms.ValidationError(gettext("This moment has not come yet."))
        return since


@dataclass(frozen=True, slots=True)
class Preview:
    """How many are meant; `is_more` when counting ended before them."""

    count: int
    is_more: bool

    @property
    def shown(self) -> str:
        return f"{grouped(self.count)}{'+' if self.is_more else ''}"


def preview(form: ManyForm) -> Preview:
    destination = form.cleaned_data["connection"]
    if form.action == Action.REPLAY:
        count = interventions.count_to_send_again(destination=destination, since=form.cleaned_data["since"])
        return Preview(min(count, SENT_AGAIN_AT_MOST), count > SENT_AGAIN_AT_MOST)
    state = State.REFUSED if form.action == Action.RETRY else State.WAITING
    count = interventions.count_meant(destination=destination, state=state, code=form.cleaned_data.get("code", ""))
    return Preview(count, count >= COUNTED_AT_MOST)


def begin(form: ManyForm, *, by: str, at: datetime) -> Intervention:
    """It is being done in the background. Raises what the services raise."""
    destination = form.cleaned_data["connection"]
    if form.action == Action.RETRY:
        return interventions.retry_many(destination=destination, by=by, at=at, code=form.cleaned_data["code"])
    if form.action == Action.REPLAY:
        return interventions.replay(destination=destination, since=form.cleaned_data["since"], by=by, at=at)
    return interventions.cancel_many(destination=destination, by=by, at=at, state=State.WAITING)


def _reasons(workspace: Workspace, connection: str, asked: str) -> list[tuple[str, Any]]:
    found = figures.reasons_of_all(workspace_id=workspace.pk)
    codes = dict.fromkeys(reason.code for of, reason in found if not connection or str(of) == connection)
    if asked:
        codes.setdefault(asked[:60])
    return [("", _("Any reason")), *((code, code) for code in codes if code)]
