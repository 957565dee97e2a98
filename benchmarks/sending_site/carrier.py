"""The same call as the bare loop's, by way of the outbox."""

import threading
from collections.abc import Iterable, Sequence

import msgspec
import requests

from delivery.carriers import Delivered, DeliveryDraft, Occurrence, Outcome, Parcel, Refused, Temporary
from delivery.models import Delivery, Destination


class BareCarrier:
    """Posts the payload to the address that the destination is named by."""

    def __init__(self) -> None:
        self._own = threading.local()

    def route(self, destination: Destination, occurrences: Sequence[Occurrence]) -> Iterable[DeliveryDraft]:
        return []

    def is_repeatable(self, delivery: Delivery) -> bool:
        return True

    def check(self, parcel: Parcel) -> Delivered | Refused | None:
        return None

    def carry(self, parcel: Parcel) -> Outcome:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        url, body = parcel.destination.name, msgspec.json.encode(parcel.delivery.payload)
        headers = {"Idempotency-Key": parcel.idempotency_key, "Content-Type": "application/json"}
        try:
            with parcel.call(method="POST", url=url, headers=headers, body=body) as call:
                answer = self._own.session.post(url, data=body, headers=headers, timeout=10)
                call.answered(status=answer.status_code, headers=answer.headers, body=answer.content)
        except requests.RequestException as error:
            return Temporary("no_answer", str(error))
        return Delivered(answer.json()["id"])
