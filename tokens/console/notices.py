"""What a token's page says of its notices: when is told, who is told by mail, and what became of the mails."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.language import retold
from delivery.console.words import kind_label, state_pill
from tokens.expiry import moments_of
from tokens.models import ExpiryNotice, Token
from tokens.notices import addresses_of, mails_about

MAILS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Moment:
    label: str
    at: datetime
    is_told: bool


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    what: str
    pill: str
    problem: str
    at: datetime
    url: str


@dataclass(frozen=True, slots=True)
class Notices:
    addresses: list[str]
    silence: str
    """Why nothing is told that would be otherwise; "" when it is."""
    moments: list[Moment]
    mails: list[Mail]


def notices_of(token: Token) -> Notices:
    notices = ExpiryNotice.objects.filter(token=token).values_list("days", "expires_at")
    told = {days for days, expires_at in notices if expires_at == token.expires_at}
    return Notices(
        addresses=addresses_of(token),
        silence=_silence(token),
        moments=[Moment(_label(days), moment, days in told) for days, moment in moments_of(token)],
        mails=[
            Mail(
                to=str(each.payload.get("to", "–")),
                what=kind_label(each.kind),
                pill=state_pill(each.state),
                problem=retold(each.problem),
                at=each.created_at,
                url=reverse("admin:delivery_delivery_change", args=[each.pk]),
            )
            for each in mails_about(token, at_most=MAILS_SHOWN)
        ],
    )


def _silence(token: Token) -> str:
    if token.expires_at is None:
        return _("It never ends, so there is nothing to tell.")
    if token.replaced_by_id is not None:
        return _("It was rotated: the new token tells of its own end.")
    if token.revoked_at is not None or not token.is_on:
        return _("Nothing is told of a token that is switched off or revoked.")
    return ""


def _label(days: int) -> str:
    if days == 0:
        return _("At its end")
    return _("1 day before") if days == 1 else _("%(days)d days before") % {"days": days}
