"""Mails about a token: to its caretaker and a second address, by the outbox, which sends each once and keeps trying."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.access import may
from accounts.language import reader_language
from accounts.models import User, Workspace
from accounts.roles import Action
from delivery import outbox
from delivery.carriers import DeliveryDraft, Occurrence
from delivery.models import Delivery, Destination
from tokens.models import Token

DESTINATION_KIND = "notice"
EXPIRING, CALLBACK_FAILING = "notice.token.expiring", "notice.callback.failing"
"""The kinds of deliveries that are notices."""
_MAILS_PER_MINUTE = 60


def addresses_of(token: Token) -> list[str]:
    """Who is told by mail: the caretaker, else who issued it, if they can be told; and the second address."""
    person = _person_of(token)
    found = [person.email] if person is not None else []
    if token.notice_address and token.notice_address.lower() not in {address.lower() for address in found}:
        found.append(token.notice_address)
    return found


def speaking_to_readers_of(token: Token) -> translation.override:
    """What is said inside is in the language of the person who is told; the second address reads the same."""
    return translation.override(reader_language(_person_of(token)))


def _person_of(token: Token) -> User | None:
    people = (token.caretaker, token.created_by)
    return next((each for each in people if each is not None and _can_be_told(each, token.workspace)), None)


def mail_about(token: Token, kind: str, *, subject: str, paragraphs: Sequence[str], at: datetime) -> None:
    """A mail to each of `addresses_of` waits in the outbox. Part of the caller's transaction."""
    addresses = addresses_of(token)
    if not addresses:
        return
    why = _(
        "You get this because you are the caretaker of this token or issued it, or because your address is the second"
        " one for its notices. Both can be changed on its page."
    )
    text = "\n\n".join([*paragraphs, f"-- \n{why}"])
    news = Occurrence(workspace_id=token.workspace_id, kind=kind, subject_id=token.pk, at=at)
    drafts = [
        DeliveryDraft(
            because_of=news,
            lane=f"mail:{address}"[:100],
            kind=kind,
            payload={"to": address, "subject": subject, "text": text},
            token_id=token.pk,
        )
        for address in addresses
    ]
    outbox.post(_destination(token.workspace), drafts)


def withdraw(token: Token, kind: str) -> None:
    """Mails of this kind that have not left yet do not leave any more. Part of the caller's transaction."""
    if token.pk is not None:
        outbox.cancel_about_token(token_id=token.pk, kind=kind, code="token_changed", at=timezone.now())


def mails_about(token: Token, *, at_most: int) -> list[Delivery]:
    """The newest notices that were mailed, or are to be, about this token."""
    mails = Delivery.objects.filter(token_id=token.pk, workspace=token.workspace_id, kind__startswith="notice.")
    return list(mails.order_by("-id")[:at_most])


def expiry_mail(token: Token, *, at: datetime) -> tuple[str, list[str]]:
    """The subject and the paragraphs of the mail which says that the token ends, or has ended."""
    assert token.expires_at is not None  # noqa: S101 - one that ends
    values = {
        "name": token.name,
        "masked": token.masked,
        "workspace": token.workspace.name,
        "moment": in_words(token.expires_at, token.workspace),
        "used": in_words(token.last_used_at, token.workspace) if token.last_used_at else "",
    }
    if token.expires_at <= at:
        subject = _("Token “%(name)s” has ended") % values
        what = (
            _(
                "The token “%(name)s” (%(masked)s) of the workspace “%(workspace)s” ended on %(moment)s."
                " Every call with it is refused since then."
            )
            % values
        )
        todo = _(
            "If a program still needs it: choose a later expiration on its page, and the same secret works again."
            " If not, nothing is to be done."
        )
    else:
        subject = _("Token “%(name)s” ends on %(moment)s") % values
        what = (
            _(
                "The token “%(name)s” (%(masked)s) of the workspace “%(workspace)s” ends on %(moment)s."
                " From then on, every call with it is refused."
            )
            % values
        )
        todo = _(
            "If a program still needs it: choose a later expiration on its page. If it is time for a new secret too,"
            " rotate it there, and give the new token its own expiration. If nobody needs it, nothing is to be done."
        )
    used = _("It was used last on %(used)s.") % values if token.last_used_at else _("It was never used.")
    return subject, [what, used, todo, page_of(token)]


def page_of(token: Token) -> str:
    return f"{settings.BASE_URL}{reverse('admin:tokens_token_change', args=[token.pk])}"


def in_words(moment: datetime, workspace: Workspace) -> str:
    """In the workspace's zone, which is named."""
    local = moment.astimezone(ZoneInfo(workspace.time_zone))
    return f"{date_format(local, 'j F Y, H:i')} ({workspace.time_zone})"


def _can_be_told(person: User, workspace: Workspace) -> bool:
    return bool(person.email) and may(person, Action.READ, workspace)


def _destination(workspace: Workspace) -> Destination:
    """The workspace's own for notices, which the monitor of deliveries lists; made with the first one."""
    own = Destination.objects.filter(workspace=workspace, kind=DESTINATION_KIND, removed_at=None).order_by("pk")
    found = own.first()
    if found is None:
        Workspace.objects.select_for_update().get(pk=workspace.pk)  # so that two workers make one
        found = own.first() or Destination.objects.create(
            workspace=workspace, name=gettext_noop("Notices by mail"), kind=DESTINATION_KIND, parallel_calls=1,
            requests_per_minute=_MAILS_PER_MINUTE,
        )  # fmt: skip
    return found
