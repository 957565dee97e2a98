"""A form field for a moment: typed in the viewer's zone, kept to the second, shown in UTC beside it."""

import zoneinfo
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

_FORMATS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
_YEARS = range(2000, 9999)


class MomentInput(forms.DateTimeInput):
    input_type = "datetime-local"
    template_name = "django/forms/widgets/input.html"

    def __init__(self) -> None:
        limits = {"min": f"{_YEARS[0]}-01-01T00:00:00", "max": f"{_YEARS[-1]}-12-31T23:59:59"}
        super().__init__(attrs={"step": "1", **limits}, format=_FORMATS[0])


class MomentField(forms.CharField):
    """Cleans to an aware datetime, or None when left empty."""

    widget = MomentInput

    def __init__(self, *, zone: zoneinfo.ZoneInfo, seen: datetime | None, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=40, **kwargs)
        self.zone = zone
        self.seen = seen
        """What the person saw. Left as it was, it stays so to the microsecond, even in an hour that happens twice."""

    def prepare_value(self, value: Any) -> Any:
        return self._as_typed(value) if isinstance(value, datetime) else value

    def clean(self, value: Any) -> datetime | None:
        text = super().clean(value)
        if not text:
            return None
        if self.seen is not None and text in {self._as_typed(self.seen), self._as_typed(self.seen).removesuffix(":00")}:
            return self.seen
        moment = self._parsed(text)
        if moment.year not in _YEARS:
            raise ValidationError(
                _("Choose a year from %(first)s to %(last)s, or leave the field empty."),
                params={"first": _YEARS[0], "last": _YEARS[-1]},
            )
        return self._placed(moment)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != data)

    def _as_typed(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).strftime("%Y-%m-%dT%H:%M:%S")

    def _parsed(self, text: str) -> datetime:
        for pattern in _FORMATS:
            try:
                return datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone is the viewer's, put on by _placed
            except ValueError:
                continue
        raise ValidationError(_("Write the moment as 2027-01-31T09:30:00."))

    def _placed(self, moment: datetime) -> datetime:
        early, late = (moment.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        if early.utcoffset() == late.utcoffset():
            return early
        happens = early.astimezone(timezone.get_fixed_timezone(0)).astimezone(self.zone).replace(tzinfo=None) == moment
        if happens:
            problem = _("The clocks in %(zone)s are put back then, so this time happens twice. Choose another hour.")
        else:
            problem = _(
                "The clocks in %(zone)s are put forward then, so this time does not exist. Choose another hour."
            )
        raise ValidationError(problem, params={"zone": self.zone.key})
