"""E-mail contacts, by SMTP as the server's EMAIL_URL says; without one, each mail becomes a file in a folder."""

import smtplib
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from delivery.carriers import Delivered, Outcome, Parcel, Refused, Temporary, Unknown
from platforms.contract import Job, Platform, Setting, Trouble
from platforms.people import OutgoingMessage
from platforms.transport import Exchange


class Email(Platform):
    key = "email"
    label = gettext_lazy("E-mail")
    summary = gettext_lazy("Messages to e-mail contacts, through this server's own mail.")
    has_address = False
    settings = (
        Setting(
            "sender", gettext_lazy("From"),
            gettext_lazy("The address that mails come from; your mail server must be allowed to send for it."),
            is_email=True,
        ),
        Setting(
            "subject", gettext_lazy("Subject"),
            gettext_lazy("Of every mail; empty: the name of the topic."), is_required=False,
        ),
    )  # fmt: skip
    requests_per_minute = 60
    rate_help = gettext_lazy("Ours: mail servers rarely like more.")
    carries = frozenset({"messages"})
    reaches = frozenset({"email"})
    limits = (
        gettext_lazy("A mail that was accepted may still come back; bounces are not read."),
        gettext_lazy("How mail leaves is set by who runs this server (EMAIL_URL)."),
    )

    def first_settings(self) -> dict[str, str]:
        """Mails come from where the server's own do."""
        return {"sender": settings.MAIL_FROM}

    def hand_over(self, message: OutgoingMessage, job: Job, parcel: Parcel) -> Outcome:
        """The mail server has taken the mail."""
        subject = job.target.settings.get("subject") or " ".join(message.topic_name.split())
        mail = EmailMessage(subject, message.text, from_email=job.target.settings["sender"], to=[message.to.key])
        return hand_in(mail, parcel)

    def try_out(self, job: Job) -> tuple[list[Exchange], Trouble | None, list[str]]:
        """Signs in to the mail server, and sends nothing."""
        problem, trouble = "", None
        try:
            if is_smtp():
                connection = get_connection(timeout=20)
                connection.open()
                connection.close()
        except (smtplib.SMTPException, OSError) as error:
            trouble = meaning(error)
            problem = trouble.reason
        status = None if trouble else 250
        done = Exchange("MAIL", server(), {}, "", status, {}, "", 0.0, problem=problem)
        advice = [] if is_smtp() else [_("No mail leaves: EMAIL_URL writes each to a file in that folder.")]
        return [done], trouble, advice


def hand_in(mail: EmailMessage, parcel: Parcel) -> Outcome:
    """The mail server has taken the mail, or it is known why not; the call is kept with the parcel."""
    mail_id = f"<{parcel.idempotency_key}@{parseaddr(mail.from_email)[1].rpartition('@')[2]}>"
    # The same in each attempt, so that mail servers and people know a repetition.
    mail.extra_headers |= {"Message-ID": mail_id, "Auto-Submitted": "auto-generated"}
    mail.connection = get_connection(timeout=20) if is_smtp() else get_connection()
    shown = {"From": mail.from_email, "To": mail.to[0], "Subject": str(mail.subject), "Message-ID": mail_id}
    trouble: Outcome | None = None
    try:
        with parcel.call(method="MAIL", url=server(), headers=shown, body=str(mail.body), step="mail") as call:
            mail.send()
            call.answered(status=250, headers={}, body="")
    except (smtplib.SMTPException, OSError) as error:
        trouble = meaning(error)
    return trouble or Delivered(remote_id=mail_id)


def server() -> str:
    """Where mail goes, as it is shown."""
    if is_smtp():
        return f"smtp://{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    folder = getattr(settings, "EMAIL_FILE_PATH", None)
    return f"file://{folder}" if folder else settings.EMAIL_BACKEND.split(".")[-2]


def meaning(error: Exception) -> Refused | Temporary | Unknown:
    """What a failure of SMTP means: 4xx passes, 5xx stays, a break after the mail was given leaves it open."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, said = next(iter(error.recipients.values()))
        return _by_code(code, said)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Refused("smtp_auth", _("The mail server does not accept EMAIL_URL's user name and password."))
    if isinstance(error, smtplib.SMTPResponseException):
        return _by_code(error.smtp_code, error.smtp_error)
    if isinstance(error, (smtplib.SMTPConnectError, ConnectionRefusedError)):
        return Temporary("not_sent", _("The mail server can't be reached."))
    if isinstance(error, (smtplib.SMTPServerDisconnected, TimeoutError)):
        return Unknown("no_answer", _("The mail server broke off before it said whether it took the mail."))
    return Temporary("not_sent", _("The mail could not be handed over: %(error)s") % {"error": error})


def _by_code(code: int, said: bytes | str) -> Refused | Temporary:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    sentence = _("The mail server says %(code)d: “%(text)s”") % {"code": code, "text": text[:300]}
    return Temporary(f"smtp_{code}", sentence) if 400 <= code < 500 else Refused(f"smtp_{code}", sentence)


def is_smtp() -> bool:
    """Whether mail leaves; else each becomes a file in a folder."""
    return bool(settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"))
