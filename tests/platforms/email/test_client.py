import email
import smtplib
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User, Workspace
from delivery.carriers import Delivered, Refused, Temporary, Unknown
from personas.matching import ContactDraft
from platforms.connections import ConnectionDraft, SettingInvalid, add_connection, try_connection
from platforms.email.client import meaning
from platforms.health import health_of
from platforms.models import Connection
from tests.platforms.connecting import carry, send_to

pytestmark = pytest.mark.django_db
TO = ContactDraft("email", "Rina@example.org")


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    """Where mails become files, as they do until EMAIL_URL names a server."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    return tmp_path / "mail"


@pytest.fixture
def connection(workspace: Workspace) -> Connection:
    sender = {"sender": "Shop <shop@example.org>"}
    draft = ConnectionDraft("email", "Mail", settings=sender, carries=frozenset({"messages"}))
    return add_connection(workspace=workspace, draft=draft)


def test_message_to_an_email_contact_is_a_mail(connection: Connection, folder: Path, support_user: User) -> None:
    outcome, parcel = carry(send_to(connection, "Your order is ready.", sender=support_user, to=TO))

    mail = email.message_from_string(next(folder.iterdir()).read_text())
    assert outcome == Delivered(mail["Message-ID"])
    assert (mail["From"], mail["To"], mail["Subject"]) == ("Shop <shop@example.org>", "rina@example.org", "Order 17")
    assert str(mail.get_payload()).startswith("Your order is ready.\n")
    assert [(call.method, call.status) for call in parcel.calls] == [("MAIL", 250)]


def test_whatsapp_is_not_reached_by_mail(connection: Connection, folder: Path, support_user: User) -> None:
    with pytest.raises(IndexError):
        send_to(connection, "Hello", sender=support_user, to=ContactDraft("whatsapp", "+6281200000101"))


def test_connection_without_a_sender_is_refused(workspace: Workspace) -> None:
    with pytest.raises(SettingInvalid, match="“From” is missing"):
        add_connection(workspace=workspace, draft=ConnectionDraft("email", "Mail", carries=frozenset({"messages"})))


@pytest.mark.parametrize("setting", [{"subject": "Your order\nBcc: all@example.org"}, {"sender": "a@b.c\rd@e.f"}])
def test_setting_of_two_lines_is_refused(workspace: Workspace, setting: dict[str, str]) -> None:
    settings = {"sender": "Shop <shop@example.org>"} | setting
    draft = ConnectionDraft("email", "Mail", settings=settings, carries=frozenset({"messages"}))

    with pytest.raises(SettingInvalid, match="has a character that can't be seen"):
        add_connection(workspace=workspace, draft=draft)


def test_connection_whose_mails_become_files_is_not_said_to_fail(connection: Connection, folder: Path) -> None:
    try_connection(connection=connection)

    connection.refresh_from_db()
    health = health_of(connection, at=timezone.now())
    assert connection.test_problem == ""
    assert (health.level, health.label) == ("info", "Writes files")


def test_test_says_that_mails_become_files(connection: Connection, folder: Path) -> None:
    tried = try_connection(connection=connection)

    assert tried.trouble is None
    assert tried.advice == ["No mail leaves: EMAIL_URL writes each to a file in that folder."]
    assert tried.exchanges[0].url == f"file://{folder}"


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (smtplib.SMTPRecipientsRefused({"a@b.org": (550, b"No such user")}), Refused, "smtp_550"),
        (smtplib.SMTPRecipientsRefused({"a@b.org": (450, b"Mailbox busy")}), Temporary, "smtp_450"),
        (smtplib.SMTPAuthenticationError(535, b"no"), Refused, "smtp_auth"),
        (smtplib.SMTPDataError(552, b"Too large"), Refused, "smtp_552"),
        (ConnectionRefusedError(), Temporary, "not_sent"),
        (smtplib.SMTPServerDisconnected("gone"), Unknown, "no_answer"),
        (TimeoutError(), Unknown, "no_answer"),
    ],
)
def test_failure_of_smtp_means(error: Exception, outcome: type, code: str) -> None:
    found = meaning(error)

    assert (type(found), found.code) == (outcome, code)
