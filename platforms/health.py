"""How a connection is, at a glance."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from accounts.language import retold
from platforms.email.client import Email, is_smtp
from platforms.models import Connection

EXPIRES_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Health:
    level: str
    """good, info, warn, bad or off, as pills are."""
    label: str
    detail: str = ""


def health_of(connection: Connection, *, at: datetime) -> Health:
    """The worst that is known of it, first what somebody has to do something about."""
    destination = connection.destination
    if not destination.is_on:
        return Health("off", _("Off"), _("What happens meanwhile waits."))
    ends_at = connection.credential_expires_at
    if ends_at is not None and ends_at <= at:
        return Health("bad", _("Credential expired"), _("Get a new one there and type it in here."))
    has_failed = destination.last_problem_at is not None and (
        destination.last_delivered_at is None or destination.last_problem_at > destination.last_delivered_at
    )
    if has_failed and destination.resumes_at is not None and destination.resumes_at > at:
        return Health("bad", _("Paused"), retold(destination.last_problem))
    if has_failed:
        return Health("warn", _("Last call failed"), retold(destination.last_problem))
    if ends_at is not None and ends_at <= at + EXPIRES_SOON:
        return Health("warn", _("Credential ends soon"))
    if connection.platform == Email.key and not is_smtp():
        return Health("info", _("Writes files"), _("No mail leaves this server: EMAIL_URL writes each to a file."))
    if connection.test_problem and (
        destination.last_delivered_at is None
        or (connection.tested_at is not None and connection.tested_at > destination.last_delivered_at)
    ):
        return Health("warn", _("Test failed"), retold(connection.test_problem))
    if destination.last_delivered_at is not None:
        return Health("good", _("Working"))
    if connection.tested_at is not None:
        return Health("good", _("Ready"), _("The test went well; nothing was sent yet."))
    return Health("info", _("Not tried yet"), _("Test it before you rely on it."))
