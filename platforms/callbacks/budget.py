"""How long a callback may fail: warnings at 50, 75 and 100 % of that time, and then it is switched off."""

import logging
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_tasks import task

from platforms.callbacks.services import switch_off
from tokens.models import Callback

log = logging.getLogger(__name__)

WARNED_AT = (100, 75, 50)


def budget() -> timedelta:
    """How long it may fail without a single success."""
    return timedelta(hours=settings.CALLBACK_BUDGET_HOURS)


def percent_used(callback: Callback, *, at: datetime) -> int:
    """Of the budget, 0 to 100."""
    if callback.failing_since is None:
        return 0
    return max(0, min(100, int(100 * ((at - callback.failing_since) / budget()))))


@task()
def watch_budgets() -> None:
    """Whose budget runs out has been warned, and switched off at its end."""
    warn_failing(at=timezone.now())


def warn_failing(*, at: datetime) -> int:
    """Each caretaker has been warned once at each step; returns how many warnings that were."""
    half = at - budget() / 2
    failing = Callback.objects.filter(failing_since__lte=half, off_because="", warned_percent__lt=WARNED_AT[0])
    warned = 0
    for callback in failing.select_related("token__caretaker", "destination").order_by("pk").iterator():
        step = next(step for step in WARNED_AT if percent_used(callback, at=at) >= step)
        if not Callback.objects.filter(pk=callback.pk, warned_percent__lt=step).update(warned_percent=step):
            continue  # it was, perhaps by another worker
        if step == WARNED_AT[0]:
            switch_off(callback=callback, because=Callback.Off.BUDGET, at=at)
        _mail(callback, step)
        warned += 1
    return warned


def _mail(callback: Callback, step: int) -> None:
    """To the caretaker, if there is one with an address; the banner is there in any case."""
    caretaker = callback.token.caretaker
    if caretaker is None or not caretaker.email:
        return
    values = {"token": callback.token.name, "event": callback.get_event_display(), "percent": step}
    subject = _("Callback of %(token)s fails: %(event)s") % values
    if step == WARNED_AT[0]:
        subject = _("Callback of %(token)s was switched off: %(event)s") % values
    sentences = [
        _("It has used %(percent)d %% of the time that it may fail.") % values,
        _("Failing since: %(since)s UTC") % {"since": f"{callback.failing_since:%Y-%m-%d %H:%M}"},
        _("The last problem: %(problem)s") % {"problem": callback.destination.last_problem or "–"},
        _("Nothing is lost: events wait, and go out when you press “Enable and recover”.")
        if step == WARNED_AT[0]
        else _("At 100 %% it is switched off, and events wait.") % {},
        f"{settings.BASE_URL}{reverse('admin:tokens_callback_change', args=[callback.pk])}",
    ]
    try:
        send_mail(subject, "\n".join(sentences), None, [caretaker.email])
    except (SMTPException, OSError):
        log.exception("The warning about callback %d could not be mailed.", callback.pk)
