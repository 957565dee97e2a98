"""How long a callback may fail: warnings at 50, 75 and 100 % of that time, and then it is switched off."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_tasks import task

from accounts.language import retold
from platforms.callbacks.services import switch_off
from tokens.models import Callback
from tokens.notices import CALLBACK_FAILING, in_words, mail_about, speaking_to_readers_of

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
    told = failing.select_related("token__caretaker", "token__created_by", "token__workspace", "destination")
    return sum(_warn(callback, at=at) for callback in told.order_by("pk").iterator())


@transaction.atomic
def _warn(callback: Callback, *, at: datetime) -> bool:
    """Whether it was warned of now; not when it was already, perhaps by another worker."""
    step = next((step for step in WARNED_AT if percent_used(callback, at=at) >= step), 0)
    still_so = Callback.objects.filter(pk=callback.pk, failing_since=callback.failing_since, warned_percent__lt=step)
    if not still_so.update(warned_percent=step, warned_at=at):
        return False
    if step == WARNED_AT[0]:
        switch_off(callback=callback, because=Callback.Off.BUDGET, at=at)
    with speaking_to_readers_of(callback.token):
        subject, paragraphs = _mail(callback, step)
        mail_about(callback.token, CALLBACK_FAILING, subject=subject, paragraphs=paragraphs, at=at)
    return True


def _mail(callback: Callback, step: int) -> tuple[str, list[str]]:
    """The subject and the paragraphs of the warning."""
    assert callback.failing_since is not None  # noqa: S101 - one that fails
    values = {
        "token": callback.token.name,
        "event": callback.get_event_display(),
        "url": callback.url,
        "since": in_words(callback.failing_since, callback.token.workspace),
        "percent": step,
        "problem": retold(callback.destination.last_problem) or "–",
    }
    is_over = step == WARNED_AT[0]
    what = _("The callback “%(event)s” of the token “%(token)s” to %(url)s has failed since %(since)s.") % values
    used = _("It has used %(percent)d %% of the time that it may fail. The last problem: %(problem)s") % values
    follows = (
        _("It is switched off now. Nothing is lost: events wait, and go out when you press “Enable and recover”.")
        if is_over
        else _("At 100 % it is switched off, and events wait. One success gives the whole time back.")
    )
    subject = (
        _("Callback of “%(token)s” was switched off: %(event)s")
        if is_over
        else _("Callback of “%(token)s” fails: %(event)s")
    ) % values
    page = f"{settings.BASE_URL}{reverse('admin:tokens_callback_change', args=[callback.pk])}"
    return subject, [what, used, follows, page]
