"""What the outbox asks of notices: to carry each as a mail of the server's own (tokens/notices.py writes them)."""

from collections.abc import Iterable, Sequence

from django.conf import settings
from django.core.mail import EmailMessage

from delivery.carriers import Delivered, DeliveryDraft, Occurrence, Outcome, Parcel, Refused, Temporary, register
from delivery.models import Delivery, Destination
from platforms.email.client import hand_in
from tokens.notices import DESTINATION_KIND


class NoticeCarrier:
    """Carries mails about tokens to people."""

    def route(self, destination: Destination, occurrences: Sequence[Occurrence]) -> Iterable[DeliveryDraft]:
        """Nothing: a notice is put into the outbox by whoever writes it, with its text."""
        return ()

    def carry(self, parcel: Parcel) -> Outcome:
        notice = parcel.delivery.payload
        mail = EmailMessage(notice["subject"], notice["text"], from_email=settings.MAIL_FROM, to=[notice["to"]])
        outcome = hand_in(mail, parcel)
        if isinstance(outcome, Refused) and outcome.code == "smtp_auth":
            # That is no fault of the notice: it leaves once EMAIL_URL is right again.
            return Temporary(outcome.code, outcome.reason)
        return outcome

    def is_repeatable(self, delivery: Delivery) -> bool:
        """A mail server takes the same mail twice."""
        return False

    def check(self, parcel: Parcel) -> Delivered | Refused | None:
        """There is nothing to ask."""
        return None


def register_notices() -> None:
    register(DESTINATION_KIND, NoticeCarrier())
